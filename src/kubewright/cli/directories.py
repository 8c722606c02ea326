"""Where this program keeps what is its user's own: caches, and what it remembers (XDG)."""

import logging
import os
from pathlib import Path
from typing import Any, Final

from kubewright import files
from kubewright.errors import RequestError

log = logging.getLogger(__name__)

NOWHERE: Final = Path(os.devnull)
"""A folder that can hold nothing, for verbs that need none."""


def cache_directory(*, needed: bool = True) -> Path:
    """The user's cache directory for this program (XDG). Raises RequestError where it is needed and
    the user has no home directory.
    """
    found = _own("XDG_CACHE_HOME", ".cache")
    if found is None and needed:
        raise RequestError(
            "--cache",
            "not given, HOME is not set, and the system does not know this user: there is no place"
            " for it",
            "give --cache DIR, or set HOME or XDG_CACHE_HOME",
        )
    return found or NOWHERE


def state_directory(*, said: bool = True) -> Path | None:
    """Where this program remembers what it has seen (XDG); None for a user without a home, which is
    said to who may give another.
    """
    found = _own("XDG_STATE_HOME", ".local/state")
    if found is None and said:
        log.warning("this user has no home directory: nothing is remembered of sites; give --state")
    return found


def log_directory() -> Path | None:
    """Where the logs of runs are kept; None for a user without a home."""
    found = _own("XDG_STATE_HOME", ".local/state")
    return found / "logs" if found is not None else None


def expanded(given: Any) -> Any:
    """Paths with the home directory in place of `~` or `~NAME`: in files, and behind `=`, no shell
    does that. Raises RequestError where there is no such directory.
    """
    if isinstance(given, tuple):
        return tuple(expanded(one) for one in given)
    path = str(given)
    if not path.startswith("~"):
        return given
    found = os.path.expanduser(path)  # noqa: PTH111 - Path would lose a slash at the end
    if found == path:
        raise RequestError(
            path, "there is no such home directory", "write the whole path, or ./~ for a file"
        )
    return type(given)(found)


def _own(variable: str, below: str) -> Path | None:
    base = os.environ.get(variable)
    try:
        return (files.expanded(base) if base else Path.home() / below) / "kubewright"
    except RuntimeError:  # a number without a name, as in containers
        return None
