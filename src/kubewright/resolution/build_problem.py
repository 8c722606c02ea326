"""Poses the problem: which variables a Kubernetes version has, what they may be, and what must
hold.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from kubewright import versions
from kubewright.errors import RequestError
from kubewright.models.catalog import MinorFacts
from kubewright.models.components import ComponentSource
from kubewright.models.distros import OWN
from kubewright.models.lock import ResolveOptions, Runtime, Wanted
from kubewright.resolution.packages import candidates
from kubewright.resolution.problem import (
    Constraint,
    Key,
    Pairing,
    Problem,
    Value,
    Variable,
    VersionRange,
)
from kubewright.resolution.statements import Facts, InForce, facts_of, in_force

FAMILIES: tuple[Runtime, ...] = ("containerd", "docker")
"""The components that distributions bring packages of, and that a node needs one of."""

GOES_WITH = {"containerd": ("containerd",), "docker": ("docker", "cri-dockerd")}
"""What a node may do without, and all that then has no use."""


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
        wanted = [
            self.in_force[one.component] for one in asked.wanted if one.component in self.in_force
        ]
        return all(one.minor or one.free for one in wanted)

    def problem(self, facts: Facts, asked: ResolveOptions) -> Problem:
        """The problem that it makes of these components."""
        known = facts.components.components
        variables = [
            Variable(
                Key(name),
                (*_domain(known[name], one), *_brought(known[name], name, facts, asked)),
                has_prereleases(known[name]),
            )
            for name, one in self.in_force.items()
        ]
        for distribution in asked.distributions:
            for family in (one for one in FAMILIES if one in self.in_force):
                variables.append(
                    _packages(
                        distribution, self.in_force[family], facts, self.runtime, own=self.own
                    )
                )
        constraints: list[Constraint] = []
        for name, one in self.in_force.items():
            constraints += _avoided(name, known[name])
            sources = facts.catalog[one.minor].sources if one.minor else {}
            constraints += one.constraints(
                sources, asked.wants(name), packages=name not in _unbound(self.runtime)
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
        for number, one in enumerate(facts.relations.relations):
            place = f"recipes/relations.toml: relations[{number}]"
            source = sources.get(one.source, one.source)
            names = f"{one.when.component} {one.when.range} needs {one.needs.component} {one.needs.range}: {one.reason}"
            needs, when = (
                VersionRange(part.component, part.range) for part in (one.needs, one.when)
            )
            if when.component != "kubernetes":
                yield Constraint(needs, place, names, source, when=when)
            elif versions.inside(self.kubernetes, when.range):
                bound = needs.component not in _unbound(self.runtime)
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
        return _unbound(self.runtime)


def build_case(kubernetes: str, facts: Facts, asked: ResolveOptions) -> Case:
    """The case of a Kubernetes version. Raises RequestError for one that is not to be had, or has
    no runtime.
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


def _unbound(runtime: Runtime) -> tuple[Runtime, ...]:
    return ("containerd",) if runtime == "docker" else ()


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
    left_out = {useless for name in asked.without for useless in GOES_WITH[name]}
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
    there = [family for family in FAMILIES if family in in_force]
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


def _domain(source: ComponentSource, ruling: InForce) -> tuple[Value, ...]:
    """The known versions: what Kubernetes deploys, then by line, the best first, and newest first
    in each.

    Of etcd outside the cluster the minor comes first that Kubernetes itself deploys.
    """
    known = tuple(one.version for one in source.known)
    exact = ruling.exact.value if ruling.exact else ""

    def place(version: str) -> tuple[bool, bool, int]:
        lines = (
            number
            for number, line in enumerate(ruling.lines)
            if versions.inside(version, line.range)
        )
        beside = bool(ruling.deployed) and versions.minor(version) == versions.minor(
            ruling.deployed
        )
        return version != exact, not beside, next(lines, len(ruling.lines))

    there = _newest_first(known if exact in known or not exact else (*known, exact))
    usable = [version for version in there if version == exact or versions.is_final(version)]
    return tuple(Value(version) for version in sorted(usable, key=place))


def has_prereleases(source: ComponentSource) -> bool:
    """Whether some versions are only had with a Kubernetes that deploys just them."""
    return not all(versions.is_final(one.version) for one in source.known)


def _brought(
    source: ComponentSource, family: str, facts: Facts, asked: ResolveOptions
) -> Iterator[Value]:
    """The versions that only the distributions that were asked for bring, the last of all."""
    known = {one.version for one in source.known}
    there = {
        one.upstream
        for distribution in asked.distributions if family in FAMILIES
        for one in candidates(distribution, family, facts.distributions)
    }  # fmt: skip
    yield from map(Value, sorted(there - known, key=versions.order, reverse=True))


@cache
def _newest_first(known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(known, key=versions.order, reverse=True))


def _packages(
    distribution: str, ruling: InForce, facts: Facts, runtime: Runtime, *, own: bool
) -> Variable:
    """What a distribution may take: its own package, ours, a vendor's; or nothing, of what its
    nodes do not run.

    Of containerd that only Docker uses, nothing comes before what is not the distribution's own,
    and of a vendor's what Kubernetes' range holds comes first.
    """
    family = ruling.component
    key = Key(family, distribution)
    values = [
        Value(one.upstream, one) for one in candidates(distribution, family, facts.distributions)
    ]
    its_own = [one for one in values if one.package and one.package.repository == OWN]
    vendors = [one for one in values if one not in its_own]
    ours = [Value(follows=Key(family))] if own else []
    nothing = [] if family == runtime else [Value()]
    if family not in _unbound(runtime):
        return Variable(key, (*its_own, *ours, *vendors, *nothing))
    ranges = [one.needs.range for one in ruling.constraints({}, asked=False)]
    vendors.sort(
        key=lambda one: not all(versions.inside(one.version, allowed) for allowed in ranges)
    )
    return Variable(key, (*its_own, *nothing, *ours, *vendors))


def _avoided(name: str, source: ComponentSource) -> Iterator[Constraint]:
    for one in source.known:
        if one.avoid:
            needs = VersionRange(name, f"!={one.version}")
            yield Constraint(
                needs,
                f"recipes/components.toml: components.{name}.known",
                f"not {one.version}: {one.avoid}",
            )


def _pairs(facts: Facts) -> Iterator[Pairing]:
    sources = facts.distributions.sources
    for number, one in enumerate(facts.distributions.pairs):
        partners = tuple(VersionRange(name, allowed) for name, allowed in one.containerd.items())
        named = " or ".join(
            f"{name} {allowed}".removesuffix(" *") for name, allowed in one.containerd.items()
        )
        reason = (
            f"{one.docker} {one.range}".removesuffix(" *")
            + f" goes with {named} only: {one.reason}"
        )
        place = f"recipes/distros.toml: pairs[{number}]"
        yield Pairing(
            VersionRange(one.docker, one.range),
            partners,
            place,
            reason,
            sources.get(one.source, one.source),
        )


def _wishes(asked: ResolveOptions) -> Iterator[Constraint]:
    for one in asked.wanted:
        if one.range != "*":
            yield Constraint(
                VersionRange(one.component, one.range), option(one), "asked for", asked=True
            )


def option(wish: Wanted) -> str:
    """A wish as it is typed: `--with docker=20.10`."""
    text = wish.component + wish.range.removeprefix("*")
    return (
        f"--with {text}"
        if text.replace("=", "").replace("-", "").replace(".", "").isalnum()
        else f"--with '{text}'"
    )
