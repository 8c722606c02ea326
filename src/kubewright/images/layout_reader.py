"""Reads a layout where it lies: in a directory, or in an archive without unpacking it."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol


class LayoutReader(Protocol):
    """The files of a layout."""

    names: frozenset[str]

    def open(self, name: str) -> IO[bytes]:
        """Open one of `names`."""


class DirectoryReader:
    """A layout in a directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.names = frozenset(
            str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()
        )

    def open(self, name: str) -> IO[bytes]:
        """Open one of `names`."""
        return (self.root / name).open("rb")


class ArchiveReader:
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
def open_layout(layout: Path) -> Iterator[LayoutReader]:
    """A layout's directory or archive. Raises tarfile.TarError for a file that is not a tar."""
    if layout.is_dir():
        yield DirectoryReader(layout)
    else:
        with tarfile.open(layout, "r:") as tar:
            yield ArchiveReader(tar)
