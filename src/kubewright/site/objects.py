"""A publication as a list of objects, and the one function that makes a store hold them."""

from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from kubewright import files
from kubewright.errors import PublicationConflict, VerificationFailed
from kubewright.models.site import Change
from kubewright.site.store import Store, is_same

WRITERS = 8
"""How many immutable objects are written at once."""

FROM_AFAR = 64
"""How many objects are written at once to a distant store."""


class Kind(StrEnum):
    """How an object changes."""

    immutable = "immutable"
    """Never: whoever refers to it knows its bytes."""
    record = "record"
    """By compare-and-swap: the one pointer that decides."""
    pointer = "pointer"
    """By being replaced whole; it follows from the record and can be made again."""


class Source(NamedTuple):
    """The bytes of another object of the same site."""

    path: str


@dataclass(frozen=True)
class Object:
    """What is to lie at a path. `size` is in bytes, `sha256` the digest of the content."""

    path: str
    kind: Kind
    content: bytes | Path | Source | None
    """None: nothing is to lie there."""
    size: int
    sha256: str
    fresh: bool = True
    """Whether nothing was at the path before, as far as the last publication says."""
    lasting: bool = False
    """Of a signature: one that is there stays, because it was made at another time."""
    numbered: bool = False
    """Whether somebody else may have taken its number meanwhile; then it gets the next."""

    @property
    def change(self) -> Change:
        """What writing it does."""
        action = "create" if self.fresh else "replace"
        if self.content is None:
            action = "delete"
        elif isinstance(self.content, Source):
            action = "link"
        return Change.model_validate({"path": self.path, "action": action, "size": self.size})


def immutable(
    path: str,
    data: bytes,
    *,
    sha256: str | None = None,
    lasting: bool = False,
    numbered: bool = False,
) -> Object:
    """An object that never changes; its digest, where that is known already."""
    digest = sha256 or files.sha256(data)
    size = len(data)
    return Object(path, Kind.immutable, data, size, digest, lasting=lasting, numbered=numbered)


def pointer(path: str, data: bytes, *, fresh: bool, sha256: str | None = None) -> Object:
    """An object that is replaced; its digest, where that is known already."""
    return Object(path, Kind.pointer, data, len(data), sha256 or files.sha256(data), fresh)


def gone(path: str) -> Object:
    """A pointer that is to be there no more."""
    return Object(path, Kind.pointer, None, 0, "", fresh=False)


class Overtaken(Exception):
    """Somebody else published since the site was read; everything has to be derived again."""


def apply(store: Store, objects: Sequence[Object], tag: str | None) -> list[Change]:
    """Write immutable objects in parallel, swap the record, replace the pointers in their order.

    `tag` is of the record as it was read; None: there was none. Returns what was written. Raises
    Overtaken when the record has changed meanwhile, and PublicationConflict when an immutable path
    holds other bytes; then nobody sees anything of it.
    """
    if store.distant:
        return _apply_from_afar(store, objects, tag)
    changes = upload(store, objects)
    for record in _of(objects, Kind.record):
        if not _swap(store, record, tag):
            raise Overtaken
        changes.append(record.change)
    for item in _of(objects, Kind.pointer):
        changes.append(_replace(store, item).change)
    return changes


def _apply_from_afar(store: Store, objects: Sequence[Object], tag: str | None) -> list[Change]:
    """The same in three rounds, in each of which all goes at once.

    Copies are made beside the swap, for nothing names them before the pointers are replaced; what
    could be refused of them has been seen before. Readers go by one pointer, so among these the
    order matters to nobody, and the time between the first and the last is what is to be short.
    """
    firsts, copies = _firsts(objects), _copies(objects)
    coming = {item.path for item in firsts}
    with ThreadPoolExecutor(FROM_AFAR) as pool:
        written = pool.map(lambda item: _create(store, item), firsts)
        missing = pool.map(lambda item: _lacks(store, item, coming), copies)
        changes = [item.change for item, done in zip(firsts, written, strict=True) if done]
        copies = [item for item, lacks in zip(copies, missing, strict=True) if lacks]
        made = pool.map(lambda item: _create(store, item, seen_absent=True), copies)
        won = all(_swap(store, record, tag) for record in _of(objects, Kind.record))
        if not won:
            raise Overtaken
        changes += [item.change for item, done in zip(copies, made, strict=True) if done]
        changes += [record.change for record in _of(objects, Kind.record)]
        replaced = pool.map(lambda item: _replace(store, item), _of(objects, Kind.pointer))
        changes += [item.change for item in replaced]
    return changes


def _lacks(store: Store, item: Object, coming: Collection[str]) -> bool:
    """Whether a copy is still to be made. Raises as `_create` does, where it could not be."""
    if _there(store, item):
        return False
    if isinstance(item.content, Source) and item.content.path not in coming:
        _require_source(store, item.content, item.path)
    return True


