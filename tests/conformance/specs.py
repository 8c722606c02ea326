"""What a conformance run has found: every spec that Kubernetes lists, and what came of it."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["passed", "failed", "skipped", "left out"]
"""Skipped: by the test itself, which says why. Left out: by this run, for a reason of its own."""

STATES: tuple[State, ...] = ("passed", "failed", "skipped", "left out")

LEFT_OUT: Mapping[str, str] = {
    "should have at least two untainted nodes": "the cluster has one node",
    "Daemon set .* should rollback without unnecessary restarts": "it begins with asking for two "
    "nodes",
    "busybox container should not write to root filesystem": "it compares words of BusyBox's own "
    "shell, in whose place the image has bash, which passes on more variables",
    "ImageVolume should succeed with pod and pull policy": "it looks for Alpine Linux in an image, "
    "which is Debian here",
}
"""A pattern of names for each spec that cannot run here, and the reason."""


@dataclass(frozen=True)
class Spec:
    """A conformance test: its name as Kubernetes lists it, what came of it, and why."""

    name: str
    state: State
    why: str = ""
    seconds: float = 0.0


def listed(conformance: Sequence[Mapping[str, str]]) -> list[str]:
    """The names of all conformance tests, as test/conformance/testdata/conformance.yaml has
    them.
    """
    return [" ".join(one["codename"].split()) for one in conformance]


def reported(report: Iterable[Mapping[str, Any]]) -> dict[str, Spec]:
    """What ran, by name, from the JSON report of a pass; what a pass was not asked for is not in
    it.
    """
    found = {}
    for suite in report:
        for one in suite["SpecReports"] or ():
            if one["LeafNodeType"] == "It" and (spec := _spec(one)) is not None:
                found[spec.name] = spec
    return found


def _spec(one: Mapping[str, Any]) -> Spec | None:
    """A spec of a report, or None if it was not asked for."""
    texts = [*(one["ContainerHierarchyTexts"] or ()), one["LeafNodeText"]]
    name = " ".join(" ".join(texts).split())
    why = " ".join(one.get("Failure", {}).get("Message", "").split())
    seconds = one["RunTime"] / 1e9
    match one["State"]:
        case "passed":
            return Spec(name, "passed", seconds=seconds)
        case "pending" | "skipped" if not why:
            return None
        case "skipped":
            return Spec(name, "skipped", why, seconds)
        case state:
            return Spec(name, "failed", why or state, seconds)


def accounted(names: Iterable[str], *passes: Mapping[str, Spec]) -> list[Spec]:
    """Each listed test with what came of it, then those that ran without being listed. One that
    ought to have run and did not has failed: nothing is lost between the list and the passes.
    """
    ran: dict[str, Spec] = {}
    for one in passes:
        ran |= one
    known = [ran.pop(name) if name in ran else _absent(name) for name in names]
    return [*known, *ran.values()]


def _absent(name: str) -> Spec:
    for pattern, reason in LEFT_OUT.items():
        if re.search(pattern, name):
            return Spec(name, "left out", reason)
    return Spec(name, "failed", "has not run, and nothing says why")


def counts(specs: Iterable[Spec]) -> dict[State, int]:
    """How many there are of each state."""
    found = Counter(one.state for one in specs)
    return {state: found[state] for state in STATES}


def table(specs: Sequence[Spec]) -> str:
    """The counts, then each spec that has not passed with its reason."""
    lines = [f"{number:>4}  {state}" for state, number in counts(specs).items()]
    lines += [f"{len(specs):>4}  in all", ""]
    lines += [f"{one.state:<9} {one.name}\n{'':9} {one.why}" for one in specs if one.why]
    return "\n".join(lines).rstrip()


def verdict(specs: Sequence[Spec]) -> str:
    """What is wrong with a run, or nothing. One in which nothing has passed is never right."""
    found = counts(specs)
    if found["failed"]:
        return f"{found['failed']} of {len(specs)} conformance tests have failed"
    if not found["passed"]:
        return "no conformance test has passed: none has run"
    return ""
