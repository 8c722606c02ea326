"""What came of the clients of a soak, and what its publisher took: counts, and lines of text."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from unresting import Told

from kubewright import files


@dataclass
class Count:
    """What came of one kind of client."""

    good: Counter[str] = field(default_factory=Counter)
    """By what was done: a refresh that knew nothing, or something of before, or a download."""
    bad: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)
    """The output of each failure."""


Counts = dict[str, Count]


def table(name: str, counts: Counts) -> Iterator[str]:
    """What came of each kind of client, a line each."""
    yield f"{name:<24} {'fresh':>13} {'kept':>13} {'download':>13}   ok / failed"
    for kind, count in counts.items():
        cells = [
            f"{count.good[what]} / {count.bad[what]}" for what in ("fresh", "kept", "download")
        ]
        yield f"  {kind:<22} " + " ".join(cell.rjust(13) for cell in cells)


def times(told: Told) -> Iterator[str]:
    """What each verb took the publisher, a line each: medians."""
    yield f"{'medians':<10} {'seconds':>8} {'processor':>10} {'requests':>9} {'rounds':>7}"
    for verb, all_of in sorted(told.took.items()):
        seconds, processor, requests, rounds = map(median, zip(*all_of, strict=True))
        yield f"{verb:<10} {seconds:>8.2f} {processor:>10.2f} {requests:>9.0f} {rounds:>7.0f}"


def refreshes_of(counts: Counts) -> int:
    """All of them, those that failed too."""
    both = [each for count in counts.values() for each in (count.good, count.bad)]
    return sum(each["fresh"] + each["kept"] for each in both)


def failures(counts: Counts) -> int:
    """Of refreshes and downloads."""
    return sum(count.bad.total() for count in counts.values())


def keep(folder: Path, name: str, counts: Counts) -> None:
    """Write the output of every failure below a folder."""
    for kind, count in counts.items():
        for number, text in enumerate(count.said, 1):
            files.write(folder / name / f"{kind}-{number}.txt", text.encode())
