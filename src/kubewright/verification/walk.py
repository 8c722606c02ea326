"""A verification under way: what it reads from, whom it believes, and what it has found."""

from dataclasses import dataclass, field

from kubewright import files
from kubewright.errors import VerificationFailed
from kubewright.signing import verify as signatures
from kubewright.verification.keys import Keys
from kubewright.verification.report import Tally
from kubewright.verification.source import Measure, Source


@dataclass
class Walk:
    """One verification of one site."""

    source: Source
    now: int
    keys: Keys
    tally: Tally
    objects: dict[str, Measure] = field(default_factory=dict)
    """Size and SHA-256 of every file that a manifest promises, by path."""

    def must(self, path: str) -> bytes:
        """An object that has to be there. Raises VerificationFailed."""
        data = self.source.read(path)
        if data is None:
            raise VerificationFailed(f"{path}: missing")
        return data

    def there(self, path: str) -> bytes | None:
        """The same, but one that is missing is only noted."""
        with self.tally.check(path):
            return self.must(path)
        return None

    def clearsigned(self, place: str) -> bytes | None:
        """The text in the signed text at `place`, if its signature holds."""
        with self.tally.check(place):
            return signatures.clearsigned(self.must(place), self.keys.certificates, place=place)
        return None

    def openpgp(self, place: str, data: bytes) -> str | None:
        """Check the OpenPGP signature at `place` over `data`; the fingerprint of who made it."""
        with self.tally.check(place):
            return signatures.detached(data, self.must(place), self.keys.certificates, place=place)
        return None

    def artifact(self, place: str, data: bytes) -> str | None:
        """Check the ECDSA signature at `place` over `data`; the id of the key that made it."""
        with self.tally.check(place):
            return signatures.artifact(data, self.must(place), self.keys.artifact_keys, place=place)
        return None

    def file(self, place: str, promised: Measure) -> bool:
        """Check size and digest of an object, however large."""
        with self.tally.check(place):
            found = self.source.measured(place)
            return self.tally.measure(place, found, promised)
        return False

    def sound(self, place: str, promised: Measure) -> bytes | None:
        """An object whose size and digest are as promised."""
        with self.tally.check(place):
            data = self.source.read(place)
            found = None if data is None else (len(data), files.sha256(data))
            return data if self.tally.measure(place, found, promised) else None
        return None
