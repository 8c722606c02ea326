"""Real Kubernetes from a version word to Pods that talk: released, installed on clean machines, joined, upgraded.

    ./nox -s acceptance -- --upstream MIRROR --cache DIR, or in an environment with kubewright:
    python tests/acceptance/run.py --upstream MIRROR --cache DIR --work DIR

Without a mirror it compiles one first (`kubewright mirror source`), which takes long once. It needs root, docker.io and
mmdebstrap; everything that it starts is gone afterwards. The work directory keeps report.html, report.json, log.txt,
the mirror, the releases and the clean roots.
"""

import argparse
import os
import shutil
import signal
import sys
from pathlib import Path

import first_cluster
from engine import Failed
from lab import Chapters, Lab, Steps
from network import Network
from report import Report
from supply import Supply

PROGRAMS = {"dockerd": "docker.io", "mmdebstrap": "mmdebstrap", "iptables": "iptables", "ps": "procps"}

FIRST, PATCH, MINOR = "1.36.2", "1.36.3", "1.37.2"
"""The release that clusters start with, the patch and the minor that they are upgraded to."""


def foundation(lab: Lab) -> Steps:
    """What every run begins with: Kubernetes compiled and released, served to clean machines."""
    supply = lab.supply
    versions = [FIRST] if supply.compiles else []
    return [
        *((f"Kubernetes {one} is compiled from source", lambda one=one: supply.mirror(one)) for one in versions),
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
        ("Foundation", foundation(lab)),
        ("A first cluster", first_cluster.steps(lab, FIRST)),
    ]


def go(lab: Lab, chapters: Chapters) -> int:
    """Run chapters, stop everything, write the report; the exit code."""
    code = 0
    try:
        for title, steps in chapters:
            lab.report.chapter(title)
            for name, step in steps:
                with lab.report.step(name, lab.look):
                    step()
        for control_plane in lab.members:
            for what in ("nodes", "pods -A"):
                said = lab.kubectl(f"get {what} -o wide", control_plane=control_plane)
                lab.report.show(f"{control_plane}: kubectl get {what} -o wide", said)
    except KeyboardInterrupt:
        code = 130
    except Exception:  # the report has it
        code = 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave things behind
        code = clean(lab) or code
        lab.report.write(lab.supply.work)
        print(f"{lab.report.result}: {lab.supply.work}/report.html", flush=True)
    return code


def clean(lab: Lab) -> int:
    """Stop everything; 1 if something stays."""
    lab.report.chapter("Afterwards")
    try:
        with lab.report.step("everything is stopped and gone"):
            left = lab.engine.stop()
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
    lab = Lab(
        Supply(options.work, options.upstream, options.cache, Network.free()),
        Report("Kubernetes from our own site, on clean machines"),
    )
    return go(lab, chapters(lab))


if __name__ == "__main__":
    sys.exit(main())
