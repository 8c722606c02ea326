"""Two publishers at once: whenever one overtakes the other, the index ends up as the channels
say.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubewright.errors import PublicationConflict
from kubewright.files import sha256
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, ChannelRelease, Index
from kubewright.models.upgrades import Graph
from kubewright.settings import Settings
from kubewright.site import channels as records
from kubewright.site import layout
from kubewright.site.publication import Publication
from kubewright.site.store import Data, DirectoryStore, Paths, Recorder, Store

KEY = "A" * 40
PATCHES = ("1.36.3", "1.36.4", "1.36.5")


@dataclass
class Dated:
    """Signatures that differ with the publisher and the time, as those of real keys do."""

    name: str
    fingerprint: str = KEY

    def clearsign(self, text: bytes, when: int) -> bytes:
        return text

    def armored_detached(self, data: bytes, when: int) -> bytes:
        return f"{self.name} at {when}".encode()

    def artifact(self, data: bytes) -> bytes:
        return self.name.encode()


class Interrupting:
    """Another store, in which something else happens before the n-th thing that is done with it."""

    def __init__(self, store: Store, number: int, event: Callable[[], None]) -> None:
        self.store, self.left, self.event = store, number, event
        self.done: list[str] = []

    def _next(self, what: str) -> Store:
        self.done.append(what)
        self.left -= 1
        if self.left == 0:
            self.event()
        return self.store

    def read(self, path: str) -> bytes | None:
        return self._next(f"read {path}").read(path)

    def exists(self, path: str) -> bool:
        return self._next(f"exists {path}").exists(path)

    def size(self, path: str) -> int | None:
        return self._next(f"size {path}").size(path)

    def digest(self, path: str) -> str | None:
        return self._next(f"digest {path}").digest(path)

    def list(self, prefix: str) -> Paths:
        return self._next(f"list {prefix}").list(prefix)

    def create(self, path: str, data: Data) -> bool:
        return self._next(f"create {path}").create(path, data)

    def replace(self, path: str, data: Data) -> bool:
        return self._next(f"replace {path}").replace(path, data)

    def swap(self, path: str, expected: bytes | None, data: bytes) -> None:
        self._next(f"swap {path}").swap(path, expected, data)

    def link(self, source: str, path: str) -> bool:
        return self._next(f"link {path}").link(source, path)


class Publisher:
    """One who publishes in the channel `test`, or another, at some time."""

    def __init__(self, store: Store, name: str, now: int) -> None:
        self.now = now
        self.site = Publication(
            store, Dated(name), "", lambda index, _, channels: f"{index}{channels}".encode()
        )

    def add(self, version: str, channel: str = "test") -> None:
        name = f"v{version}-1"
        release = ChannelRelease(
            name=name, kubernetes=version, status="current",
            manifest_url=layout.release_path(name, "manifest.json"), manifest_sha256="0" * 64,
        )  # fmt: skip
        previous = self.site.channel(channel)
        new = records.add(previous, channel, release, now=self.now, url="", repo_key=KEY)
        self.site.commit(previous, new)

    def go_back(self, to: int) -> None:
        current = self.site.channel("test")
        assert current is not None
        target = Channel.from_bytes(content(self.site.store, layout.channel_copy("test", to)))
        self.site.commit(current, records.rollback(current, target, now=self.now, repo_key=KEY))

    def finish(self) -> Index:
        return self.site.derive_index({}, self.now)


@pytest.fixture
def begun(released: Settings, tmp_path: Path) -> Path:
    """A site with the manifests of three releases, of which one is in a channel."""
    manifest = Manifest.from_bytes(
        Path(released.site, "releases/v1.36.4-1/manifest.json").read_bytes()
    )
    store = DirectoryStore(tmp_path / "site")
    for version in PATCHES:
        facts = manifest.release.model_copy(update={"name": f"v{version}-1", "kubernetes": version})
        data = manifest.model_copy(update={"release": facts}).to_bytes()
        store.create(layout.release_path(facts.name, "manifest.json"), data)
    first = Publisher(store, "first", 100)
    first.add("1.36.3")
    first.finish()
    return store.root


def another_channel(other: Publisher) -> None:
    other.add("1.36.5", "other")


def the_same_channel(other: Publisher) -> None:
    other.add("1.36.5")


def back_to_what_the_index_says(other: Publisher) -> None:
    """The other one finds an index that is right already, and leaves it."""
    other.go_back(1)


def nothing_new(_: Publisher) -> None:
    """The other one only finishes what this one has begun."""


@pytest.mark.parametrize(
    ("act", "clock"),
    [
        (another_channel, 50), (another_channel, 900), (the_same_channel, 900), (back_to_what_the_index_says, 50),
        (nothing_new, 50),
    ],
    ids=lambda value: value.__name__ if callable(value) else f"now {value}",
)  # fmt: skip
def test_a_publisher_that_is_overtaken_anywhere_leaves_the_right_index(
    begun: Path, act: Callable[[Publisher], None], clock: int
) -> None:
    for number in itertools.count(1):
        site = Recorder(
            DirectoryStore(begun)
        )  # what both publishers write is forgotten after each round
        other = Publisher(site, "other", clock)
        seen: list[int] = []

        def overtake(other: Publisher = other, seen: list[int] = seen) -> None:
            act(other)
            seen.append(other.finish().issued)

        Publisher(site, "this", 200).add("1.36.4")
        store = Interrupting(site, number, overtake)
        Publisher(store, "this", 200).finish()
        if not seen:
            break
        right(site, f"interrupted before step {number}: {store.done[number - 1]}")
    assert store.done[0] == f"read {layout.INDEX}"
    assert f"swap {layout.INDEX}" in store.done
    assert store.done[-1].startswith("read channels/")


def right(site: Store, place: str) -> None:
    """What a site must be like when nobody is at work."""
    data = content(site, layout.INDEX)
    index = Index.from_bytes(data)
    channels = Publisher(site, "reader", 0).site.channels()
    listed = {(channel, one.name) for one in index.releases for channel in one.channels}
    assert listed == {
        (name, one.name) for name, record in channels.items() for one in record.releases
    }, place
    current = {one.name for one in index.releases if one.status == "current"}
    assert current == {record.current.name for record in channels.values() if record.current}, place
    assert content(site, "index.html").decode() == f"{index}{channels}", place
    found = Graph.from_bytes(content(site, layout.GRAPH))
    assert sha256(found.to_bytes()) == index.graph_sha256, place
    copies = [content(site, layout.index_copy(number)) for number in range(1, index.sequence + 1)]
    assert copies[-1] == data, place
    issued = [Index.from_bytes(copy).issued for copy in copies]
    assert issued == sorted(issued), place


def content(site: Store, path: str) -> bytes:
    data = site.read(path)
    assert data is not None, path
    return data


def test_a_copy_with_other_bytes_ends_the_publication_and_is_no_reason_to_try_again(
    begun: Path,
) -> None:
    (begun / layout.index_copy(1)).write_bytes(b"damaged")
    this = Publisher(DirectoryStore(begun), "this", 200)
    this.add("1.36.4")
    with pytest.raises(
        PublicationConflict, match=r"publications/index/1.json: published already with other bytes"
    ):
        this.finish()
