"""key revoke: ends a key that somebody else may have: the site hands it out no more, and lists
nothing that depends on it.
"""

import logging
from pathlib import Path
from typing import NamedTuple

from kubewright.errors import RequestError
from kubewright.models.site import Change, SiteKey
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing import forms, keyring, revocations
from kubewright.signing.revocations import Revoked
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.site.draft import Draft, Revocation
from kubewright.stages.site import Special, edit
from kubewright.stages.site_keys import published_file

log = logging.getLogger(__name__)

ROLES = ("targets", "snapshot", "timestamp")
"""Whom a root names that signs a site's metadata."""


class Done(NamedTuple):
    """What a revocation did."""

    key: Revoked
    withheld: tuple[str, ...]
    """The rpms that no yum repository lists any more: paths on the site."""
    affected: tuple[str, ...]
    """The releases that have them, which want another revision."""
    changes: tuple[Change, ...]


def revoke(path: Path, settings: Settings, recipes: Recipes, keys: Keys) -> Done:
    """Revoke the key in a file; what was written. A key that is revoked already changes nothing.

    Raises RequestError for a key that the site does not have, or that is still to sign.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RequestError(str(path), str(error.strerror), "name the key's file") from error
    revoked = revocations.read(data, place=str(path), now=settings.now)
    _refuse_own(revoked, path, keys)
    found: dict[str, set[str]] = {}

    def change(draft: Draft) -> None:
        known = _known(draft, revoked, path, settings)
        _refuse_in_root(draft, revoked)
        issued = [record.issued + 1 for record in draft.channels.values()]
        since = max(settings.now, *issued) if known.revoked is None else known.revoked
        made = _revocation(draft, revoked, since)
        if known.revoked is None or made.public != published_file(
            draft.reader, draft.present, made.path
        ):
            draft.revoked[revoked.id] = made
        found.clear()
        found.update(_withheld(draft, revoked.id))

    done = edit(settings, recipes, keys, change, may=Special.revoke)
    if revoked.kind == "openpgp" and not revoked.says_so:
        log.warning(
            "%s holds no revocation by the key itself, so gpg and installers that look at "
            "keys/history/ cannot see it; revoke once more with the secret key's file", path,
        )  # fmt: skip
    withheld = sorted(set().union(*found.values()))
    return Done(revoked, tuple(withheld), tuple(sorted(found)), tuple(done.changes))


def _refuse_own(revoked: Revoked, path: Path, keys: Keys) -> None:
    option = next((option for option, key in keys.named.items() if key == revoked.id), None)
    if option is not None:
        raise RequestError(
            f"{option} {revoked.id}",
            f"the key in {path}, which is to be revoked",
            "name the key that follows it; with --trust the old one's public file, if it was not"
            " announced (docs/keys.md)",
        )


def _known(draft: Draft, revoked: Revoked, path: Path, settings: Settings) -> SiteKey:
    """What the site says of the key."""
    state = draft.present.state
    if state is None:
        raise RequestError(settings.site, "nothing is published", "publish a release first")
    for key in state.keys:
        if key.id == revoked.id:
            return key
    raise RequestError(
        str(path),
        f"{settings.site} has never handed out the key {revoked.id}",
        "a freshness or root key ends with the next root: kubewright key root new (docs/keys.md)",
    )


def _refuse_in_root(draft: Draft, revoked: Revoked) -> None:
    """TUF clients go by the root, so a key that it still names is not revoked for them."""
    roots = draft.reader.roots
    named = [role for role in ROLES if roots is not None and roots.holds(role, revoked.id)]
    if roots is not None and named:
        raise RequestError(
            f"--root {roots.version}",
            f"still names the key {revoked.id} for {', '.join(named)}",
            "make the next root with another: kubewright key root new NEXT.root.json --after ROOT"
            " --root-key URI --artifact-public FILE; then name both with --root",
        )


def _revocation(draft: Draft, revoked: Revoked, since: int) -> Revocation:
    """The key's own file, with all that the site and the publisher know of it."""
    if revoked.kind != "openpgp":
        return Revocation(since, layout.key_history(f"{revoked.id}.pub"), revoked.public)
    path, public = layout.key_history(f"{revoked.id}.asc"), revoked.public
    armored = published_file(draft.reader, draft.present, path)
    if armored is not None:
        (there,) = keyring.armored_certificates(armored, place=path).values()
        known = revocations.is_revoked(there)  # a second word says no more than the first
        public = there if known else forms.joined(there, public)
    return Revocation(since, path, keyring.armored(public).encode())


def _withheld(draft: Draft, key_id: str) -> dict[str, set[str]]:
    """The rpms that a key has signed of every release that is current in a channel, by release."""
    found: dict[str, set[str]] = {}
    for record in draft.channels.values():
        if record.current is not None:
            packages = draft.manifest(record.current).packages
            own = {package.url for package in packages if package.signing_key == key_id}
            if own:
                found[record.current.name] = own
    return found
