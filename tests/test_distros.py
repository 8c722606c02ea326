"""recipes/distros.toml, and what is made of it: candidates, dependencies, pins, the lock's lines,
impostors.
"""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright import recipes, versions
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.models.base import Arch, Format
from kubewright.models.distros import OWN, Distributions
from kubewright.models.lock import Component, DistributionRuntime
from kubewright.models.resolve_options import ResolveOptions, Wanted
from kubewright.package_versions import compare
from kubewright.resolution.build_problem import build_case
from kubewright.resolution.distribution_names import distribution
from kubewright.resolution.packages import Candidate, candidates, depends, fits, ours, pin
from kubewright.resolution.runtimes import runtimes
from kubewright.resolution.statements import Facts

ALL = shipped().distributions
DOCKER_20 = ">=20.10.0,<20.11.0"
CONTAINERD_2 = ">=2.3.0,<2.4.0 || >=2.2.0,<2.3.0"
each_distribution = pytest.mark.parametrize("name", list(ALL.distributions))
Tool = Callable[[str], Path]


def candidate(distribution: str, package: str, upstream: str = "") -> Candidate:
    """The first candidate of a package, or the one of an upstream version."""
    family = "docker" if "docker" in package or "moby" in package else "containerd"
    offered = candidates(distribution, family, ALL)
    return next(
        one for one in offered if one.package == package and one.upstream.startswith(upstream)
    )


def lines(**ranges: str) -> dict[tuple[str, str], DistributionRuntime]:
    """The lock's lines where components have some ranges, by distribution and package."""
    chosen = [
        Component(name=name, version="1.0.0", range=allowed, status="supported", reason="", epoch=0)
        for name, allowed in ranges.items()
    ]
    return {(one.distribution, one.package): one for one in runtimes(chosen, ALL)}


# ── The file ─────────────────────────────────────────────────────────────────────────────────


@each_distribution
def test_every_version_says_which_upstream_version_it_is(name: str) -> None:
    for family in ("docker", "containerd"):
        for one in candidates(name, family, ALL):
            assert one.upstream in one.version
            versions.parse(one.upstream)


@each_distribution
def test_a_version_is_listed_once(name: str) -> None:
    listed = [(one.name, one.version) for one in ALL.distributions[name].packages]
    assert len(listed) == len(set(listed))


def test_every_repository_and_source_has_a_reader() -> None:
    packages = [package for one in ALL.distributions.values() for package in one.packages]
    assert {one.repository for one in packages} - {OWN} == set(ALL.repositories)
    cited = (
        [one.source for one in packages]
        + [one.source for one in ALL.impostors]
        + [one.source for one in ALL.pairs]
    )
    assert set(cited) == set(ALL.sources)


PACKAGE = 'family = "docker", name = "docker-ce", version = "5:29.8.1-1", source = "S"'
WRONG = {
    "order": (
        "5:29.8.1-1",
        "5:27.5.1-1",
        "docker-ce 5:28.5.2-1 comes after 5:27.5.1-1, but is not older",
    ),
    "version": ("5:29.8.1-1", "latest-1", "'latest-1': names no upstream version"),
    "syntax": ("5:29.8.1-1", "29.8.1_ce", "'29.8.1_ce' is not a deb version"),
    "float": ('"5:29.8.1-1"', "29.8", r"packages\[0\].version: .*must be text"),
    "source": ('"S"', '"NOWHERE"', "docker-ce: sources has no 'NOWHERE'"),
    "repository": (
        '"S"',
        '"S", repository = "example.org"',
        "docker-ce 5:29.8.1-1: repositories has no 'example.org'",
    ),
    "unknown key": ('"S"', '"S", upstream = "29.8.1"', "upstream: unknown key"),
}


