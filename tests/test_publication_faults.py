"""Faults that publishing once had, each as it was met: none of them is back.

Their names are those of two reports: `house` is a review of the code, `publishing` a trial of
robustness.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from copied_sites import Watch

from kubewright import files, verification
from kubewright.cli.shipped import shipped
from kubewright.errors import PublicationConflict, VerificationFailed
from kubewright.models.base import DAY, Arch
from kubewright.models.site import Channel, Index, State
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import derived, layout, pages, repair
from kubewright.site.objects import Object
from kubewright.stages import channels, history, publish, verify
from kubewright.stages import repair as mending
from kubewright.stages.repair import repair_site
from kubewright.verification import Report
from kubewright.workspace import Workspace

NOW = 1_790_000_000


@pytest.fixture(scope="session")
def three(
    tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings], keys: Keys
) -> Settings:
    """A site with three releases, and a fourth in `dist/`; its channels expire after ten days."""
    home = tmp_path_factory.mktemp("faults")
    for number, version in enumerate(("v1.35.9", "v1.36.3", "v1.36.4")):
        settings = build(home, version, now=NOW + number, valid_for=10)
    build(home, "v1.37.0-rc.1", site=str(tmp_path_factory.mktemp("scratch") / "site"))
    return settings.model_copy(update={"now": NOW + 60, "valid_for": None})


@pytest.fixture
def copied(three: Settings, tmp_path: Path) -> Settings:
    shutil.copytree(three.site, tmp_path / "site", copy_function=os.link)
    return three.model_copy(update={"site": str(tmp_path / "site")})


def replace(site: str, path: str, data: bytes | None) -> None:
    file = Path(site, path)
    file.unlink()
    if data is not None:
        file.write_bytes(data)


def wrong(settings: Settings) -> list[str]:
    report = verify.verify(settings.site, [], now=settings.now)
    return [f"{finding.place}: {finding.problem}" for finding in report.findings]


def killed_before(start: str) -> Callable[[int, str], None]:
    """Ends a process before the first operation on the site that begins so."""

    def kill(number: int, operation: str) -> None:
        if operation.startswith(start):
            raise KeyboardInterrupt

    return kill


def publish_latest(settings: Settings, keys: Keys) -> list[str]:
    return publish.publish(Workspace(settings.dist / "v1.37.0-rc.1-1"), settings, shipped(), keys)[
        0
    ]


def test_house_a1_a_damaged_manifest_of_another_release_is_no_publications_business(
    copied: Settings, keys: Keys
) -> None:
    place = "releases/v1.35.9-1/manifest.json"
    right = Path(copied.site, place).read_bytes()
    replace(copied.site, place, right + b"x")
    assert publish_latest(copied, keys) == ["latest"]
    assert wrong(copied) != []
    assert all(line.startswith(place) for line in wrong(copied)), wrong(copied)
    index = Index.read(Path(copied.site, layout.INDEX).read_bytes(), layout.INDEX)
    assert next(release.name for release in index.releases) == "v1.37.0-rc.1-1"
    report, _ = repair_site(copied, shipped(), keys)
    assert report.findings == ()
    assert Path(copied.site, place).read_bytes() == right


def test_house_b1_a_newer_engine_calls_a_sound_site_sound(
    three: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would render another page and other schemas; what the site names is what counts."""
    another = {layout.FRONT_PAGE: b"<!doctype html><title>another</title>"}
    monkeypatch.setattr(pages, "render", lambda *_: another)
    monkeypatch.setattr(derived, "DOCUMENTS", {"manifest": Channel})
    assert wrong(three) == []


def test_house_b4_what_changes_nothing_reads_no_package_and_little_else(
    copied: Settings, keys: Keys, watch: Watch
) -> None:
    workspace = Workspace(copied.dist / "v1.36.4-1")
    with watch(lambda number, operation: None) as published:
        assert publish.publish(workspace, copied, shipped(), keys)[1] == []
    with watch(lambda number, operation: None) as refreshed:
        assert channels.refresh(copied, shipped(), keys)[:2] == ((), ())
    for operations in (published, refreshed):
        assert len(operations) <= 60
        assert [line for line in operations if "pool/" in line or "Packages/" in line] == []
        assert {line.partition(" ")[0] for line in operations} == {"get"}


