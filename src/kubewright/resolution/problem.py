"""A resolution problem as data: variables with their values, best first, and constraints with their evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from kubewright import versions
from kubewright.resolution.packages import Candidate


@dataclass(frozen=True)
class Value:
    """One version that a variable may take; without a version, nothing of it."""

    version: str = ""
    package: Candidate | None = None
    """Of a distribution's variable: the package that brings the version."""
    like: str = ""
    """The variable whose version this one takes: our own packages hold what the release chooses."""

    def beside(self, chosen: Mapping[str, "Value"]) -> "Value":
        """This value where others are chosen already."""
        return replace(self, version=chosen[self.like].version) if self.like in chosen else self

    def __str__(self) -> str:
        if self.package is not None:
            return f"{self.package.package} {self.package.version}"
        return f"kubernetes-{self.like} {self.version}".strip() if self.like else self.version or "nothing"


@dataclass(frozen=True)
class Variable:
    """Something to choose: `containerd`, or `containerd@debian-12` for the package that a distribution takes."""

    name: str
    domain: tuple[Value, ...]
    """Best first."""


class Span(NamedTuple):
    """Some versions of a component."""

    component: str
    range: str
    """`*` is all of them."""


@dataclass(frozen=True)
class Constraint:
    """What is chosen of a component is in a range; with `when`, only where another component is in its own."""

    needs: Span
    place: str
    """Where it is stated: an option, or a file and key."""
    reason: str
    source: str = ""
    when: Span | None = None
    asked: bool = False
    """Whether it is the person's, who can take it back."""

    def __str__(self) -> str:
        said = f"{self.place}: {self.reason}" if self.reason else self.place
        return f"{said} [{self.source}]" if self.source else said

    def touches(self, name: str) -> bool:
        """Whether a variable may break it."""
        return component_of(name) in (self.needs.component, self.when and self.when.component)

    def breakers(self, name: str, chosen: Mapping[str, Value]) -> set[str] | None:
        """The variables that break it together with the one called `name`; None while it holds."""
        if self.when is None:
            return None if _keeps(self.needs, name, chosen[name]) else {name}
        for one, two in ((name, other) for other in chosen):
            for first, second in ((one, two), (two, one)):
                if _meets(self.when, first, chosen[first]) and not _keeps(self.needs, second, chosen[second]):
                    return {first, second}
        return None


@dataclass(frozen=True)
class Problem:
    """What is to be chosen, in this order, and what must hold."""

    variables: tuple[Variable, ...]
    constraints: tuple[Constraint, ...]


def component_of(name: str) -> str:
    """The component of a variable: `docker` of `docker@debian-12`."""
    return name.partition("@")[0]


@cache
def inside(version: str, allowed: str) -> bool:
    """Whether a version is in a range; `*` is any."""
    return allowed == "*" or version in _range(allowed)


_range = cache(versions.Range.parse)


def _meets(span: Span, name: str, value: Value) -> bool:
    return span.component == component_of(name) and bool(value.version) and inside(value.version, span.range)


def _keeps(span: Span, name: str, value: Value) -> bool:
    """What is not there, or is of another component, keeps any range."""
    return span.component != component_of(name) or not value.version or inside(value.version, span.range)
