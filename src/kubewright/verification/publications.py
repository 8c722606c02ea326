"""Checks the pointer, the state that it names, and every publication before it."""

from collections.abc import Iterator
from typing import TypeVar

from kubewright import files
from kubewright.errors import VerificationFailed
from kubewright.metadata import chain
from kubewright.models.document import REMEDY
from kubewright.models.pruned import Pruned
from kubewright.models.site import Channel, Index, Pointer, State
from kubewright.site import freshness, layout, words
from kubewright.site.references import references
from kubewright.site.words import Word
from kubewright.verification import backups, identity, metadata
from kubewright.verification.source import getting
from kubewright.verification.walk import Walk

D = TypeVar("D", Channel, Index)


def state(walk: Walk) -> State | None:
    """The state of the site, which the pointer names; its history on the way."""
    last = _word(walk, layout.FINISHED)
    legacy = walk.source.read(layout.TIMESTAMP) is None and walk.source.read(layout.CURRENT)
    word = _word(walk, layout.CURRENT if legacy else layout.TIMESTAMP) or last
    if word is None:
        return None
    current, finished = word.pointer, last.pointer if last else None
    if word.published is not None:
        metadata.check(walk, word.published, word.data)
    walk.history[current.number] = current.sha256
    walk.expect(references(current))
    path = layout.state_copy(current.number, current.sha256)
    found = walk.document(State, path, current.sha256)
    walk.renewed = freshness.dated(word)
    if finished is not None and finished != current:
        walk.unfinished = True
        _unfinished(walk, current, finished, found)
    elif last is not None and walk.renewed != freshness.dated(last):
        walk.unfinished, walk.undated = True, True
        walk.tally.warnings.append(_UNDATED)
    if found is None:
        found = _live(walk, current)
    if found is None:
        return None
    if not walk.unfinished:
        same = walk.source.read(layout.STATE) == walk.source.read(path)
        walk.tally.require(layout.STATE, same, f"differs from {path}; {REMEDY}")
    walk.state = found
    _states(walk, path, found)
    if word.published is not None:
        metadata.described(walk, found, word.published)
    else:
        lost = f"missing, though the state names the root of its metadata; {REMEDY}"
        walk.tally.require(layout.TIMESTAMP, found.root is None, lost)
    return found


_UNDATED = (
    "suites are being renewed, or that was cut short; if nobody is publishing, run"
    " `kubewright refresh`"
)


def _live(walk: Walk, current: Pointer) -> State | None:
    """The state where a second copy of it lies: the rest can be checked all the same."""
    data = walk.source.read(layout.STATE)
    if data is None or files.sha256(data) != current.sha256:
        return None
    return State.read(data, layout.STATE)


def _word(walk: Walk, path: str) -> Word | None:
    """What a pointer says; what it is worth is checked where it leads."""
    walk.named.update((path, layout.STATE, layout.CURRENT))
    with walk.tally.check(path):
        data = walk.must(path)
        if words.is_metadata(data):
            published = chain.follow(data, getting(walk.source))
            return Word(data, words.pointer_of(published), published)
        found = walk.read(Pointer, data, path)
        walk.tally.require(path, found.to_bytes() == data, f"not just a pointer; {REMEDY}")
        return Word(data, found)
    return None


def _unfinished(walk: Walk, current: Pointer, finished: Pointer, found: State | None) -> None:
    """Note what a publication changes whose objects are not all written yet."""
    path = layout.state_copy(finished.number, finished.sha256)
    before = walk.document(State, path, finished.sha256)
    after = found.channels if found else {}
    known = before.channels if before else {}
    walk.unwritten = frozenset(name for name, copy in after.items() if known.get(name) != copy)
    channels = f" of {', '.join(sorted(walk.unwritten))}" if walk.unwritten else ""
    walk.tally.warnings.append(
        f"publication {current.number}{channels} is not finished: somebody is publishing, or was"
        " cut short; if nobody is, run `kubewright refresh`"
    )


