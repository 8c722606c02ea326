"""Public keys that stand together in one file: the keys of a site, the current one first."""

import base64
import re
from collections.abc import Collection, Iterable

import pysequoia
from pysequoia.packet import Packet, PacketPile, Tag

from kubewright.errors import RequestError, VerificationFailed
from kubewright.signing import openpgp, sequoia, verify
from kubewright.signing.public import MARK, ArtifactPublicKey

_KEYRING, _ARTIFACT_KEYS = "keys/kubewright.gpg", "keys/kubewright.pub"
"""Where the keys of a site come from, for messages."""

_RESTORE = "run `kubewright repair`"

_ARMOR = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n([A-Za-z0-9+/=\n]+)\n=[A-Za-z0-9+/]{4}\n"
    rb"-----END PGP PUBLIC KEY BLOCK-----\n"
)


def certificates(keyring: bytes, *, place: str, remedy: str = _RESTORE) -> dict[str, bytes]:
    """The OpenPGP certificates in a file, binary or armored, by upper-case fingerprint and in their
    order.

    Raises VerificationFailed for what is not a keyring, and for a certificate whose own signature
    does not hold. By this machine's clock: a certificate from the future is refused.
    """
    return _by_fingerprint(_sound(keyring, place, remedy))


def site_certificates(keyring: bytes, *, place: str, remedy: str = _RESTORE) -> dict[str, bytes]:
    """The same of a keyring that this program wrote, in which damage makes no key disappear.

    Raises VerificationFailed as `certificates` does, and for any packet that does not belong.
    """
    return _by_fingerprint(_published(keyring, place, remedy))


def armored_certificates(text: bytes, *, place: str) -> dict[str, bytes]:
    """The certificates in a text that holds nothing but `armored` of some, as `certificates` has
    them.

    Stricter than OpenPGP: a text in which any byte is not as this program writes it is refused,
    though its certificates may be whole, because rpm and zypper refuse it too. Raises
    VerificationFailed.
    """
    blocks = []
    for lines in _ARMOR.findall(text):
        try:
            blocks.append(base64.b64decode(lines.replace(b"\n", b""), validate=True))
        except ValueError:
            break  # not what would be written for any bytes, so the comparison below fails
    if not blocks or b"".join(_armored(block) for block in blocks) != text:
        raise VerificationFailed(place, "not just armored public keys, or damaged", _RESTORE)
    held: dict[str, bytes] = {}
    for block in blocks:
        held |= site_certificates(block, place=place)
    return held


def merged(current: bytes, earlier: Iterable[bytes]) -> bytes:
    """A binary keyring of the current certificate and of every earlier one that is another key.

    Raises VerificationFailed for an earlier keyring that is damaged or empty.
    """
    (own,) = site_certificates(current, place="--repo-key", remedy="export the key again")
    others: dict[str, bytes] = {}
    for keyring in earlier:
        known = site_certificates(keyring, place=_KEYRING, remedy=_RESTORE)
        if not known:
            raise VerificationFailed(_KEYRING, "holds no public key", _RESTORE)
        for fingerprint, certificate in known.items():
            if fingerprint != own:
                others.setdefault(fingerprint, certificate)
    return b"".join([current, *others.values()])


def without(keyring: bytes, names: Collection[str], *, place: str) -> bytes:
    """A binary keyring that a site has published, without the certificates of these fingerprints.

    Raises VerificationFailed where it is damaged.
    """
    if not names or not keyring:
        return keyring
    held = site_certificates(keyring, place=place)
    return b"".join(data for name, data in held.items() if name not in names)


def pem_without(text: bytes, names: Collection[str]) -> bytes:
    """The ECDSA keys that a site has published, without those of these ids. Raises the same."""
    if not names or not text:
        return text
    held = artifact_keys(text, place=_ARTIFACT_KEYS)
    return b"".join(key.public_pem for name, key in held.items() if name not in names)


