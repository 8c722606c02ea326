"""Reads a site: the pointer, the state that it names, and every document by the digest in it."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from kubewright import files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.base import Sha256
from kubewright.models.document import REMEDY, Document
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, Index, Pointer, State
from kubewright.site import layout
from kubewright.site.store import Store

log = logging.getLogger(__name__)

D = TypeVar("D", bound=Document)

Vouched = Callable[[bytes, bytes | None, bytes | None], bool]
"""Whether somebody who is trusted has signed a document: takes it with its OpenPGP and its ECDSA
signature, None for one that is not there.
"""


@dataclass(frozen=True)
class Present:
    """What is published now. A site that has nothing yet has neither state nor pointer."""

    tag: str | None
    """Of the pointer's bytes, for the swap."""
    state: State | None
    sha256: Sha256 | None
    """Of the state."""
    finished: State | None
    """The state that everything derived was last written for; None: that is not known."""

    @property
    def unfinished(self) -> bool:
        """Whether a publication was committed, but not all that follows from it is written."""
        return self.state is not None and self.finished != self.state


class Reader:
    """A site as its signed documents describe it; nothing is believed for lying there.

    With `vouched` the present state must be signed by somebody trusted. It names all the rest by
    digest. Who only shows a site needs none.
    """

    def __init__(self, store: Store, vouched: Vouched | None = None) -> None:
        self.store, self._vouched = store, vouched
        self._documents: dict[str, bytes] = {}

    def present(self) -> Present:
        """Read the pointer and the state that it names.

        A pointer that is lost or damaged is taken from the last finished publication. Raises
        VerificationFailed when the site has neither, the state of a sound pointer is damaged, or
        nobody trusted has signed the state, and RequestError for a site of another format.
        """
        stored = self.store.get(layout.CURRENT)
        current = _pointer(stored.data) if stored else None
        finished = self.store.get(layout.FINISHED)
        last = _pointer(finished.data) if finished else None
        tag = stored.tag if stored else None
        if current is None and last is None:
            if stored is not None or finished is not None or self._others():
                raise VerificationFailed(layout.CURRENT, "lost or damaged", REMEDY)
            return Present(tag, None, None, None)
        state = self._state(current) if current else None
        damaged = current is None or (state is None and not self._has_state(current))
        if damaged and last is not None and last != current:
            log.warning("%s: lost or damaged; publication %d stands", layout.CURRENT, last.number)
            state, current = self._state(last), last
        if state is None or current is None:
            raise VerificationFailed(
                layout.CURRENT, "names a state that is missing or damaged", REMEDY
            )
        self._refuse_strange(current)
        done = state if last == current else self._state(last) if last else None
        return Present(tag, state, current.sha256, done)

    def _refuse_strange(self, pointer: Pointer) -> None:
        """Refuse a state that nobody trusted has signed, whoever points to it."""
        if self._vouched is None:
            return
        path = layout.state_copy(pointer.number, pointer.sha256)
        data = self.content(pointer.sha256, path, layout.STATE)
        stored = [self.store.get(name) for name in layout.signatures(path)]
        openpgp, ecdsa = (one.data if one else None for one in stored)
        if not self._vouched(data, openpgp, ecdsa):
            names = ", ".join(key.id for key in State.read(data, path).keys) or "none"
            raise VerificationFailed(
                path,
                f"not signed by your keys (it names {names}), so nothing is made from it",
                "if it is yours, published with other keys, name their public files with --trust; "
                "if not, restore the site from a copy",
            )

    def has_had(self, state: State) -> bool:
        """Whether a state is that of the site, or one of those before it."""
        present = self.present()
        found, digest = present.state, present.sha256
        while found is not None and digest is not None and found.number > state.number:
            digest = found.parent
            found = self._state(Pointer(number=found.number - 1, sha256=digest)) if digest else None
        return digest == files.sha256(state.to_bytes())

    def channel(self, state: State, name: str) -> Channel | None:
        """A channel's record; None if the site has no such channel."""
        copy = state.channels.get(name)
        if copy is None:
            return None
        path = layout.channel_copy(name, copy.sequence, copy.sha256)
        return self.document(Channel, copy.sha256, path, layout.channel_path(name))

    def channels(self, state: State) -> dict[str, Channel]:
        """Every channel of a state by name."""
        found = {}
        for name in state.channels:
            record = self.channel(state, name)
            if record is not None:
                found[name] = record
        return found

    def index(self, state: State) -> Index:
        """The index of releases."""
        path = layout.index_copy(state.index.sequence, state.index.sha256)
        return self.document(Index, state.index.sha256, path, layout.INDEX)

    def manifest(self, path: str, sha256: str) -> Manifest:
        """A release's manifest, which a channel or the index names."""
        return self.document(Manifest, sha256, path)

    def history(self, record: Channel) -> list[Channel]:
        """A channel's publications, oldest first. Raises VerificationFailed for a broken chain."""
        found = [record]
        while found[-1].parent is not None:
            newer = found[-1]
            parent, sequence = str(newer.parent), newer.sequence - 1
            path = layout.channel_copy(newer.channel, sequence, parent)
            found.append(self.document(Channel, parent, path))
        return found[::-1]

    def document(self, model: type[D], sha256: str, *paths: str) -> D:
        """The document with a digest, from the first of its places that has these bytes.

        Raises VerificationFailed that names the first place when none has.
        """
        return model.read(self.content(sha256, *paths), paths[0])

    def content(self, sha256: str, *paths: str) -> bytes:
        """The bytes with a digest, from the first of their places that has them."""
        if sha256 not in self._documents:
            data = self.sought(sha256, *paths)
            if data is None:
                raise VerificationFailed(paths[0], "missing or damaged", REMEDY)
            self._documents[sha256] = data
        return self._documents[sha256]

    def sought(self, sha256: str, *paths: str) -> bytes | None:
        """The same, but None where no place has them."""
        for path in paths:
            stored = self.store.get(path)
            if stored is not None and files.sha256(stored.data) == sha256:
                return stored.data
        return None

    def _state(self, pointer: Pointer) -> State | None:
        path = layout.state_copy(pointer.number, pointer.sha256)
        data = self.sought(pointer.sha256, path, layout.STATE)
        return None if data is None else State.read(data, path)

    def _has_state(self, pointer: Pointer) -> bool:
        """Whether a pointer whose state cannot be read is sound: the site has had that state.

        A pointer that is damaged names nothing that lies here, or a state whose own name fits it
        and the pointer does not.
        """
        path = layout.state_copy(pointer.number, pointer.sha256)
        stored = self.store.get(path)
        if stored is not None:
            digest = files.sha256(stored.data)
            return layout.state_copy(pointer.number, digest) != path
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


def _pointer(data: bytes) -> Pointer | None:
    """A pointer; None for bytes that are damaged. Raises RequestError for a newer format."""
    try:
        return Pointer.read(data, layout.CURRENT)
    except VerificationFailed:
        return None


def pointer_to(number: int, sha256: str) -> bytes:
    """How the pointer says which state is the site's: by its number and digest."""
    return Pointer(number=number, sha256=sha256).to_bytes()
