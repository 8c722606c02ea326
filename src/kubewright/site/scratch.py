"""Where one writer of a site's directory has its new files, and whether it is still alive."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from kubewright import files
from kubewright.errors import DiskError

OWN: Final = ".kubewright"
"""The directory for what is no object: files being written, and the lock."""

ALIVE: Final = "alive"
"""The lock of a writer, beside the files that it is writing."""

NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
"""How a file is made that is not there yet."""

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_PREFIX: Final = "new-"
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Scratch:
    """A directory of this writer alone. It stays open, so that nothing can take its place."""

    def __init__(self, own: int, place: Path) -> None:
        """Make it in the open directory `own`, which is at `place`, and remove what writers have
        left there whose process is gone.
        """
        for old in _all(own):
            if not _is_alive(own, old):
                _remove(own, old)
        self.name = f"{_PREFIX}{secrets.token_hex(8)}"
        os.mkdir(self.name, 0o700, dir_fd=own)
        self._own = os.dup(own)
        self.handle = os.open(self.name, _DIRECTORY, dir_fd=own)
        self._alive = ExitStack()
        alive = place / self.name / ALIVE
        self._alive.enter_context(files.locked(alive, folder=self.handle))

    def end(self) -> None:
        """Remove it, and its lock with it."""
        _remove(self._own, self.name)
        self._alive.close()
        os.close(self.handle)
        os.close(self._own)


@contextmanager
def beside(made: int, name: str, folder: int, place: Path) -> Iterator[str]:
    """A copy of a new file, synced, in the open directory of `place`, which is on another disk.

    It has a hidden name there. One writer at a time has it; what a killed one left is removed.
    """
    copy = f"{OWN}-new"
    with files.locked(place.with_name(f"{OWN}-lock"), folder=folder):
        with suppress(FileNotFoundError):
            os.unlink(copy, dir_fd=folder)
        try:
            with (
                os.fdopen(os.open(name, _READ, dir_fd=made), "rb") as source,
                os.fdopen(os.open(copy, NEW, 0o600, dir_fd=folder), "wb") as stream,
            ):
                files.copy(source, stream)
                stream.flush()
                files.set_mode(stream.fileno(), 0o644)
                os.fsync(stream.fileno())
            yield copy
        finally:
            with suppress(FileNotFoundError):
                os.unlink(copy, dir_fd=folder)


def others_alive(own: int, scratch: Scratch | None) -> bool:
    """Whether an open directory has a live writer other than this one."""
    mine = scratch.name if scratch else None
    return any(_is_alive(own, name) for name in _all(own) if name != mine)


def _all(own: int) -> list[str]:
    return [name for name in os.listdir(own) if name.startswith(_PREFIX)]


def _remove(own: int, name: str) -> None:
    """Remove a directory; of a link just the link."""
    shutil.rmtree(name, ignore_errors=True, dir_fd=own)
    with suppress(OSError):
        os.unlink(name, dir_fd=own)


def _is_alive(own: int, name: str) -> bool:
    """Whether the writer of new files holds its lock still."""
    try:
        handle = os.open(name, _DIRECTORY, dir_fd=own)
    except OSError:  # it ended just now, or never was a writer's
        return False
    try:
        os.stat(ALIVE, dir_fd=handle, follow_symlinks=False)
        with files.locked(Path(ALIVE), wait=False, folder=handle):
            return False
    except BlockingIOError:
        return True
    except (OSError, DiskError):  # it ends just now
        return False
    finally:
        os.close(handle)
