"""`kube-node-check`, run for real against made-up systems, by every shell that is here."""

import atexit
import gzip
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from kubewright.cli.shipped import shipped
from kubewright.models.base import Arch
from kubewright.models.lock import Component, Release
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
            path.unlink()
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


@pytest.fixture
def check(tmp_path: Path) -> Checked:
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
        assert document["spec"] == f"{minor}.4"
        assert {"id", "result", "found", "wanted", "remedy"} == set().union(
            *(one.keys() for one in document["checks"])
        )
        worst = {one["result"] for one in document["checks"]}
        assert document["result"] == next(
            result for result in ("fail", "warn", "ok") if result in worst
        )
        return done.returncode, {
            one["id"]: one for one in document["checks"] if one["result"] != "ok"
        }

    return checked


@pytest.mark.parametrize("role", ["node", "control-plane"])
@pytest.mark.parametrize("shell", SHELLS)
def test_a_healthy_system_passes_strictly(check: Checked, shell: str, role: str) -> None:
    assert check({}, "--strict", "--role", role, shell=shell) == (0, {})


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_finds_the_same(check: Checked, shell: str) -> None:
    code, wrong = check(
        {
            **V1,
            CONTAINERD_CONFIG: 'disabled_plugins = ["cri"]\n',
            "usr/bin/docker": "#!/bin/sh\n",
            "proc/swaps": "Filename\n/dev/sda2 p\n",
            **containerd("v2.1.9"),
        },
        shell=shell,
    )
    assert code == 1
    assert {name: one["result"] for name, one in wrong.items()} == {
        "cgroup-version": "fail",
        "swap": "fail",
        "docker-package": "warn",
        "containerd-version": "warn",
        "containerd-cri": "fail",
        "containerd-imports": "warn",
        "cgroup-driver": "warn",
    }


@pytest.mark.parametrize("minor", ["1.34", "1.35", "1.36", "1.37"])
def test_every_minor_has_a_spec_that_the_shell_reads(check: Checked, minor: str) -> None:
    code, found = check({}, minor=minor)
    assert code == 0
    assert set(found) <= {"containerd-version"}


