"""Which `kubewright.toml` is read: that of the working directory, or the nearest above it."""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from kubewright.errors import RequestError

NAME: Final = "kubewright.toml"

VARIABLE: Final = "KUBEWRIGHT_CONFIG"
"""Names the file; nothing is looked for then."""


READ: Final = f"{__name__}.read"
"""Under this name click's context has the file that was read."""


class Configuration(NamedTuple):
    """A file with defaults of options."""

    place: str
    """For people: its name alone where it lies in the working directory."""
    folder: Path | None
    """Where its relative paths begin; None: in the working directory, as all others do."""
    text: str


def configuration(said: Path | None) -> Configuration | None:
    """The file that `said` names, else the nearest; None where there is none.

    Raises RequestError for a file that cannot be read, and for one that was found where others
    could have put or changed it: it would choose keys and addresses.
    """
    here = Path.cwd()
    if said is not None:
        path = Path(os.path.abspath(said))  # noqa: PTH100 - resolve would follow a link to a file
        return _read(path, here, checked=False)
    for folder in folders(here, _home()):
        path = folder / NAME
        if _is_there(path):
            return _read(path, here, checked=True)
        if _reason(folder, folder.stat()):
            break
    return None


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # in a folder that may not be looked into
        return False


def folders(start: Path, home: Path | None) -> Iterator[Path]:
    """Where it is looked for: upwards, as far as the home directory or to where another file
    system begins.
    """
    yield start
    device, below = start.stat().st_dev, start
    for folder in start.parents:
        if below == home or folder.stat().st_dev != device:
            return
        yield folder
        below = folder


def _home() -> Path | None:
    """The user's, without links, as the working directory is; None for a user without one."""
    try:
        return Path.home().resolve()
    except RuntimeError:
        return None


def _read(path: Path, here: Path, *, checked: bool) -> Configuration:
    place = NAME if path == here / NAME else str(path)
    try:
        with path.open("rb") as file:
            states = {path.parent: path.parent.stat(), path: os.fstat(file.fileno())}
            reasons = [_reason(one, found) for one, found in states.items()]
            reason = next(filter(None, reasons), "") if checked else ""
            data = b"" if reason else file.read()
    except OSError as error:
        raise RequestError(place, str(error.strerror), f"name another with {VARIABLE}") from error
    if reason:
        remedy = f"if you trust it, name it: {VARIABLE}={path}; else change that, or work elsewhere"
        raise RequestError(place, f"is not read, for {reason}", remedy)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise RequestError(place, f"not TOML: {error}", "write it in UTF-8") from error
    return Configuration(place, None if path.parent == here else path.parent, text)


def _reason(path: Path, found: os.stat_result) -> str:
    """Who else could write there; empty: nobody but this user and the superuser."""
    if found.st_uid not in (0, os.geteuid()):
        return f"{path} belongs to {_user(found.st_uid)}"
    if found.st_mode & stat.S_IWOTH:
        return f"anybody may write to {path}"
    if found.st_mode & stat.S_IWGRP and found.st_gid not in (0, os.getegid()):
        return f"another group may write to {path}"
    return ""


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"
