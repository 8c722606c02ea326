"""Where a site is written: the one interface to directories and buckets.

A path is relative to the site's root, with `/` between its parts. A store holds objects: it has no
directories and renames nothing.
"""

from pathlib import Path
from typing import NamedTuple, Protocol

from kubewright.errors import RequestError

Content = bytes | Path
"""The bytes of an object, or the local file that has them."""


class Stored(NamedTuple):
    """An object that was read; the tag changes with its bytes and stands for them in `put`."""

    data: bytes
    tag: str


class Stat(NamedTuple):
    """What a store says of an object without handing it over; None: it does not know."""

    size: int
    sha256: str | None


class Store(Protocol):
    """The root of a site. What it cannot read or write raises an error that names the path."""

    @property
    def distant(self) -> bool:
        """Whether each request costs a way through a network, so that many go at once."""

    def get(self, path: str) -> Stored | None:
        """Read an object; None if there is none."""

    def stat(self, path: str) -> Stat | None:
        """Size and, where it is known, digest of an object; None if there is none."""

    def sha256(self, path: str) -> str | None:
        """The digest of an object, which is read for it; None if there is none."""

    def put(
        self, path: str, content: Content, *, if_absent: bool = False, if_tag: str | None = None
    ) -> bool:
        """Write an object, whole or not at all; False where the condition does not hold.

        The condition is none, that there is no such object yet, or that the one there has this tag.
        Of several who state the same condition at once, exactly one succeeds.
        """

    def copy(self, source: str, path: str, *, seen_absent: bool = False) -> bool:
        """Give the object `source` a second path without sending it again.

        False if there is an object at `path` already, or none at `source`. A distant store may see
        too late what is created there at the same moment: a path for copies is for copies alone.
        Where nothing was there a moment ago (`seen_absent`), it does not look again.
        """

    def list(self, prefix: str) -> list[str]:
        """Every path that starts with `prefix`, sorted; none with a part that starts with a dot."""

    def delete(self, path: str) -> None:
        """Remove an object; one that is not there is no error."""


def holds(store: Store, path: str, size: int, sha256: str) -> bool:
    """Whether an object is there with this size (bytes) and digest."""
    there = store.stat(path)
    return there is not None and is_same(store, path, there, size, sha256)


def is_same(store: Store, path: str, there: Stat, size: int, sha256: str) -> bool:
    """Whether an object that `stat` described has this size and digest."""
    if there.size != size or there.sha256 is not None:
        return there == (size, sha256)
    return store.sha256(path) == sha256


def checked(path: str) -> str:
    """A path that stays inside a site. Raises RequestError for any other."""
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        raise RequestError(
            repr(path), "not a path inside a site", "use names separated by single slashes"
        )
    return path
