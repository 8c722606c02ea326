"""Everything that a site should hold and that can be made again, from its state and history."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from kubewright import files
from kubewright.metadata import chain
from kubewright.metadata.chain import Followed
from kubewright.models.site import Channel, Index, State
from kubewright.repos import yum
from kubewright.site import backups, contents, layout, metadata, repositories
from kubewright.site.anchor import Anchor
from kubewright.site.contents import Contents
from kubewright.site.draft import Draft, Publisher
from kubewright.site.keys import Shipped
from kubewright.site.objects import Kind, Object, Source, immutable, pointer
from kubewright.site.present import Present
from kubewright.site.publication import documents
from kubewright.site.reader import Reader
from kubewright.site.references import indexes
from kubewright.site.repositories import Rendered
from kubewright.site.store import Store
from kubewright.site.words import Word

log = logging.getLogger(__name__)


class RestoringReader(Reader):
    """Reads damaged documents from their second copies, which `publications/site/` has."""

    mending = True

    def __init__(self, store: Store, anchor: Anchor | None = None) -> None:
        super().__init__(store, anchor)
        self._backups: dict[str, bytes] = {}
        self._named: dict[str, bytes] = {}
        for path in (*store.list(layout.STATES), *store.list(layout.METADATA_BACKUPS)):
            stored = store.get(path) if path.endswith(layout.BACKUP) else None
            with suppress(ValueError):  # a damaged one
                copies = backups.read(stored.data) if stored else {}
                self._backups |= {files.sha256(data): data for data in copies.values()}
                self._named |= copies
        for root in anchor.roots if anchor else ():
            place = chain.place_of(root, anchor.place if anchor else "")
            if store.stat(place) is not None:  # else it is one that the site is to have
                self._named[place] = root

    def at(self, path: str, sha256: str | None) -> bytes | None:
        """The same for metadata; no digest names a root, but only a sound one is signed."""
        if sha256 is None and path in self._named:
            return self._named[path]
        return super().at(path, sha256)

    def sought(self, sha256: str, *paths: str) -> bytes | None:
        """The bytes with a digest, from one of their places or from a backup."""
        found = super().sought(sha256, *paths)
        return self._backups.get(sha256) if found is None else found


def expected(reader: Reader, present: Present, publisher: Publisher, now: int) -> Iterator[Object]:
    """The objects of a site that follow from its `present` state and every state before it.

    Files of releases are not among them: only who made a release has those. Raises
    VerificationFailed when a document is damaged that has no second copy.
    """
    if present.state is None or present.sha256 is None or present.word is None:
        return
    draft = Draft(reader, present, now)
    digest = present.state.files.get(layout.KEYRING)
    publisher = publisher.on(reader.content(digest, layout.KEYRING) if digest else None)
    yield from _metadata(reader, present.word, present.state.history.snapshot)
    yield from _states(reader, publisher, present.state, present.sha256)
    states = _states_of(reader, present.state, present.sha256)
    for newest in draft.channels.values():
        oldest = present.state.history.oldest(newest.channel)
        for record in reader.history(newest, oldest):
            then = states.get(files.sha256(record.to_bytes()), present.state)
            keys = _keys_of(reader, record, then)
            listed = contents.read(reader, record, present.state.revoked)
            renewed = draft.renewed if record is newest else None
            yield from _channel(publisher, record, listed, keys, renewed)
    yield from _index(reader, publisher, present.state)
    for path, data in documents(draft, publisher).items():
        if present.state.files.get(path) == files.sha256(data):
            yield pointer(path, data, fresh=False)
    # Last: it says that all the rest is written.
    yield pointer(layout.FINISHED, present.word.data, fresh=False)


def _states(reader: Reader, publisher: Publisher, newest: State, sha256: str) -> Iterator[Object]:
    """The states with their copies, and what points to the newest."""
    chain = [*reader.states(newest, sha256)]
    for place, (state, digest) in enumerate(chain):
        path = layout.state_copy(state.number, digest)
        data = reader.content(digest, path, layout.STATE)
        yield from repositories.signed_copy(path, data, publisher.signer, state.issued)
        if place + 1 < len(chain) or state.parent is None:
            older = chain[place + 1][0] if place + 1 < len(chain) else None
            copies = {path: data} | _came_with(reader, state, older)
            yield backups.backup(path, copies)
    live = reader.content(sha256, layout.STATE)
    yield pointer(layout.STATE, live, fresh=False)
    if newest.history.pruned is not None:
        path = layout.pruned_copy(newest.history.pruned)
        yield immutable(path, reader.content(newest.history.pruned, path))


def _metadata(reader: Reader, word: Word, oldest: int) -> Iterator[Object]:
    """The roots, every snapshot with its targets, and the timestamp that leads to the newest."""
    if word.published is None:
        yield pointer(layout.CURRENT, word.data, fresh=False)
        return
    if reader.roots:
        yield from metadata.root_files(reader.roots)
    found: Followed | None = word.published
    while found is not None:
        for path, data in found.files.items():
            yield immutable(path, data)
        yield backups.metadata(str(found.version), found.files)
        found = chain.before(found, reader.at, oldest)
    yield pointer(layout.TIMESTAMP, word.data, fresh=False)


def _states_of(reader: Reader, newest: State, sha256: str) -> dict[str, State]:
    """A state in which each record of a channel stood, by the record's digest.

    The keys beside its repositories are the same in all of them: with others it is renewed.
    """
    found: dict[str, State] = {}
    for state, _ in reader.states(newest, sha256):
        found |= {str(copy.sha256): state for copy in state.channels.values()}
    return found


def _came_with(reader: Reader, state: State, older: State | None) -> dict[str, bytes]:
    """The documents that a state has and the one before it had not, by path."""
    before = older.channels if older else {}
    found: dict[str, bytes] = {}
    for name, copy in state.channels.items():
        if before.get(name) != copy:
            path = layout.channel_copy(name, copy.sequence, copy.sha256)
            found[path] = reader.content(copy.sha256, path, layout.channel_path(name))
    if older is None or older.index != state.index:
        path = layout.index_copy(state.index.sequence, state.index.sha256)
        found[path] = reader.content(state.index.sha256, path, layout.INDEX)
        digest = Index.read(found[path], path).graph_sha256
        if digest is not None:
            graph = layout.graph_copy(digest)
            found[graph] = reader.content(digest, graph, layout.GRAPH)
    for path in backups.new_files(state, older):
        found[path] = reader.content(state.files[path], path)
    digest = state.history.pruned
    if digest is not None and (older is None or older.history.pruned != digest):
        found[layout.pruned_copy(digest)] = reader.content(digest, layout.pruned_copy(digest))
    return found


def _channel(
    publisher: Publisher, record: Channel, listed: Contents, keys: Shipped, renewed: int | None
) -> Iterator[Object]:
    """What a record of a channel is served as, on a site whose suites were `renewed` then; None: of
    one that another followed, what stays.
    """
    rendered = repositories.render(record, listed, publisher.signer, keys, None, renewed or 0)
    if rendered.record != record:  # what does not hang on its signatures can be made all the same
        named = {(reference.path, reference.sha256) for reference in indexes(record)}
        if record.repo_key == publisher.signer.fingerprint:
            path = layout.channel_path(record.channel)
            log.warning(
                "%s: not all indexes of publication %d can be made again by this version",
                path, record.sequence,
            )  # fmt: skip
        for item in _as_named(rendered, record):
            if (item.path, item.sha256) in named:
                yield item
        return
    for item in rendered.objects:
        if renewed is not None or item.kind is Kind.immutable:
            yield item


def _as_named(rendered: Rendered, record: Channel) -> Iterator[Object]:
    """Rendered objects where a record has them: a snapshot is called after its signature too."""
    folders = {}
    for base, repodata in rendered.record.repodata.items():
        known = record.repodata.get(base, repodata)
        ours, theirs = (
            layout.snapshot_path(record.channel, base, one.snapshot) for one in (repodata, known)
        )
        folders[f"{ours}/"] = f"{theirs}/"

    def moved(path: str) -> str:
        for ours, theirs in folders.items():
            if path.startswith(ours):
                return theirs + path.removeprefix(ours)
        return path

    for item in rendered.objects:
        content = item.content
        if isinstance(content, Source):
            content = Source(moved(content.path))
        yield replace(item, path=moved(item.path), content=content)


def _keys_of(reader: Reader, record: Channel, state: State) -> Shipped:
    """The keys that a record's repositories ship."""
    coming = b""
    if record.key_hint:
        path = layout.hinted_key(record.key_hint)
        coming = reader.content(state.files.get(path, ""), path)
    return Shipped(_armored_of(reader, record, state), coming)


