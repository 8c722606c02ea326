"""What a mirror says of itself: `mirror.json` its kind, `SHA256SUMS` the digests that its upstreams
do not publish.
"""

import re
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from kubewright.models.base import Header, Model, Sha256

NAME = "mirror.json"
"""The file's name, at the top of a mirror."""

Kind = Literal["sample", "source", "download"]
"""sample: placeholder programs · source: compiled from source · download: the upstream's own
bytes.
"""

_LINE = re.compile(r"^([0-9a-fA-F]{64})\s+\*?(.+)$", re.MULTILINE)

OWN_BYTES: tuple[Kind, ...] = ("sample", "source")
"""The kinds whose files are not what their upstreams publish: pins say nothing about them."""


def host_path(url: str) -> str:
    """Where a mirror keeps a URL: HOST/PATH below its root."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"


class Mirror(Model):
    """The whole of `mirror.json`."""

    header: Header = Header(type="kubewright.mirror")
    kind: Kind


class Origin(Model):
    """The mirror that stood for an upstream, as it describes itself."""

    kind: str = Field(
        description="`sample`, `source` or `download`; `unstated` where it says nothing"
    )
    description: Sha256 | None = Field(None, description="of its mirror.json")

    @property
    def own_bytes(self) -> bool:
        """Whether its programs are others than upstream's."""
        return self.kind in OWN_BYTES

    @property
    def sample(self) -> bool:
        """Whether its programs are placeholders, which no cluster can use."""
        return self.kind == "sample"


def checksums(text: str) -> dict[str, str]:
    """The digests in a mirror's `SHA256SUMS`, by path below its root."""
    return {name.strip().removeprefix("./"): digest.lower() for digest, name in _LINE.findall(text)}
