"""What holds now and not after the next boot: `kube-node-check` looks at what boot reads."""

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from exhaustive import by_turns
from node_machines import (
    DOCKER,
    ENABLED,
    HEALTHY,
    KUBELET_CONFIG,
    MODULES,
    NODE_FILES,
    SHELLS,
    SYSTEMD,
    Checked,
    Files,
    build,
    checker,
    run,
    spec,
)

SYSTEMD_SYSCTL = Path("/usr/lib/systemd/systemd-sysctl")
DIRECTORIES = ("etc/sysctl.d", "run/sysctl.d", "usr/local/lib/sysctl.d", "usr/lib/sysctl.d")
READ = """
. "$1/look.sh"; . "$1/units.sh"; . "$1/boot.sh"
set -uf; export LC_ALL=C
root=$2 newline='
' tab='	'
sysctl_lines | boot_value net.ipv4.ip_forward
"""


@pytest.fixture
def check(tmp_path: Path) -> Checked:
    """Checks a healthy machine with changes."""
    return checker(tmp_path)


# ── sysctls ──────────────────────────────────────────────────────────────────────────────────


def sysctl_tree(root: Path, seed: int) -> None:
    """Files of sysctl.d in every directory, with every spelling that says something about
    ip_forward.
    """
    choose = random.Random(seed)
    forms = [
        "net.ipv4.ip_forward={}", "net/ipv4/ip_forward = {}", "-net.ipv4.ip_forward = {}",
        "  net.ipv4.ip_forward\t=  {}  ", "net.ipv4.conf.all.forwarding={}",
        "net.ipv4.conf.*.forwarding = {}", "net.ipv4.ip_f* = {}", "-net.ipv4.conf.all.forwarding",
        "#net.ipv4.ip_forward={}", "; net.ipv4.ip_forward={}", "net.ipv4.ip_forward_x={}",
        "kernel.domainname = {}", "-net.ipv4.ip_forward", "net.ipv4.ip_default_ttl = 64",
        "net.ipv4.i[!e]_forward = {}", "net.ipv4.i[^p]_forward = {}", "net//ipv4/ip_forward = {}",
        "net.ipv4.ip_forward = 0{}", "net.ipv4. ip_forward = {}", "net.ipv4.ip_forward x = {}",
        "- net.ipv4.ip_forward = {}", " -net.ipv4.ip_forward={}", "net .ipv4.ip_* = {}",
    ]  # fmt: skip
    for directory in DIRECTORIES:
        (root / directory).mkdir(parents=True)
        for name in choose.sample(["10-a", "50-b", "99-kubernetes", "99-sysctl", "zz"], 2):
            path = root / directory / f"{name}.conf"
            if choose.random() < 0.15:
                path.symlink_to("/dev/null")
            else:
                lines = [form.format(choose.choice("01")) for form in choose.sample(forms, 2)]
                path.write_text("\n".join(lines) + "\n")
    (root / "usr/lib/sysctl.d/README").write_text("net.ipv4.ip_forward=0\n")


