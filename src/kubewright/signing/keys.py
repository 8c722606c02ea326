"""The two keys of a release manager: one for repositories and rpms, one for images and the
manifest.
"""

import base64
import os
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from kubewright import files
from kubewright.errors import RequestError
from kubewright.models.base import DAY
from kubewright.moments import day
from kubewright.signing import development, keyfile, openpgp

DEVELOPMENT = "Kubewright DEVELOPMENT key (do not trust)"
"""The user id of a development repository key, and the line above a development artifact key."""

_REPO, _ARTIFACT = "repo-key.asc", "artifact-key.pem"
"""The files of the secret keys."""


@dataclass(frozen=True)
class RepoKey:
    """Signs repositories and rpms: OpenPGP, RSA. Times are epoch seconds."""

    key: openpgp.RsaKey = field(repr=False)
    user_id: str
    certificate: bytes = field(repr=False)
    """The public key, binary: what goes into keyrings."""
    created: int
    """The earliest time that it can sign for: older artifacts are signed as of then, `max(when,
    key.created)`.
    """
    expires: int | None

    @property
    def fingerprint(self) -> str:
        """40 uppercase hexadecimal digits."""
        return self.key.fingerprint.hex().upper()

    @property
    def armored(self) -> str:
        """The public key as text."""
        return openpgp.armored("PUBLIC KEY BLOCK", self.certificate).decode()

    @property
    def development(self) -> bool:
        """Whether nobody should trust it."""
        return self.user_id == DEVELOPMENT

    def detached(self, data: bytes, when: int) -> bytes:
        """A binary signature over `data`. Raises RequestError when the key is not valid at
        `when`.
        """
        self._valid(when)
        return openpgp.signature(self.key, openpgp.BINARY, [data], when)

    def armored_detached(self, data: bytes, when: int) -> bytes:
        """The same as text: Release.gpg, repomd.xml.asc."""
        return openpgp.armored("SIGNATURE", self.detached(data, when))

    def clearsign(self, text: bytes, when: int) -> bytes:
        """`text` with its signature below: InRelease. Raises as `detached` does."""
        self._valid(when)
        return openpgp.clearsigned(self.key, text, when)

    def refuse_expired(self, when: int) -> None:
        """Raise RequestError if it has expired by `when` (epoch seconds)."""
        if self.expires is not None and when >= self.expires:
            raise RequestError(
                f"key {self.fingerprint}: expired on {day(self.expires)}; rotate it with `kubewright key init DIR` "
                "(docs/keys.md)"
            )

    def _valid(self, when: int) -> None:
        if when < self.created:
            raise RequestError(
                f"key {self.fingerprint}: made on {day(self.created)}, so it cannot sign for {day(when)}; "
                "check the clock, or sign for a later time"
            )
        self.refuse_expired(when)


