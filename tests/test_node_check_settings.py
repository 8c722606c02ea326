"""Settings that count wherever they are given: kernel and control groups as kubeadm looks for them,
arguments and drop-ins of kubelet and Docker.
"""

import gzip
from pathlib import Path
from typing import Any

import pytest
from exhaustive import by_turns
from node_machines import (
    CGROUPFS,
    DAEMON,
    DOCKER,
    DOCKERS_CONTAINERD,
    HEALTHY,
    KUBELET_CONFIG,
    OPTIONS,
    SHELLS,
    SITE_DROP_IN,
    SYSTEMD,
    V1,
    Checked,
    Files,
    checker,
)


@pytest.fixture
def check(tmp_path: Path) -> Checked:
    """Checks a healthy machine with changes."""
    return checker(tmp_path)


# ── The kernel's configuration ───────────────────────────────────────────────────────────────

KERNEL = "6.12.43-amd64"
PLACES = [
    "proc/config.gz", f"boot/config-{KERNEL}", f"usr/src/linux-{KERNEL}/.config",
    "usr/src/linux/.config", f"usr/lib/modules/{KERNEL}/config",
    f"usr/lib/ostree-boot/config-{KERNEL}", f"usr/lib/kernel/config-{KERNEL}",
    f"usr/src/linux-headers-{KERNEL}/.config", f"lib/modules/{KERNEL}/build/.config",
]  # fmt: skip
"""Where kubeadm looks, in its order: system-validators v1.12.1, kernel_validator.go."""


def configuration(path: str, text: str) -> dict[str, bytes]:
    return {path: gzip.compress(text.encode()) if path.endswith(".gz") else text.encode()}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("shell", SHELLS)
def test_the_kernel_s_configuration_is_found_wherever_kubeadm_finds_it(
    check: Checked, place: str, shell: str
) -> None:
    files = {OPTIONS: None, **configuration(place, HEALTHY[OPTIONS])}
    assert check(files, shell=shell) == (0, {})


@pytest.mark.parametrize("number", range(len(PLACES) - 1))
def test_the_first_place_counts_as_for_kubeadm(check: Checked, number: int) -> None:
    first, second = PLACES[number], PLACES[number + 1]
    poor = configuration(first, "CONFIG_NET_NS=y\n")
    files = {OPTIONS: None, **configuration(second, HEALTHY[OPTIONS]), **poor}
    code, wrong = check(files)
    assert (code, list(wrong)) == (1, ["kernel-options"])
    assert f"/{first} says" in wrong["kernel-options"]["remedy"]


def test_a_module_with_the_configuration_is_named_where_there_is_one(check: Checked) -> None:
    dep = {OPTIONS: None, f"lib/modules/{KERNEL}/modules.dep": "kernel/kernel/configs.ko.xz:\n"}
    code, wrong = check(dep, "--fix")
    assert (code, wrong["kernel-options"]["fix"]) == (0, ["modprobe configs"])
    other = {OPTIONS: None, f"lib/modules/{KERNEL}/modules.dep": "kernel/fs/configfs.ko:\n"}
    code, wrong = check(other)
    assert (code, wrong["kernel-options"]["found"]) == (1, "no kernel configuration found")


@pytest.mark.parametrize(
    ("release", "says"),
    [
        ("5.14.0-503.el9.x86_64", "Red Hat and its kin maintain this kernel"),
        ("4.18.0-553.el8_10.x86_64", "Red Hat and its kin maintain this kernel"),
        ("5.14.21-150500.55-default", "one that your distribution maintains may stay"),
        ("5.19.0-50-generic", "one that your distribution maintains may stay"),
    ],
)
def test_a_kernel_that_a_distribution_maintains_need_not_go(
    check: Checked, release: str, says: str
) -> None:
    changes = {
        "proc/sys/kernel/osrelease": f"{release}\n",
        f"boot/config-{release}": HEALTHY[OPTIONS],
    }
    code, wrong = check(changes)
    assert (code, list(wrong)) == (0, ["kernel"])
    assert says in wrong["kernel"]["remedy"]


# ── Control groups ───────────────────────────────────────────────────────────────────────────

