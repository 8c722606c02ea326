"""Edits a site: read it, change it, commit once, and write all that follows."""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Generic, NamedTuple, TypeVar

from kubewright.models.site import Change, State
from kubewright.site import layout
from kubewright.site.draft import Draft, Publisher
from kubewright.site.objects import Kind, Object, Overtaken, Source
from kubewright.site.publication import Publication, render
from kubewright.site.reader import Reader
from kubewright.site.store import Store
from kubewright.site.words import deciding
from kubewright.site.writing import apply, lacking, rehearse, upload

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Edited(Generic[T]):
    """What an edit led to."""

    result: T
    """Of the change that was asked for."""
    changes: tuple[Change, ...]
    """Every object written, or, of a dry run, that would be."""
    finished: int | None
    """The number of an earlier publication that was cut short and is finished now."""


class Lost(Overtaken):
    """The store let two swaps of one pointer succeed, and this one's is not what the site goes on
    from.
    """


_LOST: Final = (
    "%s: the store let two publishers win at once, which it must not; publishing again on top of"
    " the other"
)


def _is_lost(reader: Reader, made: State) -> bool:
    """Whether a site whose swap was won does not go on from it."""
    return not reader.has_had(made)


class _Said(NamedTuple):
    """The last word that all is written: its tag, None where there is none."""

    tag: str | None

    @classmethod
    def read(cls, store: Store) -> "_Said":
        stored = store.get(layout.FINISHED)
        return cls(stored.tag if stored else None)

    def more(self, store: Store, word: Object) -> bool:
        """Write another word, if this is still the last."""
        if word.content is None or isinstance(word.content, Source):
            return False
        absent = self.tag is None
        return store.put(word.path, word.content, if_absent=absent, if_tag=self.tag)


def edit(
    store: Store,
    publisher: Publisher,
    change: Callable[[Draft], T],
    *,
    now: int,
    dry_run: bool = False,
) -> Edited[T]:
    """Publish what `change` puts into a draft of the site: one commit, whatever it touches.

    `change` is called again on what is published then when somebody else was faster; it refuses by
    raising, and then nothing is committed. Without a change an earlier publication that was cut
    short is finished. `now` is the publication clock in epoch seconds.
    """
    uploaded: set[tuple[str, str]] = set()
    is_lost = False
    while True:
        reader = Reader(store, publisher.anchor)
        present = reader.present()
        draft = Draft(reader, replace(present, finished=None) if is_lost else present, now)
        result = change(draft)
        publication = render(draft, publisher)
        number = present.state.number if present.state and present.unfinished else None
        if dry_run:
            return Edited(result, tuple(rehearse(store, publication.objects)), number)
        objects = [item for item in publication.objects if (item.path, item.sha256) not in uploaded]
        try:
            changes = _published(store, publisher, draft, publication, objects)
            return Edited(result, tuple(changes), number)
        except Lost:
            log.warning(_LOST, layout.TIMESTAMP)
            is_lost = True
        except Overtaken:
            log.info("%s: somebody else published meanwhile; trying again", layout.TIMESTAMP)
        uploaded |= {(item.path, item.sha256) for item in _release_files(draft)}


def _published(
    store: Store,
    publisher: Publisher,
    draft: Draft,
    publication: Publication,
    objects: Sequence[Object],
) -> list[Change]:
    """Commit a publication, and write all that follows from it. Raises Overtaken, and Lost."""
    present, made = draft.present, publication.state
    try:
        changes = _commit(store, objects, publication.tag)
    except Overtaken:
        if made is None or not Reader(store, publisher.anchor).has_had(made):
            raise
        # Somebody went on from this publication before it was seen to be committed.
        unseen = replace(publication, state=None, pointer=None)
        return _settle(store, publisher, draft.now, unseen, present.finished)
    if publication.objects:
        said = _Said(present.said)
        changes += _settle(store, publisher, draft.now, publication, present.state, said)
    return changes


def _commit(store: Store, objects: Sequence[Object], tag: str | None) -> list[Change]:
    """Write all but the last word. What was there before the commit may not be any more: somebody
    was pruning, who could not know that it is needed again; then it is written too.
    """
    changes = apply(store, _before_the_end(objects), tag)
    written = {change.path for change in changes}
    found = [item for item in objects if item.kind is Kind.immutable and item.path not in written]
    return changes + upload(store, lacking(store, found))


def _release_files(draft: Draft) -> list[Object]:
    found: list[Object] = []
    for release in draft.incoming.values():
        found += release.files
    return found


def _before_the_end(objects: Iterable[Object]) -> list[Object]:
    """All but the word that everything is written, which is written last of all."""
    return [item for item in objects if item.path != layout.FINISHED]


def _settle(
    store: Store,
    publisher: Publisher,
    now: int,
    publication: Publication,
    state: State | None,
    said: _Said | None = None,
) -> list[Change]:
    """Write again what was overwritten that somebody committed while this one was finishing.

    A late writer may have replaced newer objects by its own: they are made again from the state
    that is the site's by now. Then say that all is written, unless somebody has said more since
    `said` (None: it is read). Raises Lost.
    """
    changes: list[Change] = []
    made = publication.state
    written = made or state
    while True:
        said = said or _Said.read(store)
        current = deciding(store)
        reader = Reader(store, publisher.anchor)
        done = current is not None and current.data == publication.pointer
        # A damaged pointer is for `repair` to restore.
        if done or (present := reader.present()).state == written:
            last = next((one for one in publication.objects if one.path == layout.FINISHED), None)
            if last is None:
                return changes
            if said.more(store, last):
                return [*changes, last.change]
            said = None
            continue
        if made is not None and _is_lost(reader, made):
            raise Lost
        said, made = None, None
        present = replace(present, finished=written)
        again = render(Draft(reader, present, now), publisher)
        with suppress(Overtaken):
            changes += apply(store, _before_the_end(again.objects), again.tag)
            publication, written = again, again.state or present.state