def booted(root: Path, before: int) -> str:
    """ip_forward after the real systemd-sysctl has read the tree, in a network of its own."""
    enter = ["unshare", "--net", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    script = "mount -t tmpfs tmpfs /usr/local/lib\nmount -t tmpfs tmpfs /run\nset -e\n"
    script += "mkdir /run/sysctl.d /usr/local/lib/sysctl.d\n"
    script += "".join(f"mount --bind {root}/{name} /{name}\n" for name in DIRECTORIES)
    script += f"echo {before} >/proc/sys/net/ipv4/ip_forward\n{SYSTEMD_SYSCTL} || :\n"
    script += "cat /proc/sys/net/ipv4/ip_forward\n"
    done = subprocess.run([*enter, "sh", "-c", script], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no mounts and network of one's own here: {done.stderr}")
    return done.stdout.strip()


@pytest.mark.elsewhere("needs systemd, and mounts and a network of one's own")
@pytest.mark.skipif(not SYSTEMD_SYSCTL.exists(), reason="systemd is not here")
@pytest.mark.parametrize("seed", range(25))
def test_the_check_foresees_what_systemd_sysctl_sets(tmp_path: Path, seed: int) -> None:
    sysctl_tree(tmp_path, seed)
    (tmp_path / "usr/lib/systemd/system").mkdir(parents=True)
    done = subprocess.run(
        ["sh", "-c", READ, "sh", NODE_FILES / "check", tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    foreseen = done.stdout.split(" ")[0].strip()
    after = {booted(tmp_path, before) for before in (0, 1)}
    assert ({foreseen} if foreseen else {"0", "1"}) == after, done.stdout


AT_BOOT = "net.ipv4.ip_forward-at-boot"
OFF = "net.ipv4.ip_forward = 0\n"
SYSCTL_CONF: Files = {
    "etc/sysctl.conf": OFF,
    "etc/sysctl.d/99-sysctl.conf": Path("../sysctl.conf"),
}
UNDONE: dict[str, tuple[Files, str]] = {
    "sysctl.conf by its link": (SYSCTL_CONF, "/etc/sysctl.d/99-sysctl.conf has the last word"),
    "sysctl.conf by an absolute link": (
        {**SYSCTL_CONF, "etc/sysctl.d/99-sysctl.conf": Path("/etc/sysctl.conf")},
        "99-sysctl.conf has the last word",
    ),
    "an override of the same name": (
        {"etc/sysctl.d/99-kubernetes.conf": OFF},
        "/etc/sysctl.d/99-kubernetes.conf has the last word",
    ),
    "a later name": ({"usr/lib/sysctl.d/zz.conf": "net/ipv4/ip_forward=0"}, "zz.conf has the"),
    "a mask": ({"etc/sysctl.d/99-kubernetes.conf": Path("/dev/null")}, "no file of sysctl.d sets"),
    "the other name of the key": (
        {"run/sysctl.d/99-z.conf": "net.ipv4.conf.all.forwarding=0\n"},
        "/run/sysctl.d/99-z.conf has the last word",
    ),
    "a pattern over the other name": (
        {"etc/sysctl.d/99-z.conf": "net.ipv4.conf.*.forwarding=0\n"},
        "99-z.conf has the last word",
    ),
}
STAYING: dict[str, Files] = {
    "sysctl.conf without its link": {"etc/sysctl.conf": OFF},
    "an earlier name": {"etc/sysctl.d/10-a.conf": OFF},
    "a comment": {"etc/sysctl.d/zz.conf": f"# {OFF};{OFF}"},
    "a pattern that is not asked": {"etc/sysctl.d/zz.conf": "net.ipv4.ip_f* = 0\n"},
    "another suffix": {"etc/sysctl.d/zz.conf.bak": OFF},
    "a later name that agrees": {"etc/sysctl.d/zz.conf": "-net.ipv4.ip_forward=1\n"},
}


@by_turns("shell", SHELLS, ("files", "found"), UNDONE)
def test_a_sysctl_that_boot_undoes_is_a_warning(
    check: Checked, files: Files, found: str, shell: str
) -> None:
    code, wrong = check(files, shell=shell)
    assert (code, list(wrong)) == (0, [AT_BOOT])
    assert wrong[AT_BOOT]["result"] == "warn"
    assert found in wrong[AT_BOOT]["found"]


@pytest.mark.parametrize("files", STAYING.values(), ids=list(STAYING))
def test_a_sysctl_that_boot_keeps_is_fine(check: Checked, files: Files) -> None:
    assert check(files) == (0, {})


SAME_VALUE: dict[str, Files] = {
    "the other name": {"etc/sysctl.d/99-zz.conf": "net.ipv4.conf.all.forwarding=0\n"},
    "a pattern": {"etc/sysctl.d/99-zz.conf": "net.ipv4.conf.*.forwarding=0\n"},
    "the key": {"etc/sysctl.d/99-zz.conf": OFF},
}


@pytest.mark.parametrize("files", SAME_VALUE.values(), ids=list(SAME_VALUE))
def test_a_sysctl_holds_when_its_remedy_is_followed(check: Checked, files: Files) -> None:
    remedy = check(files)[1][AT_BOOT]["remedy"]
    line = remedy.split("say ")[1].split(" in a file")[0]
    assert check({**files, "etc/sysctl.d/zzzz.conf": f"{line}\n"}) == (0, {})


def test_a_line_that_says_the_same_again_does_not_move_its_key(check: Checked) -> None:
    again = {"etc/sysctl.d/zzzz.conf": "net.ipv4.ip_forward = 1\n"}
    assert list(check({**SAME_VALUE["the other name"], **again})[1]) == [AT_BOOT]


def test_without_systemd_sysctl_conf_has_the_last_word(check: Checked, tmp_path: Path) -> None:
    build(tmp_path / "root", HEALTHY)
    shutil.rmtree(tmp_path / "root" / "usr/lib/systemd")
    root = {"etc/sysctl.conf": OFF, "etc/sysctl.d/10.conf": "net.ipv4.ip_forward=1\n"}
    build(tmp_path / "root", root)
    (tmp_path / "spec.sh").write_text(spec("1.36"))
    said = run("sh", "--root", tmp_path / "root", "--spec", tmp_path / "spec.sh").stdout
    assert "the next boot sets 0: /etc/sysctl.conf has the last word" in said


def test_bridged_traffic_that_boot_takes_from_iptables_is_a_warning(check: Checked) -> None:
    key = "net.bridge.bridge-nf-call-iptables"
    assert set(check({"etc/sysctl.d/zz.conf": f"{key} = 0\n"})[1]) == {f"{key}-at-boot"}


# ── Modules ──────────────────────────────────────────────────────────────────────────────────

LINKED: Files = {
    MODULES: None,
    "etc/modules": "# x\nbr-netfilter\n",
    "etc/modules-load.d/modules.conf": Path("../modules"),
}
NOT_LOADED: dict[str, tuple[Files, str]] = {
    "nothing names it": ({MODULES: None}, "nothing loads it at boot"),
    "hidden": ({"etc/modules-load.d/kubernetes.conf": Path("/dev/null")}, "nothing loads it"),
    "another file of that name": ({"etc/modules-load.d/kubernetes.conf": "x\n"}, "nothing loads"),
    "refused": ({"etc/modprobe.d/x.conf": "blacklist br_netfilter\n"}, "br_netfilter is refused"),
    "refused by a false install": (
        {"usr/lib/modprobe.d/x.conf": "install overlay /bin/false\n"},
        "overlay is refused: install",
    ),
    "a comment after it": ({MODULES: "overlay\nbr_netfilter # x\n"}, "nothing loads it at boot"),
    "two on a line": ({MODULES: "overlay br_netfilter\n"}, "nothing loads it at boot"),
    "refused by an install over lines": (
        {"etc/modprobe.d/x.conf": "install br_netfilter \\\n  /bin/true\n"},
        "br_netfilter is refused: install",
    ),
    "refused by the kernel": (
        {"proc/cmdline": "quiet module_blacklist=x,br_netfilter\n"},
        "br_netfilter is refused on the kernel",
    ),
    "refused by modprobe's argument": (
        {"proc/cmdline": "modprobe.blacklist=br-netfilter quiet\n"},
        "br_netfilter is refused on the kernel",
    ),
    "etc/modules without its link": (
        {**LINKED, "etc/modules-load.d/modules.conf": None},
        "nothing loads it at boot",
    ),
}
LOADED: dict[str, Files] = {
    "etc/modules by its link": LINKED,
    "spaces and comments": {MODULES: "# x\n ; y\n  overlay\n\tbr-netfilter \n"},
    "another that is refused": {
        "proc/cmdline": "module_blacklist=nouveau modprobe.blacklist=br_netfilter_x\n"
    },
    "the kernel's command line": {
        MODULES: None,
        "proc/cmdline": "quiet modules_load=x,br_netfilter\n",
    },
    "built in": {
        MODULES: None,
        "lib/modules/6.12.43-amd64/modules.builtin": "kernel/net/bridge/br_netfilter.ko\n",
    },
    "a refusal that is masked": {
        "usr/lib/modprobe.d/x.conf": "blacklist overlay\n",
        "etc/modprobe.d/x.conf": Path("/dev/null"),
    },
    "a real install rule": {"etc/modprobe.d/x.conf": "install overlay /sbin/modprobe -i overlay\n"},
}


@by_turns("shell", SHELLS, ("files", "found"), NOT_LOADED)
def test_a_module_that_boot_does_not_load_is_a_warning(
    check: Checked, files: Files, found: str, shell: str
) -> None:
    code, wrong = check(
        {k: v for k, v in files.items() if v is not None or k == MODULES}, shell=shell
    )
    assert (code, list(wrong)) == (0, ["modules-at-boot"])
    assert found in wrong["modules-at-boot"]["found"]


@pytest.mark.parametrize("files", LOADED.values(), ids=list(LOADED))
def test_a_module_that_boot_loads_is_fine(check: Checked, files: Files) -> None:
    assert check(files) == (0, {})


# ── Units ────────────────────────────────────────────────────────────────────────────────────

UNITS = "etc/systemd/system"
WANTED = f"{ENABLED}/kubelet.service"
CRI_DOCKER = {
    **DOCKER,
    "run/containerd/containerd.sock": None,
    KUBELET_CONFIG: "containerRuntimeEndpoint: unix:///run/cri-dockerd.sock\n",
}
NOT_STARTED: dict[str, tuple[Files, str, str]] = {
    "kubelet not enabled": ({WANTED: None}, "kubelet.service", "not enabled"),
    "kubelet masked": (
        {f"{UNITS}/kubelet.service": Path("/dev/null")},
        "kubelet.service",
        "masked",
    ),
    "kubelet masked by an empty file": ({f"{UNITS}/kubelet.service": ""}, "kubelet.service", "mas"),
    "no kubelet": (
        {f"{SYSTEMD}/kubelet.service": None, WANTED: None},
        "kubelet.service",
        "not there",
    ),
    "containerd not enabled": (
        {f"{ENABLED}/containerd.service": None},
        "containerd.service",
        "not enabled",
    ),
    "containerd masked": (
        {f"{UNITS}/containerd.service": Path("/dev/null")},
        "containerd.service",
        "masked",
    ),
    "cri-dockerd without its socket": (
        {**CRI_DOCKER, f"{UNITS}/sockets.target.wants/cri-docker.socket": None,
         f"{ENABLED}/cri-docker.service": None},
        "cri-docker.socket",
        "not enabled",
    ),
    "an old drop-in over ours": (
        {f"{UNITS}/kubelet.service.d/10-kubeadm.conf": "[Service]\nExecStart=/usr/bin/kubelet\n"},
        "kubelet.service-hidden",
        "hidden by /etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
    ),
    "an old unit over ours": (
        {f"{UNITS}/kubelet.service": "[Service]\nExecStart=/usr/bin/kubelet\n"},
        "kubelet.service-hidden",
        "hidden by /etc/systemd/system/kubelet.service",
    ),
}  # fmt: skip
STARTED: dict[str, Files] = {
    "another target wants it": {
        WANTED: None,
        f"{UNITS}/default.target.wants/kubelet.service": Path("/x"),
    },
    "something requires it": {
        WANTED: None,
        f"{UNITS}/a.target.requires/kubelet.service": Path("/"),
    },
    "the socket of cri-dockerd alone": {**CRI_DOCKER, f"{ENABLED}/cri-docker.service": None},
    "a drop-in with a name of its own": {
        f"{UNITS}/kubelet.service.d/20-mine.conf": "[Service]\nEnvironment=A=b\n"
    },
    "a copy of ours": {f"{UNITS}/kubelet.service": HEALTHY[f"{SYSTEMD}/kubelet.service"]},
}


@by_turns("shell", SHELLS, ("files", "name", "found"), NOT_STARTED)
def test_a_unit_that_boot_does_not_start_is_a_warning(
    check: Checked, files: Files, name: str, found: str, shell: str
) -> None:
    code, wrong = check(files, shell=shell)
    assert (code, list(wrong)) == (0, [name])
    assert found in wrong[name]["found"]


@pytest.mark.parametrize("files", STARTED.values(), ids=list(STARTED))
def test_a_unit_that_boot_starts_is_fine(check: Checked, files: Files) -> None:
    assert check(files) == (0, {})


def test_a_mask_is_not_taken_away_unasked(check: Checked) -> None:
    _, wrong = check({f"{UNITS}/kubelet.service": Path("/dev/null")}, "--fix")
    assert wrong["kubelet.service"]["fix"] == []
    assert "systemctl unmask kubelet.service" in wrong["kubelet.service"]["remedy"]