NO_V2: Files = {"sys/fs/cgroup/cgroup.controllers": None}
TMPFS = "tmpfs /sys/fs/cgroup tmpfs ro,nosuid 0 0\n"
CPU_V1 = "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
UNIFIED = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n"
ROWS = "".join(
    f"{name}\t{number}\t9\t{int(name != 'memory')}\n"
    for number, name in enumerate(
        ("cpu", "cpuacct", "cpuset", "devices", "freezer", "memory", "pids"), 1
    )
)
WITHOUT_MEMORY = f"#subsys_name\thierarchy\tnum_cgroups\tenabled\n{ROWS}"
V1_OPTIONS = {OPTIONS: V1[OPTIONS]}
SWITCHED_OFF: dict[str, Files] = {
    "by what is mounted": {"proc/mounts": TMPFS + CPU_V1},
    "hybrid": {"proc/mounts": TMPFS + UNIFIED + CPU_V1},
    "by its other hierarchies": {"sys/fs/cgroup/cpu/tasks": ""},
    "by its systemd alone": {"sys/fs/cgroup/systemd/tasks": ""},
    "by the kernel's list": {},
}


@by_turns("shell", SHELLS, "files", SWITCHED_OFF)
@pytest.mark.parametrize("minor", ["1.34", "1.36"])
def test_v1_without_memory_is_known_for_what_it_is(
    check: Checked, files: Files, minor: str, shell: str
) -> None:
    changes: dict[str, Any] = {**NO_V2, **V1_OPTIONS, "proc/cgroups": WITHOUT_MEMORY, **files}
    code, wrong = check(
        {**changes, "proc/cmdline": "console=tty1 cgroup_disable=memory\n"},
        minor=minor,
        shell=shell,
    )
    assert (code, wrong["cgroup-version"]["found"]) == (1, "v1")
    assert wrong["cgroup-controllers"]["result"] == "fail"
    assert wrong["cgroup-controllers"]["found"] == "missing: memory"
    remedy = wrong["cgroup-controllers"]["remedy"]
    assert remedy.startswith("put cgroup_enable=memory on the kernel's command line")
    assert remedy.endswith("where cgroup_disable= now stands; then reboot")


def test_v2_is_where_it_is_mounted(check: Checked) -> None:
    elsewhere = {
        **NO_V2,
        "proc/mounts": "none /mnt/group cgroup2 rw 0 0\n",
        "mnt/group/cgroup.controllers": "cpuset cpu io memory pids\n",
    }
    assert check(elsewhere) == (0, {})


def test_no_control_groups_at_all_fail(check: Checked) -> None:
    code, wrong = check({**NO_V2, "proc/mounts": "proc /proc proc rw 0 0\n"})
    assert (code, wrong["cgroup-version"]["found"]) == (1, "none is mounted")


def test_a_kernel_before_the_freezer_of_v2_misses_it(check: Checked) -> None:
    old = {"sys/fs/cgroup/system.slice/cgroup.procs": ""}
    assert check(old)[1]["cgroup-controllers"]["found"] == "missing: freezer"
    assert check({**old, "sys/fs/cgroup/system.slice/cgroup.freeze": "0\n"}) == (0, {})


# ── kubelet's arguments ──────────────────────────────────────────────────────────────────────

