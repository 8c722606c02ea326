"""Checks signatures with an OpenPGP implementation other than the one that makes them
(Sequoia's).
"""

import base64
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import pysequoia
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from pysequoia.packet import PacketPile

from kubewright import files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.base import DAY
from kubewright.moments import AHEAD, day
from kubewright.signing import keyfile, openpgp, sequoia

PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
"""One public key in PEM form."""

_NOT_PEM = "the artifact key is not a public key in PEM form"
_AGAIN = "get the file again"
_ROTATE = "rotate it, for dnf and rpm never learn of an extension (docs/keys.md)"
_FRAME = [
    b"-----BEGIN PGP SIGNED MESSAGE-----",
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----END PGP SIGNATURE-----",
]


def detached(data: bytes, signature: bytes, certificates: Sequence[bytes], *, place: str) -> str:
    """Check an OpenPGP signature, armored or binary; return the fingerprint of the key that made
    it.

    Raises VerificationFailed when the signature is not by one of `certificates` over `data`. By
    this machine's clock: signatures from the future are refused, as every OpenPGP client does.
    """
    known = list(_certificates(certificates))
    made = _signature(signature, place)
    with sequoia.refusing(_refusal(made, known, place)):
        valid = pysequoia.verify(bytes=data, store=lambda _: known, signature=made).valid_sigs
        return str(valid[0].certificate).upper()


def clearsigned(data: bytes, certificates: Sequence[bytes], *, place: str) -> bytes:
    """Check a text with its signature below (InRelease); return the text that was signed.

    Raises VerificationFailed as `detached` does, and for anything before, after or beside the
    signed text.
    """
    lines = data.split(b"\n")
    frame = [line for line in lines if line.startswith(b"-----")]
    if frame != _FRAME or lines[0] != _FRAME[0] or lines[-2:] != [_FRAME[-1], b""]:
        raise VerificationFailed(place, "not exactly one signed text", _AGAIN)
    known = list(_certificates(certificates))
    made = _signature(data[data.rindex(_FRAME[1]) :], place)
    with sequoia.refusing(_refusal(made, known, place)):
        text = pysequoia.verify(bytes=data, store=lambda _: known).bytes
        return (text or b"") + b"\n"


def is_detached(data: bytes, signature: bytes | None, certificates: Sequence[bytes]) -> bool:
    """Whether there is such a signature, and `detached` would accept it."""
    with suppress(VerificationFailed):
        return signature is not None and bool(detached(data, signature, certificates, place=""))
    return False


def signer_to_come(
    data: bytes, signature: bytes, certificates: Sequence[bytes], now: int
) -> str | None:
    """The fingerprint of the key that made a signature which is dated later than `now` (epoch
    seconds), as far as clocks differ, and holds in all else; None: it is none such.

    No client takes it yet. Who has the key may know that its clock was wrong.
    """
    with suppress(RuntimeError, ValueError, RequestError):
        for packet in PacketPile.from_bytes(signature):
            created = packet.signature_created
            if created is None or created.timestamp() <= now - AHEAD:
                continue
            for certificate in certificates:
                key = keyfile.public_key(certificate, place="")
                if openpgp.is_signature(packet.body, key, data):
                    return key.fingerprint.hex().upper()
    return None


def _signature(data: bytes, place: str) -> pysequoia.Sig:
    with sequoia.refusing(VerificationFailed(place, "holds no OpenPGP signature", _AGAIN)):
        return pysequoia.Sig.from_bytes(data)


def _certificates(certificates: Sequence[bytes]) -> Iterator[pysequoia.Cert]:
    for number, data in enumerate(certificates, 1):
        failure = RequestError(
            f"certificate {number}", "not an OpenPGP public key", "export it again"
        )
        with sequoia.refusing(failure):
            held = pysequoia.Cert.split_bytes(data)
        yield from held


