"""Relative paths of a `kubewright.toml` elsewhere: they begin where the file lies."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

KEYS: Final = (
    "repo-key", "next-repo-key", "second-repo-key", "artifact-key", "freshness-key", "root-key",
)  # fmt: skip
"""Options that take the URI of a key."""


def rebased(name: str, option: click.Option, value: Any, folder: Path | None) -> Any:
    """The value of an option in a file of this folder, as it means the same in the working
    directory; None: the file lies there.
    """
    if folder is None or not isinstance(value, str):
        return value
    usual = _path if isinstance(option.type, click.Path) else None
    change = _SPECIAL.get(name, usual)
    return change(value, folder) if change else value


def _path(value: str, folder: Path) -> str:
    """Of a path: nothing is put before one that is whole, or below a home."""
    return value if value.startswith(("/", "~")) else f"{folder}/{value}"


def _place(value: str, folder: Path) -> str:
    """Of a path or an address."""
    return value if "://" in value else _path(value, folder)


def _host(value: str, folder: Path) -> str:
    """Of `HOST=PLACE`."""
    host, equals, place = value.partition("=")
    return f"{host}{equals}{_place(place, folder)}" if equals and place else value


def _key(value: str, folder: Path) -> str:
    """Of a key's URI: a file, or one whose certificate is in a file."""
    scheme, colon, rest = value.partition(":")
    if scheme == "file" and rest:
        return f"{scheme}{colon}{_path(rest.removeprefix('//'), folder)}"
    return re.sub(r"([?&]certificate=)(?=[^/~&])", rf"\g<1>{quote(str(folder))}/", value)


_SPECIAL: Final[Mapping[str, Callable[[str, Path], str]]] = {
    "upstream": _place,
    "upstream-for": _host,
    "site": _place,
    "load": _path,
    **dict.fromkeys(KEYS, _key),
}
"""Options whose values are not plain paths by their type."""
