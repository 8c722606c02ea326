"""Packages that cannot be built because an upstream lacks what they are made of."""

import logging
from collections.abc import Iterator, Mapping, Sequence

from kubewright.errors import RequestError
from kubewright.models.artifact import Skipped
from kubewright.models.lock import Release
from kubewright.models.recipe import Recipe
from kubewright.packagers import closure
from kubewright.packagers.plan import PlannedPackage

log = logging.getLogger(__name__)


def skipped(planned: Sequence[PlannedPackage], gaps: Mapping[str, str]) -> Iterator[Skipped]:
    """The planned packages that cannot be built, and why."""
    for package in planned:
        if package.id in gaps:
            log.warning("%s: skipped: %s", package.id, gaps[package.id])
            name = f"{package.recipe.name} ({package.format})"
            yield Skipped(name=name, arch=package.arch, reason=gaps[package.id])


def refuse(
    planned: Sequence[PlannedPackage],
    gaps: Mapping[str, str],
    recipes: Mapping[str, Recipe],
    release: Release,
) -> None:
    """A release must not have packages that nobody could install.

    Where no upstream has what such a package needs for an architecture, it is for the others.
    """
    possible, reasons, never = [], {}, set()
    for package in planned:
        if package.id not in gaps:
            possible.append((package.recipe.name, package.arch, package.format))
            continue
        reasons[package.recipe.name, package.arch] = gaps[package.id]
        if package.never(release):
            never.add((package.recipe.name, package.arch))
    for name, needed, arch in closure.gaps(possible, recipes):
        why = reasons.get((needed, arch), "not built")
        if (needed, arch) in never:
            continue
        raise RequestError(
            f"{name} could not be installed on {arch}",
            f"it needs {needed}, which was skipped: {why}",
            "use an upstream that has it, or leave the architecture out with --arch",
        )


def refuse_wanted(chosen: Sequence[PlannedPackage], gaps: Mapping[str, str], only: str) -> None:
    """What is asked for by its name must not be left out."""
    reasons = [gaps[package.id] for package in chosen if package.id in gaps]
    if reasons and "*" not in only:
        raise RequestError(
            f"--only {only}", f"cannot be built: {reasons[0]}", "use an upstream that has it"
        )
