"""Reproducible archives: tar and gzip that depend on nothing but what is put into them.

This is the one place that decides times, owners, modes, the order of entries and gzip's header.
"""

import struct
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import IO, Final, Literal, Self

from zlib_ng import zlib_ng

from kubewright import files
from kubewright.errors import VerificationFailed

GZIP_LEVEL: Final = 4
"""Of archives and layers: less time than Go's fastest level takes, and an eighth fewer bytes."""

GZIP: Final = f"zlib-ng {zlib_ng.ZLIBNG_RUNTIME_VERSION} level {GZIP_LEVEL}"
"""What decides the bytes of the class Gzip."""

PIECE: Final = 1 << 13
"""Bytes that are unpacked at once; most members of an index are smaller."""

CAPABILITIES: Final = MappingProxyType(
    {"cap_net_bind_service": bytes.fromhex("0100000200040000" + "00" * 12)}
)
"""Values of the extended attribute security.capability: version 2, permitted and effective
(capability.h).
"""


@dataclass(frozen=True)
class FileEntry:
    """A regular file; `size` in bytes is promised before `open` is read."""

    path: str
    size: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]
    mode: int = 0o644
    capability: str | None = None

    @classmethod
    def of(cls, path: str, content: files.Content, mode: int = 0o644) -> Self:
        """A file with the content of another, or with bytes at hand."""
        return cls(path, files.size_of(content), lambda: files.opened(content), mode)


@dataclass(frozen=True)
class DirectoryEntry:
    """A directory that is named for its mode or because it is empty."""

    path: str
    mode: int = 0o755


@dataclass(frozen=True)
class LinkEntry:
    """A symbolic link, or a second name of the file at `to`."""

    path: str
    to: str
    hard: bool = False


Entry = FileEntry | DirectoryEntry | LinkEntry
"""Something in a tar; paths are relative to its root."""


@dataclass(frozen=True)
class TarStyle:
    """What else decides the bytes of a tar.

    `form` is tarfile's number of the format; the whole is padded to a multiple of `record` bytes.
    Entries come by path, or all directories before everything else. A `dotted` tar names its root
    and starts every path with `./`; `owner` is the name beside the number 0.
    """

    form: Literal[0, 1, 2]
    record: int
    directories_first: bool
    dotted: bool = False
    owner: str = ""


LAYER_STYLE: Final = TarStyle(tarfile.PAX_FORMAT, tarfile.BLOCKSIZE, directories_first=False)
"""Image layers and archives of images."""

UPSTREAM_STYLE: Final = TarStyle(tarfile.USTAR_FORMAT, tarfile.RECORDSIZE, directories_first=True)
"""As most upstreams pack their programs."""

PLAIN_STYLE: Final = TarStyle(tarfile.PAX_FORMAT, tarfile.RECORDSIZE, directories_first=False)
"""Bundles."""

DEB_STYLE: Final = TarStyle(
    tarfile.GNU_FORMAT, tarfile.BLOCKSIZE, directories_first=False, dotted=True, owner="root"
)
"""Members of debs: dpkg reads GNU's long names, and not those of pax (deb(5))."""


def write_tar(
    entries: Iterable[Entry],
    write: Callable[[bytes], object],
    *,
    epoch: int,
    style: TarStyle = LAYER_STYLE,
) -> None:
    """Pass a tar to `write`, piece by piece. Raises as `tar_pieces`, and VerificationFailed when a
    file is not as long as promised.
    """
    for piece in tar_pieces(entries, epoch=epoch, style=style):
        if isinstance(piece, FileEntry):
            _write_content(piece, write)
        else:
            write(piece)


def tar_pieces(
    entries: Iterable[Entry], *, epoch: int, style: TarStyle
) -> Iterator[bytes | FileEntry]:
    """A tar as pieces: bytes, and files in the place of their contents. Everything is owned by
    root and of the time `epoch` (seconds).

    Every parent directory comes once and before its children; hard links come last, after their
    files. Raises ValueError when two entries have the same path.
    """
    length = 0
    ordered = _in_order(entries, style)
    modes = {entry.path: entry.mode for entry in ordered if isinstance(entry, FileEntry)}
    for entry in ordered:
        header = _header(entry, epoch, modes, style).tobuf(style.form, "utf-8", "strict")
        length += len(header)
        yield header
        if isinstance(entry, FileEntry):
            yield entry
            padding = bytes(-entry.size % tarfile.BLOCKSIZE)
            length += entry.size + len(padding)
            yield padding
    end = 2 * tarfile.BLOCKSIZE
    yield bytes(end + -(length + end) % style.record)


def write_tar_gz(entries: Iterable[Entry], out: IO[bytes], *, epoch: int) -> None:
    """Write a tar.gz as upstreams do. Raises as `write_tar`."""
    gzip = Gzip()
    write_tar(
        entries, lambda data: out.write(gzip.compress(data)), epoch=epoch, style=UPSTREAM_STYLE
    )
    out.write(gzip.flush())


