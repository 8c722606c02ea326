"""A publisher without rest: publishes, goes back, promotes, withdraws, prunes and renews, again and
again.
"""

import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session

sys.path.append(str(Path(__file__).parent.parent / "bench"))

from request_log import logged

from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.log import console
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import freshness
from kubewright.stages import channels, promote, prune, publish, withdraw
from kubewright.stages.keys import keys as keys_of
from kubewright.stages.prune import Retention
from kubewright.workspace import Workspace

FOLLOWED = "stable"
"""The channel of the clients."""

RETENTION = Retention(3, 120)
"""What stays: longer than a client takes from its refresh to its download."""


class Took(NamedTuple):
    """What a verb took."""

    seconds: float
    processor: float
    """Seconds of processor time."""
    requests: int
    """To a bucket."""
    rounds: int
    """How many of these had to follow one another."""


class Told(NamedTuple):
    """What a publisher has done: how often each verb; what was refused; what nobody expected; and
    what the verbs took.
    """

    done: Counter[str]
    refused: Counter[str]
    failed: list[str]
    took: dict[str, list[Took]]
    """By verb, each time that it succeeded."""


@dataclass
class Publisher:
    """Works on a site by the verbs' own stages, by the clock of this machine."""

    settings: Settings
    keys: Keys
    names: Sequence[str]
    """Signed releases in `dist/`. The first stays in every channel."""
    lots: random.Random
    told: Told = field(default_factory=lambda: Told(Counter(), Counter(), [], {}))

    def now(self, *channels: str) -> Settings:
        """The settings of a verb that runs now."""
        return self.settings.model_copy(update={"now": int(time.time()), "channels": channels})

    def publish(self, name: str) -> object:
        """A release, from what was signed, whether or not it was withdrawn."""
        settings = self.now(FOLLOWED, "latest").model_copy(update={"again": True})
        return publish.publish(Workspace(settings.dist / name), settings, shipped(), self.keys)

    def begin(self) -> None:
        """The first publications."""
        for name in self.names:
            self.publish(name)
        self.promote(self.names[0])

    def promote(self, name: str) -> object:
        """A release of the site, into another channel, too."""
        return promote.promote(
            name, ["production"], self.now(), shipped(), self.keys, again=True
        )  # fmt: skip

    def withdraw(self, name: str) -> object:
        """A release, from everywhere."""
        return withdraw.withdraw(name, "it is soaked", self.now(), shipped(), self.keys)

    def roll_back(self, channel: str) -> object:
        """To what a channel was before."""
        return channels.rollback(channel, self.now(), shipped(), self.keys, None)

    def prune(self) -> object:
        """Forget what nobody reads any more."""
        return prune.prune(RETENTION, self.now(), shipped(), self.keys)

    def refresh(self) -> object:
        """Renew every suite, as if half of its time was over."""
        with patch.object(freshness, "is_due", lambda *_: True):
            return channels.refresh(self.now(), shipped(), self.keys)

    def act(self) -> None:
        """One verb, chosen by lot."""
        name = self.lots.choice(self.names[1:])
        verbs: list[tuple[str, int, Callable[[], object]]] = [
            ("publish", 5, lambda: self.publish(name)),
            ("rollback", 3, lambda: self.roll_back(FOLLOWED)),
            ("rollback", 1, lambda: self.roll_back("production")),
            ("promote", 2, lambda: self.promote(name)),
            ("withdraw", 2, lambda: self.withdraw(name)),
            ("prune", 1, self.prune),
            ("refresh", 1, self.refresh),
        ]
        ((verb, _, act),) = self.lots.choices(verbs, [weight for _, weight, _ in verbs])
        try:
            self._timed(verb, act)
            self.told.done[verb] += 1
        except RequestError as error:  # there is nothing to go back to, or not yet such a release
            self.told.refused[f"{verb}: {error.problem}"] += 1
        except Exception:
            self.told.failed.append(f"{verb}: {traceback.format_exc()}")

    def _timed(self, verb: str, act: Callable[[], object]) -> None:
        """Run a verb, and add up what it takes if it succeeds."""
        seconds, processor = time.monotonic(), time.process_time()
        with logged() as requests:
            act()
        self.told.took.setdefault(verb, []).append(
            Took(
                time.monotonic() - seconds,
                time.process_time() - processor,
                len(requests),
                max((one.round for one in requests), default=0),
            )
        )


def work(
    settings: Settings, names: Sequence[str], seed: int, latency: float, ready: Event, end: Event,
    told: "Queue[Told]",
) -> None:  # fmt: skip
    """Publish until the end is said, in a process of its own; each request to a bucket waits for
    `latency` seconds, here: a server between would be busy with it.
    """
    console().quiet = True
    publisher = Publisher(settings, keys_of(settings), names, random.Random(seed))
    with delayed(latency):
        publisher.begin()
        ready.set()
        parent = os.getppid()
        while not end.is_set() and os.getppid() == parent:
            publisher.act()
    publisher.prune()
    told.put(publisher.told)


@contextmanager
def delayed(latency: float) -> Iterator[None]:
    """Let each request of this process to a bucket wait for so many seconds."""
    send = URLLib3Session.send

    def late(session: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        time.sleep(latency)
        return send(session, request)

    with patch.object(URLLib3Session, "send", late):
        yield


@contextmanager
def publishing(
    settings: Settings, names: Sequence[str], seed: int, latency: float
) -> Iterator["Working"]:
    """Let a publisher work beside the block, whose first publications are there."""
    context = get_context("spawn")
    ready, end, told = context.Event(), context.Event(), context.Queue()
    process = context.Process(target=work, args=(settings, names, seed, latency, ready, end, told))
    process.start()
    working = Working(process, end, told)
    try:
        while not ready.wait(0.2):
            if not process.is_alive():
                raise RuntimeError("the publisher ended before its first publication")
        yield working
    finally:
        working.stop()


@dataclass
class Working:
    """A publisher in its process."""

    process: SpawnProcess
    end: Event
    queue: "Queue[Told]"
    told: Told | None = None

    def stop(self) -> Told | None:
        """End it after what it is doing; what it has done, None if it was lost."""
        self.end.set()
        while self.told is None and self.process.is_alive():
            if not self.queue.empty():
                self.told = self.queue.get()
            time.sleep(0.05)
        if self.told is None and not self.queue.empty():
            self.told = self.queue.get()
        self.process.join()
        return self.told


def releases(work: Path, url: str, count: int) -> tuple[Settings, list[str]]:
    """Settings and names of signed releases for a site of this address, made by every stage."""
    from kubewright.models.base import Arch
    from kubewright.stages import release
    from kubewright.stages.sample import sample

    sample(work / "mirror", shipped())
    settings = Settings(
        upstream=str(work / "mirror"), dist=work / "dist", cache=work / "cache",
        site=str(work / "scratch"), url=url, now=int(time.time()), architectures=(Arch.amd64,),
    )  # fmt: skip
    names = []
    wanted = [("v1.35.9", 1), ("v1.36.3", 1), *(("v1.36.4", one + 1) for one in range(count - 2))]
    for version, revision in wanted:
        own = settings.model_copy(update={"revision": revision, "channels": ("scratch",)})
        workspace, _, _ = release.release(version, own, shipped(), keys_of(own))
        names.append(workspace.root.name)
    return settings, names
