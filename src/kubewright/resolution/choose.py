"""Chooses the version of every component that fits a Kubernetes version, from the catalog alone."""

from collections.abc import Mapping
from datetime import UTC, datetime

from kubewright import versions
from kubewright.errors import RequestError
from kubewright.models.base import Evidence
from kubewright.models.catalog import ComponentFacts, MinorFacts, Stated, Status
from kubewright.models.components import Components, ComponentSource
from kubewright.models.lock import Component
from kubewright.resolution.request import unknown_minor


def choose(kubernetes: str, catalog: Mapping[str, MinorFacts], components: Components) -> tuple[Component, ...]:
    """Every component of the release, Kubernetes first, the others by name.

    Raises RequestError for a minor outside the catalog, a skipped patch, or a range that no known version is in.
    """
    minor = versions.minor(kubernetes)
    if minor not in catalog:
        raise unknown_minor(minor, catalog)
    facts = catalog[minor]
    skipped = {patch.version: patch.note for patch in facts.patches if patch.skipped}
    if kubernetes in skipped:
        raise RequestError(
            f"v{kubernetes}: upstream never released this patch ({skipped[kubernetes]}); ask for another"
        )
    first = Component(
        name="kubernetes",
        version=kubernetes,
        range=f"={kubernetes}",
        status="validated",
        reason="the release itself",
        evidence=(Evidence(source=facts.source),),
        epoch=_kubernetes_epoch(kubernetes, facts),
    )
    rest = (
        _component(name, source, kubernetes, catalog, components.default_date)
        for name, source in sorted(components.components.items())
        if name != "kubernetes"
    )
    return (first, *rest)


def epoch(day: str) -> int:
    """Midnight UTC of a `YYYY-MM-DD` day, in epoch seconds."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def _kubernetes_epoch(kubernetes: str, facts: MinorFacts) -> int:
    """The patch's date, else the minor's (design: two clocks)."""
    dates = {patch.version: patch.date for patch in facts.patches}
    return epoch(dates.get(kubernetes) or facts.released)


def _component(
    name: str, source: ComponentSource, kubernetes: str, catalog: Mapping[str, MinorFacts], default_date: str
) -> Component:
    minor = versions.minor(kubernetes)
    stated_in, facts = _nearest(name, minor, catalog)
    version, allowed, status, reason, evidence = _pick(name, source, facts, kubernetes, stated_in)
    if stated_in not in (None, minor):
        status = "unknown"
        reason = f"nothing is stated for {minor}; carried forward from {stated_in}: {reason}"
    dates = {known.version: known.date for known in source.known}
    return Component(
        name=name, version=version, range=allowed, status=status, reason=reason, evidence=evidence,
        epoch=epoch(dates.get(version) or default_date),
    )  # fmt: skip


def _nearest(name: str, minor: str, catalog: Mapping[str, MinorFacts]) -> tuple[str | None, ComponentFacts]:
    """The newest minor not above `minor` that states anything about a component."""
    for candidate in reversed(list(catalog)):
        if versions.parse(candidate) <= versions.parse(minor) and name in catalog[candidate].components:
            return candidate, catalog[candidate].components[name]
    return None, ComponentFacts()


def _pick(
    name: str, source: ComponentSource, facts: ComponentFacts, kubernetes: str, stated_in: str | None
) -> tuple[str, str, Status, str, tuple[Evidence, ...]]:
    """Exact beats validated lines, lines beat bounds, bounds beat nothing."""
    bounds = [versions.Range.parse(bound.range) for bound in facts.bounds]
    evidence = tuple(bound.evidence for bound in facts.bounds)
    exact = _exact(facts.exact, kubernetes)
    if exact is not None:
        reason = f"what Kubernetes {stated_in} pins or deploys"
        return exact.value, f"={exact.value}", exact.status, reason, (exact.evidence,)
    place = f"recipes/catalog/{stated_in}.toml: components.{name}"
    if facts.lines:
        allowed = " || ".join(line.range for line in facts.lines)
        for line in facts.lines:
            found = _newest(source, [versions.Range.parse(line.range), *bounds])
            if found:
                return found, allowed, "validated", f"newest known in {line.range}", (line.evidence, *evidence)
        raise _unmet(place, name, allowed, source)
    allowed = ",".join(bound.range for bound in facts.bounds)
    found = _newest(source, bounds)
    if found is None:
        raise _unmet(place, name, allowed or "*", source)
    if facts.bounds:
        return found, allowed, "supported", f"newest known that meets {allowed}", evidence
    return found, "*", "unknown", "Kubernetes states nothing about it; the newest known", ()


def _exact(stated: tuple[Stated, ...], kubernetes: str) -> Stated | None:
    """The last statement that is in force at a patch; a pre-release counts as its own final version."""
    patch = versions.parse(kubernetes).replace(prerelease=None)
    in_force = [one for one in stated if one.since is None or versions.parse(one.since) <= patch]
    return max(in_force, key=lambda one: versions.parse(one.since or "0"), default=None)


def _newest(source: ComponentSource, ranges: list[versions.Range]) -> str | None:
    return versions.newest(
        [
            known.version
            for known in source.known
            if not known.avoid and versions.is_final(known.version) and all(known.version in one for one in ranges)
        ]
    )


def _unmet(place: str, name: str, allowed: str, source: ComponentSource) -> RequestError:
    known = ", ".join(one.version + (" (to be avoided)" if one.avoid else "") for one in source.known) or "none"
    return RequestError(
        f"{place}: no known {name} is in {allowed}; known are {known}. "
        f"Add a version to recipes/components.toml or correct the range"
    )
