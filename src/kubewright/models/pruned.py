"""`publications/pruned/DIGEST.json`: what a site has given up."""

from pydantic import Field

from kubewright.models.base import Header, RelativePath, Sha256
from kubewright.models.document import Document


class Pruned(Document):
    """What a site has given up: its earlier publications, and the objects that may be removed."""

    header: Header = Field(
        Header(type="kubewright.pruned"), description="what this is, in which format"
    )
    states: dict[str, Sha256] = Field(description="the digest of each publication, by its number")
    objects: tuple[RelativePath, ...] = Field(description="that no document names any more")
    suspects: dict[RelativePath, int] = Field(
        {}, description="objects that no document named, and since when (epoch seconds)"
    )
