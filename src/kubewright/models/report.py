"""The outcome of a verification, as `verify` prints it."""

from collections.abc import Iterator
from typing import Any

from pydantic import Field

from kubewright.models.answer import Answer, headed
from kubewright.models.base import Header, Model
from kubewright.moments import moment
from kubewright.printable import printable


class Finding(Model):
    """One thing that is wrong."""

    place: str = Field(description="a path on the site, or what else was looked at")
    problem: str = Field(description="what is wrong with it, and mostly what to do, in words")


class Publication(Model):
    """Which publication of a site was looked at."""

    number: int = Field(description="counted from 1, over all channels")
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


class Report(Answer):
    """The outcome of a verification."""

    header: Header = headed("verification")
    site: str = Field(description="the directory or address that was looked at")
    checked: int = Field(description="how many checks were made")
    releases: tuple[str, ...] = Field(description="names of those that the site has")
    keys: tuple[str, ...] = Field(description="whom it was checked against, in words")
    warnings: tuple[str, ...] = Field(description="what is sound today and should be looked at")
    findings: tuple[Finding, ...] = Field(description="what is wrong; none: all is sound")
    strays: tuple[str, ...] = Field((), description="paths that nothing on the site names")
    first_use: bool = Field(
        False, description="whether no key was given, so that the site's own are believed"
    )
    publication: Publication | None = Field(
        None, description="the one that the site offers; absent where none could be read"
    )
    here: tuple[str, ...] | None = Field(
        None, description="releases whose packages and images are here; none: all of them"
    )
    history: dict[int, str] = Field(
        {}, exclude=True, description="digests of publications by their numbers"
    )
    named: Any = Field(  # an iterable of them, which pydantic would have in memory
        (), exclude=True, description="every path that a document of the site names"
    )
    unfinished: bool = Field(
        False, exclude=True, description="whether a publication is under way, or was cut short"
    )

    def remedy(self, usual: str) -> str:
        """What to do about all findings: each says it, or something is damaged."""
        told = ("; " in one.problem and "repair" not in one.problem for one in self.findings)
        return "do what is said above" if all(told) else f"{usual}, or restore the site from a copy"

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
