"""Directory stores and dry runs."""

import errno
import os
import stat
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kubewright import files, run
from kubewright.errors import DiskError, PublicationConflict, RequestError, VerificationFailed
from kubewright.site.store import Change, DirectoryStore, Recorder, Store

SOURCES = str(Path(files.__file__).parents[1])


@pytest.fixture(params=["directory", "recorder"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Any store: all of them answer alike."""
    directory = DirectoryStore(tmp_path / "site")
    return directory if request.param == "directory" else Recorder(directory)


def test_what_is_written_can_be_read(store: Store, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"x" * 3)
    assert store.create("pool/a.deb", tmp_path / "big")
    assert store.replace("index.html", b"page")
    assert (store.read("pool/a.deb"), store.read("index.html")) == (b"xxx", b"page")
    assert (store.size("pool/a.deb"), store.size("index.html")) == (3, 4)
    assert store.digest("index.html") == files.sha256(b"page")
    assert store.exists("pool/a.deb")


@pytest.mark.parametrize(
    "path", ["nothing", "pool", "index.html/below"], ids=["absent", "a prefix", "below an object"]
)
def test_what_was_never_written_is_not_there(store: Store, path: str) -> None:
    store.create("pool/a.deb", b"a")
    store.create("index.html", b"page")
    assert (store.read(path), store.size(path), store.digest(path)) == (None, None, None)
    assert not store.exists(path)


def test_create_is_for_objects_that_never_change(store: Store, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"two")
    assert store.create("pool/a.deb", b"one")
    assert not store.create("pool/a.deb", b"one")
    with pytest.raises(PublicationConflict) as caught:
        store.create("pool/a.deb", tmp_path / "other")
    assert str(caught.value).startswith("pool/a.deb: ")
    assert files.sha256(b"one") in str(caught.value)
    assert files.sha256(b"two") in str(caught.value)
    assert store.read("pool/a.deb") == b"one"


def test_replace_writes_only_what_differs(store: Store) -> None:
    assert store.replace("index.html", b"one")
    assert not store.replace("index.html", b"one")
    assert store.replace("index.html", b"two")
    assert store.read("index.html") == b"two"


def test_swap_wants_what_was_read(store: Store) -> None:
    store.swap("channels/stable.json", None, b"1")
    store.swap("channels/stable.json", b"1", b"2")
    for expected in (None, b"1"):
        with pytest.raises(PublicationConflict, match=r"^channels/stable\.json: "):
            store.swap("channels/stable.json", expected, b"3")
    with pytest.raises(PublicationConflict):
        store.swap("channels/none.json", b"1", b"2")
    assert store.read("channels/stable.json") == b"2"
    assert not store.exists("channels/none.json")


def test_link_gives_an_object_a_second_name(store: Store) -> None:
    store.create("pool/a.rpm", b"one")
    store.replace("Packages/a.rpm", b"old")
    assert store.link("pool/a.rpm", "Packages/a.rpm")
    assert not store.link("pool/a.rpm", "Packages/a.rpm")
    assert store.read("Packages/a.rpm") == b"one"
    store.replace("Packages/a.rpm", b"new")
    assert store.read("pool/a.rpm") == b"one"


def test_a_link_to_nothing_is_refused(store: Store) -> None:
    with pytest.raises(VerificationFailed, match=r"^pool/none\.rpm: "):
        store.link("pool/none.rpm", "Packages/none.rpm")


def test_list_is_by_prefix_sorted_and_without_dot_files(store: Store) -> None:
    for path in ("b/2", "b/1/x", "bc", "a", ".hidden/x", "b/.hidden"):
        store.create(path, b"")
    assert store.list("b") == ["b/1/x", "b/2", "bc"]
    assert store.list("b/") == ["b/1/x", "b/2"]
    assert store.list("") == ["a", "b/1/x", "b/2", "bc"]
    assert store.list("c/d/") == []


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", "./a"])
def test_a_path_stays_inside_the_site(tmp_path: Path, path: str) -> None:
    with pytest.raises(RequestError):
        DirectoryStore(tmp_path / "site").replace(path, b"")


def test_a_site_can_be_served_whatever_the_umask(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "site")
    (tmp_path / "private").write_bytes(b"x")
    (tmp_path / "private").chmod(0o600)
    before = os.umask(0o077)
    try:
        store.create("pool/main/a.deb", tmp_path / "private")
        store.link("pool/main/a.deb", "Packages/a.deb")
        store.replace("index.html", b"page")
    finally:
        os.umask(before)
    for path in (tmp_path / "site").rglob("*"):
        if ".kubewright" not in path.parts:
            assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path
    assert stat.S_IMODE((tmp_path / "site").stat().st_mode) == 0o755


def test_a_link_takes_no_room_and_is_not_read_again_where_the_disk_can_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(tmp_path)
    store.create("pool/a.rpm", b"one")
    store.link("pool/a.rpm", "Packages/a.rpm")
    assert (tmp_path / "pool/a.rpm").samefile(tmp_path / "Packages/a.rpm")
    monkeypatch.delattr(files, "sha256_of")
    assert not store.link("pool/a.rpm", "Packages/a.rpm")


def test_a_link_is_a_copy_where_the_disk_cannot_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    store = DirectoryStore(tmp_path)
    store.create("pool/a.rpm", b"one")
    assert store.link("pool/a.rpm", "Packages/a.rpm")
    assert store.read("Packages/a.rpm") == b"one"
    assert not (tmp_path / "pool/a.rpm").samefile(tmp_path / "Packages/a.rpm")


def test_a_full_disk_is_named_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = DirectoryStore(tmp_path)
    store.replace("index.html", b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match=r"index\.html: the disk is full"):
        store.replace("index.html", b"new")
    assert store.read("index.html") == b"old"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("a file where the site should be")
    with pytest.raises(DiskError, match="site"):
        DirectoryStore(tmp_path / "site").replace("index.html", b"page")


def python(script: str, *, code: int = 0) -> None:
    run.run(
        [sys.executable, "-c", textwrap.dedent(script)], env={"PYTHONPATH": SOURCES}, codes=[code]
    )


def test_of_several_processes_that_swap_none_loses_a_change(tmp_path: Path) -> None:
    script = f"""
        from pathlib import Path
        from kubewright.errors import PublicationConflict
        from kubewright.site.store import DirectoryStore
        store = DirectoryStore(Path({str(tmp_path)!r}))
        done = 0
        while done < 25:
            old = store.read("n")
            try:
                store.swap("n", old, b"%d" % (int(old or b"0") + 1))
            except PublicationConflict:
                continue
            done += 1
    """
    with ThreadPoolExecutor() as pool:
        for result in [pool.submit(python, script) for _ in range(4)]:
            result.result()
    assert DirectoryStore(tmp_path).read("n") == b"100"


@pytest.mark.parametrize("operation", ['swap("a", b"old", b"new")', 'replace("a", b"new")', 'create("b", b"new")',
                                       'link("c", "a")'], ids=["swap", "replace", "create", "link"])  # fmt: skip
@pytest.mark.parametrize("moment", ["os.fsync", "os.replace"])
def test_a_killed_process_leaves_nothing_to_clean_up(
    tmp_path: Path, operation: str, moment: str
) -> None:
    store = DirectoryStore(tmp_path)
    store.create("a", b"old")
    store.create("c", b"linked")
    python(
        f"""
        import os, signal
        from pathlib import Path
        from kubewright.site.store import DirectoryStore
        {moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        DirectoryStore(Path({str(tmp_path)!r})).{operation}
        """,
        code=-9,
    )
    store.swap("a", store.read("a"), b"next")
    assert (store.read("a"), store.read("b"), store.read("c")) in (
        (b"next", None, b"linked"),
        (b"next", b"new", b"linked"),
    )
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        {*store.list(""), ".kubewright", "lock"}
    )


def publish(store: Store, local: Path) -> None:
    """What a publication does, in small."""
    store.create("pool/a.rpm", local)
    store.create("pool/b.rpm", b"b")
    store.link("pool/a.rpm", "Packages/a.rpm")
    store.link("pool/b.rpm", "Packages/b.rpm")
    store.replace("index.html", b"new page")
    store.swap("channels/stable.json", store.read("channels/stable.json"), b"2")
    if store.exists("channels/stable.json"):
        store.replace("mirrorlist", b"".join(name.encode() for name in store.list("Packages/")))


def snapshot(root: Path) -> dict[str, bytes]:
    store = DirectoryStore(root)
    return {path: store.read(path) or b"" for path in store.list("")}


def test_a_dry_run_writes_nothing_and_tells_what_the_run_then_does(tmp_path: Path) -> None:
    local, root = tmp_path / "a.rpm", tmp_path / "site"
    local.write_bytes(b"aaa")
    store = DirectoryStore(root)
    store.create("pool/b.rpm", b"b")
    store.replace("index.html", b"old page")
    store.replace("channels/stable.json", b"1")
    before = snapshot(root)
    recorder = Recorder(store)
    publish(recorder, local)
    assert snapshot(root) == before
    publish(store, local)
    after = snapshot(root)
    assert {change.path for change in recorder.changes} == {
        path for path in after if after[path] != before.get(path)
    }
    assert {path: recorder.read(path) for path in after} == after
    assert recorder.changes == [
        Change(path="pool/a.rpm", action="create", size=3),
        Change(path="Packages/a.rpm", action="link", size=3),
        Change(path="Packages/b.rpm", action="link", size=1),
        Change(path="index.html", action="replace", size=8),
        Change(path="channels/stable.json", action="replace", size=1),
        Change(path="mirrorlist", action="create", size=28),
    ]


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    local = tmp_path / "a.rpm"
    local.write_bytes(b"aaa")
    store = DirectoryStore(tmp_path / "site")
    publish(store, local)
    recorder = Recorder(store)
    publish(recorder, local)
    assert [change.path for change in recorder.changes] == [
        "channels/stable.json"
    ]  # a swap is asked for, not compared
