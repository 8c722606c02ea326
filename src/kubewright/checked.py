"""The SHA-256 of files, each read once in a process.

Several stages look at the same files: what `package` made is checked by `package`, `sign` and
`publish`, and `release` runs all of them. They meet only in files, so they share no object that
could remember; the process does. A file counts as unchanged while its inode, size and both of its
times are the same. A new process reads everything again.
"""

import os
from pathlib import Path

from kubewright import files

_Identity = tuple[int, int, int, int, int]

_known: dict[str, tuple[_Identity, str]] = {}


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in lowercase hexadecimal. Raises OSError when it cannot be read."""
    identity = _identity(path)
    before, digest = _known.get(str(path), (None, ""))
    if before != identity:
        digest = files.sha256_of(path)
        _known[str(path)] = (identity, digest)
    return digest


def is_sound(path: Path, digest: str) -> bool:
    """Whether there is a file of just these bytes."""
    return path.is_file() and sha256_of(path) == digest


def remember(path: Path, digest: str) -> None:
    """Take the word of who has just written a file, or read all of it, for its SHA-256."""
    _known[str(path)] = (_identity(path), digest)


def _identity(path: Path) -> _Identity:
    stat: os.stat_result = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns
