"""What the chapters of other nodes and of the refusal tell apart, and what Docker runs where it
lacks a capability.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.usefixtures("acceptance")

REFUSED = """Preparing to unpack .../kubelet_1.37.2-1_amd64.deb ...
kubelet 1.37.2: not installed: from 1.35.9-1 to 1.37 would skip Kubernetes 1.36,\
 and minors must not be skipped.
Upgrade to 1.36 first, from its channel: sed --in-place 's/^Suites:.*/Suites: stable-1.36/' entry
To do it all the same: mkdir -p /etc/kubewright && touch /etc/kubewright/allow-minor-jump
"""


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        (REFUSED, {"kubelet"}),
        (REFUSED + REFUSED.replace("kubelet", "kubeadm"), {"kubelet", "kubeadm"}),
        (REFUSED.replace("kubelet", "kubeadm, kubelet"), {"kubelet", "kubeadm"}),
        (REFUSED.replace("touch", "mind"), {"kubelet"}),
        (REFUSED.replace("/allow-minor-jump", ""), set()),
        (REFUSED.replace("Upgrade to 1.36 first", "Sorry"), set()),
        (REFUSED.replace("1.37.2: not", "1.37.1: not"), set()),
        ("dpkg: error processing archive kubelet_1.37.2-1_amd64.deb (--unpack):\n", set()),
    ],
    ids=[
        "one",
        "two",
        "two at once",
        "other words",
        "no override",
        "no way to go on",
        "another version",
        "no reason",
    ],
)
def test_a_refusal_counts_with_its_reason_its_advice_and_its_override(
    said: str, refused: set[str]
) -> None:
    from refusal import refusals

    assert refusals(said, "1.37.2") == refused


def test_docker_asks_runc_for_nothing_that_the_machine_lacks(tmp_path: Path) -> None:
    from docker_node import RUNC

    config = {
        "process": {
            "capabilities": {"bounding": ["CAP_SYS_RESOURCE", "CAP_CHOWN"]},
            "oomScoreAdj": -998,
        }
    }
    (tmp_path / "config.json").write_text(json.dumps(config, separators=(",", ":")))
    (tmp_path / "runc").write_text('#!/bin/sh\necho "$*"\n')
    (tmp_path / "runc").chmod(0o755)
    words = ["--root", "/x", "create", "--bundle", str(tmp_path), "name"]
    done = subprocess.run(
        ["/bin/sh", "-c", RUNC, "here", *words], text=True, capture_output=True, check=True,
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )  # fmt: skip
    assert done.stdout == " ".join(words) + "\n"
    process = json.loads((tmp_path / "config.json").read_text())["process"]
    assert process == {"capabilities": {"bounding": ["CAP_CHOWN"]}, "oomScoreAdj": 0}
