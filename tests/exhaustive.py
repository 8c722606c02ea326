"""How much of a table of faults is gone through: all of it where there is time, else a sample."""

import os
import random
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TypeVar

WANTED = os.environ.get("KUBEWRIGHT_FAULTS", "")
"""`all`, or so many cases of each command, where a run is told; empty: a few."""

ALL = WANTED == "all"
"""Whether this run has time for everything, as `./nox -s faults` does."""

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
    return chosen(found, len(found), parts) if WANTED else [*islice(found, 0, None, every)]


def chosen(cases: Sequence[T], few: int, parts: int = 1) -> list[T]:
    """All cases of a part, or so many of the seed's: as many as are wanted of all parts together,
    or a `few`.
    """
    count = int(WANTED) // parts if WANTED.isdigit() else few
    if ALL:
        return [*cases]
    return random.Random(SEED).sample(cases, min(count, len(cases)))


def tried(note: Note, count: int, of: int) -> None:
    """Tell how many faults of a table were tried, for the sum below the run."""
    note("tried", count)
    note("of", of)
