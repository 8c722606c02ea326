"""doctor: what this machine lacks for which verb, before any work begins."""

import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pydantic import Field

from kubewright import needs
from kubewright.errors import RequestError
from kubewright.models.answer import Answer, headed
from kubewright.models.base import Header, Model
from kubewright.moments import day, midnight
from kubewright.recipes import Recipes
from kubewright.settings import Settings

ROOM = {"cache": 12_000_000_000, "dist": 4_000_000_000, "site": 2_000_000_000}
"""Bytes: two architectures of a release with what it is compiled from, what stages make of it, and
what of that is published.
"""


class Finding(Model):
    """One thing that was looked at."""

    name: str = Field(description="a row of needs.toml, or of this machine")
    state: str = Field(description="ok, lacking, or helps: it would help, and is not there")
    detail: str = Field(description="in words")
    verbs: tuple[str, ...] = Field((), description="that need it, or do less without it")
    remedy: str = Field("", description="the line that brings it; empty where all is there")


class Diagnosis(Answer):
    """What was looked at, and what is wanting for the verbs that were asked about."""

    header: Header = headed("diagnosis")
    findings: tuple[Finding, ...] = Field(description="all that was looked at")
    lacking: tuple[str, ...] = Field(description="verbs of those asked about that cannot begin")
    remedy: str = Field(description="the one line that brings all that they lack")


def known() -> list[str]:
    """The verbs and sessions that need something."""
    found: dict[str, None] = {}
    for need in needs.table().values():
        found |= dict.fromkeys(need.verbs)
        for part in need.only:
            found |= dict.fromkeys(part.verbs)
        found |= dict.fromkeys(need.helps)
    return [*found]


def doctor(asked: Sequence[str], settings: Settings, recipes: Recipes) -> Diagnosis:
    """Look at this machine for some verbs, or for all."""
    looked: needs.Looked = {}
    findings = [*_programs(asked, settings, looked), *_room(settings), *_clock(settings, recipes)]
    verbs: list[str] = []
    lacks: list[needs.Lack] = []
    for verb in asked or known():
        found = [*needs.lacking(verb, settings, looked)]
        verbs += [verb] if found else []
        lacks += found
    return Diagnosis(findings=tuple(findings), lacking=tuple(verbs), remedy=needs.joined(lacks))


def refuse_unknown(asked: Iterable[str], verbs: Iterable[str]) -> None:
    """Raise RequestError for a word that is no verb or session."""
    there = [*verbs, *known()]
    for word in asked:
        if word not in there:
            raise RequestError(
                word, "no verb or session", f"there are {', '.join(dict.fromkeys(there))}"
            )


def _programs(asked: Sequence[str], settings: Settings, looked: needs.Looked) -> Iterator[Finding]:
    for name, need in needs.table().items():
        needed = need.needed(settings)
        verbs = [one for one in (*needed, *need.helps) if not asked or one in asked]
        if not verbs:
            continue
        missing = needs.look(name, looked)
        required = any(one in needed for one in verbs)
        state = "ok" if not missing else "lacking" if required else "helps"
        detail = f"{', '.join(missing)} not found: {need.what}" if missing else need.what
        line = needs.remedy(need, missing) if missing else ""
        yield Finding(name=name, state=state, detail=detail, verbs=tuple(verbs), remedy=line)


def _room(settings: Settings) -> Iterator[Finding]:
    """Whether the directories can be written, and how much room there is."""
    places = {"cache": settings.cache, "dist": settings.dist}
    if not settings.site.startswith("s3://"):
        places["site"] = Path(settings.site)
    for name, place in places.items():
        parents = (place, *place.absolute().parents)
        existing = next(folder for folder in parents if folder.exists())
        free = shutil.disk_usage(existing).free
        said = f"{place}: {free / 1e9:.1f} GB free"
        if not os.access(existing, os.W_OK | os.X_OK):
            remedy = f"choose another --{name}, or let this user write {existing}"
            yield Finding(
                name=name, state="lacking", detail=f"{existing} cannot be written", remedy=remedy
            )
        elif free < ROOM[name]:
            remedy = f"free some, or choose another --{name}"
            wanted = f"{said}; a compiled release takes {ROOM[name] / 1e9:.0f} GB"
            yield Finding(name=name, state="helps", detail=wanted, remedy=remedy)
        else:
            yield Finding(name=name, state="ok", detail=said)


def _clock(settings: Settings, recipes: Recipes) -> Iterator[Finding]:
    """A clock from before the newest release that the catalog knows is wrong."""
    newest = max(facts.released for facts in recipes.catalog.values())
    if settings.now < midnight(newest):
        said = f"it says {day(settings.now)}, but the catalog knows a release of {newest}"
        remedy = "set the clock: nothing may be signed with a wrong date"
        yield Finding(name="clock", state="lacking", detail=said, remedy=remedy)
    else:
        yield Finding(name="clock", state="ok", detail=f"it says {day(settings.now)}")
