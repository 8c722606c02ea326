"""What a key has said of itself in a certificate: by which names, and when it can sign."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from pysequoia.packet import HashAlgorithm, Packet, SignatureType, Tag

from kubewright.signing import openpgp

_KEYS = (Tag.SecretKey, Tag.PublicKey, Tag.SecretSubkey, Tag.PublicSubkey)
_OF_NAMES = (
    SignatureType.PositiveCertification,
    SignatureType.GenericCertification,
    SignatureType.CasualCertification,
    SignatureType.PersonaCertification,
)
_OF_THE_KEY = (SignatureType.DirectKey, SignatureType.KeyRevocation)
STRONG = (HashAlgorithm.SHA256, HashAlgorithm.SHA384, HashAlgorithm.SHA512)
"""What verifiers count on."""


class Life(NamedTuple):
    """When a key can sign, in epoch seconds: verifiers go by what it had said until then."""

    created: int
    """From the first word that they count on."""
    expires: int | None
    """As it said last."""
    lapses: tuple[tuple[int, int], ...]
    """When it could not, before it said more: from the first of two moments to the second."""


def claimed(packets: Iterable[Packet], fingerprint: bytes) -> list[Packet]:
    """The names in a certificate, and what by its own account the key signed, up to a subkey."""
    issuers = (fingerprint.hex(), fingerprint[-8:].hex())
    found = []
    for packet in packets:
        if packet.tag in _KEYS:
            break
        issuer = packet.issuer_fingerprint or packet.issuer_key_id
        if packet.tag != Tag.Signature or issuer in issuers:
            found.append(packet)
    return found


def own(packets: Iterable[Packet], key: openpgp.PublicKey) -> list[Packet]:
    """Of these what the key did sign, each name before the signatures over it.

    Subkeys, pictures, and whatever others have signed or added are left out.
    """
    about_key, names, words = openpgp.framed(key.body), list[list[Packet]](), list[Packet]()
    named: bytes | None = None
    for packet in claimed(packets, key.fingerprint):
        if packet.tag == Tag.UserID:
            names.append([packet])
            named = about_key + b"\xb4" + len(packet.body).to_bytes(4) + packet.body
        elif packet.tag != Tag.Signature:
            named = None
        elif packet.signature_type in _OF_THE_KEY:
            words += [packet] if openpgp.is_signature(packet.body, key, about_key) else []
        elif named is not None and openpgp.is_signature(packet.body, key, named):
            names[-1].append(packet)
    signed = [name for name in names if any(map(is_word, name))]
    return sum(signed, words)


def is_word(packet: Packet) -> bool:
    """Whether it is a signature by which a key says what it is for, and until when."""
    return packet.signature_type in (*_OF_NAMES, SignatureType.DirectKey)


def signed_at(packet: Packet) -> int:
    """When a signature was made, in epoch seconds."""
    return int(packet.signature_created.timestamp()) if packet.signature_created else 0


def newest(packets: Iterable[Packet]) -> Packet | None:
    """What a key last said of itself."""
    return max(filter(is_word, packets), key=signed_at, default=None)


def life(packets: Iterable[Packet], made: int) -> Life:
    """What follows from all that a key, which says that it was `made` then, has said of itself.

    Raises ValueError where it has never said that it signs.
    """
    words = [word for word in packets if is_word(word) and word.hash_algorithm in STRONG]
    words.sort(key=signed_at)
    spans = list[tuple[int, int | None]]()
    for word, later in zip(words, [*words[1:], None], strict=True):
        if word.key_flags is None or word.key_flags.signing:
            until = _earliest(end(word, made), signed_at(later) if later else None)
            spans.append((signed_at(word), until))
    spans = [(since, until) for since, until in spans if until is None or until > since]
    if not spans:
        raise ValueError("a key that never signs")
    return Life(spans[0][0], end(words[-1], made), _between(spans))


def end(word: Packet, made: int) -> int | None:
    """When a key ends, by one word of it."""
    lasts = word.key_validity_period
    return made + int(lasts.total_seconds()) if lasts else None


def _earliest(*moments: int | None) -> int | None:
    return min((moment for moment in moments if moment is not None), default=None)


def _between(spans: Sequence[tuple[int, int | None]]) -> tuple[tuple[int, int], ...]:
    pairs = pairwise(spans)
    return tuple(
        (until, since) for (_, until), (since, _) in pairs if until is not None and until < since
    )
