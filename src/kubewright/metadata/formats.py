"""Reads and writes the files of the four roles; python-tuf knows their format."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from kubewright import files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.metadata.library import (
    DeserializationError,
    JSONSerializer,
    Key,
    Metadata,
    MetaFile,
    RepositoryError,
    Role,
    Root,
    Signature,
    Snapshot,
    SSlibKey,
    TargetFile,
    Targets,
    Timestamp,
)
from kubewright.models.document import REMEDY

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)

MOST: Final = {"root": 512_000, "timestamp": 16_384, "snapshot": 2_000_000, "targets": 5_000_000}
"""The most bytes of a role's file: what clients read by default."""

HIGHEST: Final = 10**9 - 1
"""The highest version of a role: a number that every client can read, the shell's too."""

OWN: Final = "kubewright"
"""The field of snapshot that other clients pass over: site, state and the snapshot before."""

ROLES: Final = ("root", "timestamp", "snapshot", "targets")

Sign = Callable[[bytes], bytes]
"""An ECDSA signature in DER over the SHA-256 of a text."""


@dataclass(frozen=True)
class RoleKey:
    """An ECDSA P-256 key that signs a role, with whoever signs for it."""

    key: ec.EllipticCurvePublicKey
    sign: Sign
    here: bool = True
    """Whether its secret half is; without that `sign` raises RequestError."""

    @property
    def id(self) -> str:
        """What metadata calls the key."""
        return key_of(self.key).keyid


@dataclass(frozen=True)
class RoleKeys:
    """Who signs the roles of a site below root."""

    artifact: RoleKey
    """Signs targets and snapshot."""
    freshness: RoleKey
    """Signs timestamp, and nothing else."""


class Target(NamedTuple):
    """A document that `targets` names; the size is in bytes."""

    size: int
    sha256: str


class Origin(NamedTuple):
    """What a snapshot says beside the versions of roles."""

    site: str
    """The site's id."""
    number: int
    """Of the site's state."""
    state: str
    """Its SHA-256."""
    parent: str | None
    """SHA-256 of the snapshot before."""
    parent_version: int = 0


def key_of(public: ec.EllipticCurvePublicKey) -> SSlibKey:
    """A public key as metadata has it, with the id that securesystemslib gives it."""
    return SSlibKey.from_crypto(public)


def parse(kind: type[S], data: bytes, place: str) -> Metadata[S]:
    """The metadata of a role. Raises VerificationFailed for bytes that are none, or too many."""
    if len(data) > MOST[kind.type]:
        problem = f"has more than the {MOST[kind.type]} bytes that clients read"
        raise VerificationFailed(place, problem, REMEDY)
    try:
        found: Metadata[S] = Metadata.from_bytes(data)
    except (DeserializationError, RecursionError) as error:
        raise VerificationFailed(place, "no TUF metadata", REMEDY) from error
    if not isinstance(found.signed, kind):
        raise VerificationFailed(place, f"is {found.signed.type}, not {kind.type}", REMEDY)
    if found.signed.version > HIGHEST:
        raise VerificationFailed(place, f"says that it is version {found.signed.version}", REMEDY)
    return found


def text(metadata: Metadata[Any]) -> bytes:
    """What keys sign: the canonical form, in which nothing is escaped but quotes and backslashes.

    Raises ValueError and RepositoryError for what has none.
    """
    said = metadata.signed.to_dict()
    found = json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # The library's own encoder takes ten times as long; it is for what is escaped or has no form.
    return metadata.signed_bytes if "\\" in found or _has_fraction(said) else found.encode()


def _has_fraction(value: Any) -> bool:
    """Whether a number in it may be none that the canonical form knows."""
    if isinstance(value, dict):
        return any(map(_has_fraction, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_has_fraction, value))
    return isinstance(value, float)


def is_exact(metadata: Metadata[Any], data: bytes) -> bool:
    """Whether bytes are just the metadata, as this program writes it."""
    return metadata.to_bytes(JSONSerializer(compact=True)) == data


def require_signed(by: Metadata[Root], metadata: Metadata[Any], place: str) -> None:
    """Raise VerificationFailed unless enough keys that a root names for the role have signed."""
    role = metadata.signed.type
    try:
        by.signed.verify_delegate(role, text(metadata), metadata.signatures)
    except (RepositoryError, ValueError) as error:
        names = ", ".join(name[:12] for name in by.signed.roles[role].keyids)
        raise VerificationFailed(
            place,
            f"not signed by the {role} keys that root {by.signed.version} names ({names})",
            "do not use it; if it is your site, run `kubewright repair`, or restore it from a copy",
        ) from error


