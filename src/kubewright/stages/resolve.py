"""resolve: from a request to the lock, `dist/NAME/release.json`."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from kubewright import content, recipes, resolution, versions
from kubewright.compile import build
from kubewright.errors import RequestError
from kubewright.models.lock import Check, Component, DistributionRuntime, Input, Release, Request, Unavailable, Wish
from kubewright.models.upgrades import Change, Hop, Moved
from kubewright.resolution import Facts, Solution
from kubewright.resolution.choose import PLAIN
from kubewright.resolution.explain import Explanation
from kubewright.resolution.survey import inputs as all_inputs
from kubewright.settings import Settings
from kubewright.upstream import Upstream
from kubewright.workspace import Workspace

log = logging.getLogger(__name__)


def resolve(request: str, settings: Settings) -> tuple[Workspace, Release]:
    """Choose what a request means, ask the upstream about every input, and write the lock.

    For a minor that no packages are made for there is nothing to ask, and the lock has no inputs.
    """
    upstream = None if settings.offline else Upstream(settings.upstream)
    return _lock(solution(request, settings, upstream), settings, upstream)


def upgrade(start: str, request: str, settings: Settings) -> tuple[Workspace, Release, tuple[Hop, ...]]:
    """What `resolve` does, and the way there from another version; without a way nothing is written."""
    upstream = None if settings.offline else Upstream(settings.upstream)
    found = solution(request, settings, upstream)
    hops = path(start, found.case.kubernetes, settings.asked)
    return (*_lock(found, settings, upstream), hops)


def _lock(found: Solution, settings: Settings, upstream: Upstream | None) -> tuple[Workspace, Release]:
    """The lock of a solution, written unless this is a dry run."""
    kubernetes, chosen = found.case.kubernetes, found.components
    if settings.source_date_epoch is not None:
        chosen = tuple(one.model_copy(update={"epoch": settings.source_date_epoch}) for one in chosen)
    wanted: tuple[Input, ...] = ()
    gaps: tuple[Unavailable, ...] = ()
    if recipes.packaged(versions.minor(kubernetes)):
        wanted, gaps = _inputs(kubernetes, chosen, settings, upstream)
    release = assemble(found, chosen, wanted, gaps, settings)
    workspace = Workspace(settings.dist / release.name)
    if workspace.lock_path.is_file():
        known = workspace.release()
        release = _with_built_digests(release, known)
        # Offline, a lock of the same choice knows its digests already.
        if upstream is None and _choice(known) == _choice(release):
            release = _with_built_inputs(known, release)
    if not settings.dry_run:
        workspace.save_lock(release)
    for gap in gaps:
        log.warning("%s/%s %s: not available: %s", gap.component, gap.name, gap.arch, gap.reason)
    return workspace, release


def _choice(release: Release) -> Release:
    """A lock without what an upstream has said of it."""
    return release.model_copy(update={"inputs": (), "unavailable": ()})


def solution(request: str, settings: Settings, upstream: Upstream | None) -> Solution:
    """What a request means and what fits it; nothing is written."""
    stated = facts()
    wanted = resolution.candidates(request, stated.catalog, upstream, stated.packaged)
    found = resolution.solve(wanted, stated, settings.asked)
    kubernetes = found.case.kubernetes
    log.info("%s: v%s (%s)", request, kubernetes, found.why)
    if found.missed:
        log.warning("%s", found.missed)
    own = versions.minor(kubernetes) in stated.packaged
    if not own:
        resolution.require_known(kubernetes, stated.catalog)
    if not resolution.listed(kubernetes, stated.catalog) and (upstream is None or not own):
        log.warning("v%s: the catalog does not list this pre-release, so nothing says that it exists", kubernetes)
    if why_not := resolution.avoided(kubernetes, stated.catalog):
        log.warning("v%s: to be avoided: %s", kubernetes, why_not)
    _warn_of_ends(kubernetes, settings)
    return found


def _warn_of_ends(kubernetes: str, settings: Settings) -> None:
    """Say what nobody supports any more: the minor, and the distributions that were asked for."""
    there = recipes.distributions().distributions
    minor = recipes.catalog()[versions.minor(kubernetes)]
    ends = {f"Kubernetes {minor.minor}": minor.end_of_life}
    ends |= {there[name].title: there[name].end_of_life for name in settings.asked.distributions}
    for name, end in ends.items():
        if end is not None and end < _day(settings.now):
            log.warning("%s: its end of life was %s; no more fixes are made for it", name, end)


def _day(now: int) -> str:
    return datetime.fromtimestamp(now, UTC).date().isoformat()


def explanation(name: str, request: str, settings: Settings) -> Explanation:
    """Why a request gives this version of a component."""
    name = resolution.component(name, recipes.components())
    upstream = None if settings.offline else Upstream(settings.upstream)
    found = solution(request, settings, upstream)
    return resolution.explain(name, found, facts(), settings.asked, today=_day(settings.now))


def path(start: str, goal: str, asked: Request = PLAIN) -> tuple[Hop, ...]:
    """The upgrade from one version to another, each hop with what changes beside Kubernetes for the same request.

    It warns of hops at which etcd goes back; an etcd outside the cluster is left alone by an upgrade.
    Raises RequestError for a start that is no version or cannot be left, and where a version has no solution.
    """
    stated = facts()
    try:
        ways = resolution.upgrades.path(start, goal, stated.catalog, recipes.skew())
    except RequestError as error:
        raise RequestError(f"--from {start or repr(start)}: {error}") from error
    if not ways:
        return ()
    hops, before = [], _on_the_way(ways[0].from_version, stated, asked)
    for hop in ways:
        after = _on_the_way(hop.to, stated, asked)
        changes = _changes(before, after, asked)
        _warn_of_etcd(hop, changes)
        moved = (before.case.runtime, after.case.runtime)
        runtime = Moved(before=moved[0], after=moved[1]) if moved[0] != moved[1] else None
        hops.append(hop.model_copy(update={"components": changes, "runtime": runtime}))
        before = after
    return tuple(hops)


def _on_the_way(kubernetes: str, stated: Facts, asked: Request) -> Solution:
    """What a version on the way has: all that was asked for, else as much of it as it can have."""
    by_version = asked.model_copy(update={"distributions": ()})
    by_name = by_version.model_copy(update={"wanted": tuple({Wish(component=one.component) for one in asked.wanted})})
    requests = dict.fromkeys((asked, by_version, by_name))
    for number, request in enumerate(requests, start=1):
        try:
            found = resolution.solve([(kubernetes, "on the way")], stated, request)
        except RequestError:
            if number == len(requests):
                raise
            continue
        if request != asked:
            less = "the distributions" if request == by_version else "the versions that were asked for"
            log.warning("v%s, on the way: cannot be had with %s; shown without", kubernetes, less)
        return found
    raise AssertionError("there is always a request")


def _changes(before: Solution, after: Solution, asked: Request) -> tuple[Change, ...]:
    """What changes beside Kubernetes, by name; an etcd of one's own does not."""
    old, new = ({one.name: one.version for one in each.components} for each in (before, after))
    kept = {"kubernetes", "etcd"} if asked.etcd == "external" else {"kubernetes"}
    return tuple(
        Change(component=name, before=old.get(name), after=new.get(name))
        for name in sorted({*old, *new} - kept)
        if old.get(name) != new.get(name)
    )


