"""The keys of a release manager: made, and read from where they lie, development keys too."""

import os
import stat
from collections.abc import Callable
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from typing import Self

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from kubewright import files
from kubewright.errors import RequestError
from kubewright.models.base import DAY
from kubewright.models.site import LONGEST
from kubewright.signing import development, keyfile, openpgp, roots
from kubewright.signing.file_signer import FileSigner
from kubewright.signing.keyring import artifact_keys
from kubewright.signing.public import DEVELOPMENT, MARK, RepoPublicKey
from kubewright.signing.roles import ArtifactKey, RepoKey
from kubewright.signing.schemes import locked, open_key
from kubewright.signing.signer import Secrets

_REPO, _ARTIFACT = "repo-key.asc", "artifact-key.pem"
_FRESHNESS, _ROOT = "freshness-key.pem", "root-key.pem"
"""The files of the secret keys."""

_METADATA = "root.json"
"""The root that names the others."""


def repo_key(
    uri: str | None, *, now: int, secrets: Secrets = locked, option: str = "--repo-key"
) -> RepoKey:
    """The repository key at `uri`, or the user's development key, made at `now` (epoch seconds) on
    first use.

    Raises RequestError when there is no such key, it is of another kind, or it has expired by
    `now`.
    """
    if uri is None:
        path = _development(_REPO, lambda: _new_repo_key(DEVELOPMENT, now, None))
        uri = f"file:{path}"
    signer = open_key(uri, "openpgp", option=option, secrets=secrets)
    public = keyfile.public(signer.public, place=uri)
    public.refuse_expired(now)
    return RepoKey.of(public, signer)


def artifact_key(uri: str | None, *, secrets: Secrets = locked) -> ArtifactKey:
    """The artifact key at `uri`, or the user's development key, made on first use.

    Raises RequestError when there is no such key or it is of another kind.
    """
    return _ecdsa(uri, _ARTIFACT, "--artifact-key", secrets)


def _ecdsa(uri: str | None, name: str, option: str, secrets: Secrets) -> ArtifactKey:
    """The ECDSA key at `uri`, or the user's development key in the file of that name."""
    if uri is None:
        path = _development(name, lambda: MARK + _new_artifact_key())
        uri = f"file:{path}"
    signer = open_key(uri, "ecdsa-p256", option=option, secrets=secrets)
    (public,) = artifact_keys(signer.public, place=uri).values()
    return ArtifactKey.of(public, signer)


def freshness_key(uri: str | None, *, secrets: Secrets = locked) -> ArtifactKey:
    """The key at `uri` that says which publication is the newest, or the user's development key.

    Raises as `artifact_key` does.
    """
    return _ecdsa(uri, _FRESHNESS, "--freshness-key", secrets)


def root_key(uri: str | None, *, secrets: Secrets = locked) -> ArtifactKey:
    """The key at `uri` that signs roots, or the user's development key. Raises as `artifact_key`
    does.
    """
    return _ecdsa(uri, _ROOT, "--root-key", secrets)


def development_root(now: int) -> bytes:
    """The root that names the user's development keys, made at `now` on first use."""
    artifact, freshness = artifact_key(None), freshness_key(None)
    signer = root_key(None)

    def make() -> bytes:
        return _root(signer, artifact, freshness, now, LONGEST)

    return _development(_METADATA, make).read_bytes()


def _root(
    signer: ArtifactKey, artifact: ArtifactKey, freshness: ArtifactKey, now: int, days: int
) -> bytes:
    holders = {
        "root": [signer.key],
        "targets": [artifact.key],
        "snapshot": [artifact.key],
        "timestamp": [freshness.key],
    }
    return roots.new(holders, [signer.role_key], now=now, days=days).data


def certify(uri: str, name: str, *, now: int, secrets: Secrets = locked) -> RepoPublicKey:
    """The certificate of an RSA key that a token or a service has, valid from `now` (epoch
    seconds).

    Raises RequestError for a key that signs no digests here, and for another kind of key.
    """
    _refuse_name(name)
    signer = open_key(uri, "rsa", option="--key", secrets=secrets)
    public = load_pem_public_key(signer.public)
    if not isinstance(public, rsa.RSAPublicKey) or public.key_size < keyfile.MINIMUM_BITS:
        raise RequestError(uri, f"no RSA key of {keyfile.MINIMUM_BITS} bits", "make another key")
    numbers = public.public_numbers()
    key = openpgp.PublicKey(numbers.n, numbers.e, now)
    sign = partial(signer.sign_digest, algorithm="sha512")
    return keyfile.public(openpgp.certificate(key, sign, name, None), place=uri)


def _refuse_name(name: str) -> None:
    if not name.strip() or not name.isprintable():
        raise RequestError(
            repr(name),
            "not a name for a key",
            "write one like 'Example releases <releases@example.org>'",
        )


