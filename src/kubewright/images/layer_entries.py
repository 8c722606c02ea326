"""Turns a layer's definition into entries: finds inputs, looks into archives and packages, checks
the files.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from kubewright import files, inputs
from kubewright.archives import DirectoryEntry, Entry, FileEntry, LinkEntry
from kubewright.errors import RequestError, VerificationFailed
from kubewright.images import elf
from kubewright.images.unpack import unpack
from kubewright.inputs import FindInput, InputName, Missing
from kubewright.models.base import Arch
from kubewright.models.image import LayerDefinition, LayerFile, Pin, PinnedPackages
from kubewright.models.lock import Release

Packages = Callable[[tuple[Pin, ...], Arch], Mapping[Pin, Path]]
"""Gives the files of pinned packages."""


@dataclass(frozen=True)
class ImageInputs:
    """What images are made from.

    `packages` fetches pinned packages (`debs.fetch_packages`); without it, images over packages are
    skipped. `carried` has the versions of the components inside the shared program, `pins` the
    pinned packages by the names that layers have for them.
    """

    find: FindInput
    packages: Packages | None = None
    carried: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, PinnedPackages] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerSources:
    """Where the files of one build come from; `content` is the folder images/, `scratch` one to
    unpack into.
    """

    inputs: ImageInputs
    content: Path
    scratch: Path


def entries(
    layer: LayerDefinition, arch: Arch, release: Release, sources: LayerSources
) -> list[Entry]:
    """Everything in a layer.

    Raises Missing when an input is not available or cannot run in the image, RequestError for a
    wrong definition, VerificationFailed for an unreadable archive, and what fetching packages
    raises.
    """
    made: list[Entry] = []
    for file in layer.files:
        made += _files(file, arch, release, sources)
    for path, mode in layer.directories.items():
        made.append(DirectoryEntry(_inside(path), int(mode, 8)))
    for path, to in layer.links.items():
        made.append(LinkEntry(_inside(path), to))
    for path, to in layer.hard_links.items():
        made.append(LinkEntry(_inside(path), _inside(to), hard=True))
    if layer.packages:
        named = {entry.path for entry in made}  # the definition wins over what packages have
        unpacked = _packaged(layer.packages, arch, sources)
        made += [entry for entry in unpacked if entry.path not in named]
    return made


def _packaged(name: str, arch: Arch, sources: LayerSources) -> list[Entry]:
    pinned = sources.inputs.pins.get(name)
    if pinned is None or sources.inputs.packages is None:
        raise Missing(f"{name}: this build takes no packages")
    if arch not in pinned.architectures:
        raise Missing(f"{name}: no package is pinned for {arch}")
    packages = sources.inputs.packages(pinned.of(arch), arch)
    return unpack(
        {pin.package: packages[pin] for pin in pinned.of(arch)},
        sources.scratch / arch,
        without=pinned.without,
    )


def _inside(path: str) -> str:
    return path.removeprefix("/")


def _files(file: LayerFile, arch: Arch, release: Release, sources: LayerSources) -> list[FileEntry]:
    """The file that a definition listed, or all members of an archive that its pattern listed."""
    wanted = file.input
    if wanted is None:
        path = _content_file(file, sources.content)
        return [_entry(file, file.target, files.size_of(path), lambda: files.opened(path), arch)]
    fetched = sources.inputs.find(wanted.component, wanted.name, arch)
    if fetched is None:
        gap = release.missing(wanted.component, wanted.name, arch)
        raise Missing(f"{wanted.id}: {gap or 'this upstream does not have it'}")
    if not wanted.member:
        size = files.size_of(fetched)
        return [_entry(file, file.target, size, lambda: files.opened(fetched), arch)]
    if not release.has(wanted.component):
        raise Missing(f"the release has no {wanted.component}")
    version = release.component(wanted.component).version
    filled = wanted.filled(version, arch, "image.toml")
    return [
        _entry(file, filled.target_of(file.target, member.path), member.size, member.open, arch)
        for member in _members(fetched, filled)
    ]


def _members(archive: Path, wanted: InputName) -> list[inputs.ArchiveMember]:
    with files.explained(archive):
        listed = inputs.members(archive, wanted)
    if not listed:
        raise VerificationFailed(
            f"{wanted.id} ({archive.name})",
            f"has no file {wanted.member!r}",
            "is it the archive of another version?",
        )
    return listed


def _content_file(file: LayerFile, content: Path) -> Path:
    """The file of ours that a source names."""
    path = (content / file.source.removeprefix("file:")).resolve()
    if not path.is_relative_to(content.resolve()) or not path.is_file():
        raise RequestError(
            f"image.toml: {file.source}",
            f"no such file below {content}",
            "correct the name or add it",
        )
    return path


def _entry(
    file: LayerFile,
    target: str,
    size: int,
    opener: Callable[[], AbstractContextManager[IO[bytes]]],
    arch: Arch,
) -> FileEntry:
    """An entry for a file that can run in the image. Raises Missing with the reason for one that
    cannot.
    """
    with opener() as stream:
        objection = elf.objection(stream.read(elf.ENOUGH), arch, loader=file.dynamic)
    if objection:
        raise Missing(f"{file.source.partition(':')[2].partition('!')[0]} {objection}")
    return FileEntry(_inside(target), size, opener, int(file.mode, 8), file.capability)
