"""Files and bytes: whole or not at all, with errors that name the path."""

import errno
import fcntl
import hashlib
import io
import json
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

import orjson

from kubewright.errors import DiskError

log = logging.getLogger(__name__)

CHUNK = 1 << 20
"""Bytes read at a time when a file is hashed or copied."""

WAIT_QUIETLY = 1.0
"""Seconds to wait for a lock before a log line says so."""

_NOT_OFFERED: Final = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
"""What file systems answer that lack what is asked of them."""

Content = Path | bytes
"""What a file is to hold: the content of another, or bytes at hand."""


_ELSEWHERE = "choose another place, for example with --dist, --cache or --site"
_NOT_OURS = "choose a directory that you own, for example with --dist, --cache or --site"
_FULL = "free some space and run the same command again"

EXPLAINED = {
    errno.ENOSPC: ("the disk is full", _FULL),
    errno.EDQUOT: ("your quota of the disk is used up", _FULL),
    errno.EACCES: ("not writable ({})", _NOT_OURS),
    errno.EPERM: ("not writable ({})", _NOT_OURS),
    errno.EROFS: ("not writable ({})", _NOT_OURS),
    errno.ELOOP: ("a symbolic link, which is not followed here", "remove it"),
    errno.ENOENT: ("not there, or nothing can be made there", f"make it, or {_ELSEWHERE}"),
    errno.ENOTDIR: ("below a file, which is no directory", _ELSEWHERE),
    errno.EISDIR: ("a directory, where a file is to be", f"remove it, or {_ELSEWHERE}"),
    errno.ENAMETOOLONG: ("longer than the disk allows", "choose a shorter path"),
    errno.EFBIG: ("too large for the disk or for a limit ({})", f"raise it, or {_ELSEWHERE}"),
    errno.EMFILE: ("too many files are open", "allow more: ulimit -n 4096"),
    errno.EIO: ("the disk fails ({})", f"look at the kernel's log, and {_ELSEWHERE}"),
}
"""By what the system says, the problem and the remedy; `{}` stands for the system's own words."""


def disk_error(error: OSError, path: Path | str) -> DiskError:
    """Explain an `OSError` that came from reading or writing `path`."""
    words = error.strerror or str(error)
    problem, remedy = EXPLAINED.get(error.errno or 0, (words, _ELSEWHERE))
    return DiskError(str(path), problem.format(words), remedy)


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn an `OSError` inside the block into a `DiskError` that names `path`."""
    try:
        yield
    except OSError as error:
        # In an open directory the system knows a name, not a path.
        named = isinstance(error.filename, str) and "/" in error.filename
        raise disk_error(error, error.filename if named else path) from error


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


def adopt(made: Path, target: Path, *, mode: int = 0o644) -> None:
    """Let a finished file take the place of `target`, on the same file system, as `replacing`
    does.
    """
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with made.open("rb") as stream:
            os.fsync(stream.fileno())
        made.chmod(mode)
        made.replace(target)
        sync_directory(target.parent)


def opened(content: Content) -> IO[bytes]:
    """Content to read from. Raises DiskError for a file that cannot be read."""
    if isinstance(content, bytes):
        return io.BytesIO(content)
    with explained(content):
        return content.open("rb")


def size_of(content: Content) -> int:
    """How many bytes a content has. Raises DiskError for a file that cannot be read."""
    if isinstance(content, bytes):
        return len(content)
    with explained(content):
        return content.stat().st_size


@contextmanager
def locked(path: Path, *, wait: bool = True, folder: int | None = None) -> Iterator[None]:
    """Hold the lock file `path`, which is made for the block and removed after it.

    One process and one thread has it at a time; the lock ends with its process. Whoever has to wait
    longer than WAIT_QUIETLY says so; without `wait` BlockingIOError is raised instead. `folder` is
    the descriptor of the directory of `path` where that is open already. Raises DiskError when the
    file cannot be made, or is a link.
    """
    with explained(path):
        if folder is None:
            path.parent.mkdir(parents=True, exist_ok=True)
        handle = _lock(path, wait, folder)
    if handle is None:
        raise BlockingIOError(errno.EWOULDBLOCK, "another process holds the lock", str(path))
    try:
        yield
    finally:
        try:
            with explained(path):
                if _is_at(path, handle, folder):
                    os.unlink(_within(path, folder), dir_fd=folder)
        finally:
            os.close(handle)


def _lock(path: Path, wait: bool, folder: int | None) -> int | None:
    """A locked handle of the file that is at `path`; None if another has it and this one is not to
    wait.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        handle = os.open(_within(path, folder), flags, 0o644, dir_fd=folder)
        try:
            if not _try_lock(path, handle, WAIT_QUIETLY if wait else 0):
                if not wait:
                    os.close(handle)
                    return None
                log.info("%s: another process holds this lock; waiting for it", path)
                fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_at(path, handle, folder):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)  # whoever had it before removed it: another file is at the path by now


def _within(path: Path, folder: int | None) -> str:
    """What the system is asked for: a whole path, or a name in an open directory."""
    return str(path) if folder is None else path.name


def _try_lock(path: Path, handle: int, seconds: float) -> bool:
    """Try for so many seconds to lock an open file."""
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= end:
                return False
        except OSError as error:
            if error.errno in {errno.ENOLCK, *_NOT_OFFERED}:
                raise _no_locks(path) from error
            raise
        time.sleep(0.02)


def _no_locks(path: Path) -> DiskError:
    return DiskError(
        str(path),
        "this file system keeps no locks, by which all who write here wait for each other",
        "choose a place on another file system, such as a local disk, with --dist, --cache or"
        " --site; a site may lie in a bucket, too",
    )


def _is_at(path: Path, handle: int, folder: int | None) -> bool:
    """Whether an open file is still the one at its path."""
    try:
        there = os.stat(_within(path, folder), dir_fd=folder, follow_symlinks=False)
        return os.path.samestat(os.fstat(handle), there)
    except FileNotFoundError:
        return False


def sync_directory(path: Path) -> None:
    """Make a rename inside `path` durable, where the file system has a way to."""
    handle = os.open(path, os.O_RDONLY)
    try:
        sync_folder(handle)
    finally:
        os.close(handle)


def sync_folder(handle: int) -> None:
    """The same of an open directory."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise


def set_mode(handle: int, mode: int) -> None:
    """Set the mode of an open file or directory of ours, where the file system has modes."""
    try:
        os.fchmod(handle, mode)
    except OSError as error:
        if error.errno not in {errno.EPERM, *_NOT_OFFERED}:
            raise


def sha256(data: bytes) -> str:
    """The SHA-256 of `data` in lowercase hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, read in chunks, in lowercase hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def copy(source: IO[bytes], target: IO[bytes]) -> str:
    """Copy the rest of a stream; the SHA-256 of just the bytes that were written."""
    digest = hashlib.sha256()
    while data := source.read(CHUNK):
        digest.update(data)
        target.write(data)
    return digest.hexdigest()


def expanded(name: str) -> Path:
    """A path with `~` as the user's home; one of a user that nobody knows stays as it is."""
    with suppress(RuntimeError):
        return Path(name).expanduser()
    return Path(name)


_STYLE: Final = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


def canonical_json(value: Any) -> bytes:
    """JSON as this project writes it everywhere: sorted keys, two spaces, UTF-8, a final
    newline.
    """
    try:
        return orjson.dumps(value, option=_STYLE)
    except TypeError:  # it knows no integer of more than 64 bits
        return (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
