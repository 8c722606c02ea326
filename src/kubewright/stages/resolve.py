"""resolve: from a request to the lock, `dist/NAME/release.json`."""

import logging
from collections.abc import Sequence

from kubewright import recipes, resolution
from kubewright.models.lock import Component, Input, Release, Unavailable
from kubewright.resolution.survey import inputs as all_inputs
from kubewright.settings import Settings
from kubewright.upstream import Upstream
from kubewright.workspace import Workspace

log = logging.getLogger(__name__)


def resolve(request: str, settings: Settings) -> tuple[Workspace, Release]:
    """Choose what a request means, ask the upstream about every input, and write the lock."""
    upstream = None if settings.offline else Upstream(settings.upstream)
    kubernetes, why = resolution.resolve_request(request, recipes.catalog(), upstream)
    log.info("%s: v%s (%s)", request, kubernetes, why)
    chosen = resolution.choose(kubernetes, recipes.catalog(), recipes.components())
    if settings.source_date_epoch is not None:
        chosen = tuple(one.model_copy(update={"epoch": settings.source_date_epoch}) for one in chosen)
    wanted = all_inputs(chosen, recipes.components(), settings.architectures)
    gaps: tuple[Unavailable, ...] = ()
    if upstream is not None:
        wanted, gaps = resolution.survey(
            wanted, recipes.components(), upstream,
            allow_unverified=settings.allow_unverified, jobs=settings.jobs,
        )  # fmt: skip
    release = assemble(kubernetes, chosen, wanted, gaps, settings)
    workspace = Workspace(settings.dist / release.name)
    if upstream is None and workspace.lock_path.is_file():
        known = workspace.release()
        if known.model_copy(update={"inputs": (), "unavailable": ()}) == release.model_copy(update={"inputs": ()}):
            return workspace, known  # the same choice, and that lock already knows its digests
    if not settings.dry_run:
        workspace.save_lock(release)
    for gap in gaps:
        log.warning("%s/%s %s: not available: %s", gap.component, gap.name, gap.arch, gap.reason)
    return workspace, release


def assemble(
    kubernetes: str,
    chosen: Sequence[Component],
    wanted: Sequence[Input],
    gaps: Sequence[Unavailable],
    settings: Settings,
) -> Release:
    """The lock as a value."""
    return Release(
        name=f"v{kubernetes}-{settings.revision}",
        kubernetes=kubernetes,
        revision=settings.revision,
        source_date_epoch=chosen[0].epoch,
        architectures=settings.architectures,
        components=tuple(chosen),
        distributions=resolution.runtimes(chosen, recipes.distributions()),
        inputs=tuple(wanted),
        unavailable=tuple(gaps),
    )