def test_publishing_a2_a_rollback_that_ran_once_went_back_once(
    copied: Settings, keys: Keys, watch: Watch
) -> None:
    """The disk fills up right after the commit; the same command finishes what was begun."""

    def full(number: int, operation: str) -> None:
        if operation == f"put {layout.suite_path('stable')}/Release":
            raise OSError(28, "No space left on device")

    with watch(full), pytest.raises(OSError, match="No space"):
        channels.rollback("stable", copied, shipped(), keys, None)
    assert wrong(copied) == []
    record, changes = channels.rollback("stable", copied, shipped(), keys, None)
    assert (record.sequence, [release.name for release in record.releases]) == (
        4, ["v1.36.3-1", "v1.35.9-1"]
    )  # fmt: skip
    assert changes != []
    assert wrong(copied) == []
    assert [entry.sequence for entry in history.history("stable", copied)] == [1, 2, 3, 4]


def test_publishing_a3_what_is_refused_is_in_no_channel(
    copied: Settings, keys: Keys, watch: Watch
) -> None:
    """A crash before the one commit: not one of three channels has the release, nor gets it."""

    names = copied.model_copy(update={"channels": ("stable", "latest", "other")})
    with watch(killed_before(f"put {layout.TIMESTAMP}")), pytest.raises(KeyboardInterrupt):
        publish_latest(names, keys)
    channels.refresh(copied, shipped(), keys)
    for record in history.list_channels(copied):
        assert all(release.kubernetes != "1.37.0-rc.1" for release in record.releases)
    assert not Path(copied.site, "channels/other.json").exists()
    assert wrong(copied) == []


@pytest.mark.parametrize(
    "path", ["channels/stable.json", "releases/index.json", "channels/stable.txt", layout.STATE]
)
def test_publishing_a5_what_is_lost_is_not_taken_for_new(
    copied: Settings, keys: Keys, path: str
) -> None:
    before = Path(copied.site, path).read_bytes()
    state = State.read(Path(copied.site, layout.STATE).read_bytes(), layout.STATE)
    replace(copied.site, path, None)
    channels.refresh(copied, shipped(), keys)
    assert any(line.startswith(path) for line in wrong(copied))
    publish_latest(copied, keys)
    now = State.read(
        next(
            Path(copied.site).glob(f"{layout.STATES}{state.number + 1}-*[0-9a-f].json")
        ).read_bytes(),
        "s",
    )
    assert now.channels["stable"] == state.channels["stable"]
    assert now.index.sequence == state.index.sequence + 1
    report, _ = repair_site(copied, shipped(), keys)
    assert report.findings == ()
    if path.startswith("channels/"):
        assert Path(copied.site, path).read_bytes() == before


@pytest.mark.parametrize("lost", [layout.TIMESTAMP, layout.FINISHED])
@pytest.mark.parametrize("how", [None, b"", b"{}", b'{"header": {"type": "kubewright.pointer"'])
def test_a_lost_or_damaged_pointer_is_restored_and_never_invented(
    copied: Settings, keys: Keys, lost: str, how: bytes | None
) -> None:
    right = Path(copied.site, layout.TIMESTAMP).read_bytes()
    replace(copied.site, lost, how)
    assert any(line.startswith(lost) for line in wrong(copied))
    report, _ = repair_site(copied, shipped(), keys)
    assert report.findings == ()
    assert Path(copied.site, lost).read_bytes() == right
    publish_latest(copied, keys)
    assert wrong(copied) == []


def test_publishing_b1_b2_a_publication_that_was_cut_short_is_said_to_be(
    copied: Settings, keys: Keys, watch: Watch, run: Callable[..., tuple[int, str, str]]
) -> None:
    with watch(killed_before("put channels/latest.txt")), pytest.raises(KeyboardInterrupt):
        publish_latest(copied, keys)
    report = verify.verify(copied.site, [], now=copied.now)
    assert report.findings == ()
    assert any(
        line.startswith("publication 4 of latest is not finished") and "kubewright refresh" in line
        for line in report.warnings
    )
    words = ("refresh", "--site", copied.site, "--now", str(copied.now))
    _, out, _ = run(*words, "--dry-run")
    assert f"{copied.site}: would finish publication 4, which was cut short: " in out
    _, out, _ = run(*words)
    assert f"{copied.site}: finished publication 4, which was cut short: " in out
    _, out, _ = run(*words)
    assert out == f"{copied.site}: nothing to renew\n"
    assert wrong(copied) == []


