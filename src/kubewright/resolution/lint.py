"""Finds contradictions in the catalog: statements that are each well formed, but cannot all be
true.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import chain, combinations, pairwise
from typing import NamedTuple

from kubewright import versions
from kubewright.errors import RequestError
from kubewright.models.catalog import Bound, ComponentFacts, MinorFacts
from kubewright.models.components import Components, ComponentSource
from kubewright.models.relations import Relations
from kubewright.models.skew import Skew, Support
from kubewright.resolution.choose import choose

DAYS_OF_A_MONTH = 30.44
APPROXIMATE = 1.5
"""Months by which upstream has ended the support of a minor early: nine months were approximate."""


class Contradiction(NamedTuple):
    """Where statements contradict each other, and how to end it."""

    file: str
    key: str
    problem: str

    def __str__(self) -> str:
        """One line, as errors are."""
        return f"{self.file}: {self.key}: {self.problem}"


Found = Iterator[tuple[str, str]]
"""Keys of one file, and the problem with each."""


def contradictions(
    catalog: Mapping[str, MinorFacts], components: Components, relations: Relations, skew: Skew
) -> Iterator[Contradiction]:
    """Every contradiction within and between the files of the catalog, oldest minor first.

    `skew` says how long a minor is supported at the least.
    """
    for older, newer in pairwise(catalog.values()):
        yield from (Contradiction(_file(newer), *one) for one in _neighbours(older, newer))
    for facts in catalog.values():
        found = chain(_minor(facts, components.components), _support(facts, skew.support),
                      _without_choice(facts, catalog, components, relations))  # fmt: skip
        yield from (Contradiction(_file(facts), *one) for one in found)
    for one in _relations(relations, catalog, components.components):
        yield Contradiction("recipes/relations.toml", *one)


def _file(facts: MinorFacts) -> str:
    return f"recipes/catalog/{facts.minor}.toml"


# ── between minors ───────────────────────────────────────────────────────────────────────────


def _neighbours(older: MinorFacts, newer: MinorFacts) -> Found:
    expected = versions.next_minor(older.minor)
    if newer.minor != expected:
        yield (
            "minor",
            f"{newer.minor} follows {older.minor}; state {expected} too, in a file of its own",
        )
    if newer.released <= older.released:
        yield (
            "released",
            f"{newer.released} is not after {older.minor} ({older.released}); correct one of them",
        )
    if newer.dockershim and not older.dockershim:
        yield "dockershim", f"is back, but {older.minor} says that it is gone; correct one of them"
    before, after = (
        one.components.get("etcd", ComponentFacts()).in_force(f"{one.minor}.0")
        for one in (older, newer)
    )
    if before and after and versions.order(after.value) < versions.order(before.value):
        what = f"{newer.minor}.0 deploys {after.value}, but {older.minor}.0 {before.value} already"
        yield "components.etcd.exact", f"{what}; correct one of them"


# ── within a minor ───────────────────────────────────────────────────────────────────────────


def _minor(facts: MinorFacts, known: Mapping[str, ComponentSource]) -> Found:
    yield from _dates(facts)
    if not facts.offered:
        yield (
            "patches",
            f"none may be had, so no upgrade leads through {facts.minor}; add a patch, or correct `avoid`",
        )
    docker = facts.components.get("docker")
    if docker and docker.lines and not facts.dockershim:
        yield (
            "components.docker.lines",
            "validated without dockershim; state bounds instead, or correct dockershim",
        )
    for name, component in facts.components.items():
        key = f"components.{name}"
        if name not in known:
            yield (
                key,
                "recipes/components.toml has no such component; add it there, or correct the name",
            )
            continue
        found = chain(
            _exact(facts, component),
            _ranges(component, known[name]),
            _together(facts, component, known[name]),
            _patterns(component, known[name]),
        )
        yield from ((f"{key}.{below}", problem) for below, problem in found)
        yield from _unknown(key, component, known[name])


# ── dates ────────────────────────────────────────────────────────────────────────────────────


def _dates(facts: MinorFacts) -> Found:
    yield from _numbers(facts)
    end = facts.end_of_life
    if end is not None and end <= facts.released:
        yield (
            "end_of_life",
            f"{end} is not after the release ({facts.released}); correct one of them",
        )
    elif end is not None:
        for index, patch in enumerate(facts.patches):
            if patch.date and patch.date > end and not patch.note:
                what = f"{patch.version} ({patch.date}) came after the end of life ({end})"
                yield f"patches[{index}].date", f"{what}; correct one of them, or say so in a note"
    before = ""
    for index, patch in enumerate(facts.patches):
        key, day = f"patches[{index}].date", patch.date or before
        if day < before:
            yield (
                key,
                f"{patch.version} is older than the patch before it ({before}); correct one of them",
            )
        if patch.date and versions.is_final(patch.version) and patch.date < facts.released:
            yield (
                key,
                f"{patch.version} is older than {facts.minor} ({facts.released}); correct one of them",
            )
        if patch.version == f"{facts.minor}.0" and patch.date not in (None, facts.released):
            yield (
                key,
                f"{patch.date} is not the day of the release ({facts.released}); correct one of them",
            )
        if patch.skipped and patch.date:
            yield key, f"{patch.version} was skipped, so it has no day; remove one of the two"
        before = day


def _numbers(facts: MinorFacts) -> Found:
    """Upstream counts its patches from 0 and leaves none out, though it may skip one."""
    numbers = {
        versions.parse(one.version).patch for one in facts.patches if versions.is_final(one.version)
    }
    for missing in sorted(set(range(max(numbers, default=-1))) - numbers):
        yield (
            "patches",
            f"{facts.minor}.{missing} is missing; list it, with `skipped` if upstream never released it",
        )
    for index, patch in enumerate(facts.patches):
        if patch.skipped and patch.avoid:
            yield (
                f"patches[{index}].avoid",
                f"{patch.version} was skipped, so nobody can have it; remove one of both",
            )


def _support(facts: MinorFacts, stated: Sequence[Support]) -> Found:
    """An end of life before the support that the policy promises, which is approximate by some
    weeks.
    """
    promised = [
        one for one in stated if versions.order(one.since or "0") <= versions.order(facts.minor)
    ][-1:]
    for one in (
        promised if facts.end_of_life is not None and facts.end_of_life > facts.released else ()
    ):
        begun, ended = (
            date.fromisoformat(day) for day in (facts.released, facts.end_of_life or "")
        )
        if (ended - begun).days < (one.months - APPROXIMATE) * DAYS_OF_A_MONTH:
            what = f"{ended} is less than {one.months} months after the release ({begun})"
            yield "end_of_life", f"{what}, which recipes/skew.toml promises; correct one of them"


def _without_choice(
    facts: MinorFacts,
    catalog: Mapping[str, MinorFacts],
    components: Components,
    relations: Relations,
) -> Found:
    """Patches for which nothing known meets all that is stated; the first of a minor stands for the
    others.
    """
    for index, patch in enumerate(facts.patches):
        try:
            if not patch.skipped:
                choose(patch.version, catalog, components, relations)
        except RequestError as error:
            yield f"patches[{index}]", " ".join(str(error).split())
            return


# ── what upstream deploys ────────────────────────────────────────────────────────────────────


def _unknown(key: str, component: ComponentFacts, source: ComponentSource) -> Found:
    known = {one.version for one in source.known}
    for index, one in enumerate(component.exact):
        if one.value not in known:
            yield (
                f"{key}.exact[{index}]",
                f"{one.value} is not known; add it to {key}.known in recipes/components.toml",
            )


def _exact(facts: MinorFacts, component: ComponentFacts) -> Found:
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
                what = f"{bound.range} leaves out {stated.value}, which Kubernetes {kubernetes} itself deploys"
                yield (
                    key,
                    f"{what}; correct one of them, or say with `since` and `until` when each holds",
                )


def _moments(facts: MinorFacts, component: ComponentFacts) -> list[str]:
    """The Kubernetes versions at which something may change: all patches, and where statements
    begin.
    """
    begins = {one.since for one in component.exact if one.since}
    begins |= {one.since for one in (*component.bounds, *component.external) if one.since}
    begins |= {one.until for one in component.exact if one.until}
    return sorted(
        begins | {patch.version for patch in facts.patches if not patch.skipped}, key=versions.order
    )


# ── ranges ───────────────────────────────────────────────────────────────────────────────────


def _ranges(component: ComponentFacts, source: ComponentSource) -> Found:
    usable = [one.version for one in source.known if not one.avoid]
    lines, bounds = list(_keyed("lines", component.lines)), list(_keyed("bounds", component.bounds))
    for key, bound in (*lines, *bounds, *_keyed("external", component.external)):
        if not any(_within(version, bound) for version in usable):
            yield (
                key,
                f"no known version is in {bound.range}; add one to recipes/components.toml, or correct the range",
            )
    for key, line in lines:
        if _ends(line) is None:
            yield key, f"{line.range} is open; name both ends, like >=2.2.0,<2.3.0"
        inside = [version for version in usable if _within(version, line)]
        for _, bound in bounds:
            if (
                inside
                and _meet(line, bound)
                and not any(_within(version, bound) for version in inside)
            ):
                yield (
                    key,
                    f"nothing in {line.range} is in the bound {bound.range}; correct one of them",
                )
    for (first, one), (second, other) in combinations(lines, 2):
        if _meet(one, other) and _overlap(one, other):
            yield second, f"{other.range} overlaps {first} ({one.range}); correct one of them"


def _together(facts: MinorFacts, component: ComponentFacts, source: ComponentSource) -> Found:
    """Bounds that are in force at the same time and leave nothing known between them; each is told
    once.
    """
    usable = [one.version for one in source.known if not one.avoid]
    told = set()
    for key, group in (("bounds", component.bounds), ("external", component.external)):
        for kubernetes in _moments(facts, component) if len(group) > 1 else ():
            for (first, one), (second, other) in combinations(_keyed(key, group), 2):
                if (first, second) in told or not (
                    one.holds(kubernetes) and other.holds(kubernetes)
                ):
                    continue
                each = [
                    [version for version in usable if _within(version, bound)]
                    for bound in (one, other)
                ]
                if all(each) and not set(each[0]) & set(each[1]):
                    told.add((first, second))
                    what = f"{other.range} and {first} ({one.range}) both hold at {kubernetes}"
                    yield second, f"{what}, and no known version is in both; correct one of them"


def _keyed(key: str, bounds: Iterable[Bound]) -> Iterator[tuple[str, Bound]]:
    return ((f"{key}[{index}]", bound) for index, bound in enumerate(bounds))


def _within(version: str, bound: Bound) -> bool:
    return version in versions.range_of(bound.range)


def _ends(line: Bound) -> tuple[str, str] | None:
    """Both ends of a range such as `>=2.2.0,<2.3.0`, or None if it is another kind."""
    first, *more = versions.range_of(line.range).terms
    ends = dict(first)
    return (str(ends[">="]), str(ends["<"])) if not more and ends.keys() == {">=", "<"} else None


def _overlap(one: Bound, other: Bound) -> bool:
    ends, others = _ends(one), _ends(other)
    return (
        ends is not None
        and others is not None
        and (_within(ends[0], other) or _within(others[0], one))
    )


def _meet(one: Bound, other: Bound) -> bool:
    """Whether there is a Kubernetes version at which both are in force."""
    starts = [bound.since for bound in (one, other) if bound.since]
    return not starts or any(one.holds(start) and other.holds(start) for start in starts)


# ── kubeadm's judgement ──────────────────────────────────────────────────────────────────────


def _patterns(component: ComponentFacts, source: ComponentSource) -> Found:
    """A version in a validated line must be one that kubeadm's own patterns call validated."""
    for key, line in _keyed("lines", component.lines if component.patterns else ()):
        for version in (one.version for one in source.known if _within(one.version, line)):
            verdict = next(
                (one.verdict for one in component.patterns if re.search(one.match, version)),
                "nothing",
            )
            if verdict != "validated":
                yield (
                    key,
                    f"{version} is in it, but the patterns say {verdict}; correct the line or the patterns",
                )


# ── relations ────────────────────────────────────────────────────────────────────────────────


def _relations(
    relations: Relations, catalog: Mapping[str, MinorFacts], known: Mapping[str, ComponentSource]
) -> Found:
    for index, relation in enumerate(relations.relations):
        for side, member in (("when", relation.when), ("needs", relation.needs)):
            key, name = f"relations[{index}].{side}", member.component
            if name == "kubernetes":
                if side == "needs":
                    yield (
                        key,
                        "a component cannot ask for a Kubernetes; state it in the catalog, or turn it round",
                    )
                elif not any(f"{minor}.0" in versions.range_of(member.range) for minor in catalog):
                    yield key, f"no minor of the catalog is in {member.range}; correct the range"
            elif name not in known:
                yield (
                    key,
                    f"recipes/components.toml has no {name!r}; add it there, or correct the name",
                )
            elif not any(
                one.version in versions.range_of(member.range) for one in known[name].known
            ):
                yield (
                    key,
                    f"no known {name} is in {member.range}; add one to recipes/components.toml, or correct the range",
                )