def _warn_of_etcd(hop: Hop, changes: Sequence[Change]) -> None:
    for one in changes:
        if one.component == "etcd" and one.before and one.after:
            back = versions.order(one.after) < versions.order(one.before)
            within = versions.minor(one.after) == versions.minor(one.before)
            said = "within a minor of etcd that is allowed" if within else "its data does not go down a minor; keep it"
            if back:
                log.warning(
                    "v%s to v%s: etcd goes back from %s to %s; %s",
                    hop.from_version,
                    hop.to,
                    one.before,
                    one.after,
                    said,
                )


def facts() -> Facts:
    """Everything that the recipes say."""
    return Facts(
        recipes.catalog(), recipes.components(), recipes.relations(), recipes.distributions(),
        packaged=frozenset(filter(recipes.packaged, recipes.catalog())),
    )  # fmt: skip


def _inputs(
    kubernetes: str, chosen: Sequence[Component], settings: Settings, upstream: Upstream | None
) -> tuple[tuple[Input, ...], tuple[Unavailable, ...]]:
    """What the release is made from, and what of it this upstream does not have."""
    wanted = all_inputs(chosen, recipes.components(), settings.architectures)
    gaps: tuple[Unavailable, ...] = ()
    if upstream is not None:
        wanted, gaps = resolution.survey(
            wanted, recipes.components(), upstream, jobs=settings.jobs, allow_unverified=settings.allow_unverified,
            optional=[one.component for one in settings.asked.wanted],
        )  # fmt: skip
    if settings.flavour == "monolith":
        wanted = (*wanted, *built(kubernetes, chosen[0].epoch, settings))
    return wanted, gaps


