"""Writes a deterministic tar, and an image layer in one pass: tar, compression and both digests
together.
"""

import hashlib
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import IO, Final, Protocol

import zstandard

from kubewright.errors import VerificationFailed
from kubewright.files import CHUNK
from kubewright.images.documents import LAYERS
from kubewright.models.image import Compression

GZIP_LEVEL: Final = 6
ZSTD_LEVEL: Final = 3

CAPABILITIES: Final = MappingProxyType(
    {"cap_net_bind_service": bytes.fromhex("0100000200040000" + "00" * 12)}
)
"""Values of the extended attribute security.capability: version 2, permitted and effective
(capability.h).
"""


@dataclass(frozen=True)
class File:
    """A regular file; `size` in bytes is promised before `open` is read."""

    path: str
    size: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    mode: int = 0o644
    capability: str | None = None


@dataclass(frozen=True)
class Directory:
    """A directory that is named for its mode or because it is empty."""

    path: str
    mode: int = 0o755


@dataclass(frozen=True)
class Link:
    """A symbolic link, or a second name of the file at `to`."""

    path: str
    to: str
    hard: bool = False


Entry = File | Directory | Link
"""Something in a tar; paths are relative to its root."""


@dataclass(frozen=True)
class Layer:
    """A layer that has been written. Digests are `sha256:…`, sizes bytes."""

    digest: str
    size: int
    diff_id: str
    media_type: str
    compressor: str


class Compressor(Protocol):
    """What zlib and zstandard both offer."""

    def compress(self, data: bytes, /) -> bytes:
        """Take some input; return what has become output."""

    def flush(self) -> bytes:
        """End the stream."""


class Gzip:
    """Gzip with a header of our own: no time, no name, no operating system (RFC 1952)."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._header = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
        self._checksum = 0
        self._length = 0

    def compress(self, data: bytes, /) -> bytes:
        """Take some input; return what has become output."""
        self._checksum = zlib.crc32(data, self._checksum)
        self._length += len(data)
        header, self._header = self._header, b""
        return header + self._deflate.compress(data)

    def flush(self) -> bytes:
        """End the stream."""
        return self._deflate.flush() + struct.pack("<II", self._checksum, self._length & 0xFFFFFFFF)


def compressor(compression: Compression) -> tuple[Compressor, str]:
    """A new compressor with its description: another library or version may give other bytes."""
    if compression == "zstd":
        version = ".".join(str(part) for part in zstandard.ZSTD_VERSION)
        return zstandard.ZstdCompressor(
            level=ZSTD_LEVEL
        ).compressobj(), f"zstd {version} level {ZSTD_LEVEL}"
    return Gzip(), f"zlib {zlib.ZLIB_RUNTIME_VERSION} level {GZIP_LEVEL}"


def write_layer(
    entries: Iterable[Entry], out: IO[bytes], *, epoch: int, compression: Compression
) -> Layer:
    """Write a compressed layer to `out`. Raises VerificationFailed when a file is not as long as
    promised.
    """
    squeeze, description = compressor(compression)
    content, blob, size = hashlib.sha256(), hashlib.sha256(), 0

    def emit(data: bytes) -> None:
        nonlocal size
        blob.update(data)
        size += len(data)
        out.write(data)

    def write(data: bytes) -> None:
        content.update(data)
        emit(squeeze.compress(data))

    write_tar(entries, write, epoch=epoch)
    emit(squeeze.flush())
    return Layer(
        digest=f"sha256:{blob.hexdigest()}",
        size=size,
        diff_id=f"sha256:{content.hexdigest()}",
        media_type=LAYERS[compression],
        compressor=description,
    )


def write_tar(entries: Iterable[Entry], write: Callable[[bytes], object], *, epoch: int) -> None:
    """Pass a tar to `write`, piece by piece; it depends on nothing but its arguments.

    Every parent directory comes once and before its children; hard links come last, after their
    files.
    """
    ordered = _in_order(entries)
    modes = {entry.path: entry.mode for entry in ordered if isinstance(entry, File)}
    for entry in ordered:
        info = tarfile.TarInfo(entry.path)
        info.mtime = epoch
        match entry:
            case File():
                info.size, info.mode = entry.size, entry.mode
                if entry.capability:
                    info.pax_headers = {
                        "SCHILY.xattr.security.capability": CAPABILITIES[entry.capability].decode(
                            "ascii"
                        )
                    }
            case Directory():
                info.type, info.mode = tarfile.DIRTYPE, entry.mode
            case Link(hard=True):  # with the file's own mode: Docker applies it to both
                info.type, info.linkname, info.mode = tarfile.LNKTYPE, entry.to, modes[entry.to]
            case Link():
                info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.to, 0o777
        write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))
        if isinstance(entry, File):
            _write_content(entry, write)
    write(bytes(2 * tarfile.BLOCKSIZE))


def _in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Entries by path with their parents filled in. Raises ValueError when two have the same
    path.
    """
    found: dict[str, Entry] = {}
    for entry in entries:
        if entry.path in found:
            raise ValueError(f"{entry.path}: there twice; a tar names each path once")
        found[entry.path] = entry
    for path in list(found):
        for parent in PurePosixPath(path).parents[:-1]:
            found.setdefault(str(parent), Directory(str(parent)))
    return sorted(
        found.values(), key=lambda entry: (isinstance(entry, Link) and entry.hard, entry.path)
    )


def _write_content(file: File, write: Callable[[bytes], object]) -> None:
    left = file.size
    with file.open() as stream:
        while data := stream.read(CHUNK):
            left -= len(data)
            write(data)
    if left:
        raise VerificationFailed(
            f"{file.path}: {file.size - left} bytes where {file.size} were promised; did it change while it was read? "
            "Run the same command again"
        )
    write(bytes(-file.size % tarfile.BLOCKSIZE))
