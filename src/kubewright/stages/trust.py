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


def vouched_by(settings: Settings, keys: Keys | RepoPublicKey, *, mending: bool = False) -> Vouched:
    """Believes what both kinds of these keys have signed, or those in the files of --trust in their
    place, and what this publisher has seen before; no key of a site.

    Who has the public half of the repository key alone goes by that one. Who is `mending` is
    content with one kind, for a signature may be what is lost.
    """
    certificates, others = trusted(settings)
    known, public = [*certificates.values()], [*others.values()]
    if isinstance(keys, Keys):
        known += [keys.repo.certificate, *([keys.second.certificate] if keys.second else [])]
        public.append(keys.artifact.public_pem)
    else:
        known.append(keys.certificate)
    before = last_seen(settings)

    def vouched(data: bytes, openpgp: bytes | None, ecdsa: bytes | None) -> bool:
        if files.sha256(data) == before:
            return True
        found = [openpgp is not None and _openpgp(data, openpgp, known)]
        if isinstance(keys, Keys):
            found.append(ecdsa is not None and _ecdsa(data, ecdsa, b"".join(public)))
        return any(found) if mending else all(found)

    return vouched


def _openpgp(data: bytes, signature: bytes, known: list[bytes]) -> bool:
    with suppress(VerificationFailed):
        return bool(verify.detached(data, signature, known, place="--repo-key"))
    return False


def _ecdsa(data: bytes, signature: bytes, public: bytes) -> bool:
    with suppress(VerificationFailed):
        return bool(verify.artifact(data, signature, public, place="--artifact-key"))
    return False


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
