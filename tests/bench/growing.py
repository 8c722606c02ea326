"""A site with four minors that are live, and those of the peers, to which one release after the
other is added; what each verb costs there at some age.
"""

import os
import shutil
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from counted import Starts, Tally, counting, reading
from measure import ROUNDS, processor_time
from peers import Peer
from releases import Releases

from kubewright import run
from kubewright.cli.shipped import shipped
from kubewright.models.base import DAY
from kubewright.settings import Settings
from kubewright.site import layout
from kubewright.stages import channels, promote, prune, publish, verify, withdraw

RETENTION = prune.Retention(3, 2 * DAY)
"""What `prune` leaves by default."""

Verb = Callable[[Settings], int]
"""Does something to a site; how many objects it wrote or removed."""


@dataclass
class Cost:
    """What a verb took: the fewest seconds of processor time, and what was counted."""

    seconds: float = float("inf")
    near: Tally = field(default_factory=Tally)
    """Asked of a directory."""
    far: Tally = field(default_factory=Tally)
    """Asked of the same site as if it was in a bucket."""
    objects: int = 0
    """That were written or removed."""


@dataclass
class Size:
    """What a site has come to."""

    index: int
    graph: int
    files: int
    total: int


@dataclass
class Verified:
    """What a verification took."""

    seconds: float
    checks: int
    starts: Starts
    memory: int
    """Bytes of Python's objects that were there at once, at most."""


@dataclass
class Age:
    """Every figure of a site with so many releases."""

    packages: int
    """That are on it."""
    verbs: dict[str, Cost]
    command: float
    """Publishing one more by the command, from its start to its end."""
    peers: dict[str, float]
    """Publishing the same packages."""
    verified: Verified
    size: Size


