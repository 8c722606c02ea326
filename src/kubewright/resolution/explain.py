"""Explains one component of a solution: why this version, who says so, and why nothing newer."""

import re
from collections.abc import Iterator, Mapping

from pydantic import Field

from kubewright import versions
from kubewright.errors import RequestError
from kubewright.models.answer import Answer, headed
from kubewright.models.base import Header, Model
from kubewright.models.catalog import MinorFacts, Status
from kubewright.models.resolve_options import ResolveOptions
from kubewright.resolution.build_problem import GOES_WITH
from kubewright.resolution.choose import Solution, rejected, solve
from kubewright.resolution.problem import Key, Rule, Value
from kubewright.resolution.search import fault
from kubewright.resolution.statements import Facts, facts_of


class Ground(Model):
    """Something that the choice had to meet."""

    place: str = Field(description="where the recipes state it")
    reason: str = Field(description="in words")
    source: str = Field(description="who says so")


class Considered(Model):
    """A version or package that was considered."""

    what: str = Field(description="version, or package and version")
    verdict: str = Field(description="what became of it, in words")


class Neighbour(Model):
    """What the newest patch of another minor takes."""

    kubernetes: str = Field(description="that patch")
    version: str = Field(description="of the component")
    status: Status = Field(description="how well it is founded there")


class Explanation(Answer):
    """Why a release has this version of a component, or none."""

    header: Header = headed("explanation")
    component: str = Field(description="as recipes call it")
    kubernetes: str = Field(description="the version of the release")
    version: str = Field("", description="of the component; empty: the release has none")
    range: str = Field("", description="what was allowed")
    status: Status = Field("unknown", description="how well the choice is founded")
    reason: str = Field(description="why this one or none, in words")
    grounds: tuple[Ground, ...] = Field((), description="what the choice had to meet")
    newer: tuple[Considered, ...] = Field((), description="known, and why each was not chosen")
    others: tuple[str, ...] = Field((), description="older versions that would do too")
    packages: Mapping[str, tuple[Considered, ...]] = Field(
        {}, description="by distribution that was asked for: its packages, and their fate"
    )
    neighbours: tuple[Neighbour, ...] = Field((), description="what other minors take")
    judgements: tuple[Considered, ...] = Field(
        (), description="what kubeadm's own check says of the versions above"
    )


def explain(
    name: str, solution: Solution, facts: Facts, asked: ResolveOptions, *, today: str
) -> Explanation:
    """The explanation of one component of a solution, as it is on a `YYYY-MM-DD` day."""
    components = {component.name: component for component in solution.components}
    kubernetes = solution.case.kubernetes
    if name not in components:
        return Explanation(
            component=name, kubernetes=kubernetes, reason=_absence(name, kubernetes, facts, asked)
        )
    component = components[name]
    reason = component.reason
    if name == "kubernetes":
        avoided = reason.startswith("to be avoided")
        reason = f"{solution.why}, but {reason}" if avoided else solution.why
    return Explanation(
        component=name,
        kubernetes=kubernetes,
        version=component.version,
        range=component.range,
        status=component.status,
        reason=reason,
        grounds=tuple(_grounds(name, solution, facts, today)),
        newer=(*_bad_patches(kubernetes, name, facts.catalog), *_newer(name, solution)),
        others=tuple(_others(name, solution)),
        packages={place: tuple(_packages(name, place, solution)) for place in asked.distributions},
        neighbours=tuple(_neighbours(name, kubernetes, facts, asked)),
        judgements=tuple(_judged(name, kubernetes, solution, facts.catalog)),
    )


def _absence(name: str, kubernetes: str, facts: Facts, asked: ResolveOptions) -> str:
    for family in asked.without:
        if name in GOES_WITH[family]:
            return f"--without {family} leaves it out"
    minor = facts_of(kubernetes, facts.catalog)
    if name == "cri-dockerd" and minor.dockershim:
        return "its kubelet speaks to Docker itself"
    return f"nothing is stated about it for Kubernetes {minor.minor} or an older minor"


def _released(kubernetes: str, minor: MinorFacts, today: str) -> Iterator[Ground]:
    """When a version was released, when the support of its minor ends, and which Go built it."""
    place = f"recipes/catalog/{minor.minor}.toml"
    if patch := minor.patch(kubernetes):
        reason = f"released {patch.date or ''}".strip() + (f"; {patch.note}" if patch.note else "")
        yield Ground(
            place=f"{place}: patches",
            reason=reason,
            source=minor.sources.get(patch.source, patch.source),
        )
    if end := minor.end_of_life:
        reason = f"end of life of {minor.minor} {'was' if end < today else 'is'} {end}"
        yield Ground(
            place=f"{place}: end_of_life",
            reason=reason,
            source=minor.sources.get(minor.source, minor.source),
        )
    built = None
    for statement in minor.go:
        if not statement.since or versions.order(statement.since) <= versions.order(kubernetes):
            built = statement
    if built is not None:
        reason = f"built with Go {built.value}" + (f"; {built.note}" if built.note else "")
        source = minor.sources.get(built.source, built.source)
        yield Ground(place=f"{place}: go", reason=reason, source=source)


