"""A resolution problem as data: variables with their values, best first, and constraints with their
evidence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from kubewright import versions
from kubewright.resolution.packages import Candidate, own_name


@dataclass(frozen=True)
class Value:
    """One version that a variable may take; without a version, nothing of it."""

    version: str = ""
    package: Candidate | None = None
    """Of a distribution's variable: the package that brings the version."""
    follows: str = ""
    """The variable whose version this one takes: our own packages hold what the release chooses."""

    def beside(self, chosen: Mapping[str, "Value"]) -> "Value":
        """This value where others are chosen already."""
        return (
            replace(self, version=chosen[self.follows].version) if self.follows in chosen else self
        )

    @property
    def name(self) -> str:
        """The package's name; empty without a package."""
        return (
            self.package.package if self.package else own_name(self.follows) if self.follows else ""
        )

    def __str__(self) -> str:
        version = self.package.version if self.package else self.version
        return f"{self.name} {version}".strip() or "nothing"


@dataclass(frozen=True)
class Variable:
    """Something to choose: `containerd`, or `containerd@debian-12` for the package that a
    distribution takes.
    """

    name: str
    domain: tuple[Value, ...]
    """Best first."""
    has_prereleases: bool = False
    """Whether more may be had with another Kubernetes: a pre-release, which only one that deploys
    it takes.
    """


class VersionRange(NamedTuple):
    """Some versions of a component, or of a package."""

    component: str
    range: str
    """`*` is all of them."""


@dataclass(frozen=True)
class Constraint:
    """What is chosen of a component is in a range; with `when`, only where another component is in
    its own.
    """

    needs: VersionRange
    place: str
    """Where it is stated: an option, or a file and key."""
    reason: str
    source: str = ""
    when: VersionRange | None = None
    asked: bool = False
    """Whether it is the person's, who can take it back."""
    packages: bool = True
    """Whether the packages that distributions take are bound too."""
    kubernetes_specific: bool = False
    """Whether it holds for some versions of Kubernetes only."""

    def __str__(self) -> str:
        return _said(self)

    def touches(self, name: str) -> bool:
        """Whether a variable may break it."""
        concerned = component_of(name) in (self.needs.component, self.when and self.when.component)
        return concerned and (self.packages or component_of(name) == name)

    def breakers(self, name: str, chosen: Mapping[str, Value]) -> set[str] | None:
        """The variables that break it together with the one called `name`; None while it holds."""
        if self.when is None:
            return None if _keeps(self.needs, name, chosen[name]) else {name}
        for one, two in ((name, other) for other in chosen):
            for first, second in ((one, two), (two, one)):
                if _meets(self.when, first, chosen[first]) and not _keeps(
                    self.needs, second, chosen[second]
                ):
                    return {first, second}
        return None


@dataclass(frozen=True)
class Pairing:
    """A package of Docker goes only with some packages of containerd on the same distribution."""

    package: VersionRange
    """By the package's name."""
    partners: tuple[VersionRange, ...]
    """By their packages' names; one of them must be taken."""
    place: str
    reason: str
    source: str = ""

    asked = False
    kubernetes_specific = False

    def __str__(self) -> str:
        return _said(self)

    def touches(self, name: str) -> bool:
        """Whether a variable may break it."""
        return name.startswith(("docker@", "containerd@"))

    def breakers(self, name: str, chosen: Mapping[str, Value]) -> set[str] | None:
        """The variables that break it together with the one called `name`; None while it holds."""
        distribution = name.partition("@")[2]
        pair = f"docker@{distribution}", f"containerd@{distribution}"
        if not chosen.keys() >= set(pair):
            return None
        docker, containerd = (chosen[one] for one in pair)
        broken = _is(self.package, docker) and not any(
            _is(one, containerd) for one in self.partners
        )
        return set(pair) if broken else None


Rule = Constraint | Pairing
"""Anything that must hold."""


@dataclass(frozen=True)
class Problem:
    """What is to be chosen, in this order, and what must hold."""

    variables: tuple[Variable, ...]
    constraints: tuple[Rule, ...]

    @property
    def ranges(self) -> Iterator[Constraint]:
        """Those of the constraints that are about versions, whatever package brings them."""
        return (one for one in self.constraints if isinstance(one, Constraint))


def _said(rule: Rule) -> str:
    said = f"{rule.place}: {rule.reason}" if rule.reason else rule.place
    return f"{said} [{rule.source}]" if rule.source else said


def _is(span: VersionRange, value: Value) -> bool:
    return value.name == span.component and versions.inside(value.version, span.range)


def component_of(name: str) -> str:
    """The component of a variable: `docker` of `docker@debian-12`."""
    return name.partition("@")[0]


def _meets(span: VersionRange, name: str, value: Value) -> bool:
    return (
        span.component == component_of(name)
        and bool(value.version)
        and versions.inside(value.version, span.range)
    )


def _keeps(span: VersionRange, name: str, value: Value) -> bool:
    """What is not there, or is of another component, keeps any range."""
    return (
        span.component != component_of(name)
        or not value.version
        or versions.inside(value.version, span.range)
    )
