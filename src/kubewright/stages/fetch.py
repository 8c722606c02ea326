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

from kubewright import content, files, recipes, resolution
from kubewright.cache import Cache
from kubewright.errors import RequestError, VerificationFailed
from kubewright.gobuild import go, toolchain
from kubewright.gobuild import programs as compiler
from kubewright.log import console
from kubewright.models.lock import Check, Input, Release
from kubewright.settings import Settings
from kubewright.upstream import Upstream
from kubewright.workspace import Workspace

log = logging.getLogger(__name__)


def fetch(workspace: Workspace, settings: Settings) -> Release:
    """Bring what the cache lacks, and return the lock, completed where it was resolved offline."""
    release = workspace.release()
    recipes.node_spec(release)  # refuses what can be resolved only
    upstream = Upstream(settings.upstream)
    if any(entry.check is None for entry in release.inputs):
        release = _complete(release, upstream, settings)
    cache = Cache(settings.cache)
    upstreams = [entry for entry in release.inputs if entry.check is not Check.built]
    missing = [
        entry for entry in upstreams if entry.sha256 is None or not cache.holds(entry.sha256)
    ]
    log.info("fetch %s: %d inputs, %d to bring", release.name, len(release.inputs), len(missing))
    digests = _bring(missing, cache, upstream, settings.jobs)
    digests |= _compile(
        [entry for entry in release.inputs if entry.check is Check.built], cache, release
    )
    settled = tuple(
        entry.model_copy(update={"sha256": digests.get(entry.id, entry.sha256)})
        for entry in release.inputs
    )
    release = release.model_copy(update={"inputs": settled})
    workspace.save_lock(release)
    return release


def _complete(release: Release, upstream: Upstream, settings: Settings) -> Release:
    """Learn the digests that an offline resolution could not ask for."""
    unknown = [entry for entry in release.inputs if entry.check is None]
    inputs, gaps = resolution.pin_inputs(
        unknown, recipes.components(), upstream,
        allow_unverified=settings.allow_unverified, jobs=settings.jobs,
        optional=[one.component for one in release.request.wanted] if release.request else (),
    )  # fmt: skip
    known = tuple(entry for entry in release.inputs if entry.check is not None)
    return release.model_copy(
        update={"inputs": (*inputs, *known), "unavailable": (*release.unavailable, *gaps)}
    )


def _compile(wanted: list[Input], cache: Cache, release: Release) -> dict[str, str]:
    """Compile what no upstream has; what the cache holds needs no Go."""
    return {
        entry.id: _compiled(entry, cache, release.source_date_epoch)
        for entry in wanted
        if entry.sha256 is None or not cache.holds(entry.sha256)
    }


def _compiled(entry: Input, cache: Cache, epoch: int) -> str:
    """The digest of a built input, compiled into the cache.

    Raises RequestError if the lock was resolved when it was made from something else,
    VerificationFailed if the lock knows another digest.
    """
    images = content.folder("images")
    if entry.url != compiler.lock_address(entry.version, entry.arch, epoch=epoch, content=images):
        raise RequestError(
            f"{entry.id}: the lock has {entry.url}, but what it is made from has changed since; run "
            "`kubewright resolve` again, with the same options"
        )
    made = compiler.hyperkube(
        entry.version,
        entry.arch,
        epoch=epoch,
        cache=cache.root,
        content=images,
        progress=go.announce,
    )
    digest = files.sha256_of(made)
    if entry.sha256 not in (None, digest):
        raise VerificationFailed(
            f"{entry.id}: its SHA-256 is {digest}, compiled with Go {toolchain.find().identity}, but the lock says "
            f"{entry.sha256}; compile it with the Go that the lock was made with, or delete the lock and run "
            "`kubewright resolve` again to take this one"
        )
    return cache.adopt(made)


def _bring(missing: list[Input], cache: Cache, upstream: Upstream, jobs: int) -> dict[str, str]:
    """Fetch in parallel; the first failure stops what has not begun."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    with (
        Progress(*columns, console=console(), transient=True) as progress,
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
