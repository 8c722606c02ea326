"""What a site's pointer says: which state is the site's, and, by metadata, what it vouches for."""

import json
from contextlib import suppress
from dataclasses import dataclass

from pydantic import ValidationError

from kubewright.errors import VerificationFailed
from kubewright.metadata.chain import Get, Published, follow
from kubewright.models.document import REMEDY
from kubewright.models.site import Pointer
from kubewright.site import layout
from kubewright.site.store import Store, Stored


@dataclass(frozen=True)
class Word:
    """A pointer, or the word that all is written, which are the same bytes."""

    data: bytes
    pointer: Pointer
    published: Published | None = None
    """What TUF metadata says; None on a site from before it had any."""


def read(data: bytes, get: Get) -> Word | None:
    """What bytes say, whoever has signed them; None for damaged ones.

    Raises RequestError for a newer format.
    """
    with suppress(VerificationFailed):
        if not is_metadata(data):
            return Word(data, Pointer.read(data, layout.CURRENT))
        published = follow(data, get)
        return Word(data, pointer_of(published), published)
    return None


def pointer_of(published: Published) -> Pointer:
    """The state that metadata names. Raises VerificationFailed."""
    said = published.origin
    try:
        return Pointer(number=said.number, sha256=said.state)
    except ValidationError as error:
        raise VerificationFailed(layout.TIMESTAMP, "leads to no state", REMEDY) from error


def is_metadata(data: bytes) -> bool:
    """Whether a pointer is TUF metadata, and not of a site from before."""
    try:
        return isinstance(found := json.loads(data), dict) and "signed" in found
    except (ValueError, RecursionError):
        return False


def deciding(store: Store) -> Stored | None:
    """What decides for a site, as it lies there."""
    found = (store.get(path) for path in layout.POINTERS)
    return next(filter(None, found), None)
