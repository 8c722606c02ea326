"""Roots: TUF metadata that says which keys sign a site, and is signed off line."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from kubewright import files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.metadata import formats
from kubewright.metadata.formats import ROLES, RoleKey
from kubewright.metadata.library import Metadata, Root
from kubewright.models.base import DAY
from kubewright.signing.absent import Absent
from kubewright.signing.public import ArtifactPublicKey
from kubewright.signing.roles import ArtifactKey

YEAR = 366
"""Days that a root is good for unless its makers say otherwise."""

_REMEDY = "name one that `kubewright key init` or `kubewright key root new` has written"


@dataclass(frozen=True)
class Signed:
    """A root as a file, and how far its signing has come."""

    data: bytes
    metadata: Metadata[Root]
    before: Metadata[Root] | None = None
    """The root that it follows, whose keys sign it too."""

    @property
    def sha256(self) -> str:
        """Of the file: what people who trust the site compare."""
        return files.sha256(self.data)

    @property
    def expires(self) -> int:
        """When the root expires, in epoch seconds."""
        return formats.expires(self.metadata)

    @property
    def missing(self) -> tuple[str, ...]:
        """For each root whose keys have not signed enough: how many of which are missing."""
        found = []
        payload, signatures = self.metadata.signed_bytes, self.metadata.signatures
        for by in filter(None, (self.before, self.metadata)):
            result = by.signed.get_verification_result("root", payload, signatures)
            if not result:
                ids = ", ".join(key[:12] for key in result.unsigned)
                found.append(f"{result.missing} more by keys of root {by.signed.version}: {ids}")
        return tuple(found)


def new(
    holders: Mapping[str, Iterable[ec.EllipticCurvePublicKey]],
    by: Sequence[RoleKey],
    *,
    now: int,
    days: int = YEAR,
    threshold: int | None = None,
    before: Metadata[Root] | None = None,
) -> Signed:
    """A root that names the holders of each role's keys, signed by those who are here.

    Whom `before` names keeps a role for which no holder is given, and so does its threshold. Raises
    RequestError for a role that nobody holds, and for a threshold that they cannot reach.
    """
    known = {role: [*holders.get(role, ())] for role in ROLES}
    for role in ROLES:
        if not known[role] and before is not None:
            known[role] = formats.public_keys(before, role)
        if not known[role]:
            raise RequestError(f"the {role} role", "nobody holds it", "name a public key for it")
    enough = threshold or (before.signed.roles["root"].threshold if before else 1)
    if not 1 <= enough <= len(known["root"]):
        raise RequestError(
            f"--threshold {enough}",
            f"there are {len(known['root'])} root keys",
            "name more, or fewer",
        )
    version = before.signed.version + 1 if before else 1
    return add(formats.root(version, now + days * DAY, known, enough), by, before)


def add(metadata: Metadata[Root], by: Sequence[RoleKey], before: Metadata[Root] | None) -> Signed:
    """A root with signatures of more keys. Raises RequestError for one whose signature is not
    wanted.
    """
    wanted = set(metadata.signed.roles["root"].keyids)
    wanted |= set(before.signed.roles["root"].keyids if before else ())
    for key in by:
        if key.id not in wanted:
            raise RequestError(f"root key {key.id}", "no root names it", "sign with one of them")
    return Signed(formats.signed(metadata, *by), metadata, before)


def read(path: Path, option: str = "--root") -> tuple[bytes, Metadata[Root]]:
    """A root in a file, whoever has signed it. Raises RequestError."""
    place = f"{option} {path}"
    try:
        data = path.read_bytes()
        return data, formats.parse(Root, data, place)
    except OSError as error:
        raise RequestError(place, str(error.strerror), _REMEDY) from error
    except VerificationFailed as error:
        raise RequestError(place, error.problem, _REMEDY) from error


def artifact_key(root: bytes) -> ArtifactKey:
    """The public half of the key that signs documents, by a root."""
    (public, *_) = formats.public_keys(formats.parse(Root, root, "--root"), "targets")
    key = ArtifactPublicKey(public, development=False)
    return ArtifactKey.of(key, Absent(key.public_pem, "--artifact-key"))


def expires(root: bytes) -> int:
    """When a root expires, in epoch seconds. Raises VerificationFailed for one that is none."""
    return formats.expires(formats.parse(Root, root, "--root"))


def trusted(paths: Sequence[Path]) -> tuple[bytes, ...]:
    """The roots in files, the oldest first, each signed by its own keys. Raises RequestError."""
    found = {}
    for path in paths:
        data, root = read(path)
        try:
            formats.require_signed(root, root, f"--root {path}")
        except VerificationFailed as error:
            remedy = "let enough of its keys sign it: `kubewright key root sign`"
            raise RequestError(error.place, error.problem, remedy) from error
        found[root.signed.version] = data
    return tuple(found[version] for version in sorted(found))
