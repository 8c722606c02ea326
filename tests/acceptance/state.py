"""What a cluster runs and what a machine has installed, to compare before and after a change."""

import json
import time
from collections.abc import Callable, Mapping

from engine import Failed
from lab import Lab

Containers = dict[str, str]
"""By Pod and container: the uid, id, start and restarts, of which some change when it is started
again.
"""

PATIENCE = 300.0
"""Seconds that anything may take to become what it should be."""


def containers(lab: Lab, scope: str = "-A") -> Containers:
    """The running containers of a cluster."""
    found = {}
    for pod in json.loads(lab.kubectl(f"get pods {scope} -o json"))["items"]:
        for one in pod["status"].get("containerStatuses", []):
            if "running" in one["state"]:
                found[f"{pod['metadata']['name']}/{one['name']}"] = (
                    f"{pod['metadata']['uid']} {one['containerID'][-64:][:12]} "
                    f"{one['state']['running']['startedAt']} {one['restartCount']} restarts"
                )
    return found


def same_containers(before: Containers, after: Containers) -> None:
    """Raise Failed, with names, when a container was restarted, replaced or removed."""
    changed = [f"{name}: {was}\n    now {after.get(name, 'gone')}" for name, was in before.items()
               if after.get(name) != was]  # fmt: skip
    if changed:
        raise Failed(
            "these containers should have gone on running; see their Pods' events:\n"
            + "\n".join(changed)
        )


def packages(lab: Lab, machine: str) -> dict[str, str]:
    """The version of each installed package that our site's releases have."""
    ours = {one["package"] for manifest in lab.supply.manifests() for one in manifest["packages"]}
    said = lab.shell(
        machine, "dpkg-query --show --showformat '${Package} ${Version} ${db:Status-Status}\\n'"
    )
    lines = (line.split() for line in said.splitlines())
    return {
        name: version for name, version, status in lines if name in ours and status == "installed"
    }


def images(lab: Lab, machine: str) -> dict[str, str]:
    """The digest of each image that containerd has on a machine, by the name with its tag."""
    there = json.loads(lab.shell(machine, "crictl images -o json 2>/dev/null"))["images"]
    return {
        tag: one["repoDigests"][0].rpartition("@")[2] for one in there for tag in one["repoTags"]
    }


def unpacked(lab: Lab, machine: str) -> list[str]:
    """Every package that dpkg has unpacked on a machine since it was started, in order."""
    said = lab.shell(
        machine, 'awk \'$3 == "install" || $3 == "upgrade" { print $4 }\' /var/log/dpkg.log'
    )
    return [name.partition(":")[0] for name in said.split()]


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """A table of what was installed and what is."""
    width = max(map(len, {*before, *after}))
    return "\n".join(
        f"{name:{width}}  {was:10}  {'→ ' + now if now != was else 'unchanged'}"
        for name in sorted({*before, *after})
        for was, now in [(before.get(name, "none"), after.get(name, "none"))]
    )


def patiently(ask: Callable[[], str]) -> str:
    """What `ask` says, asked again while it fails: an API server that kubelet has just stopped
    comes back.
    """
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return ask()
        except Failed:
            if time.monotonic() > end:
                raise
            time.sleep(1)


def until(ask: Callable[[], str], wanted: str, why: str) -> None:
    """Ask until the answer is `wanted`. Raises Failed with `why` and the last answer when it does
    not become that.
    """
    end = time.monotonic() + PATIENCE
    while (said := patiently(ask).strip()) != wanted:
        if time.monotonic() > end:
            raise Failed(f"{why}: it is {said!r}, not {wanted!r}")
        time.sleep(1)
