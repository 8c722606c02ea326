"""Kubernetes' own conformance tests on a cluster of one container: `./nox -s conformance`.

    … --upstream MIRROR --cache DIR      a mirror of `kubewright mirror source`, what runs share
    … --focus '\\[sig-network\\]'          only tests whose names this pattern finds

The test program and what its images hold are compiled from the release's Go modules; the rest of
the images is Debian. docs/cluster.md says what came of it, docs/acceptance.md what a run needs: it
is made of the parts of an acceptance run, and is gone without a trace like one.
"""

import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import yaml

sys.path.append(str(Path(__file__).parent.parent / "acceptance"))

import compiled
import pulled
import run as acceptance
import single
import specs
from engine import Failed
from lab import Lab, Steps
from machine_facts import facts
from network import Network
from report import Report
from supply import Supply

VERSION = "1.36.3"
"""The release whose cluster is tested, by the tests of the same version."""

TITLE = "Kubernetes' conformance tests on a cluster of one container"

PASSES: Mapping[str, tuple[str, int]] = {
    "tests that go together": ("Conformance && !Serial && !Disruptive", 3 * (os.cpu_count() or 1)),
    "tests that want the cluster alone": ("Conformance && (Serial || Disruptive)", 1),
}
"""Each pass: the labels of its tests, and how many of them run at once; most of them wait."""

LONGEST = 4 * 3600
"""Seconds that a pass may take."""

ROOM = 5_000_000_000
"""Bytes that a run fills with images and what they become in its engine."""
KEPT = 0.01
"""The part of a disk that the cluster's kubelet keeps free: below it, Pods are refused."""


class Conformance:
    """A run of conformance tests: what is made for it, and what it has found."""

    def __init__(self, lab: Lab, focus: str) -> None:
        self.lab = lab
        self.focus = focus
        self.programs: dict[str, Path] = {}
        self.found: list[dict[str, specs.Spec]] = []

    @property
    def kubeconfig(self) -> Path:
        """How the test program reaches the cluster."""
        return self.lab.supply.work / "kubeconfig"

    def compile(self) -> None:
        """Compile the test program and what its images hold."""
        self.programs = compiled.programs(VERSION, self.lab.supply.cache)

    def images(self) -> None:
        """Make and push the images of tests."""
        made = pulled.make(self.lab.supply, self.programs, compiled.sources(VERSION))
        self.lab.report.show("images of tests", "\n".join(made))

    def begin(self) -> None:
        """Begin the cluster of docs/cluster.md; the run's registry is its registry.k8s.io."""
        network = self.lab.network
        hosts = self.lab.supply.work / "certs.d" / pulled.UPSTREAM / "hosts.toml"
        hosts.parent.mkdir(parents=True, exist_ok=True)
        hosts.write_text(f'server = "http://{network.registry}"\n')
        single.begin(self.lab, VERSION)
        single.ready(self.lab, single.NAME)
        server = f"{network.address(single.NAME)}:6443"
        said = single.inside(self.lab, single.NAME, f"kubeconfig --server {server}")
        self.kubeconfig.write_text(said)

    def test(self, title: str) -> None:
        """Run a pass. Failed tests do not end it; a program that cannot report does."""
        labels, together = PASSES[title]
        folder = self.lab.supply.work / "conformance"
        folder.mkdir(exist_ok=True)
        report = folder / f"{title.replace(' ', '-')}.json"
        report.unlink(missing_ok=True)
        command: list[str | Path] = [
            self.programs["ginkgo"], f"--procs={together}", "--no-color", "--timeout=4h",
            f"--label-filter={labels}", *(f"--skip={pattern}" for pattern in specs.LEFT_OUT),
            *([f"--focus={self.focus}"] if self.focus else []),
            f"--output-dir={folder}", f"--json-report={report.name}", self.programs["e2e.test"],
            "--", f"--kubeconfig={self.kubeconfig}", "--provider=skeleton", "--disable-log-dump",
        ]  # fmt: skip
        log = report.with_suffix(".log")  # for who wants to see how far it is
        logged = ["sh", "-c", f'exec "$@" > {shlex.quote(str(log))} 2>&1', "sh", *command]
        self.lab.engine.run(logged, check=False, seconds=LONGEST)
        if not report.exists():
            last = "\n".join(log.read_text(errors="replace").splitlines()[-40:])
            raise Failed(f"the test program has not reported; {log} ends with\n{last}")
        self.found.append(specs.reported(json.loads(report.read_text())))

    def judge(self) -> None:
        """Account for every test that Kubernetes lists."""
        place = compiled.sources(VERSION) / "test" / "conformance" / "testdata" / "conformance.yaml"
        names = specs.listed(yaml.safe_load(place.read_text()))
        wanted = [name for name in names if re.search(self.focus, name)]
        found = specs.accounted(wanted, *self.found)
        self.lab.report.show("conformance", specs.table(found))
        if wrong := specs.verdict(found):
            raise Failed(wrong)

    def steps(self) -> Steps:
        """The chapter."""
        passes: Steps = [(title, partial(self.test, title)) for title in PASSES]
        return [
            ("the test program is compiled", self.compile),
            ("a Debian root for the images of tests", lambda: self.lab.supply.root("conformance")),
            ("the images of tests are made and pushed", self.images),
            ("a cluster of one container", self.begin),
            *passes,
            ("every conformance test is accounted for", self.judge),
        ]


def foundation(lab: Lab) -> Steps:
    """The images of a release in a registry of the run."""
    supply = lab.supply
    compiling: Steps = [(f"{VERSION} is compiled from source", lambda: supply.mirror(VERSION))]
    return [
        *(compiling if supply.compiles else []),
        (f"the images of {VERSION} are made", lambda: supply.images(VERSION)),
        ("a private Docker engine starts", lab.engine.start),
        ("a Debian root for the registry", lambda: supply.root("services")),
        ("the registry is served", supply.serve_registry),
        (f"the images of {VERSION} are pushed", lambda: supply.push(VERSION)),
    ]


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    absolute = folder.absolute()
    return next(one for one in (absolute, *absolute.parents) if one.exists())


def short_of_room(total: int, _used: int, free: int) -> str:
    """What a disk of so many bytes lacks for a run, and what to do; nothing where it has room."""
    needed = ROOM + int(KEPT * total)
    if free >= needed:
        return ""
    return (
        f"{free / 1e9:.1f} GB free, but a run needs {needed / 1e9:.1f} GB: free some space there, "
        "or name another directory with --work"
    )


def main() -> int:
    """Read the options and run."""
    parser = acceptance.parser("Run Kubernetes' own conformance tests on our cluster.")
    parser.add_argument("--focus", default="", help="a pattern of the tests' names [all]")
    options = parser.parse_args()
    if problem := short_of_room(*shutil.disk_usage(existing(options.work))):
        parser.error(f"{options.work}: {problem}")
    acceptance.enter(parser, options, "session conformance")
    supply = Supply(options.work, options.upstream, options.cache, Network.free(options.work))
    lab = Lab(supply, Report(TITLE, facts(supply, [VERSION])))
    chapters = [
        ("Foundation", foundation(lab)),
        ("Conformance", Conformance(lab, options.focus).steps()),
    ]
    return acceptance.go(lab, chapters)


if __name__ == "__main__":
    sys.exit(main())