MISSES: list[tuple[str, Files, str, str, str]] = [
    (
        "kernel",
        {"proc/sys/kernel/osrelease": "5.14.0-503.el9\n"},
        "kernel",
        "warn",
        "5.14.0-503.el9",
    ),
    ("no kernel version", {"proc/sys/kernel/osrelease": None}, "kernel", "warn", "cannot look"),
    ("no kernel options", {OPTIONS: None}, "kernel-options", "fail", "no kernel configuration"),
    (
        "kernel option",
        {OPTIONS: "CONFIG_NET_NS=y\n"},
        "kernel-options",
        "fail",
        "XT_TARGET_REDIRECT|IP_NF_TARGET",
    ),
    ("module", {"proc/filesystems": "nodev\tproc\n"}, "module-overlay", "warn", "not loaded"),
    ("cgroup v1", V1, "cgroup-version", "fail", "v1"),
    (
        "tolerated cgroup v1",
        {**V1, KUBELET_CONFIG: "failCgroupV1: false\n"},
        "cgroup-version",
        "warn",
        "v1",
    ),
    (
        "no cgroups",
        {"sys/fs/cgroup/cgroup.controllers": None},
        "cgroup-version",
        "warn",
        "cannot look",
    ),
    (
        "controllers",
        {"sys/fs/cgroup/cgroup.controllers": "cpu memory\n"},
        "cgroup-controllers",
        "fail",
        "cpuset pids",
    ),
    (
        "swap",
        {"proc/swaps": "Filename\n/dev/sda2  partition\t1\t0\t-2\n"},
        "swap",
        "fail",
        "/dev/sda2",
    ),
    ("no swap table", {"proc/swaps": None}, "swap", "warn", "cannot look"),
    ("ip_forward", {FORWARD: "0\n"}, "net.ipv4.ip_forward", "fail", "0"),
    ("bridged traffic", {BRIDGED: "0\n"}, "net.bridge.bridge-nf-call-iptables", "warn", "0"),
    ("little memory", {"proc/meminfo": "MemTotal:  1048576 kB\n"}, "memory", "warn", "1024 MiB"),
    ("port", {"proc/net/tcp6": f"   0: {'0' * 32}:280A 0:0000 0A 0:0\n"}, "ports", "fail", "10250"),
    ("program", {"usr/bin/mount": None}, "executable-mount", "fail", "not there"),
    ("no losetup", {"usr/sbin/losetup": None}, "executable-losetup", "fail", "not there"),
    ("no cp", {"usr/bin/cp": None}, "executable-cp", "fail", "not there"),
    ("no runtime", {"run/containerd/containerd.sock": None}, "runtime-socket", "fail", "none of"),
    (
        "two runtimes",
        {"run/crio/crio.sock": ""},
        "runtime-socket",
        "warn",
        "unix:///run/crio/crio.sock",
    ),
    ("old containerd", containerd("1.6.20~ds1"), "containerd-version", "fail", "1.6.20"),
    (
        "containerd of no validated line",
        containerd("v2.1.9"),
        "containerd-version",
        "warn",
        "2.1.9",
    ),
    (
        "silent containerd",
        {"usr/bin/containerd": "#!/bin/sh\n"},
        "containerd-version",
        "warn",
        "cannot look",
    ),
    (
        "CRI",
        {CONTAINERD_CONFIG: '# Docker\ndisabled_plugins = ["cri"]\n'},
        "containerd-cri",
        "fail",
        "disabled",
    ),
    (
        "CRI over lines",
        {CONTAINERD_CONFIG: "disabled_plugins = [\n  'io.containerd.grpc.v1.cri',\n]\n"},
        "containerd-cri",
        "fail",
        "disabled",
    ),
    ("no import", {CONTAINERD_CONFIG: "version = 3\n"}, "containerd-imports", "warn", "conf.d"),
    (
        "Debian's place for plugins",
        {CONTAINERD_CONFIG: DEBIANS_CONFIG},
        "containerd-cni",
        "fail",
        "/usr/lib/cni",
    ),
    (
        "places for plugins",
        {
            SITE_DROP_IN: "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.cni]\n"
            "bin_dirs = ['/a', '/b']\n"
        },
        "containerd-cni",
        "fail",
        "/a,/b",
    ),
    (
        "a place that holds plugins",
        {CONTAINERD_CONFIG: DEBIANS_CONFIG, "usr/lib/cni/loopback": "#!/bin/sh\n"},
        "containerd-cni",
        "warn",
        "/usr/lib/cni",
    ),
    (
        "sandbox image",
        {
            SITE_DROP_IN: "[plugins.'io.containerd.cri.v1.images'.pinned_images]\n"
            "sandbox = 'example.org/pause'\n"
        },
        "sandbox-image",
        "warn",
        "example.org/pause",
    ),
    (
        "cgroup driver",
        {SITE_DROP_IN: CGROUPFS},
        "cgroup-driver",
        "warn",
        "cgroupfs",
    ),
    ("Docker beside containerd", DOCKER, "runtime-socket", "warn", "unix:///run/cri-dockerd.sock"),
    (
        "old cri-dockerd",
        {**DOCKER, "usr/bin/cri-dockerd": "#!/bin/sh\necho cri-dockerd 0.3.4\n"},
        "cri-dockerd",
        "fail",
        "0.3.4 with Docker 29.8.1",
    ),
    (
        "Docker's cgroup driver",
        {**DOCKER, "etc/docker/daemon.json": DAEMON},
        "cgroup-driver",
        "warn",
        "cgroupfs",
    ),
    (
        "docker without dockerd",
        {"usr/bin/docker": "#!/bin/sh\n"},
        "docker-package",
        "warn",
        "the client alone",
    ),
    ("tray program", dpkg("docker"), "docker-package", "warn", "docker: a system-tray program"),
    (
        "podman-docker",
        dpkg("podman-docker"),
        "docker-package",
        "warn",
        "podman-docker: a docker command",
    ),
    (
        "dead Docker",
        {
            **dpkg("docker-engine"),
            "usr/bin/dockerd": "#!/bin/sh\necho Docker version 1.12.6, build 1\n",
        },
        "docker-package",
        "warn",
        "docker-engine: the Docker of 2015",
    ),
]


