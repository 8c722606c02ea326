"""fetch: brings every input of the lock into the cache, checked."""

import logging
from concurrent.futures import ThreadPoolExecutor

from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from kubewright import content, recipes, resolution
from kubewright.cache import Cache
from kubewright.compile import build as compiler
from kubewright.log import console
from kubewright.models.lock import Check, Input, Release
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
    upstreams = [entry for entry in release.inputs if entry.check is not Check.built]
    missing = [entry for entry in upstreams if entry.sha256 is None or not cache.holds(entry.sha256)]
    log.info("fetch %s: %d inputs, %d to bring", release.name, len(release.inputs), len(missing))
    digests = _bring(missing, cache, upstream, settings.jobs)
    digests |= _compile([entry for entry in release.inputs if entry.check is Check.built], cache, release)
    settled = tuple(
        entry.model_copy(update={"sha256": digests.get(entry.id, entry.sha256)}) for entry in release.inputs
    )
    release = release.model_copy(update={"inputs": settled})
    workspace.save_lock(release)
    return release


def _complete(release: Release, upstream: Upstream, settings: Settings) -> Release:
    """Learn the digests that an offline resolution could not ask for."""
    unknown = [entry for entry in release.inputs if entry.check is None]
    inputs, gaps = resolution.survey(
        unknown, recipes.components(), upstream,
        allow_unverified=settings.allow_unverified, jobs=settings.jobs,
    )  # fmt: skip
    known = tuple(entry for entry in release.inputs if entry.check is not None)
    return release.model_copy(update={"inputs": (*inputs, *known), "unavailable": (*release.unavailable, *gaps)})


def _compile(wanted: list[Input], cache: Cache, release: Release) -> dict[str, str]:
    """Compile what no upstream has. The compiler's own cache makes a second time cost nothing."""
    return {
        entry.id: cache.adopt(
            compiler.hyperkube(
                entry.version, entry.arch, epoch=release.source_date_epoch, cache=cache.root,
                content=content.folder("images"), progress=_counting,
            )
        )
        for entry in wanted
    }  # fmt: skip


def _counting(what: str, packages: int) -> None:
    """A compilation is under way: say so now and then."""
    if packages % 200 == 0:
        log.info("%s: %d packages compiled", what, packages)


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
