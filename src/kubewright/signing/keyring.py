"""Public keys that stand together in one file: the keys of a site, the current one first."""

import re
from collections.abc import Iterable

import pysequoia

from kubewright.errors import VerificationFailed
from kubewright.signing.keys import DEVELOPMENT

_PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----\n?", re.DOTALL)


def certificates(keyring: bytes, *, place: str) -> dict[str, bytes]:
    """The OpenPGP certificates in a file, binary or armored, by upper-case fingerprint and in their
    order.

    Raises VerificationFailed for what is no keyring.
    """
    try:
        found = pysequoia.Cert.split_bytes(keyring)
    except RuntimeError as error:
        raise VerificationFailed(
            f"{place}: not an OpenPGP keyring; publish again to restore it"
        ) from error
    return {certificate.fingerprint.upper(): bytes(certificate) for certificate in found}


def merged(current: bytes, earlier: Iterable[bytes]) -> bytes:
    """A binary keyring of the current certificate and of every earlier one that is another key."""
    known = certificates(current, place="--repo-key")
    for keyring in earlier:
        for fingerprint, certificate in certificates(keyring, place="keys/kubewright.gpg").items():
            known.setdefault(fingerprint, certificate)
    return b"".join([current, *list(known.values())[1:]])


def armored(keyring: bytes) -> str:
    """A keyring as text: one armored block after the other, as rpm and dnf read them."""
    blocks = certificates(keyring, place="the keyring").values()
    return "".join(pysequoia.armor(block, pysequoia.ArmorKind.PublicKey) for block in blocks)


def has_production_key(keyring: bytes) -> bool:
    """Whether any key of a site is not a development key."""
    found = pysequoia.Cert.split_bytes(keyring)
    return any(DEVELOPMENT not in [str(user) for user in one.user_ids] for one in found)


def merged_pem(current: bytes, earlier: bytes) -> bytes:
    """Public keys in PEM form, the current one first; what stands above a block stays with the
    current one.
    """
    own = _PEM.findall(current)
    return current + b"".join(block for block in _PEM.findall(earlier) if block not in own)