@pytest.mark.parametrize(
    ("ident", "changes", "name", "result", "found"), MISSES, ids=[miss[0] for miss in MISSES]
)
def test_what_is_wrong_is_named_with_what_to_do(
    check: Checked, ident: str, changes: Files, name: str, result: str, found: str
) -> None:
    code, wrong = check(changes)
    assert code == (1 if "fail" in {one["result"] for one in wrong.values()} else 0)
    assert wrong[name]["result"] == result
    assert found in wrong[name]["found"]
    assert wrong[name]["remedy"]


TOLERATED: dict[str, Files] = {
    "swap that kubelet accepts": {
        "proc/swaps": "x\n/dev/sda2 p\n",
        KUBELET_CONFIG: "failSwapOn: false # x\n",
    },
    "ports of a node that runs": {
        "proc/net/tcp": "   0: 00000000:280A 00000000:0000 0A 0:0\n",
        "etc/kubernetes/kubelet.conf": "",
    },
    "compressed kernel options": {
        OPTIONS: None,
        "proc/config.gz": gzip.compress(HEALTHY[OPTIONS].encode()),
    },
    "a module that is built in": {
        "proc/filesystems": "",
        "lib/modules/6.12.43-amd64/modules.builtin": "kernel/fs/overlayfs/overlay.ko\n",
    },
    "kubelet's own cgroup driver": {
        SITE_DROP_IN: CGROUPFS,
        KUBELET_CONFIG: 'cgroupDriver: "cgroupfs"\n',
    },
    "what containerd prints as its default": {CONTAINERD_CONFIG: DEFAULT_CONFIG},
    "another place for plugins besides the usual one": {
        SITE_DROP_IN: "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.cni]\n"
        'bin_dirs = ["/a", "/opt/cni/bin"]\n'
    },
    "a firewall that lets in what the role needs": {
        FIREWALLD: "",
        "etc/firewalld/zones/public.xml": '<zone>\n  <port port="10250" protocol="tcp"/>\n'
        "</zone>\n",
    },
    "a later patch of containerd": containerd("v2.2.10"),
    "an impostor that is gone but for its files": dpkg(
        "podman-docker", "deinstall ok config-files"
    ),
    "an impostor beside the real Docker": {
        **dpkg("docker"),
        "usr/bin/dockerd": DOCKER["usr/bin/dockerd"],
    },
    "Docker, which a node's kubelet uses, beside containerd": {
        **DOCKER,
        **DOCKERS_CONTAINERD,
        KUBELET_CONFIG: 'containerRuntimeEndpoint: ""\n',
        KUBELET_INSTANCE: "containerRuntimeEndpoint: unix:///run/cri-dockerd.sock\n",
    },
    "containerd, which a node's kubelet uses, beside Docker": {
        **DOCKER,
        KUBELET_INSTANCE: "containerRuntimeEndpoint: unix:///run/containerd/containerd.sock\n",
    },
}


@pytest.mark.parametrize("changes", TOLERATED.values(), ids=list(TOLERATED))
def test_what_is_fine_is_not_complained_of(check: Checked, changes: Files) -> None:
    assert check(changes, "--strict") == (0, {})


