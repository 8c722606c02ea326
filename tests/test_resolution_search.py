"""The search: its first solution, the smallest conflict, and what holds for every choice from the
real catalog.
"""

from contextlib import suppress
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from kubewright import resolution, versions
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.models.resolve_options import ResolveOptions, Wanted
from kubewright.resolution.alternatives import Alternatives
from kubewright.resolution.build_problem import GOES_WITH, build_case
from kubewright.resolution.conflict import core, everywhere
from kubewright.resolution.problem import (
    Constraint,
    Key,
    Problem,
    Rule,
    Value,
    Variable,
    VersionRange,
)
from kubewright.resolution.search import Chosen, search

CATALOG = shipped().catalog
COMPONENTS = shipped().components
FACTS = resolution.Facts(
    CATALOG, COMPONENTS, shipped().relations, shipped().distributions,
    packaged=shipped().packaged,
)  # fmt: skip
PATCHES = [
    patch.version for minor in CATALOG.values() for patch in minor.patches if not patch.skipped
]
KNOWN = [
    (name, one.version) for name, source in COMPONENTS.components.items() for one in source.known
]

NAMES = ("a", "b", "b@x", "c", "d")
VERSIONS = tuple(f"1.{number}.0" for number in range(4))
RANGES = (
    "*",
    *(f"{operator}{version}" for operator in (">=", "<", "=", "!=") for version in VERSIONS),
)

spans = st.builds(VersionRange, st.sampled_from("abcd"), st.sampled_from(RANGES))
constraints = st.builds(Constraint, spans, st.just("a test"), st.just(""), when=st.none() | spans)
domains = st.lists(st.sampled_from(("", *VERSIONS)), min_size=1, max_size=4, unique=True)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Small enough to try everything."""
    variables = [Variable(Key(name), tuple(map(Value, draw(domains)))) for name in NAMES]
    return Problem(tuple(variables), tuple(draw(st.lists(constraints, max_size=9))))


def holds(problem: Problem, chosen: Chosen) -> bool:
    """Said anew, without any of the search's own code but ranges."""

    def of(span: VersionRange, packages: bool) -> list[str]:
        there = {
            name: one.version for name, one in chosen.items() if packages or not name.distribution
        }
        return [
            version
            for name, version in there.items()
            if name.component == span.component and version
        ]

    return together(chosen) and all(
        all(versions.inside(version, rule.needs.range) for version in of(rule.needs, rule.packages))
        for rule in problem.ranges
        if rule.when is None
        or any(versions.inside(version, rule.when.range) for version in of(rule.when, True))
    )


def together(chosen: Chosen) -> bool:
    """Whether the packages that each distribution takes can be installed together, by what is
    stated of pairs.
    """
    docker = {
        name.distribution: one
        for name, one in chosen.items()
        if name.component == "docker" and name.distribution and one.name
    }
    both = [
        (one, chosen[Key("containerd", name)])
        for name, one in docker.items()
        if Key("containerd", name) in chosen
    ]
    return all(
        versions.inside(containerd.version, pair.containerd.get(containerd.name, "=0.0.1"))
        for one, containerd in both
        for pair in shipped().distributions.pairs
        if pair.docker == one.name and versions.inside(one.version, pair.range)
    )


def tried_one_by_one(problem: Problem) -> Chosen | None:
    """The first solution by trying everything, in order."""
    names = [variable.key for variable in problem.variables]
    every = product(*(variable.domain for variable in problem.variables))
    return next(
        (one for values in every if holds(problem, one := dict(zip(names, values, strict=True)))),
        None,
    )


@given(problems())
@settings(max_examples=300, deadline=None)
def test_the_search_finds_what_trying_everything_in_order_finds_first(problem: Problem) -> None:
    usable = Problem(
        problem.variables, tuple(rule for rule in problem.constraints if not _of_one(rule))
    )
    assert search(usable) == tried_one_by_one(usable)


def _of_one(rule: Rule) -> bool:
    """A relation of a component to itself, which nobody states."""
    return (
        isinstance(rule, Constraint)
        and rule.when is not None
        and rule.when.component == rule.needs.component
    )


@given(problems())
@settings(max_examples=300, deadline=None)
def test_without_any_one_constraint_a_conflict_is_none(problem: Problem) -> None:
    if search(problem) is not None:
        return
    smallest = core(problem)
    assert search(smallest) is None
    for rule in smallest.constraints:
        rest = tuple(one for one in smallest.constraints if one is not rule)
        assert search(Problem(smallest.variables, rest)) is not None
    for variable in smallest.variables:
        others = tuple(one for one in smallest.variables if one is not variable)
        assert search(Problem(others, smallest.constraints)) is not None


