"""What a variable may be, best first: versions of a component, or packages that bring it."""

from collections.abc import Iterator
from functools import cache

from kubewright import versions
from kubewright.models.components import ComponentSource
from kubewright.models.distros import OWN
from kubewright.models.lock import Runtime
from kubewright.models.resolve_options import ResolveOptions
from kubewright.resolution.packages import candidates
from kubewright.resolution.problem import Key, Value, Variable
from kubewright.resolution.statements import Facts, InForce

FAMILIES: tuple[Runtime, ...] = ("containerd", "docker")
"""The components that distributions bring packages of, and that a node needs one of."""


def unbound(runtime: Runtime) -> tuple[Runtime, ...]:
    """The components whose packages Kubernetes does not bind: containerd where only Docker uses
    it.
    """
    return ("containerd",) if runtime == "docker" else ()


def release(
    source: ComponentSource, stated: InForce, facts: Facts, asked: ResolveOptions
) -> Variable:
    """What a release may have of a component: the known versions, then those that only packages of
    the distributions that were asked for bring.
    """
    name = stated.component
    known = (*_known(source, stated), *_brought(source, name, facts, asked))
    return Variable(Key(name), known, has_prereleases(source))


def _known(source: ComponentSource, stated: InForce) -> tuple[Value, ...]:
    """The known versions: what Kubernetes deploys, then by line, the best first, and newest first
    in each.

    Of etcd outside the cluster the minor comes first that Kubernetes itself deploys.
    """
    known = tuple(entry.version for entry in source.known)
    exact = stated.exact.value if stated.exact else ""
    deployed = versions.minor(stated.deployed) if stated.deployed else ""

    def rank(version: str) -> tuple[bool, bool, int]:
        lines = [
            number
            for number, line in enumerate(stated.lines)
            if versions.inside(version, line.range)
        ]
        return (
            version != exact,
            versions.minor(version) != deployed,
            min([*lines, len(stated.lines)]),
        )

    every = _newest_first(known if exact in known or not exact else (*known, exact))
    usable = [version for version in every if version == exact or versions.is_final(version)]
    return tuple(Value(version) for version in sorted(usable, key=rank))


def has_prereleases(source: ComponentSource) -> bool:
    """Whether some versions go only with a Kubernetes that deploys just them."""
    return not all(versions.is_final(one.version) for one in source.known)


def _brought(
    source: ComponentSource, family: str, facts: Facts, asked: ResolveOptions
) -> Iterator[Value]:
    """The versions that only the distributions that were asked for bring, the last of all."""
    if family not in FAMILIES:
        return
    brought: set[str] = set()
    for distribution in asked.distributions:
        packages = candidates(distribution, family, facts.distributions)
        brought |= {package.upstream for package in packages}
    brought -= {known.version for known in source.known}
    yield from map(Value, sorted(brought, key=versions.order, reverse=True))


@cache
def _newest_first(known: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(known, key=versions.order, reverse=True))


def packages(
    distribution: str, stated: InForce, facts: Facts, runtime: Runtime, *, own: bool
) -> Variable:
    """What a distribution may take: its own package, ours, a vendor's; or nothing, of what its
    nodes do not run.

    Of containerd that only Docker uses, nothing comes before what is not the distribution's own,
    and of a vendor's what Kubernetes' range holds comes first.
    """
    family = stated.component
    key = Key(family, distribution)
    values = [
        Value(one.upstream, one) for one in candidates(distribution, family, facts.distributions)
    ]
    its_own = [one for one in values if one.package and one.package.repository == OWN]
    vendors = [one for one in values if one not in its_own]
    ours = [Value(follows=Key(family))] if own else []
    nothing = [] if family == runtime else [Value()]
    if family not in unbound(runtime):
        return Variable(key, (*its_own, *ours, *vendors, *nothing))
    ranges = [one.needs.range for one in stated.constraints({}, asked=False)]
    vendors.sort(
        key=lambda one: not all(versions.inside(one.version, allowed) for allowed in ranges)
    )
    return Variable(key, (*its_own, *nothing, *ours, *vendors))