@pytest.mark.parametrize("shell", SHELLS)
def test_containerd_beside_cri_dockerd_is_told_of_as_long_as_nobody_has_chosen(
    check: Checked, shell: str
) -> None:
    code, wrong = check({**DOCKER, **DOCKERS_CONTAINERD}, shell=shell)
    assert code == 0
    assert {one["result"] for one in wrong.values()} == {"warn"}
    assert wrong.pop("runtime-socket")["remedy"].endswith(
        "--cri-socket unix:///run/cri-dockerd.sock"
    )
    of_containerd = ["version", "cri", "imports", "sandbox-image", "cgroup-driver"]
    assert set(wrong) <= {f"containerd-{name}" for name in of_containerd} | {"sandbox-image"}
    assert {"containerd-version", "containerd-cri", "containerd-cgroup-driver"} <= set(wrong)
    assert all(
        one["remedy"].startswith("if kubelet is to use containerd: ") for one in wrong.values()
    )


def test_another_runtime_than_the_one_that_kubelet_uses_is_its_own_business(check: Checked) -> None:
    chosen = {
        KUBELET_INSTANCE: "containerRuntimeEndpoint: unix:///run/crio/crio.sock\n",
        "run/crio/crio.sock": "",
        f"{SYSTEMD}/crio.service": "[Service]\nExecStart=/usr/bin/crio\n",
        f"{ENABLED}/crio.service": Path(f"/{SYSTEMD}/crio.service"),
    }
    assert check({**DOCKERS_CONTAINERD, **chosen}, "--strict") == (0, {})


def test_a_control_plane_needs_more_than_a_node(check: Checked) -> None:
    small = {"proc/meminfo": "MemTotal:  1048576 kB\n", "proc/cpuinfo": "processor\t: 0\n"}
    code, wrong = check(small, "--role=control-plane")
    assert code == 1
    assert {name: one["result"] for name, one in wrong.items()} == {
        "memory": "fail",
        "cpus": "fail",
    }


def test_a_warning_fails_only_strictly(check: Checked) -> None:
    small = {"proc/meminfo": "MemTotal:  1048576 kB\n"}
    assert check(small)[0] == 0
    assert check(small, "--strict")[0] == 1


FSTAB = {
    "etc/fstab": "UUID=1 / ext4 defaults 0 1\n#/old none swap sw 0 0\n"
    "/swap.img\tnone\tswap\tsw\t0\t0\n"
}


@pytest.mark.parametrize(
    ("files", "device", "remedy"),
    [
        (FSTAB, "/swap.img", "swapoff --all, take swap out of /etc/fstab; or"),
        (
            {},
            "/dev/zram0",
            "swapoff --all, touch /etc/systemd/zram-generator.conf (or disable what else sets zram "
            "up); or",
        ),
        (FSTAB, "/dev/zram0", "sets zram up), take swap out of /etc/fstab; or"),
        (
            {"etc/fstab": "#/old none swap sw 0 0\n"},
            "/dev/sda2",
            ", mask the units of systemctl list-units --type=swap; or",
        ),
    ],
    ids=["fstab", "zram", "both", "a unit"],
)
@pytest.mark.parametrize("shell", SHELLS)
def test_swap_is_to_stay_off_after_a_reboot(
    check: Checked, shell: str, files: Files, device: str, remedy: str
) -> None:
    _, wrong = check({"proc/swaps": f"Filename\n{device} x\n", **files}, shell=shell)
    assert remedy in wrong["swap"]["remedy"]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("slice_", ["", "systemd/"], ids=["cgroup v2", "cgroup v1"])