def test_what_has_no_part_in_a_failure_costs_nothing() -> None:
    many = tuple(
        Variable(Key(f"other{number}"), tuple(map(Value, VERSIONS))) for number in range(40)
    )
    problem = Problem(
        (*many, Variable(Key("a"), (Value("1.0.0"),))),
        (Constraint(VersionRange("a", ">=2"), "a test", ""),),
    )
    assert search(problem) is None  # 4 to the power of 40 ways to fail, if each were tried


wishes = st.builds(
    lambda known, operator: Wanted(component=known[0], range=f"{operator}{known[1]}"),
    st.sampled_from([one for one in KNOWN if one[0] != "kubernetes"]),
    st.sampled_from(("=", ">=", "<=", "!=")),
)
requests = st.builds(
    ResolveOptions,
    wanted=st.lists(wishes, max_size=2).map(tuple),
    without=st.sampled_from([(), (), ("docker",), ("containerd",)]),
    etcd=st.sampled_from(["", "external"]),
    distributions=st.sets(
        st.sampled_from(sorted(shipped().distributions.distributions)), max_size=2
    ).map(lambda names: tuple(sorted(names))),
)


@given(st.sampled_from(PATCHES), requests)
@settings(max_examples=150, deadline=None)
def test_every_choice_keeps_every_range_and_every_relation(
    kubernetes: str, asked: ResolveOptions
) -> None:
    try:
        problem = build_case(kubernetes, FACTS, asked).problem
    except RequestError:
        assume(False)  # the only runtime there was is left out
    if search(problem) is None:
        assert search(core(problem)) is None
        return
    found = resolution.solve([(kubernetes, "")], FACTS, asked)
    assert holds(found.case.problem, found.chosen)
    there = {one.name: one.version for one in found.components}
    for one in found.components:
        assert versions.inside(one.version, one.range), one
    left_out = {name for without in asked.without for name in GOES_WITH[without]}
    for wish in asked.wanted:
        assert wish.component in left_out or versions.inside(there[wish.component], wish.range)
    for relation in shipped().relations.relations:
        when, needs = relation.when, relation.needs
        if (
            when.component in there
            and needs.component in there
            and versions.inside(there[when.component], when.range)
        ):
            assert versions.inside(there[needs.component], needs.range)
    assert (
        not any(one.component == "etcd" and one.external for one in found.case.in_force.values())
        or asked.etcd
    )


@given(
    st.sampled_from(PATCHES),
    st.sampled_from([name for name in COMPONENTS.components if name != "kubernetes"]),
)
@settings(max_examples=60, deadline=None)
def test_what_is_unrelated_never_changes_a_choice(kubernetes: str, name: str) -> None:
    found = resolution.solve([(kubernetes, "")], FACTS, ResolveOptions())
    used = {versions.minor(kubernetes), *(ruling.minor for ruling in found.case.in_force.values())}
    fewer = {minor: facts for minor, facts in CATALOG.items() if minor in used}
    source = COMPONENTS.components[name]
    allowed = {one.name: one.range for one in found.components}.get(name, "=0.0.1")
    strangers = [one for one in ("0.0.1", "99.0.0") if not versions.inside(one, allowed)]
    new = (source.known[0].model_copy(update={"version": one, "avoid": ""}) for one in strangers)
    more = source.model_copy(update={"known": (*source.known, *new)})
    wider = COMPONENTS.model_copy(update={"components": {**COMPONENTS.components, name: more}})
    assert resolution.choose(kubernetes, fewer, wider, shipped().relations) == found.components


@given(st.sampled_from(PATCHES), st.sampled_from(PATCHES), st.lists(wishes, min_size=1, max_size=2))
@example(
    "1.6.0", "1.19.0", [Wanted(component="runc", range="=1.0.0-rc92")]
)  # which 1.19 itself deploys
@settings(max_examples=200, deadline=None)
def test_a_conflict_of_what_was_asked_for_alone_is_one_with_any_kubernetes(
    one: str, other: str, wanted: list[Wanted]
) -> None:
    asked = ResolveOptions(wanted=tuple(wanted))
    problem = build_case(one, FACTS, asked).problem
    if search(problem) is None and everywhere(core(problem), asked):
        assert search(build_case(other, FACTS, asked).problem) is None


