"""Packages as index entries: all that an index says of one, so that no file is read again."""

from typing import Annotated

from pydantic import Field, StringConstraints

from kubewright.models.base import PlainName, RelativePath, Sha256
from kubewright.models.document import Document

FileName = Annotated[
    str, StringConstraints(pattern=r"^[^/%:?#\\\x00-\x1f\x7f.-][^/%:?#\\\x00-\x1f\x7f]*$")
]
"""Whatever people may call an rpm and no reader takes for more than a name."""

LOCATION = "@LOCATION@"
"""Stands in `RpmEntry.primary` for the href, which depends on where the metadata is published."""


class DebEntry(Document):
    """One deb as an index lists it. Everything an index needs: the file is never read again."""

    package: PlainName
    version: str = Field(description="with its epoch, as dpkg prints it")
    architecture: PlainName = Field(description="Debian's name, or all")
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
    arch: PlainName = Field(description="as the kernel calls it, such as x86_64, or noarch")
    basename: FileName = Field(description="file name in the pool")
    size: int
    sha256: Sha256
    primary: str = Field(description="its element of primary.xml, with @LOCATION@ for the href")
    filelists: str
    other: str
