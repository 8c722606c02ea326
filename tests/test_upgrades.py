"""Upgrades: the rules, the path from one version to another, and the graph of a site."""

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest
from copied_sites import Watch, whole_copy
from forged_metadata import vouch
from hypothesis import given, settings
from hypothesis import strategies as st

from kubewright import files, versions
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.models.catalog import MinorFacts
from kubewright.models.document import REMEDY
from kubewright.models.manifest import Manifest
from kubewright.models.site import ChannelRelease, Copy, Index, IndexedRelease
from kubewright.models.upgrades import Graph
from kubewright.resolution import upgrades
from kubewright.run import run
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import backups, graph, layout
from kubewright.site import channels as records
from kubewright.site import index as indexing
from kubewright.site.directory import DirectoryStore
from kubewright.site.identity import Identity
from kubewright.site.index import Declared, Named
from kubewright.site.objects import Object, pointer
from kubewright.site.reader import Reader
from kubewright.site.repositories import signed_copy
from kubewright.site.writing import apply
from kubewright.stages import channels, release, verify
from kubewright.stages.repair import repair_site

NOW = 1_790_000_000
SKEW = shipped().skew
Tool = Callable[[str], Path]


def listed(version: str, revision: int = 1, **facts: object) -> IndexedRelease:
    """A release as the index lists it; unless `facts` say so, a channel offers it now."""
    name = f"v{version}-{revision}"
    ranges = tuple(edge.from_range for edge in upgrades.sources(version, SKEW))
    given = {"status": "current", "channels": ("stable",), "manifest_sha256": "0" * 64}
    given |= {"manifest_url": layout.release_path(name, "manifest.json"), "upgrade_ranges": ranges}
    return IndexedRelease.model_validate({"name": name, "kubernetes": version} | given | facts)


def drawn(*releases: IndexedRelease, etcd: Mapping[str, str] = MappingProxyType({})) -> Graph:
    """The graph of releases; `etcd` is what the manifests of some say of it, by release."""
    known = with_etcd(releases, etcd)
    return graph.document(known, graph.steps(known))


def with_etcd(releases: Iterable[IndexedRelease], etcd: Mapping[str, str]) -> list[IndexedRelease]:
    return [
        one.model_copy(update={"etcd": etcd[one.name]}) if one.name in etcd else one
        for one in releases
    ]


def safe(found: Graph) -> set[tuple[str, str]]:
    return {(found.nodes[one].version, found.nodes[other].version) for one, other in found.edges}


def risky(found: Graph) -> dict[tuple[str, str], list[str]]:
    return {
        (edge.from_version, edge.to): [risk.name for risk in group.risks]
        for group in found.conditional_edges
        for edge in group.edges
    }


# The rules


@pytest.mark.parametrize(
    ("start", "goal", "allowed"),
    [
        ("1.35.9", "1.36.0", True),
        ("1.36.0", "1.36.4", True),
        ("1.36.4", "1.36.0", False),
        ("1.36.4", "1.36.4", False),
        ("1.34.9", "1.36.0", False),
        ("1.36.0", "1.35.9", False),
        ("1.36.4", "1.37.0-rc.1", True),
        ("1.37.0-alpha.3", "1.37.0-rc.1", True),
        ("1.37.0-rc.1", "1.37.0", True),
        ("1.37.0-rc.1", "1.38.0", False),
        ("1.37.0", "1.37.0-rc.1", False),
        ("1.9.11", "1.10.0", True),
    ],
)
def test_what_may_follow_what_in_one_step(start: str, goal: str, allowed: bool) -> None:
    assert (upgrades.rule(start, goal, SKEW) is not None) is allowed