@pytest.mark.parametrize(("old", "new", "message"), WRONG.values(), ids=list(WRONG))
def test_a_mistake_in_the_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    packages = f"{{{PACKAGE.replace(old, new)}}}, {{{PACKAGE.replace('29.8.1', '28.5.2')}}}"
    text = (
        f'[distributions.d]\ntitle = "D"\nformat = "deb"\npackages = [{packages}]\n[sources]\n'
        'S = "s"\n'
    )
    (tmp_path / "distros.toml").write_text(text)
    with pytest.raises(RequestError, match=message):
        recipes.load(tmp_path / "distros.toml", Distributions)


PAIR = (
    '[[pairs]]\ndocker = "docker-ce"\ncontainerd = {"containerd.io" = "*"}\nreason = "r"\n'
    'source = "S"\n'
)
WRONG_PAIR = {
    "docker": ("docker-ce", "dockr", "the pairs of dockr: no distribution has a package 'dockr'"),
    "containerd": (
        "containerd.io",
        "contained",
        "the pairs of docker-ce: no distribution has a package 'contained'",
    ),
    "range": ("*", "1.x", r"pairs\[0\].containerd"),
    "source": ('"S"', '"NOWHERE"', "the pairs of docker-ce: sources has no 'NOWHERE'"),
    "nothing": ('"containerd.io" = "*"', "", r"pairs\[0\].containerd: must have 1 or more entries"),
}


@pytest.mark.parametrize(("old", "new", "message"), WRONG_PAIR.values(), ids=list(WRONG_PAIR))
def test_a_mistake_in_a_pair_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    other = PACKAGE.replace("docker-ce", "containerd.io").replace('"docker"', '"containerd"')
    text = (
        f'[distributions.d]\ntitle = "D"\nformat = "deb"\npackages = [{{{PACKAGE}}}, {{{other}}}]\n'
    )
    (tmp_path / "distros.toml").write_text(f'{text}{PAIR.replace(old, new)}[sources]\nS = "s"\n')
    with pytest.raises(RequestError, match=message):
        recipes.load(tmp_path / "distros.toml", Distributions)


def test_our_own_docker_pairs_with_what_its_recipe_depends_on() -> None:
    [pair] = [one for one in ALL.pairs if one.docker == "kubernetes-docker"]
    stated = {name: allowed.replace("*", "") for name, allowed in pair.containerd.items()}
    [wanted] = [
        one
        for one in shipped().packages["kubernetes-docker"].relations.depends
        if "containerd" in one
    ]
    alternatives = re.findall(r"([\w.-]+)(?: \((>=) ([\d.]+)~?\))?", wanted)
    assert {name: sign + version for name, sign, version in alternatives} == stated


@each_distribution
def test_the_document_shows_every_distribution_with_its_packages(name: str) -> None:
    text = (shipped().root / "docs" / "distributions.md").read_text()
    row = next(
        row for row in text.splitlines() if row.startswith(f"| {ALL.distributions[name].title} |")
    )
    for family in ("docker", "containerd"):
        for one in candidates(name, family, ALL):
            assert f"`{one.package}`" in row
            assert one.upstream in row


def test_the_document_shows_every_impostor() -> None:
    text = (shipped().root / "docs" / "distributions.md").read_text()
    assert all(f"| `{one.name}` |" in text for one in ALL.impostors)


# ── Candidates ───────────────────────────────────────────────────────────────────────────────


@each_distribution
@pytest.mark.parametrize("family", ["docker", "containerd"])
def test_a_distributions_own_package_comes_first_then_ours_then_a_vendors(
    name: str, family: str
) -> None:
    facts = Facts(
        shipped().catalog, shipped().components, shipped().relations, ALL, packaged=("1.36",)
    )
    asked = ResolveOptions(wanted=(Wanted(component=family),), distributions=(name,))
    [variable] = [
        one
        for one in build_case("1.36.4", facts, asked).problem.variables
        if one.key == (family, name)
    ]
    ranks = [
        1 if one.package is None else 0 if one.package.repository == OWN else 2
        for one in variable.domain
    ]
    assert ranks == sorted(ranks)
    [own] = [one for one in variable.domain if one.package is None]
    assert own.name == f"kubernetes-{family}"