@dataclass(frozen=True)
class ArtifactKey:
    """Signs images, manifests and statements: ECDSA P-256, as cosign does."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)
    development: bool

    @property
    def public_pem(self) -> bytes:
        """The public key; the line above a development key says that it is one."""
        pem = self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return _marked(pem) if self.development else pem

    @cached_property
    def key_id(self) -> str:
        """The SHA-256 of the public key in DER, in lowercase hexadecimal."""
        return files.sha256(
            self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        )

    def sign(self, data: bytes) -> bytes:
        """A base64 signature, which `cosign verify-blob --signature` reads; deterministic (RFC
        6979).
        """
        return base64.b64encode(self.key.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True)))


def repo_key(uri: str | None, *, now: int) -> RepoKey:
    """The repository key at `uri`, or the user's development key, made at `now` (epoch seconds) on
    first use.

    Raises RequestError when there is no such key, it is of another kind, or it has expired by
    `now`.
    """
    path = (
        _development(_REPO, lambda: _new_repo_key(DEVELOPMENT, now, None))
        if uri is None
        else _path(uri)
    )
    read = keyfile.read(_read(path), place=str(path))
    key = RepoKey(read.key, read.user_id, read.certificate, read.usable_from, read.expires)
    key.refuse_expired(now)
    return key


def artifact_key(uri: str | None) -> ArtifactKey:
    """The artifact key at `uri`, or the user's development key, made on first use.

    Raises RequestError when there is no such key or it is of another kind.
    """
    path = (
        _development(_ARTIFACT, lambda: _marked(_new_artifact_key())) if uri is None else _path(uri)
    )
    data = _read(path)
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError as error:
        raise RequestError(
            f"{path}: protected by a passphrase; a copy without is needed here"
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise RequestError(
            f"{path}: not a private key in PEM form; make one with `kubewright key init DIR`"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise RequestError(
            f"{path}: not an ECDSA P-256 key; make one with `kubewright key init DIR`"
        )
    return ArtifactKey(key, development=data.startswith(DEVELOPMENT.encode()))


@dataclass(frozen=True)
class Paths:
    """The files that `initialise` wrote."""

    repo_secret: Path
    repo_public: Path
    artifact_secret: Path
    artifact_public: Path


def initialise(directory: Path, name: str, *, now: int, expires_days: int | None) -> Paths:
    """Make both keys in `directory`, the secret ones readable by their owner alone.

    `name` becomes the repository key's user id, e.g. `Example releases <releases@example.org>`; the
    key is valid from `now` (epoch seconds). Raises RequestError rather than replace a file.
    """
    if not name.strip() or not name.isprintable():
        raise RequestError(
            f"{name!r}: not a name for a key; write one like 'Example releases <releases@example.org>'"
        )
    longest = (2**32 - 1 - now) // DAY  # GnuPG counts the second of the end in four bytes too
    if expires_days is not None and not 1 <= expires_days <= longest:
        raise RequestError(
            f"{expires_days} days: a key is valid for 1 to {longest} days; leave --expires out for ever"
        )
    paths = Paths(
        repo_secret=directory / _REPO,
        repo_public=directory / "repo-key.pub.asc",
        artifact_secret=directory / _ARTIFACT,
        artifact_public=directory / "artifact-key.pub",
    )
    for path in astuple(paths):
        if path.exists():
            raise RequestError(
                f"{path}: exists already and keys are never replaced; choose an empty directory"
            )
    expires = None if expires_days is None else now + expires_days * DAY
    files.write(paths.repo_secret, _new_repo_key(name, now, expires), mode=0o600)
    files.write(paths.artifact_secret, _new_artifact_key(), mode=0o600)
    repo, artifact = (
        repo_key(f"file:{paths.repo_secret}", now=now),
        artifact_key(f"file:{paths.artifact_secret}"),
    )
    files.write(paths.repo_public, repo.armored.encode())
    files.write(paths.artifact_public, artifact.public_pem)
    return paths


def made(repo: str | None, artifact: str | None) -> bool:
    """Whether no development key would have to be made first for these two URIs."""
    wanted = ((repo, _REPO), (artifact, _ARTIFACT))
    return all(
        uri is not None or (_development_directory() / name).exists() for uri, name in wanted
    )


def _development(name: str, make: Callable[[], bytes]) -> Path:
    """The file `name` among the development keys of this user, made on first use."""
    return development.path(_development_directory(), name, make)


def _development_directory() -> Path:
    shared = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    return Path(os.environ.get("KUBEWRIGHT_DATA") or shared / "kubewright") / "development"


def _new_repo_key(name: str, now: int, expires: int | None) -> bytes:
    key = openpgp.RsaKey(
        rsa.generate_private_key(public_exponent=65537, key_size=keyfile.MINIMUM_BITS), now
    )
    return openpgp.armored("PRIVATE KEY BLOCK", openpgp.secret_key(key, name, expires))


def _new_artifact_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _marked(pem: bytes) -> bytes:
    """Readers of PEM skip what stands before its first line."""
    return DEVELOPMENT.encode() + b"\n" + pem


def _path(uri: str) -> Path:
    scheme, colon, rest = uri.partition(":")
    if scheme != "file" or not colon or not rest:
        raise RequestError(
            f"{uri!r}: not a key that can be used; supported: file:PATH, e.g. file:keys/repo-key.asc"
        )
    return Path(rest.removeprefix("//")).expanduser()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise RequestError(
            f"{path}: {error.strerror}; make keys with `kubewright key init DIR`"
        ) from error
