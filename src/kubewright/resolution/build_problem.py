"""Builds the problem of a Kubernetes version: which variables it has, and what must hold."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from kubewright import versions
from kubewright.errors import RequestError
from kubewright.models.catalog import MinorFacts
from kubewright.models.components import ComponentSource
from kubewright.models.lock import Runtime
from kubewright.models.resolve_options import ResolveOptions, Wanted
from kubewright.resolution import domains
from kubewright.resolution.domains import FAMILIES, unbound
from kubewright.resolution.problem import (
    Constraint,
    Pairing,
    Problem,
    VersionRange,
)
from kubewright.resolution.statements import Facts, InForce, facts_of, in_force

GOES_WITH = {"containerd": ("containerd",), "docker": ("docker", "cri-dockerd")}
"""What a node may do without, and all that then has no use."""


def spared_as(name: str) -> str:
    """What to do without in place of a component: docker, where cri-dockerd is not to be had."""
    return next((whole for whole, parts in GOES_WITH.items() if name in parts), name)


@dataclass(frozen=True)
class Statements:
    """What is stated of some components at a Kubernetes version."""

    kubernetes: str
    runtime: Runtime
    own: bool
    """Whether packages of our own are made for its minor."""
    in_force: Mapping[str, InForce]

    def speaks_of(self, asked: ResolveOptions) -> bool:
        """Whether something is stated about all of them that were asked for by name; else any
        version would do.
        """
        stated = [
            self.in_force[wanted.component]
            for wanted in asked.wanted
            if wanted.component in self.in_force
        ]
        return all(each.minor or each.free for each in stated)

    def problem(self, facts: Facts, asked: ResolveOptions) -> Problem:
        """The problem that it makes of these components."""
        known = facts.components.components
        variables = [
            domains.release(known[name], stated, facts, asked)
            for name, stated in self.in_force.items()
        ]
        for distribution in asked.distributions:
            for family in FAMILIES:
                if family in self.in_force:
                    stated = self.in_force[family]
                    variables.append(
                        domains.packages(distribution, stated, facts, self.runtime, own=self.own)
                    )
        constraints: list[Constraint] = []
        for name, stated in self.in_force.items():
            constraints += _avoided(name, known[name])
            sources = facts.catalog[stated.minor].sources if stated.minor else {}
            constraints += stated.constraints(
                sources, asked.wants(name), packages=name not in unbound(self.runtime)
            )
        pairs = _pairs(facts) if asked.distributions else ()
        return Problem(
            tuple(variables), (*constraints, *_wishes(asked), *self._relations(facts), *pairs)
        )

    def _relations(self, facts: Facts) -> Iterator[Constraint]:
        """Those between components, and those of this Kubernetes version to one, which bind it
        alone.
        """
        sources = facts.relations.sources
        for number, relation in enumerate(facts.relations.relations):
            place = f"recipes/relations.toml: relations[{number}]"
            source = sources.get(relation.source, relation.source)
            names = (
                f"{relation.when.component} {relation.when.range} "
                f"needs {relation.needs.component} {relation.needs.range}: {relation.reason}"
            )
            needs, when = (
                VersionRange(part.component, part.range) for part in (relation.needs, relation.when)
            )
            if when.component != "kubernetes":
                yield Constraint(needs, place, names, source, when=when)
            elif versions.inside(self.kubernetes, when.range):
                bound = needs.component not in unbound(self.runtime)
                yield Constraint(
                    needs, place, names, source, packages=bound, kubernetes_specific=True
                )


@dataclass(frozen=True)
class Case:
    """A Kubernetes version, the runtime of its nodes, the statements in force, and the problem that
    they make.
    """

    kubernetes: str
    runtime: Runtime
    in_force: Mapping[str, InForce]
    problem: Problem
    speaks: bool
    """Whether something is stated about all that was asked for by name."""

    @property
    def unbound(self) -> tuple[Runtime, ...]:
        """The components whose packages Kubernetes does not bind: containerd where only Docker uses
        it.
        """
        return unbound(self.runtime)


def build_case(kubernetes: str, facts: Facts, asked: ResolveOptions) -> Case:
    """The case of a Kubernetes version. Raises RequestError for one that was never released, or
    has no runtime.
    """
    found = statements_of(kubernetes, facts, asked, facts.components.components)
    return Case(
        kubernetes,
        found.runtime,
        found.in_force,
        found.problem(facts, asked),
        found.speaks_of(asked),
    )


def statements_of(
    kubernetes: str, facts: Facts, asked: ResolveOptions, components: Collection[str]
) -> Statements:
    """What is stated of some components; those of `FAMILIES` have to be among them where packages
    are to be chosen.

    Raises what `pose` does.
    """
    minor = facts_of(kubernetes, facts.catalog)
    in_force = dict(_in_force(kubernetes, minor, facts, asked, components))
    known = set(FAMILIES).issubset(components)
    runtime = _runtime(kubernetes, minor, in_force, asked) if known else FAMILIES[0]
    return Statements(kubernetes, runtime, minor.minor in facts.packaged, in_force)


def _in_force(
    kubernetes: str,
    minor: MinorFacts,
    facts: Facts,
    asked: ResolveOptions,
    components: Collection[str],
) -> Iterator[tuple[str, InForce]]:
    """Of these, every one that goes into the release, by name: it is stated, asked for, or
    Kubernetes has no say.
    """
    left_out: set[str] = set()
    for name in asked.without:
        left_out.update(GOES_WITH[name])
    if minor.dockershim and not asked.wants("cri-dockerd"):
        left_out.add("cri-dockerd")
    for name, source in sorted(facts.components.components.items()):
        if name == "kubernetes" or name in left_out or name not in components:
            continue
        if source.free:
            yield name, InForce(name, free=True)
            continue
        external = name == "etcd" and asked.etcd == "external"
        found = in_force(name, kubernetes, facts.catalog, external=external)
        if found.minor or asked.wants(name):
            yield name, found


def _runtime(
    kubernetes: str, minor: MinorFacts, in_force: Mapping[str, InForce], asked: ResolveOptions
) -> Runtime:
    """What was asked for; else containerd, and Docker as long as kubelet spoke to it itself."""
    possible = [family for family in FAMILIES if family in in_force]
    if not possible:
        known = " and ".join(FAMILIES)
        raise RequestError(
            f"--without {','.join(asked.without)}",
            f"Kubernetes {versions.minor(kubernetes)} has no other runtime then, "
            f"of {known}, and a node needs one",
            "leave the option out",
        )
    wanted = [family for family in possible if asked.wants(family)]
    if len(wanted) == 1:
        return wanted[0]
    return "docker" if minor.dockershim and "docker" in possible else possible[0]


def _avoided(name: str, source: ComponentSource) -> Iterator[Constraint]:
    for entry in source.known:
        if entry.avoid:
            needs = VersionRange(name, f"!={entry.version}")
            yield Constraint(
                needs,
                f"recipes/components.toml: components.{name}.known",
                f"not {entry.version}: {entry.avoid}",
            )


def _pairs(facts: Facts) -> Iterator[Pairing]:
    sources = facts.distributions.sources
    for number, pair in enumerate(facts.distributions.pairs):
        partners = tuple(VersionRange(name, allowed) for name, allowed in pair.containerd.items())
        named = " or ".join(
            f"{name} {allowed}".removesuffix(" *") for name, allowed in pair.containerd.items()
        )
        reason = (
            f"{pair.docker} {pair.range}".removesuffix(" *")
            + f" goes with {named} only: {pair.reason}"
        )
        place = f"recipes/distros.toml: pairs[{number}]"
        yield Pairing(
            VersionRange(pair.docker, pair.range),
            partners,
            place,
            reason,
            sources.get(pair.source, pair.source),
        )


def _wishes(asked: ResolveOptions) -> Iterator[Constraint]:
    for wanted in asked.wanted:
        if wanted.range != "*":
            yield Constraint(
                VersionRange(wanted.component, wanted.range),
                option(wanted),
                "asked for",
                asked=True,
            )


def option(wish: Wanted) -> str:
    """A wish as it is typed: `--with docker=20.10`."""
    text = wish.component + wish.range.removeprefix("*")
    return (
        f"--with {text}"
        if text.replace("=", "").replace("-", "").replace(".", "").isalnum()
        else f"--with '{text}'"
    )
