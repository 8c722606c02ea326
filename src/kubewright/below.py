"""Files below a root that others may write to: no link on the way is followed, and nothing but a
plain file is read.

The root itself may be a link: it is the owner's. Each part of a path is opened in the directory
before it, so that nothing that is put in its place meanwhile leads elsewhere either (openat(2)).
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Final

from kubewright import files
from kubewright.errors import VerificationFailed

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_PLAIN: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
"""A pipe is not waited for: it is refused once it is open."""

ABSENT: Final = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""What the system says of a path where no file is."""


@contextmanager
def folder(root: Path, path: str = "", *, make: bool = False) -> Iterator[int]:
    """A descriptor of the directory `path` below a root.

    With `make` it is made, with those above it, so that anybody may enter whatever the umask.
    Raises VerificationFailed that names a link, and what the system says of anything else.
    """
    if make:
        _make_root(root)
    handle = os.open(root, _DIRECTORY)
    try:
        at = root
        for part in path.split("/") if path else ():
            at /= part
            below = _entered(handle, part, at, make=make)
            os.close(handle)
            handle = below
        yield handle
    finally:
        os.close(handle)


def opened(root: Path, path: str) -> BufferedReader | None:
    """The file `path` below a root, to be read; None where there is none.

    Raises VerificationFailed that names a link, and for what is no plain file.
    """
    parent, _, name = path.rpartition("/")
    with suppress(*ABSENT), folder(root, parent) as handle:
        return _read(handle, name, root / path)
    return None


def opened_in(handle: int, name: str, place: Path) -> BufferedReader | None:
    """The same in a directory that is open already; `place` is for people."""
    with suppress(*ABSENT):
        return _read(handle, name, place)
    return None


def is_there(handle: int, name: str, place: Path) -> bool:
    """Whether an open directory has something of this name. Raises VerificationFailed for a
    link.
    """
    try:
        mode = os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISLNK(mode):
        raise link(handle, name, place)
    return True


def link(handle: int, name: str, place: Path) -> VerificationFailed:
    """The error that names a link in an open directory."""
    try:
        to = f" to {os.readlink(name, dir_fd=handle)!r}"
    except OSError:
        to = ""  # gone by now
    return VerificationFailed(
        str(place),
        f"a symbolic link{to}, and none is followed here: whoever can write here could lead it"
        " anywhere",
        "find out who made it and remove it; a directory that has to be on another disk is"
        " mounted here (`mount --bind`)",
    )


def is_link(handle: int, name: str) -> bool:
    """Whether an open directory has a link of this name."""
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode)
    except OSError:
        return False


def _read(handle: int, name: str, place: Path) -> BufferedReader:
    try:
        file = os.open(name, os.O_RDONLY | _PLAIN, dir_fd=handle)
    except OSError as error:
        if is_link(handle, name):
            raise link(handle, name, place) from error
        raise
    try:
        mode = os.fstat(file).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(str(place))
        if not stat.S_ISREG(mode):
            raise VerificationFailed(
                str(place), "a pipe, socket or device where a file belongs", "remove it"
            )
        return os.fdopen(file, "rb")
    except BaseException:
        os.close(file)
        raise


def _entered(handle: int, part: str, place: Path, *, make: bool) -> int:
    """A descriptor of a directory in an open one."""
    if make:
        _make(handle, part)
    try:
        return os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
    except OSError as error:
        if is_link(handle, part):
            raise link(handle, part, place) from error
        raise


def _make(handle: int, part: str) -> None:
    try:
        os.mkdir(part, dir_fd=handle)
    except FileExistsError:
        return
    made = os.open(part, _DIRECTORY | os.O_NOFOLLOW, dir_fd=handle)
    try:
        files.set_mode(made, 0o755)
    finally:
        os.close(made)
    files.sync_folder(handle)


def _make_root(root: Path) -> None:
    if root.is_dir():
        return
    _make_root(root.parent)
    with suppress(FileExistsError):
        root.mkdir()
        root.chmod(0o755)
        parent = os.open(root.parent, _DIRECTORY)
        try:
            files.sync_folder(parent)
        finally:
            os.close(parent)
