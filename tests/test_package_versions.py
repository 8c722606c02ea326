"""Versions as packages write them, compared with what the real dpkg and rpm make of them."""

import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kubewright import package_versions, versions
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.models.base import Format
from kubewright.package_versions import (
    PackageVersion,
    compare,
    compare_deb,
    compare_rpm,
    upstream_of,
)

DEB, RPM = Format.deb, Format.rpm
Tool = Callable[[str], Path]

# The examples of facts/compat.yaml, docker_packages: family, format, version, upstream version.
EXAMPLES = [
    ("docker", DEB, "1.12.6-0~ubuntu-xenial", "1.12.6"),
    ("docker", RPM, "1.12.6-1.el7.centos", "1.12.6"),
    ("docker", DEB, "17.03.2~ce-0~ubuntu-xenial", "17.03.2-ce"),
    ("docker", DEB, "17.09.0~ce-0~debian", "17.09.0-ce"),
    ("docker", DEB, "18.06.1~ce~3-0~debian", "18.06.1-ce"),
    ("docker", RPM, "18.06.1.ce-3.el7", "18.06.1-ce"),
    ("docker", DEB, "5:18.09.9~3-0~debian-buster", "18.09.9"),
    ("docker", RPM, "3:18.09.9-3.el7", "18.09.9"),
    ("docker", RPM, "1:18.09.9-3.el7", "18.09.9"),
    ("docker", DEB, "5:20.10.20~3-0~ubuntu-focal", "20.10.20"),
    ("docker", DEB, "5:27.3.1-1~debian.12~bookworm", "27.3.1"),
    ("containerd", DEB, "1.6.18-1", "1.6.18"),
    ("containerd", RPM, "1.6.18-3.1.el8", "1.6.18"),
    ("docker", DEB, "20.10.5+dfsg1-1+deb11u2", "20.10.5"),
    ("docker", DEB, "20.10.24+dfsg1-1+deb12u1", "20.10.24"),
    ("docker", DEB, "26.1.5+dfsg1-9+deb13u1", "26.1.5"),
    ("docker", DEB, "29.1.3-0ubuntu3~22.04.2", "29.1.3"),
    ("docker", RPM, "29.7.2-1.fc44", "29.7.2"),
    ("docker", RPM, "1:29.8.1-1", "29.8.1"),  # Arch
    ("docker", RPM, "29.5.3-r1", "29.5.3"),  # Alpine
    ("docker", RPM, "29.4.0_ce", "29.4.0"),
    ("docker", RPM, "20.10.7-5.amzn2", "20.10.7"),
    ("docker", RPM, "18.09.9ce-2.amzn2", "18.09.9"),
]
MORE = [
    ("containerd", DEB, "1.6.20~ds1-1+deb12u3", "1.6.20"),
    ("containerd", DEB, "2.2.0~rc.1-1", "2.2.0-rc.1"),
    ("containerd", RPM, "2.2.0~rc1-1.fc44", "2.2.0-rc.1"),
    ("docker", DEB, "18.03.1~ce-0~debian", "18.03.1-ce"),
    ("docker", RPM, "29.7.2_ce-41.1", "29.7.2"),
    ("cri-dockerd", RPM, "3:0.4.4-1", "0.4.4"),
    ("kubernetes", DEB, "1.37.0~alpha.0-1", "1.37.0-alpha.0"),
]


@pytest.mark.parametrize(("family", "form", "version", "upstream"), EXAMPLES + MORE, ids=str)
def test_the_upstream_version_is_read_from_the_packages(
    family: str, form: Format, version: str, upstream: str
) -> None:
    assert upstream_of(family, version, form) == upstream


@pytest.mark.parametrize(
    ("form", "text", "parts"),
    [
        (DEB, "5:20.10.24~3-0~ubuntu-jammy", PackageVersion(5, "20.10.24~3-0~ubuntu", "jammy")),
        (DEB, "20.10.24+dfsg1-1+deb12u1+b6", PackageVersion(0, "20.10.24+dfsg1", "1+deb12u1+b6")),
        (DEB, "1.36.4", PackageVersion(0, "1.36.4", "")),
        (RPM, "3:20.10.24-3.el9", PackageVersion(3, "20.10.24", "3.el9")),
        (RPM, "29.4.0_ce", PackageVersion(0, "29.4.0_ce", "")),
    ],
)
def test_a_version_is_taken_apart(form: Format, text: str, parts: PackageVersion) -> None:
    parse = package_versions.parse_deb if form is DEB else package_versions.parse_rpm
    assert parse(text) == parts


@pytest.mark.parametrize(
    ("form", "text"),
    [(DEB, ""), (DEB, "1.0_2-1"), (DEB, "1 2"), (RPM, "1-2-3"), (RPM, "1:"), (RPM, "a:1")],
)
def test_what_is_no_version_is_refused(form: Format, text: str) -> None:
    with pytest.raises(RequestError, match=f"is not a {form} version"):
        upstream_of("docker", text, form)


