"""What a download is written to, and how much of one is taken."""

import logging
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path
from typing import IO, Final

from kubewright.errors import DiskError, VerificationFailed

log = logging.getLogger(__name__)

LARGEST: Final = 2 << 30
"""More bytes than any upstream's file has."""

RESERVE: Final = 64 << 20
"""Bytes of a disk that no download takes: others need some."""

_OFTEN: Final = 16 << 20
"""Bytes after which the disk is looked at again."""


class Bounds:
    """Ends a download that is larger than any file can be, or than the disk has room for.

    It is called with the bytes that are there and the total, where upstream says it, and calls
    `progress` with the same. Raises VerificationFailed and DiskError.
    """

    def __init__(
        self,
        url: str,
        place: Path,
        stream: IO[bytes],
        progress: Callable[[int, int | None], None],
    ) -> None:
        self._url, self._place, self._stream = url, place, stream
        self._progress = progress
        self._next = 0

    def __call__(self, have: int, total: int | None) -> None:
        """Go on, or raise."""
        size = max(have, total or 0)
        if size > LARGEST:
            said = f"says that it has {size}" if size > have else f"does not end after {have}"
            raise VerificationFailed(
                self._url,
                f"{said} bytes; no file of an upstream has more than {LARGEST}",
                "do not use this upstream",
            )
        if have >= self._next:
            self._next = have + _OFTEN
            self._room(have, total)
        self._progress(have, total)

    def _room(self, have: int, total: int | None) -> None:
        disk = os.fstatvfs(self._stream.fileno())
        free = disk.f_bavail * disk.f_frsize
        lacking = max((total or have) - have, 0)
        if free < lacking + RESERVE:
            if total is None:  # it may be endless, and shall not be what fills the disk
                self._stream.seek(0)
                self._stream.truncate()
            raise DiskError(
                str(self._place),
                f"{self._url} needs {lacking} bytes more, and {RESERVE} stay free, but the disk has"
                f" {free}",
                "free some space, or choose another --cache, and run the same command again",
            )


@contextmanager
def own_file(folder: int, place: Path, *, fresh: bool) -> Iterator[BufferedRandom]:
    """The file `place` in an open folder, to be written and read.

    What is there already is kept, unless it shall be `fresh`, or is anything but a plain file of
    this user with one name: that is removed, never followed or written to.
    """
    handle = None if fresh else _kept(folder, place)
    if handle is None:
        with suppress(FileNotFoundError):
            os.unlink(place.name, dir_fd=folder)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(place.name, flags, 0o600, dir_fd=folder)
    with os.fdopen(handle, "r+b") as stream:
        yield stream


def _kept(folder: int, place: Path) -> int | None:
    """What is there already, if it can be gone on with."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    handle = None
    with suppress(OSError):
        handle = os.open(place.name, flags, dir_fd=folder)
        status = os.fstat(handle)
        plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        if plain and status.st_uid == os.geteuid():
            return handle
    if handle is not None:
        os.close(handle)
    with suppress(FileNotFoundError):
        os.stat(place.name, dir_fd=folder, follow_symlinks=False)
        log.warning("%s: not a download of this user; it is begun anew", place)
    return None