SWAP: Files = {"proc/swaps": "Filename\n/dev/zram0 partition 1 0 100\n"}
DROP_IN = "etc/systemd/system/kubelet.service.d/20-mine.conf"
FLAGS = "var/lib/kubelet/kubeadm-flags.env"
ACCEPTED: dict[str, Files] = {
    "Debian's defaults": {"etc/default/kubelet": 'KUBELET_EXTRA_ARGS="--fail-swap-on=false"\n'},
    "Red Hat's defaults": {"etc/sysconfig/kubelet": "KUBELET_EXTRA_ARGS=--fail-swap-on=false\n"},
    "kubeadm's": {FLAGS: "KUBELET_KUBEADM_ARGS='--a=b --fail-swap-on=false'\n"},
    "among others": {
        "etc/default/kubelet": "# x\nKUBELET_EXTRA_ARGS=--v=2 --fail-swap-on=false --x=y\r\n"
    },
    "over lines": {"etc/default/kubelet": "KUBELET_EXTRA_ARGS=--v=2 \\\n  --fail-swap-on=false\n"},
    "with underscores": {"etc/default/kubelet": "KUBELET_EXTRA_ARGS=--fail_swap_on=0\n"},
    "the last of two": {
        "etc/default/kubelet": "KUBELET_EXTRA_ARGS=--fail-swap-on --fail-swap-on=False\n"
    },
    "a drop-in's variable": {
        DROP_IN: '[Service]\nEnvironment="KUBELET_EXTRA_ARGS=--fail-swap-on=false"\n'
    },
    "a drop-in's command": {
        DROP_IN: "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet \\\n  --fail-swap-on=false\n"
    },
    "a drop-in's variable in braces": {
        DROP_IN: "[Service]\nEnvironment=S=false\nExecStart=\nExecStart=-/usr/bin/kubelet "
        "'--fail-swap-on=${S}'\n"
    },
    "a configuration elsewhere": {
        DROP_IN: "[Service]\nExecStart=\nExecStart=/usr/bin/kubelet --config /etc/k.yaml\n",
        "etc/k.yaml": "failSwapOn: false\n",
    },
    "a fragment": {
        KUBELET_CONFIG: "failSwapOn: true\n",
        "etc/default/kubelet": "KUBELET_EXTRA_ARGS=--config-dir=/etc/kubelet.d\n",
        "etc/kubelet.d/10.conf": "failSwapOn: true\n",
        "etc/kubelet.d/20/a.conf": '{"kind": "KubeletConfiguration", "failSwapOn": false}\n',
        "etc/kubelet.d/30.yaml": "failSwapOn: true\n",
    },
    "JSON": {KUBELET_CONFIG: '{\n  "failSwapOn": false,\n  "x": 1\n}\n'},
    "CRLF": {KUBELET_CONFIG: "failSwapOn: false\r\n"},
    "a quoted key": {KUBELET_CONFIG: "'failSwapOn': false\n"},
}
REFUSED: dict[str, Files] = {
    "an argument over the configuration": {
        KUBELET_CONFIG: "failSwapOn: false\n",
        "etc/default/kubelet": "KUBELET_EXTRA_ARGS=--fail-swap-on\n",
    },
    "a comment": {KUBELET_CONFIG: "# failSwapOn: false\nx: 1 # failSwapOn: false\n"},
    "a comment in the defaults": {
        "etc/default/kubelet": "#KUBELET_EXTRA_ARGS=--fail-swap-on=false\n"
    },
    "a variable that the unit does not use": {
        "etc/default/kubelet": "KUBELET_ARGS=--fail-swap-on=false\n"
    },
    "files that a drop-in takes back": {
        DROP_IN: "[Service]\nEnvironmentFile=\n",
        "etc/default/kubelet": "KUBELET_EXTRA_ARGS=--fail-swap-on=false\n",
    },
    "a masked drop-in": {
        DROP_IN: Path("/dev/null"),
        f"usr/lib/systemd/system/kubelet.service.d/{Path(DROP_IN).name}": "[Service]\n"
        "Environment=KUBELET_EXTRA_ARGS=--fail-swap-on=false\n",
    },
    "another section": {DROP_IN: "[Unit]\nEnvironment=KUBELET_EXTRA_ARGS=--fail-swap-on=false\n"},
}


@by_turns("shell", SHELLS, "files", ACCEPTED)
def test_a_kubelet_that_accepts_swap_is_believed(check: Checked, files: Files, shell: str) -> None:
    assert check({**SWAP, **files}, shell=shell) == (0, {})


@pytest.mark.parametrize("files", REFUSED.values(), ids=list(REFUSED))
def test_what_kubelet_does_not_read_is_no_setting(check: Checked, files: Files) -> None:
    code, wrong = check({**SWAP, **files})
    assert (code, list(wrong)) == (1, ["swap"])


def test_without_a_unit_the_files_of_packages_and_kubeadm_count(check: Checked) -> None:
    files = {**ACCEPTED["Debian's defaults"], f"{SYSTEMD}/kubelet.service": None}
    files[f"{SYSTEMD}/kubelet.service.d/10-kubeadm.conf"] = None
    assert set(check({**SWAP, **files})[1]) == {"kubelet.service"}


ENDPOINTS = [
    "--container-runtime-endpoint=unix:///run/cri-dockerd.sock",
    "--container-runtime-endpoint unix:///run/cri-dockerd.sock",
    "--container-runtime-endpoint=/var/run/cri-dockerd.sock",
]


