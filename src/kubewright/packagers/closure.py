"""Finds packages that could never be installed because one of ours that they need was not built."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

from kubewright.models.base import Arch, Format
from kubewright.models.recipe import Recipe

Built = tuple[str, Arch | Literal["all"], Format]
"""A package by name, architecture and format."""


def gaps(
    built: Iterable[Built], recipes: Mapping[str, Recipe]
) -> Iterator[tuple[str, str, Arch | Literal["all"]]]:
    """Each package that needs one of ours that is not there: `(package, what it needs,
    architecture)`.

    A dependency that somebody else's package could satisfy is no gap.
    """
    there = set(built)
    architectures = sorted({arch for _, arch, _ in there if arch != "all"})
    for name, arch, form in sorted(there):
        own = recipes[name].deb if form is Format.deb else recipes[name].rpm
        for text in (*recipes[name].relations.depends, *own.depends):
            names = [alternative.split("(")[0].strip() for alternative in text.split("|")]
            if all(one in recipes for one in names):
                for wanted in architectures if arch == "all" else [arch]:
                    if not any((one, at, form) in there for one in names for at in (wanted, "all")):
                        yield name, " or ".join(names), wanted
