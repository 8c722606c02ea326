"""Reads a site: the pointer, the state that it names, and every document by the digest in it."""

import logging
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from kubewright import files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.metadata.chain import Roots, is_sound, refuse_expired, require_signed, roots
from kubewright.models.base import Sha256
from kubewright.models.document import REMEDY, Document
from kubewright.models.site import Channel, Index, Pointer, State
from kubewright.site import backups, foresight, layout, words
from kubewright.site.ahead import Ahead
from kubewright.site.anchor import Anchor
from kubewright.site.present import Present
from kubewright.site.store import Store, Stored
from kubewright.site.words import Word

if TYPE_CHECKING:
    from kubewright.models.manifest import Manifest

log = logging.getLogger(__name__)

D = TypeVar("D", bound=Document)


class Reader:
    """A site as its signed documents describe it; nothing is believed for lying there.

    With an `anchor` the present state must be signed by somebody trusted, and the metadata that
    leads to it by the keys of its roles. The state names all the rest by digest. Who only shows a
    site needs none.
    """

    mending = False
    """Whether what is wrong is to be passed over where something sound says the same."""

    def __init__(self, store: Store, anchor: Anchor | None = None) -> None:
        self.store, self.anchor = Ahead(store), anchor
        self.sound: set[str] = set()
        """The paths at which the bytes were found that were sought."""
        self._documents: dict[str, bytes] = {}
        self._read: dict[tuple[type[Document], str], Document] = {}
        self._backup: str | None = None
        self._foreseen = False

    def present(self) -> Present:
        """Read the pointer and the state that it names.

        A pointer that is lost or damaged is taken from the last finished publication. Raises
        VerificationFailed when the site has neither, what a sound pointer leads to is damaged, has
        expired, or is signed by nobody trusted, and RequestError for a site of another format.
        """
        foresight.present(self.store, self.anchor)
        stored, done = self.store.get(layout.TIMESTAMP), self.store.get(layout.FINISHED)
        tag, said = stored.tag if stored else None, done.tag if done else None
        stored = stored or self.store.get(layout.CURRENT)
        last = self._word(done.data) if done else None
        same = stored is not None and done is not None and stored.data == done.data
        current = last if same else self._word(stored.data) if stored else None
        if current is None and last is None:
            if stored is not None or done is not None or self._others():
                raise VerificationFailed(layout.TIMESTAMP, "lost or damaged", REMEDY)
            return Present(tag, None, None, None, said=said)
        state = self._state(current.pointer) if current else None
        if last is not None and last != current and self._is_damaged(stored, current, state):
            where = f"publication {last.pointer.number} stands"
            log.warning("%s: lost or damaged; %s", layout.TIMESTAMP, where)
            state, current = self._state(last.pointer), last
        if state is None or current is None:
            raise VerificationFailed(
                layout.TIMESTAMP, "names a state that is missing or damaged", REMEDY
            )
        self._refuse_strange(current, state)
        finished = state if last == current else self._state(last.pointer) if last else None
        if finished != state:
            copy = layout.state_copy(state.number, current.pointer.sha256)
            self._backup = layout.backup_copy(copy)
        return Present(tag, state, current.pointer.sha256, finished, current, last, said)

    def at(self, path: str, sha256: str | None) -> bytes | None:
        """A file of the site; with a digest only if it has that."""
        if sha256 is not None:
            return self.sought(sha256, path)
        stored = self.store.get(path)
        return stored.data if stored else None

    @cached_property
    def roots(self) -> Roots | None:
        """The roots of the site from the one that is trusted; None where none is.

        Raises VerificationFailed for one that the trusted one does not lead to.
        """
        if self.anchor is None or not self.anchor.roots:
            return None
        return roots(self.anchor.roots, self.at, self.anchor.place, mending=self.mending)

    def _word(self, data: bytes) -> Word | None:
        return words.read(data, self.at)

    def _is_damaged(self, stored: Stored | None, word: Word | None, state: State | None) -> bool:
        """Whether a pointer is damaged, and not what it leads to."""
        if stored is None:
            return True
        if word is not None and word.published is None:
            return state is None and not self._has_state(word.pointer)
        root = self.roots.judge if self.roots else None
        # What leads to a state without being signed is refused, but by who mends, and by who takes
        # the freshness key away from whoever may have it.
        if self.mending or (self.roots is not None and self.roots.handed_over):
            return not is_sound(stored.data, self.at, root)
        return (word is None or state is None) and not is_sound(stored.data, None, root)

    def _refuse_strange(self, word: Word, state: State) -> None:
        """Refuse a state that nobody trusted has signed, whoever points to it."""
        if self.anchor is None:
            return
        pointer = word.pointer
        path = layout.state_copy(pointer.number, pointer.sha256)
        data = self.content(pointer.sha256, path, layout.STATE)
        stored = [self.store.get(name) for name in layout.signatures(path)]
        openpgp, ecdsa = (one.data if one else None for one in stored)
        if not self.anchor.vouched(data, openpgp, ecdsa, self._keyring()):
            names = ", ".join(key.id for key in state.keys) or "none"
            raise VerificationFailed(
                path,
                f"not signed by your keys (it names {names}), so nothing is made from it",
                "if it is yours, published with other keys, name their public files with --trust; "
                "if not, restore the site from a copy",
            )
        if word.published is None and state.root is not None:
            raise VerificationFailed(layout.TIMESTAMP, "lost, and nothing says it again", REMEDY)
        if self.roots is not None and word.published is not None:
            root = self.roots.judge
            try:
                require_signed(word.published, root)
            except VerificationFailed as error:
                if self.roots.present is not None:
                    raise
                remedy = "name the root before this one too: --root OLD --root NEW"
                raise VerificationFailed(error.place, error.problem, remedy) from error
            if self.anchor.now is not None and pointer.sha256 != self.anchor.seen:
                refuse_expired(word.published, root, self.anchor.now)

    def _keyring(self) -> bytes:
        """The OpenPGP keys that lie at their place, which the state may name or not."""
        stored = self.store.get(layout.KEYRING)
        data = stored.data if stored else b""
        self._documents.setdefault(files.sha256(data), data)
        return data

    def has_had(self, state: State) -> bool:
        """Whether a state is that of the site, or one of those before it."""
        found = self.present()
        if found.state is not None and found.sha256 is not None:
            for older, digest in self.states(found.state, found.sha256):
                if older.number <= state.number:
                    return digest == files.sha256(state.to_bytes())
        return False

    def channel(self, state: State, name: str) -> Channel | None:
        """A channel's record; None if the site has no such channel."""
        copy = state.channels.get(name)
        if copy is None:
            return None
        path = layout.channel_copy(name, copy.sequence, copy.sha256)
        return self.document(Channel, copy.sha256, path, layout.channel_path(name))

    def channels(self, state: State) -> dict[str, Channel]:
        """Every channel of a state by name."""
        found = {name: self.channel(state, name) for name in state.channels}
        return {name: record for name, record in found.items() if record is not None}

    def index(self, state: State) -> Index:
        """The index of releases."""
        path = layout.index_copy(state.index.sequence, state.index.sha256)
        return self.document(Index, state.index.sha256, path, layout.INDEX)

    def foresee_history(self) -> None:
        """Ask a distant store at once for all documents of the site's history, the first time."""
        if not self._foreseen:
            self._foreseen = True
            foresight.history(self.store)

    def states(self, newest: State, sha256: Sha256) -> Iterator[tuple[State, Sha256]]:
        """A state and those before it that the site still has, with their digests, newest first.

        Raises VerificationFailed for a broken chain.
        """
        state, digest, oldest = newest, sha256, newest.history.state
        yield state, digest
        while state.parent is not None and state.number > oldest:
            digest = state.parent
            state = self.document(State, digest, layout.state_copy(state.number - 1, digest))
            yield state, digest

    def indexes(self, state: State) -> Iterator[tuple[Index, Sha256]]:
        """The same of indexes of releases."""
        index, digest = self.index(state), state.index.sha256
        yield index, digest
        while index.parent is not None and index.sequence > state.history.index:
            digest = index.parent
            index = self.document(Index, digest, layout.index_copy(index.sequence - 1, digest))
            yield index, digest

    def manifest(self, path: str, sha256: str) -> "Manifest":
        """A release's manifest, which a channel or the index names."""
        # Most of the models, and not all verbs ask.
        from kubewright.models.manifest import Manifest

        return self.document(Manifest, sha256, path)

    def history(self, record: Channel, oldest: int) -> list[Channel]:
        """A channel's publications, oldest first. Raises VerificationFailed for a broken chain."""
        return [one for one, _ in self.records(record, "", oldest)][::-1]

    def records(
        self, newest: Channel, sha256: str, oldest: int
    ) -> Iterator[tuple[Channel, Sha256]]:
        """A channel's record and those before it that are left, with digests, newest first."""
        record, digest = newest, sha256
        yield record, digest
        while record.parent is not None and record.sequence > oldest:
            digest = record.parent
            path = layout.channel_copy(record.channel, record.sequence - 1, digest)
            record = self.document(Channel, digest, path)
            yield record, digest

    def document(self, model: type[D], sha256: str, *paths: str) -> D:
        """The document with a digest, from the first of its places that has these bytes.

        Raises VerificationFailed that names the first place when none has.
        """
        found = self._read.get((model, sha256))
        if not isinstance(found, model):
            found = self._read[model, sha256] = model.read(self.content(sha256, *paths), paths[0])
        return found

    def content(self, sha256: str, *paths: str) -> bytes:
        """The bytes with a digest, from the first of their places that has them."""
        if sha256 not in self._documents:
            data = self.sought(sha256, *paths) or self._second_copy(sha256)
            if data is None:
                raise VerificationFailed(paths[0], "missing or damaged", REMEDY)
            self._documents[sha256] = data
        return self._documents[sha256]

    def _second_copy(self, sha256: str) -> bytes | None:
        """A document that came with the present state, where not all of that is written yet."""
        stored = self.store.get(self._backup) if self._backup else None
        with suppress(ValueError):  # a damaged one
            for data in backups.read(stored.data).values() if stored else ():
                if files.sha256(data) == sha256:
                    return data
        return None

    def sought(self, sha256: str, *paths: str) -> bytes | None:
        """The same, but None where no place has them; a place that was expected comes first."""
        for path in sorted(paths, key=lambda path: self.store.peek(path) is None):
            stored = self.store.get(path)
            if stored is not None and files.sha256(stored.data) == sha256:
                self.sound.add(path)
                return stored.data
        return None

    def _state(self, pointer: Pointer) -> State | None:
        path = layout.state_copy(pointer.number, pointer.sha256)
        data = self.sought(pointer.sha256, path, layout.STATE)
        if data is None:
            return None
        self._documents[pointer.sha256] = data
        return State.read(data, path)

    def _has_state(self, pointer: Pointer) -> bool:
        """Whether a pointer whose state cannot be read is sound: the site has had that state.

        A damaged one names nothing that lies here, or a state that has another digest.
        """
        path = layout.state_copy(pointer.number, pointer.sha256)
        stored = self.store.get(path)
        if stored is not None:
            return layout.state_copy(pointer.number, files.sha256(stored.data)) != path
        beside = (*layout.signatures(path), layout.backup_copy(path))
        return any(self.store.stat(name) is not None for name in beside)

    def _others(self) -> bool:
        """Whether the site has documents although nothing says which are its own."""
        index = self.store.get(layout.INDEX)
        if index is None:
            return False
        if not self.store.list(layout.STATES):
            raise RequestError(
                layout.INDEX,
                "published by a kubewright before its first release, in another form",
                "publish on a new site: choose another --site",
            )
        return True
