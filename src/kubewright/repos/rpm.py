"""RPM packages as index entries: what `primary`, `filelists` and `other` say about each."""

import hashlib
import os
from io import BufferedReader
from pathlib import Path

from pydantic import Field

from kubewright import files, rpmfile
from kubewright.errors import VerificationFailed
from kubewright.models.base import Arch, Sha256
from kubewright.models.document import Document
from kubewright.repos import rpmheader, rpmxml

LOCATION = "@LOCATION@"
"""Stands in `RpmEntry.primary` for the href, which depends on where the metadata is published."""


class RpmEntry(Document):
    """One rpm as an index lists it. Everything an index needs: the file is never read again."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str = Field(description="x86_64, aarch64 or noarch")
    basename: str = Field(description="file name in the pool")
    size: int
    sha256: Sha256
    primary: str = Field(description="its element of primary.xml, with @LOCATION@ for the href")
    filelists: str
    other: str


def entry(path: Path) -> RpmEntry:
    """Read the rpm at `path`, to be published under the same file name.

    The XML is what createrepo_c writes, but that the file's time is the header's build time: the
    file system's would differ between builders. Raises VerificationFailed for a truncated file, for
    what is no rpm, and for an architecture that sites do not carry.
    """
    with files.explained(path), path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        try:
            return _described(path.name, stream, size)
        except ValueError as error:
            raise VerificationFailed(
                str(path), f"not a usable rpm ({error})", "build or fetch it again"
            ) from error


def _described(basename: str, stream: BufferedReader, size: int) -> RpmEntry:
    headers = rpmfile.headers(stream, size)
    stream.seek(0)
    sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    package = rpmheader.package(headers, size=size, sha256=sha256)
    if package.arch not in ("noarch", *(arch.rpm for arch in Arch)):
        raise ValueError(f"{package.arch!r} is not an architecture of this site")
    return RpmEntry(
        name=package.name,
        epoch=package.epoch,
        version=package.version,
        release=package.release,
        arch=package.arch,
        basename=basename,
        size=size,
        sha256=sha256,
        primary=rpmxml.primary(package, LOCATION),
        filelists=rpmxml.filelists(package),
        other=rpmxml.other(package),
    )
