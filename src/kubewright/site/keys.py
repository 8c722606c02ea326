"""The public keys of a site, as files: each alone, and all together with the current one first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kubewright.models.site import SiteKey


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
