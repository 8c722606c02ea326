"""Walks a site from its keys and its pointer to every object that they lead to."""

from collections.abc import Sequence
from functools import partial

from kubewright.errors import UpstreamUnreachable, VerificationFailed
from kubewright.models.document import REMEDY
from kubewright.models.report import Publication, Report
from kubewright.models.site import YANKED, Channel, ChannelRelease, Index, IndexedRelease, State
from kubewright.moments import is_to_come, moment
from kubewright.site import layout
from kubewright.site.references import copies, indexes, linked, references, served
from kubewright.verification import (
    apt,
    identity,
    keys,
    pages,
    part,
    publications,
    releases,
    snapshots,
    strays,
    upgrades,
    yum,
)
from kubewright.verification import demands as demand
from kubewright.verification.demands import Demands
from kubewright.verification.report import Tally
from kubewright.verification.source import Source
from kubewright.verification.steady import Steady
from kubewright.verification.walk import Walk

NOTHING = Demands()

Linked = tuple[str, frozenset[str], frozenset[str]]
"""A release, the yum repositories that have its rpms, and the keys whose rpms they have not."""


def verify(
    source: Source, site: str, trusted: Sequence[bytes], demands: Demands = NOTHING, *, now: int
) -> Report:
    """Check a whole site. `trusted` holds OpenPGP certificates and ECDSA keys as PEM.

    Without keys the site's own are believed: that finds damage, not an impostor. Raises
    VerificationFailed when there is no site to check at all, RequestError for a trusted key that is
    none or a site that a newer kubewright has written, and UpstreamUnreachable when a server stops
    answering before anything wrong is found.
    """
    source = source if isinstance(source, Steady) else Steady(source)
    if not any(map(partial(_has, source), (*layout.POINTERS, layout.FINISHED, layout.INDEX))):
        raise VerificationFailed(
            site, f"{layout.TIMESTAMP} is missing: this is no published site", "give its root"
        )
    tally = Tally()
    walk = Walk(source, now, keys.check(source, tally, trusted), tally, own=demands.own)
    keys.lifetimes(tally, walk.keys, now)
    index = _as_far_as_it_goes(walk, site, demands)
    if walk.state is not None:
        with tally.check(layout.STATE):
            demand.check(tally, walk.state, demands, site, now)
    if walk.newer is not None and (index is None or walk.unread):
        raise walk.newer
    return Report(
        site=site,
        checked=tally.checked,
        releases=tuple(release.name for release in index.releases) if index else (),
        keys=walk.keys.names,
        warnings=tuple(tally.warnings),
        findings=tuple(tally.findings),
        strays=walk.strays,
        first_use=not trusted,
        publication=_publication(walk),
        history=walk.history,
        named=walk.named,
        unfinished=walk.unfinished,
        here=walk.here,
    )


def _has(source: Source, path: str) -> bool:
    """Whether there is such an object, of whatever size."""
    try:
        return source.read(path) is not None
    except VerificationFailed:
        return True


def _as_far_as_it_goes(walk: Walk, site: str, demands: Demands) -> Index | None:
    """The index, once all that it leads to is checked, or as much as there is to be had."""
    try:
        return _all(walk, demands)
    except UpstreamUnreachable as error:
        if not walk.tally.findings:
            raise
        walk.tally.fail(site, f"the rest is not checked: {error}")
    except VerificationFailed as error:
        walk.tally.fail(error.place or site, f"{error.problem}; the rest is not checked")
    return None


def _publication(walk: Walk) -> Publication | None:
    state = walk.state
    if state is None:
        return None
    return Publication(
        number=state.number, issued=state.issued, site=state.site, url=state.url,
        sha256=walk.history[state.number],
    )  # fmt: skip


def _all(walk: Walk, demands: Demands) -> Index | None:
    """Everything that the pointer leads to; the index."""
    state = publications.state(walk)
    if state is None:
        return None
    _dated(walk, state)
    _files(walk, state)
    index = publications.index(walk, state)
    if index is not None:
        part.look(walk, index, demands)
    for release in index.releases if index else ():
        if release.status == YANKED:
            walk.tally.warnings.append(f"{release.name} is withdrawn: {release.reason}")
        releases.check(walk, release)
    for name in sorted(state.channels):
        _channel(walk, state, name, index)
    if index is not None:
        upgrades.check(walk, index)
    _development(walk)
    known = len(walk.packages.releases)
    if index is not None and not walk.unread and known == len(index.releases):
        walk.strays = strays.check(walk, index, state)
    return index


