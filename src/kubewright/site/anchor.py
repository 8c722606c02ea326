"""Whom somebody believes who reads a site."""

from collections.abc import Callable
from dataclasses import dataclass

Vouched = Callable[[bytes, bytes | None, bytes | None, bytes], bool]
"""Whether somebody who is trusted has signed a document: takes it with its OpenPGP and its ECDSA
signature, None for one that is not there, and the keyring of the site, which may say more of keys
that are trusted, but trusts no other.
"""


@dataclass(frozen=True)
class Anchor:
    """What the trust in a site begins with; nothing of it is from the site."""

    vouched: Vouched
    """Of the site's state."""
    roots: tuple[bytes, ...] = ()
    """TUF metadata of roots that are trusted, each the next of the one before; none: the site's
    metadata is not checked.
    """
    place: str = "--root"
    """Where they were read."""
    now: int | None = None
    """When metadata must not have expired, in epoch seconds; None: it may have."""
    seen: str | None = None
    """SHA-256 of the state that was seen last: metadata of that one may have expired."""
