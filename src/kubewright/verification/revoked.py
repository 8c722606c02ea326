"""The keys that a site has revoked: they sign nothing any more, but what they signed once stays."""

from contextlib import suppress
from dataclasses import dataclass, field

from kubewright import files
from kubewright.errors import KubewrightError
from kubewright.models.site import State
from kubewright.signing import keyring, revocations
from kubewright.site import layout
from kubewright.verification.report import CHANGED, Tally
from kubewright.verification.source import Source


@dataclass(frozen=True)
class RevokedKeys:
    """Since when each key signs nothing, and by what its earlier signatures are checked."""

    since: dict[str, int] = field(default_factory=dict)
    """Epoch seconds by fingerprint or id."""
    certificates: tuple[bytes, ...] = ()
    artifact_keys: bytes = b""

    @property
    def names(self) -> frozenset[str]:
        """Fingerprints and ids."""
        return frozenset(self.since)


NONE = RevokedKeys()


def read(source: Source, tally: Tally, state: State | None) -> RevokedKeys:
    """The keys that a state calls revoked, from the files that it names."""
    if state is None or not state.revoked:
        return NONE
    certificates, pem = [], b""
    for key in state.keys:
        if key.revoked is None:
            continue
        ending = "asc" if key.kind == "openpgp" else "pub"
        path = layout.key_history(f"{key.id}.{ending}")
        with tally.check(path):
            data = source.read(path) or b""
            if not tally.require(path, files.sha256(data) == state.files.get(path), CHANGED):
                continue
            if key.kind != "openpgp":
                pem += data
                continue
            for certificate in keyring.armored_certificates(data, place=path).values():
                with suppress(KubewrightError):
                    certificates.append(revocations.before(certificate))
    return RevokedKeys(dict(state.revoked), tuple(certificates), pem)
