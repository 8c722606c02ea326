"""What every store promises, whatever it is made of, and what publications make of it."""

import atexit
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from s3_server import running

from kubewright import files
from kubewright.errors import DiskError, PublicationConflict, RequestError, VerificationFailed
from kubewright.models.site import Change
from kubewright.settings import Settings
from kubewright.site.bucket import BucketStore
from kubewright.site.directory import DirectoryStore
from kubewright.site.objects import Kind, Object, Overtaken, Source, immutable, pointer
from kubewright.site.store import Content, Stat, Store, Stored, checked, holds
from kubewright.site.writing import apply, rehearse, upload
from kubewright.stages import store as stores

WRITERS = 16
"""How many try the same at once."""


class Memory:
    """A store in memory that says as little as a bucket may: tags are opaque, digests unknown."""

    distant = True

    def __init__(self) -> None:
        self.objects: dict[str, Stored] = {}
        self._lock = threading.Lock()
        self._tags = count(1)

    def get(self, path: str) -> Stored | None:
        return self.objects.get(checked(path))

    def stat(self, path: str) -> Stat | None:
        stored = self.get(path)
        return None if stored is None else Stat(len(stored.data), None)

    def sha256(self, path: str) -> str | None:
        stored = self.get(path)
        return None if stored is None else files.sha256(stored.data)

    def put(
        self, path: str, content: Content, *, if_absent: bool = False, if_tag: str | None = None
    ) -> bool:
        data = content if isinstance(content, bytes) else content.read_bytes()
        with self._lock:
            there = self.get(path)
            if if_absent and there is not None:
                return False
            if if_tag is not None and (there is None or there.tag != if_tag):
                return False
            self.objects[path] = Stored(data, f'"{next(self._tags)}"')
        return True

    def copy(self, source: str, path: str, *, seen_absent: bool = False) -> bool:
        original = self.get(source)
        checked(path)
        return original is not None and self.put(path, original.data, if_absent=True)

    def list(self, prefix: str) -> list[str]:
        with self._lock:
            paths = sorted(path for path in self.objects if path.startswith(prefix))
        return [path for path in paths if not hidden(path)]

    def delete(self, path: str) -> None:
        with self._lock:
            self.objects.pop(checked(path), None)


def hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


Opened = Callable[[], Store]
"""Opens the same place anew, as another process would."""


def directory(place: Path) -> Opened:
    return lambda: DirectoryStore(place / "site")


def memory(_: Path) -> Opened:
    one = Memory()
    return lambda: one


