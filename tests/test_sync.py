"""sync: a copy of a site is the site or the one before it, whoever damages, kills or publishes."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest
from buckets import account, in_new_bucket, opened, put
from copied_sites import Watch, copied, fault, killed, tree
from exhaustive import Outcomes, came_of, sampled, seen
from s3_server import running

from kubewright.cli.shipped import shipped
from kubewright.clients.server import serve
from kubewright.errors import PublicationConflict, VerificationFailed
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.stages import channels, copying, verify
from kubewright.stages import sync as sync_stage
from kubewright.stages.prune import Retention, prune
from kubewright.stages.sync import Done, sync
from kubewright.web import WebFiles

NOW = 1_790_000_000
URL = "https://packages.example.org/k8s"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def past(
    tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings], keys: Keys
) -> tuple[Settings, Settings]:
    """A site with an address, after one publication, and the same one after three."""
    home = tmp_path_factory.mktemp("sync")
    own: dict[str, object] = {"url": URL, "allow_development": True, "state": None}
    old = build(home, "v1.36.3", channels=("test", "gone"), now=NOW + 10, **own)
    kept = copied(old, home / "old")
    new = build(home, "v1.36.4", channels=("test", "other"), now=NOW + 20, **own)
    channels.rollback("gone", new, shipped(), keys, 0)  # its marker goes
    return kept, new.model_copy(update={"now": NOW + 30})


@pytest.fixture
def old(past: tuple[Settings, Settings]) -> Settings:
    return past[0]


@pytest.fixture
def new(past: tuple[Settings, Settings]) -> Settings:
    return past[1]


@pytest.fixture
def at(new: Settings, tmp_path: Path) -> Settings:
    """A place for a copy, where nothing is."""
    return new.model_copy(update={"site": str(tmp_path / "copy")})


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    with account(), running() as address:
        yield address


def wrong(site: str, keys: Keys) -> list[str]:
    given = [keys.repo.certificate, keys.artifact.public_pem]
    report = verify.verify(site, given, now=NOW + 40)
    return [f"{one.place}: {one.problem}" for one in report.findings]


def sync_to(origin: str, settings: Settings, keys: Keys, **options: bool) -> Done:
    return sync(origin, [keys.repo.certificate, keys.artifact.public_pem], settings, **options)


def test_a_copy_is_the_site_byte_for_byte_and_the_next_run_copies_nothing(
    new: Settings, at: Settings, keys: Keys
) -> None:
    said = sync_to(new.site, at.model_copy(update={"dry_run": True}), keys)
    assert not Path(at.site).exists()
    done = sync_to(new.site, at, keys)
    assert done == said
    assert tree(at.site) == tree(new.site)
    assert done.copied == len(tree(new.site))
    assert done.url == URL
    assert wrong(at.site, keys) == []
    again = sync_to(new.site, at, keys)
    assert (again.changes, again.removed, again.publication) == ((), (), done.publication)


def test_an_rpm_of_several_names_is_on_the_disk_once(
    new: Settings, at: Settings, keys: Keys
) -> None:
    done = sync_to(new.site, at, keys)
    links = [one.path for one in done.changes if one.action == "link"]
    pooled = {path.name: path.stat().st_ino for path in Path(at.site, "yum/pool").iterdir()}
    assert len(links) > 10
    for path in links:
        assert Path(at.site, path).stat().st_ino == pooled[Path(path).name], path


def test_a_copy_goes_forward_and_what_is_served_no_more_goes(
    old: Settings, new: Settings, at: Settings, keys: Keys
) -> None:
    sync_to(old.site, at, keys)
    assert Path(at.site, layout.marker_path("gone")).exists()
    done = sync_to(new.site, at, keys)
    assert tree(at.site) == tree(new.site)
    assert [one.path for one in done.changes if one.action == "delete"] == ["channels/gone.txt"]
    assert done.copied < len(tree(new.site)) / 2 + 100


def test_a_copy_goes_into_a_bucket_and_out_of_it(
    old: Settings, new: Settings, at: Settings, keys: Keys, server: str
) -> None:
    with account():
        bucket = in_new_bucket(at, server)
        sync_to(old.site, bucket, keys)
        done = sync_to(new.site, bucket, keys)
        assert done.copied > 20
        assert sync_to(new.site, bucket, keys).changes == ()
        there = opened(bucket)
        found = {path: there.get(path) for path in there.list("")}
        assert {path: one.data for path, one in found.items() if one} == tree(new.site)
        back = at.model_copy(update={"s3_endpoint": server})
        sync_to(bucket.site, back, keys)
    assert tree(at.site) == tree(new.site)
    assert wrong(at.site, keys) == []


def test_a_site_is_copied_that_a_server_shows_and_what_is_here_is_not_asked_for_again(
    new: Settings, at: Settings, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    opened = WebFiles.opened

    def counted(
        files: WebFiles, path: str
    ) -> AbstractContextManager[Callable[[int], bytes] | None]:
        asked.append(path)
        return opened(files, path)

    monkeypatch.setattr(WebFiles, "opened", counted)
    meant = tree(new.site)
    lasting = {path for path in meant if layout.is_immutable(path)}
    with serve(Path(new.site)) as address:
        sync_to(address, at, keys)
        assert tree(at.site) == meant
        assert {*asked} >= lasting
        asked.clear()
        assert sync_to(address, at, keys).changes == ()
        assert lasting.isdisjoint(asked)
        for number, name in enumerate((FAULTS[0], "yum/pool/kubelet-1.36.4-1.x86_64.rpm")):
            path = Path(at.site, name)
            path.unlink()
            if number:
                path.write_bytes(b"damage")
            assert sync_to(address, at, keys).copied == 1
            assert tree(at.site) == meant


FAULTS = (
    "apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb",
    "apt/dists/test/InRelease",
    "apt/dists/test/Release.gpg",
    "yum/test/x86_64/mirrorlist",
    "yum/test/x86_64/repodata/repomd.xml.asc",
    "channels/other.txt",
    "channels/test.json",
    "releases/index.json",
    "releases/v1.36.4-1/SHA256SUMS.asc",
    "keys/kubewright.asc",
    "index.html",
    "tuf/1.root.json",
    "publications/site.json",
)


def test_nothing_comes_of_a_site_with_a_fault(
    old: Settings, new: Settings, at: Settings, keys: Keys, tmp_path: Path
) -> None:
    origin = copied(new, tmp_path / "origin")
    sync_to(old.site, at, keys)
    before = tree(at.site)
    for number, name in enumerate(FAULTS):
        path = Path(origin.site, name)
        data = path.read_bytes()
        path.unlink()  # it may have more names
        if number % 2:
            path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
        with pytest.raises(VerificationFailed, match=re.escape(name)) as error:
            sync_to(origin.site, at, keys)
        assert error.value.exit_code == 5
        assert tree(at.site) == before, name
        path.write_bytes(data)
    sync_to(origin.site, at, keys)
    assert tree(at.site) == tree(new.site)


def test_what_was_sound_a_moment_ago_does_not_arrive_damaged(
    old: Settings,
    new: Settings,
    at: Settings,
    keys: Keys,
    watch: Watch,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copying, "SMALL", 0)  # as if all packages were large
    origin = copied(new, tmp_path / "origin")
    sync_to(old.site, at, keys)
    for name in ("apt/pool/main/k/kubernetes-node/", "channels/test.json", layout.FINISHED):
        path = Path(origin.site, name)
        path = min(path.glob("*1.36.4*")) if path.is_dir() else path
        data = path.read_bytes()

        once = iter([True])

        def damage(_: int, operation: str, path: Path = path, once: Iterator[bool] = once) -> None:
            # The place is looked at once the original is verified.
            if operation.startswith("stat") and next(once, False):
                path.unlink()
                if path.suffix != ".deb":
                    path.write_bytes(b"damage")

        with watch(damage), pytest.raises(VerificationFailed, match=path.name) as error:
            sync_to(origin.site, at, keys)
        assert "a moment ago" in str(error.value)
        assert Path(at.site, layout.TIMESTAMP).read_bytes() == tree(old.site)[layout.TIMESTAMP]
        assert wrong(at.site, keys) == []
        path.unlink(missing_ok=True)
        path.write_bytes(data)
    sync_to(origin.site, at, keys)
    assert tree(at.site) == tree(new.site)


def test_what_is_damaged_or_lost_in_a_copy_is_made_again(
    new: Settings, at: Settings, keys: Keys
) -> None:
    sync_to(new.site, at, keys)
    meant = tree(at.site)
    names = [name for name in meant if name not in (layout.TIMESTAMP, layout.FINISHED)]
    for number, name in enumerate(sorted(names)):
        path = Path(at.site, name)
        path.unlink()
        if number % 2:
            path.write_bytes(b"damage")
    # The state that the pointer names is one of them: it says which site this is.
    named = [name for name in meant if name.startswith(f"{layout.STATES}3-")]
    state = next(name for name in named if name.endswith(".json") and "backup" not in name)
    Path(at.site, state).write_bytes(meant[state])
    for name in sorted(meant):
        if name.startswith("tuf/"):
            Path(at.site, name).write_bytes(meant[name])
    sync_to(new.site, at, keys)
    assert tree(at.site) == meant


def test_a_place_that_is_no_older_copy_stays_as_it_was(
    old: Settings, new: Settings, released: Settings, keys: Keys, tmp_path: Path
) -> None:
    fork = copied(old, tmp_path / "fork").model_copy(update={"now": NOW + 25})
    put(fork, keys, "v1.36.4-1", "forked")
    other = copied(released, tmp_path / "other")
    newer = copied(new, tmp_path / "newer")
    stamped = copied(old, tmp_path / "stamped")
    late = stamped.model_copy(update={"now": NOW + 86400 * 400, "allow_expired": True})
    channels.refresh(late, shipped(), keys)
    cases = [
        (new, fork, "its publication 2 is not publication 2 of"),
        (new, other, "is of site .*, but .* is of site"),
        (old, newer, "has publication 3, which is newer than publication 1"),
        (old, stamped, "whose timestamp is older"),
    ]
    for origin, place, text in cases:
        before = tree(place.site)
        with pytest.raises(PublicationConflict, match=text) as error:
            sync_to(origin.site, place, keys)
        assert origin.site in str(error.value)
        assert place.site in str(error.value)
        assert tree(place.site) == before


def test_a_copy_killed_anywhere_is_the_old_or_the_new_one_and_goes_on(
    old: Settings,
    new: Settings,
    keys: Keys,
    watch: Watch,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    with watch(lambda number, operation: None) as operations:
        sync_to(new.site, copied(old, tmp_path / "whole"), keys)
    writes = [
        number
        for number, operation in enumerate(operations, 1)
        if operation.startswith(("put ", "copy ", "delete "))
    ]
    swapped = next(n for n in writes if operations[n - 1] == f"put {layout.TIMESTAMP}")
    late = [number for number in writes if number >= swapped]
    points = [*sampled(writes, every=120), *sampled(late, every=24), late[0] + 1, writes[-1]]
    of = f"{len(set(points))} of {len(operations)} operations on the copy"
    record_property("covered", f"sync: killed before {of}")
    found, pointer = Outcomes(), Path(old.site, layout.TIMESTAMP).read_bytes()
    for point in dict.fromkeys(points):
        place = copied(old, tmp_path / str(point))
        operation = killed(watch, point, partial(sync_to, new.site, place, keys))
        now = Path(place.site, layout.TIMESTAMP).read_bytes()
        found[fault(operation), seen(now, pointer)] += 1
        assert wrong(place.site, keys) == [], operation
        sync_to(new.site, place, keys)
        assert tree(place.site) == tree(new.site), operation
        shutil.rmtree(place.site)
    came_of(record_property, "directory", "sync", found)


@pytest.fixture(scope="session")
def pruned(
    past: tuple[Settings, Settings], keys: Keys, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    """The newer site, after its first publications were forgotten."""
    site = copied(past[1], tmp_path_factory.mktemp("pruned") / "site")
    for number in range(9):
        later = site.model_copy(update={"now": NOW + 31 + number})
        channels.rollback("test", later, shipped(), keys, 1 + number % 2)
    site = site.model_copy(update={"now": NOW + 40})
    assert prune(Retention(1, 0), site, shipped(), keys).removed
    return site


def test_what_the_site_has_forgotten_goes_when_it_is_to(
    new: Settings, pruned: Settings, keys: Keys, tmp_path: Path
) -> None:
    place = copied(new, tmp_path / "place")
    Path(place.site, "apt/robots.txt").write_bytes(b"mine")
    sync_to(pruned.site, place, keys)
    assert tree(place.site).items() > tree(pruned.site).items()
    place = copied(new, tmp_path / "other")
    Path(place.site, "robots.txt").write_bytes(b"mine")
    trial = place.model_copy(update={"dry_run": True})
    said = sync_to(pruned.site, trial, keys, delete=True)
    done = sync_to(pruned.site, place, keys, delete=True)
    assert set(done.removed) == set(said.removed)
    assert tree(place.site) == {**tree(pruned.site), "robots.txt": b"mine"}


def test_a_removal_killed_anywhere_goes_on(
    new: Settings,
    pruned: Settings,
    keys: Keys,
    watch: Watch,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    with watch(lambda number, operation: None) as operations:
        sync_to(pruned.site, copied(new, tmp_path / "whole"), keys, delete=True)
    deletes = [n for n, one in enumerate(operations, 1) if one.startswith("delete ")]
    last = next(n for n, one in enumerate(operations, 1) if one == f"put {layout.FINISHED}")
    found, pointer = Outcomes(), Path(new.site, layout.TIMESTAMP).read_bytes()
    for point in dict.fromkeys((*sampled(deletes, every=100), last, deletes[-1])):
        place = copied(new, tmp_path / str(point))
        command = partial(sync_to, pruned.site, place, keys, delete=True)
        operation = killed(watch, point, command)
        now = Path(place.site, layout.TIMESTAMP).read_bytes()
        found[fault(operation), seen(now, pointer)] += 1
        assert wrong(place.site, keys) == [], operation
        sync_to(pruned.site, place, keys, delete=True)
        assert tree(place.site) == tree(pruned.site), operation
        shutil.rmtree(place.site)
    came_of(record_property, "directory", "sync --delete", found)


def test_a_site_that_is_published_on_meanwhile_is_copied_as_it_is_then(
    old: Settings, at: Settings, keys: Keys, watch: Watch, tmp_path: Path
) -> None:
    origin = copied(old, tmp_path / "origin").model_copy(update={"now": NOW + 20})
    published: list[str] = []

    def publish(_: int, operation: str) -> None:
        if operation.startswith("put apt/pool") and not published:
            published.append(operation)
            put(origin, keys, "v1.36.4-1", "test")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sync_stage, "WAITS", (0, 0, 0))
        with watch(publish):
            done = sync_to(origin.site, at, keys)
    assert done.publication == 2
    assert tree(at.site) == tree(origin.site)


def test_who_loses_the_swap_to_a_newer_copy_takes_nothing_back(
    old: Settings, new: Settings, pruned: Settings, keys: Keys, watch: Watch, tmp_path: Path
) -> None:
    place = copied(old, tmp_path / "place")
    won: list[str] = []

    def rival(_: int, operation: str) -> None:
        if operation == f"put {layout.TIMESTAMP}" and not won:
            won.append(operation)
            sync_to(pruned.site, place, keys)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sync_stage, "WAITS", (0, 0))
        with watch(rival), pytest.raises(PublicationConflict, match="which is newer than"):
            sync_to(new.site, place, keys)
    assert tree(place.site).items() >= tree(pruned.site).items()
    assert wrong(place.site, keys) == []


def test_a_publication_that_was_cut_short_is_not_copied(
    old: Settings, new: Settings, at: Settings, keys: Keys, tmp_path: Path
) -> None:
    origin = copied(new, tmp_path / "origin")
    shutil.copy(Path(old.site, layout.FINISHED), Path(origin.site, layout.FINISHED))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sync_stage, "WAITS", (0, 0))
        with pytest.raises(PublicationConflict, match=r"was cut short.*refresh --site"):
            sync_to(origin.site, at, keys)
    assert not Path(at.site).exists()
    channels.refresh(origin, shipped(), keys)  # what it says to do
    sync_to(origin.site, at, keys)
    assert tree(at.site) == tree(origin.site)


def test_the_command_says_what_it_copied_and_whom_it_believed(
    new: Settings, keys: Keys, run: Run, tmp_path: Path
) -> None:
    to = str(tmp_path / "copy")
    code, out, err = run("sync", new.site, to, "--now", str(NOW + 40))
    assert (code, out) == (5, "")
    assert "pass --trust-on-first-use" in err
    assert not Path(to).exists()
    words = ("sync", new.site, to, "--now", str(NOW + 40), "--trust-on-first-use")
    code, out, err = run(*words, "--dry-run")
    assert code == 0, err
    assert "would be copied" in out
    assert not Path(to).exists()
    code, out, err = run(*words)
    assert code == 0, err
    assert f"kubewright site move --site {to} --url URL" in out
    assert out.splitlines()[-1].startswith(f"{to}: {len(tree(new.site))} objects, ")
    certificate = tmp_path / "key.gpg"
    certificate.write_bytes(keys.repo.certificate)
    code, out, err = run(
        "sync", new.site, to, "--now", str(NOW + 40), "--key", str(certificate), "--json"
    )
    assert code == 0, err
    said = json.loads(out)
    assert (said["objects"], said["bytes"], said["publication"]) == (0, 0, 3)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("none", "copy"), "none: no such directory"),
        (("site", "site/copy"), "site/copy: is inside site"),
        (("site/below", "site"), "site: is inside site/below, or has it inside"),
        (
            ("site", "https://me:SECRET@example.org/"),
            "only directories and buckets can be written to",
        ),
        (("site", "copy", "--s3-endpoint", "http://x"), "is no bucket"),
    ],
)
def test_what_cannot_be_copied_is_refused_by_name(
    run: Run, words: tuple[str, ...], text: str
) -> None:
    Path("site/below").mkdir(parents=True)
    code, _, err = run("sync", *words, "--trust-on-first-use")
    assert (code, text in err, "SECRET" in err) == (2, True, False), err