def origin(metadata: Metadata[Snapshot], place: str) -> Origin:
    """What a snapshot of this program says of itself. Raises VerificationFailed for another's."""
    said: Any = metadata.signed.unrecognized_fields.get(OWN)
    try:
        found = Origin(**said)
    except TypeError as error:
        raise VerificationFailed(place, "of a site that no kubewright has made", REMEDY) from error
    types = (str, int, str, str | None, int)
    if not all(isinstance(value, kind) for value, kind in zip(found, types, strict=True)):
        raise VerificationFailed(place, f"its {OWN} is not of the form that it has", REMEDY)
    return found


def expires(metadata: Metadata[Any]) -> int:
    """When metadata expires, in epoch seconds."""
    return int(metadata.signed.expires.timestamp())


def root(
    version: int,
    until: int,
    holders: Mapping[str, Iterable[ec.EllipticCurvePublicKey]],
    threshold: int,
) -> Metadata[Root]:
    """A root, unsigned: the holders of each role's keys, of which `threshold` sign the root."""
    keys: dict[str, Key] = {}
    roles: dict[str, Role] = {}
    for role in ROLES:
        own = [key_of(public) for public in holders[role]]
        keys |= {key.keyid: key for key in own}
        names = list(dict.fromkeys(key.keyid for key in own))
        roles[role] = Role(names, threshold if role == "root" else 1)
    return Metadata(Root(version, expires=_at(until), keys=keys, roles=roles))


def targets(version: int, until: int, named: Mapping[str, Target]) -> Metadata[Targets]:
    """Targets that name documents by path."""
    found = {
        path: TargetFile(target.size, {"sha256": target.sha256}, path)
        for path, target in sorted(named.items())
    }
    return Metadata(Targets(version, expires=_at(until), targets=found))


def snapshot(version: int, until: int, names: bytes, said: Origin) -> Metadata[Snapshot]:
    """A snapshot of the targets with these bytes, which have the same version."""
    meta = {"targets.json": described(version, names)}
    own = {OWN: said._asdict()}
    return Metadata(Snapshot(version, expires=_at(until), meta=meta, unrecognized_fields=own))


def timestamp(version: int, until: int, meta: MetaFile, dated: int = 0) -> Metadata[Timestamp]:
    """A timestamp that names a snapshot, of a site whose suites were renewed then."""
    own = {OWN: {"dated": dated}} if dated else None
    made = Timestamp(version, expires=_at(until), snapshot_meta=meta, unrecognized_fields=own)
    return Metadata(made)


def dated(metadata: Metadata[Timestamp]) -> int:
    """When the suites of a site were renewed last, in epoch seconds; 0: that is not said."""
    said: Any = metadata.signed.unrecognized_fields.get(OWN)
    found = said.get("dated", 0) if isinstance(said, dict) else 0
    return found if isinstance(found, int) and 0 <= found < 2**33 else 0


def described(version: int, data: bytes) -> MetaFile:
    """How one role names the file of another."""
    return MetaFile(version, len(data), {"sha256": files.sha256(data)})


def signed(metadata: Metadata[Any], *keys: RoleKey) -> bytes:
    """The file of a role, with signatures of keys beside those that it has.

    Raises RequestError for one that no client would read, and what signing raises.
    """
    signing = text(metadata)
    for key in keys:
        metadata.signatures[key.id] = Signature(key.id, key.sign(signing).hex())
    data: bytes = metadata.to_bytes(JSONSerializer(compact=True))
    kind = metadata.signed.type
    if len(data) > MOST[kind]:
        raise RequestError(
            f"tuf/{kind}", f"would have {len(data)} bytes, more than clients read", "prune the site"
        )
    return data


def public_keys(metadata: Metadata[Root], role: str) -> list[ec.EllipticCurvePublicKey]:
    """The ECDSA P-256 keys that a root names for a role."""
    found = []
    for name in metadata.signed.roles[role].keyids:
        value = metadata.signed.keys[name].keyval.get("public", "")
        public = load_pem_public_key(str(value).encode())
        if isinstance(public, ec.EllipticCurvePublicKey):
            found.append(public)
    return found


def _at(epoch: int) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)