def test_a_candidate_is_known_by_what_the_package_manager_calls_it() -> None:
    found = candidates("debian-12", "docker", ALL)
    assert [one.version for one in found] == [
        "20.10.24+dfsg1-1+deb12u1+b6",
        "5:29.8.1-1~debian.12~bookworm",
        "5:28.5.1-1~debian.12~bookworm",
        "5:27.5.1-1~debian.12~bookworm",
    ]
    assert found[0].source == "Debian's package index, 2026-11-22"


# ── Dependencies ─────────────────────────────────────────────────────────────────────────────

DEPENDS = [
    ("debian-12", "docker.io", DOCKER_20, "docker.io (>= 20.10~), docker.io (<< 20.11~)"),
    ("ubuntu-22.04", "docker-ce", DOCKER_20, "docker-ce (>= 5:20.10~), docker-ce (<< 5:20.11~)"),
    ("rhel-9", "docker-ce", DOCKER_20, "docker-ce >= 3:20.10~, docker-ce < 3:20.11~"),
    (
        "debian-12",
        "containerd.io",
        CONTAINERD_2,
        "containerd.io (>= 2.2~), containerd.io (<< 2.4~)",
    ),
    ("amazon-2023", "containerd", CONTAINERD_2, "containerd >= 2.2~, containerd < 2.4~"),
    ("debian-13", "docker-ce", ">=1.13.1", "docker-ce (>= 5:1.13.1~)"),
    ("debian-13", "docker-ce", "*", "docker-ce"),
    ("debian-12", "containerd", "=1.6.20", "containerd (>= 1.6.20~), containerd (<< 1.6.21~)"),
    (
        "debian-12",
        "containerd",
        ">1.6.19,!=1.6.21",
        "containerd (>= 1.6.20~), containerd (<< 1.6.21~)",
    ),
    (
        "debian-12",
        "containerd",
        ">=1.6.0,<1.7.0 || >=2.2.0,<2.3.0",
        "containerd (>= 1.6~), containerd (<< 1.7~)",
    ),
]


@pytest.mark.parametrize(("distribution", "package", "allowed", "expected"), DEPENDS)
def test_a_range_becomes_a_dependency(
    distribution: str, package: str, allowed: str, expected: str
) -> None:
    upstream = "20.10" if allowed == DOCKER_20 else ""
    assert depends(candidate(distribution, package, upstream), allowed) == expected


def test_several_packages_become_alternatives() -> None:
    deb = [candidate("ubuntu-22.04", "containerd"), candidate("ubuntu-22.04", "containerd.io")]
    assert depends(deb[0], CONTAINERD_2, deb[1:]) == (
        "containerd (>= 2.2~) | containerd.io (>= 2.2~), containerd (<< 2.4~) | containerd.io (<< "
        "2.4~)"
    )
    rpm = [candidate("fedora-44", "moby-engine"), candidate("fedora-44", "docker-ce")]
    assert depends(rpm[0], ">=29.0.0,<30.0.0", rpm[1:]) == (
        "((moby-engine >= 29.0~ with moby-engine < 30.0~) or (docker-ce >= 3:29.0~ with docker-ce "
        "< 3:30.0~))"
    )
    assert depends(rpm[0], "*", rpm[1:]) == "(moby-engine or docker-ce)"


def test_our_own_package_is_depended_on_by_the_same_range() -> None:
    own = ours("debian-12", "containerd", ALL, "2.3.6")
    assert (
        depends(own, CONTAINERD_2)
        == "kubernetes-containerd (>= 2.2~), kubernetes-containerd (<< 2.4~)"
    )


