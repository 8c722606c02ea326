"""Whom a publisher believes: its own keys, and those that it names; never a site's."""

from collections.abc import Sequence

from kubewright import files
from kubewright.errors import RequestError
from kubewright.metadata.chain import Roots
from kubewright.models.site import State
from kubewright.moments import day
from kubewright.settings import Settings
from kubewright.signing import forms, roots, verify
from kubewright.signing.public import RepoPublicKey
from kubewright.signing.roles import Keys
from kubewright.site.anchor import Anchor, Vouched
from kubewright.site.reader import Reader
from kubewright.stages.seen import last_seen
from kubewright.stages.store import store
from kubewright.verification.keys import sort_out


def anchor(settings: Settings, keys: Keys | RepoPublicKey, *, mending: bool = False) -> Anchor:
    """Believes what both kinds of these keys have signed, or those in the files of --trust in their
    place, and what this publisher has seen before; the metadata of the root; no key of a site.

    Who has the public half of the repository key alone goes by that one, and by a root if one is
    named. Who is `mending` is content with one kind, for a signature may be what is lost, and with
    metadata that has expired.
    """
    seen = last_seen(settings)
    vouched = _vouched(settings, keys, seen, mending=mending)
    named = " ".join(f"--root {path}" for path in settings.roots)
    place = named or "the development root"
    lenient = mending or settings.allow_expired or keys.development
    now = None if lenient else settings.now
    known = keys.roots if isinstance(keys, Keys) else roots.trusted(settings.roots)
    return Anchor(vouched, known, place, now, seen)


def _vouched(
    settings: Settings, keys: Keys | RepoPublicKey, seen: str | None, *, mending: bool
) -> Vouched:
    certificates, others = trusted(settings)
    known, public = [*certificates.values()], [*others.values()]
    if isinstance(keys, Keys):
        known += [keys.repo.certificate, *([keys.second.certificate] if keys.second else [])]
        public.append(keys.artifact.public_pem)
    else:
        known.append(keys.certificate)

    def vouched(data: bytes, openpgp: bytes | None, ecdsa: bytes | None, ring: bytes) -> bool:
        if files.sha256(data) == seen:
            return True
        own = forms.widened(known, ring)
        found = [
            verify.is_detached(data, openpgp, own) or _is_ahead(data, openpgp, own, settings.now)
        ]
        if isinstance(keys, Keys):
            found.append(verify.is_artifact(data, ecdsa, b"".join(public)))
        return any(found) if mending else all(found)

    return vouched


def _is_ahead(data: bytes, signature: bytes | None, known: Sequence[bytes], now: int) -> bool:
    """Whether a trusted key has signed with a clock that was ahead: its owner mends that by the
    next publication, and must be able to read the site for it.
    """
    return verify.signer_to_come(data, signature or b"", known, now) is not None


def believed(settings: Settings, keys: Keys | RepoPublicKey) -> Reader:
    """Reads the site that the settings name, of which the same is believed."""
    return Reader(store(settings), anchor(settings, keys))


def trusted(settings: Settings) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The certificates and the ECDSA keys in the files of --trust, by fingerprint and id.

    Raises RequestError for a file that cannot be read or holds no public key.
    """
    given = []
    for path in settings.trust:
        try:
            given.append(path.read_bytes())
        except OSError as error:
            raise RequestError(
                f"--trust {path}", str(error.strerror), "name the file of a public key"
            ) from error
    return sort_out(given, "--trust")


def refuse_other_roles(known: Roots | None, settings: Settings, keys: Keys) -> None:
    """The newest root names the keys that sign the site's metadata; it says who else may."""
    if known is None:
        raise RequestError(
            "--root",
            "not given, so nobody says who may sign the metadata of the site",
            "name it and --freshness-key; `kubewright key init` makes them, and for keys that you"
            " have `kubewright key root new` (docs/keys.md)",
        )
    wanted = (
        ("targets", "--artifact-key", keys.roles.artifact),
        ("snapshot", "--artifact-key", keys.roles.artifact),
        ("timestamp", "--freshness-key", keys.roles.freshness),
    )
    for role, option, key in wanted:
        if not known.holds(role, key.id):
            raise RequestError(
                f"{option} {key.id}",
                f"root {known.version} of {settings.site} does not name this key for {role}",
                "publish with a key that it names, or with a next root that names this one"
                " (docs/keys.md)",
            )


def refuse_other_keys(state: State | None, settings: Settings, keys: Keys) -> None:
    """A site keeps its keys, unless --trust names the old ones beside the new."""
    if state is None:
        return
    certificates, others = trusted(settings)
    own = {"openpgp": keys.repo.fingerprint, "ecdsa-p256": keys.artifact.key_id}
    words = {"openpgp": "--repo-key", "ecdsa-p256": "--artifact-key"}
    for kind, ours in own.items():
        of_kind = [key for key in state.keys if key.kind == kind]
        current = of_kind[0].id if of_kind else ours
        announced = any(key.id == ours and key.role == "next" for key in of_kind)
        if not announced and current not in (ours, *certificates, *others):
            raise RequestError(
                settings.site,
                f"this site is signed by {current}, not by {ours}, which is {words[kind]}",
                "publish with that key; or, to change keys, name its public file with --trust",
            )


def refuse_revoked(state: State | None, settings: Settings, keys: Keys) -> None:
    """A key that was revoked signs nothing more, and is announced by nobody."""
    for option, key in keys.named.items():
        since = state.revoked.get(key) if state else None
        if since is not None:
            raise RequestError(
                f"{option} {key}",
                f"{settings.site} has revoked this key on {day(since)}",
                "name another; `kubewright key init` makes them",
            )
