"""Turns a layer's definition into entries: finds inputs, looks into archives, and checks what the files are."""

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import IO

from kubewright import files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.images import elf
from kubewright.images.layer import Directory, Entry, File, Link
from kubewright.models.base import Arch
from kubewright.models.image import InputName, LayerDefinition, LayerFile
from kubewright.models.lock import Release

Inputs = Callable[[str, str, Arch], Path | None]
"""Gives the fetched file of `(component, name, arch)`, or None where the upstream has none."""


class Missing(Exception):
    """Why a layer cannot be made for an architecture; images over it are skipped and the reason is said."""


def entries(layer: LayerDefinition, arch: Arch, release: Release, inputs: Inputs, content: Path) -> list[Entry]:
    """Everything in a layer; `content` is the folder images/.

    Raises Missing when an input is not available or cannot run in the image, RequestError for a wrong
    definition, VerificationFailed for an unreadable archive.
    """
    found: list[Entry] = [_file(file, arch, release, inputs, content) for file in layer.files]
    found += [Directory(_inside(path), int(mode, 8)) for path, mode in layer.directories.items()]
    found += [Link(_inside(path), to) for path, to in layer.links.items()]
    found += [Link(_inside(path), _inside(to), hard=True) for path, to in layer.hard_links.items()]
    return found


def _inside(path: str) -> str:
    return path.removeprefix("/")


def _file(file: LayerFile, arch: Arch, release: Release, inputs: Inputs, content: Path) -> File:
    path, member = _locate(file, arch, release, inputs, content)
    opener = partial(_open_member, path, member) if member else partial(_open_file, path)
    with files.explained(path):
        with opener() as stream:
            objection = elf.objection(stream.read(elf.ENOUGH), arch, loader=file.dynamic)
        size = _member_size(path, member) if member else path.stat().st_size
    if objection:
        raise Missing(f"{file.source.partition(':')[2].partition('!')[0]} {objection}")
    return File(_inside(file.target), size, opener, int(file.mode, 8), file.capability)


def _locate(file: LayerFile, arch: Arch, release: Release, inputs: Inputs, content: Path) -> tuple[Path, str]:
    """The file that a source means, and the archive member in it ("" for the file itself)."""
    wanted = file.input
    if wanted is None:
        path = (content / file.source.removeprefix("file:")).resolve()
        if not path.is_relative_to(content.resolve()) or not path.is_file():
            raise RequestError(f"image.toml: {file.source}: no such file below {content}; correct the name or add it")
        return path, ""
    found = inputs(wanted.component, wanted.name, arch)
    if found is None:
        reason = release.missing(wanted.component, wanted.name, arch) or "this upstream does not have it"
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
        raise VerificationFailed(f"{archive}: not a readable archive: {error}; fetch it again") from error
    raise VerificationFailed(f"{archive}: has no file {name!r}; is it the archive of another version?")


@contextmanager
def _open_member(archive: Path, name: str) -> Iterator[IO[bytes]]:
    with _member(archive, name) as (_, stream):
        yield stream


def _member_size(archive: Path, name: str) -> int:
    with _member(archive, name) as (info, _):
        return info.size