def _dated(walk: Walk, state: State) -> None:
    """A publication from a moment that has not come is refused by clients until then."""
    problem = (
        f"publication {state.number} says that it is of {moment(state.issued)}, which has not come:"
        " the clock of whoever published was ahead, or this machine's clock is behind; the next"
        " publication by a right clock replaces it"
    )
    walk.tally.require(layout.STATE, not is_to_come(state.issued, walk.now), problem)


def _files(walk: Walk, state: State) -> None:
    """The pages, the schemas and the keys are those that the state names."""
    standing = []
    for reference in references(state):
        mutable = not reference.path.startswith("publications/")
        if mutable and walk.unfinished and not reference.path.startswith("keys/"):
            walk.named.add(reference.path)  # being replaced now
        else:
            standing.append(reference)
    walk.expect(standing)


def _channel(walk: Walk, state: State, name: str, index: Index | None) -> None:
    """A channel: its record and history, marker, apt suite and yum repositories."""
    path = layout.channel_path(name)
    channel = publications.channel(walk, state, name)
    if channel is None:
        return
    identity.address(walk, path, channel.url)
    copy = state.channels[name]
    copied = layout.channel_copy(name, copy.sequence, copy.sha256)
    known = set[Linked]()
    for record in publications.channel_history(walk, channel, copied, state.history.oldest(name)):
        being_made = record is channel and name in walk.unwritten
        _indexes(walk, record, being_made=being_made)
        snapshots.check(walk, record)
        _links(walk, record, known, being_made=being_made)
    walk.tally.require(
        path, channel.channel == name, f"is the record of {channel.channel}; {REMEDY}"
    )
    current = walk.keys.current
    signer = f"names the key {channel.repo_key}, but the first in {layout.KEYRING} is {current}"
    walk.tally.require(path, channel.repo_key == current, f"{signer}; {REMEDY}")
    if index is not None:
        indexed = {_facts(release) for release in index.releases if name in release.channels}
        same = indexed == {_facts(release) for release in channel.releases}
        walk.tally.require(path, same, f"lists other releases than {layout.INDEX}; {REMEDY}")
        if index.channels:  # an index of an earlier kubewright says nothing of it
            offered = channel.current.name if channel.current else None
            same = index.channels.get(name) == offered
            walk.tally.require(path, same, f"offers another release than {layout.INDEX} says")
    if name in walk.unwritten:
        walk.named.update(reference.path for reference in served(channel))
    else:
        walk.expect(served(channel))
        pages.marker(walk, channel)
        apt.suite(walk, channel)
        yum.repositories(walk, channel)


def _indexes(walk: Walk, record: Channel, *, being_made: bool) -> None:
    """The immutable indexes of a record; of one that is being published not what comes last."""
    later = {reference.path for reference in copies(record)} if being_made else set()
    walk.named.update(later)
    walk.expect(one for one in indexes(record) if one.path not in later)


def _links(walk: Walk, record: Channel, known: set[Linked], *, being_made: bool) -> None:
    """The rpms of a channel's releases stay where its plain repositories have ever had them; those
    that are `known` a newer record has too.
    """
    since = walk.keys.revoked.since
    gone = frozenset(key for key, moment in since.items() if moment <= record.issued)
    for release in record.served:
        same = (release.name, frozenset(record.repodata), gone)
        if same in known:
            continue
        found = linked(record, walk.packages.of(release.name), since)
        if being_made:  # nothing that anybody reads names them yet
            walk.named.update(reference.path for reference in found)
        else:
            known.add(same)
            walk.expect(found)


def _facts(release: ChannelRelease | IndexedRelease) -> tuple[str, str, str, str, bool]:
    """What a channel and the index both say of a release."""
    return (
        release.name,
        release.kubernetes,
        release.manifest_url,
        release.manifest_sha256,
        release.development,
    )


def _development(walk: Walk) -> None:
    named = walk.development.union(walk.keys.development)
    if named:
        walk.tally.warnings.append(
            "signed by development keys, which anybody could have made and nobody should trust:"
            f" {', '.join(sorted(named))}"
        )
