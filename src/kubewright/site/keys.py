"""The public keys of a site, as files: each alone, and all together with the current one first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kubewright.models.site import REVOKED, SiteKey
from kubewright.site import layout


@dataclass(frozen=True)
class KeyFiles:
    """Every key that a site has ever signed with, so that what was signed stays verifiable."""

    keys: tuple[SiteKey, ...]
    """Of each kind the current one first."""
    files: Mapping[str, bytes]
    """By path: `layout.KEYRING`, `KEYRING_ARMORED`, `ARTIFACT_KEY`, and one for each key."""
    hint: str = ""
    """How a repomd.xml names the certificate of the repository key that comes next."""


class Shipped(NamedTuple):
    """The keys beside every repomd.xml."""

    armored: bytes
    """All that the site has, the current one first: repomd.xml.key."""
    coming: bytes = b""
    """That of the key which comes next, in a file of its own, as the hint names it."""


def sources(paths: Iterable[str], known: Iterable[tuple[str, str]]) -> list[str]:
    """Those of a site's files from which the files of its keys are made, by the ids and roles of
    these: the keyring has every certificate but those that are revoked.
    """
    in_ring = {layout.key_history(f"{name}.asc") for name, role in known if role != REVOKED}
    derived = {layout.KEYRING_ARMORED, *in_ring}
    return [path for path in paths if path.startswith("keys/") and path not in derived]
