"""The one function that makes a store hold the objects of a publication."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from kubewright import files
from kubewright.errors import PublicationConflict, VerificationFailed
from kubewright.models.site import Change
from kubewright.site.objects import Kind, Object, Overtaken, Source, in_order
from kubewright.site.store import Store, is_same

WRITERS = 8
"""How many immutable objects are written at once."""

FROM_AFAR = 64
"""How many objects are written at once to a distant store."""


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
    """The same in three rounds, in each of which all goes at once: what is sent, with copies of
    what is there; the swap, with copies of what was sent; pointers.

    Nothing names a copy before the pointers are replaced; what could be refused of one is seen
    before the swap. Readers go by one pointer, so among these the order matters to nobody, and the
    time between the first and the last is what is to be short.
    """
    with ThreadPoolExecutor(FROM_AFAR) as pool:
        written, late = _sent(pool, store, objects)
        copies = _where(pool, partial(_create, store, seen_absent=True), late)
        won = all(_swap(store, record, tag) for record in _of(objects, Kind.record))
        if not won:
            raise Overtaken
        written += [*copies, *_of(objects, Kind.record)]
        written += pool.map(partial(_replace, store), _of(objects, Kind.pointer))
    paths = {item.path for item in written}
    return [item.change for item in in_order(objects) if item.path in paths]


def _sent(
    pool: ThreadPoolExecutor, store: Store, objects: Iterable[Object]
) -> tuple[list[Object], list[Object]]:
    """Send immutable objects, and make the copies of what the store has already: what was written,
    and the copies of what was sent, which are still to be made.

    What the store did not have until now has no copies; others are looked up, in one round.
    """
    firsts, copies = _firsts(objects), _copies(objects)
    coming = {item.path for item in firsts}
    early = [item for item in copies if _source(item) not in coming]
    late = [item for item in copies if _source(item) in coming]
    ready = [*firsts, *_where(pool, partial(_lacks, store), early)]
    written = [*_where(pool, partial(_create, store, seen_absent=True), ready)]
    sent = {item.path for item in written}
    return written, [*_where(pool, partial(_lacks, store, new=sent), late)]


def _where(
    pool: ThreadPoolExecutor, ask: Callable[[Object], bool], items: Sequence[Object]
) -> Iterator[Object]:
    """Ask about all at once; those of which it is true."""
    answers = pool.map(ask, items)
    return (item for item, answer in zip(items, answers, strict=True) if answer)


def _source(item: Object) -> str:
    """What an object is a copy of."""
    return item.content.path if isinstance(item.content, Source) else ""


def _lacks(store: Store, item: Object, *, new: Collection[str] = ()) -> bool:
    """Whether an object is still to be made, which a copy of what is `new` is. Raises as `_create`
    does, where it could not be.
    """
    return item.absent or _source(item) in new or not _there(store, item)


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
            changes += [item.change for item in _where(pool, partial(_create, store), wave)]
    return changes


def lacking(store: Store, objects: Sequence[Object]) -> list[Object]:
    """Those of these objects at whose place nothing is."""
    with ThreadPoolExecutor(FROM_AFAR if store.distant else WRITERS) as pool:
        return [*_where(pool, lambda item: store.stat(item.path) is None, objects)]


def rehearse(store: Store, objects: Sequence[Object]) -> list[Change]:
    """What `apply` would write, in its order."""
    with ThreadPoolExecutor(FROM_AFAR if store.distant else WRITERS) as pool:
        absent = [*_where(pool, partial(_lacks, store), _firsts(objects))]
        coming = {item.path for item in absent}
        lacks = partial(_lacks, store, new=coming if store.distant else ())
        absent += _where(pool, lacks, _copies(objects))
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
