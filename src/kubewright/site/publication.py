"""Publishes: the channel record is the commit, and everything that derives from it is written in a
fixed order.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Protocol, TypeVar

from kubewright.archives import gzipped
from kubewright.errors import PublicationConflict, VerificationFailed
from kubewright.files import canonical_json, sha256
from kubewright.models.base import Arch, Format, Model
from kubewright.models.catalog import MinorFacts
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, Index
from kubewright.models.upgrades import Graph
from kubewright.repos import apt, yum
from kubewright.repos.deb import DebEntry
from kubewright.repos.rpm import RpmEntry
from kubewright.site import channels as records
from kubewright.site import graph, layout
from kubewright.site.store import Store

E = TypeVar("E", DebEntry, RpmEntry)


class Signer(Protocol):
    """What a publication needs of its keys; every signature is a function of the data and the
    time.
    """

    @property
    def fingerprint(self) -> str:
        """Of the OpenPGP key."""

    def clearsign(self, text: bytes, when: int) -> bytes:
        """InRelease: the text with its signature around it."""

    def armored_detached(self, data: bytes, when: int) -> bytes:
        """An armored detached OpenPGP signature."""

    def artifact(self, data: bytes) -> bytes:
        """A detached ECDSA signature, base64."""


@dataclass(frozen=True)
class Entries:
    """The index entries of one release, as its own files hold them."""

    debs: tuple[DebEntry, ...]
    rpms: tuple[RpmEntry, ...]


@dataclass
class Publication:
    """One site, with the keys to publish on it."""

    store: Store
    signer: Signer
    armored_keys: str
    """Every key of the site, armored, the current one first."""
    render_page: Callable[[Index, Mapping[str, Manifest], Mapping[str, Channel]], bytes]
    raw: dict[str, bytes] = field(default_factory=dict)
    """The bytes of each channel record as they were read: what a commit replaces."""

    def channel(self, name: str) -> Channel | None:
        """A channel's record, or None. Raises VerificationFailed when it cannot be read."""
        path = layout.channel_path(name)
        data = self.store.read(path)
        if data is None:
            return None
        self.raw[name] = data
        return Channel.read(data, path)

    def channels(self) -> dict[str, Channel]:
        """Every channel of the site by name."""
        return {
            name: record
            for name in channel_names(self.store)
            if (record := self.channel(name)) is not None
        }

    def commit(self, previous: Channel | None, record: Channel) -> Channel:
        """Make a record the channel's. Raises PublicationConflict when somebody else was first."""
        if record == previous:
            return record
        raw = self.raw.get(record.channel) if previous is not None else None
        if raw is not None and previous is not None:
            self._copy(layout.channel_copy(record.channel, previous.sequence), raw, previous.issued)
            record = record.model_copy(update={"parent": sha256(raw)})
        self.store.swap(layout.channel_path(record.channel), raw, record.to_bytes())
        return record

    def settle(self, name: str) -> Channel:
        """Write all that follows from a channel's record, until the record is still the one it was
        written from.

        Another publisher may have committed meanwhile and finished first: then what this one wrote
        is old.
        """
        while True:
            record = self.channel(name)
            if record is None:
                raise VerificationFailed(
                    f"{layout.channel_path(name)}: gone while it was published; publish again"
                )
            data = self.raw[name]
            self._derive(record, data)
            if self.store.read(layout.channel_path(name)) == data:
                return record

    def _derive(self, channel: Channel, data: bytes) -> None:
        """Everything below one record; again, and after a crash, to the same bytes."""
        self._copy(layout.channel_copy(channel.channel, channel.sequence), data, channel.issued)
        entries = self._entries(channel)
        self._suite(channel, entries)
        for basearch in Arch:
            self._yum(channel, basearch, entries)
        current = channel.current
        if current is not None:
            self.store.replace(
                layout.marker_path(channel.channel), f"v{current.kubernetes}".encode()
            )

    def derive_index(self, minors: Mapping[str, MinorFacts], now: int) -> Index:
        """Write the index of releases, their upgrade graph and the page, which follow from all
        channels.

        As with a channel, until the index and the channels are still those that all was written
        from.
        """
        while True:
            data = self.store.read(
                layout.INDEX
            )  # before the channels: then a swap never takes in older ones
            channels = self.channels()
            previous = None if data is None else Index.read(data, layout.INDEX)
            names = {release.name for channel in channels.values() for release in channel.releases}
            names |= {release.name for release in previous.releases} if previous else set()
            manifests = {name: self.manifest(name) for name in sorted(names)}
            declared = graph.declared(manifests)
            index, document = records.index(
                previous, list(channels.values()), minors, declared, now=now
            )
            upgrades = document.to_bytes()
            self._copy(
                layout.graph_copy(sha256(upgrades)), upgrades, index.issued
            )  # first: the index names it
            try:
                data = self._replace_index(previous, data, index)
            except PublicationConflict:
                if self.store.read(layout.INDEX) == data:
                    raise  # not overtaken: a copy has other bytes
                continue
            self.store.replace(layout.GRAPH, upgrades)
            for path, schema in schemas().items():
                self.store.replace(path, schema)
            self.store.replace(layout.FRONT_PAGE, self.render_page(index, manifests, channels))
            if self.store.read(layout.INDEX) == data and self.channels() == channels:
                return index

    def _replace_index(self, previous: Index | None, data: bytes | None, index: Index) -> bytes:
        """Swap the index in unless it is the previous one, whose bytes are `data`; the bytes that
        are there then.
        """
        if previous is not None and data is not None:
            self._copy(layout.index_copy(previous.sequence), data, previous.issued)
            if index == previous:
                return data
            index = index.model_copy(update={"parent": sha256(data)})
        new = index.to_bytes()
        self.store.swap(layout.INDEX, data, new)
        self._copy(layout.index_copy(index.sequence), new, index.issued)
        return new

    def manifest(self, name: str) -> Manifest:
        """A published release's manifest. Raises VerificationFailed when the site has lost it or it
        cannot be read.
        """
        path = layout.release_path(name, layout.MANIFEST)
        data = self.store.read(path)
        if data is None:
            raise VerificationFailed(
                f"{path}: a channel lists this release, but its manifest is gone; publish it again"
            )
        return Manifest.read(data, path)

    def _copy(self, path: str, data: bytes, when: int) -> None:
        """The immutable copy with its signatures; one that exists keeps the signatures it has."""
        self.store.create(path, data)
        with suppress(
            PublicationConflict
        ):  # another publisher signed it meanwhile, at another time
            if not self.store.exists(f"{path}.asc"):
                self.store.create(f"{path}.asc", self.signer.armored_detached(data, when))
        with suppress(PublicationConflict):
            if not self.store.exists(f"{path}.sig"):
                self.store.create(f"{path}.sig", self.signer.artifact(data))

    def _entries(self, channel: Channel) -> Entries:
        debs: list[DebEntry] = []
        rpms: list[RpmEntry] = []
        for release in channel.releases:
            debs += self._entries_of(release.name, Format.deb, DebEntry)
            rpms += self._entries_of(release.name, Format.rpm, RpmEntry)
        return Entries(tuple(debs), tuple(rpms))

    def _entries_of(self, name: str, form: Format, model: type[E]) -> list[E]:
        path = layout.release_path(name, layout.ENTRIES[form])
        data = self.store.read(path)
        if data is None:
            raise VerificationFailed(f"{path}: missing; publish {name} again to bring it back")
        return read_entries(data, model, path)

    def _suite(self, channel: Channel, entries: Entries) -> None:
        """By-hash first, then the plain names, InRelease last of all: it alone is what apt
        follows.
        """
        base = layout.suite_path(channel.channel)
        rendered = apt.suite(
            entries.debs, suite=channel.channel, architectures=tuple(Arch),
            issued=channel.issued, valid_until=channel.valid_until,
        )  # fmt: skip
        for name in sorted(rendered, key=lambda name: ("/by-hash/" not in name, name)):
            write = self.store.create if "/by-hash/" in name else self.store.replace
            if name != "Release":
                write(f"{base}/{name}", rendered[name])
        release = rendered["Release"]
        self.store.replace(f"{base}/Release", release)
        self.store.replace(
            f"{base}/Release.gpg", self.signer.armored_detached(release, channel.issued)
        )
        self.store.replace(f"{base}/InRelease", self.signer.clearsign(release, channel.issued))

    def _yum(self, channel: Channel, arch: Arch, entries: Entries) -> None:
        """The immutable snapshot, then the plain repository, then the one line that clients
        follow.
        """
        rpms = [entry for entry in entries.rpms if entry.arch in (arch.rpm, "noarch")]
        files = self._signed(
            yum.repodata(rpms, href_prefix="../../../../pool/", issued=channel.issued),
            channel.issued,
        )
        snapshot = layout.snapshot_path(channel.channel, arch.rpm, yum.snapshot_id(files))
        for name, data in _pointer_last(files):
            self.store.create(f"{snapshot}/{name}", data)
        plain = layout.yum_path(channel.channel, arch.rpm)
        for entry in rpms:
            self.store.link(layout.rpm_path(entry.basename), f"{plain}/Packages/{entry.basename}")
        files = self._signed(
            yum.repodata(rpms, href_prefix="Packages/", issued=channel.issued), channel.issued
        )
        for name, data in _pointer_last(files):
            self.store.replace(f"{plain}/{name}", data)
        if channel.url:
            line = f"{channel.url.rstrip('/')}/{snapshot}/\n"
            self.store.replace(f"{plain}/mirrorlist", line.encode())

    def _signed(self, files: dict[str, bytes], when: int) -> dict[str, bytes]:
        return {
            **files,
            f"{yum.REPOMD}.asc": self.signer.armored_detached(files[yum.REPOMD], when),
            f"{yum.REPOMD}.key": self.armored_keys.encode(),
        }


