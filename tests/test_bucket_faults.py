"""Every request to a store that goes wrong: readers see the old site or the new one, and the same
command again ends in the state that was meant.

In CI a few of all cases, always the same. KUBEWRIGHT_FAULTS=all goes through all of them, `kinds`
through one of those that differ in names alone, 100 through so many of each command, 20% through a
fifth; KUBEWRIGHT_FAULT_SEED=SEED chooses others.
"""

import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest
from buckets import NOW, account, in_new_bucket, opened, problems, put
from exhaustive import (
    KINDS,
    NOT_MET,
    SEED,
    WANTED,
    WENT_ON,
    WRONG,
    Outcomes,
    came_of,
    chosen,
    one_of_each,
    seen,
    tried,
)  # fmt: skip
from s3_server import Hinder, Request, on_the_way, running

from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError, VerificationFailed
from kubewright.models.base import DAY
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.stages import channels, history, promote, prune, withdraw
from kubewright.stages import store as stores
from kubewright.stages.repair import repair_site
from kubewright.stages.verify import verify

PARTS = 4 if WANTED else 1
"""The cases of each command are spread over so many tests, which run side by side."""
FEW = {
    "publish": 3, "rollback": 3, "refresh": 2, "repair": 1, "promote": 1, "withdraw": 1, "prune": 1,
}  # fmt: skip
"""How many cases of each command are tried otherwise."""
RIVALS = 16 if WANTED else 3

HOW = ("drop", "after", "late", "500", "503", "409", "412", "gone")
"""What happens to a request; `gone`: it and all that follow are lost, as if the process were."""

Command = Callable[[Settings, Keys], object]


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with running() as address:
        yield address


@pytest.fixture(autouse=True)
def patch() -> Iterator[pytest.MonkeyPatch]:
    with account() as patched:
        yield patched


class Case(NamedTuple):
    """The request that goes wrong: which of those for the same place, and how."""

    method: str
    path: str
    nth: int
    how: str


