"""Keys in files: `file:PATH`."""

import logging
import stat
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from kubewright.errors import RequestError
from kubewright.files import expanded
from kubewright.signing import keyfile
from kubewright.signing.public import MARK
from kubewright.signing.signer import Algorithm, Kind, Secrets

log = logging.getLogger(__name__)

_HASHES = {"sha256": SHA256(), "sha512": SHA512()}
_MAKE = "make one with `kubewright key init DIR`"


@dataclass(frozen=True)
class FileSigner:
    """A secret key in this process."""

    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(repr=False)
    public: bytes = field(repr=False)

    def sign_digest(self, digest: bytes, algorithm: Algorithm) -> bytes:
        """The same signature each time: PKCS #1 v1.5, or ECDSA with the nonce of RFC 6979."""
        prehashed = utils.Prehashed(_HASHES[algorithm])
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(digest, padding.PKCS1v15(), prehashed)
        return self.private.sign(digest, ec.ECDSA(prehashed, deterministic_signing=True))


def open_file(name: str, kind: Kind, secrets: Secrets) -> FileSigner:
    """The key in a file; `name` is a path, or what follows `file:` in a URL.

    Raises RequestError, starting with the path, for a file without a usable key of that kind.
    """
    path = expanded(name.removeprefix("//"))
    try:
        mode, data = path.stat().st_mode, path.read_bytes()
    except OSError as error:
        raise RequestError(
            str(path), str(error.strerror), "make keys with `kubewright key init DIR`"
        ) from error
    if stat.S_ISREG(mode) and mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RequestError(
            str(path), "others can write this secret key", f"chmod 600 {path}, if it is still yours"
        )
    if stat.S_ISREG(mode) and mode & stat.S_IROTH:
        log.warning("%s: everybody here can read this secret key; chmod 600 %s", path, path)
    if kind == "rsa":
        raise RequestError(str(path), "a key in a file has its certificate in it", _MAKE)
    if kind == "openpgp":
        read = keyfile.read(data, place=str(path))
        return FileSigner(read.private, read.public.certificate)
    private = _ecdsa(data, str(path), secrets)
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return FileSigner(private, MARK + pem if data.startswith(MARK) else pem)


def _ecdsa(data: bytes, place: str, secrets: Secrets) -> ec.EllipticCurvePrivateKey:
    """The key in a PEM file, unlocked where that is needed."""
    try:
        private = load_pem_private_key(data, password=None)
    except TypeError:  # what `cryptography` says of a locked key
        private = _unlocked(data, secrets(place), place)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RequestError(place, "not a private key in PEM form", _MAKE) from error
    if not isinstance(private, ec.EllipticCurvePrivateKey) or not isinstance(
        private.curve, ec.SECP256R1
    ):
        raise RequestError(place, "not an ECDSA P-256 key", _MAKE)
    return private


def _unlocked(data: bytes, passphrase: bytes, place: str) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(data, password=passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise RequestError(
            place, "not opened by this passphrase, or damaged", "try another passphrase"
        ) from error
