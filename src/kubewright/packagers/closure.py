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
    """Each package that needs one of ours that was not built: `(package, what it needs,
    architecture)`.

    A dependency that somebody else's package could satisfy is not a gap.
    """
    packages = set(built)
    architectures = sorted({arch for _, arch, _ in packages if arch != "all"})
    for name, arch, form in sorted(packages):
        own = recipes[name].deb if form is Format.deb else recipes[name].rpm
        for text in (*recipes[name].relations.depends, *own.depends):
            names = [alternative.split("(")[0].strip() for alternative in text.split("|")]
            if not all(needed in recipes for needed in names):
                continue
            for wanted in architectures if arch == "all" else [arch]:
                satisfying: set[Built] = {(needed, wanted, form) for needed in names}
                satisfying |= {(needed, "all", form) for needed in names}
                if not satisfying & packages:
                    yield name, " or ".join(names), wanted
