"""The site that the settings name: opened once, with the keys that may publish there."""

import logging
from collections.abc import Callable
from enum import Enum
from functools import partial
from typing import TypeVar

from kubewright.errors import RequestError
from kubewright.models.site import State
from kubewright.moments import is_to_come, moment
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.public import RepoPublicKey
from kubewright.signing.roles import Keys
from kubewright.site import channels, freshness, layout
from kubewright.site import edit as editing
from kubewright.site import identity as identities
from kubewright.site.draft import Draft, Publisher
from kubewright.site.edit import Edited
from kubewright.site.identity import Identity
from kubewright.site.reader import Reader
from kubewright.stages.origins import refuse_exposed
from kubewright.stages.seen import ready, refuse_older, remember
from kubewright.stages.site_keys import (
    key_files,
    published_keyring,
    settled,
    tell_of_other_forms,
)
from kubewright.stages.store import announce, store
from kubewright.stages.trust import (
    anchor,
    believed,
    refuse_other_keys,
    refuse_other_roles,
    refuse_revoked,
)

T = TypeVar("T")

log = logging.getLogger(__name__)


class Special(Enum):
    """What changes a site's identity, which one verb each may do."""

    nothing = "nothing"
    retire = "retire"
    """End a rotation."""
    move = "move"
    """Go to another address."""
    revoke = "revoke"
    """End a key."""


def publisher(settings: Settings, recipes: Recipes, keys: Keys) -> Publisher:
    """Who publishes with these recipes and these keys."""
    return Publisher(
        recipes.catalog,
        recipes.templates,
        recipes.documents,
        keys,
        partial(key_files, keys),
        partial(settled, keys),
        founding(settings, keys),
        anchor(settings, keys),
        keys.roles,
    )


def founding(settings: Settings, keys: Keys) -> Identity:
    """What a site becomes that these keys publish on first."""
    return identities.founded(settings.url, (keys.repo.fingerprint, keys.artifact.key_id))


def identity(settings: Settings, keys: Keys) -> Identity:
    """What the site is, or becomes by its first publication. Raises as `keyring` does."""
    state = believed(settings, keys).present().state
    return identities.of(state, founding(settings, keys))


def edit(
    settings: Settings,
    recipes: Recipes,
    keys: Keys,
    change: Callable[[Draft], T],
    *,
    may: Special = Special.nothing,
) -> Edited[T]:
    """Publish what `change` puts into a draft, with these keys; `may` is what only its verb does.

    Raises RequestError where these keys or this address must not publish, and where the site is
    older than what was seen of it.
    """
    keys.repo.refuse_expired(settings.now)

    def guarded(draft: Draft) -> T:
        draft.note = settings.note
        refuse_older(settings, draft.reader, draft.present, trying=keys.development)
        _refuse_clock(draft)
        addressed = settings.model_copy(update={"url": address(draft, settings)})
        _refuse_publisher(draft, addressed, keys)
        if may is not Special.move:
            _same_address(draft, addressed)
        if may not in (Special.retire, Special.revoke):
            _go_on_with_both(draft, settings, keys)
        tell_of_other_forms(keys, published_keyring(draft.reader, draft.present))
        result = change(draft)
        _renew(draft, settings, keys)
        return result

    own, site = publisher(settings, recipes, keys), store(settings)
    if not settings.dry_run:
        ready(settings)
        announce(site)
    done = editing.edit(site, own, guarded, now=settings.now, dry_run=settings.dry_run)
    if not settings.dry_run and settings.state is not None:
        remember(settings, Reader(site, own.anchor).present())
    return done


def _refuse_publisher(draft: Draft, settings: Settings, keys: Keys) -> None:
    """Refuse keys and addresses that may not publish here."""
    state = draft.present.state
    _allow(state, settings, keys)
    refuse_exposed(settings, keys)
    refuse_revoked(state, settings, keys)
    refuse_other_keys(state, settings, keys)
    refuse_other_roles(draft.reader.roots, settings, keys)


def addressed(settings: Settings, keys: Keys | RepoPublicKey) -> Settings:
    """The same with the address that the site has.

    Raises RequestError where another address is said, or keys may not publish on the site: before
    any work is done for it.
    """
    reader = believed(settings, keys)
    draft = Draft(reader, reader.present(), settings.now)
    if isinstance(keys, Keys):
        refuse_revoked(draft.present.state, settings, keys)
        refuse_other_keys(draft.present.state, settings, keys)
    found = settings.model_copy(update={"url": address(draft, settings)})
    _same_address(draft, found)
    return found


def revoked_keys(settings: Settings, keys: Keys) -> dict[str, int]:
    """Since when each key that the site has revoked signs nothing (epoch seconds), by its id."""
    state = believed(settings, keys).present().state
    return state.revoked if state else {}


