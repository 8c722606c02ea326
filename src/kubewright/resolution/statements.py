"""What the recipes say of one component at one Kubernetes version: the statements that are in
force.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from kubewright import versions
from kubewright.errors import RequestError
from kubewright.models.catalog import Bound, MinorFacts, Stated
from kubewright.models.components import Components
from kubewright.models.distros import Distributions
from kubewright.models.relations import Relations
from kubewright.resolution.problem import Constraint, VersionRange

NO_RELATIONS = Relations(relations=(), sources={})
NO_DISTRIBUTIONS = Distributions(distributions={})


@dataclass(frozen=True)
class Facts:
    """Everything that a choice is made from."""

    catalog: Mapping[str, MinorFacts]
    components: Components
    relations: Relations = NO_RELATIONS
    distributions: Distributions = NO_DISTRIBUTIONS
    packaged: Container[str] = ()
    """The minors that packages of our own are made for."""


@dataclass(frozen=True)
class InForce:
    """The statements about a component that are in force at a Kubernetes version, all of one
    minor's file.
    """

    component: str
    minor: str = ""
    """Whose file it is: the version's own, else the nearest older one that states anything; empty:
    nothing does.
    """
    carried: bool = False
    exact: Stated | None = None
    lines: tuple[Bound, ...] = ()
    bounds: tuple[Bound, ...] = ()
    free: bool = False
    """Whether Kubernetes has no say in it."""
    external: bool = False
    """Whether the bounds are those of an etcd outside the cluster."""
    deployed: str = ""
    """Then, what Kubernetes deploys inside the cluster; empty: nothing is stated."""

    def binds(self, asked: bool) -> bool:
        """Whether only the exact version will do: who asks for another may have what lines and
        bounds allow.
        """
        return self.exact is not None and not (asked and (self.lines or self.bounds))

    def constraints(
        self, sources: Mapping[str, str], asked: bool, *, packages: bool = True
    ) -> Iterator[Constraint]:
        """What must hold, with its place; `sources` explains the short names of sources.

        Without `packages` it binds what the release has, and not what distributions take.
        """
        place = f"recipes/catalog/{self.minor}.toml: components.{self.component}"
        carried = ", carried forward" if self.carried else ""
        if self.exact is not None and self.binds(asked):
            value = self.exact.value
            reason = f"Kubernetes {self.minor} pins or deploys {value}"
            if not self.exact.pinned:
                reason = f"{value}: {self.exact.note}"
            needs = VersionRange(self.component, f"={value}")
            source = sources.get(self.exact.source, self.exact.source)
            yield Constraint(needs, f"{place}.exact", reason + carried, source, packages=packages)
            return
        if self.lines:
            allowed = " || ".join(line.range for line in self.lines)
            needs = VersionRange(self.component, allowed)
            named = dict.fromkeys(sources.get(line.source, line.source) for line in self.lines)
            reason = f"validated are {allowed}{carried}"
            yield Constraint(needs, f"{place}.lines", reason, "; ".join(named), packages=packages)
        key = "external" if self.external else "bounds"
        for bound in self.bounds:
            needs = VersionRange(self.component, bound.range)
            note = f" ({bound.note})" if bound.note else ""
            reason = f"must be {bound.range}{note}{carried}"
            source = sources.get(bound.source, bound.source)
            yield Constraint(needs, f"{place}.{key}", reason, source, packages=packages)


def facts_of(kubernetes: str, catalog: Mapping[str, MinorFacts]) -> MinorFacts:
    """The facts of a version's minor. Raises RequestError for a minor that the catalog lacks, or a
    skipped patch.
    """
    minor = versions.minor(kubernetes)
    if minor not in catalog:
        raise unknown_minor(minor, catalog)
    facts = catalog[minor]
    if (patch := facts.patch(kubernetes)) and patch.skipped:
        note = f" ({patch.note})" if patch.note else ""
        raise RequestError(
            f"v{kubernetes}", f"upstream never released this patch{note}", "ask for another"
        )
    return facts


def unknown_minor(minor: str, catalog: Mapping[str, MinorFacts]) -> RequestError:
    """The error for a minor of which the catalog knows nothing."""
    known = list(catalog)
    return RequestError(
        f"Kubernetes {minor}",
        f"not in the catalog, which knows {known[0]} to {known[-1]}",
        f"ask for one of those, or state what you know of it in recipes/catalog/{minor}.toml",
    )


def in_force(
    component: str, kubernetes: str, catalog: Mapping[str, MinorFacts], *, external: bool = False
) -> InForce:
    """The statements about a component at a Kubernetes version, or the nearest older minor's."""
    own = versions.minor(kubernetes)
    for minor in _back_from(own, tuple(catalog)):
        stated = catalog[minor].components.get(component)
        if stated is None:
            continue
        carried = minor != own
        if external:
            bounds = _holding(stated.external, kubernetes)
            if bounds:
                inside = in_force(component, kubernetes, catalog).exact
                deployed = inside.value if inside else ""
                return InForce(
                    component, minor, carried, bounds=bounds, external=True, deployed=deployed
                )
            continue
        exact = stated.in_force(kubernetes)
        lines, bounds = _holding(stated.lines, kubernetes), _holding(stated.bounds, kubernetes)
        if exact or lines or bounds:
            return InForce(component, minor, carried, exact, lines, bounds)
    return InForce(component)


def _holding(bounds: Iterable[Bound], kubernetes: str) -> tuple[Bound, ...]:
    return tuple(bound for bound in bounds if bound.holds(kubernetes))


@cache
def _back_from(minor: str, known: tuple[str, ...]) -> tuple[str, ...]:
    """A minor and the older ones, newest first."""
    newest = versions.order(minor)
    return tuple(each for each in reversed(known) if versions.order(each) <= newest)
