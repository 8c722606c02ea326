"""resolve: from a request to the lock, `dist/NAME/release.json`."""

import logging
from collections.abc import Sequence
from typing import Final

from kubewright import resolution, versions
from kubewright.errors import RequestError
from kubewright.gobuild import programs
from kubewright.models.catalog import MinorFacts
from kubewright.models.distros import Distributions
from kubewright.models.lock import (
    Check,
    Component,
    DistributionRuntime,
    Input,
    Release,
    Unavailable,
)
from kubewright.moments import day, moment
from kubewright.recipes import Recipes
from kubewright.resolution import Facts, Solution
from kubewright.resolution.choose import PLAIN
from kubewright.resolution.pin_inputs import inputs as all_inputs
from kubewright.settings import Settings
from kubewright.stages import known_inputs
from kubewright.stages.content_digest import content_digest
from kubewright.stages.upstreams import opened
from kubewright.upstream import Upstream
from kubewright.workspace import Workspace

log = logging.getLogger(__name__)

AHEAD: Final = 3600
"""Seconds that a clock may be ahead: some caches do not say how old an answer is."""


def resolve(request: str, settings: Settings, recipes: Recipes) -> tuple[Workspace, Release]:
    """Choose what a request means, ask the upstream about every input, and write the lock.

    For a minor that no packages are made for there is nothing to ask, and the lock has no inputs.
    """
    upstream = None if settings.offline else opened(settings, recipes)
    return lock(solution(request, settings, recipes, upstream), settings, recipes, upstream)


def lock(
    solved: Solution, settings: Settings, recipes: Recipes, upstream: Upstream | None
) -> tuple[Workspace, Release]:
    """The lock of a solution, written unless this is a dry run."""
    kubernetes, chosen = solved.case.kubernetes, solved.components
    if settings.source_date_epoch is not None:
        chosen = tuple(
            component.model_copy(update={"epoch": settings.source_date_epoch})
            for component in chosen
        )
    wanted: tuple[Input, ...] = ()
    gaps: tuple[Unavailable, ...] = ()
    if versions.minor(kubernetes) in recipes.packaged:
        wanted, gaps = pinned(chosen, settings, recipes, upstream)
        if settings.flavour == "monolith":
            wanted = (*wanted, *built(kubernetes, chosen[0].epoch, settings, recipes))
    if upstream is not None:
        refuse_ahead(settings.now, upstream.clock)
    release = assemble(solved, chosen, wanted, gaps, settings, recipes)
    release = release.model_copy(update={"recipes": content_digest(release, recipes)})
    known_inputs.refuse_unknown(release)
    known_inputs.compare_with_dist(release, settings.dist)
    workspace = Workspace(settings.dist / release.name)
    if not settings.dry_run:
        workspace.save_lock(release)
    for gap in gaps:
        log.warning("%s/%s %s: not available: %s", gap.component, gap.name, gap.arch, gap.reason)
    return workspace, release


def refuse_ahead(now: int, told: int) -> None:
    """Refuse to make a release by a clock that is ahead of those of the servers that were asked.

    Clients refuse what is signed then until its day has come, and nothing takes it back. Both are
    in epoch seconds; 0: nobody has told. Raises RequestError.
    """
    if told and now > told + AHEAD:
        raise RequestError(
            "this machine's clock",
            f"is ahead: it says {moment(now)}, and the upstream {moment(told)}",
            "correct it, best by NTP, and run the same command again",
        )


def solution(
    request: str, settings: Settings, recipes: Recipes, upstream: Upstream | None
) -> Solution:
    """What a request means and what fits it; nothing is written."""
    stated = facts(recipes)
    wanted = resolution.candidates(request, stated.catalog, upstream, stated.packaged)
    solved = resolution.solve(wanted, stated, settings.asked)
    kubernetes = solved.case.kubernetes
    log.info("%s: v%s (%s)", request, kubernetes, solved.why)
    if solved.missed:
        log.warning("%s", solved.missed)
    minor = stated.catalog[versions.minor(kubernetes)]
    own = minor.minor in stated.packaged
    if not own:
        resolution.require_known(kubernetes, stated.catalog)
    patch = minor.patch(kubernetes)
    if patch is None and (upstream is None or not own):
        log.warning(
            "v%s: the catalog does not list this pre-release, so nothing says that it exists",
            kubernetes,
        )
    if patch is not None and patch.avoid:
        log.warning("v%s: to be avoided: %s", kubernetes, patch.avoid)
    _warn_of_ends(minor, settings, stated.distributions)
    return solved


