"""The forms of one certificate: what its key has said of itself stays said, and grows."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

import pysequoia
from pysequoia.packet import Packet, Tag

from kubewright.errors import RequestError
from kubewright.signing import keyfile, openpgp, own_words, sequoia
from kubewright.signing.public import RepoPublicKey

_PLACE = "a certificate"

K = TypeVar("K", bound=RepoPublicKey)


def joined(certificate: bytes, other: bytes) -> bytes:
    """A certificate with all that its key has said in another form of it.

    Raises RequestError for what is no certificate, and for one of another key.
    """
    return merged(certificate, keyfile.own_form(other, place=_PLACE))


def continued(known: bytes, given: bytes) -> bytes:
    """A certificate as users know it, with what its key has said since.

    Whatever is signed already was dated by the form that they know, and must be made again with the
    same date: so nothing is added that would change what held before. Raises as `joined` does.
    """
    there = keyfile.own_packets(known, place=_PLACE)
    said, last = {packet.body for packet in there}, _last(there)
    added = [
        packet
        for packet in keyfile.own_packets(given, place=_PLACE)
        if packet.body in said
        or not own_words.is_word(packet)
        or own_words.signed_at(packet) >= last
    ]
    if {packet.body for packet in added if packet.tag != Tag.UserID} <= said:
        return known
    return _with(known, added)


def widened(certificates: Iterable[bytes], keyring: bytes) -> list[bytes]:
    """Certificates with what their own keys had said before, in a keyring that need not be trusted.

    A form may lack what the key said when it signed, and nobody else can say it: so no key more is
    believed, and none for longer. What cannot be read there counts for nothing.
    """
    there: dict[str, bytes] = {}
    with suppress(RuntimeError, ValueError):
        there = {one.fingerprint: bytes(one) for one in pysequoia.Cert.split_bytes(keyring)}
    found = []
    for certificate in certificates:
        for one in pysequoia.Cert.split_bytes(certificate):
            data = bytes(one)
            with suppress(RequestError):
                data = _with_earlier(data, there.get(one.fingerprint, data))
            found.append(data)
    return found


def _with_earlier(certificate: bytes, other: bytes) -> bytes:
    last = _last(keyfile.own_packets(certificate, place=_PLACE))
    earlier = [
        packet
        for packet in keyfile.own_packets(other, place=_PLACE)
        if packet.tag == Tag.UserID
        or (own_words.is_word(packet) and own_words.signed_at(packet) < last)
    ]
    return _with(certificate, earlier)


def _last(packets: Iterable[Packet]) -> int:
    """When a key last said something of itself."""
    word = own_words.newest(packets)
    return own_words.signed_at(word) if word else 0


def _with(certificate: bytes, packets: Sequence[Packet]) -> bytes:
    key = keyfile.public_key(certificate, place=_PLACE)
    data = openpgp.packet(openpgp.PUBLIC_KEY, key.body) + keyfile.copied(packets)
    return merged(certificate, keyfile.own_form(data, place=_PLACE))


def as_known(key: K, known: Mapping[str, bytes]) -> K:
    """A key with its certificate continued from the form in which users know it, if they do.

    `known` are certificates by fingerprint. Raises RequestError for one that cannot be used.
    """
    form = known.get(key.fingerprint)
    if form is None:
        return key
    whole = keyfile.public(continued(form, key.certificate), place=f"key {key.fingerprint}")
    return replace(
        key,
        user_id=whole.user_id,
        certificate=whole.certificate,
        created=whole.created,
        expires=whole.expires,
        lapses=whole.lapses,
    )


def merged(certificate: bytes, other: bytes) -> bytes:
    """Two forms of a certificate as one, with all that is in them. Raises RequestError."""
    failure = RequestError(_PLACE, "not another form of the same", "export it again")
    with sequoia.refusing(failure):
        whole = pysequoia.Cert.from_bytes(certificate).merge(pysequoia.Cert.from_bytes(other))
        return openpgp.reframed(bytes(whole))