# ── Order ────────────────────────────────────────────────────────────────────────────────────


def ordered(texts: list[str], form: Format) -> list[str]:
    """Several versions in our order."""
    done: list[str] = []
    for text in texts:
        at = next((n for n, other in enumerate(done) if compare(text, other, form) < 0), len(done))
        done.insert(at, text)
    return done


def dpkg_disagrees(texts: list[str], tool: Tool) -> str:
    """What dpkg says to neighbours in our order: an order is right if all its neighbours are."""
    script = (
        'while read -r a op b; do "$0" --compare-versions "$a" "$op" "$b" || echo "$a $op $b"; done'
    )
    lines = "".join(
        f"{a} {'eq' if compare_deb(a, b) == 0 else 'lt'} {b}\n"
        for a, b in pairwise(ordered(texts, DEB))
    )
    words = ["sh", "-c", script, str(tool("dpkg"))]
    return subprocess.run(words, input=lines, capture_output=True, text=True, check=True).stdout


def rpm_disagrees(texts: list[str], tool: Tool) -> str:
    """The same of rpm."""
    pairs = [(a, compare_rpm(a, b), b) for a, b in pairwise(ordered(texts, RPM))]
    table = ",".join(f'{{"{a}",{order},"{b}"}}' for a, order, b in pairs)
    code = (
        f"for _, p in ipairs({{{table}}}) do if rpm.vercmp(p[1], p[3]) ~= p[2] then print(p[1], "
        "p[2], p[3]) end end"
    )
    done = subprocess.run(
        [tool("rpm"), "--eval", f"%{{lua:{code}}}"], capture_output=True, text=True, check=True
    )
    return (done.stdout + done.stderr).strip()


KUBERNETES = st.builds(
    "{}.{}.{}{}".format,
    st.integers(0, 2),
    st.integers(0, 40),
    st.integers(0, 20),
    st.one_of(
        st.just(""),
        st.builds("-{}.{}".format, st.sampled_from(["alpha", "beta", "rc"]), st.integers(0, 12)),
    ),
)
PRODUCED = st.builds(
    "{}{}-{}".format,
    st.sampled_from(["", "3:"]), KUBERNETES.map(versions.package_version), st.integers(1, 12),
)  # fmt: skip
ANY_DEB = st.from_regex(r"\A([0-9]:)?[0-9][0-9a-zA-Z.+~]{0,8}(-[0-9a-z.+~]{1,4})?\Z")
ANY_RPM = st.from_regex(r"\A([0-9]:)?[0-9a-zA-Z._+~^]{1,9}(-[0-9a-z.~^]{1,4})?\Z")
thorough = settings(
    max_examples=15, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)


def known(form: Format) -> list[str]:
    """Every version that distros.toml and the examples have in a format."""
    stated = [
        package.version
        for one in shipped().distributions.distributions.values()
        if one.format is form
        for package in one.packages
    ]
    return stated + [version for _, other, version, _ in EXAMPLES + MORE if other is form]


def test_dpkg_and_rpm_order_all_known_versions_alike(tool: Tool) -> None:
    assert dpkg_disagrees(known(DEB), tool) == ""
    assert rpm_disagrees(known(RPM), tool) == ""


@thorough
@given(texts=st.lists(PRODUCED | st.sampled_from(known(DEB)) | ANY_DEB, min_size=20, max_size=40))
def test_our_order_of_debs_is_dpkgs(tool: Tool, texts: list[str]) -> None:
    assert dpkg_disagrees(texts, tool) == ""


@thorough
@given(texts=st.lists(PRODUCED | st.sampled_from(known(RPM)) | ANY_RPM, min_size=20, max_size=60))
def test_our_order_of_rpms_is_rpms(tool: Tool, texts: list[str]) -> None:
    assert rpm_disagrees(texts, tool) == ""


@settings(deadline=None, database=None)
@given(one=KUBERNETES, other=KUBERNETES)
def test_packages_sort_as_their_upstream_versions_do(one: str, other: str) -> None:
    order = versions.parse(one).compare(versions.parse(other))
    for form in Format:
        first, second = (f"{versions.package_version(text)}-1" for text in (one, other))
        assert compare(first, second, form) == order
        assert upstream_of("kubernetes", first, form) == one


@settings(deadline=None, database=None)
@given(
    final=KUBERNETES.filter(versions.is_final), word=st.sampled_from(["alpha.1", "beta.0", "rc.12"])
)
def test_a_pre_release_sorts_before_its_final_release(final: str, word: str) -> None:
    for form in Format:
        early = f"{versions.package_version(f'{final}-{word}')}-9"
        assert compare(early, f"{final}-1", form) < 0 < compare(early, f"{final}~", form)
