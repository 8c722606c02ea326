"""Files and bytes: whole or not at all, with errors that name the path."""

import errno
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from kubewright.errors import DiskError

CHUNK = 1 << 20
"""Bytes read at a time when a file is hashed or copied."""


def disk_error(error: OSError, path: Path | str) -> DiskError:
    """Explain an `OSError` that came from writing `path`."""
    if error.errno == errno.ENOSPC:
        return DiskError(
            f"{path}: the disk is full; free some space and run the same command again"
        )
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return DiskError(
            f"{path}: not writable ({os.strerror(error.errno)}); choose a directory that you own, "
            "for example with --dist, --cache or --site"
        )
    return DiskError(f"{path}: {error.strerror or error}")


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn an `OSError` inside the block into a `DiskError` that names `path`."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, error.filename or path) from error


@contextmanager
def replacing(path: Path, *, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """Open a new file beside `path` that takes its place only when the block ends well.

    The file and its directory are synced first, so that a crash leaves the old file or the new one.
    """
    with explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(mode)
            temporary.replace(path)
            sync_directory(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def write(path: Path, data: bytes, *, mode: int = 0o644) -> bool:
    """Make `path` hold `data`; return whether that needed a write."""
    with explained(path):
        if path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data:
            return False
    with replacing(path, mode=mode) as stream:
        stream.write(data)
    return True


def gzipped(data: bytes) -> bytes:
    """`data` as gzip that states no name and no time; `gzip.compress` varies between Python
    versions.
    """
    return zlib.compress(data, level=9, wbits=31)


def sync_directory(path: Path) -> None:
    """Make a rename inside `path` durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256(data: bytes) -> str:
    """The SHA-256 of `data` in lowercase hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, read in chunks, in lowercase hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def canonical_json(value: Any) -> bytes:
    """JSON as this project writes it everywhere: sorted keys, two spaces, UTF-8, a final
    newline.
    """
    return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
