"""RPM packages as index entries: what `primary`, `filelists` and `other` say about each."""

import hashlib
import os
from io import BufferedReader
from pathlib import Path

from kubewright import files, rpmfile
from kubewright.errors import VerificationFailed
from kubewright.models.base import Arch
from kubewright.repos import rpmheader, rpmxml
from kubewright.repos.entries import LOCATION, RpmEntry

__all__ = ["LOCATION", "RpmEntry", "entry"]


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