@dataclass(frozen=True)
class Paths:
    """The files that `initialise` wrote."""

    repo_secret: Path
    repo_public: Path
    artifact_secret: Path
    artifact_public: Path
    next_secret: Path
    """Of the repository key that comes next: not for this machine."""
    next_public: Path
    freshness_secret: Path
    freshness_public: Path
    root_secret: Path
    """Signs roots: not for this machine."""
    root_public: Path
    root: Path
    """The root that names artifact key and freshness key."""

    @classmethod
    def below(cls, directory: Path) -> Self:
        """Where they lie in a directory."""
        return cls(
            repo_secret=directory / _REPO,
            repo_public=directory / "repo-key.pub.asc",
            artifact_secret=directory / _ARTIFACT,
            artifact_public=directory / "artifact-key.pub",
            next_secret=directory / "next-repo-key.asc",
            next_public=directory / "next-repo-key.pub.asc",
            freshness_secret=directory / _FRESHNESS,
            freshness_public=directory / "freshness-key.pub",
            root_secret=directory / _ROOT,
            root_public=directory / "root-key.pub",
            root=directory / _METADATA,
        )


def initialise(directory: Path, name: str, *, now: int, expires_days: int | None) -> Paths:
    """Make keys in `directory`, the secret ones readable by their owner alone.

    `name` becomes the user id of the repository keys, e.g. `Example <releases@example.org>`; they
    are valid from `now` (epoch seconds). Raises RequestError rather than replace a file, and for a
    directory that others can write to.
    """
    _refuse_name(name)
    longest = (2**32 - 1 - now) // DAY  # GnuPG counts the second of the end in four bytes too
    if expires_days is not None and not 1 <= expires_days <= longest:
        raise RequestError(
            f"{expires_days} days",
            f"a key is valid for 1 to {longest} days",
            "leave --expires out for ever",
        )
    paths = Paths.below(directory)
    for path in astuple(paths):
        if path.exists():
            raise RequestError(
                str(path),
                "exists already and keys are never replaced",
                "choose an empty directory",
            )
    _refuse_open(directory)
    expires = None if expires_days is None else now + expires_days * DAY
    for secret, public in (
        (paths.repo_secret, paths.repo_public), (paths.next_secret, paths.next_public),
    ):  # fmt: skip
        files.write(secret, _new_repo_key(name, now, expires), mode=0o600)
        files.write(public, repo_key(f"file:{secret}", now=now).armored.encode())
    artifact = _written(paths.artifact_secret, paths.artifact_public)
    freshness = _written(paths.freshness_secret, paths.freshness_public)
    signer = _written(paths.root_secret, paths.root_public)
    files.write(paths.root, _root(signer, artifact, freshness, now, roots.YEAR))
    return paths


def _written(secret: Path, public: Path) -> ArtifactKey:
    """A new ECDSA key in two files."""
    files.write(secret, _new_artifact_key(), mode=0o600)
    key = artifact_key(f"file:{secret}")
    files.write(public, key.public_pem)
    return key


def _refuse_open(directory: Path) -> None:
    if directory.is_dir() and directory.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise RequestError(
            str(directory), "others can write here", f"chmod go-w {directory}, or choose another"
        )


def are_made(repo: str | None, artifact: str | None) -> bool:
    """Whether no development key would have to be made first for these two URIs."""
    wanted = ((repo, _REPO), (artifact, _ARTIFACT), (artifact, _FRESHNESS), (artifact, _METADATA))
    return all(
        uri is not None or (_development_directory() / name).exists() for uri, name in wanted
    )


def _development(name: str, make: Callable[[], bytes]) -> Path:
    """The file `name` among the development keys of this user, made on first use."""
    return development.path(_development_directory().absolute(), name, make)


def _development_directory() -> Path:
    own = os.environ.get("KUBEWRIGHT_DATA")
    if own:
        return files.expanded(own) / "development"
    try:
        shared = files.expanded(
            os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local/share")
        )
    except RuntimeError as error:
        raise RequestError(
            "HOME", "not set, and this user is not known to the system, so there is no place for"
            " development keys", "set HOME or KUBEWRIGHT_DATA, or name keys of your own",
        ) from error  # fmt: skip
    return shared / "kubewright" / "development"


def _new_repo_key(name: str, now: int, expires: int | None) -> bytes:
    private = rsa.generate_private_key(public_exponent=65537, key_size=keyfile.MINIMUM_BITS)
    return key_file(private, name, now, expires)


def key_file(private: rsa.RSAPrivateKey, name: str, made: int, expires: int | None) -> bytes:
    """A new key as `file:` reads it, armored; times are epoch seconds."""
    secret = private.private_numbers()
    key = openpgp.PublicKey(secret.public_numbers.n, secret.public_numbers.e, made)
    sign = partial(FileSigner(private, b"").sign_digest, algorithm="sha512")
    return openpgp.armored(
        "PRIVATE KEY BLOCK", openpgp.secret_key(secret, key, sign, name, expires)
    )


def _new_artifact_key() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
