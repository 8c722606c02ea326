"""mirror source: compiles a Kubernetes release and its companions and lays them out as their upstreams do."""

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from pydantic import Field

from kubewright import content, files, recipes, resolution, versions
from kubewright.compile import build, companions
from kubewright.compile.go import NotOffered, Progress
from kubewright.compile.store import Inputs, Store
from kubewright.errors import RequestError
from kubewright.mirror import Summary, layout
from kubewright.models.base import Arch, Model
from kubewright.models.components import Components
from kubewright.models.golang import GoComponent
from kubewright.models.lock import Component
from kubewright.models.mirror import NAME, Mirror
from kubewright.resolution.choose import epoch as midnight

_README = b"""\
This upstream mirror was compiled by `kubewright mirror source` from the Go modules of Kubernetes and its companions.
The programs in it are real, but they are not the bytes that their upstreams publish.
"""

_OWN = ("kubernetes", "hyperkube")
"""The components that come from Kubernetes' modules."""

_LEVEL = 6
"""Of gzip; what upstreams mostly use."""


class Gap(Model):
    """Something that a mirror from source does not have."""

    component: str
    version: str
    arch: Arch | None = Field(None, description="absent: for none of them")
    reason: str


class Nearest(Model):
    """A component that is there at another version than the release chooses."""

    component: str
    wanted: str
    there: str


class SourceSummary(Summary):
    """What `mirror source` made."""

    nearest: tuple[Nearest, ...] = ()
    unavailable: tuple[Gap, ...] = ()