class Gzip:
    """Gzip with a header of our own: no time, no name, no operating system (RFC 1952).

    By zlib-ng, which takes a third of zlib's time and brings its own version with it, so that the
    machine's does not decide the bytes. Since 2.2 it hashes alike on all processors.
    """

    def __init__(self) -> None:
        self._deflate = zlib_ng.compressobj(GZIP_LEVEL, zlib_ng.DEFLATED, -zlib_ng.MAX_WBITS)
        self._header = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
        self._checksum = 0
        self._length = 0

    def compress(self, data: bytes, /) -> bytes:
        """Take some input; return what has become output."""
        self._checksum = zlib_ng.crc32(data, self._checksum)
        self._length += len(data)
        header, self._header = self._header, b""
        return header + self._deflate.compress(data)

    def flush(self) -> bytes:
        """End the stream."""
        end = struct.pack("<II", self._checksum, self._length & 0xFFFFFFFF)
        return self._header + self._deflate.flush() + end


def gzipped(data: bytes) -> bytes:
    """A whole index or text as gzip, as small as zlib can, which states no name and no time.

    `gzip.compress` varies between Python versions.
    """
    return zlib.compress(data, level=9, wbits=31)


def gunzipped(data: bytes, start: int, most: int) -> tuple[bytes, int | None]:
    """The text of the gzip member that starts there, and where it ends.

    None: it has no end, or more than `most` bytes of text. Raises ValueError for what is not gzip.
    """
    decoder = zlib_ng.decompressobj(wbits=31)
    texts, room, at = list[bytes](), most, start
    try:
        while not decoder.eof and at < len(data):
            piece = data[at : at + PIECE]  # the decoder copies what it does not need
            texts.append(decoder.decompress(piece, room + 1))
            room -= len(texts[-1])
            if room < 0:
                return b"".join(texts), None
            at += len(piece)
    except zlib_ng.error as error:  # type: ignore[misc]  # the stub has an instance
        raise ValueError(str(error)) from error
    return b"".join(texts), at - len(decoder.unused_data) if decoder.eof else None


def gzip_stored(data: bytes) -> bytes:
    """A text of up to 64 KiB as gzip whose bytes depend on no zlib: stored, not compressed.

    For what has to end in `.gz` inside a package, which is compressed as a whole. The header says
    "as small as can be" (2), which Debian's checks want to read there. Raises ValueError for more.
    """
    if len(data) > 0xFFFF:
        raise ValueError("one stored block of deflate holds 65,535 bytes")
    block = struct.pack("<BHH", 1, len(data), len(data) ^ 0xFFFF) + data
    end = struct.pack("<II", zlib.crc32(data), len(data))
    return b"\x1f\x8b\x08\0\0\0\0\0\x02\xff" + block + end


def _header(entry: Entry, epoch: int, modes: dict[str, int], style: TarStyle) -> tarfile.TarInfo:
    """The header of an entry; `modes` are those of the files."""
    info = tarfile.TarInfo(_named(entry.path) if style.dotted else entry.path)
    info.mtime = epoch
    info.uname = info.gname = style.owner
    match entry:
        case FileEntry():
            info.size, info.mode = entry.size, entry.mode
            if entry.capability:
                value = CAPABILITIES[entry.capability].decode("ascii")
                info.pax_headers = {"SCHILY.xattr.security.capability": value}
        case DirectoryEntry():
            info.type, info.mode = tarfile.DIRTYPE, entry.mode
        case LinkEntry(hard=True):  # with the file's own mode: Docker applies it to both
            info.type, info.linkname, info.mode = tarfile.LNKTYPE, entry.to, modes[entry.to]
        case LinkEntry():
            info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.to, 0o777
    return info


def _named(path: str) -> str:
    return path if path == "." else f"./{path}"


def _in_order(entries: Iterable[Entry], style: TarStyle) -> list[Entry]:
    """Entries in their order, with their parents filled in."""
    by_path: dict[str, Entry] = {}
    for entry in entries:
        if entry.path in by_path:
            raise ValueError(f"{entry.path}: listed twice; a tar names each path once")
        by_path[entry.path] = entry
    for path in list(by_path):
        for parent in PurePosixPath(path).parents[:-1]:
            by_path.setdefault(str(parent), DirectoryEntry(str(parent)))

    if style.dotted:
        by_path.setdefault(".", DirectoryEntry("."))

    def rank(entry: Entry) -> tuple[bool, bool, str]:
        late = style.directories_first and not isinstance(entry, DirectoryEntry)
        return isinstance(entry, LinkEntry) and entry.hard, late, entry.path

    return sorted(by_path.values(), key=rank)


def _write_content(file: FileEntry, write: Callable[[bytes], object]) -> None:
    left = file.size
    with file.open() as stream:
        while data := stream.read(files.CHUNK):
            left -= len(data)
            write(data)
    if left:
        raise VerificationFailed(
            file.path,
            f"{file.size - left} bytes where {file.size} were promised; "
            "did it change while it was read?",
            "run the same command again",
        )