def _pointer_last(files: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Hash-named files, then the signature and key, then repomd.xml, which dnf reads first."""
    rank = {yum.REPOMD: 2, f"{yum.REPOMD}.asc": 1, f"{yum.REPOMD}.key": 1}
    for name in sorted(files, key=lambda name: (rank.get(name, 0), name)):
        yield name, files[name]


def schemas() -> dict[str, bytes]:
    """The JSON Schema of each kind of document that a site has, by where it lies."""
    documents: dict[str, type[Model]] = {
        "manifest": Manifest,
        "channel": Channel,
        "index": Index,
        "graph": Graph,
    }
    return {
        layout.schema_path(name): canonical_json(model.model_json_schema(by_alias=True))
        for name, model in documents.items()
    }


def channel_names(store: Store) -> list[str]:
    """The names of every channel of a site."""
    return [
        PurePosixPath(path).stem for path in store.list(layout.CHANNELS) if path.endswith(".json")
    ]


def read_entries(data: bytes, model: type[E], place: str) -> list[E]:
    """Index entries as `write_entries` wrote them. Raises VerificationFailed for anything else."""
    try:
        return [model.model_validate(one) for one in json.loads(gzip.decompress(data))]
    except (gzip.BadGzipFile, zlib.error, EOFError, ValueError, TypeError) as error:
        problem = str(error).splitlines()[0]
        raise VerificationFailed(
            f"{place}: not the index of a release ({problem}); publish it again"
        ) from error


def write_entries(entries: list[DebEntry] | list[RpmEntry]) -> bytes:
    """Index entries as a release carries them: deterministic gzip of a JSON array."""
    text = json.dumps([entry.model_dump(mode="json") for entry in entries], sort_keys=True).encode()
    return gzipped(text)
