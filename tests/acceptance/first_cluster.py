"""A control plane and a node from our packages and images, and Pods on them that talk."""

import cluster
from engine import Failed
from lab import Lab, Steps


def steps(lab: Lab, version: str) -> Steps:
    """The chapter."""
    return [
        ("machines start with systemd", lambda: lab.start("cp", "node1")),
        ("cp: the front page's commands, then kubernetes-control-plane", lambda: install(lab, "cp", version)),
        ("cp: configuration and pod network", lambda: lab.configure("cp")),
        ("cp: kube-node-check", lambda: lab.node_check("cp", "control-plane")),
        ("cp: kubeadm init", lambda: lab.init("cp", version)),
        ("cp: Ready", lambda: lab.wait("node/cp")),
        ("node1: the front page's commands", lambda: install(lab, "node1", version)),
        ("node1: configuration and pod network", lambda: lab.configure("node1")),
        ("node1: kube-node-check", lambda: lab.node_check("node1", "node")),
        ("node1: kubeadm join", lambda: lab.join("node1")),
        ("node1: Ready", lambda: lab.wait("node/node1")),
        ("CoreDNS, kube-proxy and the control plane are Ready", lambda: lab.wait("pod --all -n kube-system")),
        ("Pods run on both nodes", lambda: pods(lab, version)),
        ("logs, exec, and a Service by its name from the other node", lambda: talk(lab, version)),
    ]


def install(lab: Lab, machine: str, version: str) -> None:
    """Run the commands of the site's front page as they stand there, and check what came."""
    manifest = lab.supply.manifest(version)
    commands = next(one["commands"] for one in manifest["install"] if one["format"] == "deb")
    if machine == "cp":
        lab.report.show("the commands of the front page", commands)
    # Their last line is kube-node-check, which fails on control groups v1: node_check() judges what it says.
    said = lab.shell(machine, "set -eux\n" + commands, check=False)
    if "installed" not in lab.shell(machine, "dpkg-query -W -f '${db:Status-Status}' kubernetes-node"):
        raise Failed(f"{machine}: kubernetes-node is not installed:\n{said}")
    if machine == "cp":
        lab.shell(machine, "apt-get install kubernetes-control-plane")
    lab.check_packages(machine)


def pods(lab: Lab, version: str) -> None:
    """Run two Pods and a Service."""
    lab.kubectl("apply -f -", stdin=cluster.pods(lab.network, version))
    lab.wait("pod/server pod/client")


def talk(lab: Lab, version: str) -> None:
    """Logs, exec, and from the other node the Service by its name."""
    said = {
        "kubectl logs server": lab.kubectl("logs server"),
        "kubectl exec server": lab.kubectl("exec server -- /usr/local/bin/kubectl version --client"),
        "the Service by its name, from the other node": lab.kubectl(f"exec client -- {cluster.ASK}"),
    }
    lab.report.show("Pods that talk", "\n".join(f"$ {title}\n{text}" for title, text in said.items()))
    wanted = ("hello from a pod", f"v{version}", f'"gitVersion": "v{version}"')
    for (title, text), word in zip(said.items(), wanted, strict=True):
        if word not in text:
            raise Failed(f"{title}: {word!r} is not in what it said:\n{text}")


def talk_from(lab: Lab, version: str, machine: str) -> str:
    """Run a Pod on a machine; its logs, and by exec what the Service whose Pod is on another node answers it."""
    name = f"{machine}-client"
    lab.kubectl("apply -f -", stdin=cluster.client(lab.network, version, name, machine))
    lab.wait(f"pod --namespace=kube-system --field-selector=spec.nodeName={machine}")  # kube-proxy
    lab.wait(f"pod/{name}")
    said = f"$ kubectl logs {name}\n{lab.kubectl(f'logs {name}')}\n$ kubectl exec {name} -- kubectl get --raw …\n"
    said += lab.kubectl(f"exec {name} -- {cluster.ASK}")
    for word in (f"hello from {name}", f'"gitVersion": "v{version}"'):
        if word not in said:
            raise Failed(f"{machine}: {word!r} is not in what its Pod said:\n{said}")
    return said
