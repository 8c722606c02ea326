"""Upgrades: the hops of a path for people, and `releases/graph.json` for programs.

The graph's shape is Cincinnati's, so that its readers need no new parser: openshift/cincinnati
policy-engine/src/openapiv3.json and docs/design/cincinnati.md @ 49c914f8.
"""

from typing import Literal

from pydantic import Field

from kubewright import versions
from kubewright.models.base import Model, Version
from kubewright.models.document import Document
from kubewright.models.lock import Runtime


class Change(Model):
    """What a hop changes beside Kubernetes; an absent version means that the release has none."""

    component: str = Field(description="as recipes call it")
    before: Version | None = Field(None, description="absent: there was none")
    after: Version | None = Field(None, description="absent: there is none")


class Moved(Model):
    """Another runtime on the nodes."""

    before: Runtime = Field(description="what ran containers")
    after: Runtime = Field(description="what runs them")


class Hop(Model):
    """One step of an upgrade."""

    from_version: Version = Field(alias="from", description="where it begins, of Kubernetes")
    to: Version = Field(description="where it ends")
    skew: str = Field(description="the rule that allows it")
    reason: str = Field(description="why it leads to this patch")
    kubelets: str = Field(description="range of the kubelets that may stay in the cluster after it")
    components: tuple[Change, ...] = Field((), description="what changes beside Kubernetes")
    runtime: Moved | None = Field(
        None, description="what runs a node's containers, where that changes"
    )


def etcd_downgrade(before: str | None, after: str | None) -> str:
    """Why not to go from one version of etcd to another; empty: it is not older, or one of the two
    is not there.
    """
    if before is None or after is None or versions.order(after) >= versions.order(before):
        return ""
    if versions.minor(after) == versions.minor(before):
        why = "which etcd does not recommend; keep the newer one"
    else:
        why = "whose data an older minor does not open without etcd's own downgrade procedure"
    return f"etcd would go back from {before} to {after}, {why}"


class Node(Model):
    """A release in the graph."""

    version: str = Field(min_length=1, description="the release's name in index.json")
    payload: str = Field(description="its manifest: URL relative to the site's root, and digest")
    metadata: dict[str, str] = Field(
        description="by names such as io.kubewright.kubernetes, as texts"
    )


class Always(Model):
    """The rule that holds for every cluster; others of Cincinnati's need a cluster to ask."""

    type: Literal["Always"] = Field(
        "Always", description="always: whoever comes from there meets it"
    )


class Risk(Model):
    """Why an upgrade is nobody's default."""

    url: str = Field(description="where more is said")
    name: str = Field(pattern=r"^[A-Z][A-Za-z]*$", description="such as PreRelease")
    message: str = Field(description="in words")
    matching_rules: tuple[Always, ...] = Field(
        (Always(),), alias="matchingRules", description="whom it is about"
    )


class Edge(Model):
    """An upgrade by the names of its nodes."""

    from_version: str = Field(alias="from", description="where it begins")
    to: str = Field(description="where it leads")


class Conditional(Model):
    """Upgrades that share their risks."""

    edges: tuple[Edge, ...] = Field(description="the steps that have these risks")
    risks: tuple[Risk, ...] = Field(description="why one may not want them")


class Graph(Document):
    """`releases/graph.json`: every release, and which may follow which."""

    version: Literal[1] = Field(1, description="of the format")
    nodes: tuple[Node, ...] = Field(description="oldest first: every edge leads to a later one")
    edges: tuple[tuple[int, int], ...] = Field(
        description="upgrades without a risk, by their places in `nodes`"
    )
    conditional_edges: tuple[Conditional, ...] = Field(
        alias="conditionalEdges",
        description="steps with a risk, for who asks for the release by name",
    )
