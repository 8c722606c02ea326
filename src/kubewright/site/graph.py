"""The upgrade graph of a site: the steps that the manifests declare, less those into what is not
offered.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import semver

from kubewright import versions
from kubewright.models.manifest import Manifest
from kubewright.models.site import IndexedRelease
from kubewright.models.upgrades import Conditional, Graph, Node, Risk, etcd_downgrade
from kubewright.versions import Range

METADATA = "io.kubewright"
"""What the keys of a node's metadata begin with."""


class Declared(NamedTuple):
    """What the manifest of a release says that decides the ways to it."""

    ranges: Sequence[str] = ()
    """Of Kubernetes versions from which it may be reached."""
    etcd: str | None = None
    """The version that its packages and kubeadm bring."""


class Step(NamedTuple):
    """From one release to another, and why it should be taken only by who asks for it."""

    source: IndexedRelease
    target: IndexedRelease
    risks: tuple[Risk, ...]


def declared(manifests: Mapping[str, Manifest]) -> dict[str, Declared]:
    """What the manifests of releases say of the way to them."""
    return {
        name: Declared(
            tuple(one.from_range for one in manifest.upgrades),
            manifest.components["etcd"].version if "etcd" in manifest.components else None,
        )
        for name, manifest in manifests.items()
    }


def rank(kubernetes: str, name: str) -> tuple[semver.Version, int]:
    """Releases in their order: by version, then by revision."""
    return versions.parse(kubernetes), int(name.rpartition("-")[2])


def steps(releases: Sequence[IndexedRelease], said: Mapping[str, Declared]) -> tuple[Step, ...]:
    """Every upgrade between releases, the oldest target first; `said` is what their manifests
    declare, by release.

    None leads to a release that is yanked or in no channel: it can only be left.
    """
    ordered = sorted(releases, key=lambda one: rank(one.kubernetes, one.name))
    found: list[Step] = []
    for place, target in enumerate(ordered):
        if target.channels and target.status != "yanked":
            there = said.get(target.name, Declared())
            allowed = [Range.parse(text) for text in there.ranges]
            near = {one.kubernetes for one in ordered[:place]}
            fitting = {version for version in near if any(version in one for one in allowed)}
            for source in ordered[:place]:
                if source.kubernetes in fitting:
                    why = _of_kubernetes(source, target) + _of_etcd(
                        said.get(source.name, Declared()).etcd, there.etcd
                    )
                    found.append(Step(source, target, why))
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
    sources: dict[str, tuple[str, ...]] = {}
    for source, target, why in found:
        if not why:
            sources[target.name] = (source.name, *sources.get(target.name, ()))
    return sources


def document(releases: Sequence[IndexedRelease], found: Sequence[Step]) -> Graph:
    """`releases/graph.json` for the releases of an index and the steps between them."""
    ordered = sorted(releases, key=lambda one: rank(one.kubernetes, one.name))
    places = {one.name: place for place, one in enumerate(ordered)}
    safe: list[tuple[int, int]] = []
    risky: dict[tuple[Risk, ...], list[dict[str, str]]] = {}
    for source, target, why in found:
        if why:
            risky.setdefault(why, []).append({"from": source.name, "to": target.name})
        else:
            safe.append((places[source.name], places[target.name]))
    return Graph(
        nodes=tuple(_node(one) for one in ordered),
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
    }
    return Node(
        version=release.name,
        payload=f"{release.manifest_url}@sha256:{release.manifest_sha256}",
        metadata={f"{METADATA}.{key}": value for key, value in metadata.items()},
    )
