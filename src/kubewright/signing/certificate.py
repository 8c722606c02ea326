"""The public half of a repository key: all that building packages needs of it."""

from dataclasses import dataclass, field
from pathlib import Path

import pysequoia
from pysequoia.packet import Packet, PacketPile, SignatureType, Tag

from kubewright.errors import RequestError
from kubewright.moments import day
from kubewright.signing import keyfile, keys, openpgp

_REMEDY = "give the certificate that `kubewright key init DIR` wrote as repo-key.pub.asc"
_CERTIFIES = (
    SignatureType.PositiveCertification,
    SignatureType.GenericCertification,
    SignatureType.DirectKey,
)
_SUBKEYS = (Tag.SecretSubkey, Tag.PublicSubkey)


@dataclass(frozen=True)
class Certificate:
    """An OpenPGP certificate. Times are epoch seconds."""

    binary: bytes = field(repr=False)
    """As it stands in keyrings: the primary key and what it says of itself."""
    fingerprint: str
    """40 uppercase hexadecimal digits."""
    user_id: str
    usable_from: int
    """The earliest time that its key can sign for."""
    expires: int | None

    @property
    def development(self) -> bool:
        """Whether nobody should trust it."""
        return self.user_id == keys.DEVELOPMENT


def read(uri: str | None, now: int) -> Certificate:
    """The certificate in the file at `uri` (`file:PATH`), which may be a secret key's too; without
    a URI that of the user's development key, made at `now` (epoch seconds) on first use.

    Raises RequestError when there is none, or it has expired by `now`.
    """
    if uri is None:
        certificate = parse(keys.repo_key(None, now=now).certificate, place="the development key")
    else:
        path = _path(uri)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise RequestError(str(path), str(error.strerror), _REMEDY) from error
        certificate = parse(data, place=str(path))
    if certificate.expires is not None and now >= certificate.expires:
        raise RequestError(
            f"key {certificate.fingerprint}",
            f"expired on {day(certificate.expires)}",
            "rotate it with `kubewright key init DIR` (docs/keys.md)",
        )
    return certificate


def parse(data: bytes, *, place: str) -> Certificate:
    """Read a certificate or the public half of a secret key, armored or binary.

    The secret half is not looked at: it may be absent or locked. Raises RequestError for anything
    that is neither.
    """
    try:
        primary, *packets = PacketPile.from_bytes(data)
        if primary.tag not in (Tag.PublicKey, Tag.SecretKey) or primary.fingerprint is None:
            raise RequestError(place, "holds no OpenPGP key", _REMEDY)
        own = _own(packets, primary.fingerprint)
        binary = openpgp.packet(openpgp.PUBLIC_KEY, _public_body(primary)) + b"".join(
            openpgp.packet(_kind(packet), packet.body) for packet in own
        )
        names = [packet.user_id for packet in own if packet.user_id]
        signed = [_signed_at(packet) for packet in own if packet.signature_type in _CERTIFIES]
        sound = [str(name) for name in pysequoia.Cert.from_bytes(binary).user_ids]
        expires = keyfile.expires(binary)
    except (RuntimeError, ValueError) as error:
        raise RequestError(place, "not an OpenPGP key", _REMEDY) from error
    if not names or not signed or names[0] not in sound:
        raise RequestError(place, "the key has no user id that it signed itself", _REMEDY)
    return Certificate(binary, primary.fingerprint.upper(), names[0], max(signed), expires)


def _own(packets: list[Packet], fingerprint: str) -> list[Packet]:
    """The user ids and what the key itself signed, up to the first subkey."""
    own: list[Packet] = []
    for packet in packets:
        if packet.tag in _SUBKEYS:
            break
        issuer = (packet.issuer_fingerprint or packet.issuer_key_id or "").lower()
        if packet.tag == Tag.UserID or (issuer and fingerprint.lower().endswith(issuer)):
            own.append(packet)
    return own


def _public_body(primary: Packet) -> bytes:
    """The public half of an RSA key packet (RFC 9580, section 5.5.2): head and two numbers."""
    body, end = primary.body, 6
    for _ in range(2):
        end += 2 + (int.from_bytes(body[end : end + 2]) + 7) // 8
    return body[:end]


def _kind(packet: Packet) -> int:
    return openpgp.USER_ID if packet.tag == Tag.UserID else openpgp.SIGNATURE


def _signed_at(packet: Packet) -> int:
    return int(packet.signature_created.timestamp()) if packet.signature_created else 0


def _path(uri: str) -> Path:
    scheme, _, rest = uri.partition(":")
    if scheme != "file" or not rest:
        raise RequestError(
            f"--repo-key {uri}",
            "no certificate can be read from there",
            "give a file, e.g. file:keys/repo-key.pub.asc",
        )
    return Path(rest.removeprefix("//")).expanduser()
