"""Edits a site: read it, change it, commit once, and write all that follows."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from kubewright.models.site import Change, State
from kubewright.site import layout
from kubewright.site.draft import Draft, Publisher
from kubewright.site.objects import Object, Overtaken, apply, rehearse
from kubewright.site.publication import Publication, render
from kubewright.site.reader import Reader
from kubewright.site.store import Store

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
        reader = Reader(store)
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
            log.info("%s: somebody else published meanwhile; trying again", layout.CURRENT)
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


def _the_end(publication: Publication) -> list[Object]:
    """That word alone."""
    return [item for item in publication.objects if item.path == layout.FINISHED]


def _settle(
    store: Store, publisher: Publisher, now: int, publication: Publication, state: State | None
) -> list[Change]:
    """Write again what was overwritten that somebody committed while this one was finishing.

    A late writer may have replaced newer objects by its own: they are made again from the state
    that is the site's by now. Then say that all is written, and see that this is still true.
    """
    changes: list[Change] = []
    written, said = publication.state or state, False
    while True:
        current = store.get(layout.CURRENT)
        if current is not None and current.data == publication.pointer:
            if said:
                return changes
            changes += apply(store, _the_end(publication), None)
            said = True
            continue
        reader = Reader(store)
        present = reader.present()
        if present.state == written:  # the pointer is damaged: `repair` restores it
            return [*changes, *apply(store, _the_end(publication), None)]
        present = replace(present, finished=written)
        again = render(Draft(reader, present, now), publisher)
        with suppress(Overtaken):
            changes += apply(store, _before_the_end(again.objects), again.tag)
            publication, written, said = again, again.state or present.state, False
