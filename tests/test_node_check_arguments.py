"""What `kube-node-check` makes of the arguments of kubelet and dockerd, wherever they are given."""

from pathlib import Path

import pytest
from exhaustive import by_turns
from node_machines import DOCKER, SHELLS, Checked, Files, checker

DROP_IN = "etc/systemd/system/kubelet.service.d/20-mine.conf"
FLAGS = "var/lib/kubelet/kubeadm-flags.env"


@pytest.fixture
def check(tmp_path: Path) -> Checked:
    """Checks a healthy machine with changes."""
    return checker(tmp_path)


# ── Arguments that are gone ──────────────────────────────────────────────────────────────────

GONE = [  # with the first packaged minor whose kubelet ends
    ("--network-plugin=cni", "1.34"),
    ("--register-schedulable=false", "1.34"),
    ("--cloud_config=/etc/x", "1.34"),
    ("--allow-privileged", "1.34"),
    ("--logtostderr=true", "1.34"),
    ("--container-runtime remote", "1.34"),
    ("--pod-infra-container-image=registry.k8s.io/pause:3.10.1", "1.35"),
    ("--pod-infra-container-image registry.k8s.io/pause:3.10.1", "1.35"),
    ("--containerd=/run/containerd/containerd.sock", "1.37"),
    ("--storage-driver-db=cadvisor", "1.37"),
    ("--housekeeping-interval=5s", ""),
    ("--cgroup-driver=systemd", ""),
    ("--node-labels=a=--docker", ""),
]
MINORS = ["1.34", "1.35", "1.36", "1.37"]


@pytest.mark.parametrize(("argument", "since"), GONE)
def test_arguments_fail_from_the_minor_on_whose_kubelet_has_them_no_more(
    check: Checked, argument: str, since: str
) -> None:
    told = {FLAGS: f'KUBELET_KUBEADM_ARGS="--v=2 {argument} --max-pods=9"\n'}
    failing = []
    for minor in MINORS:
        code, wrong = check(told, minor=minor)
        assert ("kubelet-arguments" in wrong) == (code == 1)
        failing += [minor] if code else []
    assert failing == [minor for minor in MINORS if since and minor >= since]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_argument_that_is_gone_is_named(check: Checked, shell: str) -> None:
    old: Files = {
        "etc/systemd/system/kubelet.service.d/10-kubeadm.conf": "[Service]\n"
        "Environment='KUBELET_NETWORK_ARGS=--network-plugin=cni --cni-bin-dir=/opt/x'\n"
        "ExecStart=\nExecStart=/usr/bin/kubelet $KUBELET_NETWORK_ARGS\n"
    }
    code, wrong = check(old, shell=shell)
    assert (code, set(wrong)) == (1, {"kubelet.service-hidden", "kubelet-arguments"})
    assert wrong["kubelet-arguments"]["found"].endswith(": --cni-bin-dir --network-plugin")


# ── Settings ─────────────────────────────────────────────────────────────────────────────────

SWAP: Files = {"proc/swaps": "Filename\n/dev/sda2 partition 1 0 100\n"}
KUBELET_YAML = "var/lib/kubelet/config.yaml"
ACCEPTING: dict[str, tuple[Files, bool]] = {
    "no": ({KUBELET_YAML: "failSwapOn: no\n"}, True),
    "Off": ({KUBELET_YAML: "failSwapOn: Off\n"}, True),
    "yes": ({KUBELET_YAML: "failSwapOn: yes\n"}, False),
    "a byte order mark": ({KUBELET_YAML: "\ufefffailSwapOn: false\n"}, True),
    "for all services": (
        {
            "etc/systemd/system/service.d/x.conf": "[Service]\n"
            "Environment=KUBELET_EXTRA_ARGS=--fail-swap-on=false\n"
        },
        True,
    ),
    "a byte order mark in a fragment": (
        {
            FLAGS: "KUBELET_KUBEADM_ARGS=--config-dir=/etc/k.d\n",
            "etc/k.d/1.conf": "\ufefffailSwapOn: off\n",
        },
        True,
    ),
    "a pattern of directories": (
        {
            DROP_IN: "[Service]\nEnvironmentFile=-/etc/kube*.d/?.env\n",
            "etc/kubelet.d/1.env": "KUBELET_EXTRA_ARGS=--fail-swap-on=false\n",
        },
        True,
    ),
    "a pattern of files": (
        {
            DROP_IN: "[Service]\nEnvironmentFile=-/etc/kubelet.d/*.env\n",
            "etc/kubelet.d/1.env": "KUBELET_EXTRA_ARGS=--fail-swap-on=false\n",
        },
        True,
    ),
}