@dataclass(frozen=True)
class Work:
    """What is asked for, and what of it has been done."""

    dest: Path
    components: Components
    architectures: Sequence[Arch]
    epoch: int | None
    cache: Path
    progress: Progress
    written: list[bool] = field(default_factory=list)
    digests: list[tuple[layout.File, str]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    nearest: list[Nearest] = field(default_factory=list)

    def files_of(self, name: str, version: str, arch: Arch) -> list[layout.File]:
        """The upstream files of a component."""
        return list(layout.files_of(self.components, {name: [version]}, [arch]))

    def put(self, file: layout.File, made: Path) -> None:
        """Have a file in its place, unless the very same is there."""
        digest, target = files.sha256_of(made), self.dest / layout.path(file.url)
        there = target.is_file() and files.sha256_of(target) == digest
        if not there:
            with made.open("rb") as source, files.replacing(target) as out:
                shutil.copyfileobj(source, out, files.CHUNK)
        self.written.append(not there)
        self.digests.append((file, digest))

    def finish(self) -> SourceSummary:
        """Write checksum files and markers; what they say about other versions that are there stays."""
        sums = {place: merged(self.dest / place, text) for place, text in layout.checksums(self.digests).items()}
        written = [*self.written, *(files.write(self.dest / place, data) for place, data in sums.items())]
        releases = self.dest / layout.RELEASES  # a release without checksums was begun, but never finished
        present = {path.relative_to(releases).parts[0][1:] for path in releases.glob("v*/bin/linux/*/*.sha256")}
        written += [files.write(self.dest / place, data) for place, data in layout.markers(present).items()]
        return SourceSummary(
            files=len(written), written=sum(written), nearest=tuple(self.nearest), unavailable=tuple(self.gaps)
        )


def source_mirror(
    kubernetes: str, dest: Path, components: Components,
    *, cache: Path, architectures: Sequence[Arch], progress: Progress, epoch: int | None = None,
) -> SourceSummary:  # fmt: skip
    """Compile Kubernetes and every companion that its release chooses, and have all of it in the mirror `dest`.

    `epoch` (seconds) is the time in programs and archives; None: each component's own date. What the cache has is
    not compiled again, and what the mirror has is not written again. Raises RequestError for a release that cannot
    be compiled or a directory with something else in it, and what `compile` raises.
    """
    kubernetes = str(versions.parse(kubernetes))
    chosen = resolution.choose(kubernetes, recipes.catalog(), components, recipes.relations())
    readme = dest / "README.txt"
    if dest.is_dir() and any(dest.iterdir()) and not (readme.is_file() and readme.read_bytes() == _README):
        raise RequestError(f"{dest}: holds something other than a mirror from source; choose an empty directory")
    files.write(readme, _README)
    files.write(dest / NAME, Mirror(kind="source").to_bytes())
    work = Work(dest, components, architectures, epoch, cache, progress)
    known = build.recipe().components
    for one in chosen:
        if one.name == "kubernetes":
            for arch in architectures:
                _kubernetes(work, one, arch)
        elif one.name in known:
            _companion(work, one, known[one.name])
        elif one.name not in _OWN and components.components[one.name].inputs:
            work.gaps.append(Gap(component=one.name, version=one.version, reason="it is no Go module"))
    return work.finish()


def _kubernetes(work: Work, release: Component, arch: Arch) -> None:
    """Kubernetes' own programs, and hyperkube if components.toml says where it belongs."""
    epoch = release.epoch if work.epoch is None else work.epoch
    images = content.folder("images")
    wanted = [file for name in _OWN for file in work.files_of(name, release.version, arch)]
    names = [file.source.name for file in wanted if file.source.name in build.KUBERNETES]
    settings = (release.version, arch)
    made = build.separate(*settings, names, epoch=epoch, cache=work.cache, content=images, progress=work.progress)
    if any(file.source.name == "hyperkube" for file in wanted):
        one = build.hyperkube(*settings, epoch=epoch, cache=work.cache, content=images, progress=work.progress)
        made = {**made, "hyperkube": one}
    for file in wanted:
        if file.source.name in made:
            work.put(file, made[file.source.name])


def _companion(work: Work, wanted: Component, recipe: GoComponent) -> None:
    """One companion, at the nearest version that can be had."""
    name = wanted.name
    known = work.components.components[name].known
    usable = [one.version for one in known if not one.avoid]
    try:
        version = companions.nearest(name, recipe, wanted.version, usable, cache=work.cache)
    except NotOffered as error:
        work.gaps.append(Gap(component=name, version=wanted.version, reason=str(error)))
        return
    if version != wanted.version:
        work.nearest.append(Nearest(component=name, wanted=wanted.version, there=version))
    dates = {one.version: one.date for one in known}
    epoch = midnight(dates.get(version) or work.components.default_date) if work.epoch is None else work.epoch
    for arch in work.architectures:
        if arch not in recipe.architectures:
            work.gaps.append(Gap(component=name, version=version, arch=arch, reason=companions.reason(recipe)))
            continue
        made = companions.build(name, recipe, version, arch, cache=work.cache, progress=work.progress)
        for file in work.files_of(name, version, arch):
            work.put(file, _bundle(file, made, epoch, work.cache) if file.source.members else made[file.source.name])


def _bundle(file: layout.File, made: Mapping[str, Path], epoch: int, cache: Path) -> Path:
    """The archive of an upstream file, made unless the cache has it."""
    members = {name: made[PurePosixPath(name).name] for name in map(file.fill, file.source.members)}
    archive = file.url.rsplit("/", 1)[-1]
    inputs = Inputs(
        what=archive, go="", settings={"epoch": str(epoch)}, flags=(f"gzip -{_LEVEL}", zlib.ZLIB_RUNTIME_VERSION),
        targets={archive: "tar"}, sources={name: files.sha256_of(path) for name, path in members.items()},
    )  # fmt: skip

    def write(out: Path, scratch: Path) -> None:
        with (out / archive).open("wb") as stream:
            write_archive(members, stream, epoch)

    room = sum(path.stat().st_size for path in members.values())
    return Store(cache).make(inputs, write, room=room)[archive]


def write_archive(members: Mapping[str, Path], out: IO[bytes], epoch: int) -> None:
    """Write a tar.gz of programs by member name, with their folders; owned by root, all of the time `epoch`."""
    folders = sorted({str(folder) for name in members for folder in PurePosixPath(name).parents} - {"."})
    with (
        gzip.GzipFile("", "wb", _LEVEL, out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in folders:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, epoch
            tar.addfile(info)
        for name, path in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.size, info.mode, info.mtime = path.stat().st_size, 0o755, epoch
            with path.open("rb") as stream:
                tar.addfile(info, stream)


def merged(path: Path, new: bytes) -> bytes:
    """A checksum file with new lines: those about other files stay; one that names no file is only replaced."""
    if b"  " not in new or not path.is_file():
        return new
    lines = [*path.read_text(encoding="utf-8").splitlines(), *new.decode().splitlines()]
    by_name = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(by_name.items())).encode()
