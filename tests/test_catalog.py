"""The recipes' data: recipes/catalog/, recipes/components.toml, recipes/relations.toml."""

import re
import shutil
import tomllib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from kubewright import versions
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.models.base import Arch, minor_order
from kubewright.models.catalog import MinorFacts
from kubewright.models.components import ComponentSource, InputSource
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.stages import catalog as keeping
from kubewright.stages.resolve import resolve

CATALOG = shipped().catalog
COMPONENTS = shipped().components
READ = [f"1.{minor}" for minor in range(6, 38)]
"""The minors that had been read when this was written; a file of a later one says it for itself."""
INPUTS = {
    f"{name}/{source.name}": source
    for name, component in COMPONENTS.components.items()
    for source in component.inputs
}  # fmt: skip

each_component = pytest.mark.parametrize(
    "component", COMPONENTS.components.values(), ids=COMPONENTS.components.keys()
)
each_input = pytest.mark.parametrize("source", INPUTS.values(), ids=INPUTS.keys())


# ── catalog/ ─────────────────────────────────────────────────────────────────────────────────


def finals(facts: MinorFacts) -> list[str]:
    return [
        patch.version
        for patch in facts.patches
        if not patch.skipped and versions.is_final(patch.version)
    ]


def test_nothing_in_the_catalog_contradicts_anything_else() -> None:
    assert list(map(str, keeping.check(shipped()))) == []


def test_every_minor_from_1_6_on_is_there() -> None:
    assert len(CATALOG) >= 32
    assert list(CATALOG) == [f"1.{minor}" for minor in range(6, 6 + len(CATALOG))]


def test_every_patch_is_there_or_said_to_be_skipped() -> None:
    for facts in CATALOG.values():
        numbers = [
            versions.parse(patch.version).patch
            for patch in facts.patches
            if versions.is_final(patch.version)
        ]
        assert numbers == list(range(len(numbers))), facts.minor
    skipped = [patch.version for minor in READ for patch in CATALOG[minor].patches if patch.skipped]
    assert skipped == ["1.17.10", "1.18.7", "1.18.11"]


def test_only_patches_whose_day_nobody_published_have_none() -> None:
    undated = [
        patch.version
        for minor, facts in CATALOG.items()
        for patch in facts.patches
        if minor in READ and not patch.date and not patch.skipped
    ]
    assert undated == ["1.35.9", "1.37.0-rc.0"]


def test_any_request_may_have_what_is_neither_skipped_nor_bad() -> None:
    facts = CATALOG["1.24"]
    assert facts.newest == facts.offered[0] == "1.24.17"
    assert "1.24.6" in facts.offered
    assert "1.24.5" not in facts.offered
    assert (bad := facts.patch("1.24.5"))
    assert bad.avoid
    assert facts.patch("1.24.99") is None


def test_bad_patches_are_to_be_avoided_and_say_why() -> None:
    avoided = {
        patch.version: patch.avoid
        for facts in CATALOG.values()
        for patch in facts.patches
        if patch.avoid
    }
    assert list(avoided) == ["1.18.19", "1.24.5", "1.25.1"]
    assert all("regression" in reason for reason in avoided.values())
    unsigned = [
        patch.version
        for facts in CATALOG.values()
        for patch in facts.patches
        if "unsigned" in patch.note
    ]
    assert unsigned == ["1.24.11", "1.25.7", "1.26.2"]


def test_dockershim_is_there_until_1_23_with_a_list_of_docker_versions() -> None:
    for minor, facts in CATALOG.items():
        until = versions.parse(minor) <= versions.parse("1.23")
        assert facts.dockershim is until, minor
        assert bool(facts.components["docker"].lines) is until, minor
        assert ("cri-dockerd" in facts.components) is not until, minor


def test_every_minor_says_its_go_and_a_candidate_of_go_is_no_certainty() -> None:
    assert all(len(facts.go) == 1 for facts in CATALOG.values())
    unsure = [facts.go[0].value for facts in CATALOG.values() if facts.go[0].status == "unknown"]
    assert unsure == [
        go.value for facts in CATALOG.values() for go in facts.go if not versions.is_final(go.value)
    ]


def test_what_upstream_deploys_may_be_chosen() -> None:
    for minor, facts in CATALOG.items():
        for name, component in facts.components.items():
            usable = {
                known.version for known in COMPONENTS.components[name].known if not known.avoid
            }
            assert {one.value for one in component.exact} <= usable, f"{minor} {name}"


