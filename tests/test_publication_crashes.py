"""A publisher that is killed before any operation on the site: nobody sees half of it, and the same
command again ends in the state that was meant.
"""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from copied_sites import Watch, fault, killed, linked, tree
from exhaustive import WRONG, Outcomes, came_of, how_many, sampled, seen, tried

from kubewright.cli.shipped import shipped
from kubewright.models.base import DAY
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.stages import channels, promote, prune, publish, verify, withdraw
from kubewright.workspace import Workspace

NOW = 1_790_000_000
PARTS = 4
"""The points of each command are spread over so many tests, which run side by side."""

Command = Callable[[Settings, Keys], object]


@pytest.fixture(scope="session")
def past(
    tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings], keys: Keys
) -> Settings:
    """A site with three publications of one channel, which expire after ten days."""
    home = tmp_path_factory.mktemp("crashes")
    more: dict[str, object] = {"channels": ("test",), "valid_for": 10}
    for number, version in enumerate(("v1.35.9", "v1.36.3", "v1.36.4")):
        settings = build(home, version, now=NOW + number, **more)
    return settings.model_copy(update={"now": NOW + 10, "valid_for": None})


def published(settings: Settings, keys: Keys) -> object:
    """A release that the site does not have yet, in two channels."""
    names = {"channels": ("test", "other")}
    workspace = Workspace(settings.dist / "v1.37.0-rc.1-1")
    return publish.publish(workspace, settings.model_copy(update=names), shipped(), keys)


def rolled_back(settings: Settings, keys: Keys) -> object:
    return channels.rollback("test", settings, shipped(), keys, None)


def refreshed(settings: Settings, keys: Keys) -> object:
    return channels.refresh(settings.model_copy(update={"now": NOW + 8 * DAY}), shipped(), keys)


def withdrawn(settings: Settings, keys: Keys) -> object:
    return withdraw.withdraw("v1.36.4-1", "it loses volumes", settings, shipped(), keys)


def promoted(settings: Settings, keys: Keys) -> object:
    return promote.promote("v1.35.9-1", ["old", "other"], settings, shipped(), keys)


def pruned(settings: Settings, keys: Keys) -> object:
    return prune.prune(prune.Retention(1, 0), settings, shipped(), keys)


COMMANDS: dict[str, Command] = {
    "publish": published,
    "rollback": rolled_back,
    "refresh": refreshed,
    "withdraw": withdrawn,
    "promote": promoted,
    "prune": pruned,
}


def wrong(site: Path) -> tuple[list[str], list[str]]:
    """What a site's verification finds, and what it says of publications that are not finished."""
    report = verify.verify(str(site), [], now=NOW + 8 * DAY)
    notes = [text for text in report.warnings if "finished" in text or "nothing names" in text]
    return [f"{finding.place}: {finding.problem}" for finding in report.findings], notes


@pytest.fixture(scope="session")
def ready(
    past: Settings, build: Callable[..., Settings], tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """The settings, with one more release signed in `dist/`."""
    other = tmp_path_factory.mktemp("scratch")
    build(
        Path(past.site).parent, "v1.37.0-rc.1",
        site=str(other / "site"), channels=("x",), now=NOW + 5,
    )  # fmt: skip
    return past


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_command_ends_well_wherever_it_was_killed(
    ready: Settings,
    keys: Keys,
    watch: Watch,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    name: str,
    part: int,
) -> None:
    command = COMMANDS[name]
    whole = linked(ready, tmp_path / "whole")
    with watch(lambda number, operation: None) as operations:
        command(whole, keys)
    meant = tree(Path(whole.site))
    points = len(operations)
    assert points >= 20  # else nothing is watched
    every = how_many("one in 24")
    record_property("covered", f"{name}: killed before {every} of {points} operations on the site")
    own = range(part + 1, points + 1, PARTS)
    found, failed = Outcomes(), []
    pointer = Path(ready.site, layout.TIMESTAMP).read_bytes()
    for point in sampled(own, every=24, parts=PARTS):
        settings = linked(ready, tmp_path / str(point))
        operation = killed(watch, point, partial(command, settings, keys))
        try:
            outcome = healed(name, settings, keys, pointer, meant)
        except Exception as error:  # the others are tried all the same
            outcome = WRONG
            failed.append(f"{name} killed before step {point} of {points}, {operation}: {error}")
        found[fault(operation), outcome] += 1
        shutil.rmtree(settings.site)
    came_of(record_property, "directory", name, found)
    tried(record_property, found.total(), len(own))
    assert failed == []


def healed(
    name: str, settings: Settings, keys: Keys, pointer: bytes, meant: dict[str, bytes]
) -> str:
    """What readers see of a site on which a command was killed, which then runs again; `pointer` is
    what it was before.
    """
    site = Path(settings.site)
    outcome = seen(Path(site, layout.TIMESTAMP).read_bytes(), pointer)
    assert wrong(site)[0] == []
    COMMANDS[name](settings, keys)
    if name == "prune" and wrong(site)[1]:  # it looks twice at what a publisher may have left
        assert wrong(site)[0] == []
        COMMANDS[name](settings, keys)
        assert wrong(site) == ([], [])
    else:
        assert wrong(site) == ([], [])
        assert tree(site) == meant, "the same command again did something else"
    return outcome


def test_a_first_publication_that_was_cut_short_is_finished_by_the_same_command(
    ready: Settings, keys: Keys, watch: Watch, tmp_path: Path
) -> None:
    """After its commit nothing of before is there to stand in for what is not written yet."""

    def empty(name: str) -> Settings:
        return ready.model_copy(update={"site": str(tmp_path / name)})

    with watch(lambda number, operation: None) as operations:
        published(empty("whole"), keys)
    meant = tree(tmp_path / "whole")
    commit = operations.index("put tuf/timestamp.json") + 1
    for point in range(commit + 1, len(operations) + 1, 3):
        settings = empty(str(point))
        operation = killed(watch, point, partial(published, settings, keys))
        place = f"killed before step {point}, {operation}"
        published(settings, keys)
        assert wrong(Path(settings.site)) == ([], []), place
        assert tree(Path(settings.site)) == meant, place
