"""RPM packages as index entries: what `primary`, `filelists` and `other` say about each."""

import struct
from pathlib import Path
from typing import IO

from pydantic import Field

from kubewright import files
from kubewright.errors import VerificationFailed
from kubewright.models.base import Arch, Model, Sha256

LOCATION = "@LOCATION@"
"""Stands in `RpmEntry.primary` for the href, which depends on where the metadata is published."""

LEAD, LEAD_MAGIC, HEADER_MAGIC = 96, b"\xed\xab\xee\xdb", b"\x8e\xad\xe8\x01"
SIGTAG_SIZE = 1000
"""Tag of the signature header with the bytes of header and payload together (rpm's docs/manual/format)."""


class RpmEntry(Model):
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

    The XML is createrepo_c's. The file's time is the header's build time: the file system's would
    differ between builders. Raises VerificationFailed for a truncated file, for what is no rpm, and
    for an architecture that sites do not carry.
    """
    with files.explained(path), path.open("rb") as stream:
        size = path.stat().st_size
        try:
            declared = _declared_size(stream)
            if declared not in (None, size):
                raise ValueError(f"it has {size} bytes where its signature header says {declared}")
            return _described(path, size)
        except (ValueError, struct.error) as error:
            raise VerificationFailed(f"{path}: not a usable rpm ({error}); build or fetch it again") from error


def _described(path: Path, size: int) -> RpmEntry:
    import createrepo_c  # type: ignore[import-untyped]  # here, because importing it is slow

    try:
        package = createrepo_c.package_from_rpm(str(path), checksum_type=createrepo_c.SHA256, location_href=LOCATION)
    except OSError as error:
        raise ValueError(str(error)) from error
    if package.arch not in ("noarch", *(arch.rpm for arch in Arch)):
        raise ValueError(f"{package.arch!r} is not an architecture of this site")
    package.time_file = package.time_build
    primary, filelists, other = createrepo_c.xml_dump(package)
    return RpmEntry(
        name=package.name, epoch=int(package.epoch), version=package.version, release=package.release,
        arch=package.arch, basename=path.name, size=size, sha256=package.pkgId,
        primary=primary, filelists=filelists, other=other,
    )  # fmt: skip


def _declared_size(stream: IO[bytes]) -> int | None:
    """How long the file should be, where its signature header says so.

    createrepo_c reads headers only and would index a package whose payload is cut short.
    """
    if stream.read(LEAD)[:4] != LEAD_MAGIC:
        raise ValueError("it does not start like an rpm")
    magic, tags, stored = struct.unpack(">4s4xII", stream.read(16))
    if magic != HEADER_MAGIC:
        raise ValueError("it has no signature header")
    index, store = stream.read(16 * tags), stream.read(stored)
    header = -(-(LEAD + 16 + len(index) + len(store)) // 8) * 8  # the main header is aligned to 8 bytes
    for tag, _, offset, _ in struct.iter_unpack(">4I", index):
        if tag == SIGTAG_SIZE:
            (rest,) = struct.unpack_from(">I", store, offset)
            return header + int(rest)
    return None
