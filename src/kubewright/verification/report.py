"""What a verification found."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from pydantic import Field

from kubewright.errors import KubewrightError, UpstreamUnreachable
from kubewright.models.base import Model
from kubewright.models.document import REMEDY
from kubewright.moments import moment
from kubewright.printable import printable
from kubewright.verification.source import Measure

CHANGED = f"its SHA-256 is not the one that the site names; {REMEDY}"


class Finding(Model):
    """One thing that is wrong."""

    place: str
    problem: str


class Publication(Model):
    """Which publication of a site was looked at."""

    number: int
    issued: int = Field(description="publication clock, epoch seconds")
    site: str = Field(description="the id of the site; empty where it has none")
    url: str = Field(description="the site's own address; empty where none is fixed")
    sha256: str = Field(description="of the state")

    def line(self) -> str:
        """The same for people."""
        where = f" at {self.url}" if self.url else ", which has no fixed address"
        return (
            f"publication {self.number} of {moment(self.issued)},"
            f" site {self.site or 'without an id'}{where}"
        )


class Report(Model):
    """The outcome of a verification."""

    site: str
    checked: int
    releases: tuple[str, ...]
    keys: tuple[str, ...]
    warnings: tuple[str, ...]
    findings: tuple[Finding, ...]
    strays: tuple[str, ...] = Field((), description="paths that nothing on the site names")
    first_use: bool = Field(
        False, description="whether no key was given, so that the site's own are believed"
    )
    publication: Publication | None = None
    here: tuple[str, ...] | None = Field(
        None, description="releases whose packages and images are here; none: all of them"
    )
    history: dict[int, str] = Field(
        {}, exclude=True, description="digests of publications by their numbers"
    )
    named: tuple[str, ...] = Field(
        (), exclude=True, description="every path that a document of the site names"
    )
    unfinished: bool = Field(
        False, exclude=True, description="whether a publication is under way, or was cut short"
    )

    def lines(self) -> Iterator[str]:
        """The report for people, as a terminal may show it."""
        yield from map(printable, self._lines())

    def _lines(self) -> Iterator[str]:
        whence = ", believed because the site says so" if self.first_use else ""
        for key in self.keys:
            yield f"key {key}{whence}"
        for warning in self.warnings:
            yield f"warning: {warning}"
        for finding in self.findings:
            yield f"FAILED {finding.place}: {finding.problem}"
        if self.publication is not None:
            yield self.publication.line()
        if self.here is not None:
            some = ", ".join(self.here) or "none"
            yield f"of {len(self.releases)} releases {len(self.here)} here: {some}"
        sound = "all sound by the site's own keys" if self.first_use else "all sound"
        verdict = f"{len(self.findings)} failed" if self.findings else sound
        releases = ", ".join(self.releases) or "none"
        yield f"{self.site}: {self.checked} checks, {verdict}; releases: {releases}"


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
        except (
            ValueError,
            LookupError,
            ArithmeticError,
            RecursionError,
            EOFError,
            OSError,
        ) as error:
            words = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.fail(place, f"cannot be read: {words}")

    def require(self, place: str, condition: bool, problem: str) -> bool:
        """Count a check whose outcome is already known."""
        self.checked += 1
        if not condition:
            self.fail(place, problem)
        return condition

    def measure(self, place: str, found: Measure | None, promised: Measure) -> bool:
        """Check an object's size and SHA-256 against what was promised of it."""
        if found is None:
            return self.require(place, False, f"missing; {REMEDY}")
        if found[0] != promised[0]:
            problem = f"has {found[0]} bytes, not {promised[0]}; {REMEDY}"
            return self.require(place, False, problem)
        return self.require(place, found == promised, CHANGED)

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
