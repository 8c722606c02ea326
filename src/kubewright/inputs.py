"""Inputs as recipes name them: `input:COMPONENT/NAME`, `input:COMPONENT/NAME!MEMBER`.

This is the one place that reads such a name, and the one that looks into fetched archives.
"""

import lzma
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, Final, NamedTuple, Self

from kubewright import files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.base import Arch

FindInput = Callable[[str, str, Arch], Path | None]
"""Gives the fetched file of `(component, name, arch)`, or None where the upstream has none."""

MOST_MEMBERS: Final = 100_000
LARGEST_MEMBER: Final = 4 << 30
"""More members, and more bytes in one, than any upstream's archive has."""


class Missing(Exception):
    """An input that cannot be had: what is made from it is skipped, and the reason is said."""


class InputName(NamedTuple):
    """What an `input:` source names: a fetched file, or members of a fetched archive.

    A member may have {version}, {arch} and {uname} in it; one that ends in `*` means all files of
    its folder that match.
    """

    component: str
    name: str
    member: str

    @classmethod
    def of(cls, source: str) -> Self | None:
        """Read a source; None if it is of another kind."""
        kind, _, rest = source.partition(":")
        path, _, member = rest.partition("!")
        component, _, name = path.partition("/")
        return cls(component, name, member) if kind == "input" else None

    @property
    def id(self) -> str:
        """The input without the member: `kubernetes/kubelet`."""
        return f"{self.component}/{self.name}"

    @property
    def several(self) -> bool:
        """Whether it may mean more than one file, which then lie below a target."""
        return self.member.endswith("*")

    def filled(self, version: str, arch: Arch, place: str) -> Self:
        """The name with the placeholders of its member filled in. Raises RequestError that starts
        with `place` for an unknown one.
        """
        try:
            member = self.member.format(version=version, arch=arch.value, uname=arch.rpm)
        except (KeyError, IndexError, ValueError) as error:
            raise RequestError(
                place,
                f"{self.member!r}: unknown placeholder",
                "use {version}, {arch} or {uname}",
            ) from error
        return self._replace(member=member.removeprefix("./"))

    def target_of(self, target: str, member: str) -> str:
        """Where a member goes: to `target`, or below it where there may be several."""
        return f"{target.rstrip('/')}/{member.rpartition('/')[2]}" if self.several else target


@dataclass(frozen=True)
class ArchiveMember:
    """A regular file in a fetched archive; `size` is in bytes, `path` has no leading `./`."""

    archive: Path
    wanted: InputName
    path: str
    size: int

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The content, read from the archive where it lies."""
        with reading(self.archive, self.wanted):
            for info, tar in _regular_files(self.archive):
                if info.name.removeprefix("./") == self.path:
                    with _content(tar, info) as stream:
                        yield stream
                    return


def members(archive: Path, wanted: InputName) -> list[ArchiveMember]:
    """The members of an archive that a filled name means, by path; of several with one path the
    first. Raises VerificationFailed for an archive that cannot be read.
    """
    by_path: dict[str, ArchiveMember] = {}
    with reading(archive, wanted):
        for info, _ in _regular_files(archive):
            path = info.name.removeprefix("./")
            if _means(wanted.member, path):
                by_path.setdefault(path, ArchiveMember(archive, wanted, path, info.size))
    return [member for _, member in sorted(by_path.items())]


def extract(
    archive: Path, wanted: Sequence[InputName], folder: Path
) -> dict[InputName, list[Path]]:
    """Write the members that filled names mean below `folder`, reading the archive once; give the
    files of each name by path in the archive, of several with one path the first.

    Raises VerificationFailed for an archive that cannot be read.
    """
    taken: dict[InputName, dict[str, Path]] = {name: {} for name in wanted}
    with reading(archive, wanted[0]):
        for number, (info, tar) in enumerate(_regular_files(archive)):
            path = info.name.removeprefix("./")
            meaning = [
                found for name, found in taken.items()
                if path not in found and _means(name.member, path)
            ]  # fmt: skip
            if not meaning:
                continue
            target = folder / str(number) / path.rpartition("/")[2]
            target.parent.mkdir(parents=True)
            with _content(tar, info) as source, target.open("wb") as stream:
                shutil.copyfileobj(source, stream, files.CHUNK)
            for found in meaning:
                found[path] = target
    return {name: _in_order(found) for name, found in taken.items()}


def _in_order(found: Mapping[str, Path]) -> list[Path]:
    return [found[path] for path in sorted(found)]


@contextmanager
def reading(archive: Path, wanted: InputName) -> Iterator[None]:
    """Turn what a damaged archive raises inside the block into VerificationFailed."""
    try:
        yield
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's; gzip and bz2 raise others without a number
        raise VerificationFailed(
            f"{archive} ({wanted.id})", f"not a readable archive: {error}", "fetch it again"
        ) from error


def _regular_files(archive: Path) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    with tarfile.open(archive) as tar:
        for number, info in enumerate(tar):
            if number >= MOST_MEMBERS:
                raise tarfile.TarError(f"it has more than {MOST_MEMBERS} members")
            if info.isfile():
                if info.size > LARGEST_MEMBER:
                    raise tarfile.TarError(f"{info.name} has {info.size} bytes")
                yield info, tar
        while tar.fileobj.read(files.CHUNK):
            pass  # a checksum over all of it may stand at the very end


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = tar.extractfile(info)
    if stream is None:  # only for what is not a file
        raise tarfile.TarError(f"{info.name} is not a file")
    return stream


def _means(pattern: str, path: str) -> bool:
    return fnmatchcase(path, pattern) and path.count("/") == pattern.count("/")