@pytest.mark.parametrize(
    ("component", "of", "kubernetes", "expected"),
    [
        ("kubelet", "kube-apiserver", "1.36.4", ">=1.33.0,<1.37.0"),
        ("kubelet", "kube-apiserver", "1.28.0", ">=1.25.0,<1.29.0"),
        ("kubelet", "kube-apiserver", "1.27.1", ">=1.25.0,<1.28.0"),
        ("kubelet", "kube-apiserver", "1.26.0", ">=1.24.0,<1.27.0"),
        ("kubelet", "kube-apiserver", "1.23.5", ">=1.21.0,<1.24.0"),
        ("kubelet", "kubeadm", "1.28.4", ">=1.27.0,<1.29.0"),
        ("kubelet", "kubeadm", "1.29.0", ">=1.26.0,<1.30.0"),
        ("kube-apiserver", "kubeadm", "1.36.4", ">=1.35.0,<1.37.0"),
        ("kube-proxy", "kubelet", "1.36.4", ">=1.33.0,<1.40.0"),
        ("kube-scheduler", "kube-apiserver", "1.36.4", ">=1.35.0,<1.37.0"),
        ("kubectl", "kube-apiserver", "1.36.4", ">=1.35.0,<1.38.0"),
    ],
)
def test_what_may_run_beside_what(component: str, of: str, kubernetes: str, expected: str) -> None:
    assert upgrades.partners(kubernetes, SKEW)[of][component] == expected


def test_every_rule_names_its_source() -> None:
    named = (
        {one.source for one in SKEW.distances}
        | {SKEW.upgrade.source}
        | {one.source for one in SKEW.support}
    )
    assert named == SKEW.sources.keys()


@pytest.mark.parametrize("facts", shipped().catalog.values(), ids=lambda facts: facts.minor)
def test_a_minor_is_supported_for_as_long_as_the_policy_promises(facts: MinorFacts) -> None:
    begun = [
        one
        for one in SKEW.support
        if versions.parse(one.since or "0") <= versions.parse(facts.minor)
    ]
    if facts.end_of_life is not None:
        days = (date.fromisoformat(facts.end_of_life) - date.fromisoformat(facts.released)).days
        assert days / 30.44 > begun[-1].months - 1.5, "nine months were approximate"


# The path


def test_a_long_path_goes_over_the_last_patch_of_each_minor() -> None:
    hops = upgrades.path("v1.23.5", "v1.36.4", shipped().catalog, SKEW)
    assert [hop.to for hop in hops[:-3]] == [
        "1.24.17",
        "1.25.16",
        "1.26.15",
        "1.27.16",
        "1.28.15",
        "1.29.15",
        "1.30.14",
        "1.31.14",
        "1.32.13",
        "1.33.13",
    ]
    assert [versions.minor(hop.to) for hop in hops[-3:]] == ["1.34", "1.35", "1.36"]
    assert (hops[0].from_version, hops[-1].to, hops[-1].reason) == (
        "1.23.5",
        "1.36.4",
        "what was asked for",
    )
    assert hops[3].kubelets == ">=1.26.0,<1.28.0"


@pytest.mark.parametrize(
    ("start", "goal", "expected"),
    [
        ("1.36.4", "1.36.4", []),
        ("1.36.0", "1.36.4", ["1.36.4"]),
        ("1.17.3", "1.19.16", ["1.18.20", "1.19.16"]),
        ("1.36.0", "1.37.0-rc.1", ["1.37.0-rc.1"]),
        ("1.17.0-rc.1", "1.18.20", ["1.17.17", "1.18.20"]),
        ("1.9.11", "1.11.10", ["1.10.13", "1.11.10"]),
    ],
)
def test_the_path_is_the_shortest(start: str, goal: str, expected: list[str]) -> None:
    assert [hop.to for hop in upgrades.path(start, goal, shipped().catalog, SKEW)] == expected


def test_a_bad_patch_that_was_asked_for_by_name_is_the_goal_and_warned_about() -> None:
    (hop,) = upgrades.path("1.17.3", "1.18.19", shipped().catalog, SKEW)
    assert re.match("what was asked for, although it is to be avoided: .*regression", hop.reason)


