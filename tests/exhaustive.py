"""How much of a table of faults is gone through: all of it where there is time, else a sample."""

import os
from collections.abc import Iterable
from itertools import islice

WANTED = os.environ.get("KUBEWRIGHT_FAULTS", "")
"""`all`, or so many cases of each command, where a run is told; empty: a few."""

ALL = WANTED == "all"
"""Whether this run has time for everything, as `./nox -s faults` does."""


def sampled(points: Iterable[int], *, every: int) -> list[int]:
    """All points, or one of `every` so many, the first among them."""
    return [*points] if ALL else [*islice(points, 0, None, every)]
