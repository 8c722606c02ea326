"""promote and publish, from the site alone: a release that it has goes into more channels."""

import logging
from collections.abc import Mapping, Sequence

from kubewright.errors import RequestError
from kubewright.models.site import (
    WITHDRAWN,
    Change,
    Channel,
    ChannelRelease,
    IndexedRelease,
)
from kubewright.moments import moment
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import channels, foresight, layout
from kubewright.site.draft import Draft
from kubewright.stages.listing import add, as_listed, list_packages
from kubewright.stages.site import edit

log = logging.getLogger(__name__)

Published = tuple[str, list[str], list[Change]]
"""The name of a release, its channels, and what was written."""


def promote(
    what: str,
    names: Sequence[str],
    settings: Settings,
    recipes: Recipes,
    keys: Keys,
    *,
    after: int = 0,
    again: bool = False,
) -> Published:
    """Put a release that the site has into channels; `what` is its name, or a channel that offers
    it. Without names they are those that it belongs to.

    One that was first published less than `after` seconds ago stays where it is. A release that was
    withdrawn comes back only `again`. Raises RequestError for what the site does not have.
    """
    chosen: list[str] = []

    def change(draft: Draft) -> list[str]:
        release = named(draft, what, settings)
        chosen[:] = [release.name]
        since = _since(draft, release) if after else 0
        if since + after > settings.now:
            log.warning(
                "%s was published on %s: it is promoted after %s",
                release.name, moment(since), moment(since + after),
            )  # fmt: skip
            return []
        restored = bring_back(draft, release.name, settings, keys, again=again)
        entry = as_listed(release)
        targets = [*names] or [*default_names(draft, entry)]
        refuse_withdrawn(targets)
        _foresee(draft, targets, entry)
        for name in targets:
            put(draft, name, entry, settings, keys)
        return [*dict.fromkeys([*restored, *targets])]

    done = edit(settings, recipes, keys, change)
    return chosen[0], done.result, list(done.changes)


def named(draft: Draft, what: str, settings: Settings) -> IndexedRelease:
    """A release of the site by its name, or by a channel that offers it."""
    releases = {one.name: one for one in draft.index.releases} if draft.index else {}
    record = draft.published(what) if what in draft.names else None
    if record is not None:
        if record.current is None:
            raise RequestError(layout.channel_path(what), "offers no release", "name a release")
        return releases[record.current.name]
    if what not in releases:
        there = ", ".join([*draft.names, *releases][:12]) or "nothing"
        raise RequestError(
            what, f"neither a release nor a channel of {settings.site}", f"there are: {there}"
        )
    return releases[what]


def bring_back(
    draft: Draft, name: str, settings: Settings, keys: Keys, *, again: bool
) -> tuple[str, ...]:
    """Undo the withdrawal of a release; the channels that offer it again.

    Raises RequestError for a release that is withdrawn, unless that is meant.
    """
    if name not in draft.withdrawn:
        return ()
    if not again:
        raise RequestError(
            name,
            f"was withdrawn: {draft.withdrawn[name]}",
            "publish another revision; or this one with --again",
        )
    del draft.withdrawn[name]
    found = []
    for channel, record in draft.channels.items():
        kept = [one for one in record.releases if one.name != name]
        if len(kept) == len(record.releases):
            continue
        if channel != WITHDRAWN:
            kept = [*record.releases]
            found.append(channel)
        new = channels.follow(
            record, channel, kept, now=settings.now, url=record.url, repo_key=keys.fingerprint
        )
        draft.put(new, draft.made_again(new))
    return tuple(found)


def default_names(draft: Draft, entry: ChannelRelease) -> tuple[str, ...]:
    """The channels that a release belongs to. Raises RequestError where all have a higher one."""
    floating = {name: record for name in channels.FLOATING if (record := draft.published(name))}
    return belonging(entry.name, entry.kubernetes, floating)


def belonging(name: str, kubernetes: str, published: Mapping[str, Channel]) -> tuple[str, ...]:
    """The channels that a release of Kubernetes belongs to, by what these have; `name` is for
    people. Raises RequestError where all have a higher one.
    """
    names = channels.default_channels(kubernetes, published)
    if not names:
        raise RequestError(
            name, "lower than what every channel has", "name a channel with --channel"
        )
    return names


def put(draft: Draft, name: str, entry: ChannelRelease, settings: Settings, keys: Keys) -> None:
    """Put a release that the site has into a channel, as far as it is not there."""
    if _lacks(draft, name, entry):
        add(draft, name, entry, settings, keys)
        list_packages(draft, name, entry)


def _foresee(draft: Draft, names: Sequence[str], entry: ChannelRelease) -> None:
    """Ask a distant store at once for a release, and for the channels that it goes into."""
    lacking = [name for name in names if _lacks(draft, name, entry)]
    if lacking:
        draft.foresee_more(lacking, *foresight.of_release(entry))


def _lacks(draft: Draft, name: str, entry: ChannelRelease) -> bool:
    """Whether a release is to be put into a channel still."""
    record = draft.records.get(name) or draft.published(name)
    return record is None or all(one.name != entry.name for one in record.served)


def refuse_withdrawn(names: Sequence[str]) -> None:
    """Nobody publishes in the channel of what is withdrawn."""
    if WITHDRAWN in names:
        raise RequestError(
            f"channel {WITHDRAWN}",
            "is for releases that were withdrawn",
            "name another channel; `kubewright withdraw NAME` puts a release there",
        )


def _since(draft: Draft, release: IndexedRelease) -> int:
    """When a release was first published in any channel that lists it, in epoch seconds."""
    found = []
    for record in draft.channels.values():
        if _has(record, release):
            past = draft.history(record)
            found.append(next(older.issued for older in past if _has(older, release)))
    return min(found, default=draft.now)


def _has(record: Channel, release: IndexedRelease) -> bool:
    return any(one.name == release.name for one in record.releases)
