"""Renders a publication: from what a site is and what shall change to the list of all objects."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from kubewright import files
from kubewright.metadata.names import role_path
from kubewright.models.site import Channel, Copy, Index, State
from kubewright.models.upgrades import Graph
from kubewright.site import backups, derived, identity, layout, metadata, page, repositories
from kubewright.site import index as indexing
from kubewright.site.channels import renewed
from kubewright.site.contents import Contents
from kubewright.site.draft import Draft, Publisher
from kubewright.site.keys import KeyFiles, Shipped
from kubewright.site.objects import Kind, Object, Source, is_other, pointer


@dataclass(frozen=True)
class Publication:
    """What shall be published."""

    state: State | None
    """None: the site stays as it is."""
    objects: tuple[Object, ...]
    tag: str | None
    """Of the pointer that is to be replaced."""
    pointer: bytes | None
    """What the pointer says when it is published."""


def render(draft: Draft, publisher: Publisher) -> Publication:
    """Every object of a publication, or of what is still to be written of an earlier one."""
    return _Rendering(draft, publisher).publication()


class _Rendering:
    """One publication on its way from a draft to objects."""

    def __init__(self, draft: Draft, publisher: Publisher) -> None:
        self.draft, self.publisher, self.reader = draft, publisher, draft.reader
        self.old = draft.present.state
        self.identity = identity.of(self.old, publisher.identity)
        if draft.address is not None:
            self.identity = self.identity._replace(url=draft.address)
        self.keys = self._keys()
        coming = self.keys.files[layout.hinted_key(self.keys.hint)] if self.keys.hint else b""
        self.shipped = Shipped(self.keys.files[layout.KEYRING_ARMORED], coming)
        self.rendered: dict[str, repositories.Rendered] = {}

    def _keys(self) -> KeyFiles:
        there = {}
        for path, digest in (self.old.files if self.old else {}).items():
            if path.startswith("keys/"):
                there[path] = self.reader.content(digest, path)
        return self.publisher.keys(there, self.old.keys if self.old else ())

    def publication(self) -> Publication:
        """The new state with its objects; without a change what an earlier one still lacks."""
        tag = self.draft.present.tag
        self._renew_for_new_keys()
        for name, given in self.draft.records.items():
            record = given.model_copy(update=self._whose())
            previous = self.draft.published(name)
            self.rendered[name] = self._rendered(record, self.draft.listed[name], previous)
        self._render_unwritten()
        if self.old and not self.draft.records:
            return self._unchanged(self.old)
        channels = self._channels()
        index, graph = self._index(channels)
        data = self._index_bytes(index)
        documents = self.documents(index, channels)
        state = self._state(index, data, channels, documents)
        state_data = state.to_bytes()
        objects: list[Object] = []
        for release in self.draft.incoming.values():
            objects += release.files
        objects += self._channel_objects()
        made = self._metadata(state, index, (state_data, data, *documents.values()))
        word = made.timestamp
        objects += self._derived(state, state_data, index, data, graph.to_bytes(), documents, word)
        objects.append(self._backup(state, objects, documents))
        objects += [*made.objects, derived.commit(word, first=tag is None)]
        return Publication(state, _in_order(objects), tag, word)

    def _unchanged(self, state: State) -> Publication:
        """What an earlier publication still lacks, and a timestamp for as long again if it is due
        or there is another root.
        """
        present, roots = self.draft.present, self.reader.roots
        if present.word is None:
            raise TypeError("a state without a word")
        objects = [*self._missing(state)]
        word, before = present.word.data, present.word.published
        days = metadata.lifetime(self.draft.channels.values())
        if before and roots and metadata.is_due(before, roots, self.draft.now, days):
            word = metadata.renewed(
                before, roots, self.publisher.roles, now=self.draft.now, days=days
            )
            objects = [item for item in objects if item.path != layout.FINISHED]
            objects += metadata.root_files(roots)
            objects += [
                derived.commit(word, first=present.tag is None),
                pointer(layout.FINISHED, word, fresh=False),
            ]
        return Publication(None, _in_order(objects), present.tag, word)

    def _metadata(self, state: State, index: Index, made: Iterable[bytes]) -> metadata.Rendered:
        """What vouches for a state; `made` are documents that are new with it."""
        present, roots, store = self.draft.present, self.reader.roots, self.reader.store
        if roots is None:
            raise TypeError("a publisher without a root")
        before = present.word.published if present.word else None
        records = {one.record.channel: one.record for one in self.rendered.values()}
        new = [*made, *(record.to_bytes() for record in records.values())]
        return metadata.render(
            state,
            metadata.named(self.draft, state, index, before, new),
            before,
            roots,
            self.publisher.roles,
            taken=partial(is_other, store),
            now=self.draft.now,
            days=metadata.lifetime((self.draft.channels | records).values()),
        )

    def _whose(self) -> dict[str, str]:
        """What every record says of the site and its keys."""
        second = self.publisher.signer.second_fingerprint
        return {"site": self.identity.site, "second_key": second, "key_hint": self.keys.hint}

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

    def _channel_objects(self) -> list[Object]:
        """What every rendered channel is served as."""
        found: list[Object] = []
        for channel in self.rendered.values():
            found += channel.objects
        return found

    def _renew(self, name: str) -> None:
        record = self.draft.published(name)
        if record is not None and name not in self.draft.records:
            key = self.publisher.signer.fingerprint
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
        before = repositories.Before(previous, self.draft.contents(previous)) if previous else None
        return repositories.render(record, listed, self.publisher.signer, self.shipped, before)

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
        objects = self._channel_objects()
        index = self.reader.index(state)
        channels = [*self.draft.channels.values()]
        _, graph = self._derive(index, None, channels, {}, now=0)
        upgrades = self._published_graph(index) or graph.to_bytes()
        meant = {}
        for path, data in self.documents(index, channels).items():
            if state.files.get(path) == files.sha256(data):
                meant[path] = data
        data = self._index_bytes(index)
        word = self.draft.present.word.data if self.draft.present.word else b""
        return _in_order(
            [
                *objects,
                *self._derived(state, self._state_bytes(), index, data, upgrades, meant, word),
            ]
        )

    def _published_graph(self, index: Index) -> bytes | None:
        if index.graph_sha256 is None:
            return None
        path = layout.graph_copy(index.graph_sha256)
        return self.reader.sought(index.graph_sha256, path, layout.GRAPH)

    def _channels(self) -> list[Channel]:
        """Every channel as it will be."""
        found = dict(self.draft.channels)
        found |= {name: channel.record for name, channel in self.rendered.items()}
        return [found[name] for name in sorted(found)]

    def _index(self, channels: Sequence[Channel]) -> tuple[Index, Graph]:
        previous = self.draft.index
        says = {}
        for name, release in indexing.unknown(previous, channels).items():
            says[name] = indexing.declared(self.draft.manifest(release))
        parent = self.old.index.sha256 if self.old else None
        return self._derive(previous, parent, channels, says, self.draft.now)

    def _derive(
        self,
        previous: Index | None,
        parent: str | None,
        channels: Sequence[Channel],
        says: Mapping[str, indexing.Declared],
        now: int,
    ) -> tuple[Index, Graph]:
        signer, minors = self.publisher.signer, self.publisher.minors
        signers = tuple(filter(None, (signer.fingerprint, signer.second_fingerprint)))
        return indexing.derive(
            previous, parent, channels, minors, says, now=now, whose=self.identity, signers=signers
        )

    def _index_bytes(self, index: Index) -> bytes:
        """An index as it is written; one that is published keeps its bytes."""
        if self.old is None or index != self.draft.index:
            return index.to_bytes()
        copy = self.old.index
        path = layout.index_copy(copy.sequence, copy.sha256)
        return self.reader.content(copy.sha256, path, layout.INDEX)

    def _state(
        self, index: Index, data: bytes, channels: Sequence[Channel], documents: Mapping[str, bytes]
    ) -> State:
        """The state that has this index, these channels and these files."""
        copies = {}
        for record in channels:
            known = self.old.channels.get(record.channel) if self.old else None
            if known is None or record.channel in self.draft.records:
                digest = files.sha256(record.to_bytes())
                known = Copy(sequence=record.sequence, sha256=digest)
            copies[record.channel] = known
        old, named = self.old, {path: files.sha256(data) for path, data in documents.items()}
        site, url = self.identity
        made = State(
            site=site,
            url=url,
            number=old.number + 1 if old else 1,
            parent=self.draft.present.sha256,
            issued=max(self.draft.now, old.issued) if old else self.draft.now,
            engine=derived.newest_engine(old),
            root=(old.root if old else None) or self._first_root(),
            channels=copies,
            index=Copy(sequence=index.sequence, sha256=files.sha256(data)),
            keys=self.keys.keys,
            files={**(old.files if old else {}), **named},
        )
        return made.model_copy(update=old.model_extra) if old else made

    def _first_root(self) -> str | None:
        """The digest of the root that the site begins with."""
        data = self.reader.roots.files.get(role_path("root", 1)) if self.reader.roots else None
        return files.sha256(data) if data else None

    def _state_bytes(self) -> bytes:
        """The published state as it is written."""
        present = self.draft.present
        if present.state is None or present.sha256 is None:
            return b""
        path = layout.state_copy(present.state.number, present.sha256)
        return self.reader.content(present.sha256, path, layout.STATE)

    def _derived(
        self,
        state: State,
        state_data: bytes,
        index: Index,
        index_data: bytes,
        graph: bytes,
        documents: Mapping[str, bytes],
        word: bytes,
    ) -> list[Object]:
        """What follows from the state and is no channel's, as far as it is not there."""
        finished, signer = self.draft.present.finished, self.publisher.signer
        return [
            *derived.index_objects(index, index_data, graph, signer, finished),
            *derived.file_objects(documents, finished),
            *derived.state_objects(state, state_data, word, signer, finished),
        ]

    def documents(self, index: Index, channels: Sequence[Channel]) -> dict[str, bytes]:
        """The page, the schemas and the keys, by path."""
        records = {record.channel: record for record in channels}
        manifest = self.draft.manifest(page.presented(records))
        front = page.render(index, manifest, records, self.publisher.templates)
        return {**self.keys.files, **derived.schemas(self.old), layout.FRONT_PAGE: front}


def documents(draft: Draft, publisher: Publisher) -> dict[str, bytes]:
    """The page, the schemas and the keys of a site as it is published, by path."""
    if draft.index is None:
        return {}
    return _Rendering(draft, publisher).documents(draft.index, [*draft.channels.values()])


def _in_order(objects: Iterable[Object]) -> tuple[Object, ...]:
    """Immutable objects (copies after what they copy), the record, and the pointers as they are."""

    def rank(item: Object) -> int:
        later = {Kind.immutable: 0, Kind.record: 2, Kind.pointer: 3}[item.kind]
        return later + isinstance(item.content, Source)

    return tuple(sorted(objects, key=rank))
