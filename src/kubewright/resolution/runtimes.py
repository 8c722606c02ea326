"""Says for each distribution which of its own packages carry a container runtime that fits."""

from collections.abc import Sequence

from kubewright import versions
from kubewright.models.distros import Distributions
from kubewright.models.lock import Component, DistributionRuntime


def runtimes(chosen: Sequence[Component], distributions: Distributions) -> tuple[DistributionRuntime, ...]:
    """One line per distribution and package, in the order of `recipes/distros.toml`."""
    components = {component.name: component for component in chosen}
    return tuple(
        _judge(name, package.family, package.name, package.version, package.upstream, components[package.family])
        for name, distribution in distributions.distributions.items()
        for package in distribution.packages
        if package.family in components
    )


def _judge(
    distribution: str, family: str, package: str, version: str, upstream: str, component: Component
) -> DistributionRuntime:
    fits = component.range == "*" or upstream in versions.Range.parse(component.range)
    verdict = "is in" if fits else "is not in"
    return DistributionRuntime(
        distribution=distribution, family=family, package=package, version=version, fits=fits,
        reason=f"{upstream} {verdict} {component.range}",
    )  # fmt: skip
