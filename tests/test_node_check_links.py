"""`kube-node-check` below another root: links, files that are empty, what this user may not see."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from exhaustive import by_turns
from node_machines import (
    CHECK,
    CONTAINERD_CONFIG,
    HEALTHY,
    OPTIONS,
    SHELLS,
    SITE_DROP_IN,
    SYSTEMD,
    V1,
    Checked,
    Files,
    build,
    checker,
    spec,
)

KERNEL = "6.12.43-amd64"


@pytest.fixture
def check(tmp_path: Path) -> Checked:
    """Checks a healthy machine with changes."""
    return checker(tmp_path)


# ── Links ────────────────────────────────────────────────────────────────────────────────────

OFF = "version = 3\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n"
SWAP = {"proc/swaps": "Filename\n/dev/sda2 partition 1 0 100\n"}
LINKED: dict[str, tuple[Files, set[str]]] = {
    "the build directory of a kernel": (
        {
            OPTIONS: None,
            f"lib/modules/{KERNEL}/build": Path(f"/usr/src/linux-{KERNEL}"),
            f"usr/src/linux-{KERNEL}": Path("/usr/src/real"),
            "usr/src/real/.config": HEALTHY[OPTIONS],
        },
        set(),
    ),
    "containerd's configuration": (
        {CONTAINERD_CONFIG: Path("/opt/c.toml"), "opt/c.toml": OFF},
        {"containerd-cri", "containerd-imports", "cgroup-driver"},
    ),
    "a drop-in": (
        {SITE_DROP_IN: Path("/opt/site.toml"), "opt/site.toml": OFF},
        {"containerd-cri"},
    ),
    "a drop-in that leads nowhere": ({SITE_DROP_IN: Path("/opt/none")}, {"containerd-config"}),
    "a drop-in that is empty": ({SITE_DROP_IN: Path("/dev/null")}, set()),
    "a directory of an import": (
        {
            CONTAINERD_CONFIG: "version = 3\nimports = ['/etc/containerd/conf.d/*.toml', "
            "'/etc/more/*.toml']\n",
            "etc/more": Path("/opt/more"),
            "opt/more/x.toml": OFF,
        },
        {"containerd-cri"},
    ),
    "kubelet's defaults": (
        {
            **SWAP,
            "etc/default/kubelet": Path("/opt/kubelet"),
            "opt/kubelet": "KUBELET_EXTRA_ARGS=--fail-swap-on=false\n",
        },
        set(),
    ),
    "a directory of kubelet's defaults": (
        {
            **SWAP,
            "etc/default": Path("/opt/default"),
            "opt/default/kubelet": "KUBELET_EXTRA_ARGS=--fail-swap-on=false\n",
        },
        set(),
    ),
    "a directory of fragments": (
        {
            **SWAP,
            "etc/default/kubelet": "KUBELET_EXTRA_ARGS=--config-dir=/etc/kubelet.d\n",
            "etc/kubelet.d": Path("../opt/fragments"),
            "opt/fragments/1.conf": "failSwapOn: false\n",
        },
        set(),
    ),
    "a directory of drop-ins of a unit": (
        {
            **SWAP,
            "etc/systemd/system/kubelet.service.d": Path("/opt/kubelet.d"),
            "opt/kubelet.d/1.conf": "[Service]\n"
            "Environment=KUBELET_EXTRA_ARGS=--fail-swap-on=false\n",
        },
        set(),
    ),
    "a unit": (
        {
            f"{SYSTEMD}/kubelet.service": None,
            "etc/systemd/system/kubelet.service": Path("/opt/kubelet.service"),
            "opt/kubelet.service": HEALTHY[f"{SYSTEMD}/kubelet.service"],
        },
        set(),
    ),
    "a loop": (
        {SITE_DROP_IN: Path("/etc/containerd/conf.d/99-site.toml")},
        {"containerd-config"},
    ),
}


@by_turns("shell", SHELLS, ("files", "wrong"), LINKED)
def test_links_lead_where_they_lead_on_the_machine_itself(
    check: Checked, files: Files, wrong: set[str], shell: str
) -> None:
    assert set(check(files, shell=shell)[1]) == wrong


# ── Empty is seen, and out of sight is not absent ────────────────────────────────────────────

EMPTY: dict[str, tuple[Files, str]] = {
    "no controller": ({"sys/fs/cgroup/cgroup.controllers": "\n"}, "cgroup-controllers"),
    "an empty file": ({"sys/fs/cgroup/cgroup.controllers": ""}, "cgroup-controllers"),
    "v1": ({**V1, "proc/cgroups": "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"},
           "cgroup-controllers"),
    "empty options": ({OPTIONS: ""}, "kernel-options"),
    "commented options": ({OPTIONS: "# CONFIG_NET_NS is not set\n"}, "kernel-options"),
    "a directory": ({OPTIONS: None, f"{OPTIONS}/x": ""}, "kernel-options"),
    "what is not compressed": ({"proc/config.gz": "x"}, "kernel-options"),
}  # fmt: skip


@by_turns("shell", SHELLS, ("files", "name"), EMPTY)
def test_what_is_there_and_empty_fails(check: Checked, files: Files, name: str, shell: str) -> None:
    code, wrong = check(files, shell=shell)
    assert (code, wrong[name]["result"]) == (1, "fail")
    assert wrong[name]["found"].startswith("missing: ")


UNSEEN = {
    "the file": CONTAINERD_CONFIG,
    "its directory": "etc/containerd",
    "a drop-in": "etc/containerd/conf.d/10-kubewright.toml",
    "the directory of drop-ins": "etc/containerd/conf.d",
}


@pytest.mark.parametrize("path", UNSEEN.values(), ids=list(UNSEEN))
def test_what_this_user_may_not_see_is_not_judged(path: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        build(folder / "root", HEALTHY)
        build(folder, {"spec.sh": spec("1.36"), "check": CHECK.read_text()})
        (folder / "root" / path).chmod(0)
        words = ["sh", str(folder / "check"), "--json", "--root", str(folder / "root")]
        words += ["--spec", str(folder / "spec.sh")]
        done = subprocess.run(
            words, capture_output=True, text=True, check=False,
            user=None if os.geteuid() else 65534,
        )  # fmt: skip
        (folder / "root" / path).chmod(0o755)
    found = {one["id"]: one for one in json.loads(done.stdout)["checks"]}
    assert (done.returncode, found["containerd-config"]["result"]) == (0, "warn")
    assert found["containerd-config"]["found"].startswith("cannot look: /etc/containerd")