class Place:
    """A site in a bucket that can be put back to what it was."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.site = opened(settings)
        self.before = {path: self.site.get(path) for path in self.site.list("")}

    def put_back(self) -> None:
        there = self.tags()
        for path in there.keys() - self.before.keys():
            self.site.delete(path)
        for path, stored in self.before.items():
            if stored is not None and there.get(path) != stored.tag:
                self.site.put(path, stored.data)

    def tags(self) -> dict[str, str]:
        """What is there: the tag of each object."""
        pages = self.site.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.site.bucket, Prefix="site/"
        )
        return {
            item["Key"].removeprefix("site/"): item["ETag"]
            for page in pages
            for item in page["Contents"]
            if "/." not in item["Key"]
        }


def published(settings: Settings, keys: Keys) -> object:
    return put(settings, keys, "v1.36.4-1", "test", "other")


def rolled_back(settings: Settings, keys: Keys) -> object:
    return channels.rollback("test", settings, shipped(), keys, None)


def refreshed(settings: Settings, keys: Keys) -> object:
    return channels.refresh(settings.model_copy(update={"now": NOW + 8 * DAY}), shipped(), keys)


def repaired(settings: Settings, keys: Keys) -> object:
    report, changes = repair_site(settings, shipped(), keys)
    if report.findings:  # as the verb does
        raise VerificationFailed(settings.site, report.findings[0].problem)
    return changes


def promoted(settings: Settings, keys: Keys) -> object:
    return promote.promote("v1.35.9-1", ["old", "other"], settings, shipped(), keys)


def withdrawn(settings: Settings, keys: Keys) -> object:
    return withdraw.withdraw("v1.36.3-1", "it loses volumes", settings, shipped(), keys)


def pruned(settings: Settings, keys: Keys) -> object:
    return prune.prune(prune.Retention(1, 0), settings, shipped(), keys)


COMMANDS: dict[str, Command] = {
    "publish": published,
    "rollback": rolled_back,
    "refresh": refreshed,
    "repair": repaired,
    "promote": promoted,
    "withdraw": withdrawn,
    "prune": pruned,
}

DAMAGED = (layout.INDEX, layout.FINISHED, "apt/dists/test/InRelease", "channels/test.json")
LOST = ("yum/test/x86_64/repodata/repomd.xml", "publications/site.json", "index.html")


@pytest.fixture(scope="session")
def place(signed: Settings, keys: Keys, server: str) -> Place:
    """Two publications of one channel, which expire after ten days, and a third release signed."""
    with account():
        made = in_new_bucket(signed, server, now=NOW + 10, valid_for=10)
        for number, name in enumerate(("v1.35.9-1", "v1.36.3-1")):
            put(made.model_copy(update={"now": NOW + number}), keys, name, "test")
        return Place(made.model_copy(update={"valid_for": None}))


def damage(place: Place) -> None:
    pool = next(path for path in place.before if path.startswith("apt/pool/"))
    for path in (*DAMAGED, pool):
        place.site.put(path, b"damaged")
    for path in LOST:
        place.site.delete(path)
    place.site.put("yum/pool/stray.rpm", b"stray")


def ready(place: Place, name: str) -> None:
    place.put_back()
    if name == "repair":
        damage(place)


def hindering(case: Case) -> tuple[Hinder, list[Request]]:
    """What does to one request what the case says; the requests that it was done to."""
    hit: list[Request] = []
    seen: Counter[tuple[str, str]] = Counter()
    counting = threading.Lock()

    def hinder(request: Request) -> str:
        key = (request.method, request.path)
        with counting:
            seen[key] += 1
            is_it = key == (case.method, case.path) and seen[key] == case.nth
            if is_it or (hit and case.how == "gone"):
                hit.append(request)
                return "drop" if case.how == "gone" else case.how
        return ""

    return hinder, hit


def cases(requests: list[Request]) -> list[Case]:
    """Every request with everything that may happen to it."""
    seen: Counter[tuple[str, str]] = Counter()
    found = []
    for request in sorted(requests, key=lambda one: (one.method, one.path)):
        if request.path.startswith("list-type") and "continuation" in request.path:
            continue
        key = (request.method, request.path)
        seen[key] += 1
        found += [Case(*key, seen[key], how) for how in HOW]
    return found


NAMES = {
    r"(pool|Packages|images)/.*?(\.[a-z.]+)?$": r"\1/*\2",
    "[0-9a-f]{16,}": "#",
    r"v?\d[\w.~+-]*": "#",
}
"""What tells two objects of a kind apart: the rest of a path is its kind."""


def kind(case: Case) -> Case:
    """The case with the names of releases, packages and contents left out; an answer to a mere
    question that is lost leaves no more than the lost question does.
    """
    path, how = case.path, case.how
    for name, sign in NAMES.items():
        path = re.sub(name, sign, path)
    if case.method in ("GET", "HEAD") and how == "after":
        how = "drop"
    return case._replace(path=path, how=how)


def few(all_of: list[Case], name: str, part: int) -> list[Case]:
    """Those of a part: all, one of each kind, or some of the seed."""
    if KINDS:
        return one_of_each(all_of, kind)[part::PARTS]
    return chosen(all_of[part::PARTS], FEW[name], PARTS)


def strays(settings: Settings) -> tuple[str, ...]:
    """What nothing on the site names."""
    own = verify(settings.site, [], now=settings.now, s3_endpoint=settings.s3_endpoint)
    return own.strays


class Trial(NamedTuple):
    """A command, and what it makes of the site when nothing goes wrong."""

    name: str
    place: Place
    keys: Keys
    meant: dict[str, str]
    """The tags."""

    def run(self) -> None:
        COMMANDS[self.name](self.place.settings, self.keys)

    def outcome(self, case: Case) -> str:
        """What comes of a request that goes wrong. Raises AssertionError with what must not."""
        ready(self.place, self.name)
        hinder, hit = hindering(case)
        try:
            with on_the_way(hinder):
                self.run()
        except KubewrightError:
            assert hit, "it failed though nothing went wrong"
            return self.after_a_failure()
        assert self.place.tags() == self.meant, "it went on, but not to what was meant"
        return WENT_ON if hit else NOT_MET

    def after_a_failure(self) -> str:
        """What readers see, and whether the same command again does what was meant."""
        before, there = self.place.before[layout.TIMESTAMP], self.place.tags()
        assert before is not None
        outcome = seen(there[layout.TIMESTAMP], before.tag)
        if there != self.meant and self.name != "repair":  # which begins with a damaged site
            assert self.problems() == []
        self.run()
        if self.name == "prune" and self.place.tags() != self.meant:
            self.run()  # it looks twice at what may be a rival's
            assert (self.problems(), strays(late(self.place.settings))) == ([], ())
        else:
            assert self.place.tags() == self.meant, "the same command again did something else"
        return outcome

    def problems(self) -> list[str]:
        """But for what says that a publication is not finished."""
        found = problems(late(self.place.settings), self.keys)
        return [line for line in found if "is not finished" not in line]


def late(settings: Settings) -> Settings:
    """When a refresh has run."""
    return settings.model_copy(update={"now": NOW + 8 * DAY})


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", COMMANDS)
def test_a_request_that_goes_wrong_leaves_the_old_site_or_the_new(
    place: Place,
    keys: Keys,
    patch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
    name: str,
    part: int,
) -> None:
    patch.setattr(stores, "DAY", -60)  # what nothing names is old enough to be removed
    ready(place, name)
    with on_the_way() as way:
        COMMANDS[name](place.settings, keys)
    trial = Trial(name, place, keys, place.tags())
    assert problems(late(place.settings), keys) == []
    found, wrong = Outcomes(), []
    all_of = cases(way.requests)
    for case in few(all_of, name, part):
        try:
            outcome = trial.outcome(case)
        except Exception as error:  # the others are tried all the same
            outcome = WRONG
            wrong.append(f"{name}, seed {SEED}: {case}: {error}")
        found[case.how, outcome] += 1
    came_of(record_property, "bucket: a request", name, found)
    tried(record_property, found.total(), len(all_of[part::PARTS]))
    assert wrong == []


def test_rivals_whose_requests_go_wrong_lose_nothing(
    place: Place, keys: Keys, record_property: Callable[[str, object], None]
) -> None:
    """One request of fifty of each; who is told of it does it again."""
    place.put_back()
    lots, again = random.Random(SEED), []
    choosing = threading.Lock()
    wrong: Counter[str] = Counter()

    def hinder(_: Request) -> str:
        with choosing:
            how = lots.choice(HOW[:-1]) if lots.random() < 0.02 else ""
            wrong[how] += 1
        return how

    later = place.settings.model_copy(update={"now": NOW + 20})
    names = ("v1.35.9-1", "v1.36.3-1", "v1.36.4-1")

    def work(number: int) -> None:
        while True:
            try:
                put(later, keys, names[number % 3], f"own-{number}", "common")
                return
            except KubewrightError as error:
                again.append(str(error))

    with on_the_way(hinder), ThreadPoolExecutor(RIVALS) as pool:
        for done in [pool.submit(work, number) for number in range(RIVALS)]:
            done.result()
    channels.refresh(later, shipped(), keys)
    assert problems(later, keys) == []
    found = {one.channel: one for one in history.list_channels(later)}
    assert set(found) == {"test", "common", *(f"own-{number}" for number in range(RIVALS))}
    assert {one.name for one in found["common"].releases} == set(names)
    count = sum(wrong.values()) - wrong[""]
    record_property(
        "covered",
        f"{RIVALS} rivals in a bucket, {count} of {sum(wrong.values())} requests went wrong:"
        f" {len(again)} had to begin again, nothing lost",
    )
