"""resolve: from a request to the lock, `dist/NAME/release.json`."""

import logging
from collections.abc import Sequence

from kubewright import content, recipes, resolution
from kubewright.compile import build
from kubewright.models.lock import Check, Component, Input, Release, Unavailable
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
    if settings.flavour == "monolith":
        wanted = (*wanted, *built(kubernetes, chosen[0].epoch, settings))
    release = assemble(kubernetes, chosen, wanted, gaps, settings)
    workspace = Workspace(settings.dist / release.name)
    if workspace.lock_path.is_file():
        release = _with_built_digests(release, workspace.release())
    if upstream is None and workspace.lock_path.is_file():
        known = workspace.release()
        if known.model_copy(update={"inputs": (), "unavailable": ()}) == release.model_copy(update={"inputs": ()}):
            release = _with_built_inputs(known, release)  # the same choice, and that lock already knows its digests
    if not settings.dry_run:
        workspace.save_lock(release)
    for gap in gaps:
        log.warning("%s/%s %s: not available: %s", gap.component, gap.name, gap.arch, gap.reason)
    return workspace, release


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
