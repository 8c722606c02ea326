"""Follows metadata from a root that somebody trusts to what is published now."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from kubewright import files
from kubewright.errors import VerificationFailed
from kubewright.metadata import formats
from kubewright.metadata.formats import Origin, Target
from kubewright.metadata.library import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp
from kubewright.metadata.names import FOLDER, TIMESTAMP, role_path
from kubewright.models.document import REMEDY
from kubewright.moments import moment

Get = Callable[[str, str | None], bytes | None]
"""The bytes at a path of a site, None if there are none; with a SHA-256 only bytes that have it."""


@dataclass(frozen=True)
class Roots:
    """The newest root of a site, and the files of those that were read on the way to it."""

    newest: Metadata[Root]
    present: Metadata[Root] | None
    """The newest that the site has of those that are trusted; None: it has none of them."""
    files: Mapping[str, bytes]
    """By path; the trusted one is the first."""
    fresh: bool = False
    """Whether the site does not have the newest yet."""
    stray: str | None = None
    """The path of a file that does not follow the newest, though its number says so."""

    @property
    def handed_over(self) -> bool:
        """Whether the newest, which the site does not have yet, names another freshness key."""
        roles = [root.signed.roles["timestamp"].keyids for root in (self.judge, self.newest)]
        return roles[0] != roles[1]

    @property
    def judge(self) -> Metadata[Root]:
        """The root by which what is published now is checked."""
        return self.present or self.newest

    @property
    def version(self) -> int:
        """Of the newest."""
        return self.newest.signed.version

    def holds(self, role: str, key: str) -> bool:
        """Whether a key may sign a role."""
        return key in self.newest.signed.roles[role].keyids


@dataclass(frozen=True)
class Followed:
    """A snapshot, and the targets that it names."""

    version: int
    """Of the snapshot."""
    origin: Origin
    targets: Mapping[str, Target]
    """Every document that the site vouched for, by path."""
    roles: Mapping[str, Metadata[Any]]
    """What each file says, by path."""
    files: Mapping[str, bytes]
    """Snapshot and targets, by path."""

    @property
    def expires(self) -> dict[str, int]:
        """When each file expires, in epoch seconds, by path."""
        return {place: formats.expires(role) for place, role in self.roles.items()}

    @property
    def sha256(self) -> str:
        """Of the snapshot's file."""
        return files.sha256(self.files[role_path("snapshot", self.version)])


@dataclass(frozen=True)
class Published(Followed):
    """What a timestamp leads to; it is the first of the roles."""

    timestamp: int
    """Its version."""
    snapshot: MetaFile
    """How it names the snapshot."""
    dated: int
    """When the site's suites were renewed last, in epoch seconds; 0: not since they were made."""


def roots(anchors: Sequence[bytes], get: Get, place: str, *, mending: bool = False) -> Roots:
    """From trusted roots, each the next of the one before, to the newest of a site; `place` is
    where they were read. The site may lack the last of them, which it is to have.

    Raises VerificationFailed; of one that does not follow not where somebody is `mending`.
    """
    newest, present, found, fresh = None, None, {}, False
    for data in anchors:
        newest = _trusted(newest, data, place)
        path = role_path("root", newest.signed.version)
        there, found[path] = get(path, None), data
        if there is None:
            fresh = True
        elif there == data and not fresh:
            present = newest
        else:
            raise VerificationFailed(
                path, f"is not {place}, the root that you trust",
                "do not use this site; if it is yours, name its root with --root",
            )  # fmt: skip
    if newest is None:
        raise TypeError("no root is trusted")
    if fresh:
        if present is None:
            _require_place_for(min(found, key=_version), get, place)
        return Roots(newest, present, found, fresh=True)
    while True:
        path = role_path("root", newest.signed.version + 1)
        more = get(path, None)
        if more is None:
            return Roots(newest, newest, found)
        try:
            newest, found[path] = successor(newest, more, path), more
        except VerificationFailed:
            if not mending:
                raise
            return Roots(newest, newest, found, stray=path)


def _trusted(before: Metadata[Root] | None, data: bytes, place: str) -> Metadata[Root]:
    """A root that somebody trusts, after another one."""
    if before is not None:
        return successor(before, data, place)
    found = formats.parse(Root, data, place)
    formats.require_signed(found, found, place)
    return found


def _require_place_for(path: str, get: Get, place: str) -> None:
    """A site that lacks a root has the one before it."""
    number = _version(path)
    if number > 1 and get(role_path("root", number - 1), None) is None:
        raise VerificationFailed(
            role_path("root", number - 1), f"missing, and {place} can only follow it",
            "publish with the root before first",
        )  # fmt: skip


def _version(path: str) -> int:
    return int(path.removeprefix(FOLDER).partition(".")[0])


