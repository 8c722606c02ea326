"""The roles that sign: who signs repositories and rpms, and who signs images and manifests."""

import base64
import hashlib
from dataclasses import dataclass, field
from typing import Self

from kubewright.signing import openpgp
from kubewright.signing.public import ArtifactPublicKey, RepoPublicKey
from kubewright.signing.signer import Signer


@dataclass(frozen=True)
class RepoKey(RepoPublicKey):
    """A certificate with whoever signs for it: repositories and rpms. Times are epoch seconds."""

    signer: Signer = field(repr=False)

    @classmethod
    def of(cls, public: RepoPublicKey, signer: Signer) -> Self:
        """Bring the two halves together."""
        return cls(
            public.key,
            public.user_id,
            public.certificate,
            public.created,
            public.expires,
            signer,
        )

    def detached(self, data: bytes, when: int) -> bytes:
        """A binary signature over `data`.

        Raises RequestError when the key is not valid at `when`, and what its signer raises.
        """
        self.refuse_invalid(when)
        return openpgp.signature(self.key, self._sign, openpgp.BINARY, [data], when)

    def armored_detached(self, data: bytes, when: int) -> bytes:
        """The same as text: Release.gpg, repomd.xml.asc."""
        return openpgp.armored("SIGNATURE", self.detached(data, when))

    def clearsign(self, text: bytes, when: int) -> bytes:
        """`text` with its signature below: InRelease. Raises as `detached` does."""
        self.refuse_invalid(when)
        return openpgp.clearsigned(self.key, self._sign, text, when)

    def _sign(self, digest: bytes) -> bytes:
        return self.signer.sign_digest(digest, "sha512")


@dataclass(frozen=True)
class ArtifactKey(ArtifactPublicKey):
    """A public key with whoever signs for it: images, manifests and statements."""

    signer: Signer = field(repr=False)

    @classmethod
    def of(cls, public: ArtifactPublicKey, signer: Signer) -> Self:
        """Bring the two halves together."""
        return cls(public.key, public.development, signer)

    def sign(self, data: bytes) -> bytes:
        """A base64 signature, which `cosign verify-blob --signature` reads.

        Raises what its signer raises.
        """
        return base64.b64encode(self.signer.sign_digest(hashlib.sha256(data).digest(), "sha256"))

    __call__ = sign  # `keys.artifact(data)` is how a publication asks for it


@dataclass(frozen=True)
class Keys:
    """The keys of a release by role, and all that a publication asks of them.

    What the repository key signs here is dated `when` (epoch seconds), or the time from which the
    key can sign, whichever is later.
    """

    repo: RepoKey
    artifact: ArtifactKey

    @property
    def development(self) -> bool:
        """Whether any of them is a development key."""
        return self.repo.development or self.artifact.development

    @property
    def fingerprint(self) -> str:
        """Of the repository key, 40 uppercase hexadecimal digits."""
        return self.repo.fingerprint

    def moment(self, epoch: int) -> int:
        """When artifacts are signed: their own date, but never before the key existed."""
        return max(epoch, self.repo.created)

    def clearsign(self, text: bytes, when: int) -> bytes:
        """`text` with the repository key's signature below: InRelease."""
        return self.repo.clearsign(text, self.moment(when))

    def armored_detached(self, data: bytes, when: int) -> bytes:
        """The repository key's signature over `data` as text: `.asc` files."""
        return self.repo.armored_detached(data, self.moment(when))
