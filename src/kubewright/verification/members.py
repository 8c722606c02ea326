"""The files of a bundle, where they lie: in its tar, or in a directory that it was unpacked to.

The tar is anybody's. It is read as a list of plain files and nothing else: no links, no extensions
of the format but for long names, no path that leads out, no file twice, and none that says to be
longer than the tar.
"""

import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Final, Protocol

from kubewright import below, files
from kubewright.errors import VerificationFailed
from kubewright.models.base import plain_path

LIST: Final = "bundle.json"
"""The first file of a bundle: the list of all others."""

MOST: Final = 64 << 20
"""The most bytes of the list."""

REMEDY: Final = "get the bundle again, from where it was made"

_RECORD: Final = tarfile.RECORDSIZE
_LONGEST: Final = 4096
"""Bytes of a header that names a long path (pax), and of such a path."""


class Members(Protocol):
    """The files of a bundle."""

    @property
    def place(self) -> str:
        """What messages call the bundle."""

    @property
    def sizes(self) -> Mapping[str, int]:
        """Bytes of each file, by its path."""

    def opened(self, path: str) -> AbstractContextManager[IO[bytes]]:
        """A file to be read, at its beginning. Raises VerificationFailed where it is gone."""


class TarMembers:
    """The files in a tar."""

    def __init__(self, path: Path) -> None:
        """Raises VerificationFailed that names the first member with a fault."""
        self.place = str(path)
        self._path = path
        self._offsets: dict[str, int] = {}
        self.sizes: dict[str, int] = {}
        with files.explained(path), path.open("rb") as stream:
            self._read(stream, os.fstat(stream.fileno()).st_size)

    @contextmanager
    def opened(self, path: str) -> Iterator[IO[bytes]]:
        """As in the protocol."""
        with files.explained(self._path), self._path.open("rb") as stream:
            stream.seek(self._offsets[path])
            yield stream

    def _read(self, stream: IO[bytes], length: int) -> None:
        folders = set[str]()
        offset, named = 0, ""
        while (block := stream.read(tarfile.BLOCKSIZE)) != bytes(tarfile.BLOCKSIZE):
            offset += tarfile.BLOCKSIZE
            info = self._header(block, offset - tarfile.BLOCKSIZE)
            if info.size < 0:
                raise self._wrong(repr(info.name), "of a size below nothing")
            if info.type == tarfile.XHDTYPE and not named:
                named = self._long_name(stream.read(min(info.size, _LONGEST)), info.size)
                offset = stream.seek(offset + info.size + -info.size % tarfile.BLOCKSIZE)
                continue
            name, named = named or info.name.removesuffix("/"), ""
            if not plain_path(name):
                raise self._wrong(repr(name), "not a plain path below the bundle")
            if name in self.sizes or name in folders:
                raise self._wrong(name, "there twice")
            if info.isdir() and info.size == 0:
                folders.add(name)
                continue
            if info.type != tarfile.REGTYPE:
                raise self._wrong(name, f"not a plain file (type {info.type!r})")
            if not self.sizes and name != LIST:
                raise self._wrong(name, f"comes before {LIST}: this is no bundle of kubewright")
            end = offset + info.size + -info.size % tarfile.BLOCKSIZE
            if not offset <= end <= length:
                problem = f"says that it has {info.size} bytes, more than the bundle"
                raise self._wrong(name, f"{problem}: it was cut off")
            self._offsets[name], self.sizes[name] = offset, info.size
            offset = stream.seek(end)
        rest = block + stream.read(_RECORD)
        end = offset + 2 * tarfile.BLOCKSIZE
        if length != end + -end % _RECORD or any(rest):
            raise self._wrong("its end", "not the end of a bundle: it was cut off, or added to")

    def _long_name(self, data: bytes, size: int) -> str:
        """What an extended header says, which may be a path and nothing else."""
        length, _, record = data.decode("utf-8", "replace").partition(" ")
        one = length.isdecimal() and int(length) == size == len(data)
        if not one or not record.startswith("path=") or record.count("\n") != 1:
            raise self._wrong("its members", "an extended header that is no long name")
        return record.removeprefix("path=").removesuffix("\n")

    def _header(self, block: bytes, offset: int) -> tarfile.TarInfo:
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, ValueError) as error:
            what = "not a tar" if offset == 0 else f"no member begins at byte {offset}"
            raise self._wrong("its members", f"{what}: damaged, or cut off ({error})") from error

    def _wrong(self, name: str, problem: str) -> VerificationFailed:
        return VerificationFailed(f"{self.place}: {name}", problem, REMEDY)


class DirectoryMembers:
    """The files in a directory that a tar was unpacked to; no link in it is followed."""

    def __init__(self, root: Path) -> None:
        """Raises VerificationFailed for a link, and for what is no plain file."""
        self.place = str(root)
        self._root = root
        self.sizes: dict[str, int] = {}
        with files.explained(root):
            for folder, inner, names in os.walk(root):
                parent = Path(folder)
                for name in (*names, *(one for one in inner if (parent / one).is_symlink())):
                    self._add((parent / name).relative_to(root).as_posix())

    def _add(self, path: str) -> None:
        if not plain_path(path):
            problem = "not a name that a bundle has"
            raise VerificationFailed(f"{self.place}: {path!r}", problem, "remove it")
        with self.opened(path) as stream:
            self.sizes[path] = os.fstat(stream.fileno()).st_size

    @contextmanager
    def opened(self, path: str) -> Iterator[IO[bytes]]:
        """As in the protocol."""
        stream = below.opened(self._root, path)
        if stream is None:
            raise VerificationFailed(f"{self.place}: {path}", "missing", REMEDY)
        with files.explained(self._root / path), stream:
            yield stream


def members(path: Path) -> Members:
    """The files of the bundle at a path."""
    return DirectoryMembers(path) if path.is_dir() else TarMembers(path)


def is_bundle(path: Path) -> bool:
    """Whether a path is that of a bundle: a file, or a directory with the list of one and the site
    in it.
    """
    return path.is_file() or ((path / LIST).is_file() and (path / "site").is_dir())