@each_distribution
@pytest.mark.parametrize("allowed", [DOCKER_20, ">=29.0.0", CONTAINERD_2, ">=1.7.28,<1.8.0"])
def test_what_fits_meets_its_own_dependency(name: str, allowed: str) -> None:
    signs = {">=": (0, 1), "<<": (-1,), "<": (-1,)}
    for one in (*candidates(name, "docker", ALL), *candidates(name, "containerd", ALL)):
        if fits(one, allowed):
            bounds = re.findall(r"(>=|<<|<) ([^\s,)]+)", depends(one, allowed))
            assert bounds
            assert all(
                compare(one.version, bound, one.format) in signs[sign] for sign, bound in bounds
            )


def test_rpm_reads_the_dependencies(tool: Tool, tmp_path: Path) -> None:
    offered = [candidate("fedora-44", "moby-engine"), candidate("fedora-44", "docker-ce")]
    requires = [
        depends(offered[0], ">=29.0.0,<30.0.0", offered[1:]),
        depends(offered[0], ">=29.0.0,<30.0.0"),
    ]
    head = "Name: x\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\n"
    lines = "".join(f"Requires: {one}\n" for one in requires)
    (tmp_path / "x.spec").write_text(f"{head}{lines}%description\n%files\n")
    words = [str(tool("rpmspec")), "-q", "--requires", str(tmp_path / "x.spec")]
    read = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert set(read.splitlines()) >= {requires[0], *requires[1].split(", ")}


# ── Pins and the lock's lines ────────────────────────────────────────────────────────────────


def test_a_vendors_newest_that_does_not_fit_is_held_back() -> None:
    found = lines(docker=DOCKER_20)
    jammy = found["ubuntu-22.04", "docker-ce"]
    assert (jammy.version, jammy.fits, jammy.repository) == (
        "5:20.10.24~3-0~ubuntu-jammy",
        True,
        "download.docker.com",
    )
    assert (
        jammy.pin == "Package: docker-ce docker-ce-cli\nPin: version 5:20.10.*\nPin-Priority: 1001"
    )
    assert found["rhel-9", "docker-ce"].pin == (
        "dnf install docker-ce-20.10.24 docker-ce-cli-20.10.24\ndnf versionlock add docker-ce "
        "docker-ce-cli"
    )


def test_what_the_package_manager_takes_anyway_needs_no_pin() -> None:
    found = lines(docker=DOCKER_20, containerd=CONTAINERD_2)
    assert found["debian-12", "docker.io"].pin == ""
    assert found["debian-13", "containerd.io"].pin == ""


def test_a_pin_names_one_version_where_the_range_ends_within_its_minor() -> None:
    held = pin(candidate("ubuntu-22.04", "docker-ce", "20.10"), "=20.10.24")
    assert "Pin: version 5:20.10.24~3-0~ubuntu-jammy\n" in held


@pytest.mark.parametrize(
    ("package", "upstream", "allowed", "newer"),
    [
        ("docker-ce", "20.10", DOCKER_20, []),
        ("docker-ce", "20.10", ">=20.10.0,<20.10.30", ["5:20.10.240~3-0~ubuntu-jammy"]),
        ("containerd", "2.2.1", ">=2.2.0,<2.2.5", ["2.2.10-0ubuntu1~22.04.1"]),
    ],
    ids=["a whole minor", "a part of one", "2.2.10 is not 2.2.1"],
)
def test_apt_takes_the_pinned_version(
    tool: Tool, tmp_path: Path, package: str, upstream: str, allowed: str, newer: list[str]
) -> None:
    held = candidate("ubuntu-22.04", package, upstream)
    offered = [
        one.version
        for one in candidates("ubuntu-22.04", held.family, ALL)
        if one.package == package
    ]
    packages = [
        f"Package: {package}\nVersion: {one}\nArchitecture: all\nFilename: {number}.deb\nSize: 1\n"
        for number, one in enumerate([*offered, *newer])
    ]
    (tmp_path / "Packages").write_text("\n".join(packages))
    (tmp_path / "sources").write_text(f"deb [trusted=yes] file:{tmp_path} ./\n")
    (tmp_path / "pin").write_text(pin(held, allowed) + "\n")
    (tmp_path / "state" / "lists" / "partial").mkdir(parents=True)
    options = {
        "Dir::State": f"{tmp_path}/state",
        "Dir::State::status": "/dev/null",
        "Dir::Cache": f"{tmp_path}/cache",
        "Dir::Etc::sourcelist": f"{tmp_path}/sources",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::preferences": f"{tmp_path}/pin",
        "Dir::Etc::preferencesparts": "/dev/null",
    }
    words = [word for option in options.items() for word in ("-o", "=".join(option))]
    subprocess.run([tool("apt-get"), *words, "update"], capture_output=True, check=True)
    policy = [str(tool("apt-cache")), *words, "policy", package]
    done = subprocess.run(policy, capture_output=True, text=True, check=True)
    assert f"Candidate: {held.version}\n" in done.stdout