def test_publishing_b7_no_document_is_seen_before_its_signatures(
    copied: Settings, keys: Keys, watch: Watch
) -> None:
    """Before every operation, whoever reads a live document finds its signed copy."""
    site = Path(copied.site)

    def look(number: int, operation: str) -> None:
        for path in (*site.glob("channels/*.json"), site / layout.INDEX, site / layout.STATE):
            data = path.read_bytes()
            digest = files.sha256(data)
            name = path.relative_to(site).as_posix()
            if name == layout.INDEX:
                copy = layout.index_copy(Index.read(data, name).sequence, digest)
            elif name == layout.STATE:
                copy = layout.state_copy(State.read(data, name).number, digest)
            else:
                record = Channel.read(data, name)
                copy = layout.channel_copy(record.channel, record.sequence, digest)
            for place in (copy, *layout.signatures(copy)):
                assert (site / place).is_file(), f"{place} before {operation}"

    with watch(look) as operations:
        publish_latest(copied, keys)
        channels.rollback("stable", copied, shipped(), keys, None)
    assert len(operations) > 200


def test_publishing_b8_a_forged_live_record_misleads_nobody_who_publishes(
    copied: Settings, keys: Keys
) -> None:
    place = "channels/stable.json"
    record = Channel.read(Path(copied.site, place).read_bytes(), place)
    forged = record.model_copy(update={"releases": record.releases[:1]})
    replace(copied.site, place, forged.to_bytes())
    settings = copied.model_copy(update={"channels": ("stable",)})
    publish_latest(settings, keys)
    now = Channel.read(Path(copied.site, place).read_bytes(), place)
    assert {release.name for release in record.releases} < {
        release.name for release in now.releases
    }
    assert wrong(copied) == []


def test_an_engine_that_is_late_renews_and_finishes_in_one_publication(
    copied: Settings, keys: Keys, watch: Watch
) -> None:
    """Something expires while an earlier publication is unfinished."""

    with watch(killed_before("put channels/latest.txt")), pytest.raises(KeyboardInterrupt):
        publish_latest(copied, keys)
    late = copied.model_copy(update={"now": NOW + 8 * DAY})
    renewed, _, finished = channels.refresh(late, shipped(), keys)
    assert finished == 4
    assert {record.channel for record in renewed} == {
        "latest",
        "stable",
        "stable-1.35",
        "stable-1.36",
    }
    assert wrong(late) == []


@pytest.mark.parametrize("length", [None, 0, 300])
def test_a_damaged_state_of_a_sound_pointer_is_named_and_loses_no_release(
    copied: Settings, keys: Keys, watch: Watch, length: int | None
) -> None:
    """Killed right after the commit, and then the copy of the new state is damaged."""

    with watch(killed_before("put channels/")), pytest.raises(KeyboardInterrupt):
        publish_latest(copied, keys)
    (path,) = Path(copied.site, layout.STATES).glob("4-*[0-9a-f].json")
    right = path.read_bytes()
    damaged = None if length is None else right[:length]
    replace(copied.site, str(path.relative_to(copied.site)), damaged)
    other = copied.model_copy(update={"channels": ("neu",)})
    with pytest.raises(VerificationFailed, match=r"timestamp.json: .*kubewright repair"):
        publish.publish(Workspace(copied.dist / "v1.36.4-1"), other, shipped(), keys)
    report, _ = repair_site(copied, shipped(), keys)
    assert report.findings == ()
    assert path.read_bytes() == right
    (latest,) = [record for record in history.list_channels(copied) if record.channel == "latest"]
    assert latest.releases[0].name == "v1.37.0-rc.1-1"