def _replace(store: Store, item: Object) -> Object:
    if item.content is None:
        store.delete(item.path)
    elif not isinstance(item.content, Source):
        store.put(item.path, item.content)
    return item


def _swap(store: Store, record: Object, tag: str | None) -> bool:
    """Whether the record is this one now and not a rival's."""
    if record.content is None or isinstance(record.content, Source):
        return False
    if not store.put(record.path, record.content, if_absent=tag is None, if_tag=tag):
        return False
    # A store may let two rivals win: what it says afterwards counts.
    there = store.get(record.path)
    return there is not None and files.sha256(there.data) == record.sha256


def upload(store: Store, objects: Iterable[Object]) -> list[Change]:
    """Write the immutable objects that are not there yet, copies last; return those written."""
    changes = []
    for wave in (_firsts(objects), _copies(objects)):
        with ThreadPoolExecutor(WRITERS) as pool:
            written = pool.map(lambda item: _create(store, item), wave)
            changes += [item.change for item, done in zip(wave, written, strict=True) if done]
    return changes


def lacking(store: Store, objects: Sequence[Object]) -> list[Object]:
    """Those of these objects at whose place nothing is."""
    with ThreadPoolExecutor(FROM_AFAR if store.distant else WRITERS) as pool:
        stats = pool.map(store.stat, [item.path for item in objects])
        return [item for item, stat in zip(objects, stats, strict=True) if stat is None]


def rehearse(store: Store, objects: Sequence[Object]) -> list[Change]:
    """What `apply` would write, in its order."""
    immutables = [*_firsts(objects), *_copies(objects)]
    with ThreadPoolExecutor(FROM_AFAR if store.distant else WRITERS) as pool:
        there = pool.map(lambda item: _there(store, item), immutables)
        absent = [item for item, is_there in zip(immutables, there, strict=True) if not is_there]
    coming = {item.path for item in absent}
    for item in absent:
        if isinstance(item.content, Source) and item.content.path not in coming:
            _require_source(store, item.content, item.path)
    rest = (*_of(objects, Kind.record), *_of(objects, Kind.pointer))
    return [item.change for item in (*absent, *rest)]


def _of(objects: Iterable[Object], kind: Kind) -> list[Object]:
    return [item for item in objects if item.kind is kind]


def _firsts(objects: Iterable[Object]) -> list[Object]:
    """The immutable objects whose bytes are sent."""
    return [item for item in _of(objects, Kind.immutable) if not isinstance(item.content, Source)]


def _copies(objects: Iterable[Object]) -> list[Object]:
    """Those whose bytes another object has."""
    return [item for item in _of(objects, Kind.immutable) if isinstance(item.content, Source)]


def _create(store: Store, item: Object, *, seen_absent: bool = False) -> bool:
    """Write an immutable object; False if it is there already."""
    if isinstance(item.content, Source):
        if store.copy(item.content.path, item.path, seen_absent=seen_absent):
            return True
        if _there(store, item):
            return False
        _require_source(store, item.content, item.path)
    elif item.content is not None and store.put(item.path, item.content, if_absent=True):
        return True
    elif item.lasting:
        return False
    if not _there(store, item):
        raise VerificationFailed(
            item.path, "cannot be written, or was removed meanwhile", "publish again"
        )
    return False


def _require_source(store: Store, source: Source, path: str) -> None:
    """Raise VerificationFailed if there is nothing to copy to a path."""
    if store.stat(source.path) is None:
        raise VerificationFailed(
            source.path, f"missing on the site, but {path} needs it", "run `kubewright repair`"
        )


def is_other(store: Store, item: Object) -> bool:
    """Whether other bytes are at the place of an object."""
    there = store.stat(item.path)
    return there is not None and not is_same(store, item.path, there, item.size, item.sha256)


def _there(store: Store, item: Object) -> bool:
    """Whether an immutable object is there. Raises PublicationConflict when other bytes are, and
    Overtaken when they have its number.
    """
    there = store.stat(item.path)
    if there is None:
        return False
    if item.lasting or is_same(store, item.path, there, item.size, item.sha256):
        return True
    if item.numbered:
        raise Overtaken
    raise PublicationConflict(
        item.path,
        "published already with other bytes; a published name keeps its bytes",
        "publish the change under a new --revision; if `kubewright verify` calls this file"
        " damaged, run `kubewright repair`",
    )


def in_order(objects: Iterable[Object]) -> tuple[Object, ...]:
    """Immutable objects (copies after what they copy), the record, and the pointers as they are."""

    def rank(item: Object) -> int:
        later = {Kind.immutable: 0, Kind.record: 2, Kind.pointer: 3}[item.kind]
        return later + isinstance(item.content, Source)

    return tuple(sorted(objects, key=rank))
