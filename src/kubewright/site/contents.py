"""What the repositories of a channel list: read from its last indexes, or from its releases."""

import gzip
import json
import logging
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from kubewright import archives
from kubewright.errors import VerificationFailed
from kubewright.models.base import Arch, Format
from kubewright.models.document import REMEDY
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, ChannelRelease, Repodata
from kubewright.repos import apt, packed, yum
from kubewright.repos.entries import DebEntry, RpmEntry
from kubewright.repos.packed import Entry, Known
from kubewright.repos.yum import Listed
from kubewright.site import layout
from kubewright.site.reader import Reader

log = logging.getLogger(__name__)

E = TypeVar("E", DebEntry, RpmEntry)

HREFS = {"snapshot": "../../../../pool/", "plain": yum.PLAIN}
"""The two forms of a yum repository, and what their hrefs begin with."""


@dataclass(frozen=True)
class Entries:
    """The packages of one release, as repository indexes say it."""

    debs: tuple[DebEntry, ...] = ()
    rpms: tuple[RpmEntry, ...] = ()


@dataclass(frozen=True)
class Contents:
    """Everything that a channel's repositories list, and the members that need not be packed."""

    debs: Mapping[str, list[Entry]]
    """By Debian architecture."""
    rpms: Mapping[str, Listed]
    """By base architecture."""
    deb_members: Mapping[str, Known] = field(default_factory=dict)
    rpm_members: Mapping[tuple[str, str], Mapping[str, Known]] = field(default_factory=dict)
    """By base architecture and form, then by document."""

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of every package that is listed, by its path on the site."""
        found: dict[str, str] = {}
        for debs in self.debs.values():
            found |= {f"apt/{entry.name}": entry.sha256 for entry in debs}
        for listed in self.rpms.values():
            found |= {layout.rpm_path(entry.name): entry.sha256 for entry in listed.primary}
        return found

    def with_entries(self, entries: Entries, architectures: Iterable[str]) -> "Contents":
        """The same and the packages of one more release, for these architectures."""
        debs, rpms = {}, {}
        for arch in architectures:
            debs[arch] = [*self.debs.get(arch, ()), *apt.entries(entries.debs, arch)]
            base = base_arch(arch)
            added = yum.listed(rpm for rpm in entries.rpms if rpm.arch in (base, "noarch"))
            old = self.rpms.get(base, Listed([], [], []))
            rpms[base] = Listed(*([*there, *new] for there, new in zip(old, added, strict=True)))
        return Contents(debs, rpms, self.deb_members, self.rpm_members)


NOTHING = Contents({}, {})

_BASE_ARCHES = {"ppc64el": "ppc64le"} | {arch.value: arch.rpm for arch in Arch}
"""What yum calls architectures; most that this engine does not know have one name."""


def base_arch(arch: str) -> str:
    """A Debian architecture as yum's `$basearch`."""
    return _BASE_ARCHES.get(arch, arch)


def read(reader: Reader, record: Channel) -> Contents:
    """What a channel lists: from its own indexes, whose digests the record has.

    Where one of those is lost, from the releases. Raises VerificationFailed when those are too.
    """
    try:
        return _from_indexes(reader, record)
    except VerificationFailed as error:
        log.info("%s; made again from the releases", error)
    except (ValueError, LookupError) as error:  # another engine's form
        place = layout.channel_path(record.channel)
        log.info("%s: indexes of another form (%s); made again from the releases", place, error)
    return from_releases(reader, record)


def from_releases(reader: Reader, record: Channel) -> Contents:
    """What a channel lists for its architectures, from the index entries of its releases."""
    found = NOTHING.with_entries(Entries(), record.architectures)
    for release in record.releases:
        found = found.with_entries(of_release(reader, release), record.architectures)
    return found


def _from_indexes(reader: Reader, record: Channel) -> Contents:
    debs, deb_members = {}, {}
    suite = layout.suite_path(record.channel)
    for arch in record.architectures:
        digest = record.packages.get(arch, "")
        path = f"{suite}/{apt.by_hash_name(arch, digest)}"
        members = packed.unpack(reader.content(digest, path), path)
        deb_members[arch] = members
        debs[arch] = list(apt.parsed(members))
    rpms: dict[str, Listed] = {}
    rpm_members: dict[tuple[str, str], dict[str, Known]] = {}
    for base, repodata in record.repodata.items():
        snapshot, plain = _documents(reader, record, base, repodata)
        rpm_members |= {(base, "snapshot"): snapshot, (base, "plain"): plain}
        rpms[base] = yum.parsed(**plain)
    return Contents(debs, rpms, deb_members, rpm_members)


def _documents(
    reader: Reader, record: Channel, base: str, repodata: Repodata
) -> tuple[dict[str, Known], dict[str, Known]]:
    """The members of each document of a repository, by kind: of the snapshot, and as it is plain.

    Both have the same documents but for `primary`.
    """
    roots = (
        layout.snapshot_path(record.channel, base, repodata.snapshot),
        layout.yum_path(record.channel, base),
    )

    def members(kind: str, digest: str) -> Known:
        paths = [f"{root}/{yum.data_name(kind, digest)}" for root in roots]
        return packed.unpack(reader.content(digest, *paths), paths[0])

    snapshot = {kind: members(kind, getattr(repodata, kind)) for kind in yum.KINDS}
    return snapshot, snapshot | {"primary": members("primary", repodata.plain_primary)}


def rpm_digests(reader: Reader, record: Channel) -> dict[str, str]:
    """The SHA-256 of every rpm that a channel lists, by its path on the site.

    Raises VerificationFailed where an index is lost.
    """
    found = {}
    for base, repodata in record.repodata.items():
        name = yum.data_name("primary", repodata.plain_primary)
        path = f"{layout.yum_path(record.channel, base)}/{name}"
        members = packed.unpack(reader.content(repodata.plain_primary, path), path)
        for basename, sha256 in yum.digests(members):
            found[layout.rpm_path(basename)] = sha256
    return found


def of_release(reader: Reader, release: ChannelRelease) -> Entries:
    """The index entries of a published release, as its manifest promises them."""
    manifest = reader.manifest(release.manifest_url, release.manifest_sha256)
    return Entries(
        tuple(_entries(reader, manifest, Format.deb, DebEntry)),
        tuple(_entries(reader, manifest, Format.rpm, RpmEntry)),
    )


def _entries(reader: Reader, manifest: Manifest, form: Format, model: type[E]) -> list[E]:
    path = layout.release_path(manifest.release.name, layout.ENTRIES[form])
    promised = {artifact.url: artifact.sha256 for artifact in manifest.artifacts}
    if path not in promised:
        return []
    return read_entries(reader.content(promised[path], path), model, path)


def read_entries(data: bytes, model: type[E], place: str) -> list[E]:
    """Index entries as `write_entries` wrote them. Raises VerificationFailed for anything else."""
    try:
        return [
            model.model_validate(entry, extra="allow")
            for entry in json.loads(gzip.decompress(data))
        ]
    except (gzip.BadGzipFile, zlib.error, EOFError, ValueError, TypeError) as error:
        raise VerificationFailed(place, "not the index of a release", REMEDY) from error


def write_entries(entries: list[DebEntry] | list[RpmEntry]) -> bytes:
    """Index entries as a release carries them: deterministic gzip of a JSON array."""
    rows = [entry.model_dump(mode="json") for entry in entries]
    return archives.gzipped(json.dumps(rows, sort_keys=True).encode())
