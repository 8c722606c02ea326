"""Finds contradictions between the versions and ranges that a minor's file states."""

import re
from collections.abc import Iterable, Iterator
from itertools import combinations

from kubewright import versions
from kubewright.models.catalog import Bound, ComponentFacts, MinorFacts
from kubewright.models.components import ComponentSource


def contradictions(
    facts: MinorFacts, component: ComponentFacts, source: ComponentSource
) -> Iterator[tuple[str, str]]:
    """Keys below the component's own, and the problem with each."""
    yield from _exact(facts, component)
    yield from _ranges(component, source)
    yield from _together(facts, component, source)
    yield from _patterns(component, source)


def unknown(
    key: str, component: ComponentFacts, source: ComponentSource
) -> Iterator[tuple[str, str]]:
    """What Kubernetes deploys, but recipes/components.toml lacks; by the whole key."""
    known = {entry.version for entry in source.known}
    for index, statement in enumerate(component.exact):
        if statement.value not in known:
            yield (
                f"{key}.exact[{index}]",
                f"{statement.value} is not known; add it to {key}.known in recipes/components.toml",
            )


def _exact(facts: MinorFacts, component: ComponentFacts) -> Iterator[tuple[str, str]]:
    """Bounds that leave out what Kubernetes itself deploys while they hold; each is told once for a
    value.
    """
    told = set()
    for kubernetes in _moments(facts, component):
        stated = component.in_force(kubernetes)
        for key, bound in (
            *_keyed("bounds", component.bounds),
            *_keyed("external", component.external),
        ):
            if stated is None or not bound.holds(kubernetes) or _within(stated.value, bound):
                continue
            if (key, stated.value) not in told:
                told.add((key, stated.value))
                yield (
                    key,
                    f"{bound.range} leaves out {stated.value}, "
                    f"which Kubernetes {kubernetes} itself deploys; "
                    "correct one of them, or say with `since` and `until` when each holds",
                )


def _moments(facts: MinorFacts, component: ComponentFacts) -> list[str]:
    """The Kubernetes versions at which something may change: all patches, and where statements
    begin.
    """
    moments = {patch.version for patch in facts.patches if not patch.skipped}
    for statement in component.exact:
        moments |= {statement.since or "", statement.until or ""}
    for bound in (*component.bounds, *component.external):
        moments.add(bound.since or "")
    return sorted(moments - {""}, key=versions.order)


def _ranges(component: ComponentFacts, source: ComponentSource) -> Iterator[tuple[str, str]]:
    usable = _usable(source)
    lines = list(_keyed("lines", component.lines))
    for key, bound in (
        *lines,
        *_keyed("bounds", component.bounds),
        *_keyed("external", component.external),
    ):
        if not any(_within(version, bound) for version in usable):
            yield (
                key,
                f"no known version is in {bound.range}; "
                "add one to recipes/components.toml, or correct the range",
            )
    for key, line in lines:
        if _ends(line) is None:
            yield key, f"{line.range} is open; name both ends, like >=2.2.0,<2.3.0"
        inside = [version for version in usable if _within(version, line)]
        for bound in component.bounds if inside else ():
            if _meet(line, bound) and not any(_within(version, bound) for version in inside):
                yield (
                    key,
                    f"nothing in {line.range} is in the bound {bound.range}; correct one of them",
                )
    for (first, line), (second, other) in combinations(lines, 2):
        if _meet(line, other) and _overlap(line, other):
            yield second, f"{other.range} overlaps {first} ({line.range}); correct one of them"


def _together(
    facts: MinorFacts, component: ComponentFacts, source: ComponentSource
) -> Iterator[tuple[str, str]]:
    """Bounds that are in force at the same time and leave nothing known between them; each is told
    once.
    """
    usable = _usable(source)
    for key, group in (("bounds", component.bounds), ("external", component.external)):
        for (first, bound), (second, other) in combinations(_keyed(key, group), 2):
            within = {version for version in usable if _within(version, bound)}
            within_other = {version for version in usable if _within(version, other)}
            if not within or not within_other or within & within_other:
                continue
            for kubernetes in _moments(facts, component):
                if bound.holds(kubernetes) and other.holds(kubernetes):
                    yield (
                        second,
                        f"{other.range} and {first} ({bound.range}) both hold at {kubernetes}, "
                        "and no known version is in both; correct one of them",
                    )
                    break


def _usable(source: ComponentSource) -> list[str]:
    return [entry.version for entry in source.known if not entry.avoid]


def _keyed(key: str, bounds: Iterable[Bound]) -> Iterator[tuple[str, Bound]]:
    return ((f"{key}[{index}]", bound) for index, bound in enumerate(bounds))


def _within(version: str, bound: Bound) -> bool:
    return version in versions.range_of(bound.range)


def _ends(line: Bound) -> tuple[str, str] | None:
    """Both ends of a range such as `>=2.2.0,<2.3.0`, or None if it is another kind."""
    first, *more = versions.range_of(line.range).terms
    ends = dict(first)
    return (str(ends[">="]), str(ends["<"])) if not more and ends.keys() == {">=", "<"} else None


def _overlap(line: Bound, other: Bound) -> bool:
    ends, others = _ends(line), _ends(other)
    if ends is None or others is None:
        return False
    return _within(ends[0], other) or _within(others[0], line)


def _meet(bound: Bound, other: Bound) -> bool:
    """Whether there is a Kubernetes version at which both are in force."""
    starts = [start for start in (bound.since, other.since) if start]
    return not starts or any(bound.holds(start) and other.holds(start) for start in starts)


def _patterns(component: ComponentFacts, source: ComponentSource) -> Iterator[tuple[str, str]]:
    """A version in a validated line must be one that kubeadm's own patterns call validated."""
    if not component.patterns:
        return
    for key, line in _keyed("lines", component.lines):
        for entry in source.known:
            verdict = _verdict(component, entry.version)
            if _within(entry.version, line) and verdict != "validated":
                yield (
                    key,
                    f"{entry.version} is in it, but the patterns say {verdict}; "
                    "correct the line or the patterns",
                )


def _verdict(component: ComponentFacts, version: str) -> str:
    for pattern in component.patterns:
        if re.search(pattern.match, version):
            return pattern.verdict
    return "nothing"
