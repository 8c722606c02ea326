"""A control plane and a node from our packages and images, and Pods on them that talk."""

import re
from functools import partial

import cluster
import state
from engine import Failed
from lab import KUBEADM, Lab, Steps
from supply import channel


def steps(lab: Lab, version: str) -> Steps:
    """The chapter."""
    return [
        ("machines start with systemd", lambda: lab.start("cp", "node1")),
        (
            "cp: key, repository and kubernetes-control-plane",
            lambda: install(lab, "cp", version, "control-plane"),
        ),
        ("cp: configuration and pod network", lambda: lab.configure("cp")),
        ("cp: kube-node-check", lambda: lab.node_check("cp", "control-plane")),
        ("cp: kubeadm init", lambda: lab.init("cp")),
        ("cp: Ready", lambda: lab.wait("node/cp")),
        ("node1: key, repository and kubernetes-node", lambda: install(lab, "node1", version)),
        ("node1: configuration and pod network", lambda: lab.configure("node1")),
        ("node1: kube-node-check", lambda: lab.node_check("node1", "node")),
        ("node1: kubeadm join", lambda: lab.join("node1")),
        ("node1: Ready", lambda: lab.wait("node/node1")),
        (
            "CoreDNS, kube-proxy and the control plane are Ready",
            lambda: lab.wait("pod --all -n kube-system"),
        ),
        (
            "cp, node1: every image is the manifest's, by digest",
            lambda: images(lab, version, "cp", "node1"),
        ),
        ("Pods run on both nodes", lambda: pods(lab, version)),
        ("logs, exec, and a Service by its name from the other node", lambda: talk(lab, version)),
    ]


def install(lab: Lab, machine: str, version: str, role: str = "node") -> None:
    """Type what docs/install.md says up to the packages of a role; check what came."""
    repository(lab, machine, version)
    lab.follow(machine, "install-control-plane" if role == "control-plane" else "install-node")
    lab.check_packages(machine)


def repository(lab: Lab, machine: str, version: str) -> None:
    """Type what docs/install.md says up to the repository; check the key."""
    lab.follow(machine, "tools")
    lab.follow(machine, "key")
    lab.as_person(machine, "gpg --list-keys")  # what it says of its new directory is said
    said = lab.follow(machine, "fingerprint")
    keys = [key["id"] for key in lab.supply.manifest(version)["keys"] if key["kind"] == "openpgp"]
    lab.report.show(f"{machine}: the key, to compare", said)
    if re.findall(r"^ +([0-9A-F]{40,})$", said, re.MULTILINE) != keys:
        raise Failed(f"{machine}: gpg does not show just the key of the manifest, {keys}:\n{said}")
    lab.follow(machine, "repository", CHANNEL=channel(version))


def images(lab: Lab, version: str, *machines: str) -> None:
    """containerd has the images that kubeadm wants and the sandbox's, and no other image than the
    manifest's.
    """
    manifest = {one["reference"]: one["index"] for one in lab.supply.manifest(version)["images"]}
    wanted = set(
        lab.as_person(machines[0], f"kubeadm config images list --config {KUBEADM}").split()
    )
    for machine in machines:
        found = state.images(lab, machine)
        lines = [f"{tag}  {digest}" for tag, digest in sorted(found.items())]
        lab.report.show(f"{machine}: crictl images", "\n".join(lines))
        if strange := sorted(tag for tag, digest in found.items() if manifest.get(tag) != digest):
            raise Failed(
                f"{machine}: not images of the manifest of {version}: {', '.join(strange)}"
            )
        missing = {
            one
            for one in wanted
            if machine == machines[0] or "/pause:" in one or "/kube-proxy:" in one
        }
        if missing := missing - set(found):
            raise Failed(
                f"{machine}: images that kubeadm wants are not there: {', '.join(sorted(missing))}"
            )


def pods(lab: Lab, version: str, control_plane: str = "cp", node: str = "node1") -> None:
    """Run two Pods and a Service."""
    lab.kubectl(
        "apply -f -",
        stdin=cluster.pods(lab.network, version, node, control_plane),
        control_plane=control_plane,
    )
    lab.wait("pod/server pod/client", control_plane=control_plane)


def talk(lab: Lab, version: str, control_plane: str = "cp") -> None:
    """Logs, exec, and from the other node the Service by its name."""
    kubectl = partial(lab.kubectl, control_plane=control_plane)
    said = {
        "kubectl logs server": kubectl("logs server"),
        "kubectl exec server": kubectl("exec server -- /usr/local/bin/kubectl version --client"),
        "the Service by its name, from the other node": kubectl(f"exec client -- {cluster.ASK}"),
    }
    texts = "\n".join(f"$ {title}\n{text}" for title, text in said.items())
    lab.report.show(f"Pods that talk, in the cluster of {control_plane}", texts)
    wanted = ("hello from a pod", f"v{version}", f'"gitVersion": "v{version}"')
    for (title, text), word in zip(said.items(), wanted, strict=True):
        if word not in text:
            raise Failed(f"{title}: {word!r} is not in what it said:\n{text}")


def talk_from(lab: Lab, version: str, machine: str) -> str:
    """Run a Pod on a machine; its logs, and by exec what the Service whose Pod is on another node
    answers it.
    """
    name = f"{machine}-client"
    lab.kubectl("apply -f -", stdin=cluster.client(lab.network, version, name, machine))
    lab.wait(f"pod --namespace=kube-system --field-selector=spec.nodeName={machine}")  # kube-proxy
    lab.wait(f"pod/{name}")
    said = (
        f"$ kubectl logs {name}\n{lab.kubectl(f'logs {name}')}\n$ kubectl exec {name} -- "
        "kubectl get --raw …\n"
    )
    said += lab.kubectl(f"exec {name} -- {cluster.ASK}")
    for word in (f"hello from {name}", f'"gitVersion": "v{version}"'):
        if word not in said:
            raise Failed(f"{machine}: {word!r} is not in what its Pod said:\n{said}")
    return said
