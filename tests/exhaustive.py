"""How much of a table of faults is gone through: all of it where there is time, else a sample;
and what came of the faults, as a matrix below the run.
"""

import math
import os
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar, cast

import pytest

WANTED = os.environ.get("KUBEWRIGHT_FAULTS", "")
"""`all`, `kinds` (of a table that has kinds a case of each, of others all), or so many cases of
each command, or a share of them as `20%`, where a run is told; empty: a few.
"""

ALL = WANTED in ("all", "kinds")
"""Whether this run has time for everything, as `./nox -s faults` does."""

KINDS = WANTED == "kinds"
"""Whether a table that has kinds is to be gone through by these."""

SEED = os.environ.get("KUBEWRIGHT_FAULT_SEED", "1")
"""What chooses the cases of a sample."""

T = TypeVar("T")
Note = Callable[[str, object], None]
"""pytest's `record_property`."""


def sampled(points: Iterable[int], *, every: int, parts: int = 1) -> list[int]:
    """All points; or as many as are wanted of the `parts` together that a command has; or one of
    `every` so many, the first among them.
    """
    found = [*points]
    if not WANTED:
        return [*islice(found, 0, None, every)]
    return sorted(chosen(found, len(found), parts))


def how_many(few: str) -> str:
    """How many of a table `sampled` takes, in words; `few` is for the usual run."""
    return "each" if ALL else f"{WANTED} by lot" if WANTED else few


def chosen(cases: Sequence[T], few: int, parts: int = 1) -> list[T]:
    """All cases of a part, or so many of the seed's: as many as are wanted of all parts together,
    or a `few`.
    """
    if ALL:
        return [*cases]
    count = _wanted(len(cases), few, parts)
    return random.Random(SEED).sample(cases, min(count, len(cases)))


def one_of_each(cases: Iterable[T], kind: Callable[[T], object]) -> list[T]:
    """A case of each kind, of the seed's."""
    kinds: dict[object, list[T]] = {}
    for case in cases:
        kinds.setdefault(kind(case), []).append(case)
    lots = random.Random(SEED)
    return [lots.choice(of_kind) for of_kind in kinds.values()]


def _wanted(there: int, few: int, parts: int) -> int:
    if WANTED.endswith("%"):
        return math.ceil(there * float(WANTED.removesuffix("%")) / 100)
    return max(1, int(WANTED) // parts) if WANTED else few


def by_turns(
    way: str, ways: Sequence[str], names: str | Sequence[str], cases: Mapping[str, object]
) -> pytest.MarkDecorator:
    """Parameters of a test: each case of a table in one of several ways, one after the other; in
    all of them where there is time. `names` are those of what a case holds.
    """
    named = [names] if isinstance(names, str) else [*names]
    found = []
    for number, (name, case) in enumerate(cases.items()):
        values = [case] if isinstance(names, str) else [*cast("Iterable[object]", case)]
        for one in ways if ALL else [ways[number % len(ways)]]:
            found.append(pytest.param(one, *values, id=f"{name}-{one}"))
    return pytest.mark.parametrize((way, *named), found)


def tried(note: Note, count: int, of: int) -> None:
    """Tell how many faults of a table were tried, for the sum below the run."""
    note("tried", count)
    note("of", of)


WENT_ON, OLD, NEW, HEALED, NOT_MET, WRONG = "went on", "old", "new", "healed", "not met", "WRONG"
OUTCOMES = {
    WENT_ON: "the command did what was meant all the same",
    OLD: "it ended; readers saw the old site, whole; the same command again did what was meant",
    NEW: "the same, and readers saw the new site",
    HEALED: "`verify` named it, and `repair` undid it",
    NOT_MET: "the command did not come to it this time",
    WRONG: "anything else",
}
"""What may come of a fault."""

CAME = "came of it"
Outcomes = Counter[tuple[str, str]]
"""How often a kind of fault ended in what."""


def seen(pointer: object, before: object) -> str:
    """Which site readers see, by its pointer and what that was before the command."""
    return OLD if pointer == before else NEW


def came_of(note: Note, place: str, verb: str, outcomes: Outcomes) -> None:
    """Tell what came of the faults of a verb, for the matrix below the run."""
    for (fault, outcome), count in sorted(outcomes.items()):
        note(CAME, [place, verb, fault, outcome, count])


def matrix(told: Iterable[tuple[str, object]]) -> Iterator[str]:
    """The lines of what reports have told by `came_of`: a table for each place, then the sums."""
    found: dict[str, dict[tuple[str, str], Counter[str]]] = {}
    for name, value in told:
        if name == CAME and isinstance(value, list | tuple):
            place, verb, fault, outcome, count = value
            row = found.setdefault(place, {}).setdefault((verb, fault), Counter())
            row[outcome] += count
    for place, rows in sorted(found.items()):
        yield from _table(place, rows)
        yield ""
    if found:
        yield from (f"{name}: {meaning}" for name, meaning in OUTCOMES.items())


def _table(place: str, rows: Mapping[tuple[str, str], Counter[str]]) -> Iterator[str]:
    whole = Counter[str]()
    for row in rows.values():
        whole.update(row)
    columns = [name for name in OUTCOMES if whole[name] or name == WRONG]
    yield f"{place:<24} {'':<32} " + " ".join(f"{name:>8}" for name in ("tried", *columns))
    for (verb, fault), row in [*sorted(rows.items()), (("in all", ""), whole)]:
        cells = (row.total(), *(row[name] for name in columns))
        yield f"  {verb:<22} {fault:<32} " + " ".join(f"{count:>8}" for count in cells)
