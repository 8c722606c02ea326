"""Checks the upgrade graph: signed, the one that the index names, and what the manifests
declare.
"""

from collections.abc import Mapping

from kubewright import files
from kubewright.errors import VerificationFailed
from kubewright.models.manifest import Manifest
from kubewright.models.site import Index
from kubewright.models.upgrades import Graph
from kubewright.site import graph, layout
from kubewright.verification.walk import Walk


def check(walk: Walk, index: Index, manifests: Mapping[str, Manifest]) -> None:
    """The graph of a site whose manifests, all of them or not, could be read."""
    with walk.tally.check(layout.GRAPH):
        if index.graph_sha256 is None:
            raise VerificationFailed(f"{layout.INDEX}: names no upgrade graph; publish again")
        data = walk.must(layout.GRAPH)
        right = files.sha256(data) == index.graph_sha256
        walk.tally.require(
            layout.GRAPH, right, f"its SHA-256 is not the one in {layout.INDEX}; publish again"
        )
        _copy(walk, index.graph_url, layout.graph_copy(index.graph_sha256), index.graph_sha256)
        if len(manifests) == len(index.releases):
            _content(walk, Graph.from_bytes(data), index, manifests)


def _copy(walk: Walk, named: str | None, place: str, digest: str) -> None:
    """The immutable copy, which is what both keys sign."""
    walk.tally.require(
        layout.INDEX,
        named == place,
        f"names {named} for the upgrade graph, not {place}; publish again",
    )
    data = walk.there(place)
    if data is not None:
        walk.tally.require(
            place, files.sha256(data) == digest, "its SHA-256 is not the one in its name"
        )
        walk.openpgp(f"{place}.asc", data)
        walk.artifact(f"{place}.sig", data)


def _content(walk: Walk, found: Graph, index: Index, manifests: Mapping[str, Manifest]) -> None:
    steps = graph.steps(index.releases, graph.declared(manifests))
    same = found == graph.document(index.releases, steps)
    walk.tally.require(
        layout.GRAPH, same, "does not say what the index and the manifests do; publish again"
    )
    sources = graph.upgrades_from(steps)
    wrong = [one.name for one in index.releases if one.upgrades_from != sources.get(one.name, ())]
    problem = f"says other upgrades of {', '.join(wrong)} than the manifests; publish again"
    walk.tally.require(layout.INDEX, not wrong, problem)
