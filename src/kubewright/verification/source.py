"""Where a site is read from: a directory, or a web server."""

# ruff: noqa: D102 -- Source says once what each method does

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from kubewright import files
from kubewright.site.directory import DirectoryStore
from kubewright.site.store import checked

Measure = tuple[int, str]
"""The size in bytes and the SHA-256 of an object."""


class Source(Protocol):
    """The objects of a site, by their paths."""

    def read(self, path: str) -> bytes | None:
        """A whole object, or None if there is none."""

    def measured(self, path: str) -> Measure | None:
        """Size and digest of an object however large, or None if there is none."""

    def local(self, path: str) -> AbstractContextManager[Path]:
        """A file of this machine with the object's bytes, for as long as a block runs."""

    def list(self) -> list[str] | None:
        """Every path there is; None where nobody can tell."""


class Directory:
    """A site in a directory. A file that has several names there is hashed once."""

    def __init__(self, root: Path) -> None:
        self._store = DirectoryStore(root)
        self._digests: dict[tuple[int, int], str] = {}

    def read(self, path: str) -> bytes | None:
        stored = self._store.get(path)
        return stored.data if stored else None

    def measured(self, path: str) -> Measure | None:
        with self._store.reading(path) as stream:
            if stream is None:
                return None
            status = os.fstat(stream.fileno())
            inode = (status.st_dev, status.st_ino)
            if inode not in self._digests:
                self._digests[inode] = hashlib.file_digest(stream, "sha256").hexdigest()
        return status.st_size, self._digests[inode]

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        file = self._store.root / checked(path)
        with self._store.reading(path) as stream:
            here = Path(f"/proc/self/fd/{stream.fileno()}") if stream else file
            yield here if here.exists() else file

    def list(self) -> list[str] | None:
        return self._store.list("")


class Web:
    """A site that another program serves; `read` gets a whole object."""

    def __init__(self, read: Callable[[str], bytes | None]) -> None:
        self.read = read

    def measured(self, path: str) -> Measure | None:
        data = self.read(path)
        return None if data is None else (len(data), files.sha256(data))

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        with TemporaryDirectory(prefix="kubewright-verify-") as directory:
            file = Path(directory) / path.rpartition("/")[2]
            file.write_bytes(self.read(path) or b"")
            yield file

    def list(self) -> list[str] | None:
        return None