@pytest.mark.parametrize(
    ("start", "goal", "message"),
    [
        (
            "1.36.4",
            "1.35.9",
            r"^v1.36.4 to v1.35.9: a downgrade, which .*; ask for v1.36.4 or newer",
        ),
        ("1.36.0", "1.36.0-rc.1", "a downgrade"),
        (
            "1.24.99",
            "1.36.4",
            r"^v1.24.99: not in the catalog; the newest 1.24 there is v1.24.17, say which",
        ),
        ("1.17.10", "1.36.4", r"^v1.17.10: upstream never released this patch .*; ask for another"),
        ("1.5.8", "1.36.4", r"^Kubernetes 1.5: not in the catalog, which knows 1.6 to"),
        ("1.36.4", "1.99.0", r"recipes/catalog/1.99.toml"),
    ],
)
def test_what_is_no_upgrade_is_refused_with_what_would_be(
    start: str, goal: str, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        upgrades.path(start, goal, shipped().catalog, SKEW)


def test_a_minor_without_a_release_cannot_be_gone_through() -> None:
    empty = shipped().catalog["1.25"].model_copy(update={"patches": ()})
    with pytest.raises(RequestError, match=r"no release of 1.25 to go through; add .*1.25.toml"):
        upgrades.path("1.24.0", "1.26.0", {**shipped().catalog, "1.25": empty}, SKEW)


PATCHES = [
    one.version for facts in shipped().catalog.values() for one in facts.patches if not one.skipped
]


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(PATCHES), st.sampled_from(PATCHES))
def test_every_hop_is_an_edge_and_one_minor_takes_one_hop(one: str, other: str) -> None:
    start, goal = sorted((one, other), key=versions.parse)
    hops = upgrades.path(start, goal, shipped().catalog, SKEW)
    stations = [start, *(hop.to for hop in hops)]
    assert stations[-1] == goal
    assert [(hop.from_version, hop.to) for hop in hops] == list(pairwise(stations))
    found = drawn(*map(listed, dict.fromkeys(stations)))
    assert {(f"v{hop.from_version}-1", f"v{hop.to}-1") for hop in hops} <= {
        *safe(found),
        *risky(found),
    }
    apart = versions.parse(goal).minor - versions.parse(start).minor
    assert len(hops) == apart or (apart == 0 and len(hops) == 1)


# The graph

numbers = st.tuples(
    st.integers(8, 12), st.integers(0, 3), st.sampled_from(["", "", "-rc.0", "-alpha.1"])
)
sites = st.lists(
    st.builds(
        lambda number, revision, status, channels, avoid: listed(
            f"1.{number[0]}.{number[1]}{number[2]}",
            revision,
            status=status,
            channels=channels,
            avoid=avoid,
        ),
        numbers,
        st.integers(1, 2),
        st.sampled_from(["current", "superseded", "superseded", "yanked"]),
        st.sampled_from([("stable",), ("latest", "stable"), ()]),
        st.sampled_from([None, None, "a regression"]),
    ),
    unique_by=lambda one: one.name,
    max_size=12,
)


@settings(deadline=None)
@given(sites)
def test_no_edge_skips_a_minor_or_goes_down(releases: list[IndexedRelease]) -> None:
    found = drawn(*releases)
    ranks = {one.name: graph.rank(one.kubernetes, one.name) for one in releases}
    for source, target in {*safe(found), *risky(found)}:
        assert ranks[target][0].minor - ranks[source][0].minor in (0, 1)
        assert ranks[target] > ranks[source]
    assert all(source < target for source, target in found.edges)


@settings(deadline=None)
@given(sites)
def test_only_what_a_channel_offers_now_is_entered_but_all_stays_a_node(
    releases: list[IndexedRelease],
) -> None:
    found = drawn(*releases)
    offered = {one.name for one in releases if one.status == "current" and one.channels}
    assert {target for _, target in {*safe(found), *risky(found)}} <= offered
    assert {node.version for node in found.nodes} == {one.name for one in releases}


@settings(deadline=None)
@given(sites)
def test_whether_a_release_is_offered_changes_no_edge_into_another(
    releases: list[IndexedRelease],
) -> None:
    offered = {one.name for one in releases if one.status == "current" and one.channels}
    every = drawn(
        *(one.model_copy(update={"status": "current", "channels": ("a",)}) for one in releases)
    )
    found = drawn(*releases)
    assert safe(found) == {edge for edge in safe(every) if edge[1] in offered}
    assert risky(found) == {edge: why for edge, why in risky(every).items() if edge[1] in offered}


