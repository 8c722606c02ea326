"""What the present state of a site says of its files, if a trusted key has signed it."""

from collections.abc import Mapping
from contextlib import suppress

from kubewright import files
from kubewright.errors import KubewrightError, VerificationFailed
from kubewright.models.site import Pointer, State
from kubewright.signing import verify as signatures
from kubewright.site import layout
from kubewright.verification.source import Source


def files_of(
    source: Source, certificates: Mapping[str, bytes], public_keys: Mapping[str, bytes]
) -> dict[str, str]:
    """The SHA-256 of each file that the state names, by path; nothing where nobody vouches for it.

    What is wrong there is found elsewhere.
    """
    with suppress(KubewrightError):
        pointer = Pointer.read(source.read(layout.CURRENT) or b"", layout.CURRENT)
        path = layout.state_copy(pointer.number, pointer.sha256)
        data = source.read(path) or b""
        if files.sha256(data) == pointer.sha256:
            openpgp, ecdsa = (source.read(name) for name in layout.signatures(path))
            if _signed(data, openpgp, ecdsa, certificates, public_keys):
                return dict(State.read(data, path).files)
    return {}


def _signed(
    data: bytes,
    openpgp: bytes | None,
    ecdsa: bytes | None,
    certificates: Mapping[str, bytes],
    public_keys: Mapping[str, bytes],
) -> bool:
    """Whether every kind of key that the caller trusts has signed a document."""
    with suppress(VerificationFailed):
        if certificates:
            signatures.detached(data, openpgp or b"", [*certificates.values()], place="state")
        if public_keys:
            pem = b"".join(public_keys.values())
            signatures.artifact(data, ecdsa or b"", pem, place="state")
        return bool(certificates or public_keys)
    return False