@by_turns("shell", SHELLS, ("files", "accepts"), ACCEPTING)
def test_swap_is_accepted_however_kubelet_is_told(
    check: Checked, files: Files, shell: str, *, accepts: bool
) -> None:
    assert set(check({**SWAP, **files}, shell=shell)[1]) == (set() if accepts else {"swap"})


NO_SWAP, SWAP_TOO = "--fail-swap-on=true", "--fail-swap-on=false"
DEFAULTS = "etc/default/kubelet"
ENVIRONMENT = {  # what a file of EnvironmentFile= says, and whether kubelet accepts swap then
    "quoted over lines": (f'KUBELET_EXTRA_ARGS="--v=2\n  {SWAP_TOO}\n  --a=b"\n', True),
    "quoted over lines with single quotes": (f"KUBELET_EXTRA_ARGS='\n{SWAP_TOO}'\n", True),
    "quoted over lines that go on": (f'KUBELET_EXTRA_ARGS="--v=2 \\\n{SWAP_TOO}"\n', True),
    "a name that a quoted value holds": (f'X="\nKUBELET_EXTRA_ARGS={SWAP_TOO}\n"\n', False),
    "after a quoted value": (f'X="a\nb"\nKUBELET_EXTRA_ARGS={SWAP_TOO}\n', True),
    "several quoted parts": ("KUBELET_EXTRA_ARGS='--fail-swap-on'\"=false\"\n", True),
    "quotes within": ('KUBELET_EXTRA_ARGS=--fail-swap-on="false"\n', True),
    "an escaped quote": (f'KUBELET_EXTRA_ARGS="--x=\\"y\\" {SWAP_TOO}"\n', True),
    "spaces around": (f"  KUBELET_EXTRA_ARGS =  {SWAP_TOO}  \n", True),
    "a comment that begins a quote": (f"# it's \"x\nKUBELET_EXTRA_ARGS={SWAP_TOO}\n", True),
    "no end of line": (f"KUBELET_EXTRA_ARGS={SWAP_TOO}", True),
    "no end of a quote": (f'KUBELET_EXTRA_ARGS="{SWAP_TOO}\n', True),
    "export": (f"export KUBELET_EXTRA_ARGS={SWAP_TOO}\n", False),
    "a later line": (f"KUBELET_EXTRA_ARGS={SWAP_TOO}\nKUBELET_EXTRA_ARGS=\n", False),
    "nothing": ("KUBELET_EXTRA_ARGS\n", False),
}


@by_turns("shell", SHELLS, ("text", "accepts"), ENVIRONMENT)
def test_a_file_of_the_environment_is_read_as_systemd_reads_it(
    check: Checked, text: str, shell: str, *, accepts: bool
) -> None:
    wrong = check({**SWAP, DEFAULTS: text}, shell=shell)[1]
    assert set(wrong) == (set() if accepts else {"swap"})


