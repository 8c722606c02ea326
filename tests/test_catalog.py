"""The recipes' data: recipes/catalog/, recipes/components.toml, recipes/distros.toml."""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import pytest

from kubewright import recipes, versions
from kubewright.models.base import Arch
from kubewright.models.catalog import Bound, MinorFacts, Stated
from kubewright.models.components import ComponentSource, InputSource
from kubewright.models.distros import Distribution

CATALOG = recipes.catalog()
COMPONENTS = recipes.components()
DISTRIBUTIONS = recipes.distributions().distributions
INPUTS = {
    f"{name}/{source.name}": source
    for name, component in COMPONENTS.components.items()
    for source in component.inputs
}  # fmt: skip

each_minor = pytest.mark.parametrize("facts", CATALOG.values(), ids=CATALOG.keys())
each_component = pytest.mark.parametrize("component", COMPONENTS.components.values(), ids=COMPONENTS.components.keys())
each_input = pytest.mark.parametrize("source", INPUTS.values(), ids=INPUTS.keys())
each_distribution = pytest.mark.parametrize("distribution", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS.keys())


def stated(facts: MinorFacts) -> Iterator[Stated | Bound]:
    for component in facts.components.values():
        yield from component.exact
        yield from component.lines
        yield from component.bounds


def in_force(exact: tuple[Stated, ...], patch: str) -> Stated:
    return [one for one in exact if one.since is None or versions.parse(one.since) <= versions.parse(patch)][-1]


# ── catalog/ ─────────────────────────────────────────────────────────────────────────────────


def test_the_minors_follow_each_other() -> None:
    assert all(versions.next_minor(older) == newer for older, newer in pairwise(CATALOG))
    assert all(older.released < newer.released for older, newer in pairwise(CATALOG.values()))


@each_minor
def test_every_value_has_a_source_that_is_explained(facts: MinorFacts) -> None:
    used = {facts.source, facts.dockershim_source}
    used |= {patch.source for patch in facts.patches} | {one.source for one in stated(facts)}
    assert used == set(facts.sources)


@each_minor
def test_patches_belong_to_their_minor_and_are_in_order(facts: MinorFacts) -> None:
    patches = [patch.version for patch in facts.patches]
    assert {versions.minor(patch) for patch in patches} == {facts.minor}
    assert all(versions.parse(older) < versions.parse(newer) for older, newer in pairwise(patches))


@each_minor
def test_patches_are_dated_in_order_from_the_day_of_the_minor(facts: MinorFacts) -> None:
    dates = [patch.date for patch in facts.patches if patch.date]
    first = next(patch for patch in facts.patches if versions.is_final(patch.version))
    assert dates == sorted(dates)
    assert first.date == facts.released
    assert facts.end_of_life is None or facts.released < facts.end_of_life


@each_minor
def test_what_upstream_deploys_is_known_and_not_to_be_avoided(facts: MinorFacts) -> None:
    for name, component in facts.components.items():
        usable = {known.version for known in COMPONENTS.components[name].known if not known.avoid}
        assert {one.value for one in component.exact} <= usable, name


@each_minor
def test_what_upstream_deploys_is_older_than_the_patch_that_deploys_it(facts: MinorFacts) -> None:
    patches = {patch.version: patch.date for patch in facts.patches}
    for name, component in facts.components.items():
        dates = {known.version: known.date for known in COMPONENTS.components[name].known}
        for one in component.exact:
            patch = patches[one.since] if one.since else facts.released
            assert (dates[one.value] or "") <= (patch or ""), f"{name} {one.value}"


@each_minor
def test_statements_begin_at_listed_patches_in_order(facts: MinorFacts) -> None:
    patches = [patch.version for patch in facts.patches]
    for name, component in facts.components.items():
        begins = [patches.index(one.since) for one in component.exact if one.since]
        assert begins == sorted(set(begins)), name
        assert len(begins) >= len(component.exact) - 1, f"{name}: two statements for every patch"


@each_minor
def test_etcd_never_goes_back_within_a_minor(facts: MinorFacts) -> None:
    deployed = [in_force(facts.components["etcd"].exact, patch.version.split("-")[0]) for patch in facts.patches]
    assert all(versions.parse(older.value) <= versions.parse(newer.value) for older, newer in pairwise(deployed))


def test_etcd_never_goes_back_from_one_minor_to_the_next() -> None:
    last = [facts.components["etcd"].exact[-1].value for facts in CATALOG.values()]
    first = [facts.components["etcd"].exact[0].value for facts in CATALOG.values()]
    assert all(versions.parse(old) <= versions.parse(new) for old, new in zip(last, first[1:], strict=False))


