"""Removes objects that nothing names any more, beside publishers who may name them again."""

import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fnmatch import filter as matching
from functools import partial

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


_ROOTS = ("tuf/*.root.json", "publications/metadata/*.root.backup.json")
"""What leads everybody to the newest root, however old theirs is."""


def removable(paths: Iterable[str]) -> set[str]:
    """Those of these objects that may ever be removed: all but roots."""
    found = {*paths}
    for root in _ROOTS:
        found -= {*matching(found, root)}
    return found


def remove(store: Store, anchor: Anchor | None, paths: Sequence[str]) -> tuple[str, ...]:
    """Remove those of these objects that no document of the site names; their paths. Without an
    `anchor` nothing is known of roots.

    A publisher looks again, after its commit, at what it found to be there; this looks again at who
    has published, after each batch. So one of both puts back what is needed again.
    """
    removed: list[str] = []
    named, tag = _named(store, anchor)
    for start in range(0, len(paths), BATCH):
        unnamed = [path for path in paths[start : start + BATCH] if path not in named]
        taken = _all_taken(store, unnamed)
        removed += [path for path, was in taken.items() if was is not None]
        saved = {path: was for path, was in taken.items() if was}
        if _tag(store) != tag:
            named, tag = _named(store, anchor)
            for path in saved.keys() & named:
                log.info("%s: named again by somebody who published meanwhile; put back", path)
                store.put(path, saved[path], if_absent=True)
                removed.remove(path)
    return tuple(removed)


def _all_taken(store: Store, paths: Sequence[str]) -> dict[str, bytes | None]:
    """Remove these objects, from a distant store all at once; what each was."""
    take = partial(_taken, store)
    if not store.distant:
        return {path: take(path) for path in paths}
    with ThreadPoolExecutor(BATCH) as pool:
        return dict(zip(paths, pool.map(take, paths), strict=True))


def _taken(store: Store, path: str) -> bytes | None:
    """Remove an object; its bytes, none of one that is too large for that. None: none was there."""
    stat = store.stat(path)
    if stat is None:
        return None
    stored = store.get(path) if stat.size <= LARGEST else None
    store.delete(path)
    return stored.data if stored else b""


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
