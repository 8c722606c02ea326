"""Removes objects that nothing names any more, beside publishers who may name them again."""

import logging
from collections.abc import Sequence

from kubewright.site.anchor import Anchor
from kubewright.site.closure import closure
from kubewright.site.reader import Reader
from kubewright.site.store import Store
from kubewright.site.words import deciding

log = logging.getLogger(__name__)

BATCH = 64
"""So many objects go before somebody is looked for who has published meanwhile."""

LARGEST = 64 << 20
"""Bytes of an object that is put back where it is needed again; whoever published a larger one does
that itself.
"""


def remove(store: Store, anchor: Anchor | None, paths: Sequence[str]) -> tuple[str, ...]:
    """Remove those of these objects that no document of the site names; their paths. Without an
    `anchor` nothing is known of roots.

    A publisher looks again, after its commit, at what it found to be there; this looks again at who
    has published, after each batch. So one of both puts back what is needed again.
    """
    removed: list[str] = []
    named, tag = _named(store, anchor)
    there = [path for path in paths if path not in named and store.stat(path) is not None]
    for start in range(0, len(there), BATCH):
        saved: dict[str, bytes] = {}
        for path in there[start : start + BATCH]:
            if path in named:
                continue
            stat = store.stat(path)
            stored = store.get(path) if stat and stat.size <= LARGEST else None
            if stored is not None:
                saved[path] = stored.data
            store.delete(path)
            removed.append(path)
        if _tag(store) != tag:
            named, tag = _named(store, anchor)
            for path in saved.keys() & named:
                log.info("%s: named again by somebody who published meanwhile; put back", path)
                store.put(path, saved[path], if_absent=True)
                removed.remove(path)
    return tuple(removed)


def _named(store: Store, anchor: Anchor | None) -> tuple[set[str], str | None]:
    """All that the site's documents name, and the tag of the pointer that led to them."""
    while True:
        tag = _tag(store)
        reader = Reader(store, anchor)
        named = closure(reader, reader.present())
        if _tag(store) == tag:
            return named, tag


def _tag(store: Store) -> str | None:
    stored = deciding(store)
    return stored.tag if stored else None