def test_a_firewall_that_is_on_is_told_which_ports_to_open(
    check: Checked, shell: str, slice_: str
) -> None:
    files = {
        FIREWALLD.replace("system.slice", f"{slice_}system.slice"): "",
        "etc/firewalld/zones/public.xml": '<zone><port protocol="tcp" port="6443"/></zone>\n',
        "etc/firewalld/zones/public.xml.old": '<zone><port protocol="tcp" port="10250"/></zone>\n',
        "etc/firewalld/zones/other.xml": '<zone><port protocol="udp" port="10250"/></zone>\n',
    }
    code, wrong = check(files, "--role", "control-plane", shell=shell)
    assert (code, set(wrong), wrong["firewall"]["result"]) == (0, {"firewall"}, "warn")
    assert wrong["firewall"]["found"] == "closed by firewalld: 10250"
    remedy = "firewall-cmd --permanent --add-port=10250/tcp && firewall-cmd --reload; "
    assert wrong["firewall"]["remedy"].startswith(remedy)


def test_cgroup_v1_is_a_warning_before_it_became_an_error(check: Checked) -> None:
    assert check(V1, minor="1.34")[1]["cgroup-version"]["result"] == "warn"
    remedy = check(V1, minor="1.35")[1]["cgroup-version"]["remedy"]
    assert (
        "failCgroupV1: false for kubelet, --ignore-preflight-errors=SystemVerification for kubeadm"
        in remedy
    )


def test_what_is_built_into_containerd_is_no_image_of_another_registry(check: Checked) -> None:
    text = CGROUPFS.replace("false", "true")
    drop_in = {"etc/containerd/conf.d/10-kubewright.toml": text}
    assert check(drop_in)[1] == {}
    warned = check(drop_in, registry="images.example.org")[1]["sandbox-image"]
    assert (warned["result"], warned["found"]) == ("warn", "as built in")
    assert warned["wanted"] == "images.example.org/pause:3.10.2"


def test_whatever_is_found_stays_json(check: Checked) -> None:
    odd = 'a"b\\c\tü\x01.toml'
    _, wrong = check({"proc/swaps": f"Filename\n/dev/{odd} partition\n"})
    assert wrong["swap"]["found"] == '/dev/a"b\\c'


def test_lines_for_people_say_what_to_do(tmp_path: Path) -> None:
    build(tmp_path / "root", {**HEALTHY, FORWARD: "0\n"})
    (tmp_path / "spec.sh").write_text(spec("1.36"))
    done = run("sh", f"--root={tmp_path}/root", f"--spec={tmp_path}/spec.sh")
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    at = lines.index("fail  net.ipv4.ip_forward: 0")
    assert lines[at + 1] == "      wanted: 1"
    assert lines[at + 2].startswith("      do: sysctl -w net.ipv4.ip_forward=1")
    assert lines[-1] == "Kubernetes 1.36.4, role node: 1 failed, 0 warned"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (
            ["--spec", "/nowhere/node-spec.sh"],
            "/nowhere/node-spec.sh: cannot be read; install kubernetes-node",
        ),
        (["--spec", "/dev/null"], "not a node spec"),
        (
            ["--spec", "SPEC", "--role", "master"],
            "--role master: the roles are node and control-plane",
        ),
        (["--spec", "SPEC", "--root", "/nowhere"], "/nowhere: not a directory"),
        (["--jsn"], "unknown argument --jsn; see --help"),
        (["--role"], "--role needs a value; see --help"),
    ],
)
def test_what_cannot_run_exits_with_two(tmp_path: Path, arguments: list[str], says: str) -> None:
    (tmp_path / "spec.sh").write_text(spec("1.36"))
    done = run(
        "sh", *(argument.replace("SPEC", str(tmp_path / "spec.sh")) for argument in arguments)
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr


def test_help_names_every_option(tmp_path: Path) -> None:
    done = run("sh", "--help")
    assert done.returncode == 0
    assert all(
        option in done.stdout for option in ("--role", "--json", "--strict", "--spec", "--root")
    )


def test_the_check_is_clean_shell_of_reasonable_size(tool: Callable[[str], Path]) -> None:
    done = subprocess.run([tool("shellcheck"), CHECK], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    for part in (NODE_FILES / "check").iterdir():
        assert len(part.read_text().splitlines()) < 300, part.name
