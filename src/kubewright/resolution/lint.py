"""Finds contradictions in the catalog: statements that are each well formed, but cannot all be
true.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import NamedTuple

from kubewright import versions
from kubewright.errors import RequestError
from kubewright.models.catalog import ComponentFacts, MinorFacts
from kubewright.models.components import Components, ComponentSource
from kubewright.models.relations import Relations
from kubewright.models.skew import Skew
from kubewright.resolution import lint_dates, lint_ranges
from kubewright.resolution.choose import choose


class Contradiction(NamedTuple):
    """Where statements contradict each other, and how to end it."""

    file: str
    key: str
    problem: str

    def __str__(self) -> str:
        """One line, as errors are."""
        return f"{self.file}: {self.key}: {self.problem}"


def contradictions(
    catalog: Mapping[str, MinorFacts], components: Components, relations: Relations, skew: Skew
) -> Iterator[Contradiction]:
    """Every contradiction within and between the files of the catalog, oldest minor first.

    `skew` says how long a minor is supported at the least.
    """
    for older, newer in pairwise(catalog.values()):
        for key, problem in _neighbours(older, newer):
            yield Contradiction(_file(newer), key, problem)
    for facts in catalog.values():
        for problems in (
            _minor(facts, components.components),
            lint_dates.support(facts, skew.support),
            _without_choice(facts, catalog, components, relations),
        ):
            for key, problem in problems:
                yield Contradiction(_file(facts), key, problem)
    for key, problem in _relations(relations, catalog, components.components):
        yield Contradiction("recipes/relations.toml", key, problem)


def _file(facts: MinorFacts) -> str:
    return f"recipes/catalog/{facts.minor}.toml"


def _neighbours(older: MinorFacts, newer: MinorFacts) -> Iterator[tuple[str, str]]:
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
    before, after = _first_etcd(older), _first_etcd(newer)
    if before and after and versions.order(after) < versions.order(before):
        yield (
            "components.etcd.exact",
            f"{newer.minor}.0 deploys {after}, but {older.minor}.0 {before} already; "
            "correct one of them",
        )


def _first_etcd(facts: MinorFacts) -> str:
    """The etcd that the first patch of a minor deploys; empty: nothing is stated."""
    stated = facts.components.get("etcd", ComponentFacts()).in_force(f"{facts.minor}.0")
    return stated.value if stated else ""


def _minor(facts: MinorFacts, known: Mapping[str, ComponentSource]) -> Iterator[tuple[str, str]]:
    yield from lint_dates.dates(facts)
    if not facts.offered:
        yield (
            "patches",
            f"every patch is to be avoided, so no upgrade leads through {facts.minor}; "
            "add a patch, or correct `avoid`",
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
        for below, problem in lint_ranges.contradictions(facts, component, known[name]):
            yield f"{key}.{below}", problem
        yield from lint_ranges.unknown(key, component, known[name])


def _without_choice(
    facts: MinorFacts,
    catalog: Mapping[str, MinorFacts],
    components: Components,
    relations: Relations,
) -> Iterator[tuple[str, str]]:
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


def _relations(
    relations: Relations, catalog: Mapping[str, MinorFacts], known: Mapping[str, ComponentSource]
) -> Iterator[tuple[str, str]]:
    for index, relation in enumerate(relations.relations):
        for side, member in (("when", relation.when), ("needs", relation.needs)):
            key, name = f"relations[{index}].{side}", member.component
            if name == "kubernetes":
                if side == "needs":
                    yield (
                        key,
                        "a component cannot ask for a Kubernetes; "
                        "state it in the catalog, or turn it round",
                    )
                elif not any(f"{minor}.0" in versions.range_of(member.range) for minor in catalog):
                    yield key, f"no minor of the catalog is in {member.range}; correct the range"
            elif name not in known:
                yield (
                    key,
                    f"recipes/components.toml has no {name!r}; add it there, or correct the name",
                )
            elif not any(
                entry.version in versions.range_of(member.range) for entry in known[name].known
            ):
                yield (
                    key,
                    f"no known {name} is in {member.range}; "
                    "add one to recipes/components.toml, or correct the range",
                )
