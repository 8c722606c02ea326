"""Looks for another Kubernetes version that meets what one cannot: most fail by the same statements
already.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from kubewright import versions
from kubewright.errors import RequestError
from kubewright.models.catalog import Bound, ComponentFacts, MinorFacts, Stated
from kubewright.models.resolve_options import ResolveOptions
from kubewright.resolution.build_problem import Case, build_case, statements_of
from kubewright.resolution.domains import FAMILIES
from kubewright.resolution.problem import Problem
from kubewright.resolution.search import Chosen, search
from kubewright.resolution.statements import Facts, facts_of

Moments = list[versions.Order]
"""Where in a minor something that is stated begins or ends."""


@dataclass(frozen=True)
class Alternatives:
    """Other Kubernetes versions, of which those are tried in full that have a solution for a
    conflict's components.
    """

    components: Collection[str]
    facts: Facts
    asked: ResolveOptions
    _moments: dict[str, Moments] = field(default_factory=dict)
    _failed: set[tuple[str, int]] = field(default_factory=set)
    """Minors, each with how many of its moments had come where there was no solution."""

    @classmethod
    def of(cls, conflict: Problem, facts: Facts, asked: ResolveOptions) -> "Alternatives":
        """The versions beside one that has this conflict."""
        components = {variable.key.component for variable in conflict.variables}
        return cls(components.union(FAMILIES) if asked.distributions else components, facts, asked)

    def at(self, kubernetes: str) -> tuple[Case, Chosen] | None:
        """The solution at a version, if it has one and says something of all that was asked for by
        name.
        """
        try:
            minor = facts_of(kubernetes, self.facts.catalog)
            alike = minor.minor, bisect_right(self._moments_of(minor), versions.order(kubernetes))
            if alike in self._failed:
                return None
            part = statements_of(kubernetes, self.facts, self.asked, self.components)
            if (
                not part.speaks_of(self.asked)
                or search(part.problem(self.facts, self.asked)) is None
            ):
                self._failed.add(alike)
                return None
            case = build_case(kubernetes, self.facts, self.asked)
        except RequestError:
            return None
        chosen = search(case.problem) if case.speaks else None
        return None if chosen is None else (case, chosen)

    def nearest(self, kubernetes: str) -> tuple[Case, Chosen] | None:
        """The solution at the nearest minor, and at its newest patch that has one."""
        solutions = map(self.at, _by_distance(kubernetes, self.facts.catalog))
        return next((solution for solution in solutions if solution is not None), None)

    def _moments_of(self, minor: MinorFacts) -> Moments:
        """In order; between two of them the same is stated of the components."""
        if minor.minor not in self._moments:
            named = set(self._related(minor.minor))
            for name in self.components:
                facts = minor.components.get(name, ComponentFacts())
                bounds = (*facts.lines, *facts.bounds, *facts.external)
                statements: tuple[Stated | Bound, ...] = (*facts.exact, *bounds)
                for statement in statements:
                    named |= {statement.since or "", statement.until or ""}
            self._moments[minor.minor] = sorted(map(versions.order, named - {""}))
        return self._moments[minor.minor]

    def _related(self, minor: str) -> Iterator[str]:
        """Where in a minor the relations of Kubernetes to a component begin or end."""
        for relation in self.facts.relations.relations:
            if relation.when.component == "kubernetes":
                ends = versions.range_of(relation.when.range).bounds
                yield from (end for end in ends if versions.minor(end) == minor)


def _by_distance(kubernetes: str, catalog: Mapping[str, MinorFacts]) -> Iterator[str]:
    """Every final patch that may be chosen, those of the nearest minors first, the newest of each
    before others.
    """
    own = versions.parse(kubernetes).minor
    numbers = {minor: versions.parse(minor).minor for minor in catalog}
    for minor in sorted(catalog, key=lambda one: (abs(numbers[one] - own), -numbers[one])):
        yield from filter(versions.is_final, catalog[minor].offered)