def test_repair_leaves_sound_signatures_alone_whatever_lies_in_dist(
    copied: Settings, keys: Keys, build: Callable[..., Settings], tmp_path: Path
) -> None:
    """`dist/` has the release of another build: nothing of that one belongs to the site."""
    other = build(tmp_path / "other", "v1.36.4", now=NOW + 50, registry="registry.example.org")
    _, changes = repair_site(copied.model_copy(update={"dist": other.dist}), shipped(), keys)
    assert [change.path for change in changes] == []
    assert wrong(copied) == []


def test_repair_does_not_undo_what_is_published_meanwhile(
    copied: Settings, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(copied.site, layout.FINISHED).unlink()
    expected = repair.expected
    rivals = [lambda: publish_latest(copied, keys)]

    def overtaken(*arguments: Any) -> Iterator[Object]:
        found = [*expected(*arguments)]
        while rivals:
            rivals.pop()()
        yield from found

    monkeypatch.setattr(repair, "expected", overtaken)
    with pytest.raises(PublicationConflict, match="somebody else has published meanwhile"):
        repair_site(copied, shipped(), keys)
    report, _ = repair_site(copied, shipped(), keys)
    assert report.findings == ()
    assert history.history("latest", copied)[-1].releases[0].name == "v1.37.0-rc.1-1"


def test_repair_removes_nothing_of_a_release_that_came_while_it_looked(
    copied: Settings, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = Path(copied.site, "apt/pool/main/x/x.deb")
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"of nobody")
    look = verification.verify
    rivals = [lambda: publish_latest(copied, keys)]

    def overtaken(*arguments: Any, **more: Any) -> Report:
        report = look(*arguments, **more)
        while rivals:
            rivals.pop()()
        return report

    monkeypatch.setattr(mending, "verify", overtaken)
    repair_site(copied, shipped(), keys)
    assert stray.exists()
    assert wrong(copied) == []
    repair_site(copied, shipped(), keys)
    assert not stray.exists()
    assert wrong(copied) == []


def test_what_a_repair_was_killed_at_is_still_unfinished(
    copied: Settings, keys: Keys, watch: Watch
) -> None:
    """That everything is written is said last of all, by `repair` too."""

    with watch(killed_before(f"put {layout.STATE}")), pytest.raises(KeyboardInterrupt):
        publish_latest(copied, keys)
    with watch(lambda number, operation: None) as operations:
        repair_site(copied, shipped(), keys)
    writes = [operation for operation in operations if operation.startswith("put ")]
    assert writes[-1] == f"put {layout.FINISHED}"
    assert wrong(copied) == []


def test_a_rollback_lists_packages_for_all_for_every_architecture(
    copied: Settings, keys: Keys, build: Callable[..., Settings], tmp_path: Path
) -> None:
    """To before a release that brought other architectures."""
    mine = copied.model_copy(update={"channels": ("mine",)})
    publish.publish(Workspace(copied.dist / "v1.36.3-1"), mine, shipped(), keys)
    build(
        tmp_path, "v1.37.0-rc.1", site=copied.site, channels=("mine",), now=NOW + 70,
        architectures=tuple(Arch),
    )  # fmt: skip
    before, after = history.history("mine", copied)[-2:]
    assert before.architectures == ("amd64",)
    assert set(after.architectures) == {arch.deb for arch in Arch}
    later = mine.model_copy(update={"now": NOW + 80})
    record, _ = channels.rollback("mine", later, shipped(), keys, None)
    assert record.architectures == after.architectures
    assert wrong(later) == []


def test_a_lost_page_that_this_version_shows_otherwise_is_published_anew(
    copied: Settings, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an upgrade of kubewright: nobody can make the bytes again that the state names."""
    monkeypatch.setattr(pages.release, "in_words", lambda text: f"whatever meets {text}")
    page = Path(copied.site, layout.release_page("v1.36.3-1"))
    before = page.read_bytes()
    page.unlink()
    Path(copied.site, layout.minor_facts("1.36")).write_bytes(b"{}")
    assert len(wrong(copied)) == 2
    assert channels.refresh(copied, shipped(), keys)[:2] == ((), ())
    report, changes = repair_site(copied, shipped(), keys)
    assert report.findings == ()
    assert wrong(copied) == []
    assert page.read_bytes() != before
    assert str(page.relative_to(copied.site)) in {change.path for change in changes}
    again = repair_site(copied, shipped(), keys)[1]
    assert again == [], "it is done once"