def test_a_package_that_does_not_fit_says_so_and_nothing_else() -> None:
    line = lines(containerd=CONTAINERD_2)["debian-12", "containerd"]
    assert (line.fits, line.depends, line.pin) == (False, "", "")
    assert line.reason == f"1.6.20 is not in {CONTAINERD_2}"


def test_a_picked_version_is_shown_instead_of_the_newest() -> None:
    older = candidate("ubuntu-24.04", "docker-ce", "27.5")
    chosen = Component(
        name="docker", version="27.5.1", range=">=1.13.1", status="supported", reason="", epoch=0
    )
    found = {
        (one.distribution, one.package): one.version for one in runtimes([chosen], ALL, [older])
    }
    assert found["ubuntu-24.04", "docker-ce"] == "5:27.5.1-1~ubuntu.24.04~noble"
    assert found["debian-13", "docker-ce"] == "5:29.8.1-1~debian.13~trixie"


def test_the_lines_follow_the_file() -> None:
    assert runtimes([], ALL) == ()
    order = [distribution for distribution, _ in lines(docker=">=1.13.1", containerd=">=1.6.0")]
    assert list(dict.fromkeys(order)) == list(ALL.distributions)


# ── Impostors ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", list(Format))
def test_kubernetes_docker_conflicts_with_impostors_that_own_its_files(form: Format) -> None:
    recipe = shipped().packages["kubernetes-docker"]
    wanted = {one.name for one in ALL.impostors if one.conflicts and form in one.formats}
    assert wanted <= set(getattr(recipe, form).conflicts)


def test_kubernetes_docker_conflicts_with_every_engine_of_a_distribution() -> None:
    recipe = shipped().packages["kubernetes-docker"]
    for one in ALL.distributions.values():
        names = {package.name for package in one.packages if package.family == "docker"}
        assert names <= set(getattr(recipe, one.format).conflicts)


def test_kube_node_check_knows_the_same_impostors() -> None:
    script = (shipped().packaging / "kubernetes-node/check/docker.sh").read_text()
    wanted = {
        f"{form}|{one.name}|{one.what}|{one.instead[form]}"
        for one in ALL.impostors
        for form in one.formats
    }
    assert set(re.findall(r"^(?:deb|rpm)\|.*$", script, re.MULTILINE)) == wanted


NAMED = {
    "aside": ('asides = ["linux"]\n[names]\nd = ["d-linux"]\n', "d-linux: asides has 'linux'"),
    "alias": ('[aliases]\nd-new = "d-2"\n', "aliases: d-new stands for 'd-2', which is not here"),
    "codename": ('[past_codenames]\nold = "d-0"\n', "past_codenames: past has no 'd-0'"),
    "twice": ('[names]\nd = ["e"]\n[elsewhere]\ne = "x"\n', "e: stands for two distributions"),
    "kin": ('[kin_codenames]\ncirce = "e"\n', "kin_codenames: elsewhere has no 'e'"),
    "kin twice": (
        '[elsewhere]\ne = "x"\n[kin_codenames]\ne = "e"\n',
        "e: stands for two distributions",
    ),
    "nameless": ("[names]\ne = []\n", "d-1: names has none that it begins with"),
}


