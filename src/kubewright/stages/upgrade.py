"""resolve --from: the lock, and the way to it from another version, hop by hop."""

import logging

from kubewright import resolution
from kubewright.errors import RequestError
from kubewright.models.lock import Release
from kubewright.models.resolve_options import ResolveOptions, Wanted
from kubewright.models.upgrades import Change, Hop, Moved, etcd_downgrade
from kubewright.recipes import Recipes
from kubewright.resolution import Facts, Solution
from kubewright.settings import Settings
from kubewright.stages.resolve import facts, lock, solution
from kubewright.stages.upstreams import opened
from kubewright.workspace import Workspace

log = logging.getLogger(__name__)


def upgrade(
    start: str, request: str, settings: Settings, recipes: Recipes
) -> tuple[Workspace, Release, tuple[Hop, ...]]:
    """What `resolve` does, and the way there from another version; without a way nothing is
    written.
    """
    upstream = None if settings.offline else opened(settings, recipes)
    solved = solution(request, settings, recipes, upstream)
    hops = path(start, solved.case.kubernetes, settings.asked, recipes)
    return (*lock(solved, settings, recipes, upstream), hops)


def path(start: str, goal: str, asked: ResolveOptions, recipes: Recipes) -> tuple[Hop, ...]:
    """The upgrade from one version to another, each hop with what changes beside Kubernetes for the
    same request.

    It warns of hops at which etcd goes back; an etcd outside the cluster is left alone by an
    upgrade. Raises RequestError for a start that is not a version or cannot be left, and where a
    version has no solution.
    """
    stated = facts(recipes)
    try:
        ways = resolution.upgrades.path(start, goal, stated.catalog, recipes.skew)
    except RequestError as error:
        raise RequestError(f"--from {start or repr(start)}: {error}") from error
    if not ways:
        return ()
    hops, before = [], _on_the_way(ways[0].from_version, stated, asked)
    for hop in ways:
        after = _on_the_way(hop.to, stated, asked)
        moved = (before.case.runtime, after.case.runtime)
        runtime = Moved(before=moved[0], after=moved[1]) if moved[0] != moved[1] else None
        hops.append(
            hop.model_copy(
                update={"components": _changes(before, after, asked), "runtime": runtime}
            )
        )
        _warn_of_etcd(hops[-1])
        before = after
    return tuple(hops)


def _on_the_way(kubernetes: str, stated: Facts, asked: ResolveOptions) -> Solution:
    """What a version on the way has: all that was asked for, else as much of it as it can have."""
    by_version = asked.model_copy(update={"distributions": ()})
    by_name = by_version.model_copy(
        update={"wanted": tuple({Wanted(component=wish.component) for wish in asked.wanted})}
    )
    requests = [(by_version, "the distributions"), (by_name, "the versions that were asked for")]
    tried = [(request, less) for request, less in requests if request != asked]
    candidates = [(kubernetes, "on the way")]
    try:
        return resolution.solve(candidates, stated, asked)
    except RequestError as error:
        failure = error
    for request, less in tried:
        try:
            solved = resolution.solve(candidates, stated, request)
        except RequestError as error:
            failure = error
            continue
        log.warning("v%s, on the way: cannot be had with %s; shown without", kubernetes, less)
        return solved
    raise failure


def _changes(before: Solution, after: Solution, asked: ResolveOptions) -> tuple[Change, ...]:
    """What changes beside Kubernetes, by name; an etcd of one's own does not."""
    old, new = (_versions(each) for each in (before, after))
    kept = {"kubernetes", "etcd"} if asked.etcd == "external" else {"kubernetes"}
    return tuple(
        Change(component=name, before=old.get(name), after=new.get(name))
        for name in sorted({*old, *new} - kept)
        if old.get(name) != new.get(name)
    )


def _versions(solution: Solution) -> dict[str, str]:
    """The version of each component."""
    return {component.name: component.version for component in solution.components}


def _warn_of_etcd(hop: Hop) -> None:
    for change in hop.components:
        if change.component == "etcd" and (why := etcd_downgrade(change.before, change.after)):
            log.warning("v%s to v%s: %s", hop.from_version, hop.to, why)