def keyring(settings: Settings, keys: Keys | RepoPublicKey) -> bytes | None:
    """The OpenPGP keys of the site, binary, the current one first; None where nothing is.

    Raises VerificationFailed for a site that these keys, or those of --trust, have not signed.
    """
    reader = believed(settings, keys)
    return published_keyring(reader, reader.present())


def published_keys(settings: Settings, keys: Keys) -> list[bytes]:
    """Every public key that the site names in a state which these keys have signed."""
    reader = believed(settings, keys)
    state = reader.present().state
    paths = (layout.KEYRING, layout.ARTIFACT_KEY) if state else ()
    return [reader.content(state.files[path], path) for path in paths if state]


def _allow(state: State | None, settings: Settings, keys: Keys) -> None:
    """Development and production keys never meet on a site, and development keys sign no public
    one, unless told.
    """
    if settings.allow_development:
        return
    signers = [key for key in state.keys if key.kind == "openpgp"] if state else []
    production = any(not key.development for key in signers)
    if keys.development and (production or settings.url.startswith("https://")):
        why = "it has been signed by production keys" if production else f"{settings.url} is public"
        raise RequestError(
            settings.site,
            f"a development key may not publish here: {why}",
            "give --repo-key and --artifact-key, or pass --allow-development",
        )
    if signers and not production and not keys.development:
        raise RequestError(
            settings.site,
            "this site has been signed by a development key, which its users trust",
            "publish with production keys on a new site, or pass --allow-development",
        )


def _refuse_clock(draft: Draft) -> None:
    """A publication that is dated later than now was made by a clock that was ahead, and is
    replaced; but where all of them are, it is this machine's that is behind.
    """
    state, digest = draft.present.state, draft.present.sha256
    if state is None or digest is None or not is_to_come(state.issued, draft.now):
        return
    dates = [one.issued for one, _ in draft.reader.states(state, digest)]
    if len(dates) > 1 and all(is_to_come(issued, draft.now) for issued in dates):
        raise RequestError(
            "this machine's clock",
            f"says {moment(draft.now)}, but every publication here is later, the first of"
            f" {moment(dates[-1])}",
            "correct the clock",
        )
    log.warning(
        "publication %d is dated %s, which has not come: a clock was ahead; it is replaced",
        state.number, moment(state.issued),
    )  # fmt: skip


def address(draft: Draft, settings: Settings) -> str:
    """The address that is said, else the one that the site has; empty where there is neither."""
    return settings.url.rstrip("/") or next(iter(_addresses(draft)), "")


def _addresses(draft: Draft) -> list[str]:
    """Those of the site, the present one first."""
    state = draft.present.state
    known = [state.url] if state and state.url else []
    return known + sorted({record.url for record in draft.channels.values() if record.url})


def _same_address(draft: Draft, settings: Settings) -> None:
    """A site that has an address keeps it: clients go there, and documents say so."""
    state, asked = draft.present.state, settings.url.rstrip("/")
    known = _addresses(draft)
    if known and asked != known[0]:
        raise RequestError(
            settings.site,
            f"this site is published as {known[0]}, not {asked or 'without an address'}",
            f"pass --url {known[0]}, or move the site with `kubewright site move`",
        )
    if state and state.site and asked and not known:
        raise RequestError(
            settings.site,
            f"this site is published without an address, not as {asked}",
            f"leave --url out, or first: kubewright site move --url {asked}",
        )


def _go_on_with_both(draft: Draft, settings: Settings, keys: Keys) -> None:
    """A rotation ends when somebody says so, and not because an option was forgotten."""
    signers: set[str] = set()
    for record in draft.channels.values():
        if record.second_key:
            signers |= {record.repo_key, record.second_key}
    left = signers - {keys.fingerprint, keys.second_fingerprint}
    if left:
        raise RequestError(
            settings.site,
            f"{', '.join(sorted(left))} signs too, for clients that know only that key",
            "name it with --second-repo-key, or end that: `kubewright key rotate retire`",
        )


def _renew(draft: Draft, settings: Settings, keys: Keys) -> None:
    """Sign again what has another key's signature, beside what changes anyway.

    What expires soon is renewed by the timestamp; a site without one gets it by a new record.
    """
    word = draft.present.word
    legacy = word is not None and word.published is None
    for name, record in draft.channels.items():
        if name in draft.records:
            continue
        if legacy and freshness.is_due(record, 0, settings.now):
            new = channels.renewed(record, now=settings.now, repo_key=keys.fingerprint)
            draft.put(new, draft.contents(record))
            continue
        new = channels.resign(
            record,
            now=settings.now,
            repo_key=keys.fingerprint,
            second_key=keys.second_fingerprint,
        )
        if new is not record:
            draft.put(new, draft.contents(record))
