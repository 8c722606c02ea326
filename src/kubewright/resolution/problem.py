"""A resolution problem as data: variables with their values, best first, and constraints with their
evidence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

from kubewright import versions
from kubewright.resolution.packages import Candidate, own_name


class Key(NamedTuple):
    """What a variable is about: a component, or the package of it that a distribution takes."""

    component: str
    distribution: str = ""
    """Empty: the release's own version of the component."""

    def __str__(self) -> str:
        return f"{self.component}@{self.distribution}" if self.distribution else self.component


@dataclass(frozen=True)
class Value:
    """One version that a variable may take; without a version, nothing of it."""

    version: str = ""
    package: Candidate | None = None
    """Of a distribution's variable: the package that brings the version."""
    follows: Key | None = None
    """The variable whose version this one takes: our own packages hold what the release chooses."""

    def beside(self, chosen: Mapping[Key, "Value"]) -> "Value":
        """This value where others are chosen already."""
        if self.follows is None or self.follows not in chosen:
            return self
        return replace(self, version=chosen[self.follows].version)

    @property
    def name(self) -> str:
        """The package's name; empty without a package."""
        if self.package is not None:
            return self.package.package
        return "" if self.follows is None else own_name(self.follows.component)

    def __str__(self) -> str:
        version = self.package.version if self.package else self.version
        return f"{self.name} {version}".strip() or "nothing"


@dataclass(frozen=True)
class Variable:
    """Something to choose."""

    key: Key
    domain: tuple[Value, ...]
    """Best first."""
    has_prereleases: bool = False
    """Whether another Kubernetes may take more versions: a pre-release goes only with the one that
    deploys it.
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
        return _in_words(self)

    def touches(self, key: Key) -> bool:
        """Whether a variable may break it."""
        concerned = key.component in (self.needs.component, self.when and self.when.component)
        return concerned and (self.packages or not key.distribution)

    def breakers(self, key: Key, chosen: Mapping[Key, Value]) -> set[Key] | None:
        """The variables that break it together with this one; None while it holds."""
        if self.when is None:
            return None if _keeps(self.needs, key, chosen[key]) else {key}
        for other in chosen:
            for first, second in ((key, other), (other, key)):
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
        return _in_words(self)

    def touches(self, key: Key) -> bool:
        """Whether a variable may break it."""
        return bool(key.distribution) and key.component in ("docker", "containerd")

    def breakers(self, key: Key, chosen: Mapping[Key, Value]) -> set[Key] | None:
        """The variables that break it together with this one; None while it holds."""
        docker, containerd = (Key(name, key.distribution) for name in ("docker", "containerd"))
        if docker not in chosen or containerd not in chosen:
            return None
        if not _is(self.package, chosen[docker]):
            return None
        if any(_is(partner, chosen[containerd]) for partner in self.partners):
            return None
        return {docker, containerd}


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
        return (rule for rule in self.constraints if isinstance(rule, Constraint))


def _in_words(rule: Rule) -> str:
    text = f"{rule.place}: {rule.reason}" if rule.reason else rule.place
    return f"{text} [{rule.source}]" if rule.source else text


def _is(allowed: VersionRange, value: Value) -> bool:
    return value.name == allowed.component and versions.inside(value.version, allowed.range)


def _meets(allowed: VersionRange, key: Key, value: Value) -> bool:
    return (
        allowed.component == key.component
        and bool(value.version)
        and versions.inside(value.version, allowed.range)
    )


def _keeps(allowed: VersionRange, key: Key, value: Value) -> bool:
    """A component that is left out, or that the range is not about, keeps any range."""
    return (
        allowed.component != key.component
        or not value.version
        or versions.inside(value.version, allowed.range)
    )
