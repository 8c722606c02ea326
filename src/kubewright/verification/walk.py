"""A verification under way: what it reads from, whom it believes, and what it has found."""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from kubewright import files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.document import REMEDY, Document
from kubewright.models.site import State
from kubewright.signing import openpgp
from kubewright.signing import verify as signatures
from kubewright.site import layout
from kubewright.site.references import Reference
from kubewright.verification.keys import Keys
from kubewright.verification.notes import Measure, Measures, Paths
from kubewright.verification.packages import Packages
from kubewright.verification.report import CHANGED, Tally
from kubewright.verification.source import Source
from kubewright.verification.steady import Steady

D = TypeVar("D", bound=Document)

_END = b"-----END PGP SIGNATURE-----"


@dataclass
class Walk:
    """One verification of one site."""

    source: Source
    now: int
    keys: Keys
    tally: Tally
    objects: Measures = field(default_factory=Measures)
    """Size and SHA-256 of every file that a manifest promises."""
    named: Paths = field(default_factory=Paths)
    """Every path that a document of the site names."""
    packages: Packages = field(default_factory=Packages)
    """What the releases have whose manifests could be read."""
    development: set[str] = field(default_factory=set)
    """The ids of development keys that signed releases."""
    unwritten: frozenset[str] = frozenset()
    """Channels that a publication changes whose objects are being written now."""
    newer: RequestError | None = None
    """Why a document cannot be read that a newer kubewright has written."""
    unread: bool = False
    """Whether a document could not be read: then not all is known that the site names."""
    strays: tuple[str, ...] = ()
    """Paths that no document names."""
    own: Sequence[str] | None = None
    """What may lie beside the site, as patterns; None: anything, which is a warning."""
    state: State | None = None
    """The present publication."""
    history: dict[int, str] = field(default_factory=dict)
    """The digests of it and of those before it, by their numbers."""
    nameless: bool = False
    """Whether the site has publications from before there were ids of sites."""
    renewed: int = 0
    """When suites were renewed last, in epoch seconds; 0: not since they were published."""
    undated: bool = False
    """Whether suites may still have the dates of before."""
    unfinished: bool = False
    """Whether such a publication is under way, or was cut short."""
    away: frozenset[str] = frozenset()
    """What a part of a site may lack. Whatever of it is there is checked as everything else."""
    here: tuple[str, ...] | None = None
    """The releases that are here; None: all of them."""
    unlinked: bool = False
    """Whether plain yum repositories may lack packages that the pool has."""
    narrow: bool = False
    """Whether what may be missing is not even looked for."""

    def must(self, path: str) -> bytes:
        """An object that has to be there. Raises VerificationFailed."""
        data = self.source.read(path)
        if data is None:
            raise VerificationFailed(path, "missing", REMEDY)
        return data

    def there(self, path: str) -> bytes | None:
        """The same, but one that is missing is only noted."""
        with self.tally.check(path):
            return self.must(path)
        return None

    def document(self, model: type[D], path: str, sha256: str) -> D | None:
        """A document with a digest that another one names; None if it is not there as named."""
        with self.tally.check(path):
            data = self.must(path)
            if self.tally.require(path, files.sha256(data) == sha256, CHANGED):
                return self.read(model, data, path)
        self.unread = True
        return None

    def read(self, model: type[D], data: bytes, path: str) -> D:
        """A document from its bytes. Raises what `read` does, and remembers a newer format."""
        try:
            return model.read(data, path)
        except RequestError as error:
            self.newer = error
            raise

    def signed(self, path: str, *, past: bool) -> None:
        """Check both signatures beside a document; `past` is as for `openpgp`."""
        self.measure_soon((one, None) for one in layout.signatures(path))
        data = self.source.read(path)  # None is named where the document is read
        if data is not None:
            self.openpgp(f"{path}.asc", data, past=past)
            self.artifact(f"{path}.sig", data, past=past)

    def expect(self, references: Iterable[Reference]) -> None:
        """Note the objects that a document names, and check the digests that it states."""
        new = list[tuple[str, str, int | None]]()
        for path, sha256, size in references:
            if self.named.add(path) and sha256 is not None:
                new.append((path, sha256, size))
        self.measure_soon((path, size) for path, _, size in new)
        for path, sha256, size in new:
            self._measured(path, sha256, size)

    def measure_soon(self, wanted: Iterable[tuple[str, int | None]]) -> None:
        """Have objects measured at once, whose size in bytes may be known, that are needed next."""
        if isinstance(self.source, Steady):
            self.source.expect(one for one in wanted if not self.skips(one[0]))

    def _measured(self, path: str, sha256: str, size: int | None) -> None:
        if self.skips(path):
            return
        with self.tally.check(path):
            measure = self.source.measured(path, size)
            if measure is None:
                if self.may_lack(path):
                    return
                raise VerificationFailed(path, "missing", REMEDY)
            if size is not None and measure[0] != size:
                raise VerificationFailed(path, f"has {measure[0]} bytes, not {size}", REMEDY)
            self.tally.require(path, measure[1] == sha256, CHANGED)

    def clearsigned(self, place: str) -> bytes | None:
        """The text in the signed text at `place`, if its signature holds."""
        with self.tally.check(place):
            data = self.must(place)
            text = signatures.clearsigned(data, self.keys.certificates, place=place)
            self._exact(place, data[data.rindex(b"-----BEGIN PGP SIGNATURE-----") :])
            return text
        return None

    def openpgp(self, place: str, data: bytes, *, past: bool = False) -> str | None:
        """Check the OpenPGP signature at `place` over `data`; the fingerprint of who made it.

        Of what is `past`, which a newer signed document names by digest, a key that was revoked
        since may have made it.
        """
        known = self.keys.past_certificates if past else self.keys.certificates
        with self.tally.check(place):
            signature = self.must(place)
            ahead = signatures.signer_to_come(data, signature, known, self.now) if past else None
            signer = ahead or signatures.detached(data, signature, known, place=place)
            self._exact(place, signature)
            return signer
        return None

    def _exact(self, place: str, armored: bytes) -> None:
        """Readers pass over a wrong checksum or a stray character; damage is named all the same."""
        body = b"".join(
            line for line in armored.split(b"\n") if line and line[:1] not in (b"-", b"=")
        )
        try:
            same = openpgp.armored("SIGNATURE", base64.b64decode(body, validate=True)) == armored
        except binascii.Error:
            same = False
        self.tally.require(place, same, f"its armor is damaged; {REMEDY}")

    def artifact(self, place: str, data: bytes, *, past: bool = False) -> str | None:
        """Check the ECDSA signature at `place` over `data`; the id of the key that made it. `past`
        is as for `openpgp`.
        """
        known = self.keys.past_artifact_keys if past else self.keys.artifact_keys
        with self.tally.check(place):
            signature = self.must(place)
            signer = signatures.artifact(data, signature, known, place=place)
            same = base64.b64encode(base64.b64decode(signature)) == signature
            self.tally.require(place, same, f"not just a signature; {REMEDY}")
            return signer
        return None

    def file(self, place: str, promised: Measure) -> bool:
        """Check size and digest of an object, however large."""
        if self.skips(place):
            return False
        with self.tally.check(place):
            measure = self.source.measured(place, promised[0])
            if measure is None and self.may_lack(place):
                return False
            return self.tally.measure(place, measure, promised)
        return False

    def sound(self, place: str, promised: Measure) -> bytes | None:
        """An object whose size and digest are as promised."""
        if self.skips(place):
            return None
        with self.tally.check(place):
            data = self.source.read(place, promised[0])
            if data is None and self.may_lack(place):
                return None
            measure = None if data is None else (len(data), files.sha256(data))
            return data if self.tally.measure(place, measure, promised) else None
        return None

    def may_lack(self, path: str) -> bool:
        """Whether an object may be missing here."""
        pooled = layout.pooled(path)
        return pooled in self.away or (self.unlinked and pooled != path)

    def skips(self, path: str) -> bool:
        """Whether an object is none that is asked about."""
        return self.narrow and self.may_lack(path)
