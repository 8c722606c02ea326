"""Checks the upgrade graph and the index against what the manifests declare."""

from kubewright.errors import VerificationFailed
from kubewright.models.document import REMEDY
from kubewright.models.manifest import Manifest
from kubewright.models.site import Index, IndexedRelease
from kubewright.models.upgrades import Graph
from kubewright.site import graph, layout
from kubewright.site import index as indexing
from kubewright.verification.walk import Walk


def check(walk: Walk, index: Index) -> None:
    """The graph that the index names: signed, and what the index says."""
    with walk.tally.check(layout.GRAPH):
        if index.graph_sha256 is None:
            raise VerificationFailed(layout.INDEX, "names no upgrade graph", REMEDY)
        copy = layout.graph_copy(index.graph_sha256)
        problem = f"names {index.graph_url} for the upgrade graph, not {copy}; {REMEDY}"
        walk.tally.require(layout.INDEX, index.graph_url == copy, problem)
        found = walk.document(Graph, copy, index.graph_sha256)
        if found is not None:
            _content(walk, found, index)


def _content(walk: Walk, found: Graph, index: Index) -> None:
    steps = graph.steps(index.releases)
    same = found == graph.document(index.releases, steps)
    walk.tally.require(layout.GRAPH, same, f"does not say what the index does; {REMEDY}")
    sources = graph.upgrades_from(steps)
    wrong = [
        release.name
        for release in index.releases
        if release.upgrades_from != sources.get(release.name, ())
    ]
    problem = f"says other upgrades of {', '.join(wrong)} than its ranges; {REMEDY}"
    walk.tally.require(layout.INDEX, not wrong, problem)


def declared(walk: Walk, release: IndexedRelease, manifest: Manifest) -> None:
    """What the index remembers of a release is what its manifest says."""
    says = indexing.declared(manifest)
    same = (release.upgrade_ranges, release.etcd) == (says.upgrade_ranges, says.etcd)
    problem = f"remembers other upgrades of {release.name} than its manifest; {REMEDY}"
    walk.tally.require(layout.INDEX, same, problem)
    if release.components:  # an earlier kubewright did not remember them
        same = release.components == says.components
        problem = f"remembers other components of {release.name} than its manifest"
        walk.tally.require(layout.INDEX, same, f"{problem}; {REMEDY}")
