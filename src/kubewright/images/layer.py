"""Writes an image layer in one pass: tar, compression and both digests together."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO, Final, Protocol

import zstandard

from kubewright.archives import GZIP, Entry, Gzip, write_tar
from kubewright.images.oci import LAYERS
from kubewright.models.image import Compression

ZSTD_LEVEL: Final = 3


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


def compressor(compression: Compression) -> tuple[Compressor, str]:
    """A new compressor with its description: another library or version may give other bytes."""
    if compression == "zstd":
        version = ".".join(str(part) for part in zstandard.ZSTD_VERSION)
        zstd = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compressobj()
        return zstd, f"zstd {version} level {ZSTD_LEVEL}"
    return Gzip(), GZIP


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
