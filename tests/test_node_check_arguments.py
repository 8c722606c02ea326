"""What `kube-node-check` makes of the arguments of kubelet and dockerd, wherever they are given."""

from pathlib import Path

import pytest
from node_machines import SHELLS, Checked, Files, checker

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
