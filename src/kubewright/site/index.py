"""The index of every release that was ever published: a pure function of the one before it, the
channels, and what new releases say.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from kubewright import files, versions
from kubewright.models.catalog import MinorFacts
from kubewright.models.manifest import Manifest
from kubewright.models.site import YANKED, Channel, ChannelRelease, Index, IndexedRelease
from kubewright.models.upgrades import Graph
from kubewright.moments import following, is_to_come
from kubewright.site import graph, layout
from kubewright.site.identity import Identity

_RANKS = {"yanked": 2, "current": 1, "superseded": 0}
"""Of the statuses that a release has in several channels, the highest counts."""


class Declared(NamedTuple):
    """What the manifest of a release says of the ways to it, and of what is in it; the index
    remembers it.
    """

    upgrade_ranges: tuple[str, ...] = ()
    """Of Kubernetes versions from which it may be reached."""
    etcd: str | None = None
    """The version that its packages and kubeadm bring."""
    components: Mapping[str, str] = MappingProxyType({})
    """The version of each, by which the releases are found that have it too."""


class Named(NamedTuple):
    """The keys that an index names, and the releases that it names no more."""

    signers: tuple[str, ...]
    """Fingerprints of the repository keys that sign it."""
    revoked: tuple[str, ...] = ()
    """Ids of those that sign nothing any more."""
    dropped: frozenset[str] = frozenset()
    """Names of releases."""


def declared(manifest: Manifest) -> Declared:
    """What a manifest says of the ways to its release."""
    etcd = manifest.components.get("etcd")
    ranges = tuple(upgrade.from_range for upgrade in manifest.upgrades)
    components = {name: one.version for name, one in manifest.components.items()}
    return Declared(ranges, etcd.version if etcd else None, components)


def unknown(previous: Index | None, channels: Sequence[Channel]) -> dict[str, ChannelRelease]:
    """The releases in channels that the index does not have yet, by name: their manifests count."""
    known = {release.name for release in previous.releases} if previous else set[str]()
    new: dict[str, ChannelRelease] = {}
    for channel in channels:
        for release in channel.releases:
            if release.name not in known:
                new[release.name] = release
    return new


def derive(
    previous: Index | None,
    parent: str | None,
    channels: Sequence[Channel],
    minors: Mapping[str, MinorFacts],
    new: Mapping[str, Declared],
    *,
    now: int,
    whose: Identity,
    keys: Named,
) -> tuple[Index, Graph]:
    """The index and the upgrade graph that it names; the previous index itself if nothing changed.

    `parent` is the SHA-256 of the previous index, `minors` gives ends of life and what is to be
    avoided, `new` what the manifests of releases say that the previous index does not have, and
    `whose` is the site, with its `keys`. A release that no channel lists any more stays, without
    channels, until it is `dropped`.
    """
    told = _all_told(_in_channels(previous, channels, new, keys.dropped), minors)
    steps = graph.steps(told)
    sources = graph.upgrades_from(steps)
    releases = tuple(_reached_from(release, sources.get(release.name, ())) for release in told)
    upgrades = graph.document(releases, steps)
    digest = files.sha256(upgrades.to_bytes())
    made = Index(
        site=whose.site,
        url=whose.url,
        signers=keys.signers,
        revoked=keys.revoked,
        sequence=previous.sequence + 1 if previous else 1,
        parent=parent,
        issued=following(previous.issued, now) if previous else now,
        channels=_offered(channels),
        releases=releases,
        graph_url=layout.graph_copy(digest),
        graph_sha256=digest,
    )
    if previous and _says(made) == _says(previous) and not is_to_come(previous.issued, now):
        return previous, upgrades
    return made.model_copy(update=previous.model_extra if previous else None), upgrades


def _offered(channels: Sequence[Channel]) -> dict[str, str]:
    """The release that each channel offers, by the channel's name."""
    found = {one.channel: one.current.name for one in channels if one.current is not None}
    return dict(sorted(found.items()))


def _says(index: Index) -> tuple[object, ...]:
    """What an index says, beside which it is."""
    whose = (index.site, index.url, index.signers, index.revoked)
    return (*whose, index.channels, index.releases, index.graph_sha256)


def _reached_from(release: IndexedRelease, names: tuple[str, ...]) -> IndexedRelease:
    return release.changed(upgrades_from=names)


def _all_told(
    listed: Mapping[str, IndexedRelease], minors: Mapping[str, MinorFacts]
) -> list[IndexedRelease]:
    """Every release, newest first, with what the recipes know of it today."""
    return [_told(release, minors) for release in reversed(graph.ordered(listed.values()))]


def _in_channels(
    previous: Index | None,
    channels: Sequence[Channel],
    new: Mapping[str, Declared],
    dropped: Collection[str],
) -> dict[str, IndexedRelease]:
    """Every release that was ever published and is not dropped, by name, in the channels that list
    it now.
    """
    listed: dict[str, IndexedRelease] = {}
    for release in previous.releases if previous else ():
        status = YANKED if release.status == YANKED else "superseded"
        listed[release.name] = release.model_copy(update={"channels": (), "status": status})
    for channel in sorted(channels, key=lambda channel: channel.channel):
        for entry in channel.releases:
            known = listed.get(entry.name) or _listed(entry, new.get(entry.name, Declared()))
            listed[entry.name] = _in_channel(known, entry, channel.channel)
    return {name: one for name, one in listed.items() if name not in dropped}


def _listed(release: ChannelRelease, says: Declared) -> IndexedRelease:
    return IndexedRelease(
        name=release.name,
        kubernetes=release.kubernetes,
        status=release.status,
        channels=(),
        manifest_url=release.manifest_url,
        manifest_sha256=release.manifest_sha256,
        upgrade_ranges=says.upgrade_ranges,
        etcd=says.etcd,
        components=dict(says.components),
        development=release.development,
    )


def _in_channel(known: IndexedRelease, release: ChannelRelease, channel: str) -> IndexedRelease:
    statuses = [release.status, *([known.status] if known.channels else [])]
    status = max(statuses, key=lambda status: _RANKS[status])
    reason = (release.reason or known.reason) if status == YANKED else ""
    return known.model_copy(
        update={"channels": (*known.channels, channel), "status": status, "reason": reason}
    )


def _told(release: IndexedRelease, minors: Mapping[str, MinorFacts]) -> IndexedRelease:
    """A release with what the recipes know of it today; what they do not know stays as it was."""
    minor = minors.get(versions.minor(release.kubernetes))
    if minor is None:
        return release
    patch = minor.patch(release.kubernetes)
    avoid = patch.avoid if patch else ""
    return release.changed(
        end_of_life=minor.end_of_life or release.end_of_life, avoid=avoid or release.avoid
    )
