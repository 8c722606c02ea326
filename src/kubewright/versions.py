"""Versions and ranges: semantic versions, ranges over them, and how deb and rpm write them."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import semver

from kubewright.errors import RequestError

_OPERATORS: dict[str, Callable[[int], bool]] = {
    ">=": lambda order: order >= 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    "<": lambda order: order < 0,
    "=": lambda order: order == 0,
    "!=": lambda order: order != 0,
}
_TERM = re.compile(r"^(>=|<=|!=|>|<|=)?\s*v?(\d+(?:\.\d+){0,2}(?:-[0-9A-Za-z.-]+)?)$")


def parse(text: str) -> semver.Version:
    """Read `1.36.4`, `v1.37.0-rc.1`, `3.10` or `29` (missing parts are zero).

    Raises RequestError for anything else.
    """
    try:
        return semver.Version.parse(text.removeprefix("v"), optional_minor_and_patch=True)
    except ValueError as error:
        raise RequestError(f"{text!r} is not a version; write it like v1.36.4 or v1.37.0-rc.1") from error


def minor(text: str) -> str:
    """The Kubernetes minor of a version: `1.36` for `1.36.4`."""
    version = parse(text)
    return f"{version.major}.{version.minor}"


def next_minor(text: str, steps: int = 1) -> str:
    """The minor `steps` after that of a version: `1.37` for `1.36.4`."""
    version = parse(text)
    return f"{version.major}.{version.minor + steps}"


def is_final(text: str) -> bool:
    """Whether a version is a release and not an alpha, beta or release candidate."""
    return parse(text).prerelease is None


def package_version(text: str) -> str:
    """A version as deb and rpm write it: `1.37.0~rc.1`, which both sort before `1.37.0`."""
    return text.removeprefix("v").replace("-", "~")


@dataclass(frozen=True)
class Range:
    """A union of intersections: `>=2.3.0,<2.4.0 || >=2.2.0,<2.3.0`.

    `<1.37` also excludes the pre-releases of 1.37: they are part of what comes next.
    """

    text: str
    terms: tuple[tuple[tuple[str, semver.Version], ...], ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a range. Raises RequestError that names the part that cannot be read."""
        return cls(text, tuple(tuple(_term(term) for term in part.split(",")) for part in text.split("||")))

    def __contains__(self, version: str) -> bool:
        """Whether a version is in the range."""
        parsed = parse(version)
        return any(all(_holds(operator, parsed, bound) for operator, bound in part) for part in self.terms)


def _term(text: str) -> tuple[str, semver.Version]:
    found = _TERM.match(text.strip())
    if found is None:
        raise RequestError(f"{text.strip()!r} is not a range; write it like '>=1.35,<1.37'")
    return found[1] or "=", parse(found[2])


def _holds(operator: str, version: semver.Version, bound: semver.Version) -> bool:
    if operator == "<" and bound.prerelease is None:
        version = version.replace(prerelease=None)
    return _OPERATORS[operator](version.compare(bound))


def newest(versions: list[str]) -> str | None:
    """The highest of some versions, or None of none."""
    return max(versions, key=parse, default=None)
