"""Edits a site: read it, change it, commit once, and write all that follows."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from kubewright.models.site import Change, State
from kubewright.site import layout
from kubewright.site.draft import Draft, Publisher
from kubewright.site.objects import Object, Overtaken, Source, apply, rehearse
from kubewright.site.publication import Publication, render
from kubewright.site.reader import Reader
from kubewright.site.store import Store, Stored
from kubewright.site.words import deciding

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
    while True:
        reader = Reader(store, publisher.anchor)
        present = reader.present()
        draft = Draft(reader, present, now)
        result = change(draft)
        publication = render(draft, publisher)
        number = present.state.number if present.state and present.unfinished else None
        if dry_run:
            return Edited(result, tuple(rehearse(store, publication.objects)), number)
        objects = [item for item in publication.objects if (item.path, item.sha256) not in uploaded]
        try:
            changes = apply(store, _before_the_end(objects), publication.tag)
        except Overtaken:
            made, reader = publication.state, Reader(store, publisher.anchor)
            if made is not None and reader.has_had(made):
                # Somebody went on from this publication before it was seen to be committed.
                unseen = replace(publication, state=None, pointer=None)
                changes = _settle(store, publisher, now, unseen, present.finished)
                return Edited(result, tuple(changes), number)
            log.info("%s: somebody else published meanwhile; trying again", layout.TIMESTAMP)
            uploaded |= {(item.path, item.sha256) for item in _release_files(draft)}
            continue
        if publication.objects:
            changes += _settle(store, publisher, now, publication, present.state)
        return Edited(result, tuple(changes), number)


def _release_files(draft: Draft) -> list[Object]:
    found: list[Object] = []
    for release in draft.incoming.values():
        found += release.files
    return found


def _before_the_end(objects: Iterable[Object]) -> list[Object]:
    """All but the word that everything is written, which is written last of all."""
    return [item for item in objects if item.path != layout.FINISHED]


def _settle(
    store: Store, publisher: Publisher, now: int, publication: Publication, state: State | None
) -> list[Change]:
    """Write again what was overwritten that somebody committed while this one was finishing.

    A late writer may have replaced newer objects by its own: they are made again from the state
    that is the site's by now. Then say that all is written, unless somebody has said more.
    """
    changes: list[Change] = []
    written = publication.state or state
    while True:
        said = store.get(layout.FINISHED)
        current = deciding(store)
        reader = Reader(store, publisher.anchor)
        done = current is not None and current.data == publication.pointer
        # A damaged pointer is for `repair` to restore.
        if done or (present := reader.present()).state == written:
            last = next((one for one in publication.objects if one.path == layout.FINISHED), None)
            if last is None:
                return changes
            if _say(store, last, said):
                return [*changes, last.change]
            continue
        present = replace(present, finished=written)
        again = render(Draft(reader, present, now), publisher)
        with suppress(Overtaken):
            changes += apply(store, _before_the_end(again.objects), again.tag)
            publication, written = again, again.state or present.state


def _say(store: Store, item: Object, said: Stored | None) -> bool:
    """Write the last word, if it is still what it was."""
    if isinstance(item.content, Source):
        return False
    tag = said.tag if said else None
    return store.put(item.path, item.content, if_absent=tag is None, if_tag=tag)