def _states(walk: Walk, path: str, newest: State) -> None:
    """A state and those before it: each names the one before, both keys sign each."""
    child = newest
    while True:
        walk.nameless = not child.site
        identity.check(walk, path, child)
        walk.signed(path, past=child is not newest)
        backups.check(walk, path, child)
        if child.parent is None:
            walk.tally.require(path, child.number == 1, "names no parent, but is not the first")
            return
        if child.number <= newest.history.state:
            _given_up(walk, newest, child.parent, child.number - 1)
            return
        walk.history[child.number - 1] = child.parent
        walk.expect(references(Pointer(number=child.number - 1, sha256=child.parent)))
        path = layout.state_copy(child.number - 1, child.parent)
        parent = walk.document(State, path, child.parent)
        if parent is None:  # then nothing says what comes before
            return
        walk.tally.require(path, parent.number == child.number - 1, "has another number")
        child = parent


def _given_up(walk: Walk, newest: State, parent: str, number: int) -> None:
    """The publications before the oldest that the site still has: their digests."""
    digest = newest.history.pruned or ""
    path = layout.pruned_copy(digest)
    gone = walk.document(Pruned, path, digest)
    if gone is not None:
        walk.history |= {int(one): sha256 for one, sha256 in gone.states.items()}
        same = walk.history.get(number) == parent
        walk.tally.require(path, same, f"has another publication {number} than follows from it")


def index(walk: Walk, state: State) -> Index | None:
    """The index that a state names, like its live copy, with every index before it."""
    copy = state.index
    path = layout.index_copy(copy.sequence, copy.sha256)
    found = walk.document(Index, path, copy.sha256)
    if not walk.unfinished:
        _same(walk, layout.INDEX, path)
    walk.named.add(layout.INDEX)
    if found is not None:
        identity.address(walk, path, found.url)
        for place, older in _history(walk, found, path, state.history.index):
            identity.check(walk, place, older)
            walk.signed(place, past=older is not found)
            if older.graph_sha256 is not None:
                walk.signed(layout.graph_copy(older.graph_sha256), past=True)
            for reference in references(older):
                if reference.path != layout.GRAPH or (older is found and not walk.unfinished):
                    walk.expect([reference])
        walk.named.add(layout.GRAPH)
    return found


def channel(walk: Walk, state: State, name: str) -> Channel | None:
    """The record of a channel that a state names, like its live copy, with those before it."""
    copy = state.channels[name]
    path = layout.channel_copy(name, copy.sequence, copy.sha256)
    found = walk.document(Channel, path, copy.sha256)
    if name not in walk.unwritten:
        _same(walk, layout.channel_path(name), path)
    walk.named.add(layout.channel_path(name))
    return found


def channel_history(walk: Walk, newest: Channel, path: str, oldest: int) -> Iterator[Channel]:
    """A channel's records, newest first, to the oldest that is left; both keys sign each."""
    promised = dict[int, tuple[str, str]]()
    for place, record in _history(walk, newest, path, oldest):
        identity.check(walk, place, record)
        walk.signed(place, past=record is not newest)
        promised |= {one.sequence: (place, one.sha256) for one in record.earlier}
        if record.sequence in promised:
            named, digest = promised[record.sequence]
            same = place == layout.channel_copy(record.channel, record.sequence, digest)
            walk.tally.require(named, same, f"names another record {record.sequence} than {place}")
        yield record


def _same(walk: Walk, live: str, copy: str) -> None:
    with walk.tally.check(live):
        same = walk.must(live) == walk.source.read(copy)
        walk.tally.require(live, same, f"differs from {copy}; {REMEDY}")


def _history(walk: Walk, newest: D, path: str, oldest: int) -> Iterator[tuple[str, D]]:
    """A document and those before it, each where its immutable copy lies."""
    found: D | None = newest
    while found is not None:
        walk.named.update((path, *layout.signatures(path)))
        yield path, found
        if found.parent is None:
            first = found.sequence == 1
            walk.tally.require(path, first, "names no parent, but is not the first")
            return
        if found.sequence <= oldest:
            return
        older = found.sequence - 1
        path = _copy(found, older, found.parent)
        parent = walk.document(type(newest), path, found.parent)
        if parent is not None and parent.sequence != older:
            raise VerificationFailed(path, f"says that it is number {parent.sequence}", REMEDY)
        found = parent


def _copy(document: Channel | Index, sequence: int, sha256: str) -> str:
    """Where the immutable copy of another number of the same document lies."""
    if isinstance(document, Channel):
        return layout.channel_copy(document.channel, sequence, sha256)
    return layout.index_copy(sequence, sha256)
