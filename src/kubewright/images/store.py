"""Reads a layout where it lies: in a directory, or in an archive without unpacking it."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol


class Store(Protocol):
    """The files of a layout."""

    names: frozenset[str]

    def open(self, name: str) -> IO[bytes]:
        """Open one of `names`."""


class Directory:
    """A layout in a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names = frozenset(
            str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()
        )

    def open(self, name: str) -> IO[bytes]:
        """Open one of `names`."""
        return (self.root / name).open("rb")


class Archive:
    """A layout in a tar that is not compressed as a whole."""

    def __init__(self, tar: tarfile.TarFile) -> None:
        self._tar = tar
        self._members = {member.name: member for member in tar if member.isfile()}
        self.names = frozenset(self._members)

    def open(self, name: str) -> IO[bytes]:
        """Open one of `names`."""
        stream = self._tar.extractfile(self._members[name])
        if stream is None:
            raise KeyError(name)
        return stream


@contextmanager
def opened(layout: Path) -> Iterator[Store]:
    """A layout's directory or archive. Raises tarfile.TarError for a file that is not a tar."""
    if layout.is_dir():
        yield Directory(layout)
    else:
        with tarfile.open(layout, "r:") as tar:
            yield Archive(tar)
