"""One Kubernetes minor as `recipes/catalog/1.NN.toml` states it: every value with its evidence.

`since` and `until` may be pre-releases: a statement holds from that version on, in the order of
semantic versions. A pre-release that is older than every statement takes the first.
"""

import re
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kubewright import versions
from kubewright.errors import RequestError
from kubewright.models.base import Day, Evidence, Minor, Model, Version
from kubewright.models.sources import unexplained

RELEASE_URL = "https://dl.k8s.io/release"
"""Kubernetes' own downloads; its markers are `RELEASE_URL/stable-1.36.txt` and the like."""

Status = Literal["validated", "supported", "unknown"]
"""validated: upstream says so · supported: inside a stated bound · unknown: carried forward."""


def _range(text: str) -> str:
    try:
        versions.Range.parse(text)
    except RequestError as error:
        raise ValueError(str(error)) from error
    return text


RangeText = Annotated[str, AfterValidator(_range)]
"""A range that can be read, e.g. `>=2.2.0,<2.3.0`."""


def _expression(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(
            f"{text!r} is not a regular expression: {error}; escape what is meant literally"
        ) from error
    return text


class Stated(Model):
    """One value that upstream states, from one version of Kubernetes on."""

    value: Version
    image: str = Field(
        "", description="the tag of kubeadm's image without `v`, where it is not the version itself"
    )
    since: Version | None = Field(
        None, description="the first Kubernetes version that it holds for; absent: all"
    )
    until: Version | None = Field(
        None, description="the first Kubernetes version that it no longer holds for"
    )
    status: Status = "validated"
    source: str
    note: str = ""

    @property
    def tag(self) -> str:
        """What the image that holds this version is tagged with, apart from a `v` before it."""
        return self.image or self.value

    @property
    def pinned(self) -> bool:
        """Whether Kubernetes itself pins or deploys it; else its note says what it is."""
        return self.status == "validated" or not self.note

    @property
    def evidence(self) -> Evidence:
        """The source and note as published with a choice."""
        return Evidence(source=self.source, note=self.note)


class Bound(Model):
    """A range that upstream states for a component, e.g. `>=2.2.0,<2.3.0`."""

    range: RangeText
    since: Version | None = Field(
        None, description="the first Kubernetes version that it holds for; absent: all"
    )
    until: Version | None = Field(
        None, description="the first Kubernetes version that it no longer holds for"
    )
    source: str
    note: str = ""

    @property
    def evidence(self) -> Evidence:
        """The source and note as published with a choice."""
        return Evidence(source=self.source, note=self.note)

    def holds(self, kubernetes: str) -> bool:
        """Whether it is in force at a Kubernetes version."""
        begun = self.since is None or versions.order(self.since) <= versions.order(kubernetes)
        return begun and (
            self.until is None or versions.order(kubernetes) < versions.order(self.until)
        )


class Pattern(Model):
    """How kubeadm judges the version that a runtime reports: the first pattern that is found in it
    decides.
    """

    match: Annotated[str, AfterValidator(_expression)] = Field(
        description="a Python regular expression, not anchored, as in kubeadm's own source"
    )
    verdict: Literal["validated", "warning", "error"]
    source: str
    note: str = ""


class ComponentFacts(Model):
    """What is known about one component for one minor."""

    exact: tuple[Stated, ...] = Field(
        (), description="the version that upstream deploys, oldest statement first"
    )
    lines: tuple[Bound, ...] = Field(
        (), description="validated ranges, best first; each is two-sided"
    )
    bounds: tuple[Bound, ...] = Field((), description="ranges that any version must meet")
    external: tuple[Bound, ...] = Field(
        (), description="of etcd: ranges that one outside the cluster must meet"
    )
    patterns: tuple[Pattern, ...] = Field(
        (), description="of docker: how kubeadm judges what dockerd reports"
    )

    def in_force(self, kubernetes: str) -> Stated | None:
        """What `exact` states for a Kubernetes version, or None if it states nothing."""
        now = versions.order(kubernetes)
        stated = self.exact[0] if self.exact else None
        for statement in self.exact:
            if statement.since is None or versions.order(statement.since) <= now:
                stated = statement
        if stated is None or (stated.until and versions.order(stated.until) <= now):
            return None
        return stated


class Patch(Model):
    """One released patch of the minor."""

    version: Version
    date: Day | None = None
    skipped: bool = Field(False, description="upstream never released this number")
    avoid: str = Field(
        "", description="why only its exact version may ask for it; empty: any request may"
    )
    note: str = ""
    source: str

    @property
    def offered(self) -> bool:
        """Whether a request may mean it that does not name just this version."""
        return not self.skipped and not self.avoid


Statement = Stated | Bound | Pattern | Patch


class MinorFacts(Model):
    """Everything the catalog states about one Kubernetes minor."""

    minor: Minor
    released: Day
    end_of_life: Day | None = None
    source: str = Field(description="where the dates come from")
    dockershim: bool
    dockershim_source: str
    go: tuple[Stated, ...] = Field((), description="the Go that upstream built it with")
    patches: tuple[Patch, ...]
    components: dict[str, ComponentFacts]
    sources: dict[str, str] = Field(description="what the short source names stand for")

    def patch(self, version: str) -> Patch | None:
        """What is stated of a version, if it is listed."""
        return next((one for one in self.patches if one.version == version), None)

    @property
    def offered(self) -> tuple[str, ...]:
        """The versions that any request may have, newest first."""
        return tuple(one.version for one in reversed(self.patches) if one.offered)

    @property
    def newest(self) -> str | None:
        """Of these the newest final one."""
        return next(filter(versions.is_final, self.offered), None)

    def groups(self) -> Iterator[tuple[str, tuple[Statement, ...]]]:
        """All statements by the key under which the file lists them, e.g.
        `components.etcd.exact`.
        """
        yield "patches", self.patches
        yield "go", self.go
        for name, facts in self.components.items():
            for key in ComponentFacts.model_fields:
                if statements := getattr(facts, key):
                    yield f"components.{name}.{key}", statements

    def mistakes(self) -> Iterator[tuple[str, str]]:
        """What is wrong within the file, as key and problem; the types of its values are right
        already.
        """
        yield from self._without_evidence()
        for group, statements in self.groups():
            seen = Counter(map(_what, statements))
            yield from _out_of_order(group, statements)
            for index, one in enumerate(statements):
                key = f"{group}[{index}]"
                if seen[_what(one)] > 1:
                    yield (
                        key,
                        f"stated twice ({_what(one)}); "
                        "keep one, or let each begin at a `since` of its own",
                    )
                if isinstance(one, Patch):
                    if versions.minor(one.version) != self.minor:
                        yield (
                            f"{key}.version",
                            f"{one.version} is not a patch of {self.minor}; "
                            "list it in its own file",
                        )
                elif not isinstance(one, Pattern):
                    yield from self._misplaced(key, one)

    def _without_evidence(self) -> Iterator[tuple[str, str]]:
        used = {"source": self.source, "dockershim_source": self.dockershim_source}
        for group, statements in self.groups():
            used |= {f"{group}[{index}].source": one.source for index, one in enumerate(statements)}
        yield from unexplained(used, self.sources)

    def _misplaced(self, key: str, one: Stated | Bound) -> Iterator[tuple[str, str]]:
        """A `since` or `until` that is not a version of this minor."""
        if one.since and one.until and versions.order(one.until) <= versions.order(one.since):
            yield (
                f"{key}.until",
                f"{one.until} is not after {one.since}, where it begins: it never holds; "
                "correct one of them",
            )
        for name, version in (("since", one.since), ("until", one.until)):
            if version is None:
                continue
            patch = self.patch(version)
            if versions.minor(version) != self.minor:
                yield (
                    f"{key}.{name}",
                    f"{version} is not a version of {self.minor}; name one that is",
                )
            elif patch is not None and patch.skipped:
                yield f"{key}.{name}", f"{version} was never released; name the patch after it"
            elif patch is None and versions.is_final(version):
                yield (
                    f"{key}.{name}",
                    f"{version} is not in patches; add it there, or name one that is",
                )


def _what(one: Statement) -> str:
    """What must be unique in its list."""
    if isinstance(one, Stated):
        return f"since {one.since or 'the first'}"
    if isinstance(one, Bound):
        return f"{one.range}, since {one.since or 'the first'}"
    return one.match if isinstance(one, Pattern) else one.version


def _out_of_order(group: str, statements: tuple[Statement, ...]) -> Iterator[tuple[str, str]]:
    """Patches and exact values are listed as they came."""
    begins = [one.since or "0" if isinstance(one, Stated) else one.version
              for one in statements if isinstance(one, Stated | Patch)]  # fmt: skip
    for index, (older, newer) in enumerate(pairwise(begins), start=1):
        if versions.order(newer) < versions.order(older):
            yield f"{group}[{index}]", f"{newer} comes after {older}; list them oldest first"