@pytest.mark.parametrize("argument", ENDPOINTS)
def test_an_endpoint_that_is_an_argument_chooses_the_runtime(check: Checked, argument: str) -> None:
    told = {FLAGS: f'KUBELET_KUBEADM_ARGS="{argument} --v=2"\n'}
    assert check({**DOCKER, **DOCKERS_CONTAINERD, **told}) == (0, {})


def test_an_endpoint_where_nobody_listens_fails(check: Checked) -> None:
    code, wrong = check({FLAGS: f'KUBELET_KUBEADM_ARGS="{ENDPOINTS[0]}"\n'})
    assert (code, wrong["runtime-socket"]["result"]) == (1, "fail")
    assert "but kubelet is told unix:///run/cri-dockerd.sock" in wrong["runtime-socket"]["found"]


def test_a_cgroup_driver_that_is_an_argument_counts(check: Checked) -> None:
    told = {"etc/default/kubelet": "KUBELET_EXTRA_ARGS=--cgroup-driver cgroupfs\n"}
    assert check(told)[1]["cgroup-driver"]["wanted"] == "cgroupfs, as kubelet uses"
    assert check({**told, SITE_DROP_IN: CGROUPFS}) == (0, {})


# ── Docker's arguments ───────────────────────────────────────────────────────────────────────

ONLY_DOCKER: Files = {
    **DOCKER,
    "run/containerd/containerd.sock": None,
}
OVERRIDE = "etc/systemd/system/docker.service.d/override.conf"
START = "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -H fd:// "
CGROUPFS_DOCKER: dict[str, Files] = {
    "an argument": {OVERRIDE: f"{START}--exec-opt native.cgroupdriver=cgroupfs\n"},
    "an argument with =": {OVERRIDE: f"{START}--exec-opt=native.cgroupdriver=cgroupfs\n"},
    "a variable": {
        OVERRIDE: f"{START}$DOCKER_OPTS\nEnvironmentFile=-/etc/default/docker\n",
        "etc/default/docker": 'DOCKER_OPTS="--exec-opt native.cgroupdriver=cgroupfs"\n',
    },
    "the file": {"etc/docker/daemon.json": DAEMON},
    "the file over lines": {"etc/docker/daemon.json": DAEMON.replace("[", "[\n  ")},
    "a file elsewhere": {
        OVERRIDE: f"{START}--config-file=/etc/d.json\n",
        "etc/d.json": DAEMON,
    },
}
SYSTEMD_DOCKER: dict[str, Files] = {
    "a label that looks like it": {
        "etc/docker/daemon.json": '{"labels": ["native.cgroupdriver=cgroupfs"]}'
    },
    "a file that is not read": {
        OVERRIDE: f"{START}--config-file /etc/d.json\n",
        "etc/docker/daemon.json": DAEMON,
    },
    "a variable that is not used": {
        "etc/default/docker": 'DOCKER_OPTS="--exec-opt native.cgroupdriver=cgroupfs"\n'
    },
    "an argument": {OVERRIDE: f"{START}--exec-opt native.cgroupdriver=systemd\n"},
}


@by_turns("shell", SHELLS, "files", CGROUPFS_DOCKER)
def test_docker_s_driver_is_what_dockerd_is_told(check: Checked, files: Files, shell: str) -> None:
    code, wrong = check({**ONLY_DOCKER, **files}, shell=shell)
    assert (code, list(wrong), wrong["cgroup-driver"]["found"]) == (
        0, ["cgroup-driver"], "cgroupfs",
    )  # fmt: skip


@pytest.mark.parametrize("files", SYSTEMD_DOCKER.values(), ids=list(SYSTEMD_DOCKER))
def test_docker_s_driver_is_not_what_dockerd_does_not_read(check: Checked, files: Files) -> None:
    assert check({**ONLY_DOCKER, **files}) == (0, {})


def test_a_driver_in_both_places_stops_dockerd(check: Checked) -> None:
    both = {**CGROUPFS_DOCKER["an argument"], "etc/docker/daemon.json": DAEMON}
    found = check({**ONLY_DOCKER, **both})[1]["cgroup-driver"]["found"]
    assert "does not start with exec-opts both as an argument and in /etc/docker/daemon.json" in (
        found
    )
