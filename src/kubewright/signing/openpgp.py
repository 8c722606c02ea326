"""OpenPGP for one RSA key, byte by byte: the same key, data and time always give the same bytes.

Nothing here reads a clock or draws a random number, which gpg (the time) and Sequoia (a salt) both
do. Formats: RFC 9580, version 4 packets. Choices are the oldest that today's verifiers accept, so
that the rpm of RHEL 7 and the sqv of Debian 13 both agree: RSA, SHA-512, one primary key without
subkeys. The secret key is never seen here: whoever has it is asked to sign a digest.
"""

import base64
import hashlib
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

SIGNATURE, SECRET_KEY, PUBLIC_KEY, USER_ID = 2, 5, 6, 13
"""Packet types."""

BINARY, TEXT, POSITIVE_CERTIFICATION, KEY_REVOCATION = 0x00, 0x01, 0x13, 0x20
"""Signature types."""

RSA_ALGORITHM, SHA512_ALGORITHM, SHA256_ALGORITHM = 1, 10, 8


_HASHES = {
    2: hashes.SHA1(),  # noqa: S303 - only read, as below
    SHA256_ALGORITHM: hashes.SHA256(), 9: hashes.SHA384(), SHA512_ALGORITHM: hashes.SHA512(),
    11: hashes.SHA224(),
}  # fmt: skip
"""By their OpenPGP numbers. SHA-1 is read here; who counts on a signature asks for more."""

SignDigest = Callable[[bytes], bytes]
"""Takes a SHA-512 digest and returns the RSA signature over it (PKCS #1 v1.5), with the secret half
of the public key that stands beside it.
"""


@dataclass(frozen=True)
class PublicKey:
    """The public half of an RSA key, and when it says that it was made (epoch seconds), which is
    part of its fingerprint.
    """

    n: int
    e: int
    created: int

    @cached_property
    def body(self) -> bytes:
        """The body of its public key packet."""
        head = b"\x04" + self.created.to_bytes(4) + bytes([RSA_ALGORITHM])
        return head + mpi(self.n) + mpi(self.e)

    @cached_property
    def fingerprint(self) -> bytes:
        """The 20 bytes that name it."""
        return hashlib.sha1(framed(self.body), usedforsecurity=False).digest()


def packet(kind: int, body: bytes) -> bytes:
    """A packet with the old two-byte length, which every rpm can read, where that is enough."""
    if kind > 15:  # a picture; the old form has no number for it
        return bytes([0xC0 | kind, 255]) + len(body).to_bytes(4) + body
    if len(body) < 1 << 16:
        return bytes([0x80 | kind << 2 | 1]) + len(body).to_bytes(2) + body
    return bytes([0x80 | kind << 2 | 2]) + len(body).to_bytes(4) + body


def reframed(data: bytes) -> bytes:
    """Packets as `packet` writes them, whatever kind of length they have.

    Raises ValueError for lengths that no key has.
    """
    found, at = b"", 0
    while at < len(data):
        head, first = data[at], data[at + 1]
        at += 2
        if head & 0xC0 == 0x80 and head & 3 < 3:  # the old form, up to four bytes of length
            kind, count = head >> 2 & 15, 1 << (head & 3)
            size, at = int.from_bytes(data[at - 1 : at - 1 + count]), at - 1 + count
        elif head & 0xC0 == 0xC0 and first == 255:  # the new form, as of a picture
            kind, size, at = head & 63, int.from_bytes(data[at : at + 4]), at + 4
        elif head & 0xC0 == 0xC0 and first < 224:
            kind, size = head & 63, first
            if first >= 192:
                size, at = (first - 192 << 8) + data[at] + 192, at + 1
        else:
            raise ValueError("a packet of a length that no key has")
        found += packet(kind, data[at : at + size])
        at += size
    return found


