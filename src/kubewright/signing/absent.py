"""A key of which only the public half is here: it is known, and signs nothing."""

from dataclasses import dataclass
from typing import NoReturn

from kubewright.errors import RequestError
from kubewright.signing.signer import Algorithm


@dataclass(frozen=True)
class Absent:
    """Refuses to sign, and says which option names who would."""

    public: bytes
    option: str

    def sign_digest(self, digest: bytes, algorithm: Algorithm) -> NoReturn:
        """Raises RequestError."""
        raise RequestError(
            self.option, "its secret half is not given, and this needs its signature", "name it"
        )
