"""Debian packages as index entries: what a suite's `Packages` files say about each."""

import gzip
import io
import lzma
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import zstandard
from debian.deb822 import Deb822

from kubewright import files, tarballs
from kubewright.errors import VerificationFailed
from kubewright.models.base import Arch
from kubewright.repos.entries import DebEntry

__all__ = ["DebEntry", "entry"]

FIRST = (
    "Package",
    "Source",
    "Version",
    "Architecture",
    "Multi-Arch",
    "Essential",
    "Section",
    "Priority",
    "Maintainer",
    "Installed-Size",
    "Pre-Depends",
    "Depends",
    "Recommends",
    "Suggests",
    "Enhances",
    "Provides",
    "Breaks",
    "Conflicts",
    "Replaces",
    "Homepage",
)
"""Fields that lead a stanza, in this order; fields named nowhere here follow by name."""

LAST = ("Description", "Filename", "Size", "SHA256")
"""Fields that end a stanza."""

REQUIRED = ("Package", "Version", "Architecture")

AR_MAGIC, AR_HEADER = b"!<arch>\n", 60

UNREADABLE = (
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    zstandard.ZstdError,
    EOFError,
    ValueError,
)
"""What the decoders below raise for damaged bytes; pydantic's ValidationError is a ValueError."""


def entry(path: Path, filename: str) -> DebEntry:
    """Read the deb at `path`, to be published as `filename` (relative to apt/).

    Raises VerificationFailed for a truncated file, for what is no deb, and for an architecture that
    sites do not carry.
    """
    with files.explained(path):
        size, sha256 = path.stat().st_size, files.sha256_of(path)
        try:
            with path.open("rb") as stream:
                control = _control(stream, size)
            if missing := [field for field in REQUIRED if field not in control]:
                raise ValueError(f"its control file has no {' and no '.join(missing)}")
            package, version, architecture = (control[field] for field in REQUIRED)
            return DebEntry(
                package=package,
                version=version,
                architecture=_carried(architecture),
                filename=filename,
                size=size,
                sha256=sha256,
                stanza=_stanza(
                    control | {"Filename": filename, "Size": str(size), "SHA256": sha256}
                ),
            )
        except UNREADABLE as error:
            raise VerificationFailed(
                str(path), f"not a usable deb ({error})", "build or fetch it again"
            ) from error


def _carried(architecture: str) -> str:
    """The architecture of a deb, by Debian's name. Raises ValueError for one of no site."""
    if architecture not in ("all", *(arch.deb for arch in Arch)):
        raise ValueError(f"{architecture!r} is not an architecture of this site")
    return architecture


def _control(stream: IO[bytes], size: int) -> dict[str, str]:
    """The fields of the deb's control file; empty fields are left out, as dpkg would."""
    members = _members(stream, size)
    _part(members, "data")
    name = _part(members, "control")
    start, length = members[name]
    stream.seek(start)
    packed = stream.read(length)
    if name.endswith(".zst"):
        packed = zstandard.ZstdDecompressor().stream_reader(packed).read(tarballs.SMALL)
    for member in tarballs.members(io.BytesIO(packed)):
        if member.path == "control" and member.info.isreg():
            fields = Deb822(member.content().read().decode())
            return {field: value for field, value in fields.items() if value}
    raise ValueError(f"there is no control file in {name}")


def _part(members: Iterable[str], part: str) -> str:
    for name in members:
        if name.startswith(f"{part}.tar"):
            return name
    raise ValueError(f"it has no {part}.tar")


def _members(stream: IO[bytes], size: int) -> dict[str, tuple[int, int]]:
    """Where each member of an ar archive of `size` bytes starts and how long it is.

    python-debian's ArFile does not notice that the last member is cut short.
    """
    if stream.read(len(AR_MAGIC)) != AR_MAGIC:
        raise ValueError("it does not start like an ar archive")
    members: dict[str, tuple[int, int]] = {}
    at = len(AR_MAGIC)
    while at < size:
        stream.seek(at)
        header = stream.read(AR_HEADER)
        if header[58:] != b"`\n":
            raise ValueError(f"no member header at byte {at}: it is truncated or damaged")
        name, length = header[:16].decode().strip().rstrip("/"), int(header[48:58])
        start = at + AR_HEADER
        if start + length > size:
            raise ValueError(f"it is truncated inside {name}")
        members[name] = start, length
        at = start + length + length % 2
    return members


def _stanza(fields: dict[str, str]) -> str:
    def place(field: str) -> tuple[int, str]:
        if field in FIRST:
            return FIRST.index(field), field
        return len(FIRST) + (1 + LAST.index(field) if field in LAST else 0), field

    return "".join(f"{field}: {fields[field]}\n" for field in sorted(fields, key=place))
