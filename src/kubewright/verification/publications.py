"""Checks documents that change, the index and the channels, and the chain of their immutable
copies.
"""

from collections.abc import Callable
from typing import TypeVar

from kubewright import files
from kubewright.models.site import Channel, Index
from kubewright.verification.walk import Walk

D = TypeVar("D", Channel, Index)

Copy = Callable[[int], str]
"""Where the immutable copy with a sequence number lies."""


def document(walk: Walk, path: str, model: type[D], copy: Copy) -> D | None:
    """A document: equal to its newest copy, and with every copy before it back to the first."""
    with walk.tally.check(path):
        data = walk.must(path)
        found = model.from_bytes(data)
        newest, next_one = copy(found.sequence), copy(found.sequence + 1)
        with walk.tally.check(newest):
            walk.tally.require(
                path, walk.must(newest) == data, f"differs from {newest}; publish again"
            )
        _signed(walk, newest, data)
        with walk.tally.check(next_one):
            replayed = walk.source.read(next_one) is not None
            walk.tally.require(
                path, not replayed, f"is older than {next_one}: somebody put an earlier one back"
            )
        _parents(walk, found, model, copy)
        return found
    return None


def _parents(walk: Walk, newest: D, model: type[D], copy: Copy) -> None:
    """Each copy names the one before it by digest; both keys sign each."""
    child: D | None = newest
    for sequence in range(newest.sequence - 1, 0, -1):
        place = copy(sequence)
        data = walk.there(place)
        if data is None:  # then nothing says what comes before
            return
        parent = child.parent if child else None
        if child:
            walk.tally.require(
                place, files.sha256(data) == parent, "is not the parent that the next one names"
            )
        _signed(walk, place, data)
        child = None
        with walk.tally.check(place):
            child = model.from_bytes(data)
            walk.tally.require(
                place, child.sequence == sequence, f"says that it is number {child.sequence}"
            )
    if child:
        walk.tally.require(copy(1), child.parent is None, "is the first, but names a parent")


def _signed(walk: Walk, place: str, data: bytes) -> None:
    walk.openpgp(f"{place}.asc", data)
    walk.artifact(f"{place}.sig", data)
