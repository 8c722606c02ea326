"""What a person may ask for beside a version, and what `resolve` and `explain` say."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from kubewright import resolution, versions
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.models.base import Arch
from kubewright.models.catalog import Patch
from kubewright.models.lock import Check, Release
from kubewright.models.resolve_options import ResolveOptions, Wanted
from kubewright.packagers.plan import plan
from kubewright.resolution.packages import fits
from kubewright.resolution.problem import Key
from kubewright.resolution.statements import in_force
from kubewright.settings import Settings
from kubewright.stages import resolve, upgrade
from kubewright.upstream import Upstream

COMPONENTS = shipped().components
DISTRIBUTIONS = shipped().distributions
CATALOG = shipped().catalog


def ask(
    *options: str,
    without: Sequence[str] = (),
    distros: Sequence[str] = (),
    external_etcd: bool = False,
) -> ResolveOptions:
    return resolution.read_options(
        COMPONENTS,
        DISTRIBUTIONS,
        wanted=options,
        without=without,
        distros=distros,
        external_etcd=external_etcd,
    )


@pytest.mark.parametrize(
    ("option", "wish"),
    [
        ("docker", Wanted(component="docker")),
        ("docker=20.10", Wanted(component="docker", range="=20.10")),
        ("docker=>=29", Wanted(component="docker", range=">=29")),
        ("docker>=29", Wanted(component="docker", range=">=29")),
        ("containerd=>=2.2,<2.3", Wanted(component="containerd", range=">=2.2,<2.3")),
        ("cri-dockerd = 0.3.12", Wanted(component="cri-dockerd", range="=0.3.12")),
        ("docker=17.03", Wanted(component="docker", range="=17.03")),
    ],
)
def test_a_wish_is_a_component_and_a_range(option: str, wish: Wanted) -> None:
    assert ask(option).wanted == (wish,)


@pytest.mark.parametrize(
    ("wanted", "more", "said"),
    [
        (
            ["dockr"],
            {},
            "--with dockr: no such component; did you mean docker? known are busybox, ",
        ),
        (["docker new"], {}, "--with 'docker new': cannot be read; write it like docker"),
        (["docker=new"], {}, "--with docker=new: '=new' is not a range"),
        (["docker=>=new"], {}, "--with docker=>=new: '>=new' is not a range"),
        (
            ["kubernetes=1.36"],
            {},
            "--with kubernetes=1.36: Kubernetes itself is asked for by the request",
        ),
        (
            [],
            {"without": ["cri-tools"]},
            "--without cri-tools: every release needs it; possible are busybox, containerd, ",
        ),
        (
            [],
            {"without": ["containerd", "docker"]},
            "--without containerd,docker: a node needs one of them",
        ),
        (
            ["docker"],
            {"without": ["docker"]},
            "--with docker, --without docker: contradict each other",
        ),
        (
            ["cri-dockerd"],
            {"without": ["docker"]},
            "--with cri-dockerd, --without docker: contradict each other",
        ),
        (
            [],
            {"distros": ["debain-12"]},
            "--distro debain-12: no such distribution; did you mean debian-12? known are",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_option(
    wanted: list[str], more: dict[str, list[str]], said: str
) -> None:
    with pytest.raises(RequestError) as caught:
        ask(*wanted, without=more.get("without", ()), distros=more.get("distros", ()))
    assert said in str(caught.value)


def solved(kubernetes: str, asked: ResolveOptions) -> resolution.Solution:
    facts = resolution.Facts(
        CATALOG, COMPONENTS, shipped().relations, DISTRIBUTIONS, packaged=("1.36",)
    )
    return resolution.solve([(kubernetes, "")], facts, asked)


@pytest.mark.parametrize(
    ("kubernetes", "asked", "runtime"),
    [
        ("1.36.4", ResolveOptions(), "containerd"),
        ("1.36.4", ask("docker"), "docker"),
        ("1.36.4", ask(without=["containerd"]), "docker"),
        ("1.24.17", ResolveOptions(), "containerd"),
        ("1.23.17", ResolveOptions(), "docker"),
        ("1.23.17", ask("containerd"), "containerd"),
        ("1.23.17", ask(without=["docker"]), "containerd"),
    ],
)
def test_nodes_run_containerd_since_dockershim_is_gone_or_what_was_asked_for(
    kubernetes: str, asked: ResolveOptions, runtime: str
) -> None:
    found = solved(kubernetes, asked)
    assert found.case.runtime == runtime
    there = {one.name for one in found.components}
    assert runtime in there
    assert ("cri-dockerd" in there) == ("docker" in there and kubernetes != "1.23.17")


def test_what_an_old_minor_states_nothing_about_is_left_out_unless_asked_for() -> None:
    assert "containerd" not in {one.name for one in solved("1.6.13", ResolveOptions()).components}
    asked = {one.name: one for one in solved("1.6.13", ask("containerd=1.0")).components}
    assert (asked["containerd"].version, asked["containerd"].status) == ("1.0.3", "unknown")


def test_an_etcd_outside_the_cluster_follows_its_own_rule() -> None:
    etcd = {one.name: one for one in solved("1.28.5", ask(external_etcd=True)).components}["etcd"]
    assert (etcd.status, etcd.range) == ("supported", ">=3.4.13")
    assert "administrator" in etcd.reason


@pytest.mark.parametrize(
    ("kubernetes", "line", "asked", "reason"),
    [
        (
            "1.23.17",
            "3.5",
            "",
            "newest known 3.5, which Kubernetes itself deploys, that meets >=3.2.18",
        ),
        (
            "1.34.1",
            "3.6",
            "",
            "newest known 3.6, which Kubernetes itself deploys, that meets >=3.5.21",
        ),
        ("1.23.17", "3.6", "etcd=3.6", "newest known that meets >=3.2.18 and =3.6, as asked for"),
    ],
    ids=["1.23", "1.34", "asked for"],
)
def test_an_etcd_outside_the_cluster_is_of_the_minor_that_kubernetes_deploys_itself(
    kubernetes: str, line: str, asked: str, reason: str
) -> None:
    wanted = [asked] if asked else []
    etcd = {
        one.name: one for one in solved(kubernetes, ask(*wanted, external_etcd=True)).components
    }["etcd"]
    known = [one.version for one in COMPONENTS.components["etcd"].known if not one.avoid]
    newest = versions.newest(
        one for one in known if versions.minor(one) == line and versions.is_final(one)
    )
    assert (etcd.version, etcd.status) == (newest, "supported")
    assert etcd.reason.endswith(reason)


def test_another_version_than_the_deployed_one_is_held_to_the_bound_that_is_stated() -> None:
    plugins = {one.name: one for one in solved("1.34.1", ask("cni-plugins=1.9.1")).components}[
        "cni-plugins"
    ]
    assert (plugins.status, plugins.range) == ("supported", ">=1.2.0,=1.9.1")
    with pytest.raises(RequestError, match=r"components.cni-plugins.bounds: must be >=1.2.0"):
        solved("1.34.1", ask("cni-plugins=0.9.1"))


@pytest.mark.parametrize(
    ("kubernetes", "distribution", "family", "package"),
    [
        ("1.36.4", "debian-12", "docker", "docker.io"),
        ("1.36.4", "debian-12", "containerd", "kubernetes-containerd"),
        ("1.36.4", "rhel-9", "docker", "kubernetes-docker"),
        ("1.36.4", "amazon-2023", "containerd", "containerd"),
        ("1.30.14", "debian-12", "containerd", "containerd.io"),
        ("1.23.17", "ubuntu-22.04", "docker", "docker-ce"),
        ("1.23.17", "ubuntu-22.04", "containerd", "containerd.io"),
    ],
)
def test_a_distribution_takes_its_own_package_then_ours_where_it_is_made_then_a_vendors(
    kubernetes: str, distribution: str, family: str, package: str
) -> None:
    found = solved(kubernetes, ask(distros=[distribution]))
    taken = {one.family: one for one in found.packages}[family]
    chosen = {one.name: one for one in found.components}[family]
    assert taken.package == package
    assert family in found.case.unbound or fits(taken, chosen.range)
    offered = [
        one.version
        for one in DISTRIBUTIONS.distributions[distribution].packages
        if one.name == package
    ]
    assert taken.version in (offered or [chosen.version])


@pytest.mark.parametrize(
    ("kubernetes", "wanted", "distribution", "containerd", "docker"),
    [
        ("1.36.4", ["docker"], "debian-12", "containerd 1.6.20", "docker.io 20.10.24"),
        ("1.36.4", ["docker"], "opensuse-tumbleweed", "nothing", "docker 29.7.2"),
        ("1.36.4", ["docker"], "rhel-9", "kubernetes-containerd 2.3.", "kubernetes-docker 29."),
        ("1.24.17", ["docker=28.5.2"], "debian-13", "containerd.io 1.7.29", "docker-ce 5:28.5.2"),
        ("1.24.17", ["docker=29.8.1"], "debian-13", "containerd.io 2.3.5", "docker-ce 5:29.8.1"),
        (
            "1.36.4",
            ["docker", "containerd"],
            "debian-12",
            "kubernetes-containerd 2.3.",
            "docker.io 20.10.24",
        ),
    ],
    ids=[
        "its own",
        "by dependency",
        "ours",
        "one that fits",
        "one that only Docker takes",
        "both asked for",
    ],
)
def test_containerd_that_only_docker_uses_goes_by_the_package_of_docker(
    kubernetes: str, wanted: list[str], distribution: str, containerd: str, docker: str
) -> None:
    chosen = solved(kubernetes, ask(*wanted, distros=[distribution])).chosen
    assert str(chosen[Key("containerd", distribution)]).startswith(containerd)
    assert str(chosen[Key("docker", distribution)]).startswith(docker)


def test_packages_that_exclude_each_other_are_a_conflict_like_any_other() -> None:
    with pytest.raises(RequestError) as caught:
        solved("1.23.17", ask("containerd>=1.6.21,<1.7", "docker=20.10.24", distros=["debian-12"]))
    said = str(caught.value)
    assert (
        "recipes/distros.toml: pairs[0]: docker.io goes with containerd or kubernetes-containerd "
        "only: " in said
    )
    assert "v1.23.17 without --with 'containerd>=1.6.21,<1.7': " in said


def test_statements_hold_from_their_version_on_and_are_carried_forward_to_newer_minors() -> None:
    found = [
        in_force("etcd", version, CATALOG).exact for version in ("1.34.1", "1.34.2-rc.0", "1.34.2")
    ]
    assert [one.value for one in found if one] == ["3.6.4", "3.6.4", "3.6.5"]
    carried = in_force("containerd", "1.37.1", CATALOG)
    assert (carried.minor, carried.carried) == ("1.36", True)
    assert in_force("containerd", "1.6.13", CATALOG).minor == ""


@pytest.mark.parametrize(
    "words",
    [
        ("resolve", "1.23", "--distro", "ubuntu-22.04"),
        ("resolve", "1.24", "--with", "docker"),
        ("resolve", "1.36", "--distro", "debian-12", "--from", "v1.23.5"),
        ("explain", "docker", "1.23", "--distro", "debian-12"),
        ("explain", "containerd", "1.37"),
        ("explain", "kubernetes"),
        ("explain", "cri-dockerd", "1.23"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("width", [40, 50, 80])
def test_what_people_read_fits_the_terminal_and_keeps_words_whole(
    words: tuple[str, ...],
    width: int,
    tmp_path: Path,
    run: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    dist = ["--dist", str(tmp_path)] if words[0] == "resolve" else []
    code, out, _ = run(*words, "--offline", *dist)
    assert code == 0
    text = out.replace(str(tmp_path), "dist")
    lines = text.splitlines()
    own = [line for line in lines if not line.startswith("    ")]  # else a file's, to be copied
    assert [line for line in own if len(line) > width and " " in line.strip()] == []
    assert [line for line in lines if len(line) > 80 or line != line.rstrip()] == []
    _, told, _ = run(*words, "--offline", "--json", *dist)
    assert json.loads(told)
    whole = {word.strip(",:;.()[]") for word in told.replace('"', " ").split()}
    long = {word.strip(",:;.()[]") for word in text.split() if len(word) > 20}
    assert {
        word for word in long if word not in whole and "/" not in word and "~" not in word
    } == set()


def test_the_lock_records_only_what_was_asked_for(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    lock = tmp_path / "v1.36.4-1/release.json"
    run("resolve", "v1.36.4", "--offline", "--dist", str(tmp_path))
    plain = lock.read_bytes()
    assert Release.from_bytes(plain).request is None
    words = ("--with", "docker=20.10", "--distro", "rhel-9", "--distro", "debian-12")
    run("resolve", "v1.36.4", "--offline", "--dist", str(tmp_path), *words)
    release = Release.from_bytes(lock.read_bytes())
    assert release.request == ask("docker=20.10", distros=["debian-12", "rhel-9"])
    assert release.runtime == "docker"
    chosen = [(one.distribution, one.family) for one in release.distributions if one.chosen]
    assert sorted(chosen) == [
        (name, family) for name in ("debian-12", "rhel-9") for family in ("containerd", "docker")
    ]
    run("resolve", "v1.36.4", "--offline", "--dist", str(tmp_path))
    assert lock.read_bytes() == plain


@pytest.mark.parametrize("verb", ["fetch", "package", "image"])
def test_what_can_only_be_resolved_is_not_built(
    verb: str, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    assert run("resolve", "1.23", "--offline", "--dist", str(tmp_path))[0] == 0
    code, _, said = run(verb, "1.23", "--dist", str(tmp_path))
    assert code == 2
    assert "Kubernetes 1.23: resolution only" in " ".join(said.split())


def test_a_wish_that_nothing_vouches_for_is_unavailable_and_says_what_to_do(
    sample_mirror: Path, tmp_path: Path
) -> None:
    mirror = tmp_path / "mirror"
    bundle = mirror / "download.docker.com/linux/static/stable/x86_64/docker-20.10.24.tgz"
    bundle.parent.mkdir(parents=True)
    bundle.write_bytes(b"a bundle")
    for path in sample_mirror.rglob("*"):
        name = path.relative_to(sample_mirror)
        if path.is_file() and name.parts[0] not in (
            "SHA256SUMS",
            "mirror.json",
            "download.docker.com",
        ):
            copy = mirror / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.hardlink_to(path)
    settings = Settings(
        upstream=str(mirror),
        dist=tmp_path / "dist",
        cache=tmp_path,
        now=0,
        architectures=(Arch.amd64,),
        asked=ask("docker=20.10"),
    )
    _, release = resolve.resolve("v1.36.4", settings, shipped())
    said = release.missing("docker", "docker", Arch.amd64)
    assert said is not None
    assert "--allow-unverified docker" in said
    accepted = settings.model_copy(update={"allow_unverified": ("docker",)})
    _, release = resolve.resolve("v1.36.4", accepted, shipped())
    assert {one.check for one in release.inputs if one.component == "docker"} == {Check.unverified}


@pytest.mark.parametrize(
    ("without", "gone"),
    [
        ("docker", {"cri-dockerd", "kubernetes-docker", "kubernetes-runtime-docker"}),
        ("containerd", {"kubernetes-containerd", "kubernetes-runtime-containerd"}),
    ],
)
def test_packages_of_what_a_release_does_without_are_not_made(
    without: str, gone: set[str], tmp_path: Path
) -> None:
    settings = Settings(dist=tmp_path, cache=tmp_path, now=0, offline=True)

    def made(asked: ResolveOptions) -> set[str]:
        _, release = resolve.resolve(
            "v1.36.4", settings.model_copy(update={"asked": asked}), shipped()
        )
        planned = plan(release, shipped().packages.values(), shipped().components)
        return {package.recipe.name for package in planned}

    assert made(ResolveOptions()) - made(ask(without=[without])) == gone


def test_a_patch_to_avoid_is_had_by_its_exact_version_only(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = CATALOG["1.36"]
    newest = facts.patches[-1]
    bad = Patch(version=newest.version, source=newest.source, avoid="it loses data")
    catalog = {"1.36": facts.model_copy(update={"patches": (*facts.patches[:-1], bad)})}
    assert next(resolution.candidates("1.36", catalog, None))[0] == facts.patches[-2].version
    assert next(resolution.candidates(f"v{newest.version}", catalog, None))[0] == newest.version
    assert resolution.avoided(newest.version, catalog) == "it loses data"


def test_a_marker_that_names_a_patch_to_avoid_gives_the_one_before(tmp_path: Path) -> None:
    facts = CATALOG["1.36"]
    bad = tuple(
        one.model_copy(update={"avoid": "it loses data"}) if one.version == "1.36.4" else one
        for one in facts.patches
    )
    marker = tmp_path / "dl.k8s.io/release/stable-1.36.txt"
    kubelet = tmp_path / "dl.k8s.io/release/v1.36.3/bin/linux/amd64/kubelet"
    for path, text in ((marker, "v1.36.4"), (kubelet, "")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    catalog = {"1.36": facts.model_copy(update={"patches": bad})}
    found, why = next(resolution.candidates("1.36", catalog, Upstream(str(tmp_path))))
    assert found == "1.36.3"
    assert "to be avoided: it loses data" in why
    kubelet.unlink()
    with pytest.raises(
        RequestError,
        match=r"to be avoided: it loses data; ask for another minor, or for just v1.36.4",
    ):
        next(resolution.candidates("1.36", catalog, Upstream(str(tmp_path))))


def test_an_explanation_says_what_else_was_considered() -> None:
    asked = ask(distros=["debian-12"])
    facts = resolve.facts(shipped())
    found, older = (
        resolution.explain(
            "containerd",
            resolution.solve([(kubernetes, "")], facts, asked),
            facts,
            asked,
            today="2026-11-22",
        )
        for kubernetes in ("1.36.4", "1.35.8")
    )
    excluded = {one.what: one.verdict for one in older.newer}
    assert {"2.3.4", "2.3.5", "2.3.6"} <= excluded.keys()
    assert all("components.containerd" in verdict for verdict in excluded.values())
    [*rejected, taken] = found.packages["debian-12"]
    assert (
        "does not fit recipes/catalog/1.36.toml: components.containerd.lines" in rejected[0].verdict
    )
    assert taken.verdict.startswith("taken, from ")
    assert [one.kubernetes.rpartition(".")[0] for one in found.neighbours] == ["1.35", "1.37"]
    assert found.grounds[0].source.startswith("containerd/containerd RELEASES.md")


def test_an_upgrade_says_what_changes_at_every_hop() -> None:
    hops = upgrade.path("v1.34.5", "1.36.4", ask(), shipped())
    assert [one.to.rpartition(".")[0] for one in hops] == ["1.35", "1.36"]
    etcd = [
        (one.before, one.after) for hop in hops for one in hop.components if one.component == "etcd"
    ]
    assert etcd == [("3.6.5", "3.6.6"), ("3.6.6", "3.6.8")]


def test_a_hop_at_which_etcd_goes_back_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("WARNING", logger="kubewright"):
        hops = upgrade.path("v1.29.15", "1.30.14", ask(), shipped())
    assert {one.component for hop in hops for one in hop.components} >= {"etcd", "runc"}
    assert caplog.messages == [
        "v1.29.15 to v1.30.14: etcd would go back from 3.5.16 to 3.5.15, "
        "which etcd does not recommend; keep the newer one"
    ]
    caplog.clear()
    hops = upgrade.path("v1.29.15", "1.30.14", ask(external_etcd=True), shipped())
    assert "etcd" not in {one.component for hop in hops for one in hop.components}
    assert caplog.messages == []


def changes(
    *options: str, start: str, goal: str, without: Sequence[str] = ()
) -> dict[str, tuple[str | None, ...]]:
    [hop] = upgrade.path(start, goal, ask(*options, without=without), shipped())
    return {one.component: (one.before, one.after) for one in hop.components}


def test_a_hop_has_what_was_asked_for_and_everything_that_changes() -> None:
    found = changes("docker=20.10", without=["containerd"], start="1.23.17", goal="1.24.17")
    assert "containerd" not in found
    assert "docker" not in found  # it is 20.10 before and after
    assert (found["cri-dockerd"][0], found["pause"]) == (None, ("3.6", "3.7"))
    assert found["runc"] == ("1.1.0", "1.1.4")


def test_a_hop_at_which_nodes_change_their_runtime_says_so() -> None:
    [hop] = upgrade.path("1.23.17", "1.24.17", ask(), shipped())
    assert hop.runtime is not None
    assert (hop.runtime.before, hop.runtime.after) == ("docker", "containerd")
    [hop] = upgrade.path("1.23.17", "1.24.17", ask("docker"), shipped())
    assert hop.runtime is None


def test_what_a_version_on_the_way_cannot_have_is_left_out_there_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("WARNING", logger="kubewright"):
        found = changes("docker=29.8.1", start="1.23.17", goal="1.24.17")
    assert found["docker"] == ("20.10.24", "29.8.1")
    said = (
        "v1.23.17, on the way: cannot be had with the versions that were asked for; shown without"
    )
    assert caplog.messages == [said]


@pytest.mark.parametrize("start", ["v1.99.0", "", "v1.36.99", "v1.37.1", "v1.35.9-1", "1.35"])
def test_a_way_that_there_is_not_leaves_no_lock(
    start: str, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, said = run("resolve", "v1.36.4", "--offline", "--dist", str(tmp_path), "--from", start)
    assert code == 2
    assert f"error: --from {start or repr(start)}: " in " ".join(said.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["resolve", "explain", "mirror sample"])
@pytest.mark.parametrize("name", ["v1.36.4-1", "v1.36.4-2", "1.36.4-1.1", "1.28.2-00", "1.36.4-0"])
def test_the_name_of_a_release_or_package_leaves_no_lock_and_says_what_to_ask_for(
    name: str, verb: str, tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    words = {
        "resolve": ("resolve", name, "--offline"),
        "explain": ("explain", "etcd", name, "--offline"),
        "mirror sample": ("mirror", "sample", "there", "--kubernetes", name),
    }[verb]
    code, _, said = run(*words)
    assert code == 2
    remedy = "write" if verb == "mirror sample" else "ask for"
    wanted = f"; {remedy} v{name.removeprefix('v').partition('-')[0]}"
    assert " ".join(said.split()).endswith(wanted)
    assert list(tmp_path.iterdir()) == []


def test_no_lock_is_of_a_version_that_kubernetes_does_not_have() -> None:
    _, release = resolve.resolve(
        "v1.36.4", Settings(cache=Path("cache"), now=0, offline=True, dry_run=True), shipped()
    )
    for kubernetes in ("1.36.4-1", "1.36", "v1.36.4", "1.36.4-foo"):
        changed = json.loads(release.to_bytes()) | {"kubernetes": kubernetes}
        with pytest.raises(ValidationError, match="kubernetes"):
            Release.model_validate(changed)


def test_what_a_distribution_brings_and_cannot_be_packaged_is_unavailable_with_the_reason(
    sample_mirror: Path, tmp_path: Path
) -> None:
    asked = ask("docker=26.1.5", distros=["debian-13"])
    settings = Settings(
        upstream=str(sample_mirror),
        dist=tmp_path,
        cache=tmp_path,
        now=0,
        architectures=(Arch.amd64,),
        asked=asked,
    )
    _, release = resolve.resolve("v1.36.4", settings, shipped())
    assert "docker-26.1.5.tgz" in (release.missing("docker", "docker", Arch.amd64) or "")
    [taken] = [one for one in release.distributions if one.chosen and one.family == "docker"]
    assert (taken.package, taken.fits) == ("docker.io", True)


def test_the_end_of_life_of_a_minor_and_of_a_distribution_is_said_when_it_is_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(
        dist=tmp_path,
        cache=tmp_path,
        now=1797000000,  # 2026-12-11
        offline=True,
        asked=ask(distros=["fedora-43"]),
    )
    with caplog.at_level("WARNING", logger="kubewright"):
        resolve.resolve("v1.34.1", settings, shipped())
        resolve.resolve("v1.36.4", settings.model_copy(update={"now": 0}), shipped())
    end = DISTRIBUTIONS.distributions["fedora-43"].end_of_life
    assert caplog.messages == [
        "Kubernetes 1.34: its end of life was 2026-10-27; no more fixes are made for it",
        f"Fedora 43: its end of life was {end}; no more fixes are made for it",
    ]


def test_the_table_says_how_to_enable_a_vendors_repository(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    _, out, _ = run(
        "resolve", "1.23", "--distro", "ubuntu-22.04", "--offline", "--dist", str(tmp_path)
    )
    enable = DISTRIBUTIONS.repositories["download.docker.com"].enable[
        DISTRIBUTIONS.distributions["ubuntu-22.04"].format
    ]
    assert " ".join(f"enable download.docker.com there: {enable}".split()) in " ".join(out.split())


def test_an_explanation_of_kubernetes_shows_go_and_the_end_of_life_in_its_tense() -> None:
    found = resolution.solve([("1.24.17", "")], resolve.facts(shipped()), ResolveOptions())
    for today, said in (("2026-11-22", "was"), ("2023-01-01", "is")):
        told = resolution.explain(
            "kubernetes", found, resolve.facts(shipped()), ResolveOptions(), today=today
        )
        reasons = [one.reason for one in told.grounds]
        assert f"end of life of 1.24 {said} 2023-07-28" in reasons
        assert any(one.startswith("built with Go 1.18.1") for one in reasons)
        assert "released 2023-08-23; released after the end of life" in reasons


def test_a_hop_to_a_patch_to_avoid_says_why(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    _, out, _ = run(
        "resolve", "v1.24.5", "--from", "v1.23.17", "--offline", "--dist", str(tmp_path)
    )
    assert "v1.24.5: what was asked for, although it is to be avoided: a regression" in " ".join(
        out.split()
    )
    assert "nodes run containerd, not docker" in " ".join(
        word for word in out.split() if "v1." not in word
    )


@pytest.mark.parametrize(
    ("version", "said"), [("1.34.0-alpha.1", 1), ("1.37.0-rc.0", 0), ("1.36.4", 0)]
)
def test_offline_a_pre_release_that_the_catalog_does_not_list_is_had_with_a_warning(
    version: str, said: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING", logger="kubewright"):
        resolve.resolve(
            f"v{version}", Settings(dist=tmp_path, cache=tmp_path, now=0, offline=True), shipped()
        )
    told = f"v{version}: the catalog does not list this pre-release, so nothing says that it exists"
    assert caplog.messages == [told] * said


def test_the_lock_and_the_table_say_what_the_keys_of_evidence_stand_for(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    _, out, _ = run("resolve", "v1.24.17", "--offline", "--dist", str(tmp_path))
    lock = Release.from_bytes((tmp_path / "v1.24.17-1/release.json").read_bytes())
    [etcd] = lock.component("etcd").evidence
    assert (etcd.source, etcd.cited) == ("MK", CATALOG["1.24"].sources["MK"])
    assert " ".join(f"MK: {etcd.cited}".split()) in " ".join(out.split())
