"""Real Kubernetes from a version word to Pods that talk: released, installed on clean machines,
joined, upgraded.

    ./nox -s acceptance -- --upstream MIRROR --cache DIR, or in an environment with kubewright:
    python tests/acceptance/run.py --upstream MIRROR --cache DIR --work DIR
    … --fault cri-disabled (or all): a fault on purpose, which must be named where one looks

Without a mirror it compiles one first (`kubewright mirror source`), which takes long once. It needs
root, docker.io and mmdebstrap; everything that it starts is gone afterwards. The work directory
keeps the report as txt, json and html, the log, the mirror, the releases and the clean roots.
docs/acceptance.md says more.
"""

import argparse
import signal
import sys
from functools import partial
from pathlib import Path

import docker_node
import faults
import first_cluster
import installer
import reboot
import refusal
import rollback
import rpm_node
import single
import traces
import upgrades
from engine import Failed
from lab import Chapters, Lab, Steps
from machine_facts import allowed, facts
from network import Network, hold
from report import Report, say
from supply import Supply
from work import claim

from kubewright import needs
from kubewright.settings import Settings

FIRST, PATCH, MINOR = "1.36.2", "1.36.3", "1.37.2"
"""The release that clusters start with, the patch and the minor that they are upgraded to."""

ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a run in order."""


def foundation(lab: Lab, *later: str) -> Steps:
    """What every run begins with: Kubernetes compiled (`later` too) and released, served to clean
    machines.
    """
    supply = lab.supply
    versions = (FIRST, *later) if supply.compiles else ()
    return [
        *(
            (f"Kubernetes {one} is compiled from source", lambda one=one: supply.mirror(one))
            for one in versions
        ),
        ("the site of an earlier run is removed", supply.clear),
        (f"{FIRST} is released: made, signed, published, verified", lambda: supply.release(FIRST)),
        ("a private Docker engine starts", lab.engine.start),
        ("a clean Debian 12 root for machines", lambda: supply.root("machine")),
        ("a Debian 12 root for site and registry", lambda: supply.root("services")),
        ("site and registry are served", supply.serve),
        (f"the images of {FIRST} are pushed", lambda: supply.push(FIRST)),
    ]


def chapters(lab: Lab) -> Chapters:
    """Every chapter of a full run in its order."""
    return [
        ("Foundation", foundation(lab, PATCH, MINOR)),
        ("A cluster of one container", single.steps(lab, FIRST)),
        ("A first cluster", first_cluster.steps(lab, FIRST)),
        ("A node with Docker", docker_node.steps(lab, FIRST)),
        ("A node from rpms", rpm_node.steps(lab, FIRST)),
        ("A reboot", reboot.steps(lab, FIRST)),
        ("A cluster by an installer that verifies before it trusts", installer.steps(lab, FIRST)),
        ("A patch", upgrades.patch(lab, FIRST, PATCH, meanwhile=upgrades.published(lab, MINOR))),
        ("The site goes back, and forward again", rollback.steps(lab, FIRST, PATCH)),
        (
            "A minor, and a skipped one is refused",
            upgrades.minor(lab, PATCH, MINOR, meanwhile=refusal.steps(lab, MINOR)),
        ),
    ]


def members(lab: Lab, control_plane: str) -> None:
    """Every node and Pod of a cluster is Ready; the cluster as kubectl shows it."""
    lab.wait("node --all", seconds=60, control_plane=control_plane)
    lab.wait("pod --all --all-namespaces", seconds=60, control_plane=control_plane)
    for what in ("nodes", "pods -A"):
        said = lab.kubectl(f"get {what} -o wide", control_plane=control_plane)
        lab.report.show(f"{control_plane}: kubectl get {what} -o wide", said)


def go(lab: Lab, chapters: Chapters) -> int:
    """Run chapters, stop everything, write the report; the exit code."""
    code = 0
    try:
        for chapter in chapters:
            play(lab, chapter)
        ends: Steps = [
            (f"{one}: nodes and Pods, all Ready", partial(members, lab, one)) for one in lab.members
        ]
        play(lab, ("What is there at the end", ends))
    except KeyboardInterrupt:
        code = 130
    except Exception:  # the report has it
        code = 1
    finally:
        for number in ENDINGS:
            signal.signal(number, signal.SIG_IGN)  # Ctrl-C must not leave things behind
        code = clean(lab) or code
        lab.report.write(lab.supply.work)
        say(f"\n{lab.report.words()}: {lab.supply.work}/report.html")
    return code


def play(lab: Lab, chapter: tuple[str, Steps]) -> None:
    """Run the steps of a chapter; the first that fails ends it."""
    title, steps = chapter
    lab.report.chapter(title)
    for name, step in steps:
        with lab.report.step(name, lab.look):
            step()


def clean(lab: Lab) -> int:
    """Stop everything; 1 if something stays."""
    lab.report.chapter("Afterwards")
    try:
        with lab.report.step("everything is stopped and gone"):
            found = lab.engine.stop()
            lines = [f"{what}: {', '.join(there) or 'none'}" for what, there in found.items()]
            lab.report.show("what was looked for", "\n".join(lines))
            if any(found.values()):
                raise Failed(
                    "still there: "
                    + "; ".join(line for line in lines if not line.endswith(": none"))
                )
    except Exception:  # the report has it, and must be written
        return 1
    return 0


def interrupt(_signal: int, _frame: object) -> None:
    """Ctrl-C and the like, once: a second one must not keep anything from being cleaned up."""
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def parser(description: str) -> argparse.ArgumentParser:
    """The options that every run has."""
    known = argparse.ArgumentParser(description=description)
    known.add_argument(
        "--upstream", type=Path, help="a mirror made by `kubewright mirror source` [compile one]"
    )
    known.add_argument("--cache", type=Path, help="what is kept between runs [WORK/cache]")
    known.add_argument(
        "--work", type=Path, required=True, help="where the run works and leaves its report"
    )
    return known


def enter(known: argparse.ArgumentParser, options: argparse.Namespace, session: str) -> None:
    """Take the work directory, and let signals end the run in order. Exits where something is
    missing or in the way.
    """
    if lacks := lacking(session, compiles=options.upstream is None):
        known.error(f"{', '.join(needs.names(lacks))} missing: {needs.joined(lacks)}")
    try:
        claim(options.work)
    except Failed as refusal:
        known.error(str(refusal))
    if not hold(options.work / "lock"):
        known.error(
            f"{options.work}: another run works there; wait for it, or name another directory with "
            "--work"
        )
    (options.work / "log.txt").write_text("")
    for number in ENDINGS:
        signal.signal(
            number, interrupt
        )  # also where a shell has told its background jobs to ignore Ctrl-C


def main() -> int:
    """Read the options and run."""
    known = parser("Install and run real Kubernetes from our own site.")
    known.add_argument(
        "--fault",
        action="append",
        choices=[*faults.FAULTS, "all"],
        default=[],
        help="instead of a full run, make this fault and see it named; repeatable",
    )
    options = known.parse_args()
    names = list(faults.FAULTS) if "all" in options.fault else options.fault
    left_out = {}
    if "cgroup-v1" in names and traces.two():
        names.remove("cgroup-v1")
        left_out["Left out"] = (
            "--fault cgroup-v1: this machine has control groups v2, which nothing refuses"
        )
        if not names:
            known.error(left_out["Left out"])
    enter(known, options, "session acceptance")
    supply = Supply(options.work, options.upstream, options.cache, Network.free(options.work))
    lab = Lab(supply, report(supply, names, left_out))
    if names:
        return go(lab, [("Foundation", foundation(lab)), *faults.chapters(lab, names, FIRST)])
    return go(lab, chapters(lab))


def lacking(session: str, *, compiles: bool) -> list[needs.Lack]:
    """What the run needs and this machine has not, all at once, before an hour is spent."""
    verbs = ("mirror source", session) if compiles else (session,)
    found = {}
    for verb in verbs:
        for lack in needs.lacking(verb, Settings(now=0, cache=Path())):
            if compiles or "mirror source" not in lack.need.verbs:
                found[lack.need.what] = lack
    return [*found.values()]


def report(supply: Supply, names: list[str], left_out: dict[str, str]) -> Report:
    """An empty report with its facts."""
    if names:
        return Report(f"Deliberate faults: {', '.join(names)}", facts(supply, [FIRST]) | left_out)
    found = facts(supply, [FIRST, PATCH, MINOR])
    return Report(
        "Kubernetes from our own site, on clean machines", found, allowed(found["Caches"])
    )


if __name__ == "__main__":
    sys.exit(main())
