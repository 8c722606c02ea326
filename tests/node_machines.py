"""Made-up machines for `kube-node-check`, and the program itself as the package has it."""

import atexit
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from kubewright.cli.shipped import shipped
from kubewright.models.base import Arch
from kubewright.models.lock import Component, Release
from kubewright.models.node_check import NodeCheck
from kubewright.packagers import payload

PACKAGING = shipped().packaging
NODE_FILES = PACKAGING / "kubernetes-node"


def joined() -> Path:
    """The program as the package has it, made of its parts; gone when the tests end."""
    folder = Path(tempfile.mkdtemp(prefix="kube-node-check-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    text = (NODE_FILES / "kube-node-check.j2").read_text()
    path = folder / "kube-node-check"
    path.write_text(payload.render(text, {}, "kube-node-check.j2", shipped().root))
    return path


CHECK = joined()
SHELLS = [shell for shell in ("dash", "busybox", "bash") if shutil.which(shell)]
SANDBOX = "registry.k8s.io/pause:3.10.2"
KERNEL_OPTIONS = [
    "NAMESPACES",
    "NET_NS",
    "PID_NS",
    "IPC_NS",
    "UTS_NS",
    "CPUSETS",
    "MEMCG",
    "INET",
    "EXT4_FS",
    "PROC_FS",
    "IP_NF_TARGET_REDIRECT",
    "NETFILTER_XT_MATCH_COMMENT",
    "FAIR_GROUP_SCHED",
    "CGROUPS",
    "CGROUP_BPF",
    "CGROUP_PIDS",
    "CGROUP_SCHED",
]
Files = Mapping[str, str | bytes | Path | None]
"""What files below the root hold; a path makes a link to it, None removes a file."""


def containerd(version: str) -> dict[str, str]:
    """A containerd that says its version as the real one does."""
    return {
        "usr/bin/containerd": '#!/bin/sh\necho "containerd github.com/containerd/containerd/v2 '
        f'{version} abcdef"\n'
    }


def dpkg(name: str, status: str = "install ok installed") -> dict[str, str]:
    """What dpkg knows of three packages, one of them as given."""
    packages = {"adduser": "install ok installed", name: status, "zlib1g": "install ok installed"}
    return {
        "var/lib/dpkg/status": "\n".join(
            f"Package: {one}\nStatus: {is_}\n" for one, is_ in packages.items()
        )
    }


OPTIONS = "boot/config-6.12.43-amd64"
CONTAINERD_CONFIG = "etc/containerd/config.toml"
SITE_DROP_IN = "etc/containerd/conf.d/99-site.toml"
CGROUPFS = """\
version = 3
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = false
"""
FIREWALLD = "sys/fs/cgroup/system.slice/firewalld.service/cgroup.procs"
KUBELET_CONFIG = "var/lib/kubelet/config.yaml"
FORWARD, BRIDGED = "proc/sys/net/ipv4/ip_forward", "proc/sys/net/bridge/bridge-nf-call-iptables"
SYSTEMD = "usr/lib/systemd/system"
ENABLED = "etc/systemd/system/multi-user.target.wants"
SYSCTLS = "usr/lib/sysctl.d/99-kubernetes.conf"
MODULES = "usr/lib/modules-load.d/kubernetes.conf"
SETTINGS = f"""\
version = 3
[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '{SANDBOX}'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
SystemdCgroup = true
"""
"""The drop-in of kubernetes-runtime-containerd."""


def unit(package: str, name: str) -> dict[str, str | Path]:
    """A unit as our package brings it, enabled."""
    target = "sockets" if name.endswith(".socket") else "multi-user"
    return {
        f"{SYSTEMD}/{name}": (PACKAGING / package / name).read_text(),
        f"etc/systemd/system/{target}.target.wants/{name}": Path(f"/{SYSTEMD}/{name}"),
    }


HEALTHY: dict[str, Any] = {
    "proc/sys/kernel/osrelease": "6.12.43-amd64\n",
    "proc/filesystems": "nodev\tproc\nnodev\toverlay\n\text4\n",
    "proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
    "proc/meminfo": "MemTotal:        4026532 kB\nMemFree:         1000000 kB\n",
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: x\n\nprocessor\t: 1\nmodel name\t: x\n",
    FORWARD: "1\n",
    BRIDGED: "1\n",
    "proc/net/tcp": "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   "
    "uid  timeout inode\n"
    "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 "
    "1\n"
    "   1: 0100007F:9999 0100007F:280A 01 00000000:00000000 00:00000000 00000000     0        0 2 "
    "1\n",
    "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n",
    OPTIONS: "".join(f"CONFIG_{name}={'m' if 'NF' in name else 'y'}\n" for name in KERNEL_OPTIONS),
    "usr/bin/mount": "#!/bin/sh\n",
    "usr/bin/cp": "#!/bin/sh\n",
    "usr/sbin/losetup": "#!/bin/sh\n",
    **containerd("v2.3.6"),
    "run/containerd/containerd.sock": "",
    CONTAINERD_CONFIG: 'version = 3\nimports = ["/etc/containerd/conf.d/*.toml"]\n',
    "etc/containerd/conf.d/10-kubewright.toml": SETTINGS,
    **unit("kubelet", "kubelet.service"),
    **unit("kubernetes-containerd", "containerd.service"),
    f"{SYSTEMD}/kubelet.service.d/10-kubeadm.conf": (
        PACKAGING / "kubeadm" / "10-kubeadm.conf"
    ).read_text(),
    SYSCTLS: "net.ipv4.ip_forward = 1\n-net.bridge.bridge-nf-call-iptables = 1\n",
    MODULES: "overlay\nbr_netfilter\n",
}
V1: Files = {
    "sys/fs/cgroup/cgroup.controllers": None,
    "sys/fs/cgroup/memory/tasks": "",
    "proc/cgroups": "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
    + "".join(
        f"{name}\t1\t50\t1\n"
        for name in ("cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids")
    ),
    OPTIONS: HEALTHY[OPTIONS]
    + "".join(f"CONFIG_CGROUP_{name}=y\n" for name in ("CPUACCT", "DEVICE", "FREEZER")),
}
DOCKER: Files = {
    **unit("kubernetes-docker", "docker.service"),
    **unit("cri-dockerd", "cri-docker.service"),
    **unit("cri-dockerd", "cri-docker.socket"),
    "usr/bin/dockerd": '#!/bin/sh\necho "Docker version 29.8.1, build abcdef"\n',
    "usr/bin/docker": "#!/bin/sh\n",
    "usr/bin/cri-dockerd": '#!/bin/sh\necho "cri-dockerd 0.4.4 (abcdef)"\n',
    "run/cri-dockerd.sock": "",
}
DEBIANS_CONFIG = """\
version = 2

[plugins]
  [plugins."io.containerd.grpc.v1.cri"]
    [plugins."io.containerd.grpc.v1.cri".cni]
      bin_dir = "/usr/lib/cni"
      conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.internal.v1.opt"]
    path = "/var/lib/containerd"
"""
"""What Debian 12's containerd has in its config.toml, a conffile that outlives the package."""
DEFAULT_CONFIG = """\
version = 4
imports = ['/etc/containerd/conf.d/*.toml']

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dir = ''
bin_dirs = ['/opt/cni/bin']

[plugins.'io.containerd.image-verifier.v1.bindir']
bin_dir = '/opt/containerd/image-verifier/bin'
"""
"""Of what `containerd config default` prints, at 2.3.6."""
DOCKERS_CONTAINERD: Files = {
    **containerd("1.6.20~ds1"),
    CONTAINERD_CONFIG: 'disabled_plugins = ["cri"]\n',
    "etc/containerd/conf.d/10-kubewright.toml": None,
}
DAEMON = '{"exec-opts": ["native.cgroupdriver=cgroupfs"]}'
KUBELET_INSTANCE = "var/lib/kubelet/instance-config.yaml"
Checked = Callable[..., tuple[int, dict[str, Any]]]


def spec(minor: str, registry: str = "registry.k8s.io") -> str:
    """The node-spec.sh that the package of a minor's release carries."""
    versions = {"kubernetes": f"{minor}.4", "pause": "3.10.2"}
    components = tuple(
        Component(name=name, version=version, range="*", status="supported", reason="", epoch=0)
        for name, version in versions.items()
    )
    release = Release(
        name=f"v{minor}.4-1", kubernetes=f"{minor}.4", revision=1, source_date_epoch=0,
        architectures=(Arch.amd64,), components=components,
    )  # fmt: skip
    text = (shipped().packaging / "kubernetes-node" / "node-spec.sh.j2").read_text()
    node_spec = shipped().node_spec(release)
    values = {
        "release": release,
        "version": f"{minor}.4",
        "registry": registry,
        "node_spec": node_spec,
    }
    return payload.render(text, values, "node-spec.sh.j2", shipped().root)


def build(root: Path, files: Files) -> None:
    for name, text in files.items():
        path = root / name
        if text is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        if isinstance(text, Path):
            path.symlink_to(text)
            continue
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        if path.read_bytes().startswith(b"#!"):
            path.chmod(0o755)


def run(shell: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    words = [shell, *(["sh"] if shell == "busybox" else []), CHECK, *arguments]
    return subprocess.run(words, capture_output=True, text=True, check=False)


def checker(tmp_path: Path) -> Checked:
    """Check a healthy system with changes; gives the exit code and the checks that are not ok, by
    id.
    """
    root = tmp_path / "root"

    def checked(
        changes: Files,
        *arguments: str,
        minor: str = "1.36",
        shell: str = SHELLS[0],
        registry: str = "registry.k8s.io",
    ) -> tuple[int, dict[str, Any]]:
        (tmp_path / "spec.sh").write_text(spec(minor, registry))
        build(root, HEALTHY)
        build(root, changes)
        done = run(shell, "--json", "--root", root, "--spec", tmp_path / "spec.sh", *arguments)
        assert done.stderr == ""
        document = json.loads(done.stdout)
        assert NodeCheck.model_validate(document, extra="forbid").spec == f"{minor}.4"
        keys = {
            "id",
            "result",
            "found",
            "wanted",
            "remedy",
            *(["fix"] if "--fix" in arguments else []),
        }
        assert keys == set().union(*(one.keys() for one in document["checks"]))
        worst = {one["result"] for one in document["checks"]}
        assert document["result"] == next(
            result for result in ("fail", "warn", "ok") if result in worst
        )
        return done.returncode, {
            one["id"]: one for one in document["checks"] if one["result"] != "ok"
        }

    return checked
