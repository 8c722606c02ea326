"""withdraw: no channel offers a release with a fault any more; it stays for who names it."""

from typing import NamedTuple

from kubewright.errors import RequestError
from kubewright.models.site import WITHDRAWN, Change
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import channels
from kubewright.site.draft import Draft
from kubewright.stages.listing import as_listed
from kubewright.stages.promote import named, put
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
            put(draft, WITHDRAWN, as_listed(release, reason=reason), settings, keys)
        return release.name

    done = edit(settings, recipes, keys, change)
    return Withdrawn(done.result, offered, done.changes)
