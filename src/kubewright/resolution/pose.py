"""Poses the problem: which variables a Kubernetes version has, what they may be, and what must hold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from kubewright import versions
from kubewright.errors import RequestError
from kubewright.models.catalog import MinorFacts
from kubewright.models.components import ComponentSource
from kubewright.models.lock import Request, Runtime, Wish
from kubewright.resolution.facts import Facts, Ruling, facts_of, parse, rule
from kubewright.resolution.packages import candidates
from kubewright.resolution.problem import Constraint, Problem, Span, Value, Variable, inside

FAMILIES: tuple[Runtime, ...] = ("containerd", "docker")
"""The components that distributions bring packages of, and that a node needs one of."""

DOCKER = ("docker", "cri-dockerd")
"""The one is what the other is for; from Kubernetes 1.24 on Docker needs it too."""


@dataclass(frozen=True)
class Case:
    """A Kubernetes version, the runtime of its nodes, the statements in force, and the problem that they make."""

    kubernetes: str
    runtime: Runtime
    rulings: Mapping[str, Ruling]
    problem: Problem

    def speaks_of(self, asked: Request) -> bool:
        """Whether something is stated about all that was asked for by name; else any version of it would do."""
        return all(self.rulings[one.component].minor or self.rulings[one.component].free for one in asked.wanted)


def pose(kubernetes: str, facts: Facts, asked: Request) -> Case:
    """The case of a Kubernetes version. Raises RequestError for one that is not to be had, or has no runtime."""
    minor = facts_of(kubernetes, facts.catalog)
    rulings = dict(_rulings(kubernetes, minor, facts, asked))
    runtime = _runtime(kubernetes, minor, rulings, asked)
    own = versions.minor(kubernetes) in facts.packaged
    variables = [Variable(name, _domain(facts.components.components[name], one)) for name, one in rulings.items()]
    for distribution in asked.distributions:
        for family in (one for one in FAMILIES if one in rulings):
            variables.append(_packages(distribution, family, facts, own=own, needed=family == runtime))
    constraints: list[Constraint] = []
    for name, one in rulings.items():
        constraints += _avoided(name, facts.components.components[name])
        sources = facts.catalog[one.minor].sources if one.minor else {}
        constraints += one.constraints(sources, asked.wants(name))
    return Case(
        kubernetes, runtime, rulings, Problem(tuple(variables), (*constraints, *_wishes(asked), *_relations(facts)))
    )


def _rulings(kubernetes: str, minor: MinorFacts, facts: Facts, asked: Request) -> Iterator[tuple[str, Ruling]]:
    """Every component that goes into the release, by name: what is stated, asked for, or Kubernetes has no say in."""
    left_out = {*asked.without, *(DOCKER if "docker" in asked.without else ())}
    if minor.dockershim and not asked.wants("cri-dockerd"):
        left_out.add("cri-dockerd")
    for name, source in sorted(facts.components.components.items()):
        if name == "kubernetes" or name in left_out:
            continue
        if source.free:
            yield name, Ruling(name, free=True)
            continue
        external = name == "etcd" and asked.etcd == "external"
        found = rule(name, kubernetes, facts.catalog, external=external)
        if found.minor or asked.wants(name):
            yield name, found


def _runtime(kubernetes: str, minor: MinorFacts, rulings: Mapping[str, Ruling], asked: Request) -> Runtime:
    """What was asked for; else containerd, and Docker as long as kubelet spoke to it itself."""
    there = [family for family in FAMILIES if family in rulings]
    if not there:
        known = " and ".join(FAMILIES)
        raise RequestError(
            f"--without {','.join(asked.without)}: Kubernetes {versions.minor(kubernetes)} has no other runtime then, "
            f"of {known}, and a node needs one; leave the option out"
        )
    wanted = [family for family in there if asked.wants(family)]
    if len(wanted) == 1:
        return wanted[0]
    return "docker" if minor.dockershim and "docker" in there else there[0]


def _domain(source: ComponentSource, ruling: Ruling) -> tuple[Value, ...]:
    """The known versions: what Kubernetes deploys, then by line, the best first, and newest first in each."""
    known = tuple(one.version for one in source.known)
    exact = ruling.exact.value if ruling.exact else ""

    def place(version: str) -> tuple[bool, int]:
        lines = (number for number, line in enumerate(ruling.lines) if inside(version, line.range))
        return version != exact, next(lines, len(ruling.lines))

    there = _newest_first(known if exact in known or not exact else (*known, exact))
    usable = [version for version in there if version == exact or versions.is_final(version)]
    return tuple(Value(version) for version in sorted(usable, key=place))


@cache
def _newest_first(known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(known, key=parse, reverse=True))


def _packages(distribution: str, family: Runtime, facts: Facts, *, own: bool, needed: bool) -> Variable:
    """What a distribution may take; our own package last, and nothing at all for a runtime that it need not have."""
    theirs = candidates(distribution, family, facts.distributions)
    values = [Value(one.upstream, one) for one in theirs]
    if own:
        values.append(Value(like=family))
    if not needed:
        values.append(Value())
    return Variable(f"{family}@{distribution}", tuple(values))


def _avoided(name: str, source: ComponentSource) -> Iterator[Constraint]:
    for one in source.known:
        if one.avoid:
            needs = Span(name, f"!={one.version}")
            yield Constraint(
                needs, f"recipes/components.toml: components.{name}.known", f"not {one.version}: {one.avoid}"
            )


def _relations(facts: Facts) -> Iterator[Constraint]:
    sources = facts.relations.sources
    for number, one in enumerate(facts.relations.relations):
        place = f"recipes/relations.toml: relations[{number}]"
        reason = f"{one.when.component} {one.when.range} needs {one.needs.component} {one.needs.range}: {one.reason}"
        needs, when = (Span(part.component, part.range) for part in (one.needs, one.when))
        yield Constraint(needs, place, reason, sources.get(one.source, one.source), when=when)


def _wishes(asked: Request) -> Iterator[Constraint]:
    for one in asked.wanted:
        if one.range != "*":
            yield Constraint(Span(one.component, one.range), option(one), "asked for", asked=True)


def option(wish: Wish) -> str:
    """A wish as it is typed: `--with docker=20.10`."""
    text = wish.component + wish.range.removeprefix("*")
    return f"--with {text}" if text.replace("=", "").replace("-", "").replace(".", "").isalnum() else f"--with '{text}'"