STARTED = {  # ExecStart= of a kubelet that has SWAP_TOO in $A, and whether it counts
    "a shell": ('/bin/sh -c "exec /usr/bin/kubelet $A"', True),
    "a shell that is told more": ("/usr/bin/bash -euc 'kubelet --x=1 $A'", True),
    "a shell with quotes": ('/bin/sh -c "exec kubelet \\"$A\\" --a"', True),
    "a shell after other commands": ("/bin/sh -c 'mkdir -p /x && exec kubelet $A'", True),
    "a shell before other commands": ("/bin/sh -c 'kubelet $A 2>&1 | logger --x; exit 1'", True),
    "a shell and a condition": ("/bin/sh -c 'if [ -e /x ]; then kubelet ${A}; fi'", True),
    "a shell with what is escaped": ("/bin/sh -c 'exec kubelet $$A'", True),
    "a shell with arguments": ("/bin/sh -c 'exec kubelet \"$@\"' sh $A", True),
    "another command of a shell": ("/bin/sh -c 'echo $A; exec kubelet'", False),
    "a comment of a shell": ("/bin/sh -c 'exec kubelet # $A'", False),
    "what a shell does not fill in": ('/bin/sh -c "exec kubelet \'$A\'"', False),
    "no filling in": (":/usr/bin/kubelet $A", False),
    "what is escaped": ("/usr/bin/kubelet $$A", False),
    "another name": ("@/usr/bin/kubelet kubelet $A", True),
    "a program before it": ("/usr/bin/nice -n 5 /usr/bin/kubelet $A", True),
    "a variable taken back": ("/usr/bin/kubelet $A\nUnsetEnvironment=B A", False),
    "a variable of this value taken back": (
        f"/usr/bin/kubelet $A\nUnsetEnvironment='A={SWAP_TOO}'", False),
    "another value taken back": ("/usr/bin/kubelet $A\nUnsetEnvironment=A=x", True),
    "taken back, and that taken back": (
        "/usr/bin/kubelet $A\nUnsetEnvironment=A\nUnsetEnvironment=", True),
}  # fmt: skip


@by_turns("shell", SHELLS, ("start", "counts"), STARTED)
def test_kubelet_s_arguments_are_those_that_it_starts_with(
    check: Checked, start: str, shell: str, *, counts: bool
) -> None:
    text = f"[Service]\nEnvironment=A={SWAP_TOO}\nExecStart=\nExecStart={start}\n"
    assert set(check({**SWAP, DROP_IN: text}, shell=shell)[1]) == (set() if counts else {"swap"})


@pytest.mark.parametrize("form", ["--config {}", "--config={}", "-c {}", "-config {}"])
def test_containerd_s_configuration_is_where_its_unit_says(check: Checked, form: str) -> None:
    start = f"[Service]\nExecStart=\nExecStart=/usr/bin/containerd {form.format('/etc/c.toml')}\n"
    files = {"etc/systemd/system/containerd.service.d/x.conf": start, "etc/c.toml": "x = [\n"}
    found = check(files)[1]["containerd-config"]["found"]
    assert found.startswith("containerd does not start: /etc/c.toml")


# ── Endpoints ────────────────────────────────────────────────────────────────────────────────

K3S = "run/k3s/containerd/containerd.sock"
NO_SOCKET: Files = {"run/containerd/containerd.sock": None}
CRIO, CRI_DOCKERD = "run/crio/crio.sock", "run/cri-dockerd.sock"
ENDPOINTS: dict[str, tuple[Files, str, bool]] = {
    "elsewhere": ({**NO_SOCKET, K3S: ""}, f"unix:///{K3S}", True),
    "elsewhere, not there": (NO_SOCKET, f"unix:///{K3S}", False),
    "elsewhere, beside one": ({K3S: ""}, f"unix:///{K3S}", True),
    "elsewhere, beside two": ({K3S: "", CRIO: ""}, f"/{K3S}", True),
    "not there, beside two": ({CRI_DOCKERD: ""}, f"unix:///{CRIO}", False),
    "not there, beside one": ({}, f"unix:///{CRIO}", False),
    "one of two": ({CRIO: ""}, "unix:///run/containerd/containerd.sock", True),
    "by way of /var": ({CRIO: ""}, "unix:///var/run/containerd/containerd.sock", True),
    "with one slash": ({}, "unix:/run/containerd/containerd.sock", True),
}


