"""Situations in which `kubeadm init phase preflight` and `kube-node-check` are compared: real
kubeadm, real containerd, and a root directory that both look at.
"""

import contextlib
import gzip
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from node_machines import (
    CGROUPFS,
    CONTAINERD_CONFIG,
    DEBIANS_CONFIG,
    ENABLED,
    FORWARD,
    HEALTHY,
    KUBELET_CONFIG,
    OPTIONS,
    SITE_DROP_IN,
    SYSCTLS,
    V1,
    Files,
    build,
    containerd,
    run,
    spec,
)

KERNEL = "6.12.43-amd64"
"""The kernel of the made-up machine; before kubeadm it has this machine's release."""

V2_MOUNT = "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n"
TMPFS = "tmpfs /sys/fs/cgroup tmpfs ro 0 0\n"
V1_MOUNT = f"{TMPFS}cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
IMAGES, RUNTIME = "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime"
CONFIGURATION = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {{advertiseAddress: 192.0.2.1}}
nodeRegistration: {{name: node, imagePullPolicy: Never}}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: {version}
"""


class Situation(NamedTuple):
    """A machine, and where kubeadm and the check do not agree about it, why."""

    files: Files
    fails: bool
    """Whether kube-node-check finds something that fails."""
    reason: str = ""
    """Why kubeadm says otherwise; empty where it agrees."""
    listens: int = 0
    """A TCP port on which somebody listens."""
    sockets: tuple[str, ...] = ()
    """Unix sockets beside containerd's."""


def without(name: str) -> Files:
    return {name: None}


def options_at(place: str) -> Files:
    text = HEALTHY[OPTIONS].encode()
    return {OPTIONS: None, place: gzip.compress(text) if place.endswith(".gz") else text}


