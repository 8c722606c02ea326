"""A site that grows to 101 releases in one channel: what each verb costs there, counted and timed,
against aptly and createrepo_c over the same packages.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from growing import FORMATS, Cost, Growing, Measured, timed
from measure import ROUNDS, Figures, Result, Row, Skip, processor_time, size
from peers import Aptly, Createrepo, gpg
from releases import KUBERNETES, Releases, releases

from kubewright import run
from kubewright.cli.shipped import shipped
from kubewright.errors import ToolMissing
from kubewright.signing.roles import Keys
from kubewright.stages import release

PUBLISHED = (1, 2, 20, 100, 101)
"""The releases whose publication is measured."""
KEPT = (1, 2, 10, 20, 100)
"""How many releases a site has when all else is measured."""

CALLS = 60
"""What a verb that changes nothing may ask of a site, however large."""
AGE = 12
"""How many calls more a rollback may take after a hundred publications than after two."""
TWICE = 1.05
"""How often `verify` may start an object; packages and archives once."""
MORE_CALLS = 40
"""What a publication may ask of it beyond the objects that it writes."""
GROWTH = 1.5
"""The time of release 101 as that of release 2."""
LINEAR = 1.2
"""The size at 100 releases as ten times that at 10."""
RELEASE = 0.15
START = 0.25
"""Seconds of processor time."""
STARTS = 7


def publishing(
    work: Path, published: tuple[int, ...] = PUBLISHED, kept: tuple[int, ...] = KEPT
) -> Iterator[Result]:
    """Every claim about publishing."""
    with ExitStack() as stack:
        given = stack.enter_context(releases(max(published)))
        print(f"releases: {given.seconds:.0f} s", file=sys.stderr)
        peers: dict[str, Aptly | Createrepo] = {}
        try:
            key = stack.enter_context(gpg(work, given.keys))
            peers["aptly"] = Aptly(work / "aptly", key)
            peers["createrepo_c"] = Createrepo(work / "createrepo", key)
        except ToolMissing as error:
            yield Skip("publishing against aptly and createrepo_c", str(error))
        growing = Growing(given, work, peers)
        for number in range(1, max(published) + 1):
            growing.publish(number, measured=number in published)
            if number in kept:
                growing.measure(number)
        yield from _rows(growing.found, published, kept)
        yield from _others(given, work)
        yield _publications(growing.found)
        yield _verbs(growing.found)


def _rows(found: Measured, published: tuple[int, ...], kept: tuple[int, ...]) -> Iterator[Row]:
    few, many, last = kept[0], kept[-1], published[-1]
    for verb, name in (("publish", "publish, nothing new"), ("refresh", "refresh, nothing due")):
        large, small = found.verbs[many][verb].tally, found.verbs[few][verb].tally
        budget = f"a budget of {CALLS} calls"
        yield Row(f"{name}: calls at {many} releases", large.total, CALLS, budget, "n", 1)
        same = f"its calls at {few}"
        yield Row(f"{name}: calls at {many} releases", large.total, small.total, same, "n", 1)
        yield Row(f"{name}: packages read", large.bodies, 0, "none", "n", 1)
    for verb, more in (("rollback", AGE), ("promote", 0)):
        large, small = found.verbs[many][verb].tally, found.verbs[2][verb].tally
        against = f"its calls at 2, and {more}"
        yield Row(
            f"{verb}: calls at {many} releases", large.total, small.total + more, against, "n", 1
        )
    yield from _verifying(found, kept)
    cost = found.publish[last]
    budget = f"the objects that it writes and {MORE_CALLS}"
    calls = cost.tally.total
    yield Row(f"publish release {last}: calls", calls, cost.objects + MORE_CALLS, budget, "n", 1)
    early = found.publish[2].seconds
    yield Row(f"publish release {last}: time", cost.seconds, early, "release 2", "s", GROWTH)
    yield Row(f"publish release {last}: packages read", cost.tally.bodies, 0, "none", "n")
    for number, theirs in found.peers.items():
        if theirs:
            goal = 1 if number == last else None
            against = "aptly and createrepo_c, signed by gpg"
            ours = found.publish[number].seconds
            yield Row(f"publish release {number}", ours, sum(theirs.values()), against, "s", goal)
    if found.peers[last]:
        total = sum(found.peers[last].values())
        yield Row(f"publish release {last}, command", found.commands[last], total, "the same", "s")
    ten = next(number for number in kept if number * 10 == many)
    for what in ("index", "graph"):
        large_size, small_size = (getattr(found.sizes[n], what) for n in (many, ten))
        against = f"ten times that at {ten}"
        yield Row(f"{what}.json at {many}", large_size, 10 * small_size, against, "B", LINEAR)
    whole, before = found.sizes[many].total, found.sizes[ten].total
    yield Row(f"site at {many}", whole, 10 * before, f"ten times that at {ten}", "B")


def _verifying(found: Measured, kept: tuple[int, ...]) -> Iterator[Row]:
    """What `verify` reads, and how much memory that takes."""
    few, many = kept[0], kept[-1]
    starts = found.verified[many].starts
    name = f"verify {many} releases"
    yield Row(f"{name}: objects started", starts.total, starts.objects, "objects", "n", TWICE)
    yield Row(f"{name}: packages and archives again", starts.again, 0, "none", "n", 1)
    memory, small = found.verified[many].memory, found.verified[few].memory
    yield Row(f"{name}: memory", memory, small, f"that of {few}", "B")
    size_of_site = found.sizes[many].total
    yield Row(f"{name}: memory", memory, size_of_site, "the site", "B")


def _others(given: Releases, work: Path) -> Iterator[Row]:
    """What no large site is needed for: a release that is done already, and starting."""
    settings = given.settings(1, work / "small").model_copy(update={"dist": work / "dist"})
    keys: Keys = given.keys
    release.release(KUBERNETES, settings, shipped(), keys)
    cost = Cost()
    for _ in range(ROUNDS):
        timed(cost, lambda: len(release.release(KUBERNETES, settings, shipped(), keys)[2]))
    budget = f"a budget of {RELEASE * 1e3:.0f} ms of processor time"
    yield Row("release, nothing to do", cost.seconds, RELEASE, budget, "s", 1)
    yield Row("release, nothing to do: packages read", cost.tally.bodies, 0, "none", "n")
    program = run.find("kubewright", install="install the checkout")
    for words in (["--version"], ["history", "--site", str(work / "site")]):
        seconds = min(_started([program, *words]) for _ in range(STARTS))
        budget = f"a budget of {START * 1e3:.0f} ms of processor time"
        yield Row(f"kubewright {words[0]}", seconds, START, budget, "s", 1)


def _started(argv: list[str | Path]) -> float:
    start = processor_time()
    run.run(argv)
    return processor_time() - start


def _publications(found: Measured) -> Figures:
    rows = []
    for number, cost in found.publish.items():
        tally, theirs = cost.tally, found.peers[number]
        rows.append((
            str(number), _ms(cost.seconds), _ms(found.commands[number]), str(cost.objects),
            str(tally.total), tally.by_method,
            size(tally.read), size(tally.derived), size(tally.written), str(tally.bodies),
            *(_ms(theirs[name]) if name in theirs else "-" for name in FORMATS),
        ))  # fmt: skip
    columns = ("release", "ms", "command", "objects", "calls", "of which", "read", "derived",
               "written", "packages read", *FORMATS)  # fmt: skip
    return Figures("Publishing (processor time)", columns, tuple(rows))


def _verbs(found: Measured) -> Figures:
    rows = []
    for number, costs in found.verbs.items():
        cells = []
        for cost in costs.values():
            if cost.tally.calls:
                calls = f"{cost.tally.total} calls, {cost.objects} written"
                cells.append(f"{_ms(cost.seconds)} ms, {calls}, {size(cost.tally.read)} read")
            else:
                cells.append("-")
        verified, there = found.verified[number], found.sizes[number]
        says = f"{_ms(verified.seconds)} ms, {verified.checks} checks, {size(verified.memory)}"
        rows.append((
            str(number), *cells, says, size(there.index),
            size(there.graph), str(there.files), size(there.total),
        ))  # fmt: skip
    columns = ("releases", "publish nothing", "refresh nothing", "rollback", "promote", "prune",
               "verify", "index.json", "graph.json", "files", "site")  # fmt: skip
    return Figures("Sites (processor time)", columns, tuple(rows))


def _ms(seconds: float) -> str:
    return f"{seconds * 1e3:.0f}"
