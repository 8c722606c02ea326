"""What verbs need of the machine beside Python, and whether it is there."""

import importlib.util
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from pydantic import Field

from kubewright import engine, run
from kubewright.errors import ToolFailed, ToolMissing
from kubewright.models.base import Model
from kubewright.settings import Settings

OS_RELEASE = Path("/etc/os-release")


class Only(Model):
    """Verbs that need something by some settings only."""

    verbs: tuple[str, ...] = Field(alias="for")
    when: Mapping[str, str] = Field(description="settings")

    def applies(self, settings: Settings) -> bool:
        """Whether these settings ask for it."""
        said = {
            "backend": settings.backend,
            "flavour": settings.flavour,
            "repo_key": settings.repo_key,
            "artifact_key": settings.artifact_key,
        }
        for name, value in self.when.items():
            given = str(said[name] or "")
            if not (given.startswith(value) if value.endswith(":") else given == value):
                return False
        return True


class Need(Model):
    """A row of `needs.toml`, which explains the keys."""

    what: str
    programs: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    container_engine: bool = Field(False, alias="engine")
    root: bool = False
    verbs: tuple[str, ...] = Field((), alias="for")
    helps: tuple[str, ...] = ()
    only: tuple[Only, ...] = ()
    apt: tuple[str, ...] = ()
    dnf: tuple[str, ...] = ()
    zypper: tuple[str, ...] = ()
    remedy: str = ""

    def needed(self, settings: Settings) -> tuple[str, ...]:
        """The verbs that cannot begin without it."""
        found = dict.fromkeys(self.verbs)
        for part in self.only:
            if part.applies(settings):
                found |= dict.fromkeys(part.verbs)
        return tuple(found)

    def missing(self) -> list[str]:
        """Which parts of it are not there."""
        found = [name for name in self.programs if not any(map(run.is_there, name.split("|")))]
        found += [name for name in self.libraries if not _has_headers(name)]
        found += [name for name in self.modules if importlib.util.find_spec(name) is None]
        if self.container_engine and not engine.listens():
            found.append("container engine")
        if self.root and os.geteuid() != 0:
            found.append("root")
        return found


class Lack(NamedTuple):
    """A need that this machine does not meet."""

    need: Need
    missing: tuple[str, ...]
    remedy: str
    """The line that brings it."""


@cache
def table() -> Mapping[str, Need]:
    """Every need by its name."""
    text = Path(__file__).with_name("needs.toml").read_text(encoding="utf-8")
    return {name: Need.model_validate(row) for name, row in tomllib.loads(text).items()}


Looked = dict[str, list[str]]
"""Which parts of each need are not there, as far as it has been looked at."""


def look(name: str, looked: Looked) -> list[str]:
    """Which parts of a need are not there; nothing is looked at twice."""
    if name not in looked:
        looked[name] = table()[name].missing()
    return looked[name]


def lacking(verb: str, settings: Settings, looked: Looked | None = None) -> Iterator[Lack]:
    """What a verb cannot begin without and this machine has not, as far as was `looked`."""
    looked = {} if looked is None else looked
    for name, need in table().items():
        if verb in need.needed(settings) and (missing := look(name, looked)):
            yield Lack(need, tuple(missing), remedy(need, missing))


def require(verb: str, settings: Settings) -> None:
    """Raise ToolMissing, which names all that a verb lacks and the line that brings it."""
    found = [*lacking(verb, settings)]
    if found:
        why = "; ".join(dict.fromkeys(lack.need.what for lack in found))
        place = f"{verb} needs {', '.join(names(found))}"
        raise ToolMissing(place, f"not on this machine ({why})", joined(found))


def names(lacks: Sequence[Lack]) -> list[str]:
    """Everything that is missing."""
    found: list[str] = []
    for lack in lacks:
        found += lack.missing
    return found


def joined(lacks: Sequence[Lack]) -> str:
    """The lines that bring all of these: packages of one manager in one line."""
    packages: dict[str, dict[str, None]] = {}
    lines: dict[str, None] = {}
    for lack in lacks:
        command, _, rest = lack.remedy.partition(" install ")
        if lack.need.remedy or not rest:
            lines[lack.remedy] = None
        else:
            packages.setdefault(command, {}).update(dict.fromkeys(rest.split()))
    installs = [f"{command} install {' '.join(names)}" for command, names in packages.items()]
    return " && ".join([*installs, *lines])


def remedy(need: Need, missing: list[str]) -> str:
    """The line for this machine that brings what is missing."""
    if need.remedy:
        return need.remedy.replace("{python}", sys.executable)
    manager = _manager()
    packages = {"apt-get": need.apt, "dnf": need.dnf, "zypper": need.zypper}[manager]
    if not packages:
        return f"install {', '.join(missing)}, which {manager} has no known package for"
    return f"{manager} install {' '.join(packages)}"


def _manager() -> str:
    """The package manager of this distribution."""
    text = OS_RELEASE.read_text(encoding="utf-8", errors="replace") if OS_RELEASE.exists() else ""
    values = dict(line.partition("=")[::2] for line in text.splitlines())
    kin = f"{values.get('ID', '')} {values.get('ID_LIKE', '')}".replace('"', "").split()
    if {"fedora", "rhel", "centos", "amzn"} & {*kin}:
        return "dnf"
    return "zypper" if {"suse", "opensuse"} & {*kin} else "apt-get"


def _has_headers(library: str) -> bool:
    """Whether a C library can be compiled against."""
    if not run.is_there("pkg-config"):
        return False
    try:
        run.run(["pkg-config", "--exists", library])
    except ToolFailed:
        return False
    return True
