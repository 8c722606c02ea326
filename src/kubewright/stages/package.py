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

from kubewright import content, files, recipes
from kubewright.cache import Cache
from kubewright.errors import RequestError
from kubewright.models.artifact import Builder, Package, Record, Skipped
from kubewright.models.base import Arch, Format
from kubewright.models.description import Description
from kubewright.models.lock import Release
from kubewright.models.recipe import Recipe
from kubewright.packagers import PACKAGERS, documents, payload
from kubewright.packagers.describe import describe, template_variables
from kubewright.repos import layout
from kubewright.settings import Settings
from kubewright.signing.keys import RepoKey
from kubewright.signing.rpm import unsigned_sha256
from kubewright.workspace import Workspace, fingerprint, folder_digests

log = logging.getLogger(__name__)

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
        """What messages and `--only` call it: `kubelet.amd64.deb`."""
        return f"{self.recipe.name}.{self.arch}.{self.format}"


def package(workspace: Workspace, settings: Settings, key: RepoKey) -> Record:
    """Build what has changed; with `--only`, just that, keeping what else is recorded."""
    release = workspace.release()
    packager = PACKAGERS[settings.backend]
    variables = _variables(release, settings, key)
    tool = Builder(name=settings.backend, version=packager.version())
    mark = fingerprint(
        [entry.model_dump() for entry in release.inputs], [one.version for one in release.components],
        release.name, release.source_date_epoch, list(release.architectures), tool.model_dump(), settings.only,
        {key: value for key, value in variables.items() if isinstance(value, str)}, variables["node_spec"].model_dump(),
        {name: recipe.model_dump() for name, recipe in recipes.packages().items()},
        folder_digests(content.folder("packaging")), folder_digests(content.folder("repo")),
    )  # fmt: skip
    done = workspace.done("package", mark)
    if done is not None:
        log.info("package %s: nothing to do, %d packages are there", release.name, len(done.packages))
        return done
    wanted = [build for build in plan(release) if fnmatchcase(build.recipe.name, settings.only)]
    if not wanted:
        raise RequestError(
            f"--only {settings.only}: no package is called so; there are {', '.join(recipes.packages())}"
        )
    built, skipped = _build_all(wanted, release, workspace, settings, key, variables)
    if settings.only != "*":
        _refuse_skipped(skipped, settings.only)
        built = _merge(workspace, built)
    record = Record(stage="package", fingerprint=mark, packages=tuple(built), skipped=tuple(skipped), builders=(tool,))
    workspace.save(record)
    return record


def plan(release: Release) -> list[Build]:
    """Every package that the recipes make of a release."""
    return [
        Build(recipe, arch, form)
        for recipe in recipes.packages().values()
        for arch in _architectures(recipe, release)
        for form in Format
    ]


def _architectures(recipe: Recipe, release: Release) -> Sequence[Arch | Literal["all"]]:
    return ("all",) if recipe.all_architectures else release.architectures


def _variables(release: Release, settings: Settings, key: RepoKey) -> dict[str, Any]:
    return {
        "registry": settings.registry,
        "site_url": settings.url.rstrip("/"),
        "channel": f"stable-{release.minor}" if "-" not in release.kubernetes else "latest",
        "key_name": KEYRING,
        "key_armored": key.armored,
        "key_date": datetime.fromtimestamp(key.created, UTC).strftime("%Y.%m.%d"),
        "node_spec": recipes.node_spec(release),
    }


def _build_all(
    wanted: list[Build],
    release: Release,
    workspace: Workspace,
    settings: Settings,
    key: RepoKey,
    variables: dict[str, Any],
) -> tuple[list[Package], list[Skipped]]:
    cache = Cache(settings.cache)
    sources = {(entry.component, entry.name, entry.arch): cache.use(entry) for entry in release.inputs}

    def one(build: Build) -> Package | Skipped:
        try:
            return _build(build, release, workspace, settings, key, variables, sources)
        except payload.Missing as gap:
            log.warning("%s: skipped: %s", build.id, gap)
            return Skipped(name=f"{build.recipe.name} ({build.format})", arch=build.arch, reason=str(gap))

    with ThreadPoolExecutor(settings.jobs) as pool:
        results = list(pool.map(one, wanted))
    packages = sorted((one for one in results if isinstance(one, Package)), key=lambda one: one.path)
    return packages, [one for one in results if isinstance(one, Skipped)]


def _build(
    build: Build, release: Release, workspace: Workspace, settings: Settings, key: RepoKey,
    variables: dict[str, Any], sources: dict[tuple[str, str, Arch], Path],
) -> Package:  # fmt: skip
    arch = build.arch if isinstance(build.arch, Arch) else release.architectures[0]
    filled = template_variables(build.recipe, release, build.format, variables)
    with tempfile.TemporaryDirectory(prefix="kubewright-") as name:
        work = Path(name)
        (work / KEYRING).write_bytes(key.certificate)

        def source(component: str, file: str) -> Path:
            if component == "keyring":
                return work / KEYRING
            gap = release.missing(component, file, arch)
            if gap is not None:
                raise payload.Missing(gap)
            try:
                return sources[component, file, arch]
            except KeyError as error:
                raise RequestError(
                    f"recipes/packages/{build.recipe.name}.toml: no input {component}/{file} in recipes/components.toml"
                ) from error

        entries = payload.gather(build.recipe, build.format, arch, source, filled, work / "payload")
        scripts = payload.scripts(build.recipe, filled)
        extra = {"key_date": str(variables["key_date"])}
        description = describe(build.recipe, release, build.arch, build.format, entries, scripts, extra)
        upstream = recipes.components().components[build.recipe.component]
        description = documents.add(description, upstream, work / "documents")
        target = workspace.root / "packages" / build.format / description.filename
        made = work / description.filename
        PACKAGERS[settings.backend].package(description, work, made)
        with files.replacing(target) as stream:
            stream.write(made.read_bytes())
    log.info("built %s", description.filename)
    return recorded(workspace, target, description)


def recorded(workspace: Workspace, path: Path, description: Description) -> Package:
    """A built package as the record lists it."""
    data = path.read_bytes()
    form = description.format
    return Package(
        name=path.name, kind=form.value, arch=description.arch, path=str(path.relative_to(workspace.root)),
        url=layout.pool_path(description.name, path.name, form),
        size=len(data), sha256=files.sha256(data), media_type=layout.MEDIA_TYPES[form],
        package=description.name, format=form, version=f"{description.version}-{description.revision}",
        epoch=description.epoch, upstream=description.version,
        unsigned_sha256=unsigned_sha256(data, name=path.name) if form is Format.rpm else files.sha256(data),
    )  # fmt: skip


def _merge(workspace: Workspace, built: list[Package]) -> list[Package]:
    """What was built now, beside what earlier runs recorded of other packages."""
    record = workspace.record("package")
    kept = [one for one in (record.packages if record else ()) if workspace.sound(one)]
    return sorted(
        ({one.path: one for one in kept} | {one.path: one for one in built}).values(), key=lambda one: one.path
    )


def _refuse_skipped(skipped: list[Skipped], only: str) -> None:
    if skipped and "*" not in only:
        raise RequestError(f"--only {only}: cannot be built: {skipped[0].reason}")