def _refusal(
    made: pysequoia.Sig, known: Sequence[pysequoia.Cert], place: str
) -> VerificationFailed:
    """Why a signature will not do, if it will not."""
    issuer = (made.issuer_fingerprint or made.issuer_key_id or "an unnamed key").upper()
    names = sorted(certificate.fingerprint.upper() for certificate in known)
    if not any(name.endswith(issuer) for name in names):
        return VerificationFailed(
            place,
            f"signed by {issuer}, which is not a known key ({', '.join(names) or 'none'})",
            "get the key from where you trust it",
        )
    when = f"{made.created:%Y-%m-%d %H:%M} UTC" if made.created else "an unknown time"
    return VerificationFailed(
        place,
        f"the signature of {issuer} from {when} does not hold: the bytes were changed, "
        "the key was not valid then, or that time has not come by this machine's clock",
        _AGAIN,
    )


def fingerprints(certificates: Sequence[bytes]) -> tuple[str, ...]:
    """The fingerprints of some certificates, in upper-case hexadecimal."""
    return tuple(certificate.fingerprint.upper() for certificate in _certificates(certificates))


class Lifetime(NamedTuple):
    """What is to say of a key's end."""

    fingerprint: str
    problem: str
    ended: bool
    revoked: bool = False


def lifetimes(certificates: Sequence[bytes], *, now: int, days: int = 30) -> tuple[Lifetime, ...]:
    """What to say of each key that is revoked, has expired by `now` (epoch seconds) or will within
    `days`.
    """
    found = []
    for certificate in _certificates(certificates):
        name = certificate.fingerprint.upper()
        key = f"key {name}"
        with sequoia.refusing(RequestError(key, "a damaged OpenPGP key", "export it again")):
            expires = keyfile.expires(bytes(certificate))
            revoked = certificate.is_revoked
        if revoked:
            found.append(Lifetime(name, f"{key} is revoked", ended=True, revoked=True))
        if expires is None:
            continue
        left = (expires - now) // DAY
        if expires <= now:
            found.append(Lifetime(name, f"{key} expired on {day(expires)}", ended=True))
        elif left <= days:
            problem = f"{key} expires on {day(expires)}, in {left} days; {_ROTATE}"
            found.append(Lifetime(name, problem, ended=False))
    return tuple(found)


def is_part(certificate: bytes, given: bytes) -> bool:
    """Whether a certificate has no packet that the one given has not: no subkey, name or signature
    more.
    """
    return _packets(certificate) <= _packets(given)


def _packets(certificate: bytes) -> set[tuple[str, bytes]]:
    return {(str(packet.tag), packet.body) for packet in PacketPile.from_bytes(certificate)}


def public_keys(data: bytes, *, place: str) -> dict[str, ec.EllipticCurvePublicKey]:
    """The ECDSA keys in a PEM file, in their order, by id (the SHA-256 of the key in DER, as
    ArtifactKey.key_id).

    Raises RequestError for a file with anything but ECDSA keys, or with none.
    """
    keys = {}
    for block in PEM.findall(data):
        try:
            key = load_pem_public_key(block)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise RequestError(place, _NOT_PEM, "give another") from error
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise RequestError(place, "the artifact key is not an ECDSA key", "give another")
        keys[files.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))] = key
    if not keys:
        raise RequestError(place, _NOT_PEM, "give another")
    return keys


def artifact(data: bytes, signature: bytes, public_pem: bytes, *, place: str) -> str:
    """Check a base64 ECDSA signature over SHA-256, as `cosign sign-blob` and ArtifactKey make it.

    `public_pem` may hold several keys, one after the other; returns the id of the one that signed.
    Raises VerificationFailed when it is by none of them over `data`.
    """
    try:
        raw = base64.b64decode(signature.strip(), validate=True)
    except ValueError:
        raw = b""
    for name, key in public_keys(public_pem, place=place).items():
        with suppress(InvalidSignature):
            key.verify(raw, data, ec.ECDSA(SHA256()))
            return name
    raise VerificationFailed(
        place,
        "the signature does not hold: other bytes or another key",
        "get the file and the key again",
    )


def is_artifact(data: bytes, signature: bytes | None, public_pem: bytes) -> bool:
    """Whether there is such a signature, and `artifact` would accept it."""
    with suppress(VerificationFailed):
        return signature is not None and bool(artifact(data, signature, public_pem, place=""))
    return False
