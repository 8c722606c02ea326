"""What a site has already of a release that is about to be signed."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from kubewright.errors import VerificationFailed
from kubewright.models.artifact import Package
from kubewright.models.base import Format
from kubewright.signing import rpm as rpm_signature
from kubewright.site import contents
from kubewright.site.reader import Reader
from kubewright.site.store import Store

Read = Callable[[str], bytes | None]
"""Gives an object of the site by its path, None if there is none."""


Listed = Callable[[], Mapping[str, str]]
"""Gives the SHA-256 of every rpm that the site's repositories list, by its path on the site."""


def reading(store: Store) -> Read:
    """A function that reads objects of a store."""

    def read(path: str) -> bytes | None:
        stored = store.get(path)
        return stored.data if stored else None

    return read


@dataclass(frozen=True)
class Carried:
    """What a site has: objects, the digests of the rpms that it lists, its certificates."""

    read: Read
    listed: Mapping[str, str]
    known: bytes


def listed_rpms(reader: Reader) -> dict[str, str]:
    """The SHA-256 of every rpm that the site's repositories list, by its path on the site.

    What damage hides, or nobody trusted has signed, is for `publish` and `verify` to name.
    """
    listed: dict[str, str] = {}
    with suppress(VerificationFailed):
        state = reader.present().state
        for record in reader.channels(state).values() if state else ():
            listed |= contents.rpm_digests(reader, record)
    return listed


def published(package: Package, known: bytes, read: Read) -> bytes | None:
    """An rpm of the same content that the site carries already, signed by a known key; a damaged
    one does not count.
    """
    data = read(package.url) if package.format is Format.rpm else None
    if data is None:
        return None
    with suppress(VerificationFailed):
        if rpm_signature.unsigned_sha256(data, name=package.url) == package.unsigned_sha256:
            rpm_signature.verify(data, [known], name=package.url)
            return data
    return None
