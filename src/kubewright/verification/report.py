"""What a verification found."""

from collections.abc import Iterator
from contextlib import contextmanager

from kubewright import files
from kubewright.errors import KubewrightError
from kubewright.models.base import Model


class Finding(Model):
    """One thing that is wrong."""

    place: str
    problem: str


class Report(Model):
    """The outcome of a verification."""

    site: str
    checked: int
    releases: tuple[str, ...]
    keys: tuple[str, ...]
    warnings: tuple[str, ...]
    findings: tuple[Finding, ...]

    def lines(self) -> Iterator[str]:
        """The report for people."""
        for key in self.keys:
            yield f"key {key}"
        for warning in self.warnings:
            yield f"warning: {warning}"
        for finding in self.findings:
            yield f"FAILED {finding.place}: {finding.problem}"
        verdict = f"{len(self.findings)} failed" if self.findings else "all sound"
        yield f"{self.site}: {self.checked} checks, {verdict}; releases: {', '.join(self.releases) or 'none'}"


class Tally:
    """Counts checks and keeps what failed; the walk goes on after a failure."""

    def __init__(self) -> None:
        """Nothing is checked yet."""
        self.checked = 0
        self.findings: list[Finding] = []
        self.warnings: list[str] = []
        self._seen: set[tuple[str, str]] = set()

    @contextmanager
    def check(self, place: str) -> Iterator[None]:
        """One check: what it raises becomes a finding at `place`."""
        self.checked += 1
        try:
            yield
        except KubewrightError as error:
            self.fail(place, str(error).removeprefix(f"{place}: "))
        except (ValueError, LookupError, EOFError, OSError) as error:
            self.fail(place, f"cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}")

    def require(self, place: str, condition: bool, problem: str) -> bool:
        """Count a check whose outcome is already known."""
        self.checked += 1
        if not condition:
            self.fail(place, problem)
        return condition

    def digest(self, place: str, data: bytes | None, size: int, sha256: str) -> bool:
        """Check one object against what was promised of it."""
        if data is None:
            return self.require(place, False, "missing")
        if len(data) != size:
            return self.require(place, False, f"has {len(data)} bytes, not {size}")
        return self.require(place, files.sha256(data) == sha256, "its SHA-256 is not the promised one")

    def fail(self, place: str, problem: str) -> None:
        """Note a failure, once."""
        if (place, problem) not in self._seen:
            self._seen.add((place, problem))
            self.findings.append(Finding(place=place, problem=problem))