@pytest.mark.parametrize(("head", "message"), NAMED.values(), ids=list(NAMED))
def test_a_mistake_in_the_names_is_named(tmp_path: Path, head: str, message: str) -> None:
    (tmp_path / "distros.toml").write_text(
        f'{head}[distributions.d-1]\ntitle = "D"\nformat = "deb"\n'
    )
    with pytest.raises(RequestError, match=message):
        recipes.load(tmp_path / "distros.toml", Distributions)


# ── Names ────────────────────────────────────────────────────────────────────────────────────

NAMES = {
    "rocky-9": "rhel-9", "rocky-9.4": "rhel-9", "almalinux-9": "rhel-9", "AlmaLinux 10": "rhel-10",
    "centos-9": "rhel-9", "centos-stream-10": "rhel-10", "oracle-9": "rhel-9", "ol-8.10": "rhel-8",
    "el9": "rhel-9", "rhel9": "rhel-9", "rockylinux:9": "rhel-9",
    "bookworm": "debian-12", "debian-trixie": "debian-13", "debian-12.5": "debian-12",
    "debian12": "debian-12", "noble": "ubuntu-24.04", "ubuntu-noble": "ubuntu-24.04",
    "Ubuntu_24.04.1": "ubuntu-24.04", "fc44": "fedora-44", "fedora43": "fedora-43",
    "opensuse-leap": "opensuse-leap-16.0", "opensuse-leap-16": "opensuse-leap-16.0",
    "leap-16.0": "opensuse-leap-16.0", "tumbleweed": "opensuse-tumbleweed",
    "opensuse-tumbleweed-20261101": "opensuse-tumbleweed",
    "amzn-2023": "amazon-2023", "al2023": "amazon-2023", "amazon": "amazon-2023",
    "amazon linux 2023": "amazon-2023", "oracle-linux-9": "rhel-9", "ubi9": "rhel-9",
    "red hat enterprise linux 9.4": "rhel-9", "scientific linux 8": "rhel-8",
    "Oracle Linux Server 9.4": "rhel-9", "Rocky Linux 9.6 (Blue Onyx)": "rhel-9",
    "CentOS Stream 10 (Coughlan)": "rhel-10", "Red Hat Enterprise Linux 8.10 (Ootpa)": "rhel-8",
    "Debian GNU/Linux 12 (bookworm)": "debian-12", "debian:12-slim": "debian-12",
    "debian:bookworm-slim": "debian-12", "debian-12-bookworm": "debian-12",
    "trixie-updates": "debian-13", "debian-stable": "debian-13", "debian oldstable": "debian-12",
    "Ubuntu 24.04.3 LTS (Noble Numbat)": "ubuntu-24.04", "ubuntu 22.04 LTS": "ubuntu-22.04",
    "ubuntu-24": "ubuntu-24.04", "ubuntu2204": "ubuntu-22.04", "ubuntu-noble-24.04": "ubuntu-24.04",
    "xUbuntu_22.04": "ubuntu-22.04", "Fedora Linux 43 (Server Edition)": "fedora-43",
    "opensuse-16": "opensuse-leap-16.0", "openSUSE Leap 16.0": "opensuse-leap-16.0",
    "ubuntu-24.04-server-cloudimg-arm64": "ubuntu-24.04", "arm64v8/debian:12": "debian-12",
    "Rocky-9-GenericCloud.x86_64": "rhel-9", "ubuntu-24.04.LTS": "ubuntu-24.04",
    "opensuse/leap:16": "opensuse-leap-16.0", "openSUSE Tumbleweed": "opensuse-tumbleweed",
}  # fmt: skip


@pytest.mark.parametrize(("name", "key"), NAMES.items(), ids=list(NAMES))
def test_a_name_with_one_plain_meaning_is_that_distribution(name: str, key: str) -> None:
    assert distribution(name, ALL) == key


