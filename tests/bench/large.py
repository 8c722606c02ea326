"""One more release in a channel of 20,000 packages: its time beyond compressing what changed, and
that of aptly and createrepo_c over the same packages.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from growing import Growing, later, measured
from measure import ROUNDS, Figures, Result, Row, processor_time, size
from peers import Peer
from publishing import PEERS, opened
from releases import Releases, releases

from kubewright import archives
from kubewright.cli.shipped import shipped
from kubewright.repos import packed
from kubewright.stages import prune

PACKAGES = 20_000
OWN = 38
"""The debs and rpms of a release that no earlier one has."""
CHANNEL = "all"
PRUNED = 50
"""After so many releases the site is pruned."""
BEYOND = 0.10
"""Seconds of processor time."""
BOTH = ("aptly", "createrepo_c")
"""The peers that keep every version."""


def one_more_of_many(work: Path, packages: int = PACKAGES) -> Iterator[Result]:
    """Every claim about a channel with so many packages."""
    count = packages // OWN + 1
    with ExitStack() as stack:
        given = stack.enter_context(releases(count + 1))
        peers: dict[str, Peer] = {}
        yield from opened(peers, stack, given, work, {name: PEERS[name] for name in BOTH})
        growing = Growing(given, work, peers)
        _grown(growing, count)
        growing.feed()
        seconds, floor = _ours(growing, count + 1)
        theirs = {name: growing.theirs(name, count + 1) for name in peers}
        yield from _rows(growing, seconds, floor, theirs)
        yield _figures(growing, given, seconds, floor, theirs)


def _grown(growing: Growing, count: int) -> None:
    """Publish so many releases in the one channel. What only earlier publications need goes now and
    then: each has indexes of its own, which would be 7 GB.
    """
    for number in range(1, count + 1):
        growing.publish(number, (CHANNEL,))
        if number % PRUNED == 0:
            print(f"{number} of {count} releases …", file=sys.stderr)
            settings = later(growing.given.settings(number, growing.site), 1)
            prune.prune(prune.Retention(1, 0), settings, shipped(), growing.keys)


def _ours(growing: Growing, number: int) -> tuple[float, float]:
    """The seconds of the fastest publication, and of compressing what it changed in indexes."""
    best, floor = float("inf"), float("inf")
    settings = growing.given.settings(number, growing.twins / "site", (CHANNEL,))
    for _ in range(ROUNDS):
        twin = growing.twin()
        os.sync()
        start = processor_time()
        growing.put(number, settings)
        best = min(best, processor_time() - start)
        texts = changed(growing.site, twin)
        start = processor_time()
        for text in texts:
            archives.gzipped(text)
        floor = min(floor, processor_time() - start)
    return best, floor


def changed(before: Path, after: Path) -> set[bytes]:
    """The texts of all members of packed indexes that are in `after` alone."""
    old = set(_indexes(before))
    known = {member.data for path in old for member in packed.unpack(_read(before, path), path)}
    new = [path for path in _indexes(after) if path not in old]
    found = (member for path in new for member in packed.unpack(_read(after, path), path))
    return {member.text for member in found if member.data not in known}


def _indexes(site: Path) -> Iterator[str]:
    """The packed indexes of the channel, each name of each."""
    for folder in (f"apt/dists/{CHANNEL}", f"yum/{CHANNEL}", f"yum/snapshots/{CHANNEL}"):
        for path in sorted((site / folder).rglob("*")):
            if path.is_file() and path.read_bytes()[:2] == b"\x1f\x8b":
                yield path.relative_to(site).as_posix()


def _read(site: Path, path: str) -> bytes:
    return (site / path).read_bytes()


def _rows(
    growing: Growing, seconds: float, floor: float, theirs: Mapping[str, float]
) -> Iterator[Row]:
    name = f"+1 publish at {len(growing.published)} packages"
    budget = "a budget of processor time"
    beyond = seconds - floor
    yield Row(f"{name}: beyond compression", beyond, BEYOND, budget, "s", 1)
    yield Row(name, seconds, floor, "compressing the members that changed", "s")
    if {*BOTH} <= theirs.keys():
        total = sum(theirs[one] for one in BOTH)
        yield Row(name, seconds, total, "aptly and createrepo_c, signed by gpg", "s", 1)


def _figures(
    growing: Growing, given: Releases, seconds: float, floor: float, theirs: Mapping[str, float]
) -> Figures:
    there = measured(growing.site)
    times = {"+1 publish": seconds, "compression of it": floor, **theirs}
    row = (
        str(len(growing.published)), str(given.count - 1),
        *(f"{one * 1e3:.0f} ms" for one in times.values()),
        str(there.files), size(there.total), size(there.index),
    )  # fmt: skip
    columns = ("packages", "releases", *times, "files", "site", "index.json")
    return Figures("A channel of many packages (processor time)", columns, (row,))