def _grounds(name: str, solution: Solution, facts: Facts, today: str) -> Iterator[Ground]:
    """The constraints on the component itself, and its relations to others."""
    if name == "kubernetes":
        yield from _released(
            solution.case.kubernetes, facts_of(solution.case.kubernetes, facts.catalog), today
        )
    for rule in solution.case.problem.ranges:
        parts = [part for part in (rule.needs, rule.when) if part]
        all_chosen = all(Key(part.component) in solution.chosen for part in parts)
        if rule.touches(Key(name)) and all_chosen and not rule.needs.range.startswith("!="):
            yield Ground(place=rule.place, reason=rule.reason, source=rule.source)


def _bad_patches(
    kubernetes: str, name: str, catalog: Mapping[str, MinorFacts]
) -> Iterator[Considered]:
    """Of Kubernetes itself: newer patches of its minor that must not be chosen."""
    if name != "kubernetes":
        return
    for patch in reversed(facts_of(kubernetes, catalog).patches):
        if versions.order(patch.version) > versions.order(kubernetes) and not patch.offered:
            verdict = (
                f"to be avoided: {patch.avoid}" if patch.avoid else f"never released. {patch.note}"
            )
            yield Considered(what=patch.version, verdict=verdict)


def _newer(name: str, solution: Solution) -> Iterator[Considered]:
    for value, broken in _alternatives(name, solution):
        if versions.order(value.version) > versions.order(solution.chosen[Key(name)].version):
            verdict = (
                _short(broken)
                if broken
                else "it would do, but the line of the chosen one comes first"
            )
            yield Considered(what=value.version, verdict=verdict)


def _others(name: str, solution: Solution) -> Iterator[str]:
    for value, broken in _alternatives(name, solution):
        if broken is None and versions.order(value.version) < versions.order(
            solution.chosen[Key(name)].version
        ):
            yield value.version


def _alternatives(name: str, solution: Solution) -> Iterator[tuple[Value, Rule | None]]:
    """Every value that a component could have beside the rest of the choice, and the constraint
    that it breaks.

    Newest first.
    """
    key = Key(name)
    others = {other: value for other, value in solution.chosen.items() if other != key}
    for variable in solution.case.problem.variables:
        values = variable.domain if variable.key == key else ()
        for value in sorted(values, key=lambda value: versions.order(value.version), reverse=True):
            broken = fault(key, value, others, solution.case.problem.constraints)
            yield value, broken[0] if broken else None


def _short(rule: Rule) -> str:
    return f"{rule.place}: {rule.reason}"


def _packages(name: str, distribution: str, solution: Solution) -> Iterator[Considered]:
    """A distribution's packages, best first, down to the one taken."""
    key = Key(name, distribution)
    if key not in solution.chosen:
        return
    for value, rule in rejected(key, solution.case, solution.chosen):
        yield Considered(what=str(value), verdict=f"does not fit {_short(rule)}")
    taken = solution.chosen[key]
    if taken.package is None:
        why = (
            "Docker's package brings what it needs"
            if name in solution.case.unbound
            else "no package fits"
        )
        yield Considered(
            what="nothing", verdict=f"taken: {why}, and nodes have {solution.case.runtime}"
        )
    else:
        verdict = f"taken, from {taken.package.repository} [{taken.package.source}]"
        only = (
            "; Kubernetes' ranges do not bind it, as only Docker uses it"
            if name in solution.case.unbound
            else ""
        )
        yield Considered(what=str(taken), verdict=verdict + only)


def _neighbours(
    name: str, kubernetes: str, facts: Facts, asked: ResolveOptions
) -> Iterator[Neighbour]:
    """The minors right before and after; none where they cannot meet what was asked for."""
    minors = list(facts.catalog)
    at = minors.index(versions.minor(kubernetes))
    for minor in (*minors[max(at - 1, 0) : at], *minors[at + 1 : at + 2]):
        newest = facts.catalog[minor].newest
        if newest is None or name == "kubernetes":
            continue
        anywhere = asked.model_copy(update={"distributions": ()})
        try:
            components = solve([(newest, "")], facts, anywhere).components
        except RequestError:
            continue
        for component in components:
            if component.name == name:
                yield Neighbour(
                    kubernetes=newest, version=component.version, status=component.status
                )


def _judged(
    name: str, kubernetes: str, solution: Solution, catalog: Mapping[str, MinorFacts]
) -> Iterator[Considered]:
    stated = facts_of(kubernetes, catalog).components.get(name)
    if stated is None or not stated.patterns:
        return
    chosen = {
        value.version: None
        for key, value in solution.chosen.items()
        if key.component == name and value.version
    }
    for version in chosen:
        patterns = (each for each in stated.patterns if re.search(each.match, version))
        first = next(patterns, None)
        if first is not None:
            note = f"; {first.note}" if first.note else ""
            yield Considered(
                what=version, verdict=f"{first.verdict} (its pattern: {first.match}{note})"
            )