def place_of(root: bytes, place: str) -> str:
    """Where a root, which was read at `place`, lies on its site. Raises VerificationFailed."""
    return role_path("root", formats.parse(Root, root, place).signed.version)


def successor(before: Metadata[Root], data: bytes, place: str) -> Metadata[Root]:
    """The root that follows another. Raises VerificationFailed."""
    number = before.signed.version
    try:
        found = formats.parse(Root, data, place)
        if found.signed.version != number + 1:
            problem = f"says that it is root {found.signed.version}"
            raise VerificationFailed(place, problem)
        formats.require_signed(before, found, place)
        formats.require_signed(found, found, place)
        return found
    except VerificationFailed as error:
        problem = f"{error.problem}, so it does not follow root {number}"
        remedy = "clients refuse the site; `kubewright repair` removes it"
        raise VerificationFailed(place, problem, remedy) from error


def follow(data: bytes, get: Get) -> Published:
    """What a timestamp leads to, whoever has signed it: see `require_signed`, and `refuse_expired`.

    Raises VerificationFailed that names the file.
    """
    timestamp = formats.parse(Timestamp, data, TIMESTAMP)
    named = timestamp.signed.snapshot_meta
    found = _followed(named, get)
    return Published(
        found.version, found.origin, found.targets, {TIMESTAMP: timestamp, **found.roles},
        found.files, timestamp.signed.version, named, formats.dated(timestamp),
    )  # fmt: skip


def require_signed(found: Followed, root: Metadata[Root]) -> None:
    """Raise VerificationFailed unless the keys of its role have signed each file of metadata."""
    for place, role in found.roles.items():
        formats.require_signed(root, role, place)


def before(newer: Followed, get: Get, oldest: int) -> Followed | None:
    """The snapshot before another, by the digest that this one states; None: it is the first, or
    the `oldest` version that the site still has.

    Raises VerificationFailed.
    """
    said = newer.origin
    if said.parent is None or newer.version <= oldest:
        return None
    if not 0 < said.parent_version < newer.version:
        place = role_path("snapshot", newer.version)
        raise VerificationFailed(place, "names a snapshot before it that cannot be", REMEDY)
    meta = MetaFile(said.parent_version, hashes={"sha256": said.parent})
    return _followed(meta, get)


def _followed(meta: MetaFile, get: Get) -> Followed:
    path = role_path("snapshot", meta.version)
    snapshot_data = _described(get, path, meta)
    snapshot = _of_version(Snapshot, snapshot_data, path, meta.version)
    named = snapshot.signed.meta["targets.json"]
    names_path = role_path("targets", named.version)
    names_data = _described(get, names_path, named)
    names = _of_version(Targets, names_data, names_path, named.version)
    return Followed(
        version=meta.version,
        origin=formats.origin(snapshot, path),
        targets={
            place: Target(target.length, str(target.hashes.get("sha256")))
            for place, target in names.signed.targets.items()
        },
        roles={path: snapshot, names_path: names},
        files={path: snapshot_data, names_path: names_data},
    )


def is_sound(data: bytes, get: Get | None, root: Metadata[Root] | None) -> bool:
    """Whether a timestamp is whole, and signed where a root is trusted that says by whom; with
    `get` so is all that it leads to.
    """
    with suppress(VerificationFailed):
        timestamp = formats.parse(Timestamp, data, TIMESTAMP)
        if root is not None:
            formats.require_signed(root, timestamp, TIMESTAMP)
        if get is not None:
            found = follow(data, get)
            if root is not None:
                require_signed(found, root)
        return True
    return False


def refuse_expired(published: Published, root: Metadata[Root], now: int) -> None:
    """Raise VerificationFailed if clients refuse the site now, for something has expired.

    A publisher may know better.
    """
    known = {**published.expires, role_path("root", root.signed.version): formats.expires(root)}
    for place, until in known.items():
        if until <= now:
            raise VerificationFailed(
                place,
                f"expired at {moment(until)}: the site is held back, or nobody has refreshed it",
                f"if publication {published.origin.number} is the last that you know of, pass"
                " --allow-expired",
            )


def _of_version(
    kind: type[formats.S], data: bytes, place: str, version: int
) -> Metadata[formats.S]:
    found = formats.parse(kind, data, place)
    if found.signed.version != version:
        problem = f"says that it is version {found.signed.version}"
        raise VerificationFailed(place, problem, REMEDY)
    return found


def _described(get: Get, path: str, meta: Any) -> bytes:
    """A file of a role as another names it."""
    digest = (meta.hashes or {}).get("sha256")
    data = get(path, digest)
    if data is None or (digest is not None and files.sha256(data) != digest):
        raise VerificationFailed(path, "missing or damaged", REMEDY)
    return data
