"""package: builds the debs and rpms of the lock into `dist/NAME/packages/`."""

import logging
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from kubewright import __version__, content, files, recipes, versions
from kubewright.cache import Cache
from kubewright.errors import RequestError
from kubewright.inputs import Missing
from kubewright.models.artifact import Builder, Package, Record, Skipped
from kubewright.models.base import Arch, Format
from kubewright.models.description import Description
from kubewright.models.lock import Release
from kubewright.models.recipe import Recipe, Relations
from kubewright.packagers import PACKAGERS, closure, doc_files, payload
from kubewright.packagers.describe import describe, template_variables
from kubewright.settings import Settings
from kubewright.signing.keyring import armored
from kubewright.signing.roles import RepoKey
from kubewright.signing.rpm import unsigned_sha256
from kubewright.site import layout
from kubewright.stages import image
from kubewright.workspace import Workspace, fingerprint, folder_digests

log = logging.getLogger(__name__)

Sources = dict[tuple[str, str, Arch], Path]
"""Fetched files by component, name and architecture."""

KEYRING = "kubewright-archive-keyring.gpg"
"""File name of the installed keyring, below /usr/share/keyrings/."""


@dataclass(frozen=True)
class Build:
    """One package to be built."""

    recipe: Recipe
    arch: Arch | Literal["all"]
    format: Format

    @property
    def id(self) -> str:
        """What messages call it: `kubelet.amd64.deb`."""
        return f"{self.recipe.name}.{self.arch}.{self.format}"


@dataclass(frozen=True)
class Job:
    """What decides the packages of a release, beside the recipes."""

    release: Release
    settings: Settings
    keyring: bytes
    variables: dict[str, Any]
    tool: Builder
    mark: str

    @property
    def partial_mark(self) -> str:
        """The fingerprint of a record that has some of the packages only."""
        return fingerprint(self.mark, "partial")


def job(release: Release, settings: Settings, key: RepoKey, keyring: bytes) -> Job:
    """Everything that the packages are made from, under one fingerprint."""
    variables = _variables(release, settings, key, keyring)
    tool = Builder(name=settings.backend, version=PACKAGERS[settings.backend].version())
    mark = fingerprint(
        __version__,
        release.model_dump(exclude={"distributions"}),
        tool.model_dump(),
        files.sha256(keyring),
        {name: value for name, value in variables.items() if isinstance(value, str)},
        variables["node_spec"].model_dump(),
        image.carried(release),
        {name: recipe.model_dump() for name, recipe in recipes.packages().items()},
        {name: (one.home, one.license) for name, one in recipes.components().components.items()},
        folder_digests(content.folder("packaging")),
        folder_digests(content.folder("repo"), ("templates/kubewright.*",)),
    )
    return Job(release, settings, keyring, variables, tool, mark)


def package(workspace: Workspace, settings: Settings, key: RepoKey, keyring: bytes) -> Record:
    """Build what has changed; with `--only`, just that, keeping what else was built from the same
    inputs.
    """
    what = job(workspace.release(), settings, key, keyring)
    everything = plan(what.release)
    builds = wanted(everything, settings.only)
    done = workspace.done("package", what.mark)
    if done is not None:
        log.info(
            "package %s: nothing to do, %d packages are there",
            what.release.name,
            len(done.packages),
        )
        return done
    built, skipped = _build_all(builds, what, workspace)
    if settings.only != "*":
        _refuse_skipped(skipped, settings.only)
        built, skipped = _merge(workspace, what, built, skipped)
    complete = len(built) + len(skipped) == len(everything)
    if complete:
        _refuse_gaps(built, skipped)
    record = Record(
        stage="package",
        fingerprint=what.mark if complete else what.partial_mark,
        packages=tuple(built),
        skipped=tuple(skipped),
        builders=(what.tool,),
    )
    workspace.save(record)
    return record


def plan(release: Release) -> list[Build]:
    """Every package that the recipes make of a release."""
    return [
        Build(recipe, arch, form)
        for recipe in recipes.packages().values()
        if (release.monolith or not recipe.monolith) and _possible(recipe, release)
        for arch in _architectures(recipe, release)
        for form in Format
    ]


def wanted(everything: Sequence[Build], only: str) -> list[Build]:
    """What has a recipe whose name `only` matches (a name or a pattern). Raises RequestError for
    nothing.
    """
    found = [build for build in everything if fnmatchcase(build.recipe.name, only)]
    if not found:
        known = ", ".join(sorted({build.recipe.name for build in everything}))
        raise RequestError(f"--only {only}: no package is called so; there are {known}")
    return found


def _possible(recipe: Recipe, release: Release) -> bool:
    """Whether a release has the components that a package is of or names: some do without
    Docker.
    """
    own = (recipe.relations, recipe.deb, recipe.rpm)
    texts = (
        text
        for relations in own
        for key in Relations.model_fields
        for text in getattr(relations, key)
    )
    named = {
        name for text in texts for name in recipes.components().components if f"{{{name}" in text
    }
    return all(map(release.has, {recipe.component, *named}))


def _architectures(recipe: Recipe, release: Release) -> Sequence[Arch | Literal["all"]]:
    return ("all",) if recipe.all_architectures else release.architectures


def _variables(
    release: Release, settings: Settings, key: RepoKey, keyring: bytes
) -> dict[str, Any]:
    return {
        "registry": settings.registry.split("://")[-1].rstrip(
            "/"
        ),  # a name for images, not an address
        "site_url": settings.url.rstrip("/"),
        "channel": entry_channel(release),
        "key_name": KEYRING,
        "key_armored": armored(keyring),
        "key_date": datetime.fromtimestamp(key.created, UTC).strftime("%Y.%m.%d"),
        "node_spec": recipes.node_spec(release),
    }