def test_what_upstream_deploys_is_older_than_the_patch_that_deploys_it() -> None:
    for minor, facts in CATALOG.items():
        patches = {patch.version: patch.date for patch in facts.patches}
        for name, component in facts.components.items():
            dates = {known.version: known.date for known in COMPONENTS.components[name].known}
            for one in component.exact:
                if one.source in ("CT", "CDR"):  # what goes with a Kubernetes that was there first
                    continue
                patch = patches.get(one.since or f"{minor}.0") or facts.released
                assert (dates[one.value] or "") <= patch, f"{minor} {name} {one.value}"


def test_etcd_never_goes_back_within_a_minor_nor_from_one_first_patch_to_the_next() -> None:
    etcd = {minor: facts.components["etcd"] for minor, facts in CATALOG.items()}
    for minor, stated in etcd.items():
        values = [one.value for one in stated.exact]
        assert values == sorted(values, key=versions.parse), minor
    first = [stated.in_force(f"{minor}.0") for minor, stated in etcd.items()]
    order = [versions.parse(one.value) for one in first if one]
    assert order == sorted(order)


def test_the_image_of_etcd_is_its_version_and_a_revision() -> None:
    tags = [
        (one.value, one.tag) for facts in CATALOG.values() for one in facts.components["etcd"].exact
    ]
    assert all(tag == value or re.fullmatch(re.escape(value) + r"-\d", tag) for value, tag in tags)
    assert {("3.4.9", "3.4.9-1"), ("3.4.13", "3.4.13-3"), ("3.0.17", "3.0.17")} <= set(tags)


def test_lines_are_within_one_line_and_the_newest_is_first() -> None:
    for minor, facts in CATALOG.items():
        for name, component in facts.components.items():
            starts = []
            for line in component.lines:
                found = re.fullmatch(r">=(\d+\.\d+)\.(\d+),<(\d+\.\d+)\.(\d+)", line.range)
                assert found is not None, f"{minor} {name}: {line.range}"
                whole = (
                    versions.parse(versions.next_minor(found[1])) == versions.parse(found[3])
                    and found[4] == "0"
                )
                one = found[1] == found[3] and int(found[4]) == int(found[2]) + 1
                assert whole or one, f"{minor} {name}: {line.range}"
                starts.append(versions.parse(found[1]))
            assert starts == sorted(starts, reverse=True), f"{minor} {name}"


@pytest.mark.parametrize(
    ("minor", "inside", "outside"),
    [
        ("1.6", ["1.10.3", "1.12.6"], ["1.12.5", "1.13.1"]),
        ("1.13", ["18.06.3"], ["18.09.9"]),
        ("1.20", ["19.03.15"], ["20.10.24"]),
        ("1.23", ["20.10.24", "1.13.1"], ["20.11.0", "23.0.6"]),
    ],
)
def test_dockers_list_is_what_the_release_notes_or_the_validator_say(
    minor: str, inside: list[str], outside: list[str]
) -> None:
    lines = [versions.Range.parse(line.range) for line in CATALOG[minor].components["docker"].lines]
    assert all(any(version in line for line in lines) for version in inside)
    assert not any(version in line for version in outside for line in lines)


@pytest.mark.parametrize(
    ("minor", "reported", "verdict"),
    [
        ("1.23", "20.10.24", "validated"),
        ("1.23", "20.10.24+dfsg1", "validated"),
        ("1.20", "20.10.24", "warning"),
        ("1.23", "27.5.1", "warning"),
        ("1.23", "17.03.2-ce", "validated"),
        ("1.23", "1.10.3", "error"),
    ],
)
def test_kubeadm_judges_what_dockerd_reports_by_its_patterns(
    minor: str, reported: str, verdict: str
) -> None:
    patterns = CATALOG[minor].components["docker"].patterns
    assert next(one.verdict for one in patterns if re.search(one.match, reported)) == verdict


# ── relations.toml ───────────────────────────────────────────────────────────────────────────


def test_docker_29_asks_for_a_cri_dockerd_that_speaks_to_it() -> None:
    wanted = next(
        one.needs for one in shipped().relations.relations if one.when.component == "docker"
    )
    allowed = versions.Range.parse(wanted.range)
    known = [one.version for one in COMPONENTS.components["cri-dockerd"].known]
    assert [version for version in known if version not in allowed][-1] == "0.3.15"
    assert {"0.3.12", "0.3.16"} <= {version for version in known if version in allowed}


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
def test_the_newest_that_upstream_does_not_vouch_for_is_pinned_for_every_architecture(
    component: ComponentSource,
) -> None:
    pinned = {(pin.version, pin.arch) for pin in component.pins}
    unstated = [source for source in component.inputs if source.checksum.kind == "none"]
    if unstated:
        published = [arch for arch in Arch if all(one.published_for(arch) for one in unstated)]
        newest = (
            versions.newest(known.version for known in component.known if not known.avoid) or ""
        )
        assert {(newest, arch) for arch in published} <= pinned
        assert pinned == {(version, arch) for version, _ in pinned for arch in published}
    else:
        assert pinned == set()


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
    published = [arch for arch in Arch if source.published_for(arch)]
    urls = [
        source.url.format(version=version, arch=source.arch.get(arch, arch))
        for version in (("1.2.3", "1.2.4") if "{version}" in source.url else ("1.2.3",))
        for arch in published
    ]
    assert len(set(urls)) == len(urls)
    assert set(Arch.usual()) <= set(published)
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