SWAP = "Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n"
LISTENING = "   0: 00000000:{:04X} 00000000:0000 0A 0:0\n"
V1_MACHINE: Files = {**V1, "proc/mounts": V1_MOUNT}
NO_MEMORY = str(V1["proc/cgroups"]).replace("memory\t1\t50\t1", "memory\t0\t50\t0")
SITUATIONS: Mapping[str, Situation] = {
    "nothing is wrong": Situation({}, False),
    "swap is on": Situation(
        {"proc/swaps": SWAP},
        True,
        "kubeadm warns; kubelet, which it starts next, ends unless failSwapOn is false",
    ),
    "swap is on, and kubelet accepts it": Situation(
        {"proc/swaps": SWAP, KUBELET_CONFIG: "failSwapOn: false\n"}, False
    ),
    "ip_forward is 0": Situation({FORWARD: "0\n"}, True),
    "there is no ip_forward": Situation({FORWARD: None}, True),
    "ip_forward is 1 until the next boot": Situation({SYSCTLS: None}, False),
    "v2 without cpuset": Situation(
        {"sys/fs/cgroup/cgroup.controllers": "cpu io memory pids\n"}, True
    ),
    "v2 without memory": Situation({"sys/fs/cgroup/cgroup.controllers": "cpuset cpu pids\n"}, True),
    "control groups v1": Situation(V1_MACHINE, True),
    "v1 with v2 beside it": Situation(
        {
            **V1_MACHINE,
            "proc/mounts": TMPFS + "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n" + V1_MOUNT,
        },
        True,
    ),
    "v1 without memory": Situation(
        {**V1_MACHINE, "sys/fs/cgroup/memory/tasks": None, "proc/cgroups": NO_MEMORY}, True
    ),
    "v1, and kubelet accepts it": Situation(
        {**V1_MACHINE, KUBELET_CONFIG: "failCgroupV1: false\n"},
        False,
        "kubeadm does not ask kubelet: it wants --ignore-preflight-errors=SystemVerification, "
        "as the check's warning says",
    ),
    "no control groups": Situation(
        {**V1, "sys/fs/cgroup/memory/tasks": None, "proc/mounts": "proc /proc proc rw 0 0\n"}, True
    ),
    "a kernel option is missing": Situation(
        {OPTIONS: HEALTHY[OPTIONS].replace("CONFIG_CPUSETS=y\n", "")}, True
    ),
    "no kernel configuration": Situation({OPTIONS: None}, True),
    **{
        f"kernel configuration in /{place}": Situation(options_at(place), False)
        for place in (
            "proc/config.gz",
            f"usr/src/linux-{KERNEL}/.config",
            "usr/src/linux/.config",
            f"usr/lib/modules/{KERNEL}/config",
            f"usr/lib/ostree-boot/config-{KERNEL}",
            f"usr/lib/kernel/config-{KERNEL}",
            f"usr/src/linux-headers-{KERNEL}/.config",
            f"lib/modules/{KERNEL}/build/.config",
        )
    },
    "a better configuration comes second": Situation(
        {"usr/src/linux/.config": HEALTHY[OPTIONS], OPTIONS: "CONFIG_NET_NS=y\n"}, True
    ),
    "no mount": Situation({"usr/bin/mount": None}, True),
    "no losetup": Situation({"usr/sbin/losetup": None}, True),
    "no cp": Situation({"usr/bin/cp": None}, True),
    "a port of kubelet is in use": Situation(
        {"proc/net/tcp": LISTENING.format(10250)}, True, listens=10250
    ),
    "a port of the API server is in use": Situation(
        {"proc/net/tcp": LISTENING.format(6443)}, True, listens=6443
    ),
    "a port of etcd is in use": Situation(
        {"proc/net/tcp": LISTENING.format(2380)}, True, listens=2380
    ),
    "another port is in use": Situation(
        {"proc/net/tcp": LISTENING.format(8080)}, False, listens=8080
    ),
    "no runtime": Situation({"run/containerd/containerd.sock": None}, True),
    "two runtimes": Situation(
        {"run/crio/crio.sock": ""},
        False,
        "kubeadm stops until it is told which (criSocket): nothing of the machine is wrong",
        sockets=("run/crio/crio.sock",),
    ),
    "a socket is left of another runtime": Situation(
        {
            "run/crio/crio.sock": "",
            "proc/net/unix": "ffff: 0002 0 10000 0001 01 1 /run/containerd/containerd.sock\n",
        },
        False,
    ),
    "CRI is off": Situation({CONTAINERD_CONFIG: 'disabled_plugins = ["cri"]\n'}, True),
    "CRI is off in a file that is imported": Situation(
        {SITE_DROP_IN: "version = 3\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n"}, True
    ),
    "CRI is off below a table, where it says nothing": Situation(
        {SITE_DROP_IN: "version = 3\n[plugins.x]\ndisabled_plugins = ['cri']\n"}, False
    ),
    "what CRI needs is off": Situation(
        {SITE_DROP_IN: "version = 3\ndisabled_plugins = ['io.containerd.transfer.v1.local']\n"},
        True,
    ),
    "registries in two ways": Situation(
        {
            SITE_DROP_IN: f"version = 3\n[plugins.'{IMAGES}'.registry]\nconfig_path = '/etc/c'\n"
            f"[plugins.'{IMAGES}'.registry.mirrors.'docker.io']\nendpoint = ['http://x']\n"
        },
        True,
    ),
    "a default runtime that is not there": Situation(
        {
            SITE_DROP_IN: f"version = 3\n[plugins.'{RUNTIME}'.containerd]\n"
            "default_runtime_name = 'nvidia'\n"
        },
        True,
    ),
    "a broken file that is imported": Situation({SITE_DROP_IN: "root = 'x\n"}, True),
    "an import that is not there": Situation(
        {CONTAINERD_CONFIG: "version = 3\nimports = ['/etc/containerd/none.toml']\n"}, True
    ),
    "drop-ins that nobody imports": Situation({CONTAINERD_CONFIG: "version = 3\n"}, False),
    "cgroupfs in containerd": Situation({SITE_DROP_IN: CGROUPFS}, False),
    "Debian's place for network plugins": Situation(
        {CONTAINERD_CONFIG: DEBIANS_CONFIG},
        True,
        "kubeadm does not look: the node joins, and its Pods find no network plugin",
    ),
    "kubelet is not enabled": Situation({f"{ENABLED}/kubelet.service": None}, False),
    "kubelet gets arguments that are gone": Situation(
        {"etc/default/kubelet": "KUBELET_EXTRA_ARGS=--network-plugin=cni\n"},
        True,
        "kubeadm does not look: kubelet, which it starts next, ends",
    ),
    "no modules": Situation({"proc/filesystems": ""}, False),
}


