"""key: makes the two keys of a release manager, and reads those that the settings name."""

from pathlib import Path

from kubewright.errors import RequestError
from kubewright.settings import Settings
from kubewright.signing import certificate
from kubewright.signing.keys import Paths, are_made, artifact_key, initialise, repo_key
from kubewright.signing.public import RepoPublicKey
from kubewright.signing.roles import ArtifactKey, Keys


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


def pushing_key(settings: Settings) -> ArtifactKey:
    """The key that signs images, all that pushing them needs."""
    return artifact_key(settings.artifact_key)


def existing_keys(settings: Settings) -> Keys | None:
    """The keys that the settings name, or the development keys; None where one would have to be
    made first.
    """
    return _read(settings) if are_made(settings.repo_key, settings.artifact_key) else None


def _read(settings: Settings) -> Keys:
    second = settings.second_repo_key
    return Keys(
        repo=repo_key(settings.repo_key, now=settings.now),
        artifact=artifact_key(settings.artifact_key),
        coming=coming(settings),
        second=repo_key(second, now=settings.now, option="--second-repo-key") if second else None,
    )


def coming(settings: Settings) -> RepoPublicKey | None:
    """The certificate of the repository key that comes next, where one is named."""
    uri = settings.next_repo_key
    return certificate.read(uri, settings.now, "--next-repo-key") if uri else None
