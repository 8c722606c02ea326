"""key root: makes the root that says which keys sign a site, and signs it, off line."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from kubewright import files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.metadata.formats import RoleKey
from kubewright.metadata.library import Metadata, Root
from kubewright.settings import Settings
from kubewright.signing import keyring, roots
from kubewright.signing.keys import root_key
from kubewright.signing.roots import Signed
from kubewright.stages.keys import secrets


@dataclass(frozen=True)
class Wanted:
    """What a root shall say: whose public keys, PEM files, hold the roles. No file: those that the
    root before names.
    """

    root_public: tuple[Path, ...] = ()
    artifact_public: tuple[Path, ...] = ()
    freshness_public: tuple[Path, ...] = ()
    threshold: int | None = None
    """How many root keys sign a root; None: one, or as before."""
    days: int = roots.YEAR
    """Until it expires."""


def new(
    path: Path, signers: Sequence[str], wanted: Wanted, settings: Settings, *, after: Path | None
) -> Signed:
    """Write a root, the first or the one `after` another, signed by the keys at these URIs.

    Of the first root they are holders too. Raises RequestError rather than replace a file.
    """
    if path.exists():
        raise RequestError(str(path), "exists already", "choose another name")
    before = roots.read(after, "--after")[1] if after else None
    by = [root_key(uri, secrets=secrets(settings)) for uri in signers]
    own = [] if before else [key.key for key in by]
    artifact = _public(wanted.artifact_public, "--artifact-public")
    holders = {
        "root": [*own, *_public(wanted.root_public, "--root-public")],
        "targets": artifact,
        "snapshot": artifact,
        "timestamp": _public(wanted.freshness_public, "--freshness-public"),
    }
    made = roots.new(
        holders,
        [key.role_key for key in by],
        now=settings.now,
        days=wanted.days,
        threshold=wanted.threshold,
        before=before,
    )
    files.write(path, made.data)
    return made


def sign(path: Path, signers: Sequence[str], settings: Settings, *, after: Path | None) -> Signed:
    """Add the signatures of the keys at these URIs to a root. Raises RequestError."""
    before, metadata = _followed(path, after)
    by: list[RoleKey] = []
    for uri in signers:
        by.append(root_key(uri, secrets=secrets(settings)).role_key)
    made = roots.add(metadata, by, before)
    files.write(path, made.data)
    return made


def show(path: Path, *, after: Path | None) -> Signed:
    """A root in a file, and whose signatures it lacks. Raises RequestError."""
    before, metadata = _followed(path, after)
    return Signed(path.read_bytes(), metadata, before)


def _followed(path: Path, after: Path | None) -> tuple[Metadata[Root] | None, Metadata[Root]]:
    """The root that one in a file follows, and that one."""
    metadata = roots.read(path)[1]
    if metadata.signed.version == 1:
        return None, metadata
    if after is None:
        raise RequestError(
            str(path),
            f"is root {metadata.signed.version}, which the keys of the one before sign too",
            "name that one with --after",
        )
    before = roots.read(after, "--after")[1]
    if before.signed.version + 1 != metadata.signed.version:
        problem = f"is root {before.signed.version}, and {path} is {metadata.signed.version}"
        raise RequestError(f"--after {after}", problem, "name the root just before")
    return before, metadata


def _public(paths: Sequence[Path], option: str) -> list[ec.EllipticCurvePublicKey]:
    """The keys in PEM files. Raises RequestError."""
    found: list[ec.EllipticCurvePublicKey] = []
    for path in paths:
        place = f"{option} {path}"
        try:
            keys = keyring.artifact_keys(path.read_bytes(), place=place)
        except OSError as error:
            raise RequestError(place, str(error.strerror), "name a public key, PEM") from error
        except VerificationFailed as error:
            raise RequestError(place, error.problem, "name a public key, PEM") from error
        found += [key.key for key in keys.values()]
    return found
