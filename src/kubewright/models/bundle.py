"""Bundles: what an archive for machines without network holds, and which releases a part of a site
has.
"""

from pydantic import Field

from kubewright.models.base import Header, PlainName, PublicUrl, RelativePath, ReleaseName, Sha256
from kubewright.models.document import Document
from kubewright.models.image import Digest

PAYLOAD = ("deb", "rpm", "image-archive")
"""The kinds of files that a part of a site may lack. All else is small, and always there."""


class PartRelease(Document):
    """A release whose packages and images are here."""

    name: ReleaseName
    manifest_sha256: Sha256
    architectures: tuple[PlainName, ...] = Field(
        description="for which its files are here, by the names in its manifest"
    )
    without: tuple[str, ...] = Field(
        (), description="kinds of files that lie elsewhere: in a bundle the archives of images"
    )


class Part(Document):
    """`releases/part.json`: which releases of a site are here, where not all of them are. Nobody
    signs it: it can make readers miss a file, and never take a wrong one.
    """

    header: Header = Header(type="kubewright.part")
    site: str = Field(description="the id of the site")
    releases: tuple[PartRelease, ...]
    linked: bool = Field(
        True, description="whether rpms are here by the names of plain yum repositories too"
    )


class Member(Document):
    """A file of a bundle."""

    size: int = Field(ge=0, description="bytes")
    sha256: Sha256
    before: bool = Field(False, description="whether the bundle before has it, and not this one")


class Piece(Document):
    """Bytes of an archive of images: these ones, or those of a blob."""

    data: str = Field("", description="base64")
    blob: Digest | None = None


class Archive(Document):
    """An archive of images, which is put together from its pieces: each blob is here only once."""

    path: RelativePath = Field(description="below the root of the site")
    size: int = Field(ge=0, description="bytes")
    sha256: Sha256
    pieces: tuple[Piece, ...]


class Before(Document):
    """The bundle that has what this one has not."""

    list_sha256: Sha256 | None = Field(
        None, description="of its bundle.json; absent: it was a site that bundles were loaded into"
    )
    publication: int
    releases: tuple[ReleaseName, ...]


class Bundle(Document):
    """`bundle.json`, the first file of a bundle: what is in it, and of which site it is."""

    header: Header = Header(type="kubewright.bundle")
    site: str = Field(description="the id of the site")
    url: PublicUrl = Field("", description="the site's public base URL, where one is fixed")
    publication: int = Field(description="the number of the publication")
    publication_sha256: Sha256 = Field(description="of its state")
    issued: int = Field(description="publication clock, epoch seconds")
    releases: tuple[PartRelease, ...]
    systems: tuple[PlainName, ...] = Field(
        (), description="distributions whose packages are here too, below os/"
    )
    members: dict[RelativePath, Member] = Field(description="every other file, by path")
    archives: tuple[Archive, ...] = ()
    since: Before | None = None
