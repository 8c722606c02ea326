"""What a mirror says of itself: `mirror.json` its kind, `SHA256SUMS` the digests that its upstreams
do not publish.
"""

import codecs
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

_LINE = re.compile(r"^([0-9a-fA-F]{64})[ \t]+\*?(.+?)[ \t]*$", re.MULTILINE)

_BSD = re.compile(r"^SHA256[ \t]*\((.+)\)[ \t]*=[ \t]*([0-9a-fA-F]{64})[ \t]*$", re.MULTILINE)
"""A line of `sha256sum --tag`, of BSD's tools and of OpenSSL."""

OWN_BYTES: tuple[Kind, ...] = ("sample", "source")
"""The kinds whose files are not what their upstreams publish: pins say nothing about them."""


def host_path(url: str) -> str:
    """Where a mirror keeps a URL: HOST/PATH below its root."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"


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


class Mirror(Model):
    """The whole of `mirror.json`."""

    header: Header = Header(type="kubewright.mirror")
    kind: Kind
    through: dict[str, Origin] | None = Field(
        None,
        description="of a download: the hosts whose files were not read from the upstream itself, "
        "and what was read",
    )


def sums(data: bytes) -> str:
    """The text of a checksum file with lines as sha256sum writes them. It may be UTF-16, have lines
    of BSD's tools, and end them with a carriage return.
    """
    utf_16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if utf_16 else "utf-8-sig", "replace").replace("\r\n", "\n")
    return _BSD.sub(r"\2  \1", text)


def checksums(data: bytes) -> dict[str, str]:
    """The digests in a mirror's `SHA256SUMS`, by path below its root.

    Raises ValueError that names a path for which it has two.
    """
    found: dict[str, str] = {}
    for digest, path in _LINE.findall(sums(data)):
        name = path.removeprefix("./")
        if found.setdefault(name, digest.lower()) != digest.lower():
            raise ValueError(name)
    return found
