"""fetch: brings every input of the lock into the cache, checked."""

import logging
from concurrent.futures import ThreadPoolExecutor

from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from kubewright import recipes, resolution
from kubewright.cache import Cache
from kubewright.log import console
from kubewright.models.lock import Input, Release
from kubewright.settings import Settings
from kubewright.upstream import Upstream
from kubewright.workspace import Workspace

log = logging.getLogger(__name__)


def fetch(workspace: Workspace, settings: Settings) -> Release:
    """Bring what the cache lacks, and return the lock, completed where it was resolved offline."""
    release = workspace.release()
    upstream = Upstream(settings.upstream)
    if any(entry.check is None for entry in release.inputs):
        release = _complete(release, upstream, settings)
    cache = Cache(settings.cache)
    missing = [entry for entry in release.inputs if entry.sha256 is None or not cache.holds(entry.sha256)]
    log.info("fetch %s: %d inputs, %d to bring", release.name, len(release.inputs), len(missing))
    if settings.dry_run:
        for entry in missing:
            log.info("would fetch %s", entry.url)
        return release
    digests = _bring(missing, cache, upstream, settings.jobs)
    settled = tuple(
        entry.model_copy(update={"sha256": digests.get(entry.id, entry.sha256)}) for entry in release.inputs
    )
    release = release.model_copy(update={"inputs": settled})
    workspace.save_lock(release)
    return release


def _complete(release: Release, upstream: Upstream, settings: Settings) -> Release:
    """Learn the digests that an offline resolution could not ask for."""
    inputs, gaps = resolution.survey(
        release.inputs, recipes.components(), upstream,
        allow_unverified=settings.allow_unverified, jobs=settings.jobs,
    )  # fmt: skip
    return release.model_copy(update={"inputs": inputs, "unavailable": (*release.unavailable, *gaps)})


def _bring(missing: list[Input], cache: Cache, upstream: Upstream, jobs: int) -> dict[str, str]:
    """Fetch in parallel; the first failure stops what has not begun."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True) as progress, ThreadPoolExecutor(jobs) as pool:

        def one(entry: Input) -> str:
            task: TaskID = progress.add_task(entry.id, total=None)
            try:
                return cache.fetch(
                    upstream, entry, lambda have, total: progress.update(task, completed=have, total=total)
                )
            finally:
                progress.remove_task(task)

        futures = {entry.id: pool.submit(one, entry) for entry in missing}
        try:
            return {name: future.result() for name, future in futures.items()}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
