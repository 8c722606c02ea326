"""The public half of a repository key, wherever it stands: all that building packages needs."""

from pathlib import Path

from kubewright.errors import RequestError
from kubewright.files import expanded
from kubewright.signing import keyfile, keys
from kubewright.signing.absent import Absent
from kubewright.signing.public import RepoPublicKey
from kubewright.signing.roles import RepoKey
from kubewright.signing.signer import Secrets

_REMEDY = "give the certificate that `kubewright key init DIR` wrote as repo-key.pub.asc"


def read(uri: str | None, now: int, option: str = "--repo-key") -> RepoPublicKey:
    """The certificate in the file at `uri` (`file:PATH`), which may be a secret key's too; without
    a URI that of the user's development key, made at `now` (epoch seconds) on first use.

    Raises RequestError when there is none, or it has expired by `now`.
    """
    if uri is None:
        development = keys.repo_key(None, now=now)
        return keyfile.public(development.certificate, place="the development key")
    path = _path(uri, option)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RequestError(str(path), str(error.strerror), _REMEDY) from error
    try:
        public = keyfile.public(data, place=str(path))
    except RequestError as error:
        raise RequestError(error.place, error.problem, _REMEDY) from error
    public.refuse_expired(now)
    return public


def key_or_certificate(uri: str, now: int, secrets: Secrets) -> RepoKey:
    """The repository key at a URI; where that is a certificate alone, one that signs nothing.

    Raises as `keys.repo_key` does.
    """
    if uri.startswith("file:"):
        public = read(uri, now)
        if keyfile.is_certificate(_path(uri, "--repo-key").read_bytes()):
            return RepoKey.of(public, Absent(public.certificate, "--repo-key"))
    return keys.repo_key(uri, now=now, secrets=secrets)


def _path(uri: str, option: str) -> Path:
    scheme, _, rest = uri.partition(":")
    if scheme != "file" or not rest:
        raise RequestError(
            f"{option} {uri}",
            "no certificate can be read from there",
            "give a file, e.g. file:keys/repo-key.pub.asc",
        )
    return expanded(rest.removeprefix("//"))
