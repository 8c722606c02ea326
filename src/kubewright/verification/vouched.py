"""The present state of a site, if a trusted key has signed it."""

from collections.abc import Mapping
from contextlib import suppress

from kubewright import files
from kubewright.errors import KubewrightError
from kubewright.models.site import State
from kubewright.signing import verify as signatures
from kubewright.site import layout, words
from kubewright.verification.source import Source, getting


def state_of(
    source: Source, certificates: Mapping[str, bytes], public_keys: Mapping[str, bytes]
) -> State | None:
    """The present state; None where nobody vouches for it. What is wrong there is found
    elsewhere.
    """
    with suppress(KubewrightError):
        data = source.read(layout.TIMESTAMP) or source.read(layout.CURRENT) or b""
        word = words.read(data, getting(source))
        if word is None:
            return None
        pointer = word.pointer
        path = layout.state_copy(pointer.number, pointer.sha256)
        data = source.read(path) or b""
        if files.sha256(data) == pointer.sha256:
            openpgp, ecdsa = (source.read(name) for name in layout.signatures(path))
            known, pem = [*certificates.values()], b"".join(public_keys.values())
            found = [signatures.is_detached(data, openpgp, known)] if known else []
            found += [signatures.is_artifact(data, ecdsa, pem)] if pem else []
            if found and all(found):  # by every kind of key that the caller trusts
                return State.read(data, path)
    return None
