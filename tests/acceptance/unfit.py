"""What a cluster of one container refuses to begin in: each check of docs/cluster.md, provoked."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from engine import Failed
from lab import Lab


@dataclass(frozen=True)
class Unfit:
    """A container in which a cluster could not live: which checks find it, and how it is made."""

    checks: tuple[str, ...]
    options: tuple[str, ...]
    words: tuple[str, ...] = ()
    network: str = "nodes"


NO_MOUNTS = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO"}],
}
"""A seccomp profile that forbids what AppArmor forbids elsewhere."""

ELSEWHERE = ("kernel", "user-namespace", "watches")
"""Checks of the machine and its engine, which a run does not change: Go's tests have tables."""


def cases(lab: Lab, beside: str, parts: Sequence[str]) -> Iterator[Unfit]:
    """Each container; `parts` are a sound one's options, `beside` is a cluster that runs."""
    profile = lab.engine.temporary / "no-mounts.json"
    profile.write_text(json.dumps(NO_MOUNTS))
    forbidding = tuple(one for one in parts if "seccomp" not in one)
    said = lab.engine.run([*lab.engine.docker, "inspect", "registry"])
    merged = json.loads(said)[0]["GraphDriver"]["Data"]["MergedDir"]
    yield Unfit(("root",), (*parts, "--user=1000"))
    yield Unfit(("capabilities",), ())
    yield Unfit(("mounts", "control-groups", "overlay"),
                (*forbidding, f"--security-opt=seccomp={profile}"))  # fmt: skip
    yield Unfit(("kernel-log",), tuple(one for one in parts if "device" not in one))
    yield Unfit(("overlay",), (*parts, f"--volume={merged}/tmp:/var"))
    yield Unfit(("memory",), (*parts, "--memory=500m"))
    yield Unfit(("disk",), (*parts, "--tmpfs=/var:size=500m"))
    yield Unfit(("network",), (*parts,), network="host")
    yield Unfit(("ports",), (*parts,), network=f"container:{beside}")
    yield Unfit(("volume",), (*parts, f"--volumes-from={beside}"), ("--name", "another"))
    yield Unfit(("subnets",), (*parts,), ("--service-subnet", lab.network.subnet))
    yield Unfit(("packet-filter",), (*parts, "--volume=/bin/false:/usr/sbin/nft:ro"))


def refuse(lab: Lab, image: str, beside: str, parts: Sequence[str]) -> None:
    """Begin a cluster in each; it names what is wrong before anything is started."""
    shown, wrong = [], []
    for case in cases(lab, beside, parts):
        network = f"--network={case.network}"
        options = [network, f"--cgroup-parent=/{lab.network.group}", *case.options]
        command = [*lab.engine.docker, "run", "--rm", "--volume=/var", *options, image]
        if any(":/var" in one or "/var:" in one or "volumes-from" in one for one in options):
            command.remove("--volume=/var")
        said = lab.engine.run(["sh", "-c", ENDED, "sh", *command, "cluster", *case.words])
        shown.append(f"{', '.join(case.checks)}: docker run {' '.join(case.options[-1:])}\n{said}")
        lines = [f"cluster: {check}: " for check in case.checks]
        if not all(line in said for line in lines) or "\nexit code 2\n" not in said:
            wrong.append(f"{', '.join(case.checks)}: {said}")
    lab.report.show("what refuses", "\n".join(shown))
    if wrong:
        raise Failed("not refused as the page says:\n" + "\n".join(wrong))


ENDED = '"$@"; echo "exit code $?"'
