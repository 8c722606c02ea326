"""Files as zstd blocks, each compressed once for all archives that have it.

Formats: RFC 8878 (zstd), section 3.1.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Literal, Protocol, cast

import zstandard

from kubewright import checked, files
from kubewright.errors import VerificationFailed
from kubewright.models.base import PackageCompression
from kubewright.packing.levels import LEVELS, Level

SMALL: Final = 128 * 1024
"""Bytes below which a file is compressed together with what stands around it in an archive."""

LARGEST: Final = (1 << 32) - 1
"""Bytes of the largest file: the number for its size in cpio has eight digits."""

_BLOCK = 128 * 1024  # the largest of zstd; larger reads are slower, for a processor's caches
_MAGIC = b"\x28\xb5\x2f\xfd"
_HEAD = 6
_RLE = 1


@dataclass(frozen=True)
class Blocks:
    """Content of `size` bytes as zstd blocks: the bytes from `start` to `end` of a stream.

    None of them says that it is the last. They refer to nothing before them, and to what is up to
    2^`window` bytes back.
    """

    size: int
    start: int
    end: int
    window: int


class Contents:
    """The files of packages that are built together, kept compressed below a private folder.

    It is for one thread at a time.
    """

    def __init__(self, folder: Path, compression: PackageCompression) -> None:
        self.level = LEVELS[compression]
        self.compression = compression
        self._folder = folder
        self._packed: dict[Path, tuple[Path, Blocks]] = {}
        self._digests: dict[tuple[Path, str], str] = {}

    def scratch(self) -> IO[bytes]:
        """A new file that is gone when it is closed."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._folder)

    def digest(self, path: Path, algorithm: Literal["md5", "sha256"]) -> str:
        """The digest of a file in lowercase hexadecimal."""
        if algorithm == "sha256":
            return checked.sha256_of(path)  # known of fetched files
        if (path, algorithm) not in self._digests:
            with files.explained(path), path.open("rb") as stream:
                made = hashlib.file_digest(stream, algorithm)
            self._digests[path, algorithm] = made.hexdigest()
        return self._digests[path, algorithm]

    def blocks(self, path: Path) -> tuple[Path, Blocks]:
        """A file as blocks, and where these are. Raises VerificationFailed when the file changes
        while it is read.
        """
        if path not in self._packed:
            self._folder.mkdir(parents=True, exist_ok=True)
            target = self._folder / str(len(self._packed))
            with files.explained(path), path.open("rb") as source, target.open("w+b") as out:
                blocks = compress(source, files.size_of(path), self.level, out, place=str(path))
            self._packed[path] = target, blocks
        return self._packed[path]


class Readable(Protocol):
    """What can be read to its end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""


def compress(
    source: Readable,
    size: int,
    level: Level,
    out: IO[bytes],
    *,
    together: bool = False,
    place: str = "a package's files",
) -> Blocks:
    """Write `size` bytes of `source` as blocks to the empty stream `out`, which can be read too.

    Raises VerificationFailed that names `place` where the source is shorter or longer.
    """
    parameters = level.parameters(size, together=together)
    compressor = zstandard.ZstdCompressor(compression_params=parameters)
    chunk = _BLOCK
    try:
        stream = cast("IO[bytes]", source)  # of which it reads alone
        compressor.copy_stream(stream, out, size=size, read_size=chunk, write_size=chunk)
    except zstandard.ZstdError as error:
        problem = f"changed while it was read ({error})"
        raise VerificationFailed(place, problem, "run the same command again") from error
    length = out.tell()
    out.seek(0)
    head = out.read(_HEAD)
    # magic, a descriptor that promises neither size nor checksum, and the window
    if not head.startswith(_MAGIC + b"\0") or head[-1] & 7:
        raise ValueError(f"zstd wrote a frame of another kind: {head.hex()}")
    return Blocks(size, _HEAD, _without_last(out, length), 10 + (head[-1] >> 3))


def _without_last(frame: IO[bytes], length: int) -> int:
    """Take the mark off the last block of a frame; return where the blocks end, without an empty
    one.
    """
    at = _HEAD
    while True:
        frame.seek(at)
        header = int.from_bytes(frame.read(3), "little")
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        end = at + 3 + (1 if kind == _RLE else size)
        if last:
            break
        at = end
    if end != length:
        raise ValueError(f"zstd wrote {length - end} bytes after the last block")
    if size == 0:
        return at
    frame.seek(at)
    frame.write((header & ~1).to_bytes(3, "little"))
    return end
