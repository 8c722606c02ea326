"""The site goes back a publication: machines keep what they have, a new one gets the old release
and joins.
"""

import json
import shlex

import first_cluster
import installer
import state
import upgrades
from engine import Failed
from lab import Lab, Steps
from pages import commands
from supply import KEYS, channel


def steps(lab: Lab, old: str, new: str) -> Steps:
    """The chapter; `new` is the last release published to the channel, `old` the one before."""
    return [
        (f"{channel(old)} of the site goes back to {old}", lambda: back(lab, old, new)),
        ("the site passes kubewright verify over HTTP", lambda: verify(lab)),
        (f"node1 keeps {new}", lambda: keeps(lab, new)),
        (f"fresh: a clean machine, the front page's commands, {old}", lambda: fresh(lab, old, new)),
        (
            f"fresh: install.sh --pull, images of {old} whose tags later ones have taken",
            lambda: images(lab, old, new),
        ),
        ("fresh: kubeadm join, Ready", lambda: join(lab, old)),
        (f"node1 goes back to {old} by name, Pods keep running", lambda: follow(lab, old)),
        (f"the site goes forward to {new}, and node1 with it", lambda: forward(lab, old, new)),
    ]


def owner(lab: Lab, block: str) -> str:
    """Type a block of the page as the site's owner; what it said."""
    settings = lab.supply.work / "kubewright.toml"
    settings.write_text(f'url = "{lab.network.site}"\n')
    try:
        lines = commands(upgrades.PAGE, block).splitlines()
        return "".join(
            f"$ {line}\n{lab.supply.kubewright(*shlex.split(line)[1:])}" for line in lines
        )
    finally:
        settings.unlink()


def back(lab: Lab, old: str, new: str) -> None:
    """`kubewright rollback`, as the page says; the channel's record and the index agree about
    it.
    """
    lab.report.show(f"the site goes back to {old}", owner(lab, "rollback"))
    name = channel(old)
    record = json.loads((lab.supply.site / "channels" / f"{name}.json").read_text())
    status = {one["kubernetes"]: one["status"] for one in record["releases"]}
    if status != {old: "current"} or record["rollback_of"] is None:
        raise Failed(f"channels/{name}.json is not the publication of {old} again: {status}")
    index = json.loads((lab.supply.site / "releases" / "index.json").read_text())
    listed = {one["kubernetes"]: one["channels"] for one in index["releases"]}
    if listed.get(old) != [name] or listed.get(new) != []:
        raise Failed(
            f"releases/index.json: {old} should be in {name} and {new} in no channel: {listed}"
        )


def verify(lab: Lab) -> None:
    """As a stranger would, with nothing but the address and the keys."""
    said = lab.supply.kubewright("verify", lab.network.site, *KEYS)
    lab.report.show("kubewright verify", said)


def keeps(lab: Lab, new: str) -> None:
    """A machine that has the newer patch accepts the site, and apt-get upgrade changes nothing."""
    before = state.packages(lab, "node1")
    upgrades.typed(lab, "node1", "patch-packages")
    upgrades.expect("node1", f"should have kept {new}", before, state.packages(lab, "node1"))


def fresh(lab: Lab, old: str, new: str) -> None:
    """A new machine gets the old release and is offered no other; its exact version may be named
    too.
    """
    lab.start("fresh")
    first_cluster.install(lab, "fresh", old)
    lab.shell("fresh", f"apt-get install kubelet={old}-1")
    versions = state.packages(lab, "fresh")
    offered = lab.shell("fresh", "apt-cache madison kubelet kubeadm kubernetes-node")
    if (
        versions["kubernetes-node"] != f"{old}-1"
        or versions["kubelet"] != f"{old}-1"
        or new in offered
    ):
        raise Failed(f"fresh: {old} alone should be installed and offered:\n{versions}\n{offered}")


def images(lab: Lab, old: str, new: str) -> None:
    """Tags in a registry are those of the last release pushed; the installer gives the old one its
    own images.
    """
    before, after = (
        {one["reference"]: one["index"] for one in lab.supply.manifest(one)["images"]}
        for one in (old, new)
    )
    moved = [name for name, digest in before.items() if after.get(name, digest) != digest]
    if not moved:
        raise Failed(
            "no tag is in both releases with another digest, so this proves nothing: "
            f"{', '.join(before)}"
        )
    lab.configure("fresh")
    lab.shell("fresh", "apt-get install curl gpgv jq")
    said = installer.pull(lab, "fresh", old)
    if not any(name in said for name in moved):
        raise Failed(f"fresh: install.sh --pull brought none of {', '.join(moved)}:\n{said}")


def join(lab: Lab, old: str) -> None:
    """The old patch joins the cluster of the new one."""
    lab.node_check("fresh", "node")
    lab.join("fresh")
    upgrades.version_is(lab, "fresh", old)


def follow(lab: Lab, old: str) -> None:
    """A node goes back too when it is told the version; no container notices."""
    running = state.containers(lab)
    upgrades.typed(lab, "node1", "back-to-the-old-patch")
    upgrades.version_is(lab, "node1", old)
    state.same_containers(running, state.containers(lab))


def forward(lab: Lab, old: str, new: str) -> None:
    """A rollback can be taken back, and a patch that went back comes again."""
    lab.report.show(f"the site goes forward to {new}", owner(lab, "forward"))
    upgrades.packages(lab, "node1", old, new)
