"""A node with Docker: the engine that the resolver picks for Debian 12, cri-dockerd from our
packages, Pods on it.
"""

import json
import re

import cluster
import first_cluster
from engine import Failed
from lab import Lab, Steps

MACHINE, DISTRIBUTION = "docker1", "debian-12"

BESIDE_DOCKER = (
    "runtime-socket",
    "containerd-version",
    "containerd-cni",
    "sandbox-image",
    "containerd-cgroup-driver",
)
"""What kube-node-check warns of because Docker brings a containerd of its own, which kubelet is not
to use.
"""

RUNC = """#!/bin/sh
# Machines here have no CAP_SYS_RESOURCE: a privileged container cannot have it either, and nothing
# may be made safer from running out of memory than its parent is. containerd minds both by itself
# or by restrict_oom_score_adj.
for word; do
    [ "${bundle-}" != next ] || bundle=$word
    [ "$word" != --bundle ] || bundle=next
done
[ -z "${bundle-}" ] ||
    sed -i 's/"oomScoreAdj":-[0-9]*/"oomScoreAdj":0/; s/"CAP_SYS_RESOURCE",//g' \\
        "$bundle/config.json"
exec runc "$@"
"""
"""What Docker runs instead of runc on machines without CAP_SYS_RESOURCE."""


def steps(lab: Lab, version: str) -> Steps:
    """The chapter; it needs first_cluster's nodes and Pods."""
    return [
        (f"{MACHINE} starts with systemd", lambda: lab.start(MACHINE)),
        (f"{MACHINE}: key, repository, kubernetes-node with Docker", lambda: install(lab, version)),
        (f"{MACHINE}: Docker's configuration and pod network", lambda: configure(lab)),
        (f"{MACHINE}: kube-node-check", lambda: lab.node_check(MACHINE, "node", *BESIDE_DOCKER)),
        (
            f"{MACHINE}: kubeadm join over cri-dockerd",
            lambda: lab.join(MACHINE, socket=cluster.DOCKER_SOCKET),
        ),
        (f"{MACHINE}: Ready, with the Docker that was picked", lambda: ready(lab, version)),
        (
            f"{MACHINE}: a Pod runs, logs, exec, and the Service of another node",
            lambda: talk(lab, version),
        ),
    ]


def choice(lab: Lab, version: str) -> dict[str, str]:
    """The Docker that the release's manifest picks for the machine's distribution: its first that
    fits.
    """
    offers = lab.supply.manifest(version)["requirements"]["distributions"]
    mine = [
        one for one in offers if (one["distribution"], one["family"]) == (DISTRIBUTION, "docker")
    ]
    found: dict[str, str] = next((one for one in mine if one["fits"]), {})
    if not found:
        raise Failed(
            f"v{version}: its manifest has no Docker that fits {DISTRIBUTION}: "
            "requirements.distributions"
        )
    return found


def install(lab: Lab, version: str) -> None:
    """What docs/install.md says for a node with Docker; then what came, from where and why."""
    first_cluster.repository(lab, MACHINE, version)
    lab.follow(MACHINE, "install-docker")
    lab.check_packages(MACHINE)
    query = "dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\\n'"
    names = "docker.io containerd runc cri-dockerd kubernetes-node kubernetes-runtime-docker"
    listed = lab.shell(MACHINE, f"{query} {names}", check=False)
    picked = choice(lab, version)
    lab.report.show(
        f"{MACHINE}: which Docker, and why",
        f"{picked['package']} {picked['version']} ({picked['distribution']}): {picked['reason']}\n"
        f"\n{listed}",
    )
    wanted = rf"^{re.escape(picked['package'])} {re.escape(picked['version'])}\S* ii "
    if not re.search(wanted, listed, re.MULTILINE) or "kubernetes-runtime-docker " not in listed:
        raise Failed(f"{MACHINE}: has not the Docker that the manifest picks, {picked}:\n{listed}")


def configure(lab: Lab) -> None:
    """Tell Docker what only containers on this machine need, and connect the machine."""
    settings = {
        "exec-opts": [
            "native.cgroupdriver=cgroupfs"
        ],  # no systemd here may make pods' control groups
        "insecure-registries": [lab.network.registry],  # no TLS
        "runtimes": {"here": {"path": "/usr/local/sbin/runc-here"}},
        "default-runtime": "here",
    }
    lab.engine.put(MACHINE, "/usr/local/sbin/runc-here", RUNC)
    lab.engine.put(MACHINE, "/etc/docker/daemon.json", json.dumps(settings, indent=2) + "\n")
    lab.shell(
        MACHINE,
        "chmod 755 /usr/local/sbin/runc-here && systemctl restart docker && systemctl is-active "
        "docker",
    )
    lab.connect(MACHINE)


def ready(lab: Lab, version: str) -> None:
    """The node is Ready, and the cluster sees the Docker that the manifest picks."""
    lab.wait(f"node/{MACHINE}")
    seen = lab.kubectl(
        f"get node {MACHINE} -o jsonpath={{.status.nodeInfo.containerRuntimeVersion}}"
    )
    upstream = re.split(r"[+~-]", choice(lab, version)["version"].rpartition(":")[2])[0]
    if not seen.startswith(f"docker://{upstream}"):
        raise Failed(
            f"{MACHINE}: the cluster sees {seen}, not docker://{upstream}: kubectl get nodes -o "
            "wide"
        )


def talk(lab: Lab, version: str) -> None:
    """A Pod runs here, on Docker, and reaches the other nodes."""
    said = first_cluster.talk_from(lab, version, MACHINE)
    containers = lab.shell(MACHINE, "docker ps --format '{{.Image}} {{.Status}} {{.Names}}'")
    runtime = lab.shell(
        MACHINE, f"crictl --runtime-endpoint unix://{cluster.DOCKER_SOCKET} version"
    )
    lab.report.show(
        f"{MACHINE}: a Pod on Docker",
        f"{said}\n$ docker ps\n{containers}\n$ crictl version\n{runtime}",
    )
    if f"{MACHINE}-client" not in containers or "RuntimeName:  docker" not in runtime:
        raise Failed(
            f"{MACHINE}: its Pod is not Docker's; look at docker ps there:\n{containers}\n{runtime}"
        )
