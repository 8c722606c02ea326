"""key rotate: the steps by which one repository key follows another, so that no client notices.

Announce, overlap, switch, retire: each is a publication that signs what is served once more.
"""

import logging
from collections.abc import Callable
from enum import StrEnum

from kubewright.errors import RequestError
from kubewright.models.site import Change, SiteKey, State
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site.draft import Draft
from kubewright.stages.site import Special, edit


class Step(StrEnum):
    """What a publication is in the life of a repository key."""

    announce = "announce"
    """The next key is handed out; the old one signs."""
    overlap = "overlap"
    """Both sign repositories; packages are the old one's."""
    switch = "switch"
    """The new key signs, the old one repositories too, for clients that know it alone."""
    retire = "retire"
    """The new key signs alone."""


def rotate(step: Step, settings: Settings, recipes: Recipes, keys: Keys) -> list[Change]:
    """Take one step; what was written. Raises RequestError where the keys are not those of it."""

    def change(draft: Draft) -> None:
        state = draft.present.state
        if state is None:
            raise RequestError(settings.site, "nothing is published", "publish a release first")
        _CHECKS[step](_roles(state), keys)

    may = Special.retire if step is Step.retire else Special.nothing
    done = edit(settings, recipes, keys, change, may=may)
    return list(done.changes)


def _roles(state: State) -> dict[str, SiteKey]:
    """The OpenPGP keys of a site by fingerprint; before there were roles the first was current."""
    found = {}
    for number, key in enumerate(key for key in state.keys if key.kind == "openpgp"):
        role = key.role or ("earlier" if number else "current")
        found[key.id] = key.model_copy(update={"role": role})
    return found


def _announce(known: dict[str, SiteKey], keys: Keys) -> None:
    _require_current(known, keys)
    if keys.coming is None:
        raise RequestError("--next-repo-key", "no key to announce", "name its certificate")
    if keys.coming.fingerprint == keys.repo.fingerprint:
        raise RequestError(
            "--next-repo-key",
            "the key that signs already",
            "make another with `kubewright key init`",
        )


def _overlap(known: dict[str, SiteKey], keys: Keys) -> None:
    _require_current(known, keys)
    second = _second(keys, "the new key, which signs beside the old one")
    _require_announced(known, second)
    if keys.coming is None or keys.coming.fingerprint != second:
        raise RequestError(
            "--next-repo-key", f"is not {second}, which is to sign next", "name its certificate"
        )


def _switch(known: dict[str, SiteKey], keys: Keys) -> None:
    _require_announced(known, keys.fingerprint)
    second = _second(keys, "the old key, which goes on beside the new one")
    if second not in known or known[second].role == "next":
        raise RequestError(
            "--second-repo-key", f"{second} has not signed this site", "name the key that did"
        )
    if keys.coming is None:
        logging.getLogger(__name__).warning(
            "no key is announced that comes after %s; name one with --next-repo-key, so that the "
            "next rotation needs no overlap", keys.fingerprint,
        )  # fmt: skip


def _retire(known: dict[str, SiteKey], keys: Keys) -> None:
    _require_current(known, keys)
    if keys.second is not None:
        raise RequestError(
            "--second-repo-key", "the old key is to sign no more", "leave the option out"
        )


_CHECKS: dict[Step, Callable[[dict[str, SiteKey], Keys], None]] = {
    Step.announce: _announce,
    Step.overlap: _overlap,
    Step.switch: _switch,
    Step.retire: _retire,
}


def _second(keys: Keys, who: str) -> str:
    if keys.second is None:
        raise RequestError("--second-repo-key", "nobody signs beside", f"name {who}")
    return keys.second.fingerprint


def _require_current(known: dict[str, SiteKey], keys: Keys) -> None:
    key = known.get(keys.fingerprint)
    if key is None or key.role != "current":
        current = next((name for name, one in known.items() if one.role == "current"), "another")
        raise RequestError(
            "--repo-key", f"{keys.fingerprint} does not sign this site now, {current} does",
            "name that one",
        )  # fmt: skip


def _require_announced(known: dict[str, SiteKey], fingerprint: str) -> None:
    """Clients must have had the key before it signs anything."""
    key = known.get(fingerprint)
    if key is None:
        raise RequestError(
            f"key {fingerprint}", "has never been announced: clients would refuse what it signs",
            "announce it with `kubewright key rotate announce --next-repo-key`, and wait until "
            "clients have upgraded kubewright-archive-keyring",
        )  # fmt: skip
