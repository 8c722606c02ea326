"""Renders a publication: from what a site is and what shall change to the list of all objects."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kubewright import files
from kubewright.files import canonical_json
from kubewright.models.document import Document
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, Copy, Index, State
from kubewright.models.upgrades import Graph
from kubewright.site import backups, contents, layout, page, repositories
from kubewright.site import index as indexing
from kubewright.site.channels import renewed
from kubewright.site.contents import Contents
from kubewright.site.draft import Draft, Publisher
from kubewright.site.keys import KeyFiles
from kubewright.site.objects import Kind, Object, Source, pointer
from kubewright.site.reader import pointer_to


@dataclass(frozen=True)
class Publication:
    """What shall be published."""

    state: State | None
    """None: the site stays as it is."""
    objects: tuple[Object, ...]
    tag: str | None
    """Of the pointer that is to be replaced."""


def render(draft: Draft, given: Publisher) -> Publication:
    """Every object of a publication, or of what is still to be written of an earlier one."""
    return _Rendering(draft, given).publication()


class _Rendering:
    """One publication on its way from a draft to objects."""

    def __init__(self, draft: Draft, given: Publisher) -> None:
        self.draft, self.given, self.reader = draft, given, draft.reader
        self.old = draft.present.state
        self.keys = self._keys()
        self.armored = self.keys.files[layout.KEYRING_ARMORED]
        self.rendered: dict[str, repositories.Rendered] = {}

    def _keys(self) -> KeyFiles:
        there = {}
        for path, digest in (self.old.files if self.old else {}).items():
            if path.startswith("keys/"):
                there[path] = self.reader.content(digest, path)
        return self.given.keys(there)

    def publication(self) -> Publication:
        """The new state with its objects; without a change what an earlier one still lacks."""
        tag = self.draft.present.tag
        self._renew_for_new_keys()
        for name, record in self.draft.records.items():
            previous = self.draft.published(name)
            self.rendered[name] = self._rendered(record, self.draft.listed[name], previous)
        self._render_unwritten()
        if self.old and not self.draft.records:
            return Publication(None, self._missing(self.old), tag)
        channels = self._channels()
        index, graph = self._index(channels)
        state, documents = self._state(index, channels)
        objects = [item for release in self.draft.incoming.values() for item in release.files]
        objects += [item for channel in self.rendered.values() for item in channel.objects]
        objects += self._index_objects(index, graph)
        objects += self._documents(documents)
        objects += self._state_objects(state)
        objects.append(self._backup(state, objects, documents))
        return Publication(state, _in_order(objects), tag)

    def _backup(
        self, state: State, objects: Iterable[Object], documents: Mapping[str, bytes]
    ) -> Object:
        """The second copies of all documents that come with a state."""
        copies = {}
        for item in objects:
            own = item.kind is Kind.immutable and item.path.startswith("publications/")
            if own and item.path.endswith(".json") and isinstance(item.content, bytes):
                copies[item.path] = item.content
        copies |= {path: documents[path] for path in backups.new_files(state, self.old)}
        return backups.backup(
            layout.state_copy(state.number, files.sha256(state.to_bytes())), copies
        )

    def _renew_for_new_keys(self) -> None:
        """Every repository ships the keys: with other keys it is another repository."""
        known = self.old.files if self.old else {}
        same = all(known.get(path) == files.sha256(data) for path, data in self.keys.files.items())
        for name in () if same else self.draft.names:
            self._renew(name)

    def _renew(self, name: str) -> None:
        record = self.draft.published(name)
        if record is not None and name not in self.draft.records:
            key = self.given.signer.fingerprint
            new = renewed(record, now=self.draft.now, repo_key=key)
            self.draft.put(new, self.draft.contents(record))

    def _render_unwritten(self) -> None:
        """The channels that an unfinished publication left half-written, exactly as it meant them.

        An engine that renders them in another way publishes them anew.
        """
        for name in self._unwritten():
            record = self.draft.published(name)
            if record is None or name in self.rendered:
                continue
            listed = self.draft.contents(record)
            again = self._rendered(record, listed, None)
            if again.record != record:
                self._renew(name)
                again = self._rendered(self.draft.records[name], listed, record)
            self.rendered[name] = again

    def _rendered(
        self, record: Channel, listed: Contents, previous: Channel | None
    ) -> repositories.Rendered:
        there = self.draft.contents(previous) if previous else contents.NOTHING
        linked = frozenset(
            entry.name for packages in there.rpms.values() for entry in packages.primary
        )
        return repositories.render(
            record, listed, self.given.signer, self.armored, previous=previous, linked=linked
        )

    def _unwritten(self) -> Iterable[str]:
        """The channels whose derived objects may be those of an earlier state."""
        old, finished = self.old, self.draft.present.finished
        if old is None or old == finished:
            return ()
        before = finished.channels if finished else {}
        return [name for name, copy in old.channels.items() if before.get(name) != copy]

    def _missing(self, state: State) -> tuple[Object, ...]:
        """What a committed publication still lacks of everything that follows from it."""
        if not self.draft.present.unfinished:
            return ()
        objects = [item for channel in self.rendered.values() for item in channel.objects]
        index = self.reader.index(state)
        channels = [record for name in self.draft.names if (record := self.draft.published(name))]
        _, graph = indexing.derive(index, None, channels, self.given.minors, {}, now=0)
        objects += self._index_objects(index, self._published_graph(index) or graph.to_bytes())
        documents = self.documents(index, channels)
        meant = {
            path: data
            for path, data in documents.items()
            if state.files.get(path) == files.sha256(data)
        }
        objects += self._documents(meant)
        objects += self._state_objects(state)
        return _in_order(item for item in objects if item.kind is not Kind.record)

    def _published_graph(self, index: Index) -> bytes | None:
        if index.graph_sha256 is None:
            return None
        path = layout.graph_copy(index.graph_sha256)
        return self.reader.sought(index.graph_sha256, path, layout.GRAPH)

    def _channels(self) -> list[Channel]:
        """Every channel as it will be."""
        found = {
            name: record for name in self.draft.names if (record := self.draft.published(name))
        }
        found |= {name: channel.record for name, channel in self.rendered.items()}
        return [found[name] for name in sorted(found)]

    def _index(self, channels: Sequence[Channel]) -> tuple[Index, Graph]:
        previous = self.draft.index
        says = {}
        for name, release in indexing.unknown(previous, channels).items():
            incoming = self.draft.incoming.get(name)
            manifest = (
                incoming.manifest
                if incoming
                else self.reader.manifest(release.manifest_url, release.manifest_sha256)
            )
            says[name] = indexing.declared(manifest)
        parent = self.old.index.sha256 if self.old else None
        return indexing.derive(
            previous, parent, channels, self.given.minors, says, now=self.draft.now
        )

    def _state(self, index: Index, channels: Sequence[Channel]) -> tuple[State, dict[str, bytes]]:
        documents = self.documents(index, channels)
        copies = {}
        for record in channels:
            known = self.old.channels.get(record.channel) if self.old else None
            changed = record.channel in self.draft.records or known is None
            digest = files.sha256(record.to_bytes())
            copies[record.channel] = (
                Copy(sequence=record.sequence, sha256=digest) if changed or not known else known
            )
        same = self.old is not None and index == self.draft.index
        made = State(
            number=self.old.number + 1 if self.old else 1,
            parent=self.draft.present.sha256,
            issued=max(self.draft.now, self.old.issued) if self.old else self.draft.now,
            channels=copies,
            index=self.old.index if self.old and same else _copy(index),
            keys=self.keys.keys,
            files={path: files.sha256(data) for path, data in sorted(documents.items())},
        )
        return made.model_copy(
            update=dict(self.old.model_extra or {}) if self.old else {}
        ), documents

    def documents(self, index: Index, channels: Sequence[Channel]) -> dict[str, bytes]:
        """The page, the schemas and the keys, by path."""
        shown = page.presented({record.channel: record for record in channels})
        incoming = self.draft.incoming.get(shown.name)
        manifest = (
            incoming.manifest
            if incoming
            else self.reader.manifest(shown.manifest_url, shown.manifest_sha256)
        )
        front = page.render(index, manifest, {record.channel: record for record in channels})
        return {**self.keys.files, **schemas(), layout.FRONT_PAGE: front}

    def _documents(self, documents: Mapping[str, bytes]) -> list[Object]:
        """Those of the documents that the last finished state does not have like this."""
        finished = self.draft.present.finished
        before = finished.files if finished else {}
        return [
            pointer(path, data, fresh=path not in before)
            for path, data in documents.items()
            if before.get(path) != files.sha256(data)
        ]

    def _index_objects(self, index: Index, graph: Graph | bytes) -> list[Object]:
        """The index and the graph that it names, with their copies, unless all of it is there."""
        finished, data = self.draft.present.finished, index.to_bytes()
        copy = _copy(index)
        if finished is not None and finished.index.sha256 == copy.sha256:
            return []
        signer, fresh = self.given.signer, finished is None
        upgrades = graph if isinstance(graph, bytes) else graph.to_bytes()
        return [
            *repositories.signed_copy(
                layout.graph_copy(files.sha256(upgrades)), upgrades, signer, index.issued
            ),
            *repositories.signed_copy(
                layout.index_copy(copy.sequence, copy.sha256), data, signer, index.issued
            ),
            pointer(layout.GRAPH, upgrades, fresh=fresh),
            pointer(layout.INDEX, data, fresh=fresh),
        ]

    def _state_objects(self, state: State) -> list[Object]:
        """The state with its copy, the pointer to it, and last the word that all is written."""
        data, new = state.to_bytes(), pointer_to(state)
        path = layout.state_copy(state.number, files.sha256(data))
        fresh = self.draft.present.finished is None
        record = Object(
            layout.CURRENT, Kind.record, new, len(new), files.sha256(new), self.old is None
        )
        return [
            *repositories.signed_copy(path, data, self.given.signer, state.issued),
            record,
            pointer(layout.STATE, data, fresh=fresh),
            pointer(layout.FINISHED, new, fresh=fresh),
        ]


def documents(draft: Draft, given: Publisher) -> dict[str, bytes]:
    """The page, the schemas and the keys of a site as it is published, by path."""
    rendering = _Rendering(draft, given)
    records = [draft.published(name) for name in draft.names]
    index = draft.index
    if index is None:
        return {}
    return rendering.documents(index, [record for record in records if record])


def _copy(index: Index) -> Copy:
    return Copy(sequence=index.sequence, sha256=files.sha256(index.to_bytes()))


def _in_order(objects: Iterable[Object]) -> tuple[Object, ...]:
    """Immutable objects (copies after what they copy), the record, and the pointers as they are."""

    def rank(item: Object) -> int:
        later = {Kind.immutable: 0, Kind.record: 2, Kind.pointer: 3}[item.kind]
        return later + isinstance(item.content, Source)

    return tuple(sorted(objects, key=rank))


def schemas() -> dict[str, bytes]:
    """The JSON Schema of each kind of document that a site has, by where it lies."""
    documents: dict[str, type[Document]] = {
        "manifest": Manifest,
        "channel": Channel,
        "index": Index,
        "site": State,
        "graph": Graph,
    }
    found = {name: model.json_schema() for name, model in documents.items()}
    return {layout.schema_path(name): canonical_json(schema) for name, schema in found.items()}
