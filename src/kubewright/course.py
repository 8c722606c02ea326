"""How far a run of several stages is, for people: which of how many, how long each took."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from threading import Lock
from typing import NamedTuple

from kubewright.log import STAGE, duration


class Leg(NamedTuple):
    """A stage that has ended well."""

    name: str
    seconds: float
    made: str


class Course:
    """The stages of one run, in their order."""

    def __init__(self, log: logging.Logger, names: Sequence[str]) -> None:
        self._log, self._names = log, names
        self.legs: list[Leg] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[list[str]]:
        """Say that a stage begins, and how long it took if it ends well; into the list goes what it
        made, in a few words.
        """
        place = f"[{self._names.index(name) + 1}/{len(self._names)}] {name}"
        self._log.info("%s …", place)
        begun = time.monotonic()
        made: list[str] = []
        yield made
        self.legs.append(Leg(name, time.monotonic() - begun, ", ".join(made)))
        said = f", {self.legs[-1].made}" if made else ""
        self._log.log(STAGE, "%s: %s%s", place, duration(self.legs[-1].seconds), said)

    def summary(self) -> Iterator[str]:
        """A line for each stage, and one for all: narrow, for a terminal of 40 columns."""
        width = max(len(leg.name) for leg in self.legs)
        for leg in self.legs:
            yield f"{leg.name:{width}}  {duration(leg.seconds):>7}  {leg.made}".rstrip()
        yield f"{'all':{width}}  {duration(sum(leg.seconds for leg in self.legs)):>7}"


class Tally:
    """Counts what is done of a whole, whoever does it: `12 of 62`, and after a while how long the
    rest takes.
    """

    def __init__(self, total: int) -> None:
        self._total, self._numbers, self._lock = total, count(1), Lock()
        self._begun = time.monotonic()

    def next(self) -> str:
        """Of one more."""
        with self._lock:
            number = next(self._numbers)
        spent = time.monotonic() - self._begun
        left = spent / number * (self._total - number)
        rest = f", about {duration(left)} left" if spent > PATIENCE and left >= 1 else ""
        return f"{number} of {self._total}{rest}"


PATIENCE = 5.0
"""Seconds after which people ask themselves how long it takes."""