@pytest.mark.parametrize("distribution", shipped().distributions.distributions)
@pytest.mark.parametrize("wanted", ["", "docker"])
def test_what_a_distribution_takes_can_be_installed_together(
    distribution: str, wanted: str
) -> None:
    asked = wish(f"{wanted} --distro {distribution}")
    found = []
    for minor in (f"1.{number}" for number in range(20, 38)):
        if minor in FACTS.packaged:
            found.append(
                resolution.solve(resolution.candidates(minor, CATALOG, None), FACTS, asked)
            )
        else:
            with suppress(
                RequestError
            ):  # no package of the distribution fits, and none of ours is made
                found.append(
                    resolution.solve(resolution.candidates(minor, CATALOG, None), FACTS, asked)
                )
    for one in found:
        assert together(one.chosen)
        assert one.chosen[Key(one.case.runtime, distribution)].name


def test_every_known_release_can_be_had() -> None:
    for kubernetes in PATCHES:
        assert resolution.choose(kubernetes, CATALOG, COMPONENTS, shipped().relations)


def test_a_choice_is_the_same_in_any_order_of_what_was_asked() -> None:
    given_ = ["docker=20.10", "containerd=>=2.2,<2.3"]
    one, other = (
        resolution.read_options(COMPONENTS, shipped().distributions, wanted=order, distros=distros)
        for order, distros in (
            (given_, ["debian-12", "rhel-9"]),
            (given_[::-1], ["rhel-9", "debian-12"]),
        )
    )
    assert one == other


def wish(text: str) -> ResolveOptions:
    words = [word for word in text.split() if word != "--distro"]
    distros = [word for word in words if word in shipped().distributions.distributions]
    wanted = [word for word in words if word not in distros]
    return resolution.read_options(
        COMPONENTS, shipped().distributions, wanted=wanted, distros=distros
    )


@pytest.mark.parametrize(
    ("kubernetes", "asked", "said"),
    [
        ("1.36.4", "etcd=3.5.24", [
            "1.36.toml: components.etcd.exact: Kubernetes 1.36 pins or deploys 3.6.8",
            "--with etcd=3.5.24: asked for",
            "v1.36.4 without --with etcd=3.5.24: etcd 3.6.8",
            "v1.36.4 with --etcd external: etcd ",
            "v1.33.13 with all that was asked for: etcd 3.5.24",
        ]),
        ("1.23.17", "docker=24.0", [
            "components.docker.lines: validated are >=20.10.0,<20.11.0 || ",
            "system-validators",
            "v1.24.17 with all that was asked for: docker 24.0.9",
        ]),
        ("1.36.4", "docker>=29 cri-dockerd<0.3.12", [
            "recipes/relations.toml: relations[0]: docker >=29.0.0 needs cri-dockerd",
            "v1.36.4 without --with 'docker>=29': ",
        ]),
        ("1.30.14", "--distro opensuse-tumbleweed", [
            "--distro opensuse-tumbleweed: brings for containerd: nothing",
            "v1.30.14 without --distro opensuse-tumbleweed: containerd 2.1.",
            "v1.30.14 with --with docker: docker 29.",
            "v1.31.14 with all that was asked for: kubernetes-containerd",
        ]),
        ("1.36.4", "docker=99", ["docker: known are 29.8.1, ", "without --with docker=99: docker "
                                                               "29.8.1"]),
    ],
    ids=["etcd", "docker", "relation", "distribution", "unknown"],
)  # fmt: skip
def test_a_conflict_names_what_is_in_it_and_what_would_work(
    kubernetes: str, asked: str, said: list[str]
) -> None:
    with pytest.raises(RequestError) as caught:
        resolution.solve([(kubernetes, "")], FACTS, wish(asked))
    for text in said:
        assert text in str(caught.value)


@pytest.mark.parametrize(
    "words", ["etcd=3.5.24", "docker=20.10 --distro rhel-9", "docker=17.03 containerd=1.0"]
)
def test_elsewhere_finds_what_trying_every_version_in_full_finds(words: str) -> None:
    asked = wish(words)
    failed = next(
        case
        for one in reversed(PATCHES)
        if search((case := build_case(one, FACTS, asked)).problem) is None
    )
    others = Alternatives.of(core(failed.problem), FACTS, asked)
    for kubernetes in PATCHES[::2]:
        case = build_case(kubernetes, FACTS, asked)
        found = others.at(kubernetes)
        assert (found and found[1]) == (search(case.problem) if case.speaks else None)


def test_of_several_versions_the_newest_that_meets_the_wish_is_taken() -> None:
    wanted = [("1.34.1", "the newest"), ("1.33.7", "older"), ("1.33.5", "older still")]
    found = resolution.solve(wanted, FACTS, wish("etcd=3.5.24"))
    assert found.case.kubernetes == "1.33.7"
    assert found.why == "older"
    assert found.missed.startswith(
        "v1.34.1 does not go with what was asked for: recipes/catalog/1.34.toml: components."
    )


