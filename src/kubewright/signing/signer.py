"""What a secret key can do, wherever it lies."""

from collections.abc import Callable
from typing import Literal, Protocol

Kind = Literal["openpgp", "ecdsa-p256", "rsa"]
"""openpgp: RSA with a certificate, for repositories and rpms; ecdsa-p256: for images, provenance
and manifests; rsa: a key that is to get its certificate.
"""

Algorithm = Literal["sha256", "sha512"]
"""What a digest was made with."""

Secrets = Callable[[str], bytes]
"""Asked with the place of a locked key, returns what opens it (a passphrase, a PIN).

Raises RequestError where nobody can be asked.
"""


class Signer(Protocol):
    """A secret key in a file, an agent, a token or a service."""

    @property
    def public(self) -> bytes:
        """The public half: an OpenPGP certificate, or a key in PEM form."""

    def sign_digest(self, digest: bytes, algorithm: Algorithm) -> bytes:
        """A signature over a digest: PKCS #1 v1.5 by an RSA key, DER by an ECDSA key.

        Raises RequestError when whoever has the key refuses.
        """


Opener = Callable[[str, Kind, Secrets], Signer]
"""Makes the signer of a URI: takes what follows the scheme and its colon, and the kind of key that
is wanted.

Raises RequestError for a key that is missing, locked, damaged or of another kind.
"""
