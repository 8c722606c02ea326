"""Reads OpenPGP keys, whole or their public halves, as `kubewright key init` and gpg write them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pysequoia
from cryptography.hazmat.primitives.asymmetric import rsa
from pysequoia.packet import HashAlgorithm, Packet, PacketPile, SignatureType, Tag

from kubewright.errors import RequestError
from kubewright.signing import openpgp, sequoia
from kubewright.signing.public import RepoPublicKey

MINIMUM_BITS = 3072
"""The shortest RSA key that is accepted."""

_KEYS = (Tag.SecretKey, Tag.PublicKey)
_ALL_KEYS = (*_KEYS, Tag.SecretSubkey, Tag.PublicSubkey)
_SELF_SIGNATURES = (
    SignatureType.PositiveCertification,
    SignatureType.GenericCertification,
    SignatureType.DirectKey,
)
_STRONG = (HashAlgorithm.SHA256, HashAlgorithm.SHA384, HashAlgorithm.SHA512)
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


def expires(certificate: bytes) -> int | None:
    """When a key says that it ends (epoch seconds); no clock is read for it.

    Raises ValueError if it is not a key, and what Sequoia raises.
    """
    primary, *rest = PacketPile.from_bytes(certificate)
    if primary.fingerprint is None or primary.key_created is None:
        raise ValueError("not a key")
    newest = _newest_word(_own(rest, bytes.fromhex(primary.fingerprint)))
    life = newest.key_validity_period if newest else None
    return int((primary.key_created + life).timestamp()) if life else None


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
        own = _own(rest, key.fingerprint)
        newest = _newest_word(own)
        names = [packet.user_id for packet in own if packet.user_id]
        if not names or newest is None:
            raise RequestError(place, "the key has no user id that it signed itself", _REMEDY)
        _refuse_unacceptable(own, newest, place)
        certificate = openpgp.packet(openpgp.PUBLIC_KEY, key.body)
        certificate += b"".join(_copied(packet) for packet in own)
        _refuse_unsound(certificate, place)
        return RepoPublicKey(key, names[0], certificate, _signed_at(newest), expires(certificate))


def _refuse_unsound(certificate: bytes, place: str) -> None:
    problem = (
        "the key's signature over its own name does not hold: "
        "it is damaged, or this machine's clock is behind"
    )
    with sequoia.refusing(RequestError(place, problem, _REMEDY)):
        sequoia.user_ids(pysequoia.Cert.from_bytes(certificate))


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
    if newest.hash_algorithm not in _STRONG:
        raise RequestError(
            place,
            f"the key certifies itself with {newest.hash_algorithm}, which apt refuses",
            "extend it with a current gpg (`gpg --quick-set-expire`) and export it again",
        )


def _newest_word(own: list[Packet]) -> Packet | None:
    """What the key last said about itself."""
    return max(
        (packet for packet in own if packet.signature_type in _SELF_SIGNATURES),
        key=_signed_at,
        default=None,
    )


def _signed_at(packet: Packet) -> int:
    return int(packet.signature_created.timestamp()) if packet.signature_created else 0


def _own(packets: list[Packet], fingerprint: bytes) -> list[Packet]:
    """The user ids and what the key itself signed, up to the next key."""
    issuers = (fingerprint.hex(), fingerprint[-8:].hex())
    own = []
    for packet in packets:
        if packet.tag in _ALL_KEYS:
            break
        if (
            packet.tag == Tag.UserID
            or (packet.issuer_fingerprint or packet.issuer_key_id) in issuers
        ):
            own.append(packet)
    return own


def _copied(packet: Packet) -> bytes:
    kind = openpgp.USER_ID if packet.tag == Tag.UserID else openpgp.SIGNATURE
    return openpgp.packet(kind, packet.body)


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
        return numbers.private_key()
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