def carried(recipe: Recipe, release: Release) -> dict[str, str]:
    """The versions that a package of the one program states: those in it, not those of the separate
    packages.
    """
    found = image.carried(release) if recipe.monolith else {}
    return {name: versions.package_version(version) for name, version in found.items()}


def entry_channel(release: Release) -> str:
    """The channel that installed entries follow: the minor's own, for a plain upgrade must not
    cross a minor.

    It does not depend on where the release is published: the same release may go to more channels
    later.
    """
    return f"stable-{release.minor}" if versions.is_final(release.kubernetes) else "latest"


def _build_all(
    wanted: list[Build], what: Job, workspace: Workspace
) -> tuple[list[Package], list[Skipped]]:
    cache = Cache(what.settings.cache)
    sources = {
        (entry.component, entry.name, entry.arch): cache.use(entry) for entry in what.release.inputs
    }

    def one(build: Build) -> Package | Skipped:
        try:
            return _build(build, what, workspace, sources)
        except Missing as gap:
            log.warning("%s: skipped: %s", build.id, gap)
            return Skipped(
                name=f"{build.recipe.name} ({build.format})", arch=build.arch, reason=str(gap)
            )

    with ThreadPoolExecutor(what.settings.jobs) as pool:
        results = list(pool.map(one, wanted))
    packages = sorted(
        (one for one in results if isinstance(one, Package)), key=lambda one: one.path
    )
    return packages, [one for one in results if isinstance(one, Skipped)]


def _build(build: Build, what: Job, workspace: Workspace, sources: Sources) -> Package:
    arch = build.arch if isinstance(build.arch, Arch) else what.release.architectures[0]
    filled = template_variables(build.recipe, what.release, build.format, what.variables)
    with tempfile.TemporaryDirectory(prefix="kubewright-") as name, files.explained(name):
        work = Path(name)
        (work / KEYRING).write_bytes(what.keyring)

        def source(component: str, file: str) -> Path:
            return (
                work / KEYRING
                if component == "keyring"
                else _source(build, what.release, sources, component, file, arch)
            )

        entries = payload.gather(build.recipe, build.format, arch, source, filled, work / "payload")
        scripts = payload.scripts(build.recipe, filled)
        extra = {"key_date": str(what.variables["key_date"]), **carried(build.recipe, what.release)}
        upstream = recipes.components().components[build.recipe.component]
        description = describe(
            build.recipe, upstream, what.release, build.arch, build.format, entries, scripts, extra
        )
        description = doc_files.add(description, work / "documents")
        target = workspace.root / "packages" / build.format / description.filename
        made = work / description.filename
        PACKAGERS[what.settings.backend].package(description, work, made)
        with files.replacing(target) as stream:
            stream.write(made.read_bytes())
    log.info("built %s", description.filename)
    return recorded(workspace, target, description)


def _source(
    build: Build, release: Release, sources: Sources, component: str, file: str, arch: Arch
) -> Path:
    gap = release.missing(component, file, arch)
    if gap is not None:
        raise Missing(gap)
    try:
        return sources[component, file, arch]
    except KeyError as error:
        raise RequestError(
            f"recipes/packages/{build.recipe.name}.toml: no input {component}/{file} in recipes/components.toml"
        ) from error


def recorded(workspace: Workspace, path: Path, description: Description) -> Package:
    """A built package as the record lists it."""
    data = path.read_bytes()
    form = description.format
    return Package(
        name=path.name,
        kind=form.value,
        arch=description.arch,
        path=str(path.relative_to(workspace.root)),
        url=layout.pool_path(description.name, path.name, form),
        size=len(data),
        sha256=files.sha256(data),
        media_type=layout.MEDIA_TYPES[form],
        package=description.name,
        format=form,
        version=f"{description.version}-{description.revision}",
        epoch=description.epoch,
        upstream=description.version,
        unsigned_sha256=unsigned_sha256(data, name=path.name)
        if form is Format.rpm
        else files.sha256(data),
    )


def _merge(
    workspace: Workspace, what: Job, built: list[Package], skipped: list[Skipped]
) -> tuple[list[Package], list[Skipped]]:
    """What was built now, beside what an earlier run built from the same inputs."""
    record = workspace.record("package")
    if record is not None and record.fingerprint == what.partial_mark:
        kept = {one.path: one for one in record.packages if workspace.sound(one)}
        built = sorted((kept | {one.path: one for one in built}).values(), key=lambda one: one.path)
        skipped = list({(one.name, one.arch): one for one in (*record.skipped, *skipped)}.values())
    return built, skipped


def _refuse_gaps(built: list[Package], skipped: list[Skipped]) -> None:
    """A release whose packages cannot be installed is none."""
    there = [(one.package, one.arch, one.format) for one in built]
    for name, wanted, arch in closure.gaps(there, recipes.packages()):
        why = next(
            (
                gap.reason
                for gap in skipped
                if gap.name.startswith(f"{wanted} ") and gap.arch == arch
            ),
            "not built",
        )
        raise RequestError(
            f"{name} could not be installed on {arch}: it needs {wanted}, which was skipped: {why}; "
            "use an upstream that has it, or leave the architecture out with --arch"
        )


def _refuse_skipped(skipped: list[Skipped], only: str) -> None:
    if skipped and "*" not in only:
        raise RequestError(f"--only {only}: cannot be built: {skipped[0].reason}")
