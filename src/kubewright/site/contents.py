"""What the repositories of a channel list: read from its last indexes, or from its releases."""

import json
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from kubewright import archives
from kubewright.errors import VerificationFailed
from kubewright.models.base import Arch, Format
from kubewright.models.document import REMEDY
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, ChannelRelease, Repodata
from kubewright.repos import apt, packed, yum
from kubewright.repos.entries import DebEntry, RpmEntry
from kubewright.repos.packed import Index
from kubewright.repos.yum import Repository
from kubewright.site import foresight, layout
from kubewright.site.reader import Reader

log = logging.getLogger(__name__)

LARGEST: Final = 32 << 20
"""Bytes of the index entries of one release, unpacked; a hundred packages have one."""

AT_ONCE: Final = 64
"""How many releases a distant store is asked for at once: their manifests have 10 MB."""

E = TypeVar("E", DebEntry, RpmEntry)


@dataclass(frozen=True)
class Entries:
    """The packages of one release, as repository indexes say it."""

    debs: tuple[DebEntry, ...] = ()
    rpms: tuple[RpmEntry, ...] = ()


@dataclass(frozen=True)
class Contents:
    """Everything that a channel's repositories list."""

    debs: Mapping[str, Index]
    """By Debian architecture."""
    rpms: Mapping[str, Repository]
    """By base architecture."""
    there: Collection[str] = ()
    """Objects of the site that it was read from, which are sound."""

    def digests(self, entries: Entries) -> dict[str, str]:
        """The SHA-256 of packages that are listed already, by their path on the site: of all whose
        version one of these packages has.
        """
        found: dict[str, str] = {}
        versions = {deb.version for deb in entries.debs}
        for index in self.debs.values():
            debs = packed.listed(index, versions, apt.parsed)
            found |= {f"apt/{entry.name}": entry.sha256 for entry in debs}
        versions = {yum.group_of(rpm) for rpm in entries.rpms}
        for repository in self.rpms.values():
            rpms = packed.listed(repository.plain, versions, yum.parsed)
            found |= {layout.rpm_path(entry.name): entry.sha256 for entry in rpms}
        return found

    def with_entries(self, entries: Entries, architectures: Iterable[str]) -> "Contents":
        """The same and more packages, for these architectures."""
        debs, rpms = {}, {}
        for arch in architectures:
            debs[arch] = apt.add(self.debs.get(arch, Index()), entries.debs, arch)
            base = base_arch(arch)
            own = [rpm for rpm in entries.rpms if rpm.arch in (base, "noarch")]
            rpms[base] = yum.add(self.rpms.get(base, Repository()), own)
        return Contents(debs, rpms)


NOTHING = Contents({}, {})

_BASE_ARCHES = {arch.deb: arch.rpm for arch in Arch}
"""What yum calls architectures; most that this engine does not know have one name."""


def base_arch(arch: str) -> str:
    """A Debian architecture as yum's `$basearch`."""
    return _BASE_ARCHES.get(arch, arch)


def read(reader: Reader, record: Channel, revoked: Mapping[str, int]) -> Contents:
    """What a channel lists: from its own indexes, whose digests the record has.

    Where one of those is lost, from the releases, but for rpms of keys that were `revoked` by then
    (epoch seconds by id). Raises VerificationFailed when those are lost too.
    """
    try:
        return _from_indexes(reader, record)
    except VerificationFailed as error:
        log.info("%s; made again from the releases", error)
    except (ValueError, LookupError) as error:  # another engine's form
        place = layout.channel_path(record.channel)
        log.info("%s: indexes of another form (%s); made again from the releases", place, error)
    return from_releases(
        reader, record, [key for key, since in revoked.items() if since <= record.issued]
    )


def places(record: Channel) -> Iterator[str]:
    """Where `read` looks first."""
    for arch in record.architectures:
        name = apt.by_hash_name(arch, record.packages.get(arch, ""))
        yield f"{layout.suite_path(record.channel)}/{name}"
    for base, repodata in record.repodata.items():
        snapshot, plain = _roots(record, base, repodata)
        yield f"{snapshot}/{yum.data_name('primary', repodata.primary)}"
        yield f"{plain}/{yum.data_name('primary', repodata.plain_primary)}"
        for kind in yum.SHARED:
            yield f"{plain}/{yum.data_name(kind, getattr(repodata, kind))}"


