"""A site, and those of the peers, to which one release after the other is added and measured."""

import os
import shutil
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from counted import Starts, Tally, counting, reading
from measure import ROUNDS, processor_time
from peers import Aptly, Createrepo
from releases import Releases

from kubewright import run
from kubewright.cli.shipped import shipped
from kubewright.models.base import DAY
from kubewright.settings import Settings
from kubewright.site import layout
from kubewright.stages import channels, promote, prune, publish, verify

RETENTION = prune.Retention(3, 2 * DAY)
"""What `prune` leaves by default."""

FORMATS = {"aptly": ".deb", "createrepo_c": ".rpm"}
"""What each peer publishes."""


@dataclass
class Cost:
    """What a verb took: the fewest seconds of processor time, and what was counted."""

    seconds: float = float("inf")
    tally: Tally = field(default_factory=Tally)
    objects: int = 0
    """That were written."""


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
class Measured:
    """Every figure, by the number of releases on the site."""

    publish: dict[int, Cost] = field(default_factory=dict)
    commands: dict[int, float] = field(default_factory=dict)
    """Publishing by the command, from its start to its end."""
    peers: dict[int, dict[str, float]] = field(default_factory=dict)
    verbs: dict[int, dict[str, Cost]] = field(default_factory=dict)
    verified: dict[int, "Verified"] = field(default_factory=dict)
    sizes: dict[int, Size] = field(default_factory=dict)


class Growing:
    """A site, and those of the peers, to which one release after the other is added."""

    def __init__(
        self, given: Releases, work: Path, peers: Mapping[str, Aptly | Createrepo]
    ) -> None:
        self.given, self.peers, self.keys = given, peers, given.keys
        self.site, self.twins = work / "site", work / "twins"
        self.waiting: list[Path] = []
        """Packages that the peers have not been given yet."""
        self.found = Measured()

    def publish(self, number: int, *, measured: bool) -> None:
        """Publish the next release, several times from the same start if it is measured."""
        own = self.given.own(number)
        if measured:
            self._feed()
            self.found.publish[number] = Cost()
            self.found.commands[number] = float("inf")
            self.found.peers[number] = dict.fromkeys(self.peers, float("inf"))
            for _ in range(ROUNDS):
                self._ours(number)
                self._command(number)
                for name in self.peers:
                    self._theirs(number, name, own)
        publish.publish(
            self.given.workspace(number),
            self.given.settings(number, self.site),
            shipped(),
            self.keys,
        )
        self.waiting += own

    def _ours(self, number: int) -> None:
        twin = self._twin()
        settings, workspace = self.given.settings(number, twin), self.given.workspace(number)
        timed(
            self.found.publish[number],
            lambda: len(publish.publish(workspace, settings, shipped(), self.keys)[1]),
        )
        shutil.rmtree(twin)

    def _command(self, number: int) -> None:
        twin = self._twin()
        settings = self.given.settings(number, twin)
        words = [
            f"--dist={settings.dist}", f"--site={twin}", f"--url={settings.url}",
            f"--channel={settings.channels[0]}", f"--now={settings.now}",
        ]  # fmt: skip
        program = run.find("kubewright", install="install the checkout")
        memory = self.twins / "memory"  # of the twin, which is put back to what it was
        shutil.rmtree(memory, ignore_errors=True)
        start = processor_time()
        name = self.given.workspace(number).root.name
        run.run(
            [program, "publish", name, *words],
            env={
                "KUBEWRIGHT_DATA": os.environ["KUBEWRIGHT_DATA"],
                "XDG_STATE_HOME": str(memory),
            },
        )
        used = processor_time() - start
        self.found.commands[number] = min(self.found.commands[number], used)
        shutil.rmtree(twin)

    def _theirs(self, number: int, name: str, own: list[Path]) -> None:
        twin = self.peers[name].copy(self.twins / name)
        packages = [path for path in own if path.suffix == FORMATS[name]]
        start = processor_time()
        twin.add(packages)
        used = processor_time() - start
        self.found.peers[number][name] = min(self.found.peers[number][name], used)
        shutil.rmtree(twin.root)

    def _feed(self) -> None:
        """Give the peers what was published since they were measured last."""
        for name, peer in self.peers.items() if self.waiting else ():
            peer.add([path for path in self.waiting if path.suffix == FORMATS[name]])
        self.waiting.clear()

    def measure(self, number: int) -> None:
        """All but publishing, on a site with this many releases."""
        settings, workspace = self.given.settings(number, self.site), self.given.workspace(number)
        names = ("publish", "refresh", "rollback", "promote", "prune")
        costs = {name: Cost() for name in names}
        for _ in range(ROUNDS):
            timed(
                costs["publish"],
                lambda: len(publish.publish(workspace, settings, shipped(), self.keys)[1]),
            )
            timed(
                costs["refresh"], lambda: len(channels.refresh(settings, shipped(), self.keys)[1])
            )
            self._on_twins(settings, costs, number)
        self.found.verified[number] = self._verified(settings.now)
        self.found.verbs[number] = costs
        self.found.sizes[number] = _measured(self.site)

    def _on_twins(self, settings: Settings, costs: Mapping[str, Cost], number: int) -> None:
        """The verbs that change the site, each on a copy of it."""
        oldest, keys = self.given.workspace(1).root.name, self.keys

        def back(there: Settings) -> int:
            return len(channels.rollback("stable", there, shipped(), keys, None)[1])

        def promoted(there: Settings) -> int:
            return len(promote.promote(oldest, ["production"], there, shipped(), keys)[2])

        def pruned(there: Settings) -> int:
            later = there.model_copy(update={"now": there.now + 3 * DAY})
            return len(prune.prune(RETENTION, later, shipped(), keys).removed)

        verbs: dict[str, Callable[[Settings], int]] = {"promote": promoted, "prune": pruned}
        if number > 1:
            verbs["rollback"] = back
        for name, act in verbs.items():
            twin = self._twin()
            there = settings.model_copy(update={"site": str(twin), "now": settings.now + 1})
            timed(costs[name], partial(act, there))
            shutil.rmtree(twin)

    def _verified(self, now: int) -> Verified:
        """Verify the site: for its time, and once more for its memory, which takes longer."""
        with reading() as starts:
            start = processor_time()
            report = verify.verify(str(self.site), [], now=now)
            used = processor_time() - start
        if report.findings:
            raise AssertionError("\n".join(report.lines()))
        tracemalloc.start()
        verify.verify(str(self.site), [], now=now)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return Verified(used, report.checked, starts, most)

    def _twin(self) -> Path:
        """The site once more, of the same files: the engine writes no file in place."""
        twin = self.twins / "site"
        if self.site.is_dir():
            shutil.copytree(self.site, twin, copy_function=os.link)
        return twin


def timed(cost: Cost, act: Callable[[], int]) -> None:
    """Do something once; `act` gives the number of objects that it wrote."""
    os.sync()  # else writing what others have left behind counts as ours
    with counting() as tally:
        start = processor_time()
        cost.objects = act()
        cost.seconds = min(cost.seconds, processor_time() - start)
    cost.tally = tally


def _measured(site: Path) -> Size:
    found = [path for path in site.rglob("*") if path.is_file()]
    kept = {path.stat().st_ino: path.stat().st_size for path in found}
    return Size(
        (site / layout.INDEX).stat().st_size,
        (site / layout.GRAPH).stat().st_size,
        len(found),
        sum(kept.values()),
    )
