"""key: makes the keys of a release manager, and reads those that the settings name."""

from datetime import datetime
from functools import cache
from pathlib import Path

from kubewright import files
from kubewright.errors import RequestError
from kubewright.moments import day
from kubewright.settings import Settings
from kubewright.signing import certificate, roots
from kubewright.signing.keys import (
    Paths,
    are_made,
    artifact_key,
    development_root,
    freshness_key,
    initialise,
    repo_key,
)
from kubewright.signing.keys import certify as make_certificate
from kubewright.signing.public import RepoPublicKey
from kubewright.signing.roles import ArtifactKey, Keys
from kubewright.signing.schemes import locked
from kubewright.signing.signer import Secrets


def init(directory: Path, name: str, settings: Settings, *, expires_days: int | None) -> Paths:
    """Make both keys in a directory; `name` is the OpenPGP key's user id. Raises what `initialise`
    does.
    """
    return initialise(directory, name, now=settings.now, expires_days=expires_days)


def keys(settings: Settings) -> Keys:
    """The keys that the settings name, or the development keys, made on first use.

    Raises RequestError where a dry run would have to make them.
    """
    own = existing_keys(settings) if settings.dry_run else _read(settings)
    if own is None:
        raise RequestError(
            "--dry-run",
            "there is no development key yet, and a dry run makes none",
            "name keys with --repo-key and --artifact-key",
        )
    return own


def refreshing_keys(settings: Settings) -> Keys:
    """The keys that renew a site: the freshness key, and the repository key where suites expire.

    The root says who signs documents; where the repository key is a certificate alone, no suite can
    be renewed. Raises RequestError.
    """
    if settings.artifact_key is not None or settings.repo_key is None:
        return keys(settings)
    if not settings.roots or settings.freshness_key is None:
        option = "--freshness-key" if settings.roots else "--root"
        raise RequestError(option, "not given, and refreshing needs it", "name it (docs/keys.md)")
    (*earlier, root), opened = _roots(settings), secrets(settings)
    return Keys(
        repo=certificate.key_or_certificate(settings.repo_key, settings.now, opened),
        artifact=roots.artifact_key(root),
        coming=coming(settings),
        freshness=freshness_key(settings.freshness_key, secrets=opened),
        root=root,
        earlier=tuple(earlier),
    )


def certify(uri: str, path: Path, name: str, settings: Settings) -> str:
    """Write the certificate of a key in a token or a service; its fingerprint.

    Raises RequestError rather than replace a file.
    """
    if path.exists():
        raise RequestError(str(path), "exists already", "choose another name")
    made = make_certificate(uri, name, now=settings.now, secrets=secrets(settings))
    files.write(path, made.armored.encode())
    return made.fingerprint


def expired(settings: Settings, at: str | None) -> tuple[int, list[str]]:
    """The moment that is meant (epoch seconds), and a line for each named key that cannot sign
    then, and for a root that nobody goes by any more.

    Raises RequestError for a word that is no day.
    """
    try:
        when = int(datetime.fromisoformat(f"{at}T23:59:59+00:00").timestamp()) if at else None
    except ValueError as error:
        raise RequestError(f"--at {at}", "not a day", "write it like 2027-05-31") from error
    moment = settings.now if when is None else when
    own = _read(settings)
    named = [("--repo-key", own.repo), ("--next-repo-key", own.coming)]
    found = []
    for option, key in (*named, ("--second-repo-key", own.second)):
        if key is not None and key.expires is not None and key.expires <= moment:
            found.append(f"{option} {key.fingerprint}: expires on {day(key.expires)}")
    if own.root is not None and roots.expires(own.root) <= moment:
        until = day(roots.expires(own.root))
        found.append(f"--root: expires on {until}; make the next with `kubewright key root new`")
    return moment, found


def pushing_key(settings: Settings) -> ArtifactKey:
    """The key that signs images, all that pushing them needs."""
    return artifact_key(settings.artifact_key, secrets=secrets(settings))


def existing_keys(settings: Settings) -> Keys | None:
    """The keys that the settings name, or the development keys; None where one would have to be
    made first.
    """
    return _read(settings) if are_made(settings.repo_key, settings.artifact_key) else None


def _read(settings: Settings) -> Keys:
    opened, now, second = secrets(settings), settings.now, None
    known = _roots(settings)
    if settings.second_repo_key:
        option = "--second-repo-key"
        second = repo_key(settings.second_repo_key, now=now, secrets=opened, option=option)
    return Keys(
        repo=repo_key(settings.repo_key, now=now, secrets=opened),
        artifact=artifact_key(settings.artifact_key, secrets=opened),
        coming=coming(settings),
        second=second,
        freshness=_freshness(settings, opened),
        root=known[-1] if known else None,
        earlier=known[:-1],
    )


def _freshness(settings: Settings, opened: Secrets) -> ArtifactKey | None:
    """The freshness key; development keys have theirs."""
    if settings.freshness_key is None and settings.artifact_key is not None:
        return None
    return freshness_key(settings.freshness_key, secrets=opened)


def _roots(settings: Settings) -> tuple[bytes, ...]:
    """The roots that are trusted, the oldest first; development keys have theirs."""
    if settings.roots:
        return roots.trusted(settings.roots)
    return (development_root(settings.now),) if settings.artifact_key is None else ()


def secrets(settings: Settings) -> Secrets:
    """Reads the passphrase of a locked key where the settings say that it is."""
    path = settings.passphrase_file
    if path is None:
        return locked

    @cache  # a descriptor can be read once
    def passphrase() -> bytes:
        try:
            return path.read_bytes().split(b"\n", 1)[0].removesuffix(b"\r")
        except OSError as error:
            raise RequestError(
                f"--passphrase-file {path}", str(error.strerror), "name a file that can be read"
            ) from error

    return lambda _place: passphrase()


def coming(settings: Settings) -> RepoPublicKey | None:
    """The certificate of the repository key that comes next, where one is named."""
    uri = settings.next_repo_key
    return certificate.read(uri, settings.now, "--next-repo-key") if uri else None
