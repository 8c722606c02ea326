"""Versions and ranges."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubewright import kubernetes_versions, versions
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.models.recipe import Recipe
from kubewright.versions import Range


@pytest.mark.parametrize(
    ("text", "minor", "package", "final"),
    [
        ("v1.36.4", "1.36", "1.36.4", True),
        ("1.37.0-rc.1", "1.37", "1.37.0~rc.1", False),
        ("3.10", "3.10", "3.10", True),
        ("29.8.1", "29.8", "29.8.1", True),
    ],
)
def test_versions_are_read_and_written(text: str, minor: str, package: str, final: bool) -> None:
    assert versions.minor(text) == minor
    assert versions.package_version(text) == package
    assert versions.is_final(text) is final


numbers = st.integers(0, 12).map(str)
prereleases = st.lists(
    st.one_of(numbers, st.sampled_from(["alpha", "beta", "rc", "rc1"])), max_size=3
).map(".".join)
texts = st.builds(
    lambda core, more: ".".join(core) + (more and f"-{more}"),
    st.tuples(*[numbers] * 3),
    prereleases,
)


@given(texts, texts)
@settings(max_examples=300)
def test_what_versions_are_sorted_by_agrees_with_how_they_compare(one: str, other: str) -> None:
    first, second = versions.parse(one), versions.parse(other)
    assert (
        versions.order(one) < versions.order(other),
        versions.order(one) == versions.order(other),
    ) == (
        first < second,
        first == second,
    )


def test_minors_are_numbers_and_not_fractions() -> None:
    assert versions.newest(["1.9.0", "1.10.0", "1.30.0"]) == "1.30.0"
    assert versions.next_minor("1.39.2") == "1.40"


@pytest.mark.parametrize(
    ("text", "version", "inside"),
    [
        (">=1.35,<1.37", "1.36.4", True),
        (">=1.35,<1.37", "1.37.0", False),
        (">=1.35,<1.37", "1.37.0-rc.1", False),
        (">=1.37.0-0,<1.37.1", "1.37.0-rc.1", True),
        (">=2.3.0,<2.4.0 || >=2.2.0,<2.3.0", "2.2.9", True),
        (">=2.3.0,<2.4.0 || >=2.2.0,<2.3.0", "2.1.9", False),
        ("=3.6.8", "3.6.8", True),
        ("!=3.6.8", "3.6.8", False),
        (">1.36.4", "1.36.4", False),
        ("<=1.36.4", "1.36.4", True),
        ("<=1.35", "1.35.9", True),
        ("<=1.35", "1.36.0", False),
        ("<=1.35", "1.36.0-rc.1", False),
        (">1.35", "1.35.9", False),
        (">1.35", "1.36.0", True),
        ("=1.36", "1.36.9", True),
        ("1.36", "1.36.0", True),
        ("=1.36", "1.37.0", False),
        ("!=1.36", "1.36.4", False),
        ("!=1.36", "1.35.9", True),
        (">=1.35,!=1.36", "1.37.0", True),
        (">=1.35,!=1.36", "1.34.9", False),
        ("<=29", "29.8.1", True),
        (">29", "29.8.1", False),
        (">=17.03.0,<17.04.0", "17.03.2", True),
        (">=17.03.0,<17.04.0", "17.06.2", False),
        (">=18.09.0,<18.10.0", "18.09.9", True),
    ],
)
def test_a_range_holds_what_it_says(text: str, version: str, inside: bool) -> None:
    assert (version in Range.parse(text)) is inside


@pytest.mark.parametrize("text", ["", "new", ">=", ">=1.x", "~>1.2", "1.2.3.4"])
def test_what_is_no_range_is_named(text: str) -> None:
    with pytest.raises(RequestError, match="not a range"):
        Range.parse(text)


def test_what_is_no_version_is_named() -> None:
    with pytest.raises(RequestError, match=r"'banana' is not a version; write it like"):
        versions.parse("banana")


@pytest.mark.parametrize(
    ("request_", "newest"),
    [
        ("stable", "1.36.4"),
        ("latest", "1.37.0-rc.1"),
        ("stable-1", "1.36.4"),
        ("stable-1.35", "1.35.9"),
        ("latest-1.37", "1.37.0-rc.1"),
        ("stable-1.37", None),
        ("1.36", "1.36.4"),
        ("v1.3", None),
        ("v1.36.3", "1.36.3"),
        ("<=1.35", "1.35.9"),
        (">=1.35, <1.37", "1.36.4"),
        (">1.36", None),
        ("1.36.*", "1.36.4"),
        ("v1.36.x", "1.36.4"),
        ("1.35.X", "1.35.9"),
        ("1.x", "1.36.4"),
    ],
)
def test_a_request_asks_for_the_newest_that_fits(request_: str, newest: str | None) -> None:
    there = ["1.34.2", "1.35.9", "1.36.3", "1.36.4", "1.37.0-rc.1"]
    wanted = versions.Request.parse(request_)
    assert versions.newest(version for version in there if version in wanted) == newest


@pytest.mark.parametrize(
    "text",
    [
        "1.036",
        "v1.036.1",
        "stable-1.036",
        "1.36.04",
        "１.３６",
        "v１.３６.1",
        ">=１.３６",
        "=1.036",
    ],
)
def test_a_number_is_ascii_and_has_no_leading_zero(text: str) -> None:
    with pytest.raises(RequestError):
        versions.Request.parse(text)


@pytest.mark.parametrize("text", ["１.36.1", "1.036.1", "10.036.1", "01.36.1", "17.00.1"])
def test_what_semantic_versions_forbid_is_no_version(text: str) -> None:
    with pytest.raises(RequestError, match="is not a version"):
        versions.parse(text)


@pytest.mark.parametrize(
    ("text", "meant"), [("17.03.2", "17.3.2"), ("19.03", "19.3.0"), ("18.06.3-ce", "18.6.3-ce")]
)
def test_the_months_of_docker_are_numbers(text: str, meant: str) -> None:
    assert str(versions.parse(text)) == meant


MARKED_OTHERWISE = [
    "{}-v{}", "{}-V{}", "{}{}", "{}_{}", "{} {}", "{}/v{}", "{}:{}", "{}-{}.txt", "{}-{}.x",
    "{}-v{}.*", "release/{}-{}.txt", "https://dl.k8s.io/release/{}-{}.txt",
]  # fmt: skip


@pytest.mark.parametrize("word", ["stable", "latest"])
@pytest.mark.parametrize("form", MARKED_OTHERWISE)
def test_a_marker_that_is_written_otherwise_is_met_by_the_marker(form: str, word: str) -> None:
    for scope in ("1", "1.36"):
        meant = f"{word}-{scope}"
        assert versions.Request.parse(meant).text == meant, "the remedy is refused"
        for said in (word, word.upper(), word.title()):
            text = form.format(said, scope)
            with pytest.raises(RequestError, match=rf"not a request; ask for {meant}$"):
                versions.Request.parse(text)
            with pytest.raises(RequestError, match=rf"not a request; ask for {meant}$"):
                versions.Request.parse(f"v{scope}-{said}")


@pytest.mark.parametrize("text", ["Stable", "LATEST", "stable.txt", "release/latest.txt"])
def test_a_marker_of_all_minors_is_met_by_it_too(text: str) -> None:
    meant = "stable" if "stable" in text.lower() else "latest"
    with pytest.raises(RequestError, match=rf"not a request; ask for {meant}$"):
        versions.Request.parse(text)


@pytest.mark.parametrize("text", ["stable-01.36", "unstable-1.36", "latest-", "stable-1.36-rc"])
def test_what_is_like_no_marker_is_met_by_none(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        versions.Request.parse(text)
    assert "ask for stable-" not in str(caught.value)
    assert "ask for latest" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "newest", "stable-1.36.4", "1", ">=new"])
def test_what_is_no_request_is_named(text: str) -> None:
    with pytest.raises(RequestError, match=r"not a re|not a range"):
        versions.Request.parse(text)


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("v1.36.4-1", "is release 1 of v1.36.4 .* ask for v1.36.4"),
        ("1.36.4-2", "is release 2 of v1.36.4 .* ask for v1.36.4"),
        ("v1.37.0-rc.1-1", "is release 1 of v1.37.0-rc.1 .* ask for v1.37.0-rc.1"),
        ("1.37.0~rc.1-3", "is release 3 of v1.37.0-rc.1 .* ask for v1.37.0-rc.1"),
        ("1.36.4-1.1", "is what a package .* ask for v1.36.4"),
        ("1.28.2-00", "is what a package .* ask for v1.28.2"),
        ("1.36.4-0", "is what a package .* ask for v1.36.4"),
        ("1.36.4-150500.1.1", "is what a package .* ask for v1.36.4"),
        ("v1.36.4+k3s1", "is what a package or another build .* ask for v1.36.4"),
        ("1.36.4-1-1", "ask for v1.36.4"),
        ("kubelet=1.36.4-1.1", "not a request; ask for v1.36.4"),
        ("kubelet_1.36.4-1_amd64.deb", "not a request; ask for v1.36.4"),
        ("kubernetes-1.36.4", "not a request; ask for v1.36.4"),
        ("1.37.0~rc.1", "not a request; ask for v1.37.0-rc.1"),
        ("1.37.0-rc1", "not a request; ask for v1.37.0-rc.1"),
        ("1.37.0-RC.1", "not a request; ask for v1.37.0-rc.1"),
        ("V1.37.0-Alpha.3", "not a request; ask for v1.37.0-alpha.3"),
        ("V1.36.4", "not a request; ask for v1.36.4"),
        ("refs/tags/v1.36.4", "not a request; ask for v1.36.4"),
        ("https://dl.k8s.io/release/v1.36.4/bin/x", "not a request; ask for v1.36.4"),
        ("1.36.4,1.36.3", "several versions; ask for one version, such as v1.36.4"),
        ("1.36.4 || 1.35.9", "several versions; ask for one version, such as v1.36.4"),
        ("v1.36.4 and v1.35.9", "several versions; ask for one version, such as v1.36.4"),
        ("1.36.4..1.36.9", "several versions; ask for one version, such as v1.36.4"),
        ("kubernetes-1.36", "not a request; ask for 1.36, the newest patch of it"),
        ("release-1.36", "not a request; ask for 1.36, the newest patch of it"),
        ("newest-1.36", "not a request; ask for 1.36, the newest patch of it"),
        ("1.36.x-*", "not a request; ask for 1.36, the newest patch of it"),
        (">=1.36.4-1,<1.37", "is release 1 of v1.36.4 .* write v1.36.4"),
    ],
)
def test_what_only_looks_like_a_request_is_told_what_to_ask_for(text: str, remedy: str) -> None:
    pattern = re.escape(remedy).replace(r"\.\*", ".*").replace(r"\ ", " ")
    with pytest.raises(RequestError, match=f"{pattern}$"):
        versions.Request.parse(text)


@pytest.mark.parametrize("recipe", shipped().packages.values(), ids=lambda one: one.name)
def test_a_package_has_the_version_of_kubernetes_or_is_told_apart_from_it(recipe: Recipe) -> None:
    ours = recipe.component == "kubernetes" and "keyring" not in recipe.name  # which is the site's
    for text in (
        f"{recipe.name}=1.36.4-1",
        f"{recipe.name}_1.36.4-1_amd64.deb",
        f"{recipe.name}-1.36.4-1.x86_64.rpm",
    ):
        said = str(kubernetes_versions.refusal(text))
        assert said.endswith("ask for v1.36.4") == ours
        assert (f"a version of {recipe.name}, not of Kubernetes" in said) != ours


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("containerd=2.3.6", "containerd"),
        ("coredns:v1.12.1", "coredns"),
        ("registry.k8s.io/coredns/coredns:v1.12.1", "coredns"),
        ("registry.k8s.io/etcd:3.6.5-0", "etcd"),
        ("https://github.com/etcd-io/etcd/releases/tag/v3.6.5", "etcd"),
        ("go1.36.4", "go"),
        ("etcd 3.6", "etcd"),
        ("docker-29.8", "docker"),
    ],
)
def test_a_version_of_something_else_is_never_what_to_ask_for(text: str, other: str) -> None:
    with pytest.raises(RequestError, match=f"a version of {other}, not of Kubernetes") as refused:
        versions.Request.parse(text)
    _, _, remedy = str(refused.value).partition("; ")
    assert remedy.startswith(("ask for a version of Kubernetes, such as v1.36.4", "use stable"))


@pytest.mark.parametrize("text", ["kubelet=1.35.9", "V1.35.9", "v1.35.9-1", "1.35.9-0"])
def test_where_only_a_version_will_do_the_remedy_is_a_version(text: str) -> None:
    with pytest.raises(RequestError, match=r"not a version.*write v1\.35\.9$") as refused:
        kubernetes_versions.required(text)
    assert "request" not in str(refused.value)


@pytest.mark.parametrize("text", ["^1.36", "~1.36", "1.35-1.36", "1.36.4.1", "1.37.0-alpha.1.23"])
def test_what_has_no_plain_meaning_is_told_what_a_request_is(text: str) -> None:
    with pytest.raises(RequestError, match="not a request; use stable"):
        versions.Request.parse(text)


tags = st.builds(
    lambda core, stage: ".".join(map(str, core)) + stage,
    st.tuples(*[st.integers(0, 99)] * 3),
    st.sampled_from(["", "-alpha.0", "-beta.12", "-rc.1"]),
)


@given(tags, st.integers(1, 99))
def test_the_name_of_a_release_is_never_a_version(version: str, revision: int) -> None:
    assert versions.Request.parse(f"v{version}").scope == version
    with pytest.raises(RequestError, match=rf"release {revision} of v{re.escape(version)} "):
        versions.Request.parse(f"v{version}-{revision}")


@given(tags, st.text(alphabet="-+~.0123456789abcelr*_ ", min_size=1, max_size=8))
def test_whatever_stands_behind_a_version_it_is_read_as_that_version_or_refused(
    version: str, more: str
) -> None:
    try:
        wanted = versions.Request.parse(version + more)
    except RequestError:
        return
    assert kubernetes_versions.read(wanted.scope) or wanted.word == "stable"
    assert (version + more).startswith((wanted.scope, version))
