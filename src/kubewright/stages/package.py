"""package: builds the debs and rpms of the lock into `dist/NAME/packages/`."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kubewright import __version__, checked, files
from kubewright.cache import Cache
from kubewright.course import Tally
from kubewright.models.artifact import Builder, Package, Record
from kubewright.models.build import Build, Built
from kubewright.models.lock import Release
from kubewright.models.recipe import Recipe
from kubewright.packagers import PACKAGERS
from kubewright.packagers.plan import Circumstances, PlannedPackage, materials, plan, wanted
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.certificate import read as read_certificate
from kubewright.signing.keyring import armored
from kubewright.signing.public import RepoPublicKey
from kubewright.stages import package_gaps
from kubewright.stages.build_package import (
    KEYRING,
    PACKAGES,
    PackageBuilder,
    Sources,
    carried,
    entry_channel,
)
from kubewright.stages.content_digest import content_digest
from kubewright.stages.keys import coming
from kubewright.workspace import Workspace, fingerprint

log = logging.getLogger(__name__)


def package(
    workspace: Workspace, settings: Settings, recipes: Recipes, key: RepoPublicKey, keyring: bytes
) -> Record:
    """Build what has changed; with `--only`, just what it names.

    `key` is the public part of the repository key, `keyring` every certificate that users
    of the site shall trust, in one binary file.
    """
    node_spec = recipes.node_spec(workspace.release())  # refuses what can be resolved only
    release = workspace.completed()
    compression = settings.compression or ("fast" if key.development else "small")
    around = Circumstances(
        recipes.root,
        keyring,
        _variables(release, settings, key, keyring) | {"node_spec": node_spec},
        {**PACKAGERS[settings.backend].tools(compression), "kubewright": __version__},
        carried(release, recipes.images),
        settings.maintainer,
    )
    head = _head(workspace, settings, key, around, content_digest(release, recipes))
    everything = _everything(release, recipes) if settings.only != "*" else []
    chosen = wanted(everything, settings.only) if everything else []
    done = workspace.done("package", head.fingerprint)
    if done is not None:
        log.info(
            "package %s: nothing to do, %d packages are there", release.name, len(done.packages)
        )
        return done
    everything = everything or _everything(release, recipes)
    cache = Cache(settings.cache)
    builder = PackageBuilder(workspace, release, around, cache, settings.backend, compression)
    record = _build_all(builder, settings, everything, chosen or everything, head, recipes.packages)
    workspace.save(record)
    _warn_of_other_recipes(record, release)
    return record


def _warn_of_other_recipes(record: Record, release: Release) -> None:
    if record.made_from["recipes"] != release.recipes:
        log.warning(
            "package %s: the recipes or content have changed since the lock was resolved; before "
            "you sign, run `kubewright release %s`, or every stage from `resolve` on",
            release.name,
            release.tag,
        )


def _everything(release: Release, recipes: Recipes) -> list[PlannedPackage]:
    """Every package that the recipes make of the release."""
    return plan(release, recipes.packages.values(), recipes.components)


def _variables(
    release: Release, settings: Settings, key: RepoPublicKey, keyring: bytes
) -> dict[str, Any]:
    """What templates may use, but for what follows from release and recipe."""
    return {
        # a name for images, not an address
        "registry": settings.registry.split("://")[-1].rstrip("/"),
        "site_url": settings.url.rstrip("/"),
        "channel": entry_channel(release),
        "key_name": KEYRING,
        "key_armored": armored(keyring),
        "key_date": datetime.fromtimestamp(key.created, UTC).strftime("%Y.%m.%d"),
    }


def _head(
    workspace: Workspace,
    settings: Settings,
    key: RepoPublicKey,
    around: Circumstances,
    recipes_now: str,
) -> Record:
    """The record of the stage before anything is built."""
    made_from = workspace.made_from("fetch") | {"recipes": recipes_now}
    options = {
        "url": settings.url,
        "registry": settings.registry,
        "repo_key": key.fingerprint,
        "keyring": files.sha256(around.keyring),
        "maintainer": settings.maintainer,
    }
    mark = fingerprint(
        made_from,
        options,
        dict(around.tools),
        around.variables["key_date"],
    )
    tools = (Builder(name=name, version=around.tools[name]) for name in sorted(around.tools))
    return Record(
        stage="package",
        fingerprint=mark,
        made_from=made_from,
        complete=False,
        options=options,
        builders=tuple(tools),
    )


def _build_all(
    builder: PackageBuilder,
    settings: Settings,
    planned: Sequence[PlannedPackage],
    chosen: Sequence[PlannedPackage],
    head: Record,
    recipes: Mapping[str, Recipe],
) -> Record:
    """Build those of `chosen` that are not there as they would be built; list all that are."""
    release, workspace = builder.release, builder.workspace
    gaps = {package.id: gap for package in planned if (gap := package.gap(release))}
    package_gaps.refuse_wanted(chosen, gaps, settings.only)
    if len(chosen) == len(planned):
        package_gaps.refuse(planned, gaps, recipes, release)
    builds = {
        package.id: materials(package, release, builder.around)
        for package in planned
        if package.id not in gaps
    }
    current = _current(workspace, builds)
    missing = [package for package in chosen if package.id in builds and package.id not in current]
    log.info("package %s: %d to build, %d kept", release.name, len(missing), len(current))
    for built in _build(builder, settings, missing, builds):
        files.write(_beside(workspace, built.product), built.to_bytes())
        current[built.build.id] = built
    complete = len(current) == len(builds)
    if complete:
        package_gaps.refuse(planned, gaps, recipes, release)
    products = sorted((built.product for built in current.values()), key=_path)
    notes = [_beside(workspace, product) for product in products]
    return head.model_copy(
        update={
            "complete": complete,
            "packages": tuple(products),
            "files": {
                str(note.relative_to(workspace.root)): checked.sha256_of(note) for note in notes
            },
            "skipped": tuple(package_gaps.skipped(planned, gaps)),
        }
    )


def _build(
    builder: PackageBuilder,
    settings: Settings,
    packages: Sequence[PlannedPackage],
    builds: Mapping[str, Build],
) -> Iterator[Built[Package]]:
    """Build packages, several at a time: the formats of each together, the largest first."""
    sources, cache = _sources(builder.release, packages), builder.cache
    tally = Tally(len(packages))
    sizes = {key: cache.size(entry) for key, entry in sources.items()}  # all are there
    groups: dict[tuple[str, str], list[PlannedPackage]] = {}
    for package in packages:
        groups.setdefault((package.recipe.name, package.arch), []).append(package)

    def size(group: Sequence[PlannedPackage]) -> int:
        used = set(group[0].inputs(builder.release))
        return sum(size for key, size in sizes.items() if key in used)

    def build(group: Sequence[PlannedPackage]) -> list[Built[Package]]:
        made: list[Built[Package]] = []
        for package, product in zip(group, builder.build(group, sources, tally), strict=True):
            build = builds[package.id]
            made.append(Built(digest=build.digest, build=build, product=product))
        return made

    with ThreadPoolExecutor(settings.jobs) as pool:
        for made in pool.map(build, sorted(groups.values(), key=size, reverse=True)):
            yield from made


def _path(package: Package) -> str:
    return package.path


def _beside(workspace: Workspace, package: Package) -> Path:
    """Where the build of a package is stated."""
    return workspace.root / f"{package.path}.build.json"


def _current(workspace: Workspace, builds: Mapping[str, Build]) -> dict[str, Built[Package]]:
    """The packages that are there, whole and built from just this, by the id of their build."""
    current = {}
    made_by: set[tuple[str, str, str]] = set()
    for path in sorted((workspace.root / PACKAGES).glob("*/*.build.json")):
        try:
            built = Built[Package].from_bytes(path.read_bytes())
        except ValidationError:
            continue  # of another version: it is built again
        build = builds.get(built.build.id)
        if build and build.digest == built.digest and workspace.sound(built.product):
            current[build.id] = built
        elif build:
            made_by |= set(_other_tools(built.build.tools, build.tools))
    for tool, before, now in sorted(made_by):
        log.warning(
            "%s: packages made by %s %s are built again by %s, and may have other bytes; "
            "a published name keeps its bytes",
            workspace.root.name, tool, before, now,
        )  # fmt: skip
    return current


def _other_tools(
    before: Mapping[str, str], now: Mapping[str, str]
) -> Iterator[tuple[str, str, str]]:
    """Tools that decide bytes and were of another version: name, that version, and this one."""
    for tool in before.keys() & now.keys() - {"kubewright"}:
        if before[tool] != now[tool]:
            yield tool, before[tool], now[tool]


def _sources(release: Release, packages: Iterable[PlannedPackage]) -> Sources:
    """The inputs of some packages."""
    used = set(chain.from_iterable(package.inputs(release) for package in packages))
    return {key: entry for key, entry in release.named_inputs.items() if key in used}


def certificate(settings: Settings) -> RepoPublicKey:
    """The public half of the repository key, which may be given alone: no secret is needed here.

    Raises as `signing.certificate.read` does.
    """
    return read_certificate(settings.repo_key, settings.now)


def certificates(settings: Settings, own: RepoPublicKey) -> tuple[bytes, ...]:
    """That certificate, and that of the key which comes next, where one is named."""
    following = coming(settings)
    return (own.certificate, *((following.certificate,) if following else ()))
