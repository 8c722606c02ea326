"""The public halves of keys: all that checking needs, and whoever packages them."""

from dataclasses import dataclass, field
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kubewright import files
from kubewright.errors import RequestError
from kubewright.moments import day
from kubewright.signing import openpgp

DEVELOPMENT = "Kubewright DEVELOPMENT key (do not trust)"
"""The user id of a development repository key, and the line above a development artifact key."""

MARK = DEVELOPMENT.encode() + b"\n"
"""What stands above a development key in PEM form; readers of PEM skip what is before its first
line.
"""


@dataclass(frozen=True)
class RepoPublicKey:
    """An OpenPGP certificate with an RSA key. Times are epoch seconds."""

    key: openpgp.PublicKey = field(repr=False)
    user_id: str
    certificate: bytes = field(repr=False)
    """The certificate, binary: what goes into keyrings."""
    created: int
    """The earliest time that it can sign for."""
    expires: int | None
    lapses: tuple[tuple[int, int], ...]
    """When it had expired before it was extended: from the first of two moments to the second."""

    @property
    def fingerprint(self) -> str:
        """40 uppercase hexadecimal digits."""
        return self.key.fingerprint.hex().upper()

    @property
    def armored(self) -> str:
        """The certificate as text."""
        return openpgp.armored("PUBLIC KEY BLOCK", self.certificate).decode()

    @property
    def hint(self) -> str:
        """How a repomd.xml names the certificate beside it, for libzypp to import: the file, as rpm
        calls keys, and the fingerprint.
        """
        name = f"gpg-pubkey-{self.fingerprint[-8:].lower()}-{self.key.created:08x}.asc"
        return f"{name}?fpr={self.fingerprint}"

    @property
    def development(self) -> bool:
        """Whether nobody should trust it."""
        return self.user_id == DEVELOPMENT

    def moment(self, epoch: int) -> int:
        """The first time from `epoch` on that it can sign for, as far as lapses go."""
        found = max(epoch, self.created)
        for since, until in self.lapses:
            if since <= found < until:
                found = until
        return found

    def refuse_expired(self, when: int) -> None:
        """Raise RequestError if it has expired by `when` (epoch seconds)."""
        if self.expires is not None and when >= self.expires:
            raise RequestError(
                f"key {self.fingerprint}",
                f"expired on {day(self.expires)}",
                "rotate it with `kubewright key init DIR` (docs/keys.md)",
            )

    def refuse_invalid(self, when: int) -> None:
        """Raise RequestError if it cannot sign for `when` (epoch seconds)."""
        if when < self.created:
            raise RequestError(
                f"key {self.fingerprint}",
                f"made on {day(self.created)}, so it cannot sign for {day(when)}",
                "check the clock, or sign for a later time",
            )
        later = self.moment(when)
        if later != when:
            raise RequestError(
                f"key {self.fingerprint}",
                f"could not sign on {day(when)}, but again from {day(later)} on",
                "sign for a later time",
            )
        self.refuse_expired(when)


@dataclass(frozen=True)
class ArtifactPublicKey:
    """An ECDSA key on the curve P-256, as cosign has it."""

    key: ec.EllipticCurvePublicKey = field(repr=False)
    development: bool

    @property
    def public_pem(self) -> bytes:
        """The key as text; the line above a development key says that it is one."""
        return MARK + self.pem if self.development else self.pem

    @property
    def pem(self) -> bytes:
        """The key as text, and nothing else."""
        return self.key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @cached_property
    def key_id(self) -> str:
        """The SHA-256 of the key in DER, in lowercase hexadecimal."""
        return files.sha256(self.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
