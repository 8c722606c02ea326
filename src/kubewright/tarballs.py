"""Reads tar archives that others have made: no more than one can honestly hold, and no link in it
leads out.
"""

import bz2
import gzip
import io
import lzma
import posixpath
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

MOST_MEMBERS: Final = 100_000
LARGEST_MEMBER: Final = 4 << 30
"""More members, and more bytes in one, than any upstream's archive has."""

RATIO: Final = 100
SMALL: Final = 64 << 20
"""An archive unpacks to so many times its size at most, or to so many bytes: programs to three
times, texts to ten.
"""

_LARGEST_READ: Final = 256 << 20
"""Bytes read at once: a header that has more is none."""

_READERS: Final[Mapping[bytes, Callable[[IO[bytes]], Any]]] = {
    b"\x1f\x8b": lambda packed: gzip.GzipFile(fileobj=packed),
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
"""Decompressors by the bytes that a file of theirs begins with."""


class Member(NamedTuple):
    """What an archive has under a path, without a leading `./`; `info.isdir()` and the like say
    what it is.
    """

    path: str
    info: tarfile.TarInfo
    tar: tarfile.TarFile

    @property
    def leads_to(self) -> str:
        """The path in the archive that a link leads to; it may begin with `/` or `..`."""
        if self.info.islnk():
            return posixpath.normpath(self.info.linkname)
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.path), self.info.linkname))

    def content(self) -> IO[bytes]:
        """The bytes of a file. Raises tarfile.TarError for anything else."""
        stream = self.tar.extractfile(self.info) if self.info.isreg() else None
        if stream is None:
            raise tarfile.TarError(f"{self.path} is not a file")
        return stream


def members(archive: Path | IO[bytes]) -> Iterator[Member]:
    """Everything in an archive, in its order, to its very end.

    Raises tarfile.TarError, EOFError, zlib.error, lzma.LZMAError or OSError without a number for
    one that is damaged, or larger than it can be.
    """
    with _opened(archive) as tar:
        for number, info in enumerate(tar):
            if number >= MOST_MEMBERS:
                raise tarfile.TarError(f"it has more than {MOST_MEMBERS} members")
            if info.size > LARGEST_MEMBER:
                raise tarfile.TarError(f"{info.name} has {info.size} bytes")
            if info.issparse():
                raise tarfile.TarError(f"{info.name} is sparse, as no upstream packs its files")
            yield Member(info.name.removeprefix("./"), info, tar)
        while tar.fileobj.read(1 << 20):
            pass  # a checksum over all of it may stand at the very end


def followed(path: str, links: Mapping[str, str]) -> str | None:
    """Where a path leads by the links of its archive; None for a circle, and out of it."""
    for _ in range(len(links) + 1):
        if path.startswith("/") or path.split("/", maxsplit=1)[0] in ("..", "."):
            return None
        if path not in links:
            return path
        path = links[path]
    return None


@contextmanager
def _opened(archive: Path | IO[bytes]) -> Iterator[tarfile.TarFile]:
    with ExitStack() as stack:
        packed = stack.enter_context(archive.open("rb") if isinstance(archive, Path) else archive)
        size = packed.seek(0, io.SEEK_END)
        packed.seek(0)
        head = packed.read(6)
        packed.seek(0)
        unpacked: IO[bytes] = packed
        for magic, reader in _READERS.items():
            if head.startswith(magic):
                unpacked = stack.enter_context(reader(packed))
        bounded = _Bounded(unpacked, max(SMALL, RATIO * size))
        yield stack.enter_context(tarfile.open(fileobj=bounded, mode="r:"))  # type: ignore[call-overload]


class _Bounded:
    """A stream of which no more than `most` bytes are read."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most = stream, most

    def read(self, size: int = -1) -> bytes:
        """Some of the next bytes."""
        if not 0 <= size <= _LARGEST_READ:
            raise tarfile.TarError(f"a header of {size} bytes")
        data = self._stream.read(size)
        self._within(self._stream.tell())
        return data

    def seek(self, offset: int) -> int:
        """Go to a place from the beginning."""
        self._within(offset)
        return self._stream.seek(offset)

    def tell(self) -> int:
        """The place of the next byte."""
        return self._stream.tell()

    def _within(self, place: int) -> None:
        if place > self._most:
            raise tarfile.TarError(f"it unpacks to more than {self._most} bytes")
