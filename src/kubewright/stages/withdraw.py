"""withdraw: no channel offers a release with a fault any more; it stays for who names it."""

from typing import NamedTuple

from kubewright.errors import RequestError
from kubewright.models.site import WITHDRAWN, YANKED, Change, ChannelRelease, IndexedRelease
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import channels
from kubewright.site.draft import Draft
from kubewright.stages.promote import named
from kubewright.stages.site import edit


class Withdrawn(NamedTuple):
    """What a withdrawal did."""

    name: str
    offered: dict[str, str]
    """What each channel offers now that had the release; empty where it offers nothing."""
    changes: tuple[Change, ...]


def withdraw(name: str, reason: str, settings: Settings, recipes: Recipes, keys: Keys) -> Withdrawn:
    """Withdraw a release from every channel: none offers it, no repository lists it but that of the
    channel `withdrawn`. One that is withdrawn for this reason changes nothing.

    Raises RequestError for a release that the site does not have, and without a reason.
    """
    if not reason.strip() or not reason.isprintable():
        raise RequestError(
            "--reason", "people need one line that says why", "give one, e.g. --reason 'CVE-2026-1'"
        )
    offered: dict[str, str] = {}

    def change(draft: Draft) -> str:
        offered.clear()
        draft.note = settings.note or f"withdrawn: {reason}"
        if name in draft.names:
            raise RequestError(name, "is a channel", "name a release, like v1.36.4-1")
        release = named(draft, name, settings)
        known = draft.withdrawn.get(release.name)
        draft.withdrawn[release.name] = reason
        for channel, record in draft.channels.items():
            if all(one.name != release.name for one in record.releases):
                continue
            if known != reason:
                new = channels.renewed(record, now=settings.now, repo_key=keys.fingerprint)
                draft.put(new, draft.contents(record))
            if channel != WITHDRAWN:
                current = channels.standing(record, draft.withdrawn).current
                offered[channel] = current.name if current else ""
        if known is None:
            _keep(draft, _yanked(release, reason), settings, keys)
        return release.name

    done = edit(settings, recipes, keys, change)
    return Withdrawn(done.result, offered, done.changes)


def _yanked(release: IndexedRelease, reason: str) -> ChannelRelease:
    return ChannelRelease(
        name=release.name,
        kubernetes=release.kubernetes,
        status=YANKED,
        manifest_url=release.manifest_url,
        manifest_sha256=release.manifest_sha256,
        development=release.development,
        reason=reason,
    )


def _keep(draft: Draft, entry: ChannelRelease, settings: Settings, keys: Keys) -> None:
    """List a release where who names its version finds it."""
    previous = draft.published(WITHDRAWN)
    entries = draft.entries(entry)
    own = {deb.architecture for deb in entries.debs if deb.architecture != "all"}
    known = previous.architectures if previous else draft.architectures
    days = settings.valid_for
    if previous is None and days is None and not keys.development:
        days = channels.LASTS
    new = channels.follow(
        previous,
        WITHDRAWN,
        [*(previous.releases if previous else ()), entry],
        now=settings.now,
        url=settings.url.rstrip("/"),
        repo_key=keys.fingerprint,
        valid_for=days,
        architectures=tuple(dict.fromkeys((*known, *sorted(own)))),
    )
    draft.put(new, draft.made_again(new))