class Programs(NamedTuple):
    """What is compared with."""

    kubeadm: Path
    containerd: Path

    @property
    def version(self) -> str:
        """kubeadm's, such as v1.36.2."""
        words: list[str | Path] = [self.kubeadm, "version", "-o", "short"]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def machine(root: Path, situation: Situation, release: str = KERNEL) -> None:
    """Make the machine of a situation, with the kernel of that release."""
    build(root, HEALTHY | {"proc/mounts": V2_MOUNT, **containerd("v2.3.6")})
    build(root, situation.files)
    if release != KERNEL:
        for path in sorted(root.rglob(f"*{KERNEL}*"), key=lambda one: -len(one.parts)):
            path.rename(path.with_name(path.name.replace(KERNEL, release)))
        (root / "proc/sys/kernel/osrelease").write_text(f"{release}\n")


def check_fails(root: Path, minor: str) -> bool:
    """Whether kube-node-check finds that it cannot be a control plane."""
    (root.parent / "spec.sh").write_text(spec(minor))
    words = ("--role=control-plane", "--root", root, "--spec", root.parent / "spec.sh")
    done = run("sh", *words)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode == 1


SCRIPT = """
set -eu
root=$1 containerd=$2 work=$3
busybox ip link set lo up
busybox ip address add 192.0.2.1/32 dev lo # where etcd is to listen
mount --bind "$root/etc/containerd" /etc/containerd
if [ -e "$root/sys/fs/cgroup/cgroup.controllers" ]; then
    cp "$root/sys/fs/cgroup/cgroup.controllers" "$work/controllers"
    mount -t cgroup2 none "$root/sys/fs/cgroup"
    mount --bind "$work/controllers" "$root/sys/fs/cgroup/cgroup.controllers"
fi
started=''
if [ "$4" != 0 ]; then
    busybox nc -l -p "$4" >/dev/null 2>&1 </dev/null &
    started=$!
fi
if [ -e "$root/run/containerd/containerd.sock" ]; then
    rm "$root/run/containerd/containerd.sock"
    "$containerd" -a "$work/s" --root "$work/r" --state "$work/t" >"$work/log" 2>&1 &
    started="$started $!"
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        [ ! -S "$work/s" ] || break
        kill -0 $! 2>/dev/null || break
        sleep 0.2
    done
    if [ -S "$work/s" ]; then
        touch "$root/run/containerd/containerd.sock"
        mount --bind "$work/s" "$root/run/containerd/containerd.sock"
        sleep 1
    fi
fi
code=0
chroot "$root" /kubeadm init phase preflight --config /kubeadm.yaml || code=$?
for pid in $started; do kill "$pid" 2>/dev/null || :; done
wait
exit $code
"""
"""Runs kubeadm on a root, in mounts and a network of its own, with a containerd that reads the
root's configuration.
"""


def listener(path: Path) -> socket.socket:
    """Somebody who listens on a Unix socket in the place of a file."""
    path.unlink()
    sock = socket.socket(socket.AF_UNIX)
    with contextlib.chdir(path.parent):
        sock.bind(path.name)
    sock.listen()
    return sock


def kubeadm_says(root: Path, situation: Situation, programs: Programs) -> tuple[bool, str]:
    """Whether kubeadm's preflight fails there, and what it said. Needs root."""
    version = programs.version
    shutil.copy(programs.kubeadm, root / "kubeadm")
    (root / "kubeadm").chmod(0o755)
    (root / "kubeadm.yaml").write_text(CONFIGURATION.format(version=version))
    busybox = shutil.which("busybox")
    assert busybox
    (root / "bin").mkdir(exist_ok=True)
    shutil.copy(busybox, root / "bin/sh")
    build(root, {"var/run": Path("../run")})
    build(root, {"usr/bin/kubelet": f"#!/bin/sh\necho Kubernetes {version}\n", "dev/null": ""})
    with tempfile.TemporaryDirectory(dir="/tmp") as work:
        words: list[str | Path] = [
            "unshare", "--mount", "--net", "--fork", "sh", "-c", SCRIPT, "sh", root,
            programs.containerd, work, str(situation.listens),
        ]  # fmt: skip
        path = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        with contextlib.ExitStack() as listening:
            for name in situation.sockets:
                listening.enter_context(listener(root / name))
            done = subprocess.run(
                words, capture_output=True, text=True, check=False, env=path, timeout=90
            )
        log = Path(work, "log")
        said = log.read_text()[-2000:] if log.exists() else ""
    errors = [line.strip() for line in done.stderr.splitlines() if "[ERROR" in line]
    lines = errors or done.stderr.strip().splitlines()[-3:] or [said]
    return done.returncode != 0, "; ".join(lines)
