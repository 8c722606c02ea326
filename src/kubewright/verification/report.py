"""What a verification found."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from pydantic import Field

from kubewright.errors import KubewrightError, UpstreamUnreachable
from kubewright.models.base import Model
from kubewright.verification.source import Measure


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
    strays: tuple[str, ...] = Field((), description="paths that nothing on the site names")

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
        """One check: what it raises becomes a finding at `place`, but that a server cannot be
        reached says nothing.
        """
        self.checked += 1
        try:
            yield
        except UpstreamUnreachable:
            raise
        except KubewrightError as error:
            self.fail(place, str(error).removeprefix(f"{place}: "))
        except (ValueError, LookupError, EOFError, OSError) as error:
            self.fail(
                place,
                f"cannot be read: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            )

    def require(self, place: str, condition: bool, problem: str) -> bool:
        """Count a check whose outcome is already known."""
        self.checked += 1
        if not condition:
            self.fail(place, problem)
        return condition

    def measure(self, place: str, found: Measure | None, promised: Measure) -> bool:
        """Check an object's size and SHA-256 against what was promised of it."""
        if found is None:
            return self.require(place, False, "missing")
        if found[0] != promised[0]:
            return self.require(place, False, f"has {found[0]} bytes, not {promised[0]}")
        return self.require(place, found == promised, "its SHA-256 is not the promised one")

    def same(
        self, place: str, listed: Mapping[str, Measure], wanted: Mapping[str, Measure], owner: str,
        *, complete: bool = True,
    ) -> None:  # fmt: skip
        """Check that an index lists exactly the files that it should, with their sizes and digests.

        Where it is not known of all that it should, more may be right too.
        """
        self.require(place, not (absent := wanted.keys() - listed.keys()), f"lacks {_some(absent)}")
        more = listed.keys() - wanted.keys() if complete else set()
        self.require(
            place,
            not more,
            f"lists {_some(more)}, which {owner} does not have; run `kubewright repair`",
        )
        changed = {path for path in listed.keys() & wanted.keys() if listed[path] != wanted[path]}
        self.require(place, not changed, f"contradicts the manifest about {_some(changed)}")

    def fail(self, place: str, problem: str) -> None:
        """Note a failure, once."""
        if (place, problem) not in self._seen:
            self._seen.add((place, problem))
            self.findings.append(Finding(place=place, problem=problem))


def _some(paths: Collection[str]) -> str:
    first = sorted(paths)
    return ", ".join(first[:3]) + (f" and {len(first) - 3} more" if len(first) > 3 else "")