def test_every_key_codename_and_other_name_leads_to_its_distribution() -> None:
    for key, facts in ALL.distributions.items():
        assert distribution(key, ALL) == distribution(key.upper(), ALL) == key
        base, _, version = key.rpartition("-")
        for other in ALL.names.get(base, ()):
            assert distribution(f"{other}-{version}", ALL) == key
            assert distribution(f"{other}{version}", ALL) == key
        if facts.codename:
            assert distribution(facts.codename, ALL) == key
            assert distribution(f"{base}-{facts.codename}", ALL) == key


def refused(name: str) -> str:
    """What is said to a name that is refused."""
    with pytest.raises(RequestError) as caught:
        distribution(name, ALL)
    return str(caught.value)


def test_a_version_without_its_dots_or_its_last_part_is_plain_where_there_is_one() -> None:
    for key in ALL.distributions:
        base, _, version = key.rpartition("-")
        if "." in version:
            assert distribution(f"{base}{version.replace('.', '')}", ALL) == key
            assert distribution(f"{base}-{version.partition('.')[0]}", ALL) == key


def test_what_debian_calls_its_releases_is_the_newest_of_them() -> None:
    known = [key for key in ALL.distributions if key.startswith("debian-")]
    newest = sorted(known, key=lambda key: int(key.rpartition("-")[2]), reverse=True)
    assert [ALL.aliases["debian-stable"], ALL.aliases["debian-oldstable"]] == newest
    assert ALL.aliases["debian-oldoldstable"] in ALL.past


@pytest.mark.parametrize("key", list(ALL.past))
def test_a_distribution_that_is_past_is_refused_with_its_end(key: str) -> None:
    codenames = [one for one, meant in ALL.past_codenames.items() if meant == key]
    base, _, version = key.rpartition("-")
    others = [f"{other}{version}" for other in ALL.names[base]]
    for name in (key, *codenames, *(f"{base}:{one}-slim" for one in codenames), *others):
        said = refused(name)
        assert f"its end of life was {ALL.past[key]}" in said
        assert "did you mean" not in said


@pytest.mark.parametrize(
    "name", ["fedora-3", "debian-2.2", "ubuntu-9.10", "el5", "leap-13.2", "al1"]
)
def test_what_is_older_than_any_end_that_is_listed_is_past_too(name: str) -> None:
    said = refused(name)
    assert "older than what packages are made for; known are " in said


@pytest.mark.parametrize("word", list(ALL.elsewhere))
def test_a_system_that_is_elsewhere_is_told_why_and_gets_no_hint(word: str) -> None:
    reason = ALL.elsewhere[word]
    for name in (word, f"{word}-22", f"{word} Linux 22.1 (x)", word.upper()):
        said = refused(name)
        assert f"not known: {reason}; leave it out" in said
        assert "did you mean" not in said
    for key in re.findall(r"[a-z-]+-[0-9.]+", reason):
        assert distribution(key, ALL) == key, "the remedy is refused"


@pytest.mark.parametrize("arch", list(Arch))
@pytest.mark.parametrize("form", ["{}-{}", "{}/{}", "{}:{}", "{}.{}", "{} {}", "{}_{}"])
def test_an_architecture_that_has_packages_tells_nothing(form: str, arch: Arch) -> None:
    for called in {arch, arch.deb, arch.rpm, arch.rpm.replace("_", "-"), arch.rpm.upper()}:
        for key, facts in ALL.distributions.items():
            for name in {key, facts.codename or key}:
                assert distribution(form.format(name, called), ALL) == key
                assert distribution(f"{called}/{name}", ALL) == key


NO_PACKAGES = "there are no packages for this architecture, "


@pytest.mark.parametrize(
    "arch", [word for word, reason in ALL.elsewhere.items() if reason.startswith(NO_PACKAGES)]
)
def test_an_architecture_without_packages_is_refused_with_those_that_have_some(arch: str) -> None:
    for key in ALL.distributions:
        for name in (f"{key}-{arch}", f"{arch}/{key}", f"{key}.{arch}"):
            said = refused(name)
            assert NO_PACKAGES in said
            assert all(f" {own}" in said for own in Arch)


