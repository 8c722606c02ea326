"""Renders what follows from a state and belongs to no channel: index, graph, schemas, pointers."""

from collections.abc import Mapping
from functools import cache

from kubewright import __version__, files, versions
from kubewright.files import canonical_json
from kubewright.models.document import Document
from kubewright.models.manifest import Manifest
from kubewright.models.minor import MinorReleases
from kubewright.models.node_check import NodeCheck
from kubewright.models.site import Channel, Index, State
from kubewright.models.upgrades import Graph
from kubewright.site import layout
from kubewright.site.objects import Kind, Object, pointer
from kubewright.site.repositories import Signer, signed_copy

DOCUMENTS: Mapping[str, type[Document]] = {
    "manifest": Manifest,
    "channel": Channel,
    "index": Index,
    "site": State,
    "graph": Graph,
    "minor": MinorReleases,
    "node-check": NodeCheck,
}
"""Every kind of document that a site has, and what its packages' kube-node-check prints."""


def newest_engine(state: State | None) -> str:
    """The newest version of kubewright that has published on a site, this one included."""
    return __version__ if state is None or not is_newer(state) else state.engine


def is_newer(state: State) -> bool:
    """Whether a newer kubewright than this one has published a state."""
    return versions.order(state.engine) > versions.order(__version__)


def schemas(state: State | None) -> dict[str, bytes]:
    """The JSON Schema of each kind of document, by where it lies.

    None where a newer kubewright has published its own, which say more.
    """
    if state is not None and is_newer(state):
        return {}
    return {layout.schema_path(name): _schema(model) for name, model in DOCUMENTS.items()}


@cache
def _schema(model: type[Document]) -> bytes:
    return canonical_json(model.json_schema())


def file_objects(
    documents: Mapping[str, bytes], finished: State | None, present: State | None
) -> list[Object]:
    """Those of pages, schemas and keys that are not surely there like this: by the last finished
    state, and by the present one, which may have been cut short.
    """
    before, now = (state.files if state else {} for state in (finished, present))
    found = []
    for path, data in documents.items():
        digest = files.sha256(data)
        if not before.get(path) == now.get(path) == digest:
            found.append(pointer(path, data, fresh=path not in before))
    return found


def index_objects(
    index: Index, data: bytes, graph: bytes, signer: Signer, finished: State | None
) -> list[Object]:
    """The index (`data`) and the graph that it names, with their copies, unless they are there."""
    digest = files.sha256(data)
    if finished is not None and finished.index.sha256 == digest:
        return []
    fresh = finished is None
    graph_copy = layout.graph_copy(files.sha256(graph))
    index_copy = layout.index_copy(index.sequence, digest)
    return [
        *signed_copy(graph_copy, graph, signer, index.issued),
        *signed_copy(index_copy, data, signer, index.issued),
        pointer(layout.GRAPH, graph, fresh=fresh),
        pointer(layout.INDEX, data, fresh=fresh),
    ]


def state_objects(
    state: State, data: bytes, word: bytes, signer: Signer, finished: State | None
) -> list[Object]:
    """A state (`data`) with its copy, and last the `word` that all is written: the pointer's."""
    copy = layout.state_copy(state.number, files.sha256(data))
    fresh = finished is None
    return [
        *signed_copy(copy, data, signer, state.issued),
        pointer(layout.STATE, data, fresh=fresh),
        pointer(layout.FINISHED, word, fresh=fresh),
    ]


def commit(word: bytes, *, first: bool) -> Object:
    """The pointer; `first` says that the site has none yet."""
    return Object(layout.TIMESTAMP, Kind.record, word, len(word), files.sha256(word), fresh=first)
