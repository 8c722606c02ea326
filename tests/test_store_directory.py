"""What a site in a directory promises beyond what every store does: to disks and processes."""

import errno
import os
import shutil
import stat
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest

from kubewright import files, run
from kubewright.errors import DiskError
from kubewright.site.directory import DirectoryStore
from kubewright.site.scratch import OWN

SOURCES = str(Path(files.__file__).parents[1])
WRITERS = 16

Operation = Callable[[DirectoryStore], object]


def python(script: str, *, code: int = 0) -> str:
    """Run a script in a process of its own; what it printed."""
    done = run.run(
        [sys.executable, "-c", textwrap.dedent(script)], env={"PYTHONPATH": SOURCES}, codes=[code]
    )
    return done.stdout


def names(root: Path) -> list[str]:
    """Every file and directory below a root."""
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def content(root: Path, path: str) -> bytes | None:
    stored = DirectoryStore(root).get(path)
    return None if stored is None else stored.data


def tag(store: DirectoryStore, path: str) -> str:
    stored = store.get(path)
    assert stored is not None
    return stored.tag


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that gives no file a second name."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)


# The disk


def test_a_site_can_be_served_whatever_the_umask(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "made/site")
    (tmp_path / "private").write_bytes(b"x")
    (tmp_path / "private").chmod(0o600)
    before = os.umask(0o077)
    try:
        store.put("pool/main/a.deb", tmp_path / "private", if_absent=True)
        store.copy("pool/main/a.deb", "Packages/a.deb")
        store.put("index.html", b"page")
        store.put("index.html", b"new page", if_tag=tag(store, "index.html"))
    finally:
        os.umask(before)
    for path in (tmp_path / "made").rglob("*"):
        if OWN not in path.parts:
            assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path
    assert stat.S_IMODE((tmp_path / "made").stat().st_mode) == 0o755


def test_a_copy_takes_no_room_and_is_not_read_again_where_the_disk_can_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = DirectoryStore(tmp_path)
    store.put("pool/a.rpm", b"one")

    def reads(*_: object, **__: object) -> None:
        raise AssertionError("a file is read")

    monkeypatch.setattr(Path, "open", reads)
    assert store.copy("pool/a.rpm", "Packages/a.rpm")
    assert (tmp_path / "pool/a.rpm").samefile(tmp_path / "Packages/a.rpm")
    assert not store.copy("pool/a.rpm", "Packages/a.rpm")


