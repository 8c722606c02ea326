"""Two publishers at once: whenever one overtakes the other, both have published in the end, or one
was refused and nothing of it can be seen.
"""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from copied_sites import Watch, linked
from exhaustive import WENT_ON, Outcomes, came_of, how_many, sampled

from kubewright.cli.shipped import shipped
from kubewright.errors import PublicationConflict
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.stages import channels, history, publish, verify
from kubewright.workspace import Workspace

NOW = 1_790_000_000
PARTS = 4

Command = Callable[[Settings, Keys], object]


@pytest.fixture(scope="session")
def started(
    tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings], keys: Keys
) -> Settings:
    """A site with two publications of the channel `test`, and three releases in `dist/`."""
    home = tmp_path_factory.mktemp("races")
    for number, version in enumerate(("v1.36.3", "v1.36.4")):
        settings = build(home, version, now=NOW + number, channels=("test",))
    build(home, "v1.35.9", site=str(tmp_path_factory.mktemp("scratch") / "site"))
    return settings.model_copy(update={"now": NOW + 10, "channels": ()})


def put(settings: Settings, keys: Keys, name: str, *names: str) -> object:
    workspace = Workspace(settings.dist / name)
    return publish.publish(
        workspace, settings.model_copy(update={"channels": names}), shipped(), keys
    )


def to_another_channel(settings: Settings, keys: Keys) -> object:
    return put(settings, keys, "v1.36.4-1", "mine")


def back(settings: Settings, keys: Keys) -> object:
    return channels.rollback("test", settings, shipped(), keys, None)


def rival_in_another_channel(settings: Settings, keys: Keys) -> object:
    return put(settings, keys, "v1.36.3-1", "theirs")


def rival_in_the_same_channel(settings: Settings, keys: Keys) -> object:
    return put(settings, keys, "v1.36.3-1", "mine", "theirs")


def rival_with_a_new_release(settings: Settings, keys: Keys) -> object:
    return put(settings, keys, "v1.35.9-1", "theirs")


def wrong(settings: Settings) -> list[str]:
    report = verify.verify(settings.site, [], now=NOW + 100)
    notes = [text for text in report.warnings if "finished" in text]
    return [f"{finding.place}: {finding.problem}" for finding in report.findings] + notes


def releases(settings: Settings, channel: str) -> set[str]:
    path = Path(settings.site, "channels", f"{channel}.json")
    return {release["name"] for release in json.loads(path.read_text())["releases"]}


@contextmanager
def overtaking(watch: Watch, point: int, act: Callable[[], object]) -> Iterator[list[str]]:
    """Let somebody act, unwatched, before an operation with a number."""
    acted = []

    def before(number: int, operation: str) -> None:
        if number == point:
            acted.append(operation)
            with watch(lambda number, operation: None):
                act()

    with watch(before) as operations:
        yield operations
    assert acted


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(
    ("mine", "rival"),
    [
        (to_another_channel, rival_in_another_channel),
        (to_another_channel, rival_in_the_same_channel),
        (to_another_channel, rival_with_a_new_release),
        (back, rival_in_another_channel),
        (to_another_channel, back),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_whoever_is_overtaken_anywhere_publishes_all_the_same(
    started: Settings, keys: Keys, watch: Watch, tmp_path: Path,
    record_property: Callable[[str, object], None], mine: Command, rival: Command, part: int,
) -> None:  # fmt: skip
    with watch(lambda number, operation: None) as operations:
        mine(linked(started, tmp_path / "alone"), keys)
    points = len(operations)
    assert points > 50
    names = f"{getattr(mine, '__name__', '')} by {getattr(rival, '__name__', '')}"
    every = how_many("one in twelve")
    record_property("covered", f"{names}: overtaken before {every} of {points} operations")
    meant, found = {"mine", "theirs", "test"}, Outcomes()
    for point in sampled(range(part + 1, points + 1, PARTS), every=12, parts=PARTS):
        settings = linked(started, tmp_path / str(point))
        theirs = settings.model_copy(update={"now": NOW + 20})
        with overtaking(watch, point, partial(rival, theirs, keys)) as done:
            mine(settings, keys)
        place = f"overtaken before step {point} of {points}, {done[point - 1]}"
        assert wrong(settings) == [], place
        there = {path.stem for path in Path(settings.site, "channels").glob("*.json")}
        assert there == meant & {"test", *expected(mine), *expected(rival)}, place
        if back in (mine, rival):
            assert releases(settings, "test") == {"v1.36.3-1"}, place
        if mine is to_another_channel:
            assert "v1.36.4-1" in releases(settings, "mine"), place
        if rival is rival_in_the_same_channel:
            assert releases(settings, "mine") == {"v1.36.3-1", "v1.36.4-1"}, place
        found[f"overtaken by {rival.__name__}", WENT_ON] += 1
        shutil.rmtree(settings.site)
    came_of(record_property, "directory: rivals", mine.__name__, found)


def expected(command: Command) -> set[str]:
    """The channels that a command publishes in."""
    touched: dict[Command, set[str]] = {
        to_another_channel: {"mine"},
        rival_in_another_channel: {"theirs"},
        rival_in_the_same_channel: {"mine", "theirs"},
        rival_with_a_new_release: {"theirs"},
        back: {"test"},
    }
    return touched[command]


def test_a_rollback_that_somebody_outran_in_its_channel_is_refused_and_nothing_of_it_is_seen(
    started: Settings, keys: Keys, watch: Watch, tmp_path: Path
) -> None:
    """What it should go back from is not what is there any more."""
    settings = linked(started, tmp_path / "site")

    def overtake(number: int, operation: str) -> None:
        if operation == "put tuf/timestamp.json" and not done:
            done.append(operation)
            with watch(lambda number, operation: None):
                put(settings, keys, "v1.35.9-1", "test")

    done: list[str] = []
    with (
        watch(overtake),
        pytest.raises(PublicationConflict, match=r"somebody else published number 3 .*--to"),
    ):
        channels.rollback("test", settings, shipped(), keys, None)
    assert wrong(settings) == []
    assert releases(settings, "test") == {"v1.35.9-1", "v1.36.3-1", "v1.36.4-1"}
    record, _ = channels.rollback("test", settings, shipped(), keys, 1)
    assert (record.sequence, releases(settings, "test")) == (4, {"v1.36.3-1"})


def test_many_publishers_at_once_lose_nothing(
    started: Settings, keys: Keys, tmp_path: Path
) -> None:
    """Sixteen, in threads: each in a channel of its own and all in one together."""
    settings = linked(started, tmp_path / "site")
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            name = ("v1.36.3-1", "v1.36.4-1", "v1.35.9-1")[number % 3]
            put(settings, keys, name, f"own-{number}", "common")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    channels.refresh(settings, shipped(), keys)
    assert wrong(settings) == []
    names = {record.channel for record in history.list_channels(settings)}
    assert names == {"test", "common", *(f"own-{number}" for number in range(16))}
    assert releases(settings, "common") == {"v1.35.9-1", "v1.36.3-1", "v1.36.4-1"}
