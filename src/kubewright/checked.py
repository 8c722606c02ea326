"""The SHA-256 of files, each read once in a process.

Several stages look at the same files: what `package` made is checked by `package`, `sign` and
`publish`, and `release` runs all of them. They meet only in files, so they share no object that
could remember; the process does. A file counts as unchanged while its inode, size and both of its
times are the same, to the tick of the file system's clock. A new process reads everything again.
"""

import os
import stat
from pathlib import Path

from kubewright import files

_Identity = tuple[int, int, int, int, int]

_known: dict[str, tuple[_Identity, str]] = {}


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in lowercase hexadecimal. Raises OSError when it cannot be read."""
    return _digest(path, path.stat())


def is_sound(path: Path, digest: str) -> bool:
    """Whether there is a file of just these bytes."""
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return stat.S_ISREG(status.st_mode) and _digest(path, status) == digest


def remember(path: Path, digest: str) -> None:
    """Take the word of who has just written a file, or read all of it, for its SHA-256."""
    _known[str(path)] = (_identity(path.stat()), digest)


def _digest(path: Path, status: os.stat_result) -> str:
    identity = _identity(status)
    before, digest = _known.get(str(path), (None, ""))
    if before != identity:
        digest = files.sha256_of(path)
        _known[str(path)] = (identity, digest)
    return digest


def _identity(status: os.stat_result) -> _Identity:
    times = status.st_mtime_ns, status.st_ctime_ns
    return status.st_dev, status.st_ino, status.st_size, *times
