"""What a publication makes of channel records: pure functions from the old record to the new."""

from collections.abc import Mapping, Sequence

from kubewright import versions
from kubewright.errors import PublicationConflict, RequestError
from kubewright.models.base import DAY
from kubewright.models.site import YANKED, Channel, ChannelRelease, IndexedRelease
from kubewright.moments import following, is_to_come
from kubewright.site import graph, layout

LASTS = 14
"""Days that suites of production keys are good for unless somebody says otherwise: so long can
somebody who holds a site back do so unnoticed.
"""

FLOATING = ("stable", "latest")
"""Channels that only move upwards by default."""


def default_channels(kubernetes: str, channels: Mapping[str, Channel]) -> tuple[str, ...]:
    """Where a release goes when nobody says where.

    A final release: `stable-1.NN`, `stable` unless something higher is there, `latest` likewise. A
    pre-release: `latest` only, if it is the highest.
    """
    wanted = (
        [f"stable-{versions.minor(kubernetes)}", "stable"] if versions.is_final(kubernetes) else []
    )
    floating = [name for name in [*wanted, "latest"] if name in FLOATING]
    lower = {name for name in floating if name in channels and _above(channels[name], kubernetes)}
    return tuple(name for name in [*wanted, "latest"] if name not in lower)


def _above(channel: Channel, kubernetes: str) -> bool:
    return channel.current is not None and versions.parse(
        channel.current.kubernetes
    ) > versions.parse(kubernetes)


def add(
    previous: Channel | None,
    channel: str,
    release: ChannelRelease,
    *,
    now: int,
    url: str,
    repo_key: str,
    valid_for: int | None = None,
    architectures: Sequence[str] = (),
) -> Channel:
    """The channel's record with a release in it; the previous record itself when that changes
    nothing.

    The release becomes current unless a higher one is. `valid_for` days later the channel expires;
    it is renewed when it is due. None means as before, 0 never. Raises PublicationConflict when the
    channel has the name with another manifest.
    """
    there = {one.name: one for one in previous.releases} if previous else {}
    known = there.get(release.name)
    if known is not None and known.manifest_sha256 != release.manifest_sha256:
        raise published_otherwise(layout.channel_path(channel), known, release)
    releases = _ranked([*there.values()] if known else [*there.values(), release])
    if (
        previous
        and (previous.releases, previous.url) == (releases, url)
        and _stands(previous, repo_key, valid_for)
    ):
        return previous
    return _next(
        previous, channel, releases,
        now=now, url=url, repo_key=repo_key, valid_for=valid_for, architectures=architectures,
    )  # fmt: skip


def published_otherwise(
    place: str, known: ChannelRelease | IndexedRelease, release: ChannelRelease
) -> PublicationConflict:
    """Why a release cannot be published: another one has its name."""
    return PublicationConflict(
        place,
        f"{release.name} is published with another manifest"
        f" ({known.manifest_sha256[:12]}…, not {release.manifest_sha256[:12]}…);"
        " published releases never change",
        "choose the next revision with --revision",
    )


def standing(record: Channel, withdrawn: Mapping[str, str]) -> Channel:
    """A record whose releases are yanked just where they are `withdrawn`, with the reason."""
    releases = []
    for release in record.releases:
        gone = release.name in withdrawn
        status = YANKED if gone else "superseded" if release.status == YANKED else release.status
        releases.append(release.changed(status=status, reason=withdrawn.get(release.name, "")))
    return record.model_copy(update={"releases": _ranked(releases)})


def follow(
    previous: Channel | None,
    channel: str,
    releases: Sequence[ChannelRelease],
    *,
    now: int,
    url: str,
    repo_key: str,
    valid_for: int | None = None,
    architectures: Sequence[str] = (),
) -> Channel:
    """The next record of a channel, with just these releases."""
    return _next(
        previous, channel, _ranked(releases),
        now=now, url=url, repo_key=repo_key, valid_for=valid_for, architectures=architectures,
    )  # fmt: skip


def resign(previous: Channel, *, now: int, repo_key: str, second_key: str = "") -> Channel:
    """The same content under these keys; the previous record itself when it is under them, and not
    from a moment that has not come.
    """
    sound = not is_to_come(previous.issued, now)
    if sound and previous.second_key == second_key and _stands(previous, repo_key, None):
        return previous
    return renewed(previous, now=now, repo_key=repo_key)


def renewed(previous: Channel, *, now: int, repo_key: str) -> Channel:
    """The next record with the same content."""
    return _next(
        previous,
        previous.channel,
        previous.releases,
        now=now,
        url=previous.url,
        repo_key=repo_key,
        valid_for=None,
    )


def _stands(previous: Channel, repo_key: str, valid_for: int | None) -> bool:
    """Whether a record is under this key, and valid for as long as is wanted."""
    wanted = (repo_key, _days(previous, valid_for))
    return (previous.repo_key, previous.valid_for) == wanted


def _days(previous: Channel | None, valid_for: int | None) -> int | None:
    """How long a record is to be valid: as before when nobody says, for ever (None) when 0 is asked
    for.
    """
    if valid_for is None:
        return previous.valid_for if previous else None
    return valid_for or None


def first(record: Channel) -> int:
    """The number of the publication in which a channel's content was first there."""
    return record.restores or record.sequence


def rollback(
    current: Channel, target: Channel, *, now: int, repo_key: str, valid_for: int | None = None
) -> Channel:
    """A new record with the content of an earlier one.

    Raises RequestError when that is what the channel already holds.
    """
    if current.releases == target.releases:
        path = layout.channel_path(current.channel)
        raise RequestError(str(path), f"publication {target.sequence} is what is there already")
    record = _next(
        current,
        current.channel,
        target.releases,
        now=now,
        url=current.url,
        repo_key=repo_key,
        valid_for=valid_for,
    )
    origin = target.restores or target.sequence
    return record.model_copy(update={"rollback_of": current.sequence, "restores": origin})


def _next(
    previous: Channel | None,
    channel: str,
    releases: tuple[ChannelRelease, ...],
    *,
    now: int,
    url: str,
    repo_key: str,
    valid_for: int | None,
    architectures: Sequence[str] = (),
) -> Channel:
    """The next record, but for what a publication adds: which record it follows, by digest."""
    # Time never goes back: clients refuse an older Date. Nor is it ahead, however many publications
    # there are in a second: they refuse that, too, and take another with the same Date.
    issued = following(previous.issued, now) if previous else now
    days = _days(previous, valid_for)
    known = previous.architectures if previous else ()
    made = Channel(
        channel=channel,
        sequence=previous.sequence + 1 if previous else 1,
        issued=issued,
        valid_until=issued + days * DAY if days else None,
        valid_for=days,
        url=url,
        repo_key=repo_key,
        architectures=tuple(dict.fromkeys((*known, *architectures))),
        releases=releases,
    )
    return made.model_copy(update=previous.model_extra) if previous else made


def _ranked(releases: Sequence[ChannelRelease]) -> tuple[ChannelRelease, ...]:
    """Newest first; the highest that is not yanked is current, a higher revision before a lower."""
    ordered = sorted(releases, key=lambda one: graph.rank(one.kubernetes, one.name), reverse=True)
    current = next((one.name for one in ordered if one.status != YANKED), None)
    return tuple(
        one if one.status == YANKED
        else one.changed(status="current" if one.name == current else "superseded")
        for one in ordered
    )  # fmt: skip
