"""Walks a site from its keys and index to every object that they lead to."""

from collections.abc import Mapping, Sequence
from functools import partial

from kubewright.errors import UpstreamUnreachable, VerificationFailed
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, ChannelRelease, Index, IndexedRelease
from kubewright.signing import verify as signatures
from kubewright.site import layout
from kubewright.verification import apt, keys, pages, publications, releases, upgrades, yum
from kubewright.verification.report import Report, Tally
from kubewright.verification.source import Source
from kubewright.verification.walk import Walk


def verify(source: Source, site: str, trusted: Sequence[bytes], *, now: int) -> Report:
    """Check a whole site. `trusted` holds OpenPGP certificates and ECDSA keys as PEM.

    Without keys of a kind the site's own are believed: that finds damage, not an impostor. Raises
    VerificationFailed when there is no site to check at all, RequestError for a trusted key that is
    none, and UpstreamUnreachable when a server stops answering before anything wrong is found.
    """
    if source.read(layout.INDEX) is None:
        raise VerificationFailed(
            f"{site}: {layout.INDEX} is missing: this is no published site; give its root"
        )
    tally = Tally()
    walk = Walk(source, now, keys.check(source, tally, trusted), tally)
    tally.warnings += signatures.expiry_warnings(walk.keys.certificates, now=now)
    index: Index | None = None
    try:
        index = _all(walk)
    except UpstreamUnreachable as error:
        if not tally.findings:
            raise
        tally.fail(site, f"the rest is not checked: {error}")
    return Report(
        site=site,
        checked=tally.checked,
        releases=tuple(one.name for one in index.releases) if index else (),
        keys=walk.keys.names,
        warnings=tuple(tally.warnings),
        findings=tuple(tally.findings),
    )


def _all(walk: Walk) -> Index | None:
    """Everything that the index leads to; the index."""
    index = publications.document(walk, layout.INDEX, Index, layout.index_copy)
    manifests: dict[str, Manifest] = {}
    if index is not None:
        found = {release.name: releases.check(walk, release) for release in index.releases}
        manifests = {name: manifest for name, manifest in found.items() if manifest is not None}
        upgrades.check(walk, index, manifests)
        _channels(walk, index, manifests)
    pages.schemas(walk)
    _development(walk, manifests)
    return index


def _channels(walk: Walk, index: Index, manifests: Mapping[str, Manifest]) -> None:
    """Every channel that the index names, and the page over all of them."""
    listed = sorted({channel for release in index.releases for channel in release.channels})
    found = {name: _channel(walk, name, index, manifests) for name in listed}
    pages.front(
        walk,
        index,
        manifests,
        {name: channel for name, channel in found.items() if channel is not None},
    )


def _channel(
    walk: Walk, name: str, index: Index, manifests: Mapping[str, Manifest]
) -> Channel | None:
    """A channel: its record and history, marker, apt suite and yum repositories."""
    path = layout.channel_path(name)
    channel = publications.document(walk, path, Channel, partial(layout.channel_copy, name))
    if channel is None:
        return None
    walk.tally.require(
        path, channel.channel == name, f"is the record of {channel.channel}; publish again"
    )
    current = walk.keys.current
    signer = f"names the key {channel.repo_key}, but the first in {layout.KEYRING} is {current}; publish again"
    walk.tally.require(path, channel.repo_key == current, signer)
    indexed = {_facts(one) for one in index.releases if name in one.channels}
    same = indexed == {_facts(one) for one in channel.releases}
    walk.tally.require(path, same, f"lists other releases than {layout.INDEX}; publish again")
    packages = [
        package
        for one in channel.releases
        if one.name in manifests
        for package in manifests[one.name].packages
    ]
    pages.marker(walk, channel)
    apt.suite(walk, channel, packages)
    yum.repositories(walk, channel, packages)
    return channel


def _facts(release: ChannelRelease | IndexedRelease) -> tuple[str, str, str, str, bool]:
    """What a channel and the index both say of a release."""
    one = release
    return one.name, one.kubernetes, one.manifest_url, one.manifest_sha256, one.development


def _development(walk: Walk, manifests: Mapping[str, Manifest]) -> None:
    named = {key.id for manifest in manifests.values() for key in manifest.keys if key.development}
    if names := sorted(named | walk.keys.development):
        walk.tally.warnings.append(
            f"signed by development keys, which anybody could have made and nobody should trust: {', '.join(names)}"
        )
