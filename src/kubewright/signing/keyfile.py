"""Reads an OpenPGP secret key: one that `kubewright key init` wrote, or an RSA key that gpg
exported.
"""

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa
from pysequoia.packet import HashAlgorithm, Packet, PacketPile, SignatureType, Tag

from kubewright.errors import RequestError
from kubewright.signing import openpgp

MINIMUM_BITS = 3072
"""The shortest RSA key that is accepted."""

_SELF_SIGNATURES = (
    SignatureType.PositiveCertification,
    SignatureType.GenericCertification,
    SignatureType.DirectKey,
)
_STRONG = (HashAlgorithm.SHA256, HashAlgorithm.SHA384, HashAlgorithm.SHA512)
_HOW = "export one with `gpg --export-secret-keys FINGERPRINT`, or make one with `kubewright key init DIR`"


@dataclass(frozen=True)
class KeyFile:
    """The primary key in a key file; subkeys are left out. Times are epoch seconds."""

    key: openpgp.RsaKey
    user_id: str
    certificate: bytes
    usable_from: int
    expires: int | None


def read(data: bytes, *, place: str) -> KeyFile:
    """Read a key, armored or binary.

    Raises RequestError unless it is an unencrypted RSA key of at least MINIMUM_BITS whose
    signatures verifiers accept.
    """
    try:
        packets = list(PacketPile.from_bytes(data))
    except (RuntimeError, ValueError) as error:
        raise RequestError(f"{place}: not an OpenPGP key; {_HOW}") from error
    if not packets or packets[0].tag != Tag.SecretKey:
        raise RequestError(f"{place}: holds no OpenPGP secret key; {_HOW}")
    key = _rsa(packets[0].body, place)
    own = _own(packets[1:], key.fingerprint)
    names = [packet.user_id for packet in own if packet.user_id]
    newest = _newest_word(own)
    if not names or newest is None:
        raise RequestError(f"{place}: the key has no user id that it signed itself; {_HOW}")
    _acceptable(own, newest, place)
    certificate = openpgp.packet(openpgp.PUBLIC_KEY, key.public_body) + b"".join(
        _copied(packet) for packet in own
    )
    return KeyFile(key, names[0], certificate, _signed_at(newest), expires(certificate))


def expires(certificate: bytes) -> int | None:
    """When a key says that it ends (epoch seconds); no clock is read for it. Raises ValueError if
    it is no key.
    """
    primary, *rest = PacketPile.from_bytes(certificate)
    if primary.fingerprint is None or primary.key_created is None:
        raise ValueError("not a key")
    newest = _newest_word(_own(rest, bytes.fromhex(primary.fingerprint)))
    life = newest.key_validity_period if newest else None
    return int((primary.key_created + life).timestamp()) if life else None


def _acceptable(own: list[Packet], newest: Packet, place: str) -> None:
    """Refuse what verifiers would refuse later."""
    if any(packet.signature_type == SignatureType.KeyRevocation for packet in own):
        raise RequestError(
            f"{place}: the key is revoked; make a new one with `kubewright key init DIR`"
        )
    if newest.key_flags and not newest.key_flags.signing:
        raise RequestError(
            f"{place}: the primary key may not sign data, and subkeys are not used; {_HOW}"
        )
    if newest.hash_algorithm not in _STRONG:
        raise RequestError(
            f"{place}: the key certifies itself with {newest.hash_algorithm}, which apt refuses; "
            "extend it with a current gpg (`gpg --quick-set-expire`) and export it again"
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
    """The user ids and what the key itself signed, up to the first subkey."""
    ends = [
        index
        for index, packet in enumerate(packets)
        if packet.tag in (Tag.SecretSubkey, Tag.PublicSubkey)
    ]
    issuers = (fingerprint.hex(), fingerprint[-8:].hex())
    return [
        packet
        for packet in packets[: ends[0] if ends else None]
        if packet.tag == Tag.UserID
        or (packet.issuer_fingerprint or packet.issuer_key_id) in issuers
    ]


def _copied(packet: Packet) -> bytes:
    return openpgp.packet(
        openpgp.USER_ID if packet.tag == Tag.UserID else openpgp.SIGNATURE, packet.body
    )


def _rsa(body: bytes, place: str) -> openpgp.RsaKey:
    """The key in the body of a version 4 secret key packet (RFC 9580, section 5.5)."""
    try:
        if (body[0], body[5]) != (4, openpgp.RSA_ALGORITHM):
            raise RequestError(
                f"{place}: not an RSA key, the one kind that every rpm can verify; {_HOW}"
            )
        (n, e), protection = _numbers(body[6:], 2)
        if protection[0]:
            raise RequestError(
                f"{place}: protected by a passphrase or kept on a card; a copy without is needed here"
            )
        (d, p, q, _), _ = _numbers(protection[1:], 4)
        rest = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
        private = rsa.RSAPrivateNumbers(p, q, d, *rest, rsa.RSAPublicNumbers(e, n)).private_key()
    except (IndexError, ValueError) as error:
        raise RequestError(f"{place}: a damaged OpenPGP key; {_HOW}") from error
    if private.key_size < MINIMUM_BITS:
        raise RequestError(
            f"{place}: RSA with {private.key_size} bits; at least {MINIMUM_BITS} are needed; {_HOW}"
        )
    return openpgp.RsaKey(private, int.from_bytes(body[1:5]))


def _numbers(data: bytes, count: int) -> tuple[list[int], bytes]:
    """That many OpenPGP integers, and what follows them."""
    numbers = []
    for _ in range(count):
        size = (int.from_bytes(data[:2]) + 7) // 8
        numbers.append(int.from_bytes(data[2 : 2 + size]))
        data = data[2 + size :]
    return numbers, data
