"""rollback and refresh: what happens to the channels of a site after a release."""

from collections.abc import Collection, Iterator
from typing import NamedTuple

from kubewright.errors import PublicationConflict, RequestError
from kubewright.models.site import Change, Channel, Renewal
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import channels, freshness, layout
from kubewright.site.contents import Contents
from kubewright.site.draft import Draft
from kubewright.site.past import Past
from kubewright.site.reader import Reader
from kubewright.stages.site import edit
from kubewright.stages.store import store


def rollback(
    channel: str, settings: Settings, recipes: Recipes, keys: Keys, to: int | None
) -> tuple[Channel, list[Change]]:
    """Publish the content of an earlier publication of a channel again; by default of the one
    before the present content.

    A rollback that was cut short is finished, not repeated.
    """
    seen: list[int] = []

    def change(draft: Draft) -> Channel:
        current = _current(draft, channel, settings)
        seen.append(current.sequence)
        if current.sequence != seen[0]:
            raise PublicationConflict(
                layout.channel_path(channel),
                f"somebody else published number {current.sequence} meanwhile",
                f"look at `kubewright history {channel}`, and say what to go back to with --to",
            )
        past = draft.past(current)
        if _cut_short(draft, past, to):
            return current
        published = _target(draft, past, to)
        target = channels.standing(published, draft.withdrawn)
        offered = [target.current.manifest_url] if target.current else []
        draft.foresee([target], *offered)
        new = channels.rollback(
            current,
            target,
            now=settings.now,
            repo_key=keys.repo.fingerprint,
            valid_for=settings.valid_for,
        )
        draft.put(new, _listed(draft, published, new, target))
        return draft.records[channel]

    done = edit(settings, recipes, keys, change)
    return done.result, list(done.changes)


def _listed(draft: Draft, published: Channel, new: Channel, target: Channel) -> Contents:
    """What the target lists of what was published then, for the architectures that the channel has
    by now.
    """
    if not target.releases:
        return draft.made_again(new)
    if new.architectures == target.architectures:
        return draft.contents(published)
    wider = target.model_copy(update={"architectures": new.architectures})
    return draft.made_again(wider)


def _current(draft: Draft, channel: str, settings: Settings) -> Channel:
    current = draft.published(channel)
    if current is None:
        known = ", ".join(draft.names) or "none"
        raise RequestError(
            layout.channel_path(channel),
            f"no such channel on {settings.site}",
            f"there are: {known}",
        )
    return current


def _cut_short(draft: Draft, past: Past, to: int | None) -> bool:
    """Whether the newest publication of a channel is this rollback, committed but not finished."""
    state, finished = draft.present.state, draft.present.finished
    current = past.newest
    if state is None or current.rollback_of is None:
        return False
    before = finished.channels.get(current.channel) if finished else None
    if before == state.channels[current.channel]:
        return False
    if to is None:
        return True
    gone = draft.withdrawn
    wanted = past.at(to)
    same = wanted is not None and channels.standing(wanted, gone).releases
    return same == channels.standing(current, gone).releases


def _target(draft: Draft, past: Past, to: int | None) -> Channel:
    """The publication to go back to. Raises RequestError that lists what there is."""
    newest = past.newest
    if to == 0:
        return newest.model_copy(update={"releases": (), "sequence": 0, "restores": None})
    chosen = _before(draft, past) if to is None else past.at(to)
    if chosen is None:
        problem = "nothing to go back to" if to is None else f"no publication {to}"
        there = ", ".join(map(str, past.numbers))
        raise RequestError(
            layout.channel_path(newest.channel),
            problem,
            f"there are: {there}; --to 0 takes the first one back too",
        )
    return chosen


def _before(draft: Draft, past: Past) -> Channel | None:
    """The last publication before the present content was first there."""
    served = channels.standing(past.newest, draft.withdrawn).served
    earlier = past.below(channels.first(past.newest))
    return next(
        (one for one in earlier if channels.standing(one, draft.withdrawn).served != served), None
    )


def offering(settings: Settings, record: Channel) -> dict[str, str]:
    """The other channels that offer what a channel has gone back from, with that release."""
    reader = Reader(store(settings))
    state = reader.present().state
    if state is None:
        return {}
    past = Past(reader, record, state.history.oldest(record.channel))
    before = past.at(record.rollback_of or 0)
    gone = before.current if before else None
    left = gone.name if gone and gone != record.current else ""
    found = {}
    for name, other in reader.channels(state).items():
        if name != record.channel and other.current and other.current.name == left:
            found[name] = left
    return found


class Refreshed(NamedTuple):
    """What a refresh did."""

    renewed: tuple[Renewal, ...]
    changes: tuple[Change, ...]
    finished: int | None
    """The number of an earlier publication that was cut short and is finished now."""


def refresh(settings: Settings, recipes: Recipes, keys: Keys) -> Refreshed:
    """Sign again what expires soon or has another key's signature, each channel for as long as it
    was published for. What merely expires takes the freshness key and the repository key alone.
    """
    drafts: list[Draft] = []

    def change(draft: Draft) -> None:
        if not draft.names:
            raise RequestError(
                settings.site,
                "no channel there",
                "publish a release first, or give another --site",
            )
        drafts.append(draft)

    done = edit(settings, recipes, keys, change)
    written = {item.path for item in done.changes}
    return Refreshed(tuple(_renewals(drafts[-1], written)), done.changes, done.finished)


def _renewals(draft: Draft, written: Collection[str]) -> Iterator[Renewal]:
    """The channels whose suites were written, with their new dates."""
    before = freshness.dated(draft.present.word)
    stay = [record for name, record in draft.channels.items() if name not in draft.records]
    renewed = freshness.renewal(stay, before, draft.now)
    for name, record in sorted((draft.channels | draft.records).items()):
        if f"{layout.suite_path(name)}/InRelease" in written:
            of = freshness.dates(record, renewed)
            yield Renewal(channel=name, issued=of.issued, valid_until=of.valid_until)