# ── A new minor ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def checkout(tmp_path: Path) -> Recipes:
    """The recipes in a checkout of their own."""
    shutil.copytree(shipped().folder, tmp_path / "recipes")
    (tmp_path / "noxfile.py").touch()
    return Recipes(tmp_path)


@pytest.mark.parametrize("older", ["1.24", "1.30", "1.36", list(CATALOG)[-1]])
def test_a_new_minor_states_nothing_but_has_all_of_the_one_before_as_comments(
    checkout: Recipes, older: str
) -> None:
    for minor in CATALOG:
        if minor_order(minor) > minor_order(older):
            (checkout.folder / "catalog" / f"{minor}.toml").unlink()
    minor = versions.next_minor(older)
    path = keeping.new(minor, Recipes(checkout.root))
    text = path.read_text()
    written = tomllib.loads(text)
    assert written.pop("sources").keys() == {written.pop("dockershim_source")}
    assert written == {
        "minor": minor, "released": "", "source": "", "dockershim": False, "patches": [],
        "components": {},
    }  # fmt: skip
    with pytest.raises(
        RequestError, match=rf"^recipes/catalog/{minor}.toml: released: '' is not a"
    ):
        Recipes(checkout.root).catalog[minor]

    head, *lines = text.partition("\nminor = ")[1:]
    taken = tomllib.loads(head + re.sub("^# ", "", "".join(lines), flags=re.MULTILINE))
    stated = tomllib.loads((checkout.folder / "catalog" / f"{older}.toml").read_text())
    for key in ("minor", "released", "source", "patches"):
        del taken[key], stated[key]
    assert taken == stated


def test_only_the_next_minor_can_be_new_and_only_in_a_checkout(checkout: Recipes) -> None:
    newest = list(CATALOG)[-1]
    later = versions.next_minor(newest)
    for minor in (versions.next_minor(newest, 2), "1.5", "2.0", "", "../1.99", "v1.38"):
        with pytest.raises(RequestError, match=f"not the minor that comes .* ask for {later}"):
            keeping.new(minor, checkout)
    with pytest.raises(RequestError, match=rf"^recipes/catalog/{newest}.toml: is there already"):
        keeping.new(newest, checkout)
    (checkout.root / "noxfile.py").unlink()
    with pytest.raises(RequestError, match=f"in a checkout: ./nox -s catalog -- new {later}$"):
        keeping.new(later, checkout)
    assert list(Recipes(checkout.root).catalog) == list(CATALOG)


def test_a_minor_that_is_filled_in_is_released_and_needs_no_python(
    checkout: Recipes, tmp_path: Path
) -> None:
    older, later = list(CATALOG)[-1], versions.next_minor(list(CATALOG)[-1])
    text = (checkout.folder / "catalog" / f"{older}.toml").read_text()
    patches = f'patches = [\n  {{ version = "{older}.0", date = "2028-11-26", source = "TAG" }},\n]'
    text = re.sub(r"patches = \[\n(  .*\n)*\]", patches, text)
    text = re.sub(r'(since|until) = "[^"]*", ', "", text).replace(older, later)
    for exact in re.findall(r"exact = \[\n(?:  .*\n)*\]", text):
        text = text.replace(exact, f"exact = [\n{exact.splitlines()[-2]}\n]")
    text = re.sub('^released = ".*"$', 'released = "2028-11-26"', text, flags=re.MULTILINE)
    text = re.sub('^end_of_life = ".*"$', 'end_of_life = "2030-01-28"', text, flags=re.MULTILINE)
    facts, heading, sources = text.partition("[sources]\n")
    used = [line for line in sources.splitlines() if f'"{line.partition(" ")[0]}"' in facts]
    text = facts + heading + "\n".join(used)
    (checkout.folder / "catalog" / f"{later}.toml").write_text(text)
    recipes = Recipes(checkout.root)
    assert [one for one in map(str, keeping.check(recipes)) if later in one] == []
    given = Settings(
        cache=tmp_path / "cache", dist=tmp_path / "dist", offline=True, now=1_900_000_000
    )
    _, release = resolve(later, given, recipes)
    assert release.name == f"v{later}.0-1"
    assert recipes.catalog[later].components.keys() == CATALOG[older].components.keys()
