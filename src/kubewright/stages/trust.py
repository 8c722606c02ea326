"""Whom a publisher believes: its own keys, and those that it names; never a site's."""

from contextlib import suppress

from kubewright import files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.site import State
from kubewright.settings import Settings
from kubewright.signing import verify
from kubewright.signing.public import RepoPublicKey
from kubewright.signing.roles import Keys
from kubewright.site.reader import Vouched
from kubewright.stages.seen import last_seen
from kubewright.verification.keys import sort_out


def vouched_by(settings: Settings, keys: Keys | RepoPublicKey) -> Vouched:
    """Believes what these keys have signed, or those in the files of --trust, and what was believed
    before; no key of a site.
    """
    repo, pem = (keys.repo, keys.artifact.public_pem) if isinstance(keys, Keys) else (keys, b"")
    certificates, others = trusted(settings)
    known = [repo.certificate, *certificates.values()]
    public = b"".join([pem, *others.values()])
    before = last_seen(settings)

    def vouched(data: bytes, openpgp: bytes | None, ecdsa: bytes | None) -> bool:
        if files.sha256(data) == before:
            return True
        if ecdsa is not None and public:
            with suppress(VerificationFailed):
                return bool(verify.artifact(data, ecdsa, public, place="--artifact-key"))
        if openpgp is not None:
            with suppress(VerificationFailed):
                return bool(verify.detached(data, openpgp, known, place="--repo-key"))
        return False

    return vouched


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