@settings(deadline=None)
@given(sites)
def test_every_final_release_reaches_the_newest_good_one_of_the_next_minor(
    releases: list[IndexedRelease],
) -> None:
    edges = safe(drawn(*releases))
    good = [one for one in releases if one.channels and one.status == "current" and not one.avoid]
    newest = {
        versions.minor(one.kubernetes): one.name
        for one in sorted(good, key=lambda one: graph.rank(one.kubernetes, one.name))
        if versions.is_final(one.kubernetes)
    }
    for one in filter(lambda one: versions.is_final(one.kubernetes), releases):
        following = newest.get(versions.next_minor(one.kubernetes))
        assert following is None or (one.name, following) in edges


@settings(deadline=None)
@given(sites, numbers)
def test_another_release_changes_no_edge_between_the_others(
    releases: list[IndexedRelease], number: tuple[int, int, str]
) -> None:
    more = listed(f"1.{number[0]}.{number[1]}{number[2]}", 3)
    before, after = drawn(*releases), drawn(*releases, more)
    assert safe(before) == {edge for edge in safe(after) if more.name not in edge}
    assert risky(before) == {
        edge: why for edge, why in risky(after).items() if more.name not in edge
    }


def test_a_higher_revision_of_the_same_version_follows_the_lower() -> None:
    found = drawn(listed("1.36.4", 2), listed("1.36.4"), listed("1.36.3"))
    assert safe(found) == {
        ("v1.36.3-1", "v1.36.4-1"), ("v1.36.3-1", "v1.36.4-2"), ("v1.36.4-1", "v1.36.4-2")
    }  # fmt: skip


def test_the_edges_grow_with_the_releases_not_with_their_pairs() -> None:
    patches = [
        listed(f"1.{minor}.{patch}", status="current" if patch == 29 else "superseded")
        for minor in (35, 36)
        for patch in range(30)
    ]
    found = drawn(*patches)
    assert len(found.nodes) == 60
    assert len(safe(found)) == 29 + 59, "from each to the newest of its minor and of the next"
    assert ("v1.35.3-1", "v1.36.29-1") in safe(found)
    assert ("v1.36.3-1", "v1.36.4-1") not in safe(found), "1.36.4 can only be left"


def test_a_bad_patch_is_entered_by_name_only_and_left_freely() -> None:
    bad = [listed("1.24.5", revision, avoid="a regression") for revision in (1, 2)]
    found = drawn(listed("1.24.4"), *bad, listed("1.24.6"))
    assert risky(found) == {
        ("v1.24.4-1", "v1.24.5-1"): ["AvoidedRelease"],
        ("v1.24.4-1", "v1.24.5-2"): ["AvoidedRelease"],
    }
    assert {
        ("v1.24.4-1", "v1.24.6-1"),
        ("v1.24.5-1", "v1.24.5-2"),
        ("v1.24.5-1", "v1.24.6-1"),
    } <= safe(found)
    (risk,) = found.conditional_edges[0].risks
    assert risk.message == "Kubernetes 1.24.5 is to be avoided: a regression."
    assert risk.url.endswith("/v1.24.5")


def test_a_pre_release_is_entered_by_name_only_unless_one_is_there_already() -> None:
    found = drawn(*map(listed, ("1.36.4", "1.37.0-beta.0", "1.37.0-rc.1", "1.37.0")))
    assert risky(found) == {
        ("v1.36.4-1", "v1.37.0-beta.0-1"): ["PreRelease"],
        ("v1.36.4-1", "v1.37.0-rc.1-1"): ["PreRelease"],
    }
    assert ("v1.37.0-beta.0-1", "v1.37.0-rc.1-1") in safe(found)
    assert ("v1.37.0-rc.1-1", "v1.37.0-1") in safe(found)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            "3.6.5",
            "3.5.24",
            "etcd would go back from 3.6.5 to 3.5.24, whose data an older minor does not open",
        ),
        (
            "3.6.12",
            "3.6.9",
            "etcd would go back from 3.6.12 to 3.6.9, which etcd does not recommend",
        ),
        ("3.5.24", "3.6.5", ""),
        ("3.6.9", "3.6.12", ""),
        ("3.6.5", "3.6.5", ""),
        (None, "3.6.5", ""),
        ("3.6.5", None, ""),
    ],
)
@pytest.mark.parametrize(
    "pair",
    [(listed("1.35.9"), listed("1.36.4")), (listed("1.36.4"), listed("1.36.4", 2))],
    ids=["another minor", "another revision"],
)
def test_a_step_that_takes_etcd_back_is_taken_by_name_only(
    pair: tuple[IndexedRelease, IndexedRelease], before: str | None, after: str | None, message: str
) -> None:
    names = tuple(one.name for one in pair)
    etcd = {
        name: version
        for name, version in zip(names, (before, after), strict=True)
        if version is not None
    }
    found = drawn(*pair, etcd=etcd)
    assert (safe(found), risky(found)) == (
        (set(), {names: ["EtcdDowngrade"]}) if message else ({names}, {})
    )
    for conditional in found.conditional_edges:
        assert conditional.risks[0].message.startswith(message)


