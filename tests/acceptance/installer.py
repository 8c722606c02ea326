"""A second cluster by docs/install.sh alone, which reads releases/index.json and the manifest and
no repository.
"""

import hashlib
import re
from functools import partial

import first_cluster
import state
from engine import Failed
from lab import PERSON, Lab, Steps
from pages import DOCS, commands
from supply import channel

ROLES = {"cp2": "control-plane", "node2": "node"}
"""The machines of the second cluster, and what they are; every other is a node."""


def steps(lab: Lab, version: str) -> Steps:
    """The chapter."""
    wait = partial(lab.wait, control_plane="cp2")
    return [
        ("cp2, node2: machines start with systemd", lambda: lab.start(*ROLES)),
        (
            "cp2: install.sh refuses a site of another root",
            lambda: stranger(lab, version),
        ),
        ("cp2: install.sh, kubernetes-control-plane", lambda: install(lab, "cp2", version)),
        ("cp2: configuration and pod network", lambda: lab.configure("cp2", "cp2")),
        ("cp2: kube-node-check", lambda: lab.node_check("cp2", "control-plane")),
        (
            "cp2: install.sh --pull, the images are the manifest's",
            lambda: pull(lab, "cp2", version),
        ),
        ("cp2: kubeadm init", lambda: lab.init("cp2", registry=registry(lab, "cp2", version))),
        ("cp2: Ready", lambda: wait("node/cp2")),
        ("node2: install.sh, kubernetes-node", lambda: install(lab, "node2", version)),
        ("node2: configuration and pod network", lambda: lab.configure("node2", "cp2")),
        ("node2: kube-node-check", lambda: lab.node_check("node2", "node")),
        (
            "node2: install.sh --pull, the images are the manifest's",
            lambda: pull(lab, "node2", version),
        ),
        ("node2: kubeadm join", lambda: lab.join("node2", "cp2")),
        ("node2: Ready", lambda: wait("node/node2")),
        ("cp2: the control plane's Pods are Ready", lambda: wait("pod --all -n kube-system")),
        ("cp2, node2: Pods run", lambda: first_cluster.pods(lab, version, "cp2", "node2")),
        ("cp2, node2: Pods talk", lambda: first_cluster.talk(lab, version, "cp2")),
    ]


def run(
    lab: Lab, machine: str, version: str, *words: str, root: str = "", check: bool = True
) -> str:
    """Run docs/install.sh on a machine as docs/install.md has it, for its role: later words win;
    what it said.
    """
    first = hashlib.sha256((lab.supply.site / "tuf/1.root.json").read_bytes()).hexdigest()
    lab.engine.put(machine, f"/home/{PERSON}/install.sh", (DOCS / "install.sh").read_text())
    settings = f"SITE={lab.network.site} CHANNEL={channel(version)} ROOT={root or first}"
    further = ["--role", ROLES.get(machine, "node"), "--allow-development", *words]
    command = commands("install.md", "installer").rstrip()
    return lab.as_person(machine, f"{settings}\n{command} {' '.join(further)}", check=check)


def stranger(lab: Lab, version: str) -> None:
    """A clean machine gets the tools that install.sh asks for; with another root it installs
    nothing.
    """
    said = run(lab, "cp2", version, check=False)
    if "apt-get install curl jq openssl" not in said:
        raise Failed(f"cp2: install.sh does not say what it needs:\n{said}")
    for machine in ROLES:
        lab.shell(machine, "apt-get update && apt-get install curl jq openssl")
    said = run(lab, "cp2", version, root="0" * 64, check=False)
    lab.report.show("install.sh, with the SHA-256 of another root", said)
    if "has the SHA-256 of --root" not in said or lab.shell(
        "cp2", "dpkg -l | grep kubernetes-", check=False
    ):
        raise Failed(f"cp2: install.sh went on although the root is another one's:\n{said}")


def install(lab: Lab, machine: str, version: str) -> None:
    """Install; each package has the manifest's digest and is there in the manifest's version."""
    said = run(lab, machine, version)
    packages = {one["name"]: one for one in lab.supply.manifest(version)["packages"]}
    taken = re.findall(r"^  (\S+\.deb) .* sha256:(\w+)$", said, re.MULTILINE)
    form = "${Package} ${Version} ${db:Status-Status}\\n"
    installed = lab.shell(machine, f"dpkg-query -W -f '{form}'").splitlines()
    lines, wrong = [], []
    for name, digest in taken:
        one = packages[name]
        lines.append(f"{one['package']} {one['version']} sha256:{digest}")
        if (
            digest != one["sha256"]
            or f"{one['package']} {one['version']} installed" not in installed
        ):
            wrong.append(name)
    lab.report.show(f"{machine}: packages that install.sh took from the manifest", "\n".join(lines))
    if wrong or not taken:
        raise Failed(
            f"{machine}: not installed as the manifest has it: {', '.join(wrong) or 'nothing'}\n"
            f"{said}"
        )


def pull(lab: Lab, machine: str, version: str) -> str:
    """Run it again: packages are there already, and images come now that the machine knows the
    registry; which ones.

    What kubeadm asks for by tag then has the manifest's digest.
    """
    said = run(lab, machine, version, "--pull")
    images = "".join(
        f"{line.strip()}\n"
        for line in said.splitlines()
        if line.startswith(f"  {lab.network.registry}/")
    )
    lab.report.show(
        f"{machine}: images that install.sh has pulled by the manifest's digests", images
    )
    if not images:
        raise Failed(f"{machine}: install.sh --pull names no image:\n{said}")
    wanted = {one["reference"]: one["index"] for one in lab.supply.manifest(version)["images"]}
    found = state.images(lab, machine)
    for reference in (line.split()[0] for line in images.splitlines()):
        if found.get(reference) != wanted[reference]:
            raise Failed(
                f"{machine}: {reference} is not {wanted[reference]} but "
                f"{found.get(reference, 'not there')}"
            )
    return images


def registry(lab: Lab, machine: str, version: str) -> str:
    """What install.sh says for kubeadm's imageRepository."""
    found = re.search(
        r"^imageRepository: (\S+)$", run(lab, machine, version, "--dry-run"), re.MULTILINE
    )
    if found is None:
        raise Failed(f"{machine}: install.sh names no imageRepository")
    return found[1]
