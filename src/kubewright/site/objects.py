"""A publication as a list of objects."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from kubewright import files
from kubewright.models.site import Change


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
    absent: bool = False
    """Whether nothing was at the path a moment ago."""

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


def in_order(objects: Iterable[Object]) -> tuple[Object, ...]:
    """Immutable objects (copies after what they copy), the record, and the pointers as they are."""

    def rank(item: Object) -> int:
        later = {Kind.immutable: 0, Kind.record: 2, Kind.pointer: 3}[item.kind]
        return later + isinstance(item.content, Source)

    return tuple(sorted(objects, key=rank))
