"""The keys that a site gives up: their public halves, with their word that they count no more."""

from typing import NamedTuple

from pysequoia.packet import SignatureType

from kubewright.errors import RequestError, VerificationFailed
from kubewright.signing import forms, keyfile, keyring, openpgp, verify
from kubewright.signing.file_signer import FileSigner

_REMEDY = (
    "name the key's own file: its certificate, its secret key, from which a revocation is made, or"
    " for an artifact key its public half in PEM form"
)


class Revoked(NamedTuple):
    """A key that shall count no more."""

    kind: str
    """openpgp or ecdsa-p256."""
    id: str
    """OpenPGP fingerprint, or the SHA-256 of the public key."""
    public: bytes
    """The certificate, binary, or the key in PEM form."""
    says_so: bool
    """Whether the certificate has the key's own revocation, which clients can check."""


def read(data: bytes, *, place: str, now: int) -> Revoked:
    """The key in a file; of a secret OpenPGP key its certificate with a revocation that the key
    makes `now` (epoch seconds).

    Raises RequestError for anything else, and for several keys.
    """
    if b"-----BEGIN PUBLIC KEY-----" in data:
        keys = verify.public_keys(data, place=place)
        if len(keys) != 1:
            raise RequestError(place, f"holds {len(keys)} public keys", _REMEDY)
        ((key_id, _),) = keys.items()
        return Revoked("ecdsa-p256", key_id, data, says_so=False)
    name = keyfile.public_key(data, place=place).fingerprint.hex().upper()
    if keyfile.is_certificate(data):
        _refuse_several(data, place)
        certificate = keyfile.own_form(data, place=place)
        return Revoked("openpgp", name, certificate, is_revoked(certificate))
    found = keyfile.read(data, place=place)
    signer = FileSigner(found.private, b"")

    def sign(digest: bytes) -> bytes:
        return signer.sign_digest(digest, "sha512")

    key = found.public.key
    said = openpgp.packet(openpgp.PUBLIC_KEY, key.body) + openpgp.revocation(key, sign, now)
    return Revoked("openpgp", name, forms.joined(found.public.certificate, said), says_so=True)


def is_revoked(certificate: bytes) -> bool:
    """Whether a certificate has its own key's revocation."""
    packets = keyfile.own_packets(certificate, place="a certificate")
    return any(packet.signature_type == SignatureType.KeyRevocation for packet in packets)


def before(certificate: bytes) -> bytes:
    """A certificate as it was before its key was revoked, by which what it signed then is checked.

    Raises RequestError as `keyfile.public_key` does.
    """
    return forms.without_words(certificate, SignatureType.KeyRevocation)


def _refuse_several(data: bytes, place: str) -> None:
    try:
        held = keyring.certificates(data, place=place)
    except VerificationFailed as error:
        raise RequestError(place, error.problem, _REMEDY) from error
    if len(held) != 1:
        raise RequestError(place, f"holds {len(held)} certificates", _REMEDY)
