"""fetch: brings every input of the lock into the cache, checked."""

import logging
from concurrent.futures import ThreadPoolExecutor

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TransferSpeedColumn,
)

from kubewright import files, resolution
from kubewright.cache import Cache
from kubewright.errors import RequestError, VerificationFailed
from kubewright.gobuild import go, toolchain
from kubewright.gobuild import programs as compiler
from kubewright.log import console
from kubewright.models.artifact import Fetched
from kubewright.models.components import Components
from kubewright.models.lock import Check, Input, Release
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.stages.upstreams import opened
from kubewright.upstream import Upstream
from kubewright.workspace import Workspace, fingerprint

log = logging.getLogger(__name__)


def fetch(workspace: Workspace, settings: Settings, recipes: Recipes) -> Release:
    """Bring what the cache lacks, note what was learned, and return the lock completed with it."""
    release = workspace.release()
    recipes.node_spec(release)  # refuses what can be resolved only
    recipes.check_packages()
    upstream = opened(settings, recipes)
    release = remembered(workspace, release)
    if any(entry.check is None for entry in release.inputs):
        release = _surveyed(workspace.release(), upstream, settings, recipes.components)
    cache = Cache(settings.cache)
    missing = [
        entry for entry in release.inputs if entry.sha256 is None or not cache.holds(entry.sha256)
    ]
    log.info("fetch %s: %d inputs, %d to bring", release.name, len(release.inputs), len(missing))
    upstreams = [entry for entry in missing if entry.check is not Check.built]
    digests = bring(upstreams, cache, upstream, settings.jobs) if upstreams else {}
    for entry in missing:
        if entry.check is Check.built:
            digests[entry.id] = _compiled(
                entry, cache, release.source_date_epoch, workspace, recipes
            )
    settled = tuple(
        entry.model_copy(update={"sha256": digests.get(entry.id, entry.sha256)})
        for entry in release.inputs
    )
    made_from = workspace.made_from()
    workspace.save(
        Fetched(
            stage="fetch",
            fingerprint=fingerprint(made_from),
            made_from=made_from,
            complete=True,
            inputs=settled,
            unavailable=release.unavailable,
        )
    )
    return release.model_copy(update={"inputs": settled})


def remembered(workspace: Workspace, release: Release) -> Release:
    """A lock with what an earlier fetch has learned of inputs that it has no digest of.

    Of another lock only what has the same address counts, and gaps are asked for again.
    """
    before = workspace.fetched()
    if before is None:
        return release
    if before.made_from.get("lock") == files.sha256(release.to_bytes()):
        return release.model_copy(
            update={"inputs": before.inputs, "unavailable": before.unavailable}
        )
    known = {(entry.id, entry.url): entry for entry in before.inputs}
    inputs = tuple(
        entry if entry.sha256 else known.get((entry.id, entry.url), entry)
        for entry in release.inputs
    )
    return release.model_copy(update={"inputs": inputs})


def _surveyed(
    release: Release, upstream: Upstream, settings: Settings, components: Components
) -> Release:
    """Learn the digests that an offline resolution could not ask for."""
    unknown = [entry for entry in release.inputs if entry.check is None]
    inputs, gaps = resolution.pin_inputs(
        unknown, components, upstream,
        allow_unverified=settings.allow_unverified, jobs=settings.jobs,
        optional=[wish.component for wish in release.request.wanted] if release.request else (),
    )  # fmt: skip
    known = tuple(entry for entry in release.inputs if entry.check is not None)
    return release.model_copy(
        update={"inputs": (*inputs, *known), "unavailable": (*release.unavailable, *gaps)}
    )


def _compiled(
    entry: Input, cache: Cache, epoch: int, workspace: Workspace, recipes: Recipes
) -> str:
    """The digest of a built input, compiled into the cache.

    Raises RequestError if the lock was resolved when it was made from something else,
    VerificationFailed if an earlier fetch knows another digest.
    """
    images, recipe = recipes.images, recipes.go
    address = compiler.lock_address(
        entry.version, entry.arch, epoch=epoch, content=images, recipe=recipe
    )
    if entry.url != address:
        raise RequestError(
            entry.id,
            f"the lock has {entry.url}, but what it is made from has changed since",
            "run `kubewright resolve` again, with the same options",
        )
    made = compiler.hyperkube(
        entry.version,
        entry.arch,
        epoch=epoch,
        cache=cache.root,
        content=images,
        recipe=recipe,
        progress=go.announce,
    )
    digest = cache.adopt(made)
    if entry.sha256 not in (None, digest):
        raise VerificationFailed(
            entry.id,
            f"its SHA-256 is {digest}, compiled with Go {toolchain.find().identity}, but "
            f"{workspace.root / 'fetch.json'} says {entry.sha256}",
            "compile it with the Go that it was made with before, or delete that file and run "
            "`kubewright fetch` again to take this one",
        )
    return digest


def bring(missing: list[Input], cache: Cache, upstream: Upstream, jobs: int) -> dict[str, str]:
    """Fetch in parallel; the first failure stops what has not begun."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with (
        Progress(
            *columns, console=console(), transient=True, disable=not console().is_terminal
        ) as progress,
        ThreadPoolExecutor(jobs) as pool,
    ):

        def one(entry: Input) -> str:
            task: TaskID = progress.add_task(entry.id, total=None)
            try:
                return cache.fetch(
                    upstream,
                    entry,
                    lambda have, total: progress.update(task, completed=have, total=total),
                )
            finally:
                progress.remove_task(task)

        futures = {entry.id: pool.submit(one, entry) for entry in missing}
        try:
            return {name: future.result() for name, future in futures.items()}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