@cache
def server() -> str:
    """A server that speaks S3; its address."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(running())


def bucket(place: Path) -> Opened:
    """A bucket of its own for each place."""
    name = f"test-{files.sha256(str(place).encode())[:16]}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "x")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "x")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        settings = Settings(
            site=f"s3://{name}/a/site", s3_endpoint=server(), cache=place, now=1_790_000_000
        )
        made = stores.store(settings)
    assert isinstance(made, BucketStore)
    made.client.create_bucket(Bucket=name)
    return lambda: BucketStore(made.client, name, "a/site")


STORES: dict[str, Callable[[Path], Opened]] = {
    "directory": directory,
    "memory": memory,
    "bucket": bucket,
}
"""Every kind of store: all of them answer alike."""


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    return STORES[request.param](tmp_path)


@pytest.fixture
def store(opened: Opened) -> Store:
    return opened()


def read(store: Store, path: str) -> bytes | None:
    stored = store.get(path)
    return None if stored is None else stored.data


def tag(store: Store, path: str) -> str:
    stored = store.get(path)
    assert stored is not None
    return stored.tag


def contents(store: Store) -> dict[str, Stored | None]:
    """Everything that a store holds, with its tags."""
    return {path: store.get(path) for path in store.list("")}


# Reading and writing


def test_what_is_written_can_be_read(opened: Opened, tmp_path: Path) -> None:
    store = opened()
    (tmp_path / "big").write_bytes(b"x" * 3)
    assert store.put("pool/a.deb", tmp_path / "big")
    assert store.put("index.html", b"page")
    assert store.put("empty", b"")
    for path, data in (("pool/a.deb", b"xxx"), ("index.html", b"page"), ("empty", b"")):
        assert read(opened(), path) == data
        there = opened().stat(path)
        assert there is not None
        assert there.size == len(data)
        assert there.sha256 in (None, files.sha256(data))
        assert holds(store, path, len(data), files.sha256(data))
        assert not holds(store, path, len(data), files.sha256(b"other"))
        assert not holds(store, path, len(data) + 1, files.sha256(data))


@pytest.mark.parametrize(
    "path",
    ["nothing", "pool", "index.html/below", "index.htm"],
    ids=["absent", "a prefix", "below an object", "half a name"],
)
def test_what_was_never_written_is_not_there(store: Store, path: str) -> None:
    for nothing in (store.get(path), store.stat(path)):
        assert nothing is None, "nor in a place that does not exist yet"
    store.put("pool/a.deb", b"a")
    store.put("index.html", b"page")
    assert (store.get(path), store.stat(path)) == (None, None)
    assert not holds(store, path, 0, files.sha256(b""))


def test_putting_replaces_what_was_there_and_changes_its_tag(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"three")
    tags = []
    contents: Sequence[Content] = (b"one", b"two", tmp_path / "file")
    for content in contents:
        assert store.put("index.html", content)
        tags.append(tag(store, "index.html"))
    assert read(store, "index.html") == b"three"
    assert len(set(tags)) == 3


def test_a_tag_stays_as_long_as_nobody_writes(opened: Opened) -> None:
    opened().put("a", b"one")
    before = tag(opened(), "a")
    opened().put("b", b"two")
    opened().put("a", b"other", if_absent=True)
    assert tag(opened(), "a") == before


def test_what_is_deleted_is_gone_and_deleting_nothing_is_no_error(store: Store) -> None:
    store.delete("pool/a")
    store.put("pool/a", b"one")
    store.put("pool/b", b"two")
    store.delete("pool/a")
    store.delete("pool/a")
    store.delete("pool")
    assert (read(store, "pool/a"), store.list("")) == (None, ["pool/b"])
    assert store.put("pool/a", b"again", if_absent=True)


# Conditions


def test_what_must_be_absent_is_never_replaced(store: Store, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"two")
    assert store.put("pool/a.deb", b"one", if_absent=True)
    before = store.get("pool/a.deb")
    for content in (b"one", b"two", tmp_path / "other"):
        assert not store.put("pool/a.deb", content, if_absent=True)
    assert store.get("pool/a.deb") == before


def test_a_swap_wants_the_tag_that_was_read(store: Store) -> None:
    store.put("current.json", b"1")
    stale = tag(store, "current.json")
    assert store.put("current.json", b"2", if_tag=stale)
    assert not store.put("current.json", b"3", if_tag=stale)
    assert not store.put("current.json", b"3", if_tag="never given")
    assert read(store, "current.json") == b"2"
    assert store.put("current.json", b"3", if_tag=tag(store, "current.json"))
    assert read(store, "current.json") == b"3"


def test_a_swap_of_what_is_not_there_writes_nothing(store: Store) -> None:
    store.put("pool/a", b"1")
    known = tag(store, "pool/a")
    for path in ("nothing", "pool", "new/nothing"):
        assert not store.put(path, b"2", if_tag=known)
        assert store.get(path) is None
    store.delete("pool/a")
    assert not store.put("pool/a", b"2", if_tag=known)
    assert store.list("") == []


# Copies


def test_a_copy_gives_an_object_a_second_name(store: Store) -> None:
    store.put("pool/a.rpm", b"one")
    assert store.copy("pool/a.rpm", "Packages/a.rpm")
    assert read(store, "Packages/a.rpm") == b"one"
    assert store.list("") == ["Packages/a.rpm", "pool/a.rpm"]


def test_each_name_of_a_copied_object_changes_alone(store: Store) -> None:
    store.put("pool/a.rpm", b"one")
    for name in ("x", "y", "z"):
        assert store.copy("pool/a.rpm", name)
    store.put("x", b"replaced")
    store.put("y", b"swapped", if_tag=tag(store, "y"))
    store.delete("z")
    assert read(store, "pool/a.rpm") == b"one"
    assert store.copy("pool/a.rpm", "z")
    store.put("pool/a.rpm", b"two")
    found = [read(store, name) for name in ("x", "y", "z")]
    assert found == [b"replaced", b"swapped", b"one"]


def test_a_copy_replaces_nothing_and_needs_a_source(store: Store) -> None:
    store.put("pool/a.rpm", b"one")
    store.put("Packages/a.rpm", b"old")
    assert not store.copy("pool/a.rpm", "Packages/a.rpm")
    assert not store.copy("pool/none.rpm", "Packages/none.rpm")
    assert not store.copy("pool", "Packages/pool")
    assert not store.copy("pool/a.rpm", "pool/a.rpm")
    assert read(store, "Packages/a.rpm") == b"old"
    assert store.list("") == ["Packages/a.rpm", "pool/a.rpm"]


# Lists


def test_a_list_is_by_prefix_sorted_and_without_dot_files(store: Store) -> None:
    for path in ("b/2", "b/1/x", "bc", "a", "b-1", ".hidden/x", "b/.hidden", "b/.x/y", "b/1/.x"):
        store.put(path, b"")
    assert store.list("b") == ["b-1", "b/1/x", "b/2", "bc"]
    assert store.list("b/") == ["b/1/x", "b/2"]
    assert store.list("b/1") == ["b/1/x"]
    assert store.list("") == ["a", "b-1", "b/1/x", "b/2", "bc"]
    for prefix in ("c/d/", "a/", ".", ".hidden/", "b/.", "b/.x/", ".kubewright/"):
        assert store.list(prefix) == [], prefix


@pytest.mark.parametrize(
    "prefix", ["../", "../out", "b/../../out", "/", "/etc/", "//", "b//", "./"]
)
def test_a_list_never_leaves_the_site(store: Store, tmp_path: Path, prefix: str) -> None:
    (tmp_path / "outside").write_bytes(b"")
    store.put("b/1", b"")
    assert store.list(prefix) == []


names = st.text("ab.-", min_size=1, max_size=3).filter(lambda name: name not in (".", ".."))
paths = st.lists(names, min_size=1, max_size=3).map("/".join)


@pytest.mark.parametrize("kind", STORES)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(paths, max_size=8), st.text("ab./-", max_size=4))
def test_whatever_is_written_is_listed(
    kind: str, tmp_path_factory: pytest.TempPathFactory, written: set[str], prefix: str
) -> None:
    store = STORES[kind](tmp_path_factory.mktemp("list"))()
    files = [path for path in written if not any(other.startswith(f"{path}/") for other in written)]
    for path in files:
        store.put(path, b"")
    listed = sorted(path for path in files if path.startswith(prefix) and not hidden(path))
    assert store.list(prefix) == listed


# Paths


OUTSIDE = ["", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "a/", "./a", "a/."]


@pytest.mark.parametrize("path", OUTSIDE)
def test_a_path_stays_inside_the_site(store: Store, path: str) -> None:
    store.put("a", b"inside")
    operations: list[Callable[[], object]] = [
        lambda: store.get(path),
        lambda: store.stat(path),
        lambda: store.put(path, b""),
        lambda: store.put(path, b"", if_absent=True),
        lambda: store.put(path, b"", if_tag="x"),
        lambda: store.copy(path, "b"),
        lambda: store.copy("a", path),
        lambda: store.delete(path),
    ]
    for operation in operations:
        with pytest.raises(RequestError, match="not a path inside a site"):
            operation()
    assert store.list("") == ["a"]


# Several at once


def together(actions: Sequence[Callable[[], bool]]) -> list[int]:
    """Start all at the same moment; the places of those that succeeded."""
    barrier = threading.Barrier(len(actions))

    def start(action: Callable[[], bool]) -> bool:
        barrier.wait()
        return action()

    with ThreadPoolExecutor(len(actions)) as pool:
        done = list(pool.map(start, actions))
    return [place for place, succeeded in enumerate(done) if succeeded]


def put_absent(store: Store, path: str, data: bytes) -> Callable[[], bool]:
    return lambda: store.put(path, data, if_absent=True)


def put_tagged(store: Store, path: str, data: bytes, known: str) -> Callable[[], bool]:
    return lambda: store.put(path, data, if_tag=known)


def copied(store: Store, source: str, path: str) -> Callable[[], bool]:
    return lambda: store.copy(source, path)


@pytest.mark.parametrize("shared", [True, False], ids=["one store", "a store each"])
def test_of_several_who_create_an_object_exactly_one_succeeds(opened: Opened, shared: bool) -> None:
    one = opened()
    stores = [one if shared else opened() for _ in range(WRITERS)]
    for number in range(25):
        path = f"new/{number}/a"
        won = together(
            [put_absent(store, path, b"%d" % place) for place, store in enumerate(stores)]
        )
        assert len(won) == 1
        assert read(one, path) == b"%d" % won[0]


@pytest.mark.parametrize("shared", [True, False], ids=["one store", "a store each"])
def test_of_several_who_swap_an_object_exactly_one_succeeds(opened: Opened, shared: bool) -> None:
    one = opened()
    one.put("current.json", b"start")
    stores = [one if shared else opened() for _ in range(WRITERS)]
    for number in range(25):
        known = tag(one, "current.json")
        data = [b"%d of %d" % (place, number) for place in range(WRITERS)]
        won = together(
            [
                put_tagged(store, "current.json", text, known)
                for store, text in zip(stores, data, strict=True)
            ]
        )
        assert len(won) == 1
        assert read(one, "current.json") == data[won[0]]


def test_of_several_who_copy_and_create_exactly_one_succeeds(opened: Opened) -> None:
    one = opened()
    one.put("source", b"copied")
    stores = [opened() for _ in range(WRITERS)]
    for number in range(25):
        path = f"copies/{number}"
        actions = [
            copied(store, "source", path) if place % 2 else put_absent(store, path, b"%d" % place)
            for place, store in enumerate(stores)
        ]
        won = together(actions)
        said = {b"copied" if place % 2 else b"%d" % place for place in won}
        assert read(one, path) in said
        if not one.distant:
            assert len(won) == 1
        # A bucket may make a copy, more than once, over what was created just now; but it
        # lets one create it, or none.
        assert len([place for place in won if not place % 2]) <= 1


def test_no_change_is_lost_when_many_count_by_swapping(opened: Opened) -> None:
    opened().put("n", b"0")

    def count_up(store: Store, times: int) -> None:
        for _ in range(times):
            while True:
                old = store.get("n")
                assert old is not None
                if store.put("n", b"%d" % (int(old.data) + 1), if_tag=old.tag):
                    break

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(count_up, opened(), 25) for _ in range(8)]:
            done.result()
    assert read(opened(), "n") == b"200"


VERSIONS = (b"old " * 100_000, b"newer " * 150_000)
"""Of different sizes, and larger than what is written at once."""


@pytest.mark.parametrize("how", ["put", "swap", "deleted between"])
def test_readers_see_the_old_bytes_or_the_new_ones(
    opened: Opened, tmp_path: Path, how: str
) -> None:
    files_of = [tmp_path / "0", tmp_path / "1"]
    for file, data in zip(files_of, VERSIONS, strict=True):
        file.write_bytes(data)
    opened().put("a", files_of[0])
    whole = {(len(data), files.sha256(data)) for data in VERSIONS}
    tags: dict[str, bytes] = {}
    ended = threading.Event()

    def write() -> None:
        store = opened()
        for number in range(60):
            content = files_of[number % 2] if number % 3 else VERSIONS[number % 2]
            if how == "deleted between":
                store.delete("a")
            assert store.put("a", content, if_tag=tag(store, "a") if how == "swap" else None)

    def look() -> int:
        store, looks = opened(), 0
        while not ended.is_set() or not looks:
            looks += 1
            stored, there = store.get("a"), store.stat("a")
            if stored is not None:
                assert stored.data in VERSIONS
                assert tags.setdefault(stored.tag, stored.data) == stored.data
            if there is not None and there.sha256 is not None:
                assert tuple(there) in whole
            elif there is not None:
                assert there.size in {len(data) for data in VERSIONS}
            assert how == "deleted between" or None not in (stored, there)
            assert store.list("") in (["a"], [])
        return looks

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(look) for _ in range(2)]
        try:
            pool.submit(write).result()
        finally:
            ended.set()
        assert all(reader.result() > 0 for reader in readers)


# A publication as a list of objects

RECORD = "publications/current.json"


class Recording:
    """Another store; what is written there is noted, and may be hindered first."""

    def __init__(self, store: Store, before: Callable[[str], object] = lambda path: None) -> None:
        self.store, self.before = store, before
        self.distant = store.distant
        self.written: list[str] = []

    def get(self, path: str) -> Stored | None:
        return self.store.get(path)

    def stat(self, path: str) -> Stat | None:
        return self.store.stat(path)

    def sha256(self, path: str) -> str | None:
        return self.store.sha256(path)

    def put(
        self, path: str, content: Content, *, if_absent: bool = False, if_tag: str | None = None
    ) -> bool:
        self.before(path)
        done = self.store.put(path, content, if_absent=if_absent, if_tag=if_tag)
        self.written += [path] if done else []
        return done

    def copy(self, source: str, path: str, *, seen_absent: bool = False) -> bool:
        self.before(path)
        done = self.store.copy(source, path, seen_absent=seen_absent)
        self.written += [path] if done else []
        return done

    def list(self, prefix: str) -> list[str]:
        return self.store.list(prefix)

    def delete(self, path: str) -> None:
        self.store.delete(path)


def link(source: str, path: str, data: bytes) -> Object:
    return Object(path, Kind.immutable, Source(source), len(data), files.sha256(data))


def record(data: bytes, *, fresh: bool = False) -> Object:
    return Object(RECORD, Kind.record, data, len(data), files.sha256(data), fresh)


def publication(local: Path, number: bytes = b"2") -> list[Object]:
    """What a publication does, in small."""
    local.write_bytes(b"aaa")
    return [
        pointer("index.html", b"new page", fresh=False),
        link("pool/a.rpm", "Packages/a.rpm", b"aaa"),
        link("pool/b.rpm", "Packages/b.rpm", b"b"),
        record(number),
        Object("pool/a.rpm", Kind.immutable, local, 3, files.sha256(b"aaa")),
        immutable("pool/b.rpm", b"b"),
        immutable("states/2.json", number),
        immutable("states/2.json.asc", b"signed now", lasting=True),
        pointer("mirrorlist", b"a line", fresh=True),
    ]


@pytest.fixture
def site(store: Store) -> Store:
    """A site where something is published, and a part of what comes next."""
    store.put("pool/b.rpm", b"b")
    store.put("index.html", b"old page")
    store.put(RECORD, b"1")
    return store


def test_a_dry_run_writes_nothing_and_tells_what_the_run_then_does(
    site: Store, tmp_path: Path
) -> None:
    objects = publication(tmp_path / "a.rpm")
    before = contents(site)
    told = rehearse(site, objects)
    assert contents(site) == before
    assert apply(site, objects, tag(site, RECORD)) == told
    after = contents(site)
    assert {change.path for change in told} == {
        path for path in after if after[path] != before.get(path)
    }
    assert told == [
        Change(path="pool/a.rpm", action="create", size=3),
        Change(path="states/2.json", action="create", size=1),
        Change(path="states/2.json.asc", action="create", size=10),
        Change(path="Packages/a.rpm", action="link", size=3),
        Change(path="Packages/b.rpm", action="link", size=1),
        Change(path=RECORD, action="replace", size=1),
        Change(path="index.html", action="replace", size=8),
        Change(path="mirrorlist", action="create", size=6),
    ]
    for item in objects:
        data = item.content.path if isinstance(item.content, Source) else item.path
        assert read(site, item.path) == read(site, data)
        assert holds(site, item.path, item.size, item.sha256)


def test_what_follows_from_the_record_is_written_after_it_and_in_its_order(
    site: Store, tmp_path: Path
) -> None:
    watched = Recording(site)
    apply(watched, publication(tmp_path / "a.rpm"), tag(site, RECORD))
    place = watched.written.index(RECORD)
    assert set(watched.written[:3]) == {"pool/a.rpm", "states/2.json", "states/2.json.asc"}
    copies = {"Packages/a.rpm", "Packages/b.rpm"}
    if site.distant:  # copies beside the record, and then the rest at once
        assert set(watched.written[3:6]) == {*copies, RECORD}
        assert set(watched.written[6:]) == {"index.html", "mirrorlist"}
    else:
        assert set(watched.written[3:place]) == copies
        assert watched.written[place:] == [RECORD, "index.html", "mirrorlist"]


def test_a_second_run_writes_nothing_that_never_changes(site: Store, tmp_path: Path) -> None:
    objects = publication(tmp_path / "a.rpm")
    apply(site, objects, tag(site, RECORD))
    before = contents(site)
    mutable = [RECORD, "index.html", "mirrorlist"]
    assert [change.path for change in rehearse(site, objects)] == mutable
    watched = Recording(site)
    assert upload(watched, objects) == []
    assert (watched.written, contents(site)) == ([], before)
    again = apply(watched, objects, tag(site, RECORD))
    assert [change.path for change in again] == mutable
    assert watched.written[:1] == [RECORD]
    assert set(watched.written) == set(mutable)


def test_a_signature_of_another_time_stays(site: Store, tmp_path: Path) -> None:
    site.put("states/2.json.asc", b"signed before")
    objects = publication(tmp_path / "a.rpm")
    assert "states/2.json.asc" not in {change.path for change in rehearse(site, objects)}
    apply(site, objects, tag(site, RECORD))
    assert read(site, "states/2.json.asc") == b"signed before"


CONFLICTS = ["pool/a.rpm", "pool/b.rpm", "states/2.json", "Packages/a.rpm"]


@pytest.mark.parametrize("other", [b"zzz", b"longer"], ids=["same size", "another size"])
@pytest.mark.parametrize("path", CONFLICTS)
def test_a_published_name_with_other_bytes_is_a_conflict_before_anybody_sees_anything(
    site: Store, tmp_path: Path, path: str, other: bytes
) -> None:
    objects = publication(tmp_path / "a.rpm")
    size = next(item.size for item in objects if item.path == path)
    site.put(path, other if len(other) > 3 else other[:size])
    if path.startswith("Packages/"):  # a copy of what has been there already
        site.put("pool/a.rpm", tmp_path / "a.rpm")
    before = contents(site)
    for run in (rehearse, lambda site, objects: apply(site, objects, tag(site, RECORD))):
        with pytest.raises(PublicationConflict, match=rf"^{path}: "):
            run(site, objects)
    for unseen in (RECORD, "index.html", "mirrorlist", path):
        assert site.get(unseen) == before.get(unseen), unseen


@pytest.mark.parametrize("run", [rehearse, upload], ids=["a dry run", "the run"])
def test_a_link_to_nothing_is_refused(
    site: Store, run: Callable[[Store, list[Object]], object]
) -> None:
    with pytest.raises(VerificationFailed, match=r"^pool/none\.rpm: .*Packages/none\.rpm needs it"):
        run(site, [link("pool/none.rpm", "Packages/none.rpm", b"none")])
    assert site.get("Packages/none.rpm") is None


def test_an_object_that_vanishes_while_it_is_written_is_not_called_written(site: Store) -> None:
    """Somebody removes it between the answer that it is there and the look at its bytes."""

    class Vanishing(Recording):
        def put(
            self, path: str, content: Content, *, if_absent: bool = False, if_tag: str | None = None
        ) -> bool:
            done = super().put(path, content, if_absent=if_absent, if_tag=if_tag)
            self.store.delete(path)
            return done

    with pytest.raises(VerificationFailed, match=r"^pool/b\.rpm: "):
        upload(Vanishing(site), [immutable("pool/b.rpm", b"b")])


@pytest.mark.parametrize("was", ["another", "nothing", "gone"])
def test_a_publisher_that_was_overtaken_writes_no_pointer(
    site: Store, tmp_path: Path, was: str
) -> None:
    known = None if was == "nothing" else tag(site, RECORD)
    if was == "another":
        site.put(RECORD, b"rival")
    if was == "gone":
        site.delete(RECORD)
    before = contents(site)
    with pytest.raises(Overtaken):
        apply(site, publication(tmp_path / "a.rpm"), known)
    for path in (RECORD, "index.html", "mirrorlist"):
        assert site.get(path) == before.get(path)


def test_of_several_first_publishers_exactly_one_succeeds(opened: Opened, tmp_path: Path) -> None:
    def attempt(number: int) -> Callable[[], bool]:
        objects = [record(b"%d" % number, fresh=True), pointer("page", b"%d" % number, fresh=True)]

        def run() -> bool:
            try:
                apply(opened(), objects, None)
            except Overtaken:
                return False
            return True

        return run

    (won,) = together([attempt(number) for number in range(WRITERS)])
    assert (read(opened(), RECORD), read(opened(), "page")) == (b"%d" % won, b"%d" % won)


class Lenient(Recording):
    """A store that checks no condition on the record: who writes last has it."""

    def put(
        self, path: str, content: Content, *, if_absent: bool = False, if_tag: str | None = None
    ) -> bool:
        if path != RECORD:
            return self.store.put(path, content, if_absent=if_absent, if_tag=if_tag)
        self.store.put(path, content)
        self.before(path)
        return True


@pytest.mark.parametrize("rival", ["put", "delete"])
def test_a_store_that_lets_two_rivals_win_is_seen_by_reading_back(
    site: Store, tmp_path: Path, rival: str
) -> None:
    def follow(path: str) -> None:
        if path == RECORD and rival == "put":
            site.put(path, b"rival")
        elif path == RECORD:
            site.delete(path)

    with pytest.raises(Overtaken):
        apply(Lenient(site, follow), publication(tmp_path / "a.rpm"), tag(site, RECORD))
    assert (read(site, "index.html"), site.get("mirrorlist")) == (b"old page", None)


@pytest.mark.parametrize("path", ["pool/a.rpm", "states/2.json.asc", "Packages/b.rpm"])
def test_a_publication_that_cannot_write_an_object_is_not_committed(
    site: Store, tmp_path: Path, path: str
) -> None:
    def full(written: str) -> None:
        if written == path:
            raise DiskError(f"{path}: the disk is full")

    before = contents(site)
    with pytest.raises(DiskError, match=path):
        apply(Recording(site, full), publication(tmp_path / "a.rpm"), tag(site, RECORD))
    committed = site.distant and path.startswith("Packages/")  # copies are made beside the record
    for unseen in (*([] if committed else [RECORD]), "index.html", "mirrorlist"):
        assert site.get(unseen) == before.get(unseen)
