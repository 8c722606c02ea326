"""Copies of a site that tests damage, kill a publisher on, and compare."""

import os
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from kubewright.settings import Settings

Watch = Callable[[Callable[[int, str], None]], AbstractContextManager[list[str]]]
"""Do something before each operation on any site that a stage opens; the operations so far."""


class Killed(BaseException):
    """The process ended here."""


def copied(settings: Settings, target: Path) -> Settings:
    """The same with a copy of the site, whose files can be written to."""
    shutil.copytree(settings.site, target)
    return settings.model_copy(update={"site": str(target)})


def linked(settings: Settings, target: Path) -> Settings:
    """The same with a copy of the site whose files are replaced, never written to."""
    shutil.copytree(settings.site, target, copy_function=os.link)
    return settings.model_copy(update={"site": str(target)})


def whole_copy(settings: Settings, base: Path) -> Settings:
    """The same with a copy of the site and of all beside it, in a new folder."""
    shutil.copytree(Path(settings.site).parent, base)
    places = {"dist": base / "dist", "cache": base / "cache", "site": str(base / "site")}
    return settings.model_copy(update=places)


def tree(site: str | Path) -> dict[str, bytes]:
    """The files of a site by their paths, without those that are a writer's own."""
    found = {}
    for path in Path(site).rglob("*"):
        name = path.relative_to(site)
        if path.is_file() and ".kubewright" not in name.parts:
            found[name.as_posix()] = path.read_bytes()
    return found


def killed(watch: Watch, point: int, command: Callable[[], object]) -> str:
    """Kill a command before its operation with this number; which one that was."""

    def kill(number: int, _: str) -> None:
        if number >= point:  # of several threads none goes on
            raise Killed

    with watch(kill) as done, pytest.raises(Killed):
        command()
    return done[point - 1]


def fault(operation: str) -> str:
    """What kind of fault it is to be killed before an operation."""
    return f"killed before {operation.partition(' ')[0]}"
