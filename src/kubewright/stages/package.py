"""package: builds the debs and rpms of the lock into `dist/NAME/packages/`."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from kubewright import __version__, checked, files, recipes
from kubewright.cache import Cache
from kubewright.errors import RequestError
from kubewright.models.artifact import Builder, Package, Record, Skipped
from kubewright.models.build import Build, Built
from kubewright.packagers import PACKAGERS, closure
from kubewright.packagers.plan import Circumstances, PlannedPackage, materials, plan, wanted
from kubewright.settings import Settings
from kubewright.signing.certificate import Certificate
from kubewright.signing.certificate import read as read_certificate
from kubewright.signing.keyring import armored, merged
from kubewright.site import layout
from kubewright.stages.build_package import (
    KEYRING,
    PACKAGES,
    Job,
    Sources,
    build_package,
    carried,
    entry_channel,
)
from kubewright.stages.content_digest import content_digest
from kubewright.workspace import Workspace

log = logging.getLogger(__name__)


def package(workspace: Workspace, settings: Settings, key: Certificate, keyring: bytes) -> Record:
    """Build what has changed; with `--only`, just what it names.

    `key` is the public part of the repository key, `keyring` every certificate that users
    of the site shall trust, in one binary file.
    """
    job = _job(workspace, settings, key, keyring)
    release = job.release
    everything = plan(release) if settings.only != "*" else []
    chosen = wanted(everything, settings.only) if everything else []
    done = workspace.done("package", job.mark)
    if done is not None:
        log.info(
            "package %s: nothing to do, %d packages are there", release.name, len(done.packages)
        )
        return done
    everything = everything or plan(release)
    record = _build_all(job, everything, chosen or everything)
    workspace.save(record)
    if job.made_from["recipes"] != release.recipes:
        log.warning(
            "package %s: the recipes or content have changed since the lock was resolved; before "
            "you sign, run `kubewright resolve %s` and `kubewright package` again",
            release.name,
            release.tag,
        )
    return record


def _job(workspace: Workspace, settings: Settings, key: Certificate, keyring: bytes) -> Job:
    """Everything that the packages of a lock are made from."""
    node_spec = recipes.node_spec(workspace.release())  # refuses what can be resolved only
    release = workspace.completed()
    variables = {
        # a name for images, not an address
        "registry": settings.registry.split("://")[-1].rstrip("/"),
        "site_url": settings.url.rstrip("/"),
        "channel": entry_channel(release),
        "key_name": KEYRING,
        "key_armored": armored(keyring),
        "key_date": datetime.fromtimestamp(key.usable_from, UTC).strftime("%Y.%m.%d"),
        "node_spec": node_spec,
    }
    tool = Builder(name=settings.backend, version=PACKAGERS[settings.backend].version())
    tools = {tool.name: tool.version, "kubewright": __version__}
    return Job(
        workspace=workspace,
        settings=settings,
        release=release,
        around=Circumstances(keyring, variables, tools),
        tool=tool,
        made_from=workspace.made_from("fetch") | {"recipes": content_digest(release)},
        options={
            "url": settings.url,
            "registry": settings.registry,
            "repo_key": key.fingerprint,
        },
    )


def _build_all(
    job: Job, planned: Sequence[PlannedPackage], chosen: Sequence[PlannedPackage]
) -> Record:
    """Build those of `chosen` that are not there as they would be built; list all that are."""
    release = job.release
    gaps = {package.id: gap for package in planned if (gap := package.gap(release))}
    _refuse_skipped(chosen, gaps, job.settings.only)
    if len(chosen) == len(planned):
        _refuse_gaps(planned, gaps)
    builds = {
        package.id: materials(package, release, job.around, carried(package.recipe, release))
        for package in planned
        if package.id not in gaps
    }
    current = _current(job.workspace, builds)
    missing = [package for package in chosen if package.id in builds and package.id not in current]
    sources = _sources(job, missing)

    def build(package: PlannedPackage) -> Built[Package]:
        build = builds[package.id]
        return Built(digest=build.digest, build=build, product=build_package(job, package, sources))

    with ThreadPoolExecutor(job.settings.jobs) as pool:
        for built in pool.map(build, missing):
            files.write(_beside(job.workspace, built.product), built.to_bytes())
            current[built.build.id] = built
    kept = len(current) - len(missing)
    log.info("package %s: %d built, %d kept", release.name, len(missing), kept)
    complete = len(current) == len(builds)
    if complete:
        _refuse_gaps(planned, gaps)
    return _record(job, planned, gaps, current, complete=complete)


def _record(
    job: Job,
    planned: Sequence[PlannedPackage],
    gaps: Mapping[str, str],
    current: Mapping[str, Built[Package]],
    *,
    complete: bool,
) -> Record:
    """What is there of the planned packages, with their builds."""
    skipped = []
    for package in planned:
        if package.id in gaps:
            log.warning("%s: skipped: %s", package.id, gaps[package.id])
            name = f"{package.recipe.name} ({package.format})"
            skipped.append(Skipped(name=name, arch=package.arch, reason=gaps[package.id]))
    root = job.workspace.root
    packages = [current[package.id].product for package in planned if package.id in current]
    packages.sort(key=lambda package: package.path)
    notes = [_beside(job.workspace, package) for package in packages]
    return Record(
        stage="package",
        fingerprint=job.mark,
        made_from=job.made_from,
        complete=complete,
        options=job.options,
        packages=tuple(packages),
        files={str(path.relative_to(root)): checked.sha256_of(path) for path in notes},
        skipped=tuple(skipped),
        builders=(job.tool,),
    )


def _beside(workspace: Workspace, package: Package) -> Path:
    """Where the build of a package is stated."""
    return workspace.root / f"{package.path}.build.json"


def _current(workspace: Workspace, builds: Mapping[str, Build]) -> dict[str, Built[Package]]:
    """The packages that are there, whole and built from just this, by the id of their build."""
    current = {}
    for path in sorted((workspace.root / PACKAGES).glob("*/*.build.json")):
        try:
            built = Built[Package].from_bytes(path.read_bytes())
        except ValidationError:
            continue  # of another version: it is built again
        build = builds.get(built.build.id)
        if build and build.digest == built.digest and workspace.sound(built.product):
            current[build.id] = built
    return current


def _sources(job: Job, packages: Iterable[PlannedPackage]) -> Sources:
    """The fetched files of some packages, checked."""
    cache = Cache(job.settings.cache)
    known = {(entry.component, entry.name, entry.arch): entry for entry in job.release.inputs}
    used = {key for package in packages for key in package.inputs(job.release)}
    return {key: cache.use(entry) for key, entry in known.items() if key in used}


def _refuse_gaps(planned: Sequence[PlannedPackage], gaps: Mapping[str, str]) -> None:
    """A release must not have packages that nobody could install."""
    possible, reasons = [], {}
    for package in planned:
        if package.id in gaps:
            reasons[package.recipe.name, package.arch] = gaps[package.id]
        else:
            possible.append((package.recipe.name, package.arch, package.format))
    for name, needed, arch in closure.gaps(possible, recipes.packages()):
        why = reasons.get((needed, arch), "not built")
        raise RequestError(
            f"{name} could not be installed on {arch}",
            f"it needs {needed}, which was skipped: {why}",
            "use an upstream that has it, or leave the architecture out with --arch",
        )


def _refuse_skipped(chosen: Sequence[PlannedPackage], gaps: Mapping[str, str], only: str) -> None:
    """What is asked for by its name must not be left out."""
    reasons = [gaps[package.id] for package in chosen if package.id in gaps]
    if reasons and "*" not in only:
        raise RequestError(
            f"--only {only}", f"cannot be built: {reasons[0]}", "use an upstream that has it"
        )


def certificate(settings: Settings) -> Certificate:
    """The public half of the repository key, which may be given alone: no secret is needed here.

    Raises as `signing.certificate.read` does.
    """
    return read_certificate(settings.repo_key, settings.now)


def site_keyring(certificate: bytes, read: Callable[[str], bytes | None]) -> bytes:
    """Every certificate that users of a site shall trust, the current one first.

    `read` gives an object of the site, None if there is none.
    """
    earlier = read(layout.KEYRING)
    return merged(certificate, [earlier] if earlier else [])