def test_an_older_etcd_is_a_risk_beside_the_others_and_in_no_upgrades_from() -> None:
    pair = (listed("1.24.4"), listed("1.24.5", avoid="a regression"), listed("1.24.6"))
    etcd = {"v1.24.4-1": "3.5.6", "v1.24.5-1": "3.5.3", "v1.24.6-1": "3.5.3"}
    assert risky(drawn(*pair, etcd=etcd)) == {
        ("v1.24.4-1", "v1.24.5-1"): ["AvoidedRelease", "EtcdDowngrade"],
        ("v1.24.4-1", "v1.24.6-1"): ["EtcdDowngrade"],
    }
    steps = graph.steps(with_etcd(pair, etcd))
    assert graph.upgrades_from(steps) == {"v1.24.6-1": ("v1.24.5-1",)}


def test_what_a_manifest_says_of_etcd_is_what_counts(released: Settings) -> None:
    manifest = Manifest.from_bytes(
        Path(released.site, "releases/v1.36.4-1/manifest.json").read_bytes()
    )
    brings = {name: one.version for name, one in manifest.components.items()}
    said = Declared(tuple(one.from_range for one in manifest.upgrades), brings["etcd"], brings)
    assert indexing.declared(manifest) == said
    (remembered,) = named(Path(released.site)).releases
    assert (remembered.upgrade_ranges, remembered.etcd, remembered.components) == said


def test_the_document_has_the_shape_of_cincinnati() -> None:
    found = drawn(
        listed("1.24.4"), listed("1.24.5", avoid="a regression", end_of_life="2023-07-28")
    )
    document = json.loads(found.to_bytes())
    assert Graph.from_bytes(found.to_bytes()) == found
    assert document["nodes"][1] == {
        "version": "v1.24.5-1",
        "payload": f"releases/v1.24.5-1/manifest.json@sha256:{'0' * 64}",
        "metadata": {
            "io.kubewright.kubernetes": "1.24.5", "io.kubewright.channels": "stable",
            "io.kubewright.status": "current", "io.kubewright.end_of_life": "2023-07-28",
        },
    }  # fmt: skip
    (conditional,) = document.pop("conditionalEdges")
    assert conditional["edges"] == [{"from": "v1.24.4-1", "to": "v1.24.5-1"}]
    assert conditional["risks"][0]["matchingRules"] == [{"type": "Always"}]
    assert (document["version"], document["edges"], document.keys()) == (
        1,
        [],
        {"version", "nodes", "edges"},
    )


def test_the_index_takes_what_is_to_be_avoided_from_the_catalog() -> None:
    facts = {
        "status": "current",
        "manifest_url": "releases/a/manifest.json",
        "manifest_sha256": "0" * 64,
    }
    channel = None
    for version in ("1.24.4", "1.24.5"):
        one = ChannelRelease.model_validate(
            {"name": f"v{version}-1", "kubernetes": version} | facts
        )
        channel = records.add(channel, "old", one, now=NOW, url="", repo_key="A" * 40)
    assert channel is not None
    says = {"v1.24.5-1": Declared((">=1.24.0,<=1.24.5",))}
    index, found = indexing.derive(
        None,
        None,
        [channel],
        shipped().catalog,
        says,
        now=NOW,
        whose=Identity("", ""),
        keys=Named(()),
    )
    assert [one.upgrades_from for one in index.releases] == [(), ()]
    assert index.releases[0].avoid is not None
    assert "regression" in index.releases[0].avoid
    assert risky(found) == {("v1.24.4-1", "v1.24.5-1"): ["AvoidedRelease"]}


