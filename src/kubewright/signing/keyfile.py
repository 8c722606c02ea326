"""Reads OpenPGP keys, whole or their public halves, as `kubewright key init` and gpg write them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import pysequoia
from cryptography.hazmat.primitives.asymmetric import rsa
from pysequoia.packet import Packet, PacketPile, SignatureType, Tag

from kubewright.errors import RequestError
from kubewright.signing import openpgp, own_words, sequoia
from kubewright.signing.public import RepoPublicKey

MINIMUM_BITS = 3072
"""The shortest RSA key that is accepted."""

_KEYS = (Tag.SecretKey, Tag.PublicKey)
_REMEDY = (
    "export one with `gpg --export-secret-keys FINGERPRINT`, "
    "or make one with `kubewright key init DIR`"
)


@dataclass(frozen=True)
class KeyFile:
    """The primary key in a key file; subkeys are left out."""

    public: RepoPublicKey
    private: rsa.RSAPrivateKey = field(repr=False)


def read(data: bytes, *, place: str) -> KeyFile:
    """Read a secret key, armored or binary.

    Raises RequestError unless it is an unencrypted RSA key of at least MINIMUM_BITS whose
    signatures verifiers accept.
    """
    body, rest = _primary(data, (Tag.SecretKey,), "holds no OpenPGP secret key", place)
    key, secret = _public_key(body, place)
    private = _private_key(key, secret, place)
    return KeyFile(_described(key, rest, place), private)


def public(data: bytes, *, place: str) -> RepoPublicKey:
    """Read the public half of a key, armored or binary, from its certificate or its key file.

    The secret half may be absent, locked or on a card. Raises RequestError as `read` does.
    """
    body, rest = _primary(data, _KEYS, "holds no OpenPGP key", place)
    key, _ = _public_key(body, place)
    return _described(key, rest, place)


def is_certificate(data: bytes) -> bool:
    """Whether a key is a public one, and has no secret half. Raises what Sequoia raises."""
    return next(iter(PacketPile.from_bytes(data))).tag is Tag.PublicKey


def public_key(data: bytes, *, place: str) -> openpgp.PublicKey:
    """The key itself. Raises RequestError as `read` does."""
    body, _ = _primary(data, _KEYS, "holds no OpenPGP key", place)
    return _public_key(body, place)[0]


def own_packets(data: bytes, *, place: str) -> list[Packet]:
    """What a key says of itself in a certificate or key file.

    Raises RequestError as `read` does.
    """
    body, rest = _primary(data, _KEYS, "holds no OpenPGP key", place)
    return own_words.own(rest, _public_key(body, place)[0])


def own_form(data: bytes, *, place: str) -> bytes:
    """The certificate of a key with nothing in it that the key has not signed itself.

    Raises RequestError as `read` does.
    """
    key = public_key(data, place=place)
    return _certificate(key, own_packets(data, place=place))


def copied(packets: Iterable[Packet]) -> bytes:
    """Names and signatures as they stand in a certificate."""
    return b"".join(
        openpgp.packet(
            openpgp.USER_ID if packet.tag == Tag.UserID else openpgp.SIGNATURE, packet.body
        )
        for packet in packets
    )


def expires(certificate: bytes) -> int | None:
    """When a key says that it ends (epoch seconds); no clock is read for it.

    Raises ValueError if it is not a key, and what Sequoia raises.
    """
    primary, *rest = PacketPile.from_bytes(certificate)
    if primary.fingerprint is None or primary.key_created is None:
        raise ValueError("not a key")
    try:
        said = own_words.own(rest, _public_key(primary.body, "")[0])
    except RequestError:  # of a kind that is only read here
        said = own_words.claimed(rest, bytes.fromhex(primary.fingerprint))
    newest = own_words.newest(said)
    return own_words.end(newest, int(primary.key_created.timestamp())) if newest else None


def _primary(
    data: bytes, kinds: Sequence[Tag], otherwise: str, place: str
) -> tuple[bytes, list[Packet]]:
    """The body of the first packet, which is of one of `kinds`, and the packets after it."""
    with sequoia.refusing(RequestError(place, "not an OpenPGP key", _REMEDY)):
        packets = list(PacketPile.from_bytes(data))
        if not packets or packets[0].tag not in kinds:
            raise RequestError(place, otherwise, _REMEDY)
        return packets[0].body, packets[1:]


def _described(key: openpgp.PublicKey, rest: list[Packet], place: str) -> RepoPublicKey:
    """A key with what it says of itself; `rest` are the packets after that of the key."""
    with sequoia.refusing(RequestError(place, "a damaged OpenPGP key", _REMEDY)):
        said = own_words.claimed(rest, key.fingerprint)
        own = own_words.own(rest, key)
        if not any(packet.user_id for packet in said) or own_words.newest(said) is None:
            raise RequestError(place, "the key has no user id that it signed itself", _REMEDY)
        newest = own_words.newest(own)
        if newest is None:
            raise _unsound(place)
        _refuse_unacceptable(own, newest, place)
        certificate = _certificate(key, own)
        names = _names(certificate, place)
        life = own_words.life(own, key.created)
        return RepoPublicKey(key, names[0], certificate, *life)


def _certificate(key: openpgp.PublicKey, own: Iterable[Packet]) -> bytes:
    """In the order that Sequoia gives every certificate, so that a set of packets has one form."""
    data = openpgp.packet(openpgp.PUBLIC_KEY, key.body) + copied(own)
    return openpgp.reframed(bytes(pysequoia.Cert.from_bytes(data)))


def _names(certificate: bytes, place: str) -> list[str]:
    """The names that are not revoked, the first one first."""
    with sequoia.refusing(_unsound(place)):
        names = sequoia.user_ids(pysequoia.Cert.from_bytes(certificate))
    if not names:
        raise RequestError(place, "every user id of the key is revoked", _REMEDY)
    return names


def _unsound(place: str) -> RequestError:
    problem = (
        "the key's signature over its own name does not hold: "
        "it is damaged, or this machine's clock is behind"
    )
    return RequestError(place, problem, _REMEDY)


def _refuse_unacceptable(own: list[Packet], newest: Packet, place: str) -> None:
    """Refuse what verifiers would refuse later."""
    if any(packet.signature_type == SignatureType.KeyRevocation for packet in own):
        raise RequestError(
            place, "the key is revoked", "make a new one with `kubewright key init DIR`"
        )
    if newest.key_flags and not newest.key_flags.signing:
        raise RequestError(
            place, "the primary key may not sign data, and subkeys are not used", _REMEDY
        )
    if newest.hash_algorithm not in own_words.STRONG:
        raise RequestError(
            place,
            f"the key certifies itself with {newest.hash_algorithm}, which apt refuses",
            "let a current gpg certify it again, `gpg --quick-set-expire FINGERPRINT 0`,"
            " and export it again",
        )


def _public_key(body: bytes, place: str) -> tuple[openpgp.PublicKey, bytes]:
    """The public half in the body of a version 4 key packet, and the bytes that follow it.

    The format is RFC 9580, section 5.5.
    """
    if len(body) < 6 or (body[0], body[5]) != (4, openpgp.RSA_ALGORITHM):
        raise RequestError(place, "not an RSA key, the one kind that every rpm can verify", _REMEDY)
    (n, e), rest = _numbers(body[6:], 2)
    if n.bit_length() < MINIMUM_BITS:
        raise RequestError(
            place, f"RSA with {n.bit_length()} bits; at least {MINIMUM_BITS} are needed", _REMEDY
        )
    return openpgp.PublicKey(n, e, int.from_bytes(body[1:5])), rest


def _private_key(key: openpgp.PublicKey, secret: bytes, place: str) -> rsa.RSAPrivateKey:
    """The secret half, which follows the public half in its packet."""
    if not secret:
        raise RequestError(place, "a damaged OpenPGP key", _REMEDY)
    if secret[0]:
        problem = "protected by a passphrase or kept on a card"
        remedy = "let GnuPG's agent sign, which asks for it: gnupg:FINGERPRINT"
        raise RequestError(place, problem, remedy)
    (d, p, q, _), _ = _numbers(secret[1:], 4)
    try:
        rest = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
        numbers = rsa.RSAPrivateNumbers(p, q, d, *rest, rsa.RSAPublicNumbers(key.e, key.n))
        # The key has signed its n. So these are its factors, and that they are primes, which takes
        # longer than all signatures of a publication, need not be asked.
        if p * q != key.n or any((key.e * d - 1) % (prime - 1) for prime in (p, q)):
            raise RequestError(place, "a damaged OpenPGP key", _REMEDY)
        return numbers.private_key(unsafe_skip_rsa_key_validation=True)
    except (ValueError, ArithmeticError) as error:
        raise RequestError(place, "a damaged OpenPGP key", _REMEDY) from error


def _numbers(data: bytes, count: int) -> tuple[list[int], bytes]:
    """That many OpenPGP integers, and what follows them; those that are cut off are smaller."""
    numbers = []
    for _ in range(count):
        size = (int.from_bytes(data[:2]) + 7) // 8
        numbers.append(int.from_bytes(data[2 : 2 + size]))
        data = data[2 + size :]
    return numbers, data