def mpi(number: int) -> bytes:
    """A number as OpenPGP writes it: how many bits, then the bytes."""
    return number.bit_length().to_bytes(2) + number.to_bytes((number.bit_length() + 7) // 8)


def framed(public_body: bytes) -> bytes:
    """A public key as fingerprints and certifications hash it."""
    return b"\x99" + len(public_body).to_bytes(2) + public_body


def secret_key(
    secret: rsa.RSAPrivateNumbers,
    key: PublicKey,
    sign: SignDigest,
    user_id: str,
    expires: int | None,
) -> bytes:
    """What a key file holds: the secret key, not encrypted, then what `named` gives.

    `gpg --import` reads it.
    """
    p, q = sorted((secret.p, secret.q))  # the format wants p < q
    numbers = b"".join(mpi(number) for number in (secret.d, p, q, pow(p, -1, q)))
    body = key.body + b"\x00" + numbers + (sum(numbers) % 65536).to_bytes(2)
    return packet(SECRET_KEY, body) + named(key, sign, user_id, expires)


def certificate(key: PublicKey, sign: SignDigest, user_id: str, expires: int | None) -> bytes:
    """The public key with a name that it has signed itself, for a secret that lies elsewhere."""
    return packet(PUBLIC_KEY, key.body) + named(key, sign, user_id, expires)


def named(key: PublicKey, sign: SignDigest, user_id: str, expires: int | None) -> bytes:
    """The name of a key, and the key's own word that they belong together.

    After the packet of the key, public or secret, it makes a certificate or a key file. The key can
    be used from its creation until `expires` (epoch seconds; None: for ever).
    """
    name = user_id.encode()
    subpackets = [
        _subpacket(27, b"\x03"),  # key flags: certify and sign
        _subpacket(21, bytes([SHA512_ALGORITHM, SHA256_ALGORITHM])),  # preferred hashes
        _subpacket(30, b"\x01"),  # features: modification detection, as every current client has
    ]
    if expires is not None:
        subpackets.append(_subpacket(9, (expires - key.created).to_bytes(4)))
    data = (framed(key.body), b"\xb4", len(name).to_bytes(4), name)
    return packet(USER_ID, name) + signature(
        key, sign, POSITIVE_CERTIFICATION, data, key.created, subpackets
    )


def revocation(key: PublicKey, sign: SignDigest, when: int) -> bytes:
    """The key's own word that it counts no more, for somebody else has it; made at `when` (epoch
    seconds).
    """
    compromised = _subpacket(29, b"\x02")  # RFC 9580, section 5.2.3.31
    return signature(key, sign, KEY_REVOCATION, (framed(key.body),), when, [compromised])


def signature(
    key: PublicKey,
    sign: SignDigest,
    kind: int,
    data: Sequence[bytes],
    when: int,
    extra: Sequence[bytes] = (),
) -> bytes:
    """A signature packet over the concatenation of `data`, made at `when` (epoch seconds)."""
    hashed = b"".join(
        (_subpacket(2, when.to_bytes(4)), *extra, _subpacket(33, b"\x04" + key.fingerprint))
    )
    head = bytes([4, kind, RSA_ALGORITHM, SHA512_ALGORITHM]) + len(hashed).to_bytes(2) + hashed
    state = hashlib.sha512()
    for part in (*data, head, b"\x04\xff", len(head).to_bytes(4)):
        state.update(part)
    digest = state.digest()
    # The issuer is not hashed: it is only a hint, and old rpm knows no other.
    issuer = _subpacket(16, key.fingerprint[-8:])
    unhashed = len(issuer).to_bytes(2) + issuer
    value = mpi(int.from_bytes(sign(digest)))
    return packet(SIGNATURE, head + unhashed + digest[:2] + value)


def is_signature(body: bytes, key: PublicKey, data: bytes) -> bool:
    """Whether the body of a version 4 signature packet is of `key`, over `data`."""
    if len(body) < 6 or (body[0], body[2]) != (4, RSA_ALGORITHM) or body[3] not in _HASHES:
        return False
    head, rest = body[: 6 + int.from_bytes(body[4:6])], body[6 + int.from_bytes(body[4:6]) :]
    value = rest[2 + int.from_bytes(rest[:2]) + 2 + 2 :]  # after hints, half a digest, a length
    public = rsa.RSAPublicNumbers(key.e, key.n).public_key()
    whole = data + head + b"\x04\xff" + len(head).to_bytes(4)
    try:
        value = value.rjust(public.key_size // 8, b"\x00")
        public.verify(value, whole, padding.PKCS1v15(), _HASHES[body[3]])
    except InvalidSignature:
        return False
    return True


def _subpacket(kind: int, body: bytes) -> bytes:
    return bytes([len(body) + 1, kind]) + body


def clearsigned(text: bytes, signers: Sequence[Callable[[bytes], bytes]]) -> bytes:
    """`text` readable with signatures below in one block, as InRelease is; each signer makes the
    packet of a text as it is signed.

    Such a signature does not cover spaces and tabs at line ends: they are dropped, so that what can
    be read is what was signed. The last line always ends. Raises ValueError for a carriage return,
    which readers take differently.
    """
    if b"\r" in text:
        raise ValueError("a carriage return in a text that is to be signed")
    lines = [line.rstrip(b" \t") for line in text.removesuffix(b"\n").split(b"\n")]
    signed = b"".join(sign(b"\r\n".join(lines)) for sign in signers)
    escaped = [b"- " + line if line.startswith(b"-") else line for line in lines]
    head = [b"-----BEGIN PGP SIGNED MESSAGE-----", b"Hash: SHA512", b""]
    return b"\n".join([*head, *escaped, armored("SIGNATURE", signed)])


def armored(kind: str, data: bytes) -> bytes:
    """`data` as text: `kind` is SIGNATURE, PUBLIC KEY BLOCK or PRIVATE KEY BLOCK.

    With a checksum, which newer writers leave out and old rpm insists on.
    """
    encoded = textwrap.wrap(base64.b64encode(data).decode(), 64)
    checksum = base64.b64encode(crc24(data).to_bytes(3)).decode()
    lines = [
        f"-----BEGIN PGP {kind}-----",
        "",
        *encoded,
        f"={checksum}",
        f"-----END PGP {kind}-----",
        "",
    ]
    return "\n".join(lines).encode()


def crc24(data: bytes) -> int:
    """The checksum of an armored block."""
    crc = 0xB704CE
    for byte in data:
        crc = (crc << 8 & 0xFFFFFF) ^ _CRC24[crc >> 16 ^ byte]
    return crc


def _after_a_byte(high: int) -> int:
    """What eight more bits make of a checksum that begins with these."""
    crc = high << 16
    for _ in range(8):
        crc = crc << 1 ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc & 0xFFFFFF


_CRC24: Final = tuple(map(_after_a_byte, range(256)))
