"""`minors/1.NN.json`: a minor of Kubernetes on a site, for programs; its page is for people."""

from pydantic import Field

from kubewright.models.base import Day, Header, Minor, PublicUrl, ReleaseName
from kubewright.models.document import Document
from kubewright.models.site import ChannelName, IndexedRelease


class MinorReleases(Document):
    """A minor and its releases on this site. Nobody signs it alone: the state names its digest."""

    header: Header = Field(
        Header(type="kubewright.minor"), description="what this is, in which format"
    )
    site: str = Field("", description="the id of the site")
    url: PublicUrl = Field("", description="the site's public base URL, where one is fixed")
    minor: Minor = Field(description="of Kubernetes")
    released: Day | None = Field(None, description="by upstream, as 1.NN.0")
    end_of_life: Day | None = Field(
        None, description="when upstream's support of it ends, or ended"
    )
    channels: dict[ChannelName, ReleaseName] = Field(
        {}, description="the release of this minor that each channel offers now"
    )
    releases: tuple[IndexedRelease, ...] = Field(description="newest first")