def test_no_older_version_is_taken_that_says_nothing_of_what_was_asked_for() -> None:
    asked = wish("cni-plugins=0.6.0 etcd=3.0.17")
    with pytest.raises(RequestError) as caught:
        resolution.solve([("1.36.4", ""), ("1.6.13", "")], FACTS, asked)
    assert "with all that was asked for" not in str(caught.value)
    assert solved("1.6.13", asked)["cni-plugins"] == (
        "0.6.0",
        "unknown",
    )  # who asks for just this may have it


@pytest.mark.parametrize(
    ("kubernetes", "wanted", "version"),
    [("1.6.13", "containerd", "1.0.3"), ("1.22.17", "containerd", "1.5.18")],
)
def test_containerd_speaks_a_cri_that_kubernetes_speaks(
    kubernetes: str, wanted: str, version: str
) -> None:
    assert solved(kubernetes, wish(wanted))["containerd"][0] == version


def test_a_containerd_without_the_cri_of_an_old_kubernetes_is_refused_with_the_reason() -> None:
    told = {
        one.needs.range: one
        for one in FACTS.relations.relations
        if one.when.component == "kubernetes"
    }
    one = FACTS.relations.model_copy(update={"relations": (told["<2.0.0"],)})
    with pytest.raises(RequestError) as caught:
        resolution.solve([("1.6.13", "")], replace(FACTS, relations=one), wish("containerd>=2"))
    assert (
        "kubernetes <1.23 needs containerd <2.0.0: containerd 2.0 and newer speak CRI v1 only"
        in str(caught.value)
    )
    assert "v1.30.14 with all that was asked for: containerd 2." in str(caught.value)


def test_nothing_is_suggested_about_which_nothing_is_stated() -> None:
    with pytest.raises(RequestError) as caught:
        resolution.solve([("1.6.13", "")], FACTS, wish("containerd docker=29"))
    assert "v1.6.13 without --with docker=29" not in str(caught.value)
    assert "v1.6.13 without --with containerd" not in str(caught.value)


def test_another_runc_than_containerds_is_held_to_a_bound() -> None:
    assert solved("1.36.4", wish("runc=1.5"))["runc"] == ("1.5.1", "supported")
    with pytest.raises(RequestError, match=r"components.runc.bounds: must be >=1.4.2"):
        solved("1.36.4", wish("runc=1.3"))


def test_what_only_a_distribution_that_was_asked_for_brings_can_be_had_there() -> None:
    asked = wish("docker=26.1.5 --distro debian-13")
    found = resolution.solve([("1.36.4", "")], FACTS, asked)
    docker = next(one for one in found.components if one.name == "docker")
    assert (docker.version, docker.status) == ("26.1.5", "supported")
    assert "brought by debian-13's docker.io, and not in recipes/components.toml" in docker.reason
    assert found.chosen[Key("docker", "debian-13")].name == "docker.io"
    for other, files in (("", ""), (" --distro debian-12", " and recipes/distros.toml")):
        with pytest.raises(RequestError) as caught:
            resolution.solve([("1.36.4", "")], FACTS, wish(f"docker=26.1.5{other}"))
        assert "docker: known are 29.8.1, " in str(caught.value)
        assert f"[recipes/components.toml{files}]" in str(caught.value)
    plain = resolution.solve([("1.36.4", "")], FACTS, wish("--distro debian-13"))
    assert plain.components == resolution.choose("1.36.4", CATALOG, COMPONENTS, shipped().relations)


def solved(kubernetes: str, asked: ResolveOptions) -> dict[str, tuple[str, str]]:
    found = resolution.solve([(kubernetes, "")], FACTS, asked)
    return {one.name: (one.version, one.status) for one in found.components}


def test_without_a_wish_no_older_version_is_a_way_out() -> None:
    known = COMPONENTS.components["containerd"].known
    fewer = tuple(one for one in known if one.version.startswith("1.7."))
    bare = COMPONENTS.components["containerd"].model_copy(update={"known": fewer})
    broken = COMPONENTS.model_copy(
        update={"components": {**COMPONENTS.components, "containerd": bare}}
    )
    with pytest.raises(RequestError, match=r"v1.36.4: no solution: these constraints conflict"):
        resolution.solve(
            [("1.36.4", ""), ("1.35.8", "")], resolution.Facts(CATALOG, broken), ResolveOptions()
        )