def _roots(record: Channel, base: str, repodata: Repodata) -> tuple[str, str]:
    """The snapshot and the plain repository of a channel for an architecture."""
    snapshot = layout.snapshot_path(record.channel, base, repodata.snapshot)
    return snapshot, layout.yum_path(record.channel, base)


def from_releases(reader: Reader, record: Channel, revoked: Collection[str]) -> Contents:
    """What a channel lists for its architectures, from the index entries of its releases: all
    packages but rpms that a revoked key has signed, for no client may take those.
    """
    debs: list[DebEntry] = []
    rpms: list[RpmEntry] = []
    for place, release in enumerate(record.served):
        if place % AT_ONCE == 0:
            some = record.served[place : place + AT_ONCE]
            foresight.releases(reader.store, some, known=reader.sound)
        entries = of_release(reader, release, revoked)
        debs += entries.debs
        rpms += entries.rpms
    return NOTHING.with_entries(Entries(tuple(debs), tuple(rpms)), record.architectures)


def _from_indexes(reader: Reader, record: Channel) -> Contents:
    debs = {}
    suite = layout.suite_path(record.channel)
    for arch in record.architectures:
        digest = record.packages.get(arch, "")
        path = f"{suite}/{apt.by_hash_name(arch, digest)}"
        debs[arch] = apt.read(reader.content(digest, path), path)
    rpms = {
        base: _repository(reader, record, base, repodata)
        for base, repodata in record.repodata.items()
    }
    return Contents(debs, rpms, reader.sound.intersection(places(record)))


def _repository(reader: Reader, record: Channel, base: str, repodata: Repodata) -> Repository:
    """Both forms have the same documents but for `primary`. Those are read in the plain repository,
    where the next publication has them again; the next snapshot is another.
    """
    snapshot, plain = _roots(record, base, repodata)

    def read(kind: str, digest: str, *roots: str) -> Index:
        paths = [f"{root}/{yum.data_name(kind, digest)}" for root in roots]
        return yum.read(reader.content(digest, *paths), paths[0])

    return Repository(
        snapshot=read("primary", repodata.primary, snapshot),
        plain=read("primary", repodata.plain_primary, plain),
        filelists=read("filelists", repodata.filelists, plain, snapshot),
        other=read("other", repodata.other, plain, snapshot),
    )


def rpm_digests(reader: Reader, record: Channel) -> dict[str, str]:
    """The SHA-256 of every rpm that a channel lists, by its path on the site.

    Raises VerificationFailed where an index is lost.
    """
    found = {}
    for base, repodata in record.repodata.items():
        _, plain = _roots(record, base, repodata)
        path = f"{plain}/{yum.data_name('primary', repodata.plain_primary)}"
        index = yum.read(reader.content(repodata.plain_primary, path), path)
        for entry in packed.listed(index, index.groups, yum.parsed):
            found[layout.rpm_path(entry.name)] = entry.sha256
    return found


def of_release(reader: Reader, release: ChannelRelease, revoked: Collection[str]) -> Entries:
    """The index entries of a published release, as its manifest promises them, but for rpms that a
    revoked key has signed.
    """
    manifest = reader.manifest(release.manifest_url, release.manifest_sha256)
    gone = {package.url for package in manifest.packages if package.signing_key in revoked}
    rpms = _entries(reader, manifest, Format.rpm, RpmEntry)
    return Entries(
        tuple(_entries(reader, manifest, Format.deb, DebEntry)),
        tuple(rpm for rpm in rpms if layout.rpm_path(rpm.basename) not in gone),
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
        text = b"".join(member.text for member in packed.unpack(data, place, LARGEST))
        return [model.model_validate(entry, extra="allow") for entry in json.loads(text)]
    except (VerificationFailed, ValueError, TypeError, RecursionError) as error:
        raise VerificationFailed(place, "not the index of a release", REMEDY) from error


def write_entries(entries: list[DebEntry] | list[RpmEntry]) -> bytes:
    """Index entries as a release carries them: deterministic gzip of a JSON array."""
    rows = [entry.model_dump(mode="json") for entry in entries]
    return archives.gzipped(json.dumps(rows, sort_keys=True).encode())