def armored(keyring: bytes) -> str:
    """A keyring as text: one armored block after the other, as rpm and dnf read them.

    Raises VerificationFailed as `certificates` does.
    """
    blocks = site_certificates(keyring, place="the keyring", remedy=_RESTORE).values()
    return b"".join(_armored(block) for block in blocks).decode()


def artifact_keys(text: bytes, *, place: str) -> dict[str, ArtifactPublicKey]:
    """The ECDSA keys of a PEM file by their ids and in their order.

    The line above a key says whether it is a development key. Raises VerificationFailed for
    anything else in the file, and for a file without a key.
    """
    keys = {}
    for block in verify.PEM.finditer(text):
        try:
            ((key_id, key),) = verify.public_keys(block[0], place=place).items()
        except RequestError as error:
            raise VerificationFailed(place, "holds a damaged public key", _RESTORE) from error
        development = text[: block.start()].endswith(MARK)
        keys[key_id] = ArtifactPublicKey(key, development)
    rest = verify.PEM.sub(b"", text).replace(MARK, b"")
    if rest.strip() or not keys:
        raise VerificationFailed(place, "not just public keys in PEM form", _RESTORE)
    return keys


def merged_pem(current: bytes, earlier: bytes) -> bytes:
    """Public keys in PEM form, the current one first; what stands above a block stays with the
    current one.

    Raises VerificationFailed where the earlier ones are damaged.
    """
    own = artifact_keys(current, place="--artifact-key")
    others = artifact_keys(earlier, place=_ARTIFACT_KEYS) if earlier else {}
    return current + b"".join(key.pem for key_id, key in others.items() if key_id not in own)


def _sound(keyring: bytes, place: str, remedy: str) -> list[pysequoia.Cert]:
    with sequoia.refusing(VerificationFailed(place, "not an OpenPGP keyring", remedy)):
        certs = pysequoia.Cert.split_bytes(keyring)
    for certificate in certs:
        name = certificate.fingerprint.upper()
        problem = (
            f"the signature of {name} over its own name does not hold: "
            "the keyring is damaged, or this machine's clock is behind"
        )
        with sequoia.refusing(VerificationFailed(place, problem, remedy)):
            sequoia.user_ids(certificate)
    return certs


def _published(keyring: bytes, place: str, remedy: str) -> list[pysequoia.Cert]:
    """Sequoia leaves out a key whose packet is not one any more; here that is damage."""
    certs = _sound(keyring, place, remedy)
    with sequoia.refusing(VerificationFailed(place, "a damaged OpenPGP keyring", remedy)):
        keys = _primary_keys(PacketPile.from_bytes(keyring)) if keyring else []
        if keys != [certificate.fingerprint for certificate in certs]:
            raise VerificationFailed(place, "holds more than public keys, or is damaged", remedy)
    return certs


def _primary_keys(packets: Iterable[Packet]) -> list[str]:
    """The fingerprints of keys that stand alone or with names and with what they signed themselves.

    Raises ValueError for any other packet.
    """
    fingerprints = []
    for packet in packets:
        if packet.tag == Tag.PublicKey and packet.fingerprint:
            fingerprints.append(packet.fingerprint)
        elif packet.tag == Tag.Signature:
            issuer = packet.issuer_fingerprint or packet.issuer_key_id
            if not issuer or not fingerprints or not fingerprints[-1].endswith(issuer):
                raise ValueError("a signature by another key")
        elif packet.tag != Tag.UserID:
            raise ValueError("a packet that keys of ours do not have")
    return fingerprints


def _by_fingerprint(certs: list[pysequoia.Cert]) -> dict[str, bytes]:
    found = {}
    for certificate in certs:  # Sequoia writes lengths that old rpm may not know
        found[certificate.fingerprint.upper()] = openpgp.reframed(bytes(certificate))
    return found


def _armored(certificate: bytes) -> bytes:
    return openpgp.armored("PUBLIC KEY BLOCK", certificate)
