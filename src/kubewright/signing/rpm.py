"""Puts OpenPGP signatures into rpm files, and reads them back.

An rpm is a lead (96 bytes), a signature header padded to 8 bytes, the header, and the payload. The format is
in rpm's own docs/manual/format_v4.md and format_header.md.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pysequoia

from kubewright.errors import VerificationFailed
from kubewright.files import sha256
from kubewright.signing import verify as signatures
from kubewright.signing.keys import RepoKey

REGION, HEADER_SIGNATURE, SIZE, PAYLOAD_SIGNATURE = 62, 268, 1000, 1002
"""Tags of the signature header: RPMTAG_HEADERSIGNATURES, RPMSIGTAG_RSA, RPMSIGTAG_SIZE and RPMSIGTAG_PGP."""

_OTHER_SIGNATURES = (267, 278, 1003, 1005)  # DSA, OPENPGP (rpm 6), PGP5, GPG
_LEAD = 96
_MAGIC = b"\x8e\xad\xe8\x01\x00\x00\x00\x00"
_BINARY, _STRING, _STRINGS, _TRANSLATED = 7, 6, 8, 9
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, _BINARY: 1}
"""Bytes per item of each type of fixed width, which is also its alignment."""


@dataclass(frozen=True)
class _Entry:
    kind: int
    count: int
    data: bytes


@dataclass(frozen=True)
class _Rpm:
    lead: bytes
    signatures: Mapping[int, _Entry]
    header: bytes
    payload: bytes


def unsigned_sha256(data: bytes, *, name: str = "rpm") -> str:
    """The SHA-256 of all that is not signature (header and payload): what rebuilds compare."""
    rpm = _parse(data, name)
    return sha256(rpm.header + rpm.payload)


def sign(data: bytes, key: RepoKey, when: int, *, name: str = "rpm") -> bytes:
    """The rpm with signatures of `key` over its header and over all of it, in place of any that it had.

    Both, because rpm checks the first on installed packages and RHEL 7 asks for the second. Raises
    VerificationFailed, starting with `name`, for something that is not a whole rpm.
    """
    rpm = _parse(data, name)
    kept = {tag: entry for tag, entry in rpm.signatures.items() if tag not in _OTHER_SIGNATURES}
    for tag, signed in ((HEADER_SIGNATURE, rpm.header), (PAYLOAD_SIGNATURE, rpm.header + rpm.payload)):
        signature = key.detached(signed, when)
        kept[tag] = _Entry(_BINARY, len(signature), signature)
    header = _signature_header(kept)
    return b"".join((rpm.lead, header, bytes(-len(header) % 8), rpm.header, rpm.payload))


def signing_key(data: bytes, *, name: str = "rpm") -> str | None:
    """The fingerprint that the rpm's signature claims, not checked; None for an unsigned rpm."""
    entry = _parse(data, name).signatures.get(HEADER_SIGNATURE)
    if entry is None:
        return None
    try:
        made = pysequoia.Sig.from_bytes(entry.data)
    except RuntimeError as error:
        raise VerificationFailed(f"{name}: its signature is damaged; sign it again") from error
    claimed = made.issuer_fingerprint or made.issuer_key_id
    return claimed.upper() if claimed else None


def verify(data: bytes, certificates: Sequence[bytes], *, name: str = "rpm") -> str:
    """Check both signatures of the rpm; return the fingerprint of the key that made them.

    Raises VerificationFailed when one is missing, not by one of `certificates`, or by another key than the other.
    """
    rpm = _parse(data, name)
    found = set()
    for tag, signed in ((HEADER_SIGNATURE, rpm.header), (PAYLOAD_SIGNATURE, rpm.header + rpm.payload)):
        if tag not in rpm.signatures:
            raise VerificationFailed(f"{name}: not signed; sign it with `kubewright sign`")
        found.add(signatures.detached(signed, rpm.signatures[tag].data, certificates, place=name))
    if len(found) > 1:
        raise VerificationFailed(f"{name}: signed by different keys ({', '.join(sorted(found))}); sign it again")
    return found.pop()


def _parse(data: bytes, name: str) -> _Rpm:
    if not data.startswith(b"\xed\xab\xee\xdb"):
        raise VerificationFailed(f"{name}: not an rpm; build or get it again")
    try:
        index, store, end = _header(data, _LEAD)
        entries = {
            tag: _Entry(kind, count, _value(store, kind, at, count)) for tag, kind, at, count in index if tag != REGION
        }
        start = end + -end % 8
        payload = _header(data, start)[2]
        size = int.from_bytes(entries[SIZE].data) if SIZE in entries else len(data) - start
        if size != len(data) - start:
            raise ValueError(f"{len(data) - start} bytes where it says {size}")
    except (struct.error, ValueError) as error:
        raise VerificationFailed(f"{name}: a truncated or damaged rpm ({error}); build or get it again") from error
    return _Rpm(data[:_LEAD], entries, data[start:payload], data[payload:])


def _header(data: bytes, offset: int) -> tuple[list[tuple[int, ...]], bytes, int]:
    """The header at `offset`: its index (tag, type, offset, count), its store, and where it ends in `data`."""
    magic, count, size = struct.unpack_from(">8sII", data, offset)
    if magic != _MAGIC:
        raise ValueError(f"no header at byte {offset}")
    store = offset + 16 + 16 * count
    end = store + size
    if end > len(data):
        raise ValueError(f"the header at byte {offset} goes beyond the end")
    return list(struct.iter_unpack(">IIII", data[offset + 16 : store])), data[store:end], end


def _value(store: bytes, kind: int, at: int, count: int) -> bytes:
    end = at
    if kind in _WIDTHS:
        end += count * _WIDTHS[kind]
    elif kind in (_STRING, _STRINGS, _TRANSLATED):
        for _ in range(1 if kind == _STRING else count):
            end = store.index(b"\0", end) + 1
    else:
        raise ValueError(f"unknown type {kind}")
    if end > len(store):
        raise ValueError("a value goes beyond its header")
    return store[at:end]


def _signature_header(entries: Mapping[int, _Entry]) -> bytes:
    """A header of `entries` by tag, all inside one region: rpm refuses signatures that stand outside of it."""
    index, store = b"", b""
    for tag, entry in sorted(entries.items()):
        store += bytes(-len(store) % _WIDTHS.get(entry.kind, 1))
        index += struct.pack(">IIII", tag, entry.kind, len(store), entry.count)
        store += entry.data
    region = struct.pack(">IIII", REGION, _BINARY, len(store), 16)
    store += struct.pack(">IIiI", REGION, _BINARY, -len(region + index), 16)
    return _MAGIC + struct.pack(">II", len(region + index) // 16, len(store)) + region + index + store
