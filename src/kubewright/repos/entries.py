"""Packages as index entries: all that an index says of one, so that no file is read again."""

from pydantic import Field

from kubewright.models.base import RelativePath, Sha256
from kubewright.models.document import Document

LOCATION = "@LOCATION@"
"""Stands in `RpmEntry.primary` for the href, which depends on where the metadata is published."""


class DebEntry(Document):
    """One deb as an index lists it. Everything an index needs: the file is never read again."""

    package: str
    version: str = Field(description="with its epoch, as dpkg prints it")
    architecture: str = Field(description="Debian's name, or all")
    filename: RelativePath = Field(description="below apt/")
    size: int
    sha256: Sha256
    stanza: str = Field(
        description="its paragraph of Packages, with the last newline, without a blank line"
    )


class RpmEntry(Document):
    """One rpm as an index lists it. Everything an index needs: the file is never read again."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str = Field(description="as the kernel calls it, such as x86_64, or noarch")
    basename: str = Field(description="file name in the pool")
    size: int
    sha256: Sha256
    primary: str = Field(description="its element of primary.xml, with @LOCATION@ for the href")
    filelists: str
    other: str