def _warn_of_ends(minor: MinorFacts, settings: Settings, distributions: Distributions) -> None:
    """Say what nobody supports any more: the minor, and the distributions that were asked for."""
    known = distributions.distributions
    ends = {f"Kubernetes {minor.minor}": minor.end_of_life}
    ends |= {known[name].title: known[name].end_of_life for name in settings.asked.distributions}
    for name, end in ends.items():
        if end is not None and end < day(settings.now):
            log.warning("%s: its end of life was %s; no more fixes are made for it", name, end)


def facts(recipes: Recipes) -> Facts:
    """Everything in the recipes that a choice is made from."""
    return Facts(
        recipes.catalog, recipes.components, recipes.relations, recipes.distributions,
        packaged=recipes.packaged,
    )  # fmt: skip


def pinned(
    chosen: Sequence[Component],
    settings: Settings,
    recipes: Recipes,
    upstream: Upstream | None,
) -> tuple[tuple[Input, ...], tuple[Unavailable, ...]]:
    """What a release is made from of upstreams, and what of it these do not have."""
    wanted, gaps = all_inputs(
        chosen, recipes.components, settings.architectures, settings.asked.lacking
    )
    if upstream is not None:
        wanted, lacking = resolution.pin_inputs(
            wanted,
            recipes.components,
            upstream,
            jobs=settings.jobs,
            allow_unverified=settings.allow_unverified,
            optional=[wish.component for wish in settings.asked.wanted],
        )
        gaps += lacking
    return wanted, gaps


def built(kubernetes: str, epoch: int, settings: Settings, recipes: Recipes) -> tuple[Input, ...]:
    """The inputs that no upstream has: hyperkube, which `fetch` compiles. Raises RequestError if it
    has no lock.
    """
    return tuple(
        Input(
            component="hyperkube",
            name="hyperkube",
            version=kubernetes,
            arch=arch,
            url=programs.lock_address(
                kubernetes, arch, epoch=epoch, content=recipes.images, recipe=recipes.go
            ),
            check=Check.built,
            checked_by=f"images/hyperkube/locks/v{kubernetes}/go.sum",
        )
        for arch in settings.architectures
    )


def assemble(
    solved: Solution,
    chosen: Sequence[Component],
    wanted: Sequence[Input],
    gaps: Sequence[Unavailable],
    settings: Settings,
    recipes: Recipes,
) -> Release:
    """The lock as a value."""
    kubernetes = solved.case.kubernetes
    return Release(
        name=f"v{kubernetes}-{settings.revision}",
        kubernetes=kubernetes,
        revision=settings.revision,
        raised=settings.raise_companions,
        source_date_epoch=chosen[0].epoch,
        end_of_life=recipes.catalog[versions.minor(kubernetes)].end_of_life,
        architectures=settings.architectures,
        request=settings.asked if settings.asked != PLAIN else None,
        runtime=solved.case.runtime,
        components=tuple(chosen),
        distributions=_distributions(solved, recipes.distributions),
        inputs=tuple(wanted),
        unavailable=tuple(gaps),
        allowed_changes=tuple(sorted(settings.allow_changed)),
    )


def _distributions(
    solved: Solution, distributions: Distributions
) -> tuple[DistributionRuntime, ...]:
    """What each distribution brings, and what is taken where one was asked for; our own packages
    last.
    """
    taken = {(line.distribution, line.package, line.version): line for line in solved.packages}
    theirs = resolution.runtimes(solved.components, distributions, solved.packages)
    lines = tuple(
        _taken(line) if taken.pop((line.distribution, line.package, line.version), None) else line
        for line in theirs
    )
    own = tuple(
        DistributionRuntime(
            distribution=line.distribution,
            family=line.family,
            package=line.package,
            version=line.version,
            fits=True,
            reason=f"made from {line.family} {line.upstream}",
            repository=line.repository,
            chosen=True,
            depends=line.package,
        )
        for line in taken.values()
    )
    return (*lines, *own)


def _taken(line: DistributionRuntime) -> DistributionRuntime:
    """A line that is chosen; line that does not fit Kubernetes can only be containerd that nothing
    but Docker uses.
    """
    changes: dict[str, object] = {"chosen": True}
    if not line.fits:
        changes |= {"reason": f"{line.reason}, but only Docker uses it", "depends": line.package}
    return line.model_copy(update=changes)
