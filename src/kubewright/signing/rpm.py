"""Puts OpenPGP signatures into rpm files, and reads them back."""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pysequoia

from kubewright import files, rpmfile
from kubewright.errors import VerificationFailed
from kubewright.files import sha256
from kubewright.rpmfile import BINARY, Value
from kubewright.signing import sequoia
from kubewright.signing import verify as signatures
from kubewright.signing.roles import RepoKey

HEADER_SIGNATURE, PAYLOAD_SIGNATURE = 268, 1002
"""Tags of the signature header: RPMSIGTAG_RSA and RPMSIGTAG_PGP."""

_OTHER_SIGNATURES = (267, 278, 1003, 1005)  # DSA, OPENPGP (rpm 6), PGP5, GPG


@dataclass(frozen=True)
class _Rpm:
    lead: bytes
    signatures: Mapping[int, Value]
    header: bytes
    payload: bytes


def unsigned_sha256(data: bytes, *, name: str = "rpm") -> str:
    """The SHA-256 of all that is not signature (header and payload): what rebuilds compare."""
    rpm = _parse(data, name)
    return sha256(rpm.header + rpm.payload)


def digests(path: Path) -> tuple[str, str]:
    """The SHA-256 of an rpm, and of all of it that is not signature, from one reading.

    Raises VerificationFailed for what is not a whole rpm.
    """
    whole, unsigned = hashlib.sha256(), hashlib.sha256()
    with path.open("rb") as stream:
        try:
            start = rpmfile.headers(stream, path.stat().st_size).main.start
        except ValueError as error:
            raise _damaged(path.name, error) from error
        stream.seek(0)
        whole.update(stream.read(start))
        while data := stream.read(files.CHUNK):
            whole.update(data)
            unsigned.update(data)
    return whole.hexdigest(), unsigned.hexdigest()


def sign(data: bytes, key: RepoKey, when: int, *, name: str = "rpm") -> bytes:
    """The rpm with signatures of `key` over its header and over all of it, in place of any that it
    had.

    Both, because rpm checks the first on installed packages and RHEL 7 asks for the second. Raises
    VerificationFailed, starting with `name`, for something that is not a whole rpm.
    """
    rpm = _parse(data, name)
    kept = {tag: entry for tag, entry in rpm.signatures.items() if tag not in _OTHER_SIGNATURES}
    for tag, signed in (
        (HEADER_SIGNATURE, rpm.header),
        (PAYLOAD_SIGNATURE, rpm.header + rpm.payload),
    ):
        signature = key.detached(signed, when)
        kept[tag] = Value(BINARY, len(signature), signature)
    header = rpmfile.header(kept, rpmfile.SIGNATURES)
    return b"".join((rpm.lead, header, bytes(-len(header) % 8), rpm.header, rpm.payload))


def signing_key(data: bytes, *, name: str = "rpm") -> str | None:
    """The fingerprint that the rpm's signature claims, not checked; None for an unsigned rpm."""
    entry = _parse(data, name).signatures.get(HEADER_SIGNATURE)
    if entry is None:
        return None
    with sequoia.refusing(VerificationFailed(name, "its signature is damaged", "sign it again")):
        made = pysequoia.Sig.from_bytes(entry.data)
    claimed = made.issuer_fingerprint or made.issuer_key_id
    return claimed.upper() if claimed else None


def verify(data: bytes, certificates: Sequence[bytes], *, name: str = "rpm") -> str:
    """Check both signatures of the rpm; return the fingerprint of the key that made them.

    Raises VerificationFailed when one is missing, not by one of `certificates`, or by another key
    than the other.
    """
    rpm = _parse(data, name)
    signers = set()
    for tag, signed in (
        (HEADER_SIGNATURE, rpm.header),
        (PAYLOAD_SIGNATURE, rpm.header + rpm.payload),
    ):
        if tag not in rpm.signatures:
            raise VerificationFailed(name, "not signed", "sign it with `kubewright sign`")
        signature = rpm.signatures[tag].data
        signers.add(signatures.detached(signed, signature, certificates, place=name))
    if len(signers) > 1:
        raise VerificationFailed(
            name, f"signed by different keys ({', '.join(sorted(signers))})", "sign it again"
        )
    return signers.pop()


def _parse(data: bytes, name: str) -> _Rpm:
    if not data.startswith(rpmfile.MAGIC):
        raise VerificationFailed(name, "not an rpm", "build or get it again")
    try:
        lead, signature, main = rpmfile.headers(io.BytesIO(data), len(data))
        entries = {
            tag: Value(value.kind, value.items, signature.raw(tag))
            for tag, value in signature.index.items()
            if tag != rpmfile.SIGNATURES
        }
    except ValueError as error:
        raise _damaged(name, error) from error
    return _Rpm(lead, entries, data[main.start : main.end], data[main.end :])


def _damaged(name: str, error: ValueError) -> VerificationFailed:
    return VerificationFailed(
        name, f"a truncated or damaged rpm ({error})", "build or get it again"
    )
