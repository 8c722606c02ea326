"""Inputs as recipes name them: `input:COMPONENT/NAME`, `input:COMPONENT/NAME!MEMBER`.

This is the one place that reads such a name, and the one that looks into fetched archives.
"""

import lzma
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, NamedTuple, Self

from kubewright import files, tarballs
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.base import Arch

FindInput = Callable[[str, str, Arch], Path | None]
"""Gives the fetched file of `(component, name, arch)`, or None where the upstream has none."""


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
    """A regular file in a fetched archive, or a link to such a file there.

    `size` is in bytes, `path` has no leading `./`, `stored` is the path of the file itself.
    """

    archive: Path
    wanted: InputName
    path: str
    size: int
    stored: str

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The content, read from the archive where it lies."""
        with reading(self.archive, self.wanted):
            for member in tarballs.members(self.archive):
                if member.info.isfile() and member.path == self.stored:
                    with member.content() as stream:
                        yield stream
                    return


@dataclass
class _Looked:
    """What a reading of an archive has seen so far; of several with one path the first."""

    sizes: dict[str, int] = field(default_factory=dict)
    """Of files, in bytes."""
    links: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    def note(self, member: tarballs.Member) -> bool:
        """Whether it is a file, the first with its path."""
        path, info = member.path, member.info
        known = path in self.sizes or path in self.links
        self.folders |= {path.rsplit("/", n)[0] for n in range(1, path.count("/") + 1)}
        if info.isdir():
            self.folders.add(path)
        elif (info.issym() or info.islnk()) and not known:
            self.links[path] = member.leads_to
        elif info.isfile() and not known:
            self.sizes[path] = info.size
            return True
        return False

    def linked(self, wanted: InputName) -> dict[str, str]:
        """The links that a name means, by path, with the path of the file that each leads to.

        Raises tarfile.TarError for a link to nothing in the archive.
        """
        found = {}
        for path, to in self.links.items():
            if _means(wanted.member, path):
                file = tarballs.followed(path, self.links)
                if file in self.sizes:
                    found[path] = file
                elif file not in self.folders:
                    raise tarfile.TarError(f"{path} is a link to {to}, which is no file in it")
        return found


def members(archive: Path, wanted: InputName) -> list[ArchiveMember]:
    """The members of an archive that a filled name means, by path; of several with one path the
    first. Raises VerificationFailed for an archive that cannot be read, or where a link that is
    meant leads to no file in it.
    """
    looked = _Looked()
    with reading(archive, wanted):
        for member in tarballs.members(archive):
            looked.note(member)
            _refuse_odd(member, [wanted])
        stored = {path: path for path in looked.sizes if _means(wanted.member, path)}
        stored |= looked.linked(wanted)
    return [
        ArchiveMember(archive, wanted, path, looked.sizes[file], file)
        for path, file in sorted(stored.items())
    ]


def extract(
    archive: Path, wanted: Sequence[InputName], folder: Path
) -> dict[InputName, list[Path]]:
    """Write the members that filled names mean below `folder`, reading the archive once, and again
    where links are meant; give the files of each name by path in the archive, of several with one
    path the first.

    Raises VerificationFailed as `members` does.
    """
    taken: dict[InputName, dict[str, Path]] = {name: {} for name in wanted}
    looked = _Looked()
    with reading(archive, wanted[0]):
        for number, member in enumerate(tarballs.members(archive)):
            _refuse_odd(member, wanted)
            meaning = [found for name, found in taken.items() if _means(name.member, member.path)]
            if looked.note(member) and meaning:
                target = _written(member, folder / str(number) / member.path.rpartition("/")[2])
                for found in meaning:
                    found[member.path] = target
        _follow(archive, looked, taken, folder / "linked")
    return {name: _in_order(found) for name, found in taken.items()}


def _follow(
    archive: Path, looked: _Looked, taken: Mapping[InputName, dict[str, Path]], folder: Path
) -> None:
    """Write what links lead to, under the links' own names."""
    linked = {name: looked.linked(name) for name in taken}
    needed: dict[str, list[tuple[dict[str, Path], str]]] = {}
    for name, links in linked.items():
        for path, file in links.items():
            needed.setdefault(file, []).append((taken[name], path))
    if not needed:
        return
    for number, member in enumerate(tarballs.members(archive)):
        if member.info.isfile() and member.path in needed:
            for found, path in needed.pop(member.path):
                found[path] = _written(member, folder / str(number) / path)


def _written(member: tarballs.Member, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    with member.content() as source, target.open("wb") as stream:
        shutil.copyfileobj(source, stream, files.CHUNK)
    return target


def _refuse_odd(member: tarballs.Member, wanted: Sequence[InputName]) -> None:
    """What is no file, link or directory cannot be meant. Raises tarfile.TarError."""
    info = member.info
    if info.isfile() or info.isdir() or info.issym() or info.islnk():
        return
    if any(_means(name.member, member.path) for name in wanted):
        raise tarfile.TarError(f"{member.path} is a device, a pipe or something unknown")


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
            f"{wanted.id} ({archive.name})",
            f"not a readable archive: {error}",
            "its bytes are those that the lock names, so use another upstream or version",
        ) from error


def _means(pattern: str, path: str) -> bool:
    return fnmatchcase(path, pattern) and path.count("/") == pattern.count("/")
