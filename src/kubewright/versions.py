"""Versions: semantic ones, ranges over them, requests for one of them, and how deb and rpm write
them.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from itertools import chain, product
from typing import Literal, Self

import semver

from kubewright import kubernetes_versions
from kubewright.errors import RequestError

Comparison = tuple[str, semver.Version]
"""An operator and its bound."""

Order = tuple[int, int, int, bool, tuple[tuple[bool, int, str], ...]]
"""Something that versions can be sorted by; pre-releases come before their release."""

_OPERATORS: dict[str, Callable[[int], bool]] = {
    ">=": lambda order: order >= 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    "<": lambda order: order < 0,
    "=": lambda order: order == 0,
    "!=": lambda order: order != 0,
}
_NUMBER = kubernetes_versions.NUMBER
_TERM = re.compile(r"^(>=|<=|!=|>|<|=)?\s*v?([0-9]+(?:\.[0-9]+){0,2}(?:-[0-9A-Za-z.-]+)?)\Z")
_MARKER = re.compile(rf"^(stable|latest)(?:-({_NUMBER}(?:\.{_NUMBER})?))?\Z")
_MINOR = re.compile(rf"^v?({_NUMBER}\.{_NUMBER})\Z")
_MONTH = re.compile(r"^([0-9]{2})\.0(?=[1-9](?:[.-]|$))")


@lru_cache(maxsize=1 << 14)
def parse(text: str) -> semver.Version:
    """Read `1.36.4`, `v1.37.0-rc.1`, `3.10` or `29` (missing parts are zero), or Docker's
    `17.03.2`, of March.

    Raises RequestError for anything else.
    """
    try:
        text.encode("ascii")  # else semver takes the digits of every script
        return semver.Version.parse(
            _MONTH.sub(r"\1.", text.removeprefix("v")), optional_minor_and_patch=True
        )
    except ValueError as error:
        raise RequestError(
            f"{text!r} is not a version; write it like v1.36.4 or v1.37.0-rc.1"
        ) from error


@lru_cache(maxsize=1 << 14)
def order(text: str) -> Order:
    """What a version is sorted by: as `parse` orders it, but compared much faster."""
    version = parse(text)
    parts = version.prerelease.split(".") if version.prerelease else []
    prerelease = tuple(
        (not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts
    )
    return version.major, version.minor, version.patch, not parts, prerelease


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

    A minor means the whole of it: `<=1.35` is `<1.36`, `>1.35` is `>=1.36`, and `=1.35` is both its
    ends. `<1.37` also excludes the pre-releases of 1.37: they are part of what comes next.
    """

    text: str
    terms: tuple[tuple[Comparison, ...], ...]
    """Of these, one must hold altogether; every bound is a full version."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a range. Raises RequestError that names the part that cannot be read."""
        terms: list[tuple[Comparison, ...]] = []
        for part in text.split("||"):
            for meaning in product(*map(_meanings, part.split(","))):
                terms.append(tuple(chain(*meaning)))
        return cls(text, tuple(terms))

    @property
    def alternatives(self) -> tuple[str, ...]:
        """Its intersections, as they are written."""
        return tuple(part.strip() for part in self.text.split("||"))

    @cached_property
    def bounds(self) -> tuple[str, ...]:
        """Where they begin and end."""
        return tuple(str(bound) for _, bound in chain(*self.terms))

    def __contains__(self, version: str) -> bool:
        """Whether a version is in the range."""
        parsed = parse(version)

        def holds(part: tuple[Comparison, ...]) -> bool:
            return all(_holds(operator, parsed, bound) for operator, bound in part)

        return any(map(holds, self.terms))


def _meanings(text: str) -> tuple[tuple[Comparison, ...], ...]:
    """What a term such as `<=1.35` compares; where it has two meanings (`!=1.35`), either will
    do.
    """
    found = _TERM.match(text.strip())
    if found is None:
        raise RequestError(f"{text.strip()!r} is not a range; write it like '>=1.35,<1.37'")
    operator, bound = found[1] or "=", parse(found[2])
    parts = found[2].partition("-")[0].count(".") + 1
    if parts == 3 or bound.prerelease or operator in ("<", ">="):
        return (((operator, bound),),)
    below, above = ("<", bound), (">=", bound.bump_minor() if parts == 2 else bound.bump_major())
    up_to, from_here = ("<", above[1]), (">=", bound)
    return {
        "<=": ((up_to,),),
        ">": ((above,),),
        "=": ((from_here, up_to),),
        "!=": ((below,), (above,)),
    }[operator]


def _holds(operator: str, version: semver.Version, bound: semver.Version) -> bool:
    if operator == "<" and bound.prerelease is None:
        version = version.replace(prerelease=None)
    return _OPERATORS[operator](version.compare(bound))


range_of = cache(Range.parse)
"""A range by its text; the same few texts are asked about again and again."""


@cache
def inside(version: str, allowed: str) -> bool:
    """Whether a version is in a range; `*` is any."""
    return allowed == "*" or version in range_of(allowed)


@dataclass(frozen=True)
class Request:
    """What a person asks for: `stable`, `latest`, `stable-1.36`, `1.36`, `1.36.*`, `v1.36.4` or a
    range.
    """

    text: str
    word: Literal["stable", "latest", "range", "version"]
    scope: str = ""
    """Of stable and latest: the minor or major, empty for all; of a version: itself, without
    `v`.
    """

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a request; a minor alone asks for its newest final release. Raises RequestError for
        anything else.
        """
        text = text.strip()
        if version := kubernetes_versions.read(text):
            return cls(text, "version", version)
        found = _MINOR.match(text)
        if scope := found[1] if found else kubernetes_versions.wildcard(text):
            return cls(f"stable-{scope}", "stable", scope)
        if found := _MARKER.match(text):
            return cls(text, "latest" if found[1] == "latest" else "stable", found[2] or "")
        if text.startswith(("<", ">", "=", "!")):
            try:
                for bound in Range.parse(text).bounds:
                    kubernetes_versions.required(bound)
            except RequestError as error:
                raise RequestError(f"{text!r}: {error}") from error
            return cls(text, "range")
        raise kubernetes_versions.refusal(text)

    def __contains__(self, version: str) -> bool:
        """Whether a version may be what is asked for; of several, the newest is."""
        if self.word == "version":
            return version == self.scope
        if self.word == "range":
            return is_final(version) and version in Range.parse(self.text)
        scoped = f"{version}.".startswith(f"{self.scope}.") if self.scope else True
        return scoped and (self.word == "latest" or is_final(version))


def newest(versions: Iterable[str]) -> str | None:
    """The highest of some versions, or None of none."""
    return max(versions, key=order, default=None)