def test_the_documented_command_finds_the_way(tool: Tool, tmp_path: Path) -> None:
    page = Path(__file__).parent.parent / "docs" / "upgrade-graph.md"
    command = re.search(r"--arg from (\S+) '(.*?)'", page.read_text(), re.DOTALL)
    assert command is not None
    offered = map(listed, ("1.35.9", "1.36.4", "1.37.0-rc.1", "1.37.1"))
    superseded = (listed(version, status="superseded") for version in ("1.35.8", "1.36.3"))
    withdrawn = listed("1.37.2", status="yanked")
    found = drawn(withdrawn, *superseded, *offered)
    (tmp_path / "graph.json").write_bytes(found.to_bytes())
    way = run(
        [tool("jq"), "-r", "--arg", "from", command[1], command[2], tmp_path / "graph.json"]
    ).stdout
    assert way.split() == ["v1.35.9-1", "v1.36.4-1", "v1.37.1-1"]


# The site


class Past(NamedTuple):
    """A site after 1.36.4, after a pre-release of the next minor beside it, and after that one's
    rollback.
    """

    sites: tuple[Path, ...]
    settings: Settings


@pytest.fixture(scope="module")
def past(released: Settings, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Past:
    base = tmp_path_factory.mktemp("upgrades") / "home"
    home = whole_copy(released, base)
    shutil.copytree(base / "site", base / "1")
    release.release("v1.37.0-rc.1", home.model_copy(update={"now": NOW + 60}), shipped(), keys)
    shutil.copytree(base / "site", base / "2")
    channels.rollback("latest", home.model_copy(update={"now": NOW + 120}), shipped(), keys, None)
    return Past((base / "1", base / "2", base / "site"), home)


def shown(site: Path) -> Graph:
    return Graph.from_bytes((site / layout.GRAPH).read_bytes())


def named(site: Path) -> Index:
    return Index.from_bytes((site / layout.INDEX).read_bytes())


def findings(site: Path) -> list[str]:
    return [
        f"{one.place}: {one.problem}"
        for one in verify.verify(str(site), [], now=NOW + 200).findings
    ]


def test_the_graph_follows_every_publication(past: Past) -> None:
    first, second, third = map(shown, past.sites)
    assert [node.version for node in first.nodes] == ["v1.36.4-1"]
    assert risky(second) == {("v1.36.4-1", "v1.37.0-rc.1-1"): ["PreRelease"]}
    assert risky(third) == {}, "what was rolled back is no goal"
    assert [node.metadata["io.kubewright.channels"] for node in third.nodes][1] == ""
    assert [safe(one) for one in (first, second, third)] == [set(), set(), set()]


def test_the_graph_is_the_copy_that_the_index_names_and_every_copy_stays(past: Past) -> None:
    *_, last = past.sites
    for site in past.sites:
        index, data = named(site), (site / layout.GRAPH).read_bytes()
        assert index.graph_url is not None
        assert (index.graph_sha256, data) == (
            files.sha256(data),
            (last / index.graph_url).read_bytes(),
        )
    copies = sorted(path.name.partition(".")[2] for path in (last / "publications/graph").iterdir())
    assert copies == sorted(["json", "json.asc", "json.sig"] * 3)


def test_a_site_with_a_graph_is_sound(past: Past) -> None:
    assert findings(past.sites[2]) == []


def test_the_manifest_declares_what_leads_to_it_and_what_may_run_beside_it(
    released: Settings,
) -> None:
    data = Path(released.site, "releases/v1.36.4-1/manifest.json").read_bytes()
    manifest = Manifest.from_bytes(data)
    assert manifest.upgrades == upgrades.sources("1.36.4", SKEW)
    assert manifest.skew == upgrades.partners("1.36.4", SKEW)


def test_a_lost_or_damaged_graph_is_found_and_repair_brings_it_back(
    past: Past, keys: Keys, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    shutil.copytree(past.sites[1], site)
    right = (site / layout.GRAPH).read_bytes()
    (site / layout.GRAPH).write_bytes((past.sites[0] / layout.GRAPH).read_bytes())
    (site / layout.graph_copy(files.sha256(right))).with_suffix(".json.sig").unlink()
    found = findings(site)
    assert any(
        line.startswith(f"{layout.GRAPH}: its SHA-256 is not the one that the site names; run")
        for line in found
    )
    assert any(line.startswith("publications/graph/") and ".sig: missing" in line for line in found)
    settings = past.settings.model_copy(update={"site": str(site), "now": NOW + 300})
    report, _ = repair_site(settings, shipped(), keys)
    assert report.findings == ()
    assert (site / layout.GRAPH).read_bytes() == right
    assert findings(site) == []


def test_a_publisher_that_was_overtaken_leaves_the_right_graph(
    past: Past, keys: Keys, tmp_path: Path, watch: Watch
) -> None:
    """One rolls a channel back; another one puts it back as it was, between the first one's commit
    and its graph.
    """
    site = tmp_path / "site"
    shutil.copytree(past.sites[1], site)
    right = shown(site)
    settings = past.settings.model_copy(update={"site": str(site), "now": NOW + 300})
    events = [lambda: channels.rollback("latest", settings, shipped(), keys, 2)]

    def overtake(number: int, operation: str) -> None:
        if operation == f"put {layout.GRAPH}" and events:
            events.pop()()

    with watch(overtake):
        channels.rollback("latest", settings, shipped(), keys, 1)
    assert events == []
    assert shown(site) == right
    assert findings(site) == []


def forged(site: Path, keys: Keys, index: Index, changed: Graph) -> None:
    """A graph, and an index and a state that lead to it, which somebody with the keys signed."""
    store, signer = DirectoryStore(site), keys
    present = Reader(store).present()
    assert present.state is not None
    data = changed.to_bytes()
    place = layout.graph_copy(files.sha256(data))
    index = index.model_copy(update={"graph_url": place, "graph_sha256": files.sha256(data)})
    copy = Copy(sequence=index.sequence, sha256=files.sha256(index.to_bytes()))
    state = present.state.model_copy(update={"index": copy})
    path = layout.state_copy(state.number, files.sha256(state.to_bytes()))
    copies = {
        place: data,
        layout.index_copy(copy.sequence, copy.sha256): index.to_bytes(),
        path: state.to_bytes(),
    }
    objects: list[Object] = [backups.backup(path, copies)]
    for copied, content in copies.items():
        objects += signed_copy(copied, content, signer, NOW)
    live = {layout.GRAPH: data, layout.INDEX: index.to_bytes(), layout.STATE: state.to_bytes()}
    for name, content in live.items():
        objects.append(pointer(name, content, fresh=False))
    apply(store, objects, present.tag)
    vouch(site, signer, state.to_bytes(), now=NOW)


def test_a_signed_graph_that_contradicts_the_manifests_is_found(
    past: Past, keys: Keys, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    shutil.copytree(past.sites[1], site)
    index, found = named(site), shown(site)
    forged(site, keys, index.model_copy(update={"issued": NOW + 61}), found)
    assert findings(site) == [], "this one tells the truth"
    forged(
        site, keys, index, found.model_copy(update={"edges": ((0, 1),), "conditional_edges": ()})
    )
    assert findings(site) == [f"{layout.GRAPH}: does not say what the index does; {REMEDY}"]
    newest, *others = index.releases

    def told(**facts: object) -> list[str]:
        changed = newest.model_copy(update=facts)
        forged(site, keys, index.model_copy(update={"releases": (changed, *others)}), found)
        return findings(site)

    assert told(upgrades_from=("v1.36.4-1",)) == [
        f"{layout.INDEX}: says other upgrades of v1.37.0-rc.1-1 than its ranges; {REMEDY}"
    ]
    for facts in ({"upgrade_ranges": (">=1.37.0-0",)}, {"etcd": "3.0.0"}):
        problem = "remembers other upgrades of v1.37.0-rc.1-1 than its manifest"
        assert f"{layout.INDEX}: {problem}; {REMEDY}" in told(**facts)
