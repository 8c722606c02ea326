"""Where keys may lie: the schemes of the URIs that name them."""

import difflib
from dataclasses import dataclass

from kubewright.errors import RequestError
from kubewright.signing.file_signer import open_file
from kubewright.signing.gnupg_signer import open_gnupg
from kubewright.signing.hsm_signer import open_hsm
from kubewright.signing.kms_signer import open_kms
from kubewright.signing.signer import Kind, Opener, Secrets, Signer


@dataclass(frozen=True)
class Scheme:
    """One kind of place."""

    form: str
    """How a URI of it looks, for people."""
    open: Opener


SCHEMES = {
    "file": Scheme("file:PATH", open_file),
    "gnupg": Scheme("gnupg:FINGERPRINT", open_gnupg),
    "hsm": Scheme("hsm:TOKEN/LABEL", open_hsm),
    "awskms": Scheme("awskms:KEY", open_kms),
}
"""By the part of a URI before its first colon. A row more is all that another kind of place needs;
roles and stages never learn where a key lies.
"""


def locked(place: str) -> bytes:
    """Secrets of those who have none. Raises RequestError."""
    raise RequestError(
        place, "protected by a passphrase", "name a file that has it: --passphrase-file"
    )


def open_key(uri: str, kind: Kind, *, option: str, secrets: Secrets = locked) -> Signer:
    """The signer that a URI names; `option` is where a person wrote it.

    Raises RequestError for a scheme that is not in SCHEMES, and what its opener raises.
    """
    scheme, _, rest = uri.partition(":")
    if scheme in SCHEMES and rest:
        return SCHEMES[scheme].open(rest, kind, secrets)
    supported = "supported: " + ", ".join(known.form for known in SCHEMES.values())
    place = f"{option} {uri or repr(uri)}"
    if not rest:
        raise RequestError(
            place, "does not say where a key lies", f"{supported}, e.g. file:keys/repo-key.asc"
        )
    near = difflib.get_close_matches(scheme, SCHEMES, n=1)
    remedy = (
        f"did you mean {near[0]}:{rest}? {supported}"
        if near
        else f"{supported}, e.g. file:keys/repo-key.asc"
    )
    raise RequestError(place, f"no key can be read from {scheme}:", remedy)