class Growing:
    """A site, and those of the peers, to which one release after the other is added."""

    def __init__(
        self,
        given: Releases,
        work: Path,
        peers: Mapping[str, Peer],
        *,
        once: bool = False,
    ) -> None:
        self.given, self.peers, self.keys = given, peers, given.keys
        self.rounds = 1 if once else ROUNDS
        """How often each verb is timed."""
        self.site, self.twins = work / "site", work / "twins"
        self.twins.mkdir()
        self.published: set[str] = set()
        """The packages of the site, by name."""
        self.waiting: list[Path] = []
        """Those that the peers have not been given yet."""

    def publish(self, number: int, channels: tuple[str, ...] = ()) -> None:
        """Publish the next release, in its channels or in others."""
        self.put(number, self.given.settings(number, self.site, channels))
        own = self.given.own(number, self.published)
        self.published |= {path.name for path in own}
        self.waiting += own

    def put(self, number: int, settings: Settings) -> int:
        """Publish a release on some site; how many objects that wrote."""
        workspace = self.given.workspace(number)
        return len(publish.publish(workspace, settings, shipped(), self.keys)[1])

    def measured(self, number: int) -> Age:
        """Every verb on a site with this many releases, and one more release of the highest minor
        there and at the peers'.
        """
        self.feed()
        one_more = self.given.next(number)
        now = self.given.settings(number, self.site).now
        return Age(
            len(self.published),
            {name: self._cost(name, act, number) for name, act in self._verbs(number).items()},
            min(self._command(one_more) for _ in range(self.rounds)),
            {name: self.theirs(name, one_more) for name in self.peers},
            verified(self.site, now),
            measured(self.site),
        )

    def feed(self) -> None:
        """Give the peers what was published since they were given something."""
        for peer in self.peers.values() if self.waiting else ():
            peer.add([path for path in self.waiting if path.suffix == peer.suffix])
        self.waiting.clear()

    def _verbs(self, number: int) -> dict[str, Verb]:
        """What is measured on a site, each on one of its own."""
        one_more = self.given.next(number)
        oldest, keys = self.given.workspace(1).root.name, self.keys

        def more(there: Settings) -> int:
            return self.put(one_more, self.given.settings(one_more, Path(there.site)))

        def nothing(there: Settings) -> int:
            return self.put(number, there)

        def refresh(there: Settings) -> int:
            return len(channels.refresh(there, shipped(), keys)[1])

        def back(there: Settings) -> int:
            return len(channels.rollback("stable", later(there, 1), shipped(), keys, None)[1])

        def promoted(there: Settings) -> int:
            names = ["production"]
            return len(promote.promote(oldest, names, later(there, 1), shipped(), keys)[2])

        def withdrawn(there: Settings) -> int:
            done = withdraw.withdraw(oldest, "a bench", later(there, 1), shipped(), keys)
            return len(done.changes)

        def pruned(there: Settings) -> int:
            return len(prune.prune(RETENTION, later(there, 3 * DAY), shipped(), keys).removed)

        found: dict[str, Verb] = {
            "+1 publish": more, "no-op": nothing, "refresh": refresh, "promote": promoted,
            "withdraw": withdrawn, "prune": pruned,
        }  # fmt: skip
        return found | ({"rollback": back} if number > 1 else {})

    def _cost(self, name: str, act: Verb, number: int) -> Cost:
        """What a verb takes: its time several times, and what it asks for once more from afar."""
        cost, settings = Cost(), self.given.settings(number, self.twins / "site")
        for _ in range(1 if name == "prune" else self.rounds):
            self.twin()
            os.sync()  # else writing what others have left behind counts as ours
            with counting() as cost.near:
                start = processor_time()
                cost.objects = act(settings)
                cost.seconds = min(cost.seconds, processor_time() - start)
        self.twin()
        with counting(far=True) as cost.far:
            act(settings)
        return cost

    def _command(self, number: int) -> float:
        settings = self.given.settings(number, self.twin())
        words = [
            f"--dist={settings.dist}", f"--site={settings.site}", f"--url={settings.url}",
            f"--now={settings.now}", *(f"--channel={name}" for name in settings.channels),
        ]  # fmt: skip
        program = run.find("kubewright", install="install the checkout")
        memory = self.twins / "memory"  # of the twin, which is put back to what it was
        shutil.rmtree(memory, ignore_errors=True)
        env = {"KUBEWRIGHT_DATA": os.environ["KUBEWRIGHT_DATA"], "XDG_STATE_HOME": str(memory)}
        start = processor_time()
        run.run([program, "publish", self.given.workspace(number).root.name, *words], env=env)
        return processor_time() - start

    def theirs(self, name: str, number: int) -> float:
        """The fewest seconds that a peer takes for what is new in a release."""
        peer, best = self.peers[name], float("inf")
        own = self.given.own(number, self.published)
        for _ in range(self.rounds):
            twin = peer.copy(self.twins / name)
            os.sync()
            start = processor_time()
            twin.add([path for path in own if path.suffix == peer.suffix])
            best = min(best, processor_time() - start)
            shutil.rmtree(twin.root)
        return best

    def twin(self) -> Path:
        """The site once more, of the same files: the engine writes no file in place."""
        twin = self.twins / "site"
        run.run(["rm", "-rf", twin])
        if self.site.is_dir():
            run.run(["cp", "-al", self.site, twin])
        return twin


def later(settings: Settings, seconds: int) -> Settings:
    """The same at a later time."""
    return settings.model_copy(update={"now": settings.now + seconds})


def verified(site: Path, now: int) -> Verified:
    """Verify a site: for its time and what it reads, and once more for its memory, which takes
    longer, and where nothing else may be counted: names of objects would be memory, too.
    """
    start = processor_time()
    with reading() as starts:
        report = verify.verify(str(site), [], now=now)
    used = processor_time() - start
    if report.findings:
        raise AssertionError("\n".join(report.lines()))
    tracemalloc.start()
    verify.verify(str(site), [], now=now)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return Verified(used, report.checked, starts, most)


def measured(site: Path) -> Size:
    """The size of a site."""
    found = [path for path in site.rglob("*") if path.is_file()]
    kept = {path.stat().st_ino: path.stat().st_size for path in found}
    return Size(
        (site / layout.INDEX).stat().st_size,
        (site / layout.GRAPH).stat().st_size,
        len(found),
        sum(kept.values()),
    )