@by_turns("shell", SHELLS, ("files", "told", "there"), ENDPOINTS)
def test_the_endpoint_that_kubelet_is_told_is_what_counts(
    check: Checked, files: Files, told: str, shell: str, *, there: bool
) -> None:
    for given in (
        {FLAGS: f'KUBELET_KUBEADM_ARGS="--container-runtime-endpoint={told}"\n'},
        {FLAGS: None, "var/lib/kubelet/config.yaml": f"containerRuntimeEndpoint: {told}\n"},
    ):
        wrong = check({**files, **given}, shell=shell)[1]
        assert ("runtime-socket" not in wrong) is there
        if not there:
            assert wrong["runtime-socket"]["result"] == "fail"
            assert wrong["runtime-socket"]["found"].endswith(f"but kubelet is told {told}")


# ── Docker ───────────────────────────────────────────────────────────────────────────────────

ONLY_DOCKER: Files = {**DOCKER, "run/containerd/containerd.sock": None}
OVERRIDE = "etc/systemd/system/docker.service.d/override.conf"
FILE = "etc/docker/daemon.json"
START = "[Service]\nExecStart=\nExecStart=/usr/bin/dockerd -H fd:// "
CGROUPFS, BY_SYSTEMD = "native.cgroupdriver=cgroupfs", "native.cgroupdriver=systemd"
DRIVERS: dict[str, tuple[Files, str]] = {
    "another option after it": ({OVERRIDE: f"{START}--exec-opt {CGROUPFS} --exec-opt a=b\n"},
                                "cgroupfs"),
    "another option before it": ({OVERRIDE: f"{START}--exec-opt=a=b --exec-opt={CGROUPFS}\n"},
                                 "cgroupfs"),
    "the first of two": ({OVERRIDE: f"{START}--exec-opt {CGROUPFS} --exec-opt {BY_SYSTEMD}\n"},
                         "cgroupfs"),
    "the first of the other two": (
        {OVERRIDE: f"{START}--exec-opt {BY_SYSTEMD} --exec-opt {CGROUPFS}\n"}, ""),
    "the first of two of a file": ({FILE: f'{{"exec-opts": ["{CGROUPFS}", "{BY_SYSTEMD}"]}}'},
                                   "cgroupfs"),
    "a file over lines": ({FILE: f'{{\n "exec-opts":\n [\n  "a=b",\n  "{CGROUPFS}"\n ]\n}}\n'},
                          "cgroupfs"),
    "in capitals": ({FILE: '{"exec-opts": ["Native.CgroupDriver=cgroupfs"]}'}, "cgroupfs"),
    "not of the first level": ({FILE: f'{{"runtimes": {{"exec-opts": ["{CGROUPFS}"]}}}}'}, ""),
    "a comma too many": ({FILE: f'{{"exec-opts": ["{BY_SYSTEMD}"],\n}}'}, "daemon.json, line 2"),
    "a comment": ({FILE: f'{{"exec-opts": ["{BY_SYSTEMD}"]}} // x\n'}, "is no JSON"),
    "no JSON": ({FILE: "exec-opts = x\n"}, "is no JSON"),
    "an empty file": ({FILE: ""}, ""),
    "a byte order mark": ({FILE: '\ufeff{"live-restore": true}\n'}, ""),
    "hosts in both": ({FILE: '{"hosts": ["tcp://127.0.0.1:1"]}', OVERRIDE: f"{START}\n"},
                      "does not start with hosts both"),
    "a level in both": (
        {FILE: '{"log-level": "warn"}', OVERRIDE: f"{START}--log-level=debug\n"},
        "does not start with log-level both"),
    "labels in both": ({FILE: '{"labels": ["a=b"]}', OVERRIDE: f"{START}--label c=d\n"},
                       "does not start with labels both"),
    "each in its place": ({FILE: '{"log-level": "warn"}', OVERRIDE: f"{START}--label c=d\n"}, ""),
}  # fmt: skip


@by_turns("shell", SHELLS, ("files", "found"), DRIVERS)
def test_docker_s_driver_is_what_dockerd_makes_of_it(
    check: Checked, files: Files, found: str, shell: str
) -> None:
    code, wrong = check({**ONLY_DOCKER, **files}, shell=shell)
    assert set(wrong) == ({"cgroup-driver"} if found else set())
    assert code == int(" " in found)
    assert not found or found in wrong["cgroup-driver"]["found"]
