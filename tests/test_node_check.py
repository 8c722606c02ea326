"""`kube-node-check`, run for real against made-up systems, by every shell that is here."""

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from node_machines import (
    BRIDGED,
    CGROUPFS,
    CHECK,
    CONTAINERD_CONFIG,
    DAEMON,
    DEBIANS_CONFIG,
    DEFAULT_CONFIG,
    DOCKER,
    DOCKERS_CONTAINERD,
    ENABLED,
    FIREWALLD,
    FORWARD,
    HEALTHY,
    KUBELET_CONFIG,
    KUBELET_INSTANCE,
    MODULES,
    NODE_FILES,
    OPTIONS,
    SHELLS,
    SITE_DROP_IN,
    SYSTEMD,
    V1,
    Checked,
    Files,
    build,
    checker,
    containerd,
    dpkg,
    run,
    spec,
)

from kubewright.models.node_check import NodeCheck


@pytest.fixture
def check(tmp_path: Path) -> Checked:
    """Checks a healthy machine with changes."""
    return checker(tmp_path)


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
            "swapoff --all, disable what sets zram up (systemctl list-units '*zram*' shows it); or",
        ),
        (FSTAB, "/dev/zram0", "shows it), take swap out of /etc/fstab; or"),
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


def test_what_is_printed_as_json_is_what_the_schema_says(check: Checked) -> None:
    """`check` holds every answer against the model; this is what the schema asks of others."""
    schema = NodeCheck.json_schema()
    assert set(schema["required"]) == {"spec", "role", "checks", "result"}
    assert set(schema["$defs"]["Check"]["required"]) == {
        "id", "result", "found", "wanted", "remedy",
    }  # fmt: skip
    _, wrong = check({FORWARD: "0\n", "usr/bin/mount": None}, "--fix")
    assert wrong["net.ipv4.ip_forward"]["fix"] == ["sysctl -w net.ipv4.ip_forward=1"]
    assert wrong["executable-mount"]["fix"] == []


UNITS = "etc/systemd/system"
WANTS = f"{UNITS}/swap.target.wants"
WRONG: Files = {
    FORWARD: "0\n",
    "proc/swaps": "Filename\n/dev/sda2 p\n",
    "proc/filesystems": "",
    "sys/module/br_netfilter/refcnt": "0\n",
    MODULES: None,
    CONTAINERD_CONFIG: "version = 3\n",
    FIREWALLD: "",
    "etc/firewalld/zones/public.xml": "<zone/>\n",
    f"{ENABLED}/kubelet.service": None,
}
COMMANDS = {
    "modprobe overlay",
    "echo br_netfilter > /etc/modules-load.d/br_netfilter.conf",
    "swapoff --all",
    "sysctl -w net.ipv4.ip_forward=1",
    "firewall-cmd --permanent --add-port=10250/tcp",
    "firewall-cmd --reload",
    """sed -i '1i imports = ["/etc/containerd/conf.d/*.toml"]' /etc/containerd/config.toml""",
    "systemctl restart containerd",
    "systemctl enable kubelet.service",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_fix_prints_commands_for_a_shell_and_runs_none(tmp_path: Path, shell: str) -> None:
    root = tmp_path / "root"
    build(root, HEALTHY)
    build(root, WRONG)
    (tmp_path / "spec.sh").write_text(spec("1.36"))
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    done = run(shell, "--fix", "--root", root, "--spec", tmp_path / "spec.sh")
    assert (done.returncode, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert {line for line in lines if not line.startswith("#")} == COMMANDS
    assert subprocess.run(["sh", "-n"], input=done.stdout, text=True, check=False).returncode == 0
    assert "#       do: swapoff --all" in done.stdout
    assert before == {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}


def test_fix_has_nothing_to_say_of_a_healthy_machine(tmp_path: Path) -> None:
    build(tmp_path / "root", HEALTHY)
    (tmp_path / "spec.sh").write_text(spec("1.36"))
    done = run("sh", "--fix", f"--root={tmp_path}/root", f"--spec={tmp_path}/spec.sh")
    assert done.stdout == "# Kubernetes 1.36.4, role node: 0 failed, 0 warned\n"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "files",
    [
        {"proc/sys/kernel/osrelease": "6.1\ntouch here\n"},
        {"proc/swaps": "Filename\n/dev/$(touch${IFS}here) p\n`touch` p\n"},
        {FORWARD: "0\ntouch here\n"},
        {CONTAINERD_CONFIG: "imports = ['/a\\ntouch here']\n[x]\n[x]\n"},
        {
            SITE_DROP_IN: "version = 3\ndisabled_plugins = ['io.containerd.grpc.v1.cri']\n",
            CONTAINERD_CONFIG: None,
        },
        {"etc/sysctl.d/zz.conf": "net.ipv4.ip_forward=;touch here\n"},
    ],
)
def test_nothing_that_a_machine_holds_becomes_a_command(
    tmp_path: Path, files: Files, shell: str
) -> None:
    build(tmp_path / "root", HEALTHY)
    build(tmp_path / "root", files)
    (tmp_path / "spec.sh").write_text(spec("1.36"))
    done = run(shell, "--fix", "--root", tmp_path / "root", "--spec", tmp_path / "spec.sh")
    assert "touch" not in "".join(
        line for line in done.stdout.splitlines() if not line.startswith("#")
    )


def test_help_names_every_option(tmp_path: Path) -> None:
    done = run("sh", "--help")
    assert done.returncode == 0
    assert all(
        option in done.stdout
        for option in ("--role", "--json", "--fix", "--strict", "--spec", "--root")
    )


def test_the_check_is_clean_shell_of_reasonable_size(tool: Callable[[str], Path]) -> None:
    done = subprocess.run([tool("shellcheck"), CHECK], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")
    for part in (NODE_FILES / "check").iterdir():
        assert len(part.read_text().splitlines()) < 300, part.name
