"""A site that grows to 400 releases, with four minors that are live: what each verb costs there,
counted and timed, against aptly, reprepro and createrepo_c over the same packages.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from growing import Age, Growing
from measure import ROUNDS, Figures, Result, Row, Skip, processor_time, size
from peers import Aptly, Createrepo, Gpg, Peer, Reprepro, gpg
from releases import VERSIONS, Releases, releases

from kubewright import run
from kubewright.cli.shipped import shipped
from kubewright.errors import ToolMissing
from kubewright.stages import release

AGES = (1, 20, 100, 400)
"""How many releases a site has when it is measured."""

REQUESTS = 60
"""What a rollback, a promotion, or a verb that changes nothing may ask of a site, however large."""
MORE = 40
"""What a publication may ask of it beyond the objects that it writes."""
LINEAR = 1.2
"""How much a size may grow beyond the number of releases."""
FLAT = 1.2
"""How much the memory of `verify` may grow from the age before the last to the last."""
TWICE = 1.05
"""How often `verify` may start an object; packages and archives once."""
GROWTH = 1.5
"""The time of one more release, as that of the second."""
RELEASE = 0.15
START = 0.25
"""Seconds of processor time."""
STARTS = 7

Kinds = Mapping[str, Callable[[Path, Gpg], Peer]]
PEERS: Kinds = {
    "aptly": Aptly, "reprepro": Reprepro, "createrepo_c": Createrepo,
}  # fmt: skip


def publishing(work: Path, most: int = AGES[-1], *, once: bool = False) -> Iterator[Result]:
    """Every claim about publishing, of sites with up to so many releases; `once` is for what is
    counted: no verb is timed again, and no peer.
    """
    ages = (*(age for age in AGES if age < most), most)
    with ExitStack() as stack:
        given = stack.enter_context(releases(most + len(VERSIONS)))
        print(f"releases: {given.seconds:.0f} s", file=sys.stderr)
        peers: dict[str, Peer] = {}
        if not once:
            yield from opened(peers, stack, given, work, PEERS)
        growing, found = Growing(given, work, peers, once=once), dict[int, Age]()
        for number in range(1, most + 1):
            growing.publish(number)
            if number in ages:
                print(f"measuring {number} releases …", file=sys.stderr)
                found[number] = growing.measured(number)
        yield from _rows(found)
        yield from _others(given, work)
        yield from (_calls(found), _times(found), _sizes(found))


def opened(
    peers: dict[str, Peer], stack: ExitStack, given: Releases, work: Path, kinds: Kinds
) -> Iterator[Result]:
    """Open those of these peers that are here; the others are skipped."""
    try:
        key = stack.enter_context(gpg(work, given.keys))
    except ToolMissing as error:
        yield Skip("publishing against peers", str(error))
        return
    for name, kind in kinds.items():
        try:
            peers[name] = kind(work / name, key)
        except ToolMissing as error:
            yield Skip(f"publishing against {name}", str(error))


def _rows(found: Mapping[int, Age]) -> Iterator[Row]:
    ages = [*found]
    first, before, last = ages[0], ages[-2], ages[-1]
    budget = f"a budget of {REQUESTS}"
    for verb in ("no-op", "refresh", "rollback", "promote"):
        for age in ages:
            if verb in found[age].verbs:
                asked = found[age].verbs[verb].far.total
                yield Row(f"{verb} at {age}: requests", asked, REQUESTS, budget, "n", 1)
    for verb in ("no-op", "refresh"):
        tally = found[last].verbs[verb].far
        yield Row(f"{verb} at {last}: writes", tally.writes, 0, "none", "n", 1)
        yield Row(f"{verb} at {last}: packages read", tally.bodies, 0, "none", "n", 1)
    cost, early = found[last].verbs["+1 publish"], found[first].verbs["+1 publish"]
    budget = f"the objects that it writes and {MORE}"
    asked = cost.far.total
    yield Row(f"+1 publish at {last}: requests", asked, cost.objects + MORE, budget, "n", 1)
    for verb in ("+1 publish", "rollback", "promote"):
        small = found[max(first, ages[1])].verbs[verb].far.rounds
        large = found[last].verbs[verb].far.rounds
        yield Row(f"{verb} at {last}: rounds", large, small, f"those at {ages[1]}", "n", 1)
    yield Row(f"+1 publish at {last}: packages read", cost.far.bodies, 0, "none", "n", 1)
    yield Row(
        f"+1 publish at {last}: time", cost.seconds, early.seconds, f"at {first}", "s", GROWTH
    )
    yield from _against_peers(found)
    yield from _verifying(found[before], found[last], before, last)
    for what in ("index", "graph"):
        large_size, small_size = (getattr(found[age].size, what) for age in (last, before))
        times = last / before
        against = f"{times:g} times that at {before}"
        yield Row(f"{what}.json at {last}", large_size, times * small_size, against, "B", LINEAR)


def _against_peers(found: Mapping[int, Age]) -> Iterator[Row]:
    """Publishing one more release, by each format, and by both."""
    last = max(found)
    for age, figures in found.items():
        theirs = figures.peers
        ours = figures.verbs["+1 publish"].seconds
        if {"aptly", "createrepo_c"} <= theirs.keys():
            total = theirs["aptly"] + theirs["createrepo_c"]
            against, goal = "aptly and createrepo_c, signed by gpg", 1 if age == last else None
            yield Row(f"+1 publish at {age}", ours, total, against, "s", goal)
            if age == last:
                yield Row(f"+1 publish at {age}, command", figures.command, total, "the same", "s")
        if "reprepro" in theirs and age == last:
            against = "reprepro, which has the newest debs alone"
            yield Row(f"+1 publish at {age}", ours, theirs["reprepro"], against, "s")


def _verifying(small: Age, large: Age, before: int, last: int) -> Iterator[Row]:
    """What `verify` reads, and how much memory that takes."""
    starts, name = large.verified.starts, f"verify at {last}"
    yield Row(f"{name}: objects started", starts.total, starts.objects, "objects", "n", TWICE)
    yield Row(f"{name}: packages and archives again", starts.again, 0, "none", "n", 1)
    memory, less = large.verified.memory, small.verified.memory
    yield Row(f"{name}: memory", memory, less, f"that at {before}", "B", FLAT)
    yield Row(f"{name}: memory", memory, large.size.total, "the site", "B")


def _others(given: Releases, work: Path) -> Iterator[Row]:
    """What no large site is needed for: a release that is done already, and starting."""
    settings = given.settings(1, work / "small").model_copy(update={"dist": work / "dist"})
    keys, best, written = given.keys, float("inf"), 0
    release.release(VERSIONS[0], settings, shipped(), keys)
    for _ in range(ROUNDS):
        start = processor_time()
        written += len(release.release(VERSIONS[0], settings, shipped(), keys)[2])
        best = min(best, processor_time() - start)
    budget = f"a budget of {RELEASE * 1e3:.0f} ms of processor time"
    yield Row("release, nothing to do", best, RELEASE, budget, "s", 1)
    yield Row("release, nothing to do: objects written", written, 0, "none", "n", 1)
    program = run.find("kubewright", install="install the checkout")
    for words in (["--version"], ["history", "--site", str(work / "site")]):
        seconds = min(_started([program, *words]) for _ in range(STARTS))
        budget = f"a budget of {START * 1e3:.0f} ms of processor time"
        yield Row(f"kubewright {words[0]}", seconds, START, budget, "s", 1)


def _started(argv: list[str | Path]) -> float:
    start = processor_time()
    run.run(argv)
    return processor_time() - start


def _calls(found: Mapping[int, Age]) -> Figures:
    rows = []
    for age, figures in found.items():
        for verb, cost in figures.verbs.items():
            far = cost.far
            rows.append((
                str(age), verb, str(far.total), str(far.writes), str(far.rounds),
                str(cost.near.total), str(cost.objects), size(far.written), size(far.derived),
                size(far.read), f"{cost.seconds * 1e3:.0f} ms",
            ))  # fmt: skip
        starts = figures.verified.starts
        rows.append((
            str(age), "verify", str(starts.total), "0", "-", str(starts.total), "0", "-", "-", "-",
            f"{figures.verified.seconds * 1e3:.0f} ms",
        ))  # fmt: skip
    columns = ("releases", "verb", "requests", "of them write", "rounds", "calls near", "objects",
               "written", "derived", "read", "time")  # fmt: skip
    return Figures(
        "Verbs (requests as of a bucket; calls and time on a directory)", columns, (*rows,)
    )


def _times(found: Mapping[int, Age]) -> Figures:
    rows = []
    for age, figures in found.items():
        theirs = figures.peers
        cells = (f"{theirs[name] * 1e3:.0f} ms" if name in theirs else "-" for name in PEERS)
        ours = figures.verbs["+1 publish"].seconds
        command = f"{figures.command * 1e3:.0f} ms"
        rows.append((str(age), str(figures.packages), f"{ours * 1e3:.0f} ms", command, *cells))
    columns = ("releases", "packages", "+1 publish", "command", *PEERS)
    return Figures("One more release (processor time)", columns, tuple(rows))


def _sizes(found: Mapping[int, Age]) -> Figures:
    rows = []
    for age, figures in found.items():
        there, checked = figures.size, figures.verified
        rows.append((
            str(age), str(there.files), size(there.total), size(there.index), size(there.graph),
            str(checked.checks), str(checked.starts.objects), size(checked.memory),
        ))  # fmt: skip
    columns = ("releases", "files", "site", "index.json", "graph.json", "checks of verify",
               "objects read", "its memory")  # fmt: skip
    return Figures("Sites", columns, tuple(rows))
