"""How a claim is measured: contenders run in turns, the fastest run of each counts, and a row
compares two of them.
"""

import math
import resource
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

ROUNDS = 3
NOISE = 0.1
"""Share by which a time may miss its goal: two runs of one program differ by as much on a busy
machine.
"""


@dataclass(frozen=True)
class Row:
    """One claim: `ours` against `other`, both in seconds, bytes or counts, from the same run."""

    what: str
    ours: float
    other: float
    against: str
    unit: Literal["s", "B", "n"] = "s"
    goal: float | None = None

    @property
    def ratio(self) -> float:
        """How many times the other's time, size or count ours is; of none any is too many."""
        if self.other == 0:
            return math.inf if self.ours else 0
        return self.ours / self.other

    @property
    def verdict(self) -> str:
        """`ok` or `MISS`, or nothing where no goal is set; only times have noise."""
        if self.goal is None:
            return ""
        return "ok" if self.ratio <= self.goal * (1 + NOISE * (self.unit == "s")) else "MISS"


@dataclass(frozen=True)
class Skip:
    """A claim that could not be measured here, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Figures:
    """Numbers behind the claims, to be read beside each other: a line for each row."""

    what: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


Result = Row | Skip | Figures


def processor_time() -> float:
    """Seconds of processor time, user and system, of this process and its ended children."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def fastest(
    contenders: Mapping[str, Callable[[], object]], clock: Callable[[], float] = time.perf_counter
) -> dict[str, float]:
    """The seconds of each contender's fastest run; they take turns, so that a busy minute slows all
    of them.
    """
    best = dict.fromkeys(contenders, float("inf"))
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            start = clock()
            run()
            best[name] = min(best[name], clock() - start)
    return best


def table(results: Iterable[Result]) -> str:
    """The results as lines of text: figures after the rows, skipped ones last."""
    results = list(results)
    rows = [_cells(row) for row in results if isinstance(row, Row)]
    head = ("what", "ours", "other", "ratio", "goal", "", "against")
    lines = _aligned([head, *rows], lambda place: 1 <= place <= 4)
    for figures in results:
        if isinstance(figures, Figures):
            lines += ["", figures.what]
            lines += _aligned([figures.columns, *figures.rows], lambda place: place > 0)
    for skip in results:
        if isinstance(skip, Skip):
            lines.append(f"skipped {skip.what}: {' '.join(skip.reason.split())}")
    return "\n".join(lines)


def _aligned(rows: Sequence[tuple[str, ...]], right: Callable[[int], bool]) -> list[str]:
    """Rows as lines with columns of one width; `right` says which of them end together."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if right(place) else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


def as_json(result: Result) -> dict[str, object]:
    """A result as plain data."""
    if isinstance(result, Skip):
        return {"what": result.what, "skipped": result.reason}
    if isinstance(result, Figures):
        return asdict(result)
    ratio = round(result.ratio, 4) if math.isfinite(result.ratio) else None
    return asdict(result) | {"ratio": ratio, "verdict": result.verdict}


def _cells(row: Row) -> tuple[str, ...]:
    goal = "-" if row.goal is None else f"{row.goal:.2f}"
    ours, other = (_amount(value, row.unit) for value in (row.ours, row.other))
    return (row.what, ours, other, f"{row.ratio:.2f}", goal, row.verdict, row.against)


def _amount(value: float, unit: str) -> str:
    if unit == "n":
        return f"{value:.0f}"
    if unit == "B":
        return size(value)
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.1f} ms"


def size(value: float) -> str:
    """Bytes for people."""
    return f"{value / 1e6:.2f} MB" if value >= 1e5 else f"{value / 1e3:.1f} kB"
