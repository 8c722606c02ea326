"""mirror source: compiles a Kubernetes release and its companions and lays them out as their
upstreams do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pydantic import Field

from kubewright import files, kubernetes_versions, resolution
from kubewright.archives import GZIP
from kubewright.gobuild import companions, go, programs
from kubewright.gobuild.build_cache import BuildCache, BuildInputs
from kubewright.gobuild.go import NotOffered, Progress
from kubewright.mirror import Summary, Writer, bundle, upstream_files
from kubewright.mirror.upstream_files import UpstreamFile
from kubewright.models.answer import headed
from kubewright.models.base import Arch, Header, Model
from kubewright.models.golang import GoComponent
from kubewright.models.lock import Component
from kubewright.models.mirror import Mirror
from kubewright.moments import midnight
from kubewright.recipes import Recipes
from kubewright.settings import Settings

_OWN = ("kubernetes", "hyperkube")
"""The components that come from Kubernetes' modules."""


class Gap(Model):
    """Something that a mirror from source does not have."""

    component: str = Field(description="as recipes call it")
    version: str = Field(description="that the release chooses")
    arch: Arch | None = Field(None, description="absent: for none of them")
    reason: str = Field(description="in words")


class Nearest(Model):
    """A component that is there at another version than the release chooses."""

    component: str = Field(description="as recipes call it")
    wanted: str = Field(description="the version that the release chooses")
    there: str = Field(description="the version that is in the mirror instead")


class SourceSummary(Summary):
    """What `mirror source` made."""

    header: Header = headed("mirror-source")
    nearest: tuple[Nearest, ...] = Field((), description="components at another version")
    unavailable: tuple[Gap, ...] = Field((), description="components that are not there")


@dataclass(frozen=True)
class MirrorWork:
    """What is asked for, and what came out otherwise."""

    writer: Writer
    recipes: Recipes
    architectures: Sequence[Arch]
    epoch: int | None
    cache: Path
    progress: Progress
    gaps: list[Gap] = field(default_factory=list)
    nearest: list[Nearest] = field(default_factory=list)

    def files_of(self, name: str, version: str, arch: Arch) -> list[UpstreamFile]:
        """The upstream files of a component."""
        return list(upstream_files.files_of(self.recipes.components, {name: [version]}, [arch]))


def source(version: str, directory: Path, settings: Settings, recipes: Recipes) -> SourceSummary:
    """Have a Kubernetes release and its companions, compiled from their Go modules, in an upstream
    mirror.
    """
    return source_mirror(
        version,
        directory,
        recipes,
        cache=settings.cache,
        architectures=settings.architectures,
        progress=go.announce,
        epoch=settings.source_date_epoch,
    )


def source_mirror(
    kubernetes: str,
    dest: Path,
    recipes: Recipes,
    *,
    cache: Path,
    architectures: Sequence[Arch],
    progress: Progress,
    epoch: int | None = None,
) -> SourceSummary:
    """Compile Kubernetes and every companion that its release chooses, and have all of it in the
    mirror `dest`.

    `epoch` (seconds) is the time in programs and archives; None: each component's own date. What
    the cache has is not compiled again, and what the mirror has is not written again. Raises
    RequestError for a release that cannot be compiled or a directory with something else in it, and
    what `gobuild` raises.
    """
    kubernetes = kubernetes_versions.required(kubernetes)
    components = recipes.components
    chosen = resolution.choose(kubernetes, recipes.catalog, components, recipes.relations)
    writer = Writer.claim(dest, Mirror(kind="source"))
    work = MirrorWork(writer, recipes, architectures, epoch, cache, progress)
    known = recipes.go.components
    for component in chosen:
        name = component.name
        if name == "kubernetes":
            for arch in architectures:
                _kubernetes(work, component, arch)
        elif name in known:
            _companion(work, component, known[name])
        elif name not in _OWN and components.components[name].inputs:
            work.gaps.append(
                Gap(component=name, version=component.version, reason="it is not a Go module")
            )
    done = work.writer.finish()
    return SourceSummary(
        **done.model_dump(), nearest=tuple(work.nearest), unavailable=tuple(work.gaps)
    )


def _kubernetes(work: MirrorWork, release: Component, arch: Arch) -> None:
    """Kubernetes' own programs, and hyperkube if components.toml says where it belongs."""
    epoch = release.epoch if work.epoch is None else work.epoch
    images, go_recipe = work.recipes.images, work.recipes.go
    wanted: list[UpstreamFile] = []
    for name in _OWN:
        wanted += work.files_of(name, release.version, arch)
    names = [file.source.name for file in wanted if file.source.name in programs.KUBERNETES]
    settings = (release.version, arch)
    made = programs.build_programs(
        *settings,
        names,
        epoch=epoch,
        cache=work.cache,
        content=images,
        recipe=go_recipe,
        progress=work.progress,
    )
    if any(file.source.name == "hyperkube" for file in wanted):
        hyperkube = programs.hyperkube(
            *settings,
            epoch=epoch,
            cache=work.cache,
            content=images,
            recipe=go_recipe,
            progress=work.progress,
        )
        made = {**made, "hyperkube": hyperkube}
    for file in wanted:
        if file.source.name in made:
            work.writer.put(file, made[file.source.name])


def _companion(work: MirrorWork, wanted: Component, recipe: GoComponent) -> None:
    """One companion, at the nearest version that can be had."""
    name, components = wanted.name, work.recipes.components
    known = components.components[name].known
    usable = [entry.version for entry in known if not entry.avoid]
    try:
        version = companions.nearest(name, recipe, wanted.version, usable, cache=work.cache)
    except NotOffered as error:
        work.gaps.append(Gap(component=name, version=wanted.version, reason=str(error)))
        return
    if version != wanted.version:
        work.nearest.append(Nearest(component=name, wanted=wanted.version, there=version))
    dates = {entry.version: entry.date for entry in known}
    epoch = (
        midnight(dates.get(version) or components.default_date)
        if work.epoch is None
        else work.epoch
    )
    for arch in work.architectures:
        if not recipe.compiles_for(arch):
            work.gaps.append(
                Gap(component=name, version=version, arch=arch, reason=companions.reason(recipe))
            )
            continue
        made = companions.build(
            name, recipe, version, arch, cache=work.cache, progress=work.progress
        )
        for file in work.files_of(name, version, arch):
            packed = (
                _bundle(file, made, epoch, work.cache)
                if file.source.members
                else made[file.source.name]
            )
            work.writer.put(file, packed)


def _bundle(file: UpstreamFile, made: Mapping[str, Path], epoch: int, cache: Path) -> Path:
    """The archive of an upstream file, made unless the cache has it."""
    members = {
        member: made[PurePosixPath(member).name] for member in map(file.fill, file.source.members)
    }
    name = file.url.rsplit("/", 1)[-1]
    inputs = BuildInputs(
        what=name,
        go="",
        settings={"epoch": str(epoch)},
        flags=(GZIP,),
        targets={name: "tar"},
        sources={member: files.sha256_of(path) for member, path in members.items()},
    )

    def write(out: Path, scratch: Path) -> None:
        with (out / name).open("wb") as stream:
            bundle.write(members, stream, epoch)

    room = sum(path.stat().st_size for path in members.values())
    return BuildCache(cache).make(inputs, write, free_bytes=room)[name]
