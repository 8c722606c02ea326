"""The machines of a run and what one does on them: install, configure, join, ask; chapters are made
of these.
"""

import shutil
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cluster
from engine import Engine, Failed
from network import SERVICES, Network
from pages import commands
from report import Report
from supply import Supply

Steps = list[tuple[str, Callable[[], object]]]
"""A chapter: what each step is called, and what it does. A step that fails raises Failed, and ends
the run.
"""

Chapters = list[tuple[str, Steps]]
"""The chapters of a run with their titles."""


KUBEADM = "/etc/kubernetes/kubeadm.yaml"
"""Where docs/install.md puts kubeadm's configuration."""

PERSON = "admin"
"""Who types what the pages say: an ordinary user, who may call sudo."""

AS_ROOT = "export KUBECONFIG=/etc/kubernetes/admin.conf"
"""How the run itself asks a cluster; people have the copy that docs/install.md tells them to
make.
"""


class Lab:
    """Everything that a chapter works with."""

    def __init__(self, supply: Supply, report: Report) -> None:
        self.supply = supply
        self.report = report
        self.engine: Engine = supply.engine
        self.network: Network = supply.network
        self.members: dict[str, list[str]] = {}
        """The nodes of each cluster, by the name of its control plane."""

    def start(self, *machines: str) -> None:
        """Start clean machines with systemd."""
        mine = self.supply.work / "resolv.conf"
        resolv = Path("/run/systemd/resolve/resolv.conf")  # where /etc/resolv.conf names a loopback
        shutil.copy(resolv if resolv.exists() else Path("/etc/resolv.conf"), mine)
        for name in machines:
            self.engine.machine(name, "machine:clean", mine)
            self.engine.put(name, "/etc/apt/apt.conf.d/90yes", 'APT::Get::Assume-Yes "true";\n')
            self.engine.put(name, f"/etc/sudoers.d/{PERSON}", f"{PERSON} ALL=(ALL) NOPASSWD: ALL\n")
            self.shell(name, f"useradd --create-home --shell /bin/bash {PERSON}")

    def shell(self, machine: str, script: str, *, stdin: str = "", check: bool = True) -> str:
        """Run a script on a machine; what it said."""
        return self.engine.shell(machine, script, stdin=stdin, check=check)

    def as_person(self, machine: str, script: str, *, check: bool = True) -> str:
        """Type what a page says, as the person for whom it is written."""
        return self.engine.shell(machine, f"cd\n{script}", check=check, user=PERSON)

    def meanwhile(self, machine: str, script: str) -> "Future[str]":
        """Begin what the same person types and then has to wait for; its result is what it said."""
        return ThreadPoolExecutor(1).submit(self.as_person, machine, script)

    def follow(self, machine: str, block: str, *, check: bool = True, **variables: str) -> str:
        """Type a block of docs/install.md on a machine, with the variables set that the page tells
        people to set.
        """
        settings = {"SITE": self.network.site, "REGISTRY": self.network.registry, **variables}
        lines = "".join(f"{name}='{value}'\n" for name, value in settings.items())
        return self.as_person(
            machine, f"{lines}set -eu\n{commands('install.md', block)}", check=check
        )

    def check_packages(self, machine: str) -> None:
        """Every package that came from our site is, byte for byte, one of a manifest's."""
        manifests = self.supply.manifests()
        packages = [
            (one, manifest["release"]["name"])
            for manifest in manifests
            for one in manifest["packages"]
        ]
        ours = {
            one["sha256"]: (one, release) for one, release in packages if one["format"] == "deb"
        }
        names = {one["package"] for one, _ in ours.values()}
        lines, unknown = [], []
        for line in self.shell(machine, "sha256sum /var/cache/apt/archives/*.deb").splitlines():
            digest, path = line.split()
            name, version = Path(path).name.split("_")[:2]
            if name in names:
                one, release = ours.get(digest, ({"url": "not a published file"}, "no release"))
                lines.append(
                    f"{name:<30} {version.replace('%3a', ':'):<10} {digest}  {release}  "
                    f"{one['url']}"
                )
                unknown += [name] if digest not in ours else []
        head = (
            f"{'package':<30} {'version':<10} {'SHA-256 of what apt fetched':<64}  in the "
            "manifest of, as"
        )
        self.report.show(f"{machine}: packages from {self.network.site}", "\n".join([head, *lines]))
        if unknown or not lines:
            raise Failed(
                f"{machine}: not the manifest's packages: "
                f"{', '.join(unknown) or 'nothing came from our site'}"
            )

    def configure(self, machine: str, control_plane: str = "cp") -> None:
        """Tell a machine with containerd what only containers on this machine need, and connect
        it.
        """
        put, network = self.engine.put, self.network
        put(machine, "/etc/containerd/conf.d/50-acceptance.toml", cluster.CONTAINERD)
        put(
            machine,
            f"/etc/containerd/certs.d/{network.registry}/hosts.toml",
            cluster.registry_hosts(network),
        )
        self.shell(machine, "systemctl restart containerd")
        self.connect(machine, control_plane)

    def connect(self, machine: str, control_plane: str = "cp") -> None:
        """Give a machine control groups for its pods, and a pod network with the other nodes of its
        cluster.
        """
        put, network = self.engine.put, self.network
        put(machine, "/etc/default/kubelet", cluster.kubelet_arguments(network, machine))
        self.follow(machine, "pod-network", PODS=network.pod_subnet(machine))
        others = self.members.setdefault(control_plane, [])
        for other in others:
            for here, there in ((machine, other), (other, machine)):
                self.follow(
                    here, "route", PEER=network.address(there), PEER_PODS=network.pod_subnet(there)
                )
        others.append(machine)

    def node_check(self, machine: str, role: str, *expected: str) -> None:
        """Show what kube-node-check says of a machine; it may find no more than what is so in a
        container here.

        `expected` are further checks that may warn.
        """
        said = self.follow(
            machine, "check-node" if role == "node" else "check-control-plane", check=False
        )
        self.report.show(f"{machine}: kube-node-check --role {role}", said)
        known = (*cluster.UNLIKE_A_MACHINE, *(f"warn  {check}:" for check in expected))
        lines = [line for line in said.splitlines() if line.startswith(("fail ", "warn "))]
        unknown = [line for line in lines if not line.startswith(known)]
        if unknown or "\nKubernetes " not in said:
            raise Failed(f"{machine}: kube-node-check says: {unknown or said}")

    def init(self, control_plane: str, *, registry: str = "") -> None:
        """Start a control plane from our images, or from those of another registry."""
        self.follow(control_plane, "init-configuration", REGISTRY=registry or self.network.registry)
        self.shell(control_plane, f"cat >> {KUBEADM}", stdin=cluster.INIT)
        self.follow(control_plane, "init")
        self.follow(control_plane, "kubectl")

    def join(
        self, machine: str, control_plane: str = "cp", socket: str = cluster.CONTAINERD_SOCKET
    ) -> None:
        """Join a node, whose runtime listens on `socket`."""
        said = self.follow(control_plane, "token").splitlines()
        words = next(line for line in said if line.startswith("kubeadm join")).split()
        after = ("join", "--token", "--discovery-token-ca-cert-hash")
        endpoint, token, authority = (words[words.index(word) + 1] for word in after)
        self.follow(
            machine, "join-configuration", ENDPOINT=endpoint, TOKEN=token, CA_HASH=authority
        )
        self.shell(machine, f"cat >> {KUBEADM}", stdin=cluster.join(socket))
        self.follow(machine, "join")

    def kubectl(self, words: str, *, stdin: str = "", control_plane: str = "cp") -> str:
        """Run kubectl as the administrator."""
        return self.shell(control_plane, f"{AS_ROOT}; kubectl {words}", stdin=stdin)

    def wait(self, what: str, *, seconds: int = 300, control_plane: str = "cp") -> None:
        """Wait until all of `what` are Ready; they may not be there yet."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.kubectl(
                    f"wait --for=condition=Ready --timeout=10s {what}", control_plane=control_plane
                )
            except Failed:
                if time.monotonic() > end:
                    raise
                time.sleep(1)
            else:
                return

    def look(self) -> str:
        """Where a person would look when a step failed: the last words of each machine."""
        found = [
            "Look at log.txt in the work directory, every command and what it said, and at these "
            "last lines:"
        ]
        for machine in (name for name in self.engine.names if name not in SERVICES):
            for unit in ("containerd", "cri-docker", "kubelet"):
                said = self.shell(
                    machine, f"journalctl --no-pager --quiet --lines=12 --unit={unit}", check=False
                )
                found.append(f"{machine}: journalctl --unit={unit}\n{said}")
            script = "systemctl --failed --no-legend; crictl ps -a 2>&1 | tail -n 12"
            found.append(
                f"{machine}: failed units and containers\n"
                f"{self.shell(machine, script, check=False)}"
            )
        script = (
            "kubectl get nodes,pods -A -o wide; kubectl get events -A "
            "--field-selector=type=Warning | tail -n 12"
        )
        for machine in self.members:
            said = self.shell(
                machine, f"{AS_ROOT}; test ! -e $KUBECONFIG || {{ {script}; }}", check=False
            )
            found.append(f"{machine}: cluster\n{said}")
        return "\n".join(found)
