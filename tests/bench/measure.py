"""How a claim is measured: contenders run in turns, the fastest run of each counts, and a row
compares two of them.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Literal

ROUNDS = 3
NOISE = 0.1
"""Share by which a time may miss its goal: two runs of one program differ by as much on a busy
machine.
"""


@dataclass(frozen=True)
class Row:
    """One claim: `ours` against `other`, both in seconds or both in bytes, from the same run."""

    what: str
    ours: float
    other: float
    against: str
    unit: Literal["s", "B"] = "s"
    goal: float | None = None

    @property
    def ratio(self) -> float:
        """How many times the other's time or size ours is."""
        return self.ours / self.other

    @property
    def verdict(self) -> str:
        """`ok` or `MISS`, or nothing where no goal is set; sizes are exact, times have noise."""
        if self.goal is None:
            return ""
        return "ok" if self.ratio <= self.goal * (1 + NOISE * (self.unit == "s")) else "MISS"


@dataclass(frozen=True)
class Skip:
    """A claim that could not be measured here, and why."""

    what: str
    reason: str


Result = Row | Skip


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
    """The results as lines of text, skipped ones last."""
    results = list(results)
    rows: list[tuple[str, ...]] = [("what", "ours", "other", "ratio", "goal", "", "against")]
    rows += [_cells(row) for row in results if isinstance(row, Row)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(cell.rjust(width) if 1 <= place <= 4 else cell.ljust(width)
                  for place, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
        for row in rows
    ]  # fmt: skip
    return "\n".join(
        lines
        + [
            f"skipped {row.what}: {' '.join(row.reason.split())}"
            for row in results
            if isinstance(row, Skip)
        ]
    )


def as_json(result: Result) -> dict[str, object]:
    """A result as plain data."""
    if isinstance(result, Skip):
        return {"what": result.what, "skipped": result.reason}
    return asdict(result) | {"ratio": round(result.ratio, 4), "verdict": result.verdict}


def _cells(row: Row) -> tuple[str, ...]:
    goal = "-" if row.goal is None else f"{row.goal:.2f}"
    ours, other = (_amount(value, row.unit) for value in (row.ours, row.other))
    return (row.what, ours, other, f"{row.ratio:.2f}", goal, row.verdict, row.against)


def _amount(value: float, unit: str) -> str:
    if unit == "B":
        return f"{value / 1e6:.2f} MB"
    return f"{value:.2f} s" if value >= 1 else f"{value * 1e3:.1f} ms"
