"""Chooses the version of every component that fits a Kubernetes version, and says why."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import product

from kubewright import versions
from kubewright.models.base import Evidence
from kubewright.models.catalog import MinorFacts, Status
from kubewright.models.components import Components
from kubewright.models.lock import Component
from kubewright.models.relations import Relations
from kubewright.models.resolve_options import ResolveOptions
from kubewright.moments import midnight
from kubewright.resolution.alternatives import Alternatives
from kubewright.resolution.build_problem import Case, build_case
from kubewright.resolution.conflict import core, everywhere, missed, refusal
from kubewright.resolution.packages import Candidate, ours
from kubewright.resolution.problem import Constraint, Key, Rule, Value
from kubewright.resolution.search import Chosen, fault, search
from kubewright.resolution.statements import NO_RELATIONS, Facts, InForce, facts_of

PLAIN = ResolveOptions()
"""Nothing was asked for but a version."""


@dataclass(frozen=True)
class Solution:
    """A case and the first choice that meets it."""

    case: Case
    why: str
    chosen: Chosen
    components: tuple[Component, ...]
    """Kubernetes first, the others by name."""
    missed: str = ""
    """The newest version that was meant, where it has no solution, with what stands in its way;
    empty: it is this one.
    """

    @property
    def packages(self) -> tuple[Candidate, ...]:
        """What each distribution that was asked for takes."""
        return tuple(value.package for value in self.chosen.values() if value.package is not None)


def choose(
    kubernetes: str,
    catalog: Mapping[str, MinorFacts],
    components: Components,
    relations: Relations = NO_RELATIONS,
) -> tuple[Component, ...]:
    """Every component of a release that nothing more is asked of, Kubernetes first, the others by
    name.

    Raises RequestError for a minor outside the catalog, a skipped patch, or constraints that
    nothing known meets.
    """
    return solve(
        [(kubernetes, "asked for by its version")], Facts(catalog, components, relations), PLAIN
    ).components


def solve(wanted: Iterable[tuple[str, str]], facts: Facts, asked: ResolveOptions) -> Solution:
    """The first Kubernetes version for which everything that was asked for can be had, and the
    choice.

    `wanted` gives at least one version, each with its reason, best first; only wishes make an older
    one better than none, and only one that says something about what was wished for. Raises
    RequestError with the constraints in conflict and what would work.
    """
    rest = iter(wanted)
    kubernetes, why = next(rest)
    case = build_case(kubernetes, facts, asked)
    chosen = search(case.problem)
    if chosen is not None:
        return _solution(case, chosen, why, facts)
    conflict = core(case.problem)
    others = Alternatives.of(conflict, facts, asked)
    if asked != PLAIN and not everywhere(conflict, asked):
        for kubernetes, why in rest:
            if other := others.at(kubernetes):
                solution = _solution(*other, why, facts)
                return replace(solution, missed=missed(case, conflict))
    raise refusal(case, conflict, others)


def rejected(key: Key, case: Case, chosen: Chosen) -> list[tuple[Value, Rule]]:
    """What would have been better for a variable, each with the constraint that it breaks."""
    worse = []
    for variable in case.problem.variables:
        if variable.key == key:
            others = {other: value for other, value in chosen.items() if other != key}
            for entry in variable.domain:
                value = entry.beside(chosen)
                broken = fault(key, value, others, case.problem.constraints)
                if broken is None:
                    break
                worse.append((value, broken[0]))
    return worse


def _solution(case: Case, chosen: Chosen, why: str, facts: Facts) -> Solution:
    named = {key: _named(key, value, facts) for key, value in chosen.items()}
    components = [
        _component(case.in_force[name], named[Key(name)].version, case, chosen, facts)
        for name in case.in_force
    ]
    return Solution(case, why, named, (_kubernetes(case.kubernetes, facts.catalog), *components))


def _named(key: Key, value: Value, facts: Facts) -> Value:
    """A value with our own package by name, where it is one."""
    if value.follows is None:
        return value
    package = ours(key.distribution, key.component, facts.distributions, value.version)
    return replace(value, package=package)


def _kubernetes(version: str, catalog: Mapping[str, MinorFacts]) -> Component:
    """The release itself, with the patch's date, else the minor's (design: two clocks)."""
    minor = facts_of(version, catalog)
    patch = minor.patch(version)
    source, note, day = (
        (patch.source, patch.note, patch.date) if patch else (minor.source, "", None)
    )
    status: Status = "unknown" if patch is None or patch.avoid else "validated"
    reason = f"to be avoided: {patch.avoid}" if patch and patch.avoid else "the release itself"
    if patch is None:
        reason += ", which the catalog does not list"
    evidence = Evidence(source=source, cited=minor.sources.get(source, ""), note=note)
    return Component(
        name="kubernetes", version=version, range=f"={version}", status=status, reason=reason,
        evidence=(evidence,), epoch=midnight(day or minor.released),
    )  # fmt: skip


def _component(
    stated: InForce, version: str, case: Case, chosen: Chosen, facts: Facts
) -> Component:
    wishes = [
        constraint.needs.range
        for constraint in case.problem.ranges
        if constraint.asked and constraint.touches(Key(stated.component))
    ]
    source = facts.components.components[stated.component]
    known = [entry.version for entry in source.known]
    allowed = _allowed(stated, version, wishes, [*known, version])
    status, reason, evidence = _judge(stated, version, wishes)
    sources = facts.catalog[stated.minor].sources if stated.minor else {}
    evidence = tuple(
        item.model_copy(update={"cited": sources.get(item.source, "")}) for item in evidence
    )
    if version not in known and (brought := _bringing(stated.component, version, case, chosen)):
        reason += f"; brought by {brought}, and not in recipes/components.toml"
    ruled_out = ""
    for _, rule in rejected(Key(stated.component), case, chosen):
        if isinstance(rule, Constraint) and (rule.when or rule.kubernetes_specific):
            ruled_out = rule.reason
    if ruled_out:
        reason += f"; a newer one is ruled out: {ruled_out}"
    if stated.carried:
        own = versions.minor(case.kubernetes)
        status, reason = (
            "unknown",
            f"nothing is stated for {own}; carried forward from {stated.minor}: {reason}",
        )
    dates = {entry.version: entry.date for entry in source.known}
    return Component(
        name=stated.component, version=version, range=allowed, status=status, reason=reason,
        evidence=evidence, epoch=midnight(dates.get(version) or facts.components.default_date),
    )  # fmt: skip


def _bringing(component: str, version: str, case: Case, chosen: Chosen) -> str:
    """The distributions whose packages have a version; empty: none of those that were asked for."""
    names: dict[str, None] = {}
    for variable in case.problem.variables:
        for value in variable.domain:
            package = value.package
            if package and package.family == component and value.version == version:
                names[f"{package.distribution}'s {package.package}"] = None
    return ", ".join(names)


def _judge(
    stated: InForce, version: str, wishes: list[str]
) -> tuple[Status, str, tuple[Evidence, ...]]:
    """What upstream says of a version that meets all constraints: exact beats lines, lines beat
    bounds.
    """
    asked = f" and {' and '.join(wishes)}, as asked for" if wishes else ""
    bounds = tuple(bound.evidence for bound in stated.bounds)
    if stated.exact is not None and stated.exact.value == version:
        reason = (
            f"what Kubernetes {stated.minor} pins or deploys"
            if stated.exact.pinned
            else stated.exact.note
        )
        return stated.exact.status, reason, (stated.exact.evidence,)
    for line in stated.lines:
        if versions.inside(version, line.range):
            return "validated", f"newest known in {line.range}{asked}", (line.evidence, *bounds)
    if stated.bounds:
        allowed = ",".join(bound.range for bound in stated.bounds)
        whose = "an etcd outside the cluster is its administrator's; " if stated.external else ""
        beside = stated.deployed and versions.minor(stated.deployed) == versions.minor(version)
        newest = (
            f"newest known {versions.minor(version)}, which Kubernetes itself deploys,"
            if beside
            else "newest known"
        )
        return "supported", f"{whose}{newest} that meets {allowed}{asked}", bounds
    return (
        "unknown",
        f"Kubernetes states nothing about it; the newest known{asked.replace(' and', ' in', 1)}",
        (),
    )


def _allowed(stated: InForce, version: str, wishes: list[str], known: list[str]) -> str:
    """The range that the choice was made from, in the catalog's words and the person's.

    Of what a wish leaves of several lines, those that no known version is in are left out.
    """
    if stated.exact is not None and stated.exact.value == version:
        return f"={version}"
    ranges = [bound.range for bound in stated.bounds]
    if stated.lines:
        ranges = [" || ".join(line.range for line in stated.lines)]
    parts = (versions.range_of(text).alternatives for text in (*ranges, *wishes))
    every = [",".join(combination) for combination in product(*parts)]
    if wishes:
        held = []
        for part in every:
            if any(versions.inside(version, part) for version in known):
                held.append(part)
        every = held
    return " || ".join(every) or "*"
