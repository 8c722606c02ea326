"""What may be published for the public: real programs, of pinned bytes, at an address that clients
can trust to be as new as it says.
"""

from collections.abc import Collection, Sequence

from kubewright.addresses import is_exposed
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.components import Components
from kubewright.models.lock import Input, Release, is_sample
from kubewright.settings import Settings
from kubewright.signing.roles import Keys

ELSE = "resolve it again without --upstream, or with another mirror"
"""What to do in place of signing a sample."""


def refuse(release: Release, settings: Settings, keys: Keys, components: Components) -> None:
    """Refuse to sign what its inputs or its address are not fit for. Raises RequestError, and
    VerificationFailed for other bytes than a pin.
    """
    refuse_exposed(settings, keys)
    refuse_sample(release.name, release.inputs, settings, keys)
    if not keys.development and not release.sample:
        refuse_unpinned(release.inputs, release.allowed_changes, components)
        refuse_unsigned(release.inputs, release.allowed_changes, components)


def refuse_sample(place: str, inputs: Sequence[Input], settings: Settings, keys: Keys) -> None:
    """Placeholder programs are for trying things out: production keys, and development keys for a
    public site, sign them only where they are told to.
    """
    if is_sample(inputs):
        refuse_placeholders(place, settings, keys)


def refuse_placeholders(place: str, settings: Settings, keys: Keys, remedy: str = ELSE) -> None:
    """The same where it is known that there will be some."""
    if settings.allow_development:
        return
    public = settings.url.startswith("https://")
    if not keys.development or public:
        why = f"{settings.url} is public" if public else "production keys would sign it"
        raise RequestError(
            place,
            f"made from a sample mirror's placeholder programs, but {why}",
            f"{remedy}; or pass --allow-development, and everything calls it a development release",
        )


def refuse_unpinned(
    inputs: Sequence[Input], allowed: Collection[str], components: Components
) -> None:
    """A pin holds whatever a mirror says of itself."""
    for entry in inputs:
        source = components.components.get(entry.component)
        pin = source.pin(entry.version, entry.arch) if source else None
        if pin is None or entry.sha256 in (None, pin.sha256) or entry.component in allowed:
            continue
        by = f", a {entry.mirror.kind} mirror says" if entry.mirror else ""
        raise VerificationFailed(
            entry.url,
            f"its SHA-256 is {entry.sha256}{by}, but recipes/components.toml pins {pin.sha256}"
            f" ({pin.source})",
            "take another upstream; or, if these bytes are meant, resolve again with"
            f" --allow-changed {entry.component}, which the lock and the manifest tell",
        )


def refuse_unsigned(
    inputs: Sequence[Input], allowed: Collection[str], components: Components
) -> None:
    """Where upstream signs its programs, those that somebody else has compiled are but a mirror's
    word.
    """
    for entry in inputs:
        source, mirror = components.components.get(entry.component), entry.mirror
        signs = source is not None and source.signature is not None
        if signs and mirror and mirror.own_bytes and entry.component not in allowed:
            raise VerificationFailed(
                entry.url,
                f"a {mirror.kind} mirror's own program, which upstream has not signed",
                "take another upstream; or, if it is meant, resolve again with"
                f" --allow-changed {entry.component}, which the lock and the manifest tell",
            )


def refuse_exposed(settings: Settings, keys: Keys) -> None:
    """An address without TLS, which dnf's clients have no other means against."""
    if keys.development or settings.allow_http or not is_exposed(settings.url):
        return
    raise RequestError(
        f"--url {settings.url}",
        "without TLS anybody on the way can keep nodes on an old release: a yum repository does not"
        " expire, and nobody signs its mirrorlist",
        "serve the site over https, or pass --allow-http",
    )
