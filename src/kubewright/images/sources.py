"""Turns a layer's definition into entries: finds inputs, looks into archives and packages, checks
the files.
"""

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

from kubewright import files, recipes
from kubewright.errors import RequestError, VerificationFailed
from kubewright.images import elf
from kubewright.images.layer import Directory, Entry, File, Link
from kubewright.images.unpack import unpack
from kubewright.models.base import Arch
from kubewright.models.image import InputName, LayerDefinition, LayerFile, Pin, PinnedPackages
from kubewright.models.lock import Release

Inputs = Callable[[str, str, Arch], Path | None]
"""Gives the fetched file of `(component, name, arch)`, or None where the upstream has none."""


Packages = Callable[[tuple[Pin, ...], Arch], Mapping[Pin, Path]]
"""Gives the files of pinned packages."""


@dataclass(frozen=True)
class Supply:
    """What images are made from.

    `packages` brings pinned packages (`debs.bring`); without it, images over packages are skipped.
    `carried` has the versions of the components inside the shared program.
    """

    inputs: Inputs
    packages: Packages | None = None
    carried: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sources:
    """Where the files of one build come from; `content` is the folder images/, `scratch` one to
    unpack into.
    """

    supply: Supply
    content: Path
    scratch: Path


class Missing(Exception):
    """Why a layer cannot be made for an architecture; images over it are skipped and the reason is
    said.
    """


def entries(layer: LayerDefinition, arch: Arch, release: Release, sources: Sources) -> list[Entry]:
    """Everything in a layer.

    Raises Missing when an input is not available or cannot run in the image, RequestError for a
    wrong definition, VerificationFailed for an unreadable archive, and what fetching packages
    raises.
    """
    found: list[Entry] = [_file(file, arch, release, sources) for file in layer.files]
    found += [Directory(_inside(path), int(mode, 8)) for path, mode in layer.directories.items()]
    found += [Link(_inside(path), to) for path, to in layer.links.items()]
    found += [Link(_inside(path), _inside(to), hard=True) for path, to in layer.hard_links.items()]
    if layer.packages:
        named = {
            entry.path for entry in found
        }  # what the definition says wins over what packages have
        found += [
            entry for entry in _packaged(layer.packages, arch, sources) if entry.path not in named
        ]
    return found


def _packaged(name: str, arch: Arch, sources: Sources) -> list[Entry]:
    pinned = recipes.load(sources.content / name, PinnedPackages)
    if sources.supply.packages is None:
        raise Missing(f"{name}: this build takes no packages")
    files = sources.supply.packages(pinned.of(arch), arch)
    return unpack(
        {pin.package: files[pin] for pin in pinned.of(arch)},
        sources.scratch / arch,
        without=pinned.without,
    )


def _inside(path: str) -> str:
    return path.removeprefix("/")


def _file(file: LayerFile, arch: Arch, release: Release, sources: Sources) -> File:
    path, member = _locate(file, arch, release, sources)
    opener = partial(_open_member, path, member) if member else partial(_open_file, path)
    with files.explained(path):
        with opener() as stream:
            objection = elf.objection(stream.read(elf.ENOUGH), arch, loader=file.dynamic)
        size = _member_size(path, member) if member else path.stat().st_size
    if objection:
        raise Missing(f"{file.source.partition(':')[2].partition('!')[0]} {objection}")
    return File(_inside(file.target), size, opener, int(file.mode, 8), file.capability)


def _locate(file: LayerFile, arch: Arch, release: Release, sources: Sources) -> tuple[Path, str]:
    """The file that a source means, and the archive member in it ("" for the file itself)."""
    wanted = file.input
    if wanted is None:
        path = (sources.content / file.source.removeprefix("file:")).resolve()
        if not path.is_relative_to(sources.content.resolve()) or not path.is_file():
            raise RequestError(
                f"image.toml: {file.source}: no such file below {sources.content}; correct the name or add it"
            )
        return path, ""
    found = sources.supply.inputs(wanted.component, wanted.name, arch)
    if found is None:
        reason = (
            release.missing(wanted.component, wanted.name, arch) or "this upstream does not have it"
        )
        raise Missing(f"{wanted.component}/{wanted.name}: {reason}")
    return found, _member_name(wanted, arch, release)


def _member_name(wanted: InputName, arch: Arch, release: Release) -> str:
    if not wanted.member:
        return ""
    if not release.has(wanted.component):
        raise Missing(f"the release has no {wanted.component}")
    version = release.component(wanted.component).version
    try:
        return wanted.member.format(version=version, arch=arch.value, uname=arch.rpm)
    except (KeyError, IndexError, ValueError) as error:
        raise RequestError(
            f"image.toml: {wanted.member!r}: unknown placeholder; use {{version}}, {{arch}} or {{uname}}"
        ) from error


def _open_file(path: Path) -> AbstractContextManager[IO[bytes]]:
    return path.open("rb")


@contextmanager
def _member(archive: Path, name: str) -> Iterator[tuple[tarfile.TarInfo, IO[bytes]]]:
    try:
        with tarfile.open(archive) as tar:
            for info in tar:
                if info.isfile() and info.name.removeprefix("./") == name:
                    stream = tar.extractfile(info)
                    if stream is not None:
                        yield info, stream
                        return
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise VerificationFailed(
            f"{archive}: not a readable archive: {error}; fetch it again"
        ) from error
    raise VerificationFailed(
        f"{archive}: has no file {name!r}; is it the archive of another version?"
    )


@contextmanager
def _open_member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    with _member(archive, name) as (_, stream):
        yield stream


def _member_size(archive: Path, name: str) -> int:
    with _member(archive, name) as (info, _):
        return info.size