def built(kubernetes: str, epoch: int, settings: Settings) -> tuple[Input, ...]:
    """The inputs that no upstream has: hyperkube, which `fetch` compiles. Raises RequestError if it has no lock."""
    return tuple(
        Input(
            component="hyperkube", name="hyperkube", version=kubernetes, arch=arch,
            url=build.origin(kubernetes, arch, epoch=epoch, content=content.folder("images")), check=Check.built,
            checked_by=f"images/hyperkube/locks/v{kubernetes}/go.sum",
        )
        for arch in settings.architectures
    )  # fmt: skip


def _with_built_digests(release: Release, known: Release) -> Release:
    """The lock with what `fetch` learned of built inputs that would be made from the same today."""
    digests = {(entry.id, entry.url): entry.sha256 for entry in known.inputs if entry.check is Check.built}
    settled = tuple(
        entry.model_copy(update={"sha256": digests.get((entry.id, entry.url), entry.sha256)})
        for entry in release.inputs
    )
    return release.model_copy(update={"inputs": settled})


def _with_built_inputs(known: Release, release: Release) -> Release:
    """A known lock with the built inputs of another one: the flavour or what they are made from may have changed."""
    kept = (entry for entry in known.inputs if entry.check is not Check.built)
    wanted = (entry for entry in release.inputs if entry.check is Check.built)
    return known.model_copy(update={"inputs": (*kept, *wanted)})


def assemble(
    found: Solution,
    chosen: Sequence[Component],
    wanted: Sequence[Input],
    gaps: Sequence[Unavailable],
    settings: Settings,
) -> Release:
    """The lock as a value."""
    kubernetes = found.case.kubernetes
    return Release(
        name=f"v{kubernetes}-{settings.revision}",
        kubernetes=kubernetes,
        revision=settings.revision,
        source_date_epoch=chosen[0].epoch,
        architectures=settings.architectures,
        request=settings.asked if settings.asked != Request() else None,
        runtime=found.case.runtime,
        components=tuple(chosen),
        distributions=_distributions(found),
        inputs=tuple(wanted),
        unavailable=tuple(gaps),
    )


def _distributions(found: Solution) -> tuple[DistributionRuntime, ...]:
    """What each distribution brings, and what is taken where one was asked for; our own packages last."""
    taken = {(one.distribution, one.package, one.version): one for one in found.packages}
    theirs = resolution.runtimes(found.components, recipes.distributions(), found.packages)
    lines = tuple(
        _taken(one) if taken.pop((one.distribution, one.package, one.version), None) else one for one in theirs
    )
    own = tuple(
        DistributionRuntime(
            distribution=one.distribution, family=one.family, package=one.package, version=one.version, fits=True,
            reason=f"made from {one.family} {one.upstream}", repository=one.repository, chosen=True,
            depends=one.package,
        )
        for one in taken.values()
    )  # fmt: skip
    return (*lines, *own)


def _taken(line: DistributionRuntime) -> DistributionRuntime:
    """A line that is chosen; one that does not fit Kubernetes can only be containerd that nothing but Docker uses."""
    changes: dict[str, object] = {"chosen": True}
    if not line.fits:
        changes |= {"reason": f"{line.reason}, but only Docker uses it", "depends": line.package}
    return line.model_copy(update=changes)
