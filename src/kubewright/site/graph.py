"""The upgrade graph of a site: the steps that releases allow into what the channels offer now."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import semver

from kubewright import versions
from kubewright.models.site import IndexedRelease
from kubewright.models.upgrades import Conditional, Graph, Node, Risk, etcd_downgrade
from kubewright.versions import Range

METADATA = "io.kubewright"
"""What the keys of a node's metadata begin with."""


class Step(NamedTuple):
    """From one release to another, and why it should be taken only by who asks for it."""

    source: IndexedRelease
    target: IndexedRelease
    risks: tuple[Risk, ...]


LOWEST = (semver.Version(0), 0)
"""Before every release."""


def rank(kubernetes: str, name: str) -> tuple[semver.Version, int]:
    """Releases in their order: by version, then by revision."""
    return versions.parse(kubernetes), int(name.rpartition("-")[2])


def ordered(releases: Iterable[IndexedRelease]) -> list[IndexedRelease]:
    """Releases, oldest first."""
    return sorted(releases, key=lambda release: rank(release.kubernetes, release.name))


def steps(releases: Iterable[IndexedRelease]) -> tuple[Step, ...]:
    """Every upgrade to what a channel offers now, the oldest target first.

    Nobody is led to a release that is superseded, yanked or in no channel: it can only be left. So
    the graph grows with the releases, not with their pairs.
    """
    rising = ordered(releases)
    found: list[Step] = []
    for place, target in enumerate(rising):
        if not target.channels or target.status != "current":
            continue
        allowed = [Range.parse(text) for text in target.upgrade_ranges]
        fitting: dict[str, bool] = {}
        for source in rising[:place]:
            version = source.kubernetes
            if version not in fitting:
                fitting[version] = any(version in given for given in allowed)
            if fitting[version]:
                risks = _of_kubernetes(source, target) + _of_etcd(source.etcd, target.etcd)
                found.append(Step(source, target, risks))
    return tuple(found)


def _of_kubernetes(source: IndexedRelease, target: IndexedRelease) -> tuple[Risk, ...]:
    """Another revision of the same version brings no new risk."""
    if source.kubernetes == target.kubernetes:
        return ()
    found = []
    if target.avoid:
        found.append(
            ("AvoidedRelease", f"Kubernetes {target.kubernetes} is to be avoided: {target.avoid}.")
        )
    if versions.is_final(source.kubernetes) and not versions.is_final(target.kubernetes):
        found.append(
            (
                "PreRelease",
                f"Kubernetes {target.kubernetes} is a pre-release, {source.kubernetes} is final.",
            )
        )
    url = f"https://github.com/kubernetes/kubernetes/releases/tag/v{target.kubernetes}"
    return tuple(Risk(url=url, name=name, message=message) for name, message in found)


def _of_etcd(before: str | None, after: str | None) -> tuple[Risk, ...]:
    """The newer release may have been made when an older etcd was the one to take."""
    why = etcd_downgrade(before, after)
    url = "https://etcd.io/docs/v3.6/downgrades/"
    return (Risk(url=url, name="EtcdDowngrade", message=f"{why}."),) if why else ()


def upgrades_from(found: Sequence[Step]) -> dict[str, tuple[str, ...]]:
    """By release, the names of those that may be upgraded to it without a risk, newest first."""
    sources: dict[str, list[str]] = {}
    for source, target, why in found:
        if not why:
            sources.setdefault(target.name, []).append(source.name)
    return {name: tuple(reversed(names)) for name, names in sources.items()}


def document(releases: Sequence[IndexedRelease], found: Sequence[Step]) -> Graph:
    """`releases/graph.json` for the releases of an index and the steps between them."""
    rising = ordered(releases)
    places = {release.name: place for place, release in enumerate(rising)}
    safe: list[tuple[int, int]] = []
    risky: dict[tuple[Risk, ...], list[dict[str, str]]] = {}
    for source, target, why in found:
        if why:
            risky.setdefault(why, []).append({"from": source.name, "to": target.name})
        else:
            safe.append((places[source.name], places[target.name]))
    return Graph(
        nodes=tuple(_node(release) for release in rising),
        edges=tuple(sorted(safe)),
        conditionalEdges=tuple(
            Conditional.model_validate({"edges": edges, "risks": why})
            for why, edges in risky.items()
        ),
    )


def _node(release: IndexedRelease) -> Node:
    metadata = {
        "kubernetes": release.kubernetes,
        "channels": ",".join(release.channels),
        "status": release.status,
        **({"end_of_life": release.end_of_life} if release.end_of_life else {}),
        **({"reason": release.reason} if release.reason else {}),
    }
    return Node(
        version=release.name,
        payload=f"{release.manifest_url}@sha256:{release.manifest_sha256}",
        metadata={f"{METADATA}.{key}": value for key, value in metadata.items()},
    )
