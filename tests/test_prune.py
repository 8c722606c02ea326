"""prune: what nobody reads any more goes, and nothing else, whoever publishes meanwhile."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from copied_sites import Watch

from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError
from kubewright.models.pruned import Pruned
from kubewright.models.site import State
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.site.closure import closure
from kubewright.site.directory import DirectoryStore
from kubewright.site.removal import removable
from kubewright.stages import channels, verify
from kubewright.stages.promote import promote
from kubewright.stages.prune import Done, Retention, prune
from kubewright.stages.repair import repair_site
from kubewright.stages.site import published_keys
from kubewright.stages.trust import believed
from kubewright.stages.withdraw import withdraw
from kubewright.verification.strays import FOLDERS

NOW = 1_790_000_000
GAP = 60
"""Seconds between two publications."""


@pytest.fixture(scope="session")
def long(
    tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings], keys: Keys
) -> Settings:
    """A site with three releases, of which one is in no channel, after fourteen publications."""
    home = tmp_path_factory.mktemp("long")
    settings = build(home, "v1.35.9", now=NOW, channels=("gone",))
    for number, version in enumerate(("v1.36.3", "v1.36.4")):
        settings = build(home, version, now=NOW + 1 + number, channels=("test",))
    for number in range(10):
        later = settings.model_copy(update={"now": NOW + GAP * (number + 1)})
        channels.rollback("test", later, shipped(), keys, 1 + number % 2)
    later = settings.model_copy(update={"now": NOW + GAP * 11})
    channels.rollback("gone", later, shipped(), keys, 0)
    return later.model_copy(update={"now": NOW + GAP * 12, "dist": home / "none"})


@pytest.fixture
def site(long: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(long.site, tmp_path / "site")
    return long.model_copy(update={"site": str(tmp_path / "site")})


def at(settings: Settings, seconds: int) -> Settings:
    return settings.model_copy(update={"now": settings.now + seconds})


def run(settings: Settings, keys: Keys, keep: int = 1, seconds: int = 0) -> Done:
    return prune(Retention(keep, seconds), settings, shipped(), keys)


def tree(settings: Settings) -> dict[str, bytes]:
    root = Path(settings.site)
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if path.is_file() and not name.startswith("."):
            found[name] = path.read_bytes()
    return found


def wrong(settings: Settings, keys: Keys) -> list[str]:
    """All findings, and warnings of objects that nothing names."""
    report = verify.verify(settings.site, published_keys(settings, keys), now=settings.now)
    said = [text for text in report.warnings if "nothing names" in text]
    return said + [f"{one.place}: {one.problem}" for one in report.findings]


def state_of(settings: Settings, keys: Keys) -> State:
    state = believed(settings, keys).present().state
    assert state is not None
    return state


SERVED = ("apt/dists/", "yum/test/", "channels/", "keys/", "schemas/")


@pytest.mark.parametrize("seconds", [0, GAP, 5 * GAP, 100 * GAP])
@pytest.mark.parametrize("keep", [1, 2, 5, 100])
def test_what_is_served_stays_and_the_site_is_sound_whatever_is_kept(
    site: Settings, keys: Keys, keep: int, seconds: int
) -> None:
    before = tree(site)
    done = run(site, keys, keep, seconds)
    after = tree(site)
    assert wrong(site, keys) == []
    assert before.keys() - after.keys() == set(done.removed)
    kept = state_of(site, keys).history
    for name, data in before.items():
        if name.startswith(SERVED) and name in after:
            assert after[name] == data, name
    for name in ("apt/dists/test/InRelease", "channels/test.txt", "yum/test/x86_64/mirrorlist"):
        assert after.get(name) == before.get(name), name
    if keep == 100 or seconds == 100 * GAP:
        assert (done.forgotten, done.dropped, done.removed) == (0, (), ())
    else:
        # Record N of the twelve was replaced GAP * (N - 1) after the first; now is GAP * 12.
        assert kept.oldest("test") == min(12 - keep + 1, 14 - seconds // GAP)
        assert done.forgotten > 0


def test_the_listing_is_just_what_the_documents_name(site: Settings, keys: Keys) -> None:
    for keep in (100, 3, 1):
        run(site, keys, keep)
        reader = believed(site, keys)
        named = closure(reader, reader.present())
        there = set[str]()
        for folder in FOLDERS:
            there.update(DirectoryStore(Path(site.site)).list(folder))
        there = removable(there)
        assert there <= named
        assert {path for path in named - there if path not in layout.POINTERS} <= {
            "index.html", "install.sh", *(path for path in named if path.startswith("tuf/")),
        }  # fmt: skip


def test_a_release_goes_when_no_channel_has_it_nor_had_it_in_what_stays(
    site: Settings, keys: Keys
) -> None:
    kubelet = Path(site.site, "apt/pool/main/k/kubelet/kubelet_1.35.9-1_amd64.deb")
    assert run(site, keys, 2).dropped == ()
    assert kubelet.exists()
    assert run(site, keys, 1).dropped == ("v1.35.9-1",)
    assert not kubelet.exists()
    assert kubelet.with_name("kubelet_1.36.3-1_amd64.deb").exists()
    assert "v1.35.9-1" not in Path(site.site, layout.INDEX).read_text()
    assert wrong(site, keys) == []


def test_what_is_withdrawn_stays_for_who_names_it(site: Settings, keys: Keys) -> None:
    withdraw("v1.36.4-1", "it loses volumes", at(site, 60), shipped(), keys)
    run(at(site, 120), keys)
    assert Path(site.site, "apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb").exists()
    assert wrong(at(site, 120), keys) == []


def test_what_is_withdrawn_and_pruned_comes_back_whole(site: Settings, keys: Keys) -> None:
    """The plain repositories have lost their names of its packages meanwhile."""
    withdraw("v1.36.4-1", "it loses volumes", at(site, 60), shipped(), keys)
    names = "yum/test/x86_64/Packages/kubelet-1.36.4-1.x86_64.rpm"
    assert names in run(at(site, 120), keys).removed
    promote("v1.36.4-1", ["test"], at(site, 180), shipped(), keys, again=True)
    assert wrong(at(site, 180), keys) == []
    assert names in tree(site)


def test_a_dry_run_says_what_goes_and_writes_nothing(site: Settings, keys: Keys) -> None:
    before = tree(site)
    said = run(site.model_copy(update={"dry_run": True}), keys)
    assert tree(site) == before
    assert said == run(site, keys)
    assert len(said.removed) > 100


def test_pruning_again_changes_nothing(site: Settings, keys: Keys) -> None:
    run(site, keys)
    before = tree(site)
    done = run(at(site, 60), keys)
    assert (done.forgotten, done.removed) == (0, ())
    assert tree(site) == before


def test_one_can_go_back_to_what_stays_and_to_nothing_else(site: Settings, keys: Keys) -> None:
    run(site, keys, 3)
    with pytest.raises(KubewrightError, match="no publication 2; there are: 10, 11, 12"):
        channels.rollback("test", at(site, 60), shipped(), keys, 2)
    channels.rollback("test", at(site, 60), shipped(), keys, 11)
    assert wrong(at(site, 60), keys) == []


def test_a_machine_that_has_seen_what_is_forgotten_goes_on_and_a_fork_is_found(
    site: Settings, keys: Keys, tmp_path: Path
) -> None:
    seen = site.model_copy(update={"state": tmp_path / "seen"})
    channels.refresh(seen, shipped(), keys)
    fork = tmp_path / "fork"
    shutil.copytree(site.site, fork)
    for number in range(3):
        channels.rollback("test", at(seen, 60 + number), shipped(), keys, 1 + number % 2)
    shutil.copytree(seen.state or fork, tmp_path / "old")
    other = site.model_copy(update={"site": str(fork)})
    for number in range(9):
        channels.rollback("test", at(other, 90 + number), shipped(), keys, 1 + number % 2)
    run(at(other, 200), keys)
    run(at(site, 200), keys)
    channels.refresh(at(seen, 300), shipped(), keys)
    shutil.rmtree(site.site)
    shutil.copytree(fork, site.site)
    with pytest.raises(KubewrightError, match="is not the one that was here before"):
        channels.refresh(at(seen, 300), shipped(), keys)


def test_the_list_of_what_is_gone_is_restored(site: Settings, keys: Keys) -> None:
    run(site, keys)
    digest = state_of(site, keys).history.pruned
    path = Path(site.site, layout.pruned_copy(digest or ""))
    data = path.read_bytes()
    path.unlink()
    assert any(layout.pruned_copy(digest or "") in one for one in wrong(site, keys))
    repair_site(site, shipped(), keys)
    assert path.read_bytes() == data
    assert wrong(site, keys) == []


def test_a_list_of_another_past_is_found(site: Settings, keys: Keys) -> None:
    run(site, keys)
    digest = state_of(site, keys).history.pruned
    path = Path(site.site, layout.pruned_copy(digest or ""))
    listed = Pruned.from_bytes(path.read_bytes())
    path.unlink()
    path.write_bytes(listed.model_copy(update={"states": {"1": "0" * 64}}).to_bytes())
    assert any(layout.pruned_copy(digest or "") in one for one in wrong(site, keys))


def test_leftovers_go_at_the_second_look_and_what_is_beside_the_site_never(
    site: Settings, keys: Keys
) -> None:
    left = Path(site.site, "apt/pool/main/k/kubelet/kubelet_9.9.9-1_amd64.deb")
    left.write_bytes(b"of a publication that was given up")
    beside = Path(site.site, "robots.txt")
    beside.write_bytes(b"mine")
    hour = 3600
    assert run(site, keys, 100, hour).suspects == 1
    run(at(site, hour - 1), keys, 100, hour)
    assert left.exists()
    done = run(at(site, hour), keys, 100, hour)
    assert str(left.relative_to(site.site)) in done.removed
    assert not left.exists()
    assert beside.exists()
    assert wrong(at(site, hour), keys) == []


class Rival:
    """Goes back to a publication that stays, when a pruning run is at its turn."""

    def __init__(self, settings: Settings, keys: Keys, turn: int) -> None:
        self.settings, self.keys, self.turn, self.done = settings, keys, turn, False

    def publish(self, number: int, _operation: str) -> None:
        if number == self.turn and not self.done:
            self.done = True
            channels.rollback("test", self.settings, shipped(), self.keys, 11)


def test_whoever_publishes_meanwhile_has_all_that_is_needed(
    site: Settings, keys: Keys, watch: Watch
) -> None:
    """A rival goes back to a publication whose indexes are being removed: before each removal, by
    turns.
    """
    trial = site.model_copy(update={"site": f"{site.site}.trial"})
    shutil.copytree(site.site, trial.site)
    with watch(lambda number, operation: None) as operations:
        run(trial, keys, 2)
    deletes = [place for place, text in enumerate(operations, 1) if text.startswith("delete")]
    assert len(deletes) > 100
    for turn in (deletes[0], deletes[len(deletes) // 2], deletes[-1]):
        own = site.model_copy(update={"site": f"{site.site}.{turn}"})
        shutil.copytree(site.site, own.site)
        rival = Rival(at(own, 60), keys, turn)
        with watch(rival.publish):
            run(own, keys, 2)
        assert rival.done
        assert wrong(at(own, 60), keys) == []
        run(at(own, 120), keys)
        assert wrong(at(own, 120), keys) == []
