"""Checks signatures with an OpenPGP implementation other than the one that makes them
(Sequoia's).
"""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pysequoia
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from kubewright import files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.base import DAY
from kubewright.moments import day
from kubewright.signing import keyfile

PEM = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----", re.DOTALL)
"""One public key in PEM form."""

_NO_KEY = "the artifact key is not a public key in PEM form; give another"
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
    try:
        valid = pysequoia.verify(bytes=data, store=lambda _: known, signature=made).valid_sigs
    except RuntimeError as error:
        raise VerificationFailed(f"{place}: {_reason(made, known)}") from error
    return str(valid[0].certificate).upper()


def clearsigned(data: bytes, certificates: Sequence[bytes], *, place: str) -> bytes:
    """Check a text with its signature below (InRelease); return the text that was signed.

    Raises VerificationFailed as `detached` does, and for anything before, after or beside the
    signed text.
    """
    lines = data.split(b"\n")
    frame = [line for line in lines if line.startswith(b"-----")]
    if frame != _FRAME or lines[0] != _FRAME[0] or lines[-2:] != [_FRAME[-1], b""]:
        raise VerificationFailed(f"{place}: not exactly one signed text; get the file again")
    known = list(_certificates(certificates))
    made = _signature(data[data.rindex(_FRAME[1]) :], place)
    try:
        text = pysequoia.verify(bytes=data, store=lambda _: known).bytes
    except RuntimeError as error:
        raise VerificationFailed(f"{place}: {_reason(made, known)}") from error
    return (text or b"") + b"\n"


def _signature(data: bytes, place: str) -> pysequoia.Sig:
    try:
        return pysequoia.Sig.from_bytes(data)
    except RuntimeError as error:
        raise VerificationFailed(
            f"{place}: holds no OpenPGP signature; get the file again"
        ) from error


def _certificates(certificates: Sequence[bytes]) -> Iterator[pysequoia.Cert]:
    for number, data in enumerate(certificates, 1):
        try:
            yield from pysequoia.Cert.split_bytes(data)
        except RuntimeError as error:
            raise RequestError(
                f"certificate {number}: not an OpenPGP public key; export it again"
            ) from error


def _reason(made: pysequoia.Sig, known: Sequence[pysequoia.Cert]) -> str:
    issuer = (made.issuer_fingerprint or made.issuer_key_id or "an unnamed key").upper()
    if not any(certificate.fingerprint.upper().endswith(issuer) for certificate in known):
        names = (
            ", ".join(sorted(certificate.fingerprint.upper() for certificate in known)) or "none"
        )
        return f"signed by {issuer}, which is not a known key ({names}); get the key from where you trust it"
    when = f"{made.created:%Y-%m-%d %H:%M} UTC" if made.created else "an unknown time"
    return (
        f"the signature of {issuer} from {when} does not hold: the bytes were changed, the key was not valid then, "
        "or this machine's clock is behind; get the file again"
    )


def fingerprints(certificates: Sequence[bytes]) -> tuple[str, ...]:
    """The fingerprints of some certificates, in upper-case hexadecimal."""
    return tuple(certificate.fingerprint.upper() for certificate in _certificates(certificates))


def expiry_warnings(certificates: Sequence[bytes], *, now: int, days: int = 30) -> tuple[str, ...]:
    """A sentence for each key that has expired by `now` (epoch seconds) or will within `days`."""
    found = []
    for certificate in _certificates(certificates):
        expires = keyfile.expires(bytes(certificate))
        if expires is None:
            continue
        left = (expires - now) // DAY
        if expires <= now:
            found.append(f"key {certificate.fingerprint.upper()} expired on {day(expires)}")
        elif left <= days:
            found.append(
                f"key {certificate.fingerprint.upper()} expires on {day(expires)}, in {left} days"
            )
    return tuple(found)


def public_keys(data: bytes, *, place: str) -> dict[str, ec.EllipticCurvePublicKey]:
    """The ECDSA keys in a PEM file, in their order, by id (the SHA-256 of the key in DER, as
    ArtifactKey.key_id).

    Raises RequestError for a file with anything but ECDSA keys, or with none.
    """
    found = {}
    for block in PEM.findall(data):
        try:
            key = load_pem_public_key(block)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise RequestError(f"{place}: {_NO_KEY}") from error
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise RequestError(f"{place}: the artifact key is not an ECDSA key; give another")
        found[files.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))] = key
    if not found:
        raise RequestError(f"{place}: {_NO_KEY}")
    return found


def artifact(data: bytes, signature: bytes, public_pem: bytes, *, place: str) -> str:
    """Check a base64 ECDSA signature over SHA-256, as `cosign sign-blob` and ArtifactKey make it.

    `public_pem` may hold several keys, one after the other; returns the id of the one that signed.
    Raises VerificationFailed when it is by none of them over `data`.
    """
    try:
        raw = base64.b64decode(signature.strip(), validate=True)
    except binascii.Error:
        raw = b""
    for name, key in public_keys(public_pem, place=place).items():
        with suppress(InvalidSignature):
            key.verify(raw, data, ec.ECDSA(SHA256()))
            return name
    raise VerificationFailed(
        f"{place}: the signature does not hold: other bytes or another key; get the file and the key again"
    )
