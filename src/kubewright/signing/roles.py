"""The roles that sign: who signs repositories and rpms, and who signs images and manifests."""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from kubewright.errors import RequestError
from kubewright.metadata.formats import RoleKey, RoleKeys
from kubewright.signing import openpgp
from kubewright.signing.absent import Absent
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
            public.lapses,
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
        return openpgp.clearsigned(text, [self.text_signer(when)])

    def text_signer(self, when: int) -> Callable[[bytes], bytes]:
        """What makes the signature of a text. Raises as `detached` does."""
        self.refuse_invalid(when)
        return lambda text: openpgp.signature(self.key, self._sign, openpgp.TEXT, [text], when)

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
        return base64.b64encode(self._der(data))

    @property
    def role_key(self) -> RoleKey:
        """The key as TUF metadata has it."""
        return RoleKey(self.key, self._der, here=not isinstance(self.signer, Absent))

    def _der(self, data: bytes) -> bytes:
        return self.signer.sign_digest(hashlib.sha256(data).digest(), "sha256")

    __call__ = sign  # `keys.artifact(data)` is how a publication asks for it


@dataclass(frozen=True)
class Keys:
    """The keys of a release by role, and all that a publication asks of them.

    What the repository key signs here is dated `when` (epoch seconds), or the time from which the
    key can sign, whichever is later.
    """

    repo: RepoKey
    artifact: ArtifactKey
    coming: RepoPublicKey | None = None
    """Whose certificate is handed out already, so that its turn is noticed by nobody."""
    second: RepoKey | None = None
    """Who signs repositories too while a rotation is under way."""
    freshness: ArtifactKey | None = None
    """Who says which publication is the newest; None: these keys publish nothing."""
    root: bytes | None = None
    """TUF metadata of the newest root that is trusted; None: no site's metadata is."""
    earlier: tuple[bytes, ...] = ()
    """Roots before that which are trusted too, the oldest first."""

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """Of the repository key, of the one that comes next, and of the one that signs too."""
        others = (self.coming, self.second)
        return (self.repo.certificate, *(key.certificate for key in others if key))

    @property
    def development(self) -> bool:
        """Whether any of them is a development key."""
        return self.repo.development or self.artifact.development

    @property
    def fingerprint(self) -> str:
        """Of the repository key, 40 uppercase hexadecimal digits."""
        return self.repo.fingerprint

    @property
    def second_fingerprint(self) -> str:
        """Of the key that signs repositories too; empty where there is none."""
        return self.second.fingerprint if self.second else ""

    @property
    def named(self) -> dict[str, str]:
        """The keys that sign documents or are announced: fingerprint or id, by the option."""
        found = {"--repo-key": self.fingerprint, "--artifact-key": self.artifact.key_id}
        if self.coming is not None:
            found["--next-repo-key"] = self.coming.fingerprint
        if self.second is not None:
            found["--second-repo-key"] = self.second.fingerprint
        return found

    @property
    def roots(self) -> tuple[bytes, ...]:
        """All that are trusted, the oldest first."""
        return (*self.earlier, self.root) if self.root is not None else ()

    @property
    def roles(self) -> RoleKeys:
        """Who signs the metadata of a site. Raises RequestError where nobody is named."""
        if self.freshness is None:
            raise RequestError(
                "--freshness-key",
                "not given, so nobody can sign the metadata of the site",
                "name it and --root; `kubewright key init` makes them, and for keys that you have"
                " `kubewright key root new` (docs/keys.md)",
            )
        return RoleKeys(self.artifact.role_key, self.freshness.role_key)

    def moment(self, epoch: int) -> int:
        """When artifacts are signed: their own date, but only when the key can sign.

        What its certificate says later does not move it.
        """
        return self.repo.moment(epoch)

    def clearsign(self, text: bytes, when: int) -> bytes:
        """`text` with the signatures of the repository keys below: InRelease."""
        return openpgp.clearsigned(text, [by.text_signer(by.moment(when)) for by in self._all])

    def armored_detached(self, data: bytes, when: int) -> bytes:
        """The signatures of the repository keys over `data` as text: `.asc` files, Release.gpg.

        One block. While two sign, the repository key's is its first and its last: libzypp goes by
        the last that gpgme tells it, which before gpgme 2 is the first of keys that it lacks.
        """
        order = (*self._all, self.repo) if self.second else self._all
        made = (by.detached(data, by.moment(when)) for by in order)
        return openpgp.armored("SIGNATURE", b"".join(made))

    @property
    def _all(self) -> tuple[RepoKey, ...]:
        return (self.repo, self.second) if self.second else (self.repo,)