@pytest.mark.usefixtures("no_links")
def test_a_copy_is_a_file_of_its_own_where_the_disk_cannot_share(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put("pool/a.rpm", b"one")
    assert store.copy("pool/a.rpm", "Packages/a.rpm")
    assert content(tmp_path, "Packages/a.rpm") == b"one"
    assert not (tmp_path / "pool/a.rpm").samefile(tmp_path / "Packages/a.rpm")
    assert not store.copy("pool/a.rpm", "Packages/a.rpm")
    assert not store.copy("pool/none.rpm", "Packages/none.rpm")


@pytest.mark.usefixtures("no_links")
def test_of_several_who_create_an_object_one_succeeds_where_the_disk_cannot_share(
    tmp_path: Path,
) -> None:
    stores = [DirectoryStore(tmp_path) for _ in range(WRITERS)]
    stores[0].put("source", b"copied")

    def create(place: int, path: str, barrier: threading.Barrier) -> bool:
        barrier.wait()
        if place % 2:
            return stores[place].copy("source", path)
        return stores[place].put(path, b"%d" % place, if_absent=True)

    with ThreadPoolExecutor(WRITERS) as pool:
        for number in range(25):
            path, barrier = f"new/{number}", threading.Barrier(WRITERS)
            tries = [pool.submit(create, place, path, barrier) for place in range(WRITERS)]
            won = [place for place, attempt in enumerate(tries) if attempt.result()]
            assert len(won) == 1
            assert content(tmp_path, path) == (b"copied" if won[0] % 2 else b"%d" % won[0])


OPERATIONS: dict[str, Operation] = {
    "put": lambda store: store.put("a", b"new"),
    "swap": lambda store: store.put("a", b"new", if_tag=files.sha256(b"old")),
    "create": lambda store: store.put("deep/er/b", b"new", if_absent=True),
    "copy": lambda store: store.copy("c", "copies/c"),
}
"""Each way to write an object."""


@pytest.mark.parametrize("operation", ["put", "swap", "create"])
def test_a_full_disk_is_named_and_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = DirectoryStore(tmp_path)
    store.put("a", b"old")
    before = names(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DiskError, match=r"the disk is full"):
            OPERATIONS[operation](store)
    assert content(tmp_path, "a") == b"old"
    assert [name for name in names(tmp_path) if not name.startswith("deep")] == before
    assert OPERATIONS[operation](store), "as soon as there is room again"


def test_a_full_disk_names_the_object(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = DirectoryStore(tmp_path)
    store.put("index.html", b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError, match=r"index\.html: the disk is full"):
        store.put("index.html", b"new")


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_place_that_cannot_be_written_is_named(tmp_path: Path, operation: str) -> None:
    (tmp_path / "site").write_text("a file where the site should be")
    store = DirectoryStore(tmp_path / "site")
    if operation in ("swap", "copy"):
        (tmp_path / "site").unlink()
        store.put("a", b"old")
        store.put("c", b"linked")
        for name in ("a", "copies"):
            (tmp_path / "site" / name).unlink(missing_ok=True)
        (tmp_path / "site/copies").write_text("a file where a directory should be")
        (tmp_path / "site/a").mkdir()
    if operation == "swap":
        assert not OPERATIONS[operation](store), "a directory has no tag"
        return
    with pytest.raises(DiskError, match="site"):
        OPERATIONS[operation](store)


def test_an_object_cannot_be_where_a_directory_is(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    store.put("pool/a", b"one")
    with pytest.raises(DiskError, match=r"/pool: "):
        store.put("pool", b"two")
    with pytest.raises(DiskError, match=r"/pool/a"):
        store.put("pool/a/b", b"two")
    assert store.list("") == ["pool/a"]


def test_a_site_that_is_only_read_stays_as_it_is(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "site")
    assert (store.get("a"), store.stat("a"), store.list(""), store.list("a/")) == (
        None, None, [], [],
    )  # fmt: skip
    store.delete("a")
    assert not store.copy("a", "b")
    assert not (tmp_path / "site").exists()


# Processes


def test_of_several_processes_that_swap_none_loses_a_change(tmp_path: Path) -> None:
    DirectoryStore(tmp_path).put("n", b"0")
    script = f"""
        from pathlib import Path
        from kubewright.site.directory import DirectoryStore
        store = DirectoryStore(Path({str(tmp_path)!r}))
        done = 0
        while done < 25:
            old = store.get("n")
            done += store.put("n", b"%d" % (int(old.data) + 1), if_tag=old.tag)
    """
    with ThreadPoolExecutor() as pool:
        for result in [pool.submit(python, script) for _ in range(4)]:
            result.result()
    assert content(tmp_path, "n") == b"100"
    assert names(tmp_path) == [OWN, "n"]


def test_of_several_processes_that_create_an_object_exactly_one_succeeds(tmp_path: Path) -> None:
    def script(number: int) -> str:
        return f"""
            import time
            from pathlib import Path
            from kubewright.site.directory import DirectoryStore
            root = Path({str(tmp_path)!r})
            store = DirectoryStore(root)
            store.put("ready/{number}", b"")
            while len(store.list("ready/")) < 4:
                time.sleep(0.001)
            print(*(n for n in range(100) if store.put(f"new/{{n}}", b"{number}", if_absent=True)))
        """

    with ThreadPoolExecutor() as pool:
        printed = list(pool.map(python, map(script, range(4))))
    won = {int(word): number for number, text in enumerate(printed) for word in text.split()}
    assert sum(len(text.split()) for text in printed) == len(won) == 100
    assert all(content(tmp_path, f"new/{n}") == b"%d" % number for n, number in won.items())


STEPS = ("open", "fchmod", "fsync", "link", "replace", "unlink", "mkdir", "chmod")
"""The calls to the system between which a process may be killed."""

KILLING = """
    import itertools, os, shutil, signal
    from pathlib import Path
    from kubewright.site.directory import DirectoryStore

    base = Path({base!r})

    def end_before(step, root):
        def ending(call):
            def called(*words, **options):
                if next(calls) == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*words, **options)
            return called

        calls = itertools.count()
        for name in {steps!r}:
            setattr(os, name, ending(getattr(os, name)))
        DirectoryStore(root).{operation}
        os._exit(0)

    for step in itertools.count():
        root = base / str(step)
        shutil.copytree(base / "start", root)
        child = os.fork()
        if not child:
            end_before(step, root)
        if os.waitpid(child, 0)[1] == 0:
            break
    print(step)
"""


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("put", 'put("a", b"new")'),
        ("swap", f'put("a", b"new", if_tag={files.sha256(b"old")!r})'),
        ("create", 'put("deep/er/b", b"new", if_absent=True)'),
        ("copy", 'copy("c", "copies/c")'),
    ],
    ids=OPERATIONS,
)
def test_a_process_that_is_killed_at_any_step_leaves_nothing_that_the_next_writer_keeps(
    tmp_path: Path, name: str, operation: str
) -> None:
    start = DirectoryStore(tmp_path / "start")
    start.put("a", b"old")
    start.put("c", b"linked")
    del start
    script = KILLING.format(base=str(tmp_path), steps=STEPS, operation=operation)
    points = int(python(script))
    assert points >= {"copy": 3}.get(name, 5)
    whole = DirectoryStore(tmp_path / str(points))
    meant = {path: content(whole.root, path) for path in ("a", "c", "deep/er/b", "copies/c")}
    assert b"new" in meant.values() or meant["copies/c"] == b"linked"
    left = 0
    for step in range(points):
        root = tmp_path / str(step)
        left += any(path.name.startswith("new-") for path in (root / OWN).iterdir())
        for path, data in meant.items():
            before = {"a": b"old", "c": b"linked"}.get(path)
            assert content(root, path) in (before, data), (step, path)
        writer = DirectoryStore(root)
        assert writer.put("a", b"next", if_tag=tag(writer, "a")), step
        OPERATIONS[name](writer)
        del writer
        found = [path for path in names(root) if not (root / path).is_dir() or OWN in path]
        assert found == sorted([OWN, *DirectoryStore(root).list("")]), step
    assert left or name == "copy", "or there was nothing to remove"


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[tuple[Path, Future[bool]]]:
    """A writer that is in the midst of an object for as long as its pipe is not written to."""
    pipe, root = tmp_path / "pipe", tmp_path / "site"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(DirectoryStore(root).put, "slow", pipe)
        while not list(root.glob(f"{OWN}/new-*/0")):
            time.sleep(0.001)
        yield pipe, writing
        if not writing.done():
            pipe.write_bytes(b"")


def test_what_a_live_writer_is_writing_is_never_removed(
    tmp_path: Path, slow: tuple[Path, Future[bool]]
) -> None:
    pipe, writing = slow
    root = tmp_path / "site"
    (root / OWN / "new-abandoned").mkdir()
    for number in range(3):
        DirectoryStore(root).put(f"fast/{number}", b"")
    python(
        f"""
        from pathlib import Path
        from kubewright.site.directory import DirectoryStore
        DirectoryStore(Path({str(root)!r})).put("other", b"")
        """
    )
    assert not (root / OWN / "new-abandoned").exists(), "what nobody writes is"
    pipe.write_bytes(b"slowly")
    assert writing.result()
    assert content(root, "slow") == b"slowly"


def test_a_writer_takes_its_own_directory_with_it(tmp_path: Path) -> None:
    numbers = count()
    stores = [DirectoryStore(tmp_path) for _ in range(3)]
    for store in stores:
        store.put(str(next(numbers)), b"")
    assert len(list((tmp_path / OWN).glob("new-*"))) == 3
    stores.clear()
    del store
    assert names(tmp_path) == [OWN, "0", "1", "2"]


def test_a_copied_site_goes_on_where_the_first_one_is(tmp_path: Path) -> None:
    """The lock and what is unfinished belong to the directory, not to its objects."""
    store = DirectoryStore(tmp_path / "one")
    store.put("a", b"1")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    other = DirectoryStore(tmp_path / "two")
    assert other.put("a", b"2", if_tag=tag(store, "a"))
    assert (content(store.root, "a"), content(other.root, "a")) == (b"1", b"2")
