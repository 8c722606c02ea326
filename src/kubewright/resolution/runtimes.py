"""Says for each distribution which of its packages carry a container runtime that fits, and how to
depend on them.
"""

from collections.abc import Collection, Sequence

from kubewright.models.distros import Distributions
from kubewright.models.lock import Component, DistributionRuntime
from kubewright.resolution.packages import Candidate, candidates, depends, fits, pin


def runtimes(
    chosen: Sequence[Component], distributions: Distributions, picked: Collection[Candidate] = ()
) -> tuple[DistributionRuntime, ...]:
    """One line per distribution and package, in the order of `recipes/distros.toml`.

    Of a package's several versions it is the picked one, else the newest that fits, else the
    newest.
    """
    components = {component.name: component for component in chosen}
    lines: list[DistributionRuntime] = []
    for distribution, facts in distributions.distributions.items():
        for family in dict.fromkeys(package.family for package in facts.packages):
            if family in components:
                offered = candidates(distribution, family, distributions)
                lines += _lines(offered, components[family], picked)
    return tuple(lines)


def _lines(
    offered: Sequence[Candidate], component: Component, picked: Collection[Candidate]
) -> list[DistributionRuntime]:
    """The lines of one component in one distribution."""
    versions: dict[str, list[Candidate]] = {}
    for candidate in offered:
        versions.setdefault(candidate.package, []).append(candidate)
    best = [_best(several, component, picked) for several in versions.values()]
    fitting = [candidate for candidate in best if fits(candidate, component.range)]
    return [_line(one, versions[one.package][0], fitting, component) for one in best]


def _best(
    several: Sequence[Candidate], component: Component, picked: Collection[Candidate]
) -> Candidate:
    """Of one package's versions, newest first."""
    wanted = [one for one in several if one in picked] or [
        one for one in several if fits(one, component.range)
    ]
    return (wanted or several)[0]


def _line(
    candidate: Candidate, newest: Candidate, fitting: Sequence[Candidate], component: Component
) -> DistributionRuntime:
    """A pin is needed where the package manager would take a newer version, which does not fit."""
    allowed = component.range
    fit = fits(candidate, allowed)
    others = [other for other in fitting if other != candidate]
    return DistributionRuntime(
        distribution=candidate.distribution, family=candidate.family, package=candidate.package,
        version=candidate.version, fits=fit, repository=candidate.repository,
        reason=f"{candidate.upstream} {'is in' if fit else 'is not in'} {allowed}",
        depends=depends(candidate, allowed, others) if fit else "",
        pin=pin(candidate, allowed) if fit and not fits(newest, allowed) else "",
    )  # fmt: skip
