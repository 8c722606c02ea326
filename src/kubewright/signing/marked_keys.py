"""Public keys as the files of a site have them: development keys say of themselves that they are."""

from kubewright.errors import VerificationFailed
from kubewright.signing import verify as signatures
from kubewright.signing.public import DEVELOPMENT


def public_keys(data: bytes, place: str) -> dict[str, bytes]:
    """The ECDSA keys of a PEM file by their ids, each with the line that marks it as a development
    key.
    """
    rest = signatures.PEM.sub(b"", data).replace(DEVELOPMENT.encode(), b"")
    if rest.strip():
        raise VerificationFailed(
            f"{place}: not just public keys in PEM form; run `kubewright repair`"
        )
    found = {}
    for block in signatures.PEM.finditer(data):
        (name,) = signatures.public_keys(block[0], place=place)
        marked = data[: block.start()].endswith(f"{DEVELOPMENT}\n".encode())
        found[name] = (f"{DEVELOPMENT}\n".encode() if marked else b"") + block[0].rstrip() + b"\n"
    return found


def is_development(key: bytes) -> bool:
    """Whether a key says of itself that nobody should trust it."""
    return DEVELOPMENT.encode() in key
