"""Real Kubernetes from a version word to Pods that talk: releases it, installs it on clean machines, joins them.

    ./nox -s acceptance -- --upstream MIRROR --cache DIR, or in an environment with kubewright:
    python tests/acceptance/run.py --upstream MIRROR --cache DIR --work DIR

Without a mirror it compiles one first (`kubewright mirror source`), which takes long once. It needs root, docker.io and
mmdebstrap; everything that it starts is gone afterwards. The work directory keeps report.html, report.json, log.txt,
the mirror, the release and the clean roots.
"""

import argparse
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cluster
from engine import Failed
from report import Report
from supply import Supply

PROGRAMS = {"dockerd": "docker.io", "mmdebstrap": "mmdebstrap", "iptables": "iptables", "ps": "procps"}


class Run:
    """One run: its machines, and the steps in their order."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.supply = Supply(options)
        self.engine = self.supply.engine
        self.version = self.supply.version
        self.report = Report(f"Kubernetes {self.version} from our own site")

    def machines(self) -> None:
        """Start clean machines with systemd."""
        resolv = Path("/run/systemd/resolve/resolv.conf")  # where /etc/resolv.conf names a loopback
        shutil.copy(resolv if resolv.exists() else Path("/etc/resolv.conf"), self.supply.work / "resolv.conf")
        for name, address in cluster.MACHINES.items():
            self.engine.machine(name, address, "machine:clean", self.supply.work / "resolv.conf")
            self.engine.put(name, "/etc/apt/apt.conf.d/90yes", 'APT::Get::Assume-Yes "true";\n')

    def install(self, machine: str) -> None:
        """Run the commands of the site's front page as they stand there, and check what came."""
        commands = next(one["commands"] for one in self.supply.manifest["install"] if one["format"] == "deb")
        if machine == "cp":
            self.report.show("the commands of the front page", commands)
        # Their last line is kube-node-check, which fails on control groups v1: node_check() judges what it says.
        said = self.engine.shell(machine, "set -eux\n" + commands, check=False)
        if "installed" not in self.engine.shell(machine, "dpkg-query -W -f '${db:Status-Status}' kubernetes-node"):
            raise Failed(f"{machine}: kubernetes-node is not installed:\n{said}")
        if machine == "cp":
            self.engine.shell(machine, "apt-get install kubernetes-control-plane")
        self.check_packages(machine)

    def check_packages(self, machine: str) -> None:
        """Every package that came from our site is, byte for byte, one of the manifest's."""
        ours = {one["sha256"]: one for one in self.supply.manifest["packages"] if one["format"] == "deb"}
        names = {one["package"] for one in ours.values()}
        lines, unknown = [], []
        for line in self.engine.shell(machine, "sha256sum /var/cache/apt/archives/*.deb").splitlines():
            digest, path = line.split()
            name, version = Path(path).name.split("_")[:2]
            if name in names:
                lines.append(f"{name} {version.replace('%3a', ':')} sha256:{digest}")
                unknown += [name] if digest not in ours else []
        self.report.show(f"{machine}: packages from our site", "\n".join(lines))
        if unknown or not lines:
            raise Failed(
                f"{machine}: not the manifest's packages: {', '.join(unknown) or 'nothing came from our site'}"
            )

    def configure(self, machine: str) -> None:
        """Tell a machine what only containers on this machine need, and give it a pod network."""
        put = self.engine.put
        put(machine, "/etc/containerd/conf.d/50-acceptance.toml", cluster.CONTAINERD)
        put(machine, f"/etc/containerd/certs.d/{cluster.IMAGES}/hosts.toml", cluster.REGISTRY_HOSTS)
        put(machine, "/etc/default/kubelet", cluster.kubelet_arguments(machine))
        put(machine, "/etc/cni/net.d/10-pods.conflist", cluster.network(machine))
        self.engine.shell(machine, f"set -e\n{cluster.routes(machine)}\nsystemctl restart containerd")

    def node_check(self, machine: str, role: str) -> None:
        """Show what kube-node-check says of a machine; only this machine's control groups v1 may fail it."""
        said = self.engine.shell(machine, f"kube-node-check --role {role}", check=False)
        self.report.show(f"{machine}: kube-node-check --role {role}", said)
        failed = [line for line in said.splitlines() if line.startswith("fail") and "cgroup-version" not in line]
        if failed or "Kubernetes " not in said:
            raise Failed(f"{machine}: kube-node-check says: {failed or said}")

    def init(self) -> None:
        """Start the control plane from our images."""
        self.engine.put("cp", "/etc/kubernetes/kubeadm.yaml", cluster.init(self.version))
        self.engine.shell("cp", "kubeadm init --config /etc/kubernetes/kubeadm.yaml")

    def join(self) -> None:
        """Join the node."""
        words = self.engine.shell("cp", "kubeadm token create --print-join-command").split()
        endpoint, token = words[words.index("join") + 1], words[words.index("--token") + 1]
        authority = words[words.index("--discovery-token-ca-cert-hash") + 1]
        self.engine.put("node1", "/etc/kubernetes/kubeadm.yaml", cluster.join(endpoint, token, authority))
        self.engine.shell("node1", "kubeadm join --config /etc/kubernetes/kubeadm.yaml")

    def kubectl(self, words: str, *, stdin: str = "") -> str:
        """Run kubectl as the administrator."""
        return self.engine.shell("cp", f"kubectl {words}", stdin=stdin)

    def wait(self, what: str, *, seconds: int = 120) -> None:
        """Wait until all of `what` are Ready; they may not be there yet."""
        end = time.monotonic() + seconds
        while True:
            try:
                self.kubectl(f"wait --for=condition=Ready --timeout=10s {what}")
            except Failed:
                if time.monotonic() > end:
                    raise
                time.sleep(1)
            else:
                return

    def pods(self) -> None:
        """Run two Pods and a Service."""
        self.kubectl("apply -f -", stdin=cluster.pods(self.version))
        self.wait("pod/server pod/client")

    def talk(self) -> None:
        """Logs, exec, and from the other node the Service by its name."""
        said = {
            "kubectl logs server": self.kubectl("logs server"),
            "kubectl exec server": self.kubectl("exec server -- /usr/local/bin/kubectl version --client"),
            "the Service by its name, from the other node": self.kubectl(
                "exec client -- /usr/local/bin/kubectl get --raw /version --server=http://server.default.svc.cluster.local"
            ),
        }
        self.report.show("Pods that talk", "\n".join(f"$ {title}\n{text}" for title, text in said.items()))
        wanted = ("hello from a pod", f"v{self.version}", f'"gitVersion": "v{self.version}"')
        for (title, text), word in zip(said.items(), wanted, strict=True):
            if word not in text:
                raise Failed(f"{title}: {word!r} is not in what it said:\n{text}")

    def look(self) -> str:
        """Where a person would look when a step failed: the last words of each machine."""
        found = ["Look at log.txt in the work directory, every command and what it said, and at these last lines:"]
        for machine in (name for name in self.engine.names if name in cluster.MACHINES):
            for unit in ("containerd", "kubelet"):
                said = self.engine.shell(machine, f"journalctl --no-pager --lines=12 --unit={unit}", check=False)
                found.append(f"{machine}: journalctl --unit={unit}\n{said}")
            failed = self.engine.shell(
                machine, "systemctl --failed --no-legend; crictl ps -a 2>&1 | tail -n 12", check=False
            )
            found.append(f"{machine}: failed units and containers\n{failed}")
        if "cp" in self.engine.names:
            script = (
                "kubectl get nodes,pods -A -o wide; kubectl get events -A --field-selector=type=Warning | tail -n 12"
            )
            found.append(
                f"cluster\n{self.engine.shell('cp', f'test ! -e $KUBECONFIG || {{ {script}; }}', check=False)}"
            )
        return "\n".join(found)

    def steps(self) -> list[tuple[str, Callable[[], None]]]:
        """Every step in its order."""
        first = [("Kubernetes is compiled from source", self.supply.mirror)] if self.supply.compile else []
        return [
            *first,
            ("the release is made, signed, published and verified", self.supply.release),
            ("a private Docker engine starts", self.engine.start),
            ("a clean Debian 12 root for machines", lambda: self.supply.root("machine")),
            ("a Debian 12 root for site and registry", lambda: self.supply.root("services")),
            ("the site is served, images are pushed", self.supply.services),
            ("machines start with systemd", self.machines),
            ("cp: the front page's commands, then kubernetes-control-plane", lambda: self.install("cp")),
            ("cp: configuration and pod network", lambda: self.configure("cp")),
            ("cp: kube-node-check", lambda: self.node_check("cp", "control-plane")),
            ("cp: kubeadm init", self.init),
            ("cp: Ready", lambda: self.wait("node/cp")),
            ("node1: the front page's commands", lambda: self.install("node1")),
            ("node1: configuration and pod network", lambda: self.configure("node1")),
            ("node1: kube-node-check", lambda: self.node_check("node1", "node")),
            ("node1: kubeadm join", self.join),
            ("node1: Ready", lambda: self.wait("node/node1")),
            ("CoreDNS, kube-proxy and the control plane are Ready", lambda: self.wait("pod --all -n kube-system")),
            ("Pods run on both nodes", self.pods),
            ("logs, exec, and a Service by its name from the other node", self.talk),
        ]

    def go(self) -> int:
        """Run all steps, stop everything, write the report; the exit code."""
        code = 0
        try:
            for name, step in self.steps():
                with self.report.step(name, self.look):
                    step()
            self.report.show("kubectl get nodes -o wide", self.kubectl("get nodes -o wide"))
            self.report.show("kubectl get pods -A -o wide", self.kubectl("get pods -A -o wide"))
        except KeyboardInterrupt:
            code = 130
        except Exception:  # the report has it
            code = 1
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave things behind
            code = self.clean() or code
            self.report.write(self.supply.work)
            print(f"{self.report.result}: {self.supply.work}/report.html", flush=True)
        return code

    def clean(self) -> int:
        """Stop everything; 1 if something stays."""
        try:
            with self.report.step("everything is stopped and gone"):
                left = self.engine.stop()
                if left:
                    raise Failed(f"still there: {', '.join(left)}")
        except Failed:
            return 1
        return 0


def interrupt(_signal: int, _frame: object) -> None:
    """Ctrl-C, and SIGTERM too, also where a shell has told its background jobs to ignore Ctrl-C."""
    raise KeyboardInterrupt


def main() -> int:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description="Install and run real Kubernetes from our own site.")
    parser.add_argument("--upstream", type=Path, help="a mirror made by `kubewright mirror source` [compile one]")
    parser.add_argument("--cache", type=Path, help="what is kept between runs [WORK/cache]")
    parser.add_argument("--work", type=Path, required=True, help="where the run works and leaves its report")
    parser.add_argument("--version", default="v1.36.2", help="the release [v1.36.2]")
    options = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("a Docker engine and clean roots need root; run it as root")
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            parser.error(f"{program} is missing: apt-get install {package}")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    options.work.mkdir(parents=True, exist_ok=True)
    (options.work / "log.txt").write_text("")
    return Run(options).go()


if __name__ == "__main__":
    sys.exit(main())