def _armored_of(reader: Reader, record: Channel, state: State) -> bytes:
    """All of them: its own snapshots have them, or the site has."""
    for base, repodata in record.repodata.items():
        folder = layout.snapshot_path(record.channel, base, repodata.snapshot)
        parts = [reader.store.get(f"{folder}/{name}") for name in repositories.HEADS]
        data = [part.data for part in parts if part is not None]
        if len(data) == len(parts) and yum.snapshot_id(*data) == repodata.snapshot:
            return data[1]
    digest = state.files.get(layout.KEYRING_ARMORED, "")
    return reader.content(digest, layout.KEYRING_ARMORED)


def _index(reader: Reader, publisher: Publisher, state: State) -> Iterator[Object]:
    """Every index and graph with its signatures, and the live ones."""
    digest: str | None = state.index.sha256
    sequence = state.index.sequence
    while digest is not None and sequence >= state.history.index:
        path = layout.index_copy(sequence, digest)
        live = digest == state.index.sha256
        data = reader.content(digest, path, *([layout.INDEX] if live else []))
        found = Index.read(data, path)
        yield from repositories.signed_copy(path, data, publisher.signer, found.issued)
        if live:
            yield pointer(layout.INDEX, data, fresh=False)
        if found.graph_sha256:
            graph = layout.graph_copy(found.graph_sha256)
            text = reader.content(found.graph_sha256, graph, layout.GRAPH)
            yield from repositories.signed_copy(graph, text, publisher.signer, found.issued)
            if live:
                yield pointer(layout.GRAPH, text, fresh=False)
        digest, sequence = found.parent, sequence - 1