@pytest.mark.parametrize(("codename", "system"), ALL.kin_codenames.items())
def test_a_codename_of_kin_is_told_whose_it_is(codename: str, system: str) -> None:
    for name in (codename, codename.upper(), f"{codename}-amd64", f"{codename} 22"):
        said = refused(name)
        assert f"{codename} is a codename of {system}, and {ALL.elsewhere[system]}" in said
        assert "did you mean" not in said
    assert ALL.elsewhere[system] in refused(f"{system} {codename}")


@pytest.mark.parametrize("key", list(ALL.distributions))
def test_a_slip_is_met_by_a_hint_that_works_and_never_by_another_version(key: str) -> None:
    base = key.rpartition("-")[0]
    for name in (
        key[:1] + key[2:],
        key.replace(base, base[::-1]),
        f"{key[:2]}x{key[2:]}",
        f"x{key}",
    ):
        try:
            assert distribution(name, ALL) == key
        except RequestError as error:
            hint = re.search(r"did you mean (\S+)\?", str(error))
            assert hint is None or distribution(hint[1], ALL) == key


REFUSED = {
    "bullseye": "its end of life was 2026-08-31, .* known are debian-12, debian-13$",
    "debian-11.11": "its end of life was 2026-08-31",
    "focal": "its end of life was 2025-05-31, .* known are ubuntu-22.04",
    "ubuntu-20.04.6": "its end of life was 2025-05-31",
    "centos-7": "its end of life was 2024-06-30, .* known are rhel-8",
    "amazon-2": "its end of life was 2026-06-30",
    "debian-noble": "noble is ubuntu-24.04",
    "debian": "does not say which release; known are debian-12, debian-13$",
    "rocky": "does not say which release; known are rhel-8",
    "ubuntu-26.10": "no such release is known; known are ubuntu-22.04, ubuntu-24.04, ubuntu-26.04$",
    "rhel-11": "no such release is known; known are rhel-8, rhel-9, rhel-10$",
    "forky": "it is Debian's next release, which is not out; ask for the newest Debian",
    "debian-duke": "it is a Debian to come, which is not out",
    "debian-14": "no such release is known; known are debian-12, debian-13$",
    "stonking": "it is Ubuntu 26.10, .* such as ubuntu-26.04",
    "precise": "its end of life was 2017-04-28",
    "ubuntu-24.04-arm": "no such distribution; did you mean ubuntu-24.04\\?",
    "amd64": "no such distribution; known are",
    "debian-sid": "it has no releases; ask for the newest Debian",
    "sles-15.7": "its own packages are not known here; SLES 16.0 is made from .*leap-16.0;",
    "suse linux enterprise micro 5.5": "it takes packages by transactional-update alone",
    "ubuntu-20": "its end of life was 2025-05-31",
    "opensuse-15": "its end of life was 2026-04-30, .* known are opensuse-leap-16.0$",
    "opensuse": "does not say which release; known are opensuse-leap-16.0, opensuse-tumbleweed$",
    "fedora-coreos": "its system is an image",
    "bookworm-backports": "ask for the release that it belongs to",
    "debian-13-bookworm": "bookworm is debian-12; ask for that",
    "ubuntu 22.04 (noble)": "noble is ubuntu-24.04; ask for that",
    "24.04": "no such distribution; known are",
    "ubunto-20.04": "no such distribution; known are",
    "alpine-3.20": "its packages are apks",
    "photon-5.0": "nobody has tried the rpms there",
    "openEuler-24.03": "nobody has tried the rpms there",
    "debain-12": "no such distribution; did you mean debian-12",
    "trixi": "did you mean trixie",
    "": "no such distribution; known are debian-12",
}


@pytest.mark.parametrize(("name", "said"), REFUSED.items(), ids=list(REFUSED))
def test_any_other_name_is_refused_with_what_is_right(name: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        distribution(name, ALL)