@each_minor
def test_lines_are_two_sided_within_one_line_and_the_newest_is_first(facts: MinorFacts) -> None:
    for name, component in facts.components.items():
        ends = []
        for line in component.lines:
            found = re.fullmatch(r">=(\d+\.\d+)\.\d+,<(\d+\.\d+)\.0", line.range)
            assert found is not None, f"{name}: {line.range}"
            assert versions.next_minor(found[1]) == found[2], f"{name}: {line.range}"
            ends.append(versions.parse(found[2]))
        assert ends == sorted(ends, reverse=True), name


@each_minor
def test_the_best_line_has_a_version_to_choose(facts: MinorFacts) -> None:
    for name, component in facts.components.items():
        usable = [known.version for known in COMPONENTS.components[name].known if not known.avoid]
        for bound in (*component.lines[:1], *component.bounds):
            assert any(version in versions.Range.parse(bound.range) for version in usable), f"{name}: {bound.range}"


# ── components.toml ──────────────────────────────────────────────────────────────────────────


@each_component
def test_known_versions_are_in_order_and_listed_once(component: ComponentSource) -> None:
    known = [versions.parse(known.version) for known in component.known]
    assert all(older < newer for older, newer in pairwise(known))


@each_component
def test_pins_are_for_known_versions_that_may_be_chosen(component: ComponentSource) -> None:
    usable = {known.version for known in component.known if not known.avoid}
    pinned = Counter((pin.version, pin.arch) for pin in component.pins)
    assert {version for version, _ in pinned} <= usable
    assert set(pinned.values()) <= {1}


@each_component
def test_what_upstream_does_not_vouch_for_is_pinned_for_every_architecture(component: ComponentSource) -> None:
    unvouched = any(source.checksum.kind == "none" for source in component.inputs)
    usable = {known.version for known in component.known if not known.avoid}
    wanted = {(version, arch) for version in usable for arch in Arch} if unvouched else set()
    assert {(pin.version, pin.arch) for pin in component.pins} == wanted


def test_versions_to_avoid_say_why() -> None:
    avoided = {
        f"{name} {known.version}": known.avoid
        for name, component in COMPONENTS.components.items()
        for known in component.known
        if known.avoid
    }
    assert "containerd 2.3.3" in avoided
    assert "containerd 2.3.4" not in avoided
    assert all(len(reason) > 10 for reason in avoided.values())


def test_input_names_are_unique_in_their_component() -> None:
    assert len(INPUTS) == sum(len(component.inputs) for component in COMPONENTS.components.values())


@each_input
def test_an_input_has_its_own_url_for_each_version_and_architecture(source: InputSource) -> None:
    urls = {
        source.url.format(version=version, arch=source.arch.get(arch, arch))
        for version in ("1.2.3", "1.2.4")
        for arch in Arch
    }
    assert len(urls) == (4 if "{version}" in source.url else 2)
    assert all(re.fullmatch(r"https://[a-z0-9.]+(/[\w.-]+)+", url) for url in urls)


def test_only_a_component_with_one_version_may_have_urls_without_it() -> None:
    for component in COMPONENTS.components.values():
        if any("{version}" not in source.url for source in component.inputs):
            assert len(component.known) == 1


@each_input
def test_an_input_says_how_it_is_checked(source: InputSource) -> None:
    if source.checksum.kind == "none":
        assert source.checksum.url == ""
    else:
        assert source.checksum.url.startswith(("https://", "{url}."))
        source.checksum.url.format(url=source.url, version="1.2.3", arch="amd64")


# ── distros.toml ─────────────────────────────────────────────────────────────────────────────


@each_distribution
def test_a_distributions_version_holds_the_upstream_version(distribution: Distribution) -> None:
    for package in distribution.packages:
        without_epoch = package.version.split(":")[-1]
        assert re.match(re.escape(package.upstream) + r"(?![\d.])", without_epoch), package.version
        versions.parse(package.upstream)


@each_distribution
def test_a_distribution_lists_a_package_once_and_says_where_it_read_it(distribution: Distribution) -> None:
    names = [package.name for package in distribution.packages]
    assert len(names) == len(set(names))
    assert all(package.source for package in distribution.packages)


def test_debians_own_containerd_is_too_old_for_1_36() -> None:
    own = {package.name: package.upstream for package in DISTRIBUTIONS["debian-12"].packages}
    lines = CATALOG["1.36"].components["containerd"].lines
    assert not any(own["containerd"] in versions.Range.parse(line.range) for line in lines)
