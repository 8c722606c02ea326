"""Where a site is read from: a directory, or a web server."""

# ruff: noqa: D102 -- Source says once what each method does

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from kubewright.site.directory import DirectoryStore
from kubewright.site.store import checked
from kubewright.web import Sink

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


class _Measuring:
    """Takes the bytes of an object, and keeps their number and their digest."""

    def __init__(self) -> None:
        self._size, self._digest = 0, hashlib.sha256()

    def write(self, data: bytes, /) -> None:
        self._size += len(data)
        self._digest.update(data)

    def measure(self) -> Measure:
        return self._size, self._digest.hexdigest()


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
    """A site that another program serves; `read` gets a whole object, `save` writes one however
    large.
    """

    def __init__(
        self, read: Callable[[str], bytes | None], save: Callable[[str, Sink], bool] | None = None
    ) -> None:
        self.read = read
        self._save = save or self._copy

    def measured(self, path: str) -> Measure | None:
        measuring = _Measuring()
        return measuring.measure() if self._save(path, measuring) else None

    @contextmanager
    def local(self, path: str) -> Iterator[Path]:
        with TemporaryDirectory(prefix="kubewright-verify-") as directory:
            file = Path(directory) / path.rpartition("/")[2]
            with file.open("wb") as stream:
                self._save(path, stream)
            yield file

    def _copy(self, path: str, into: Sink) -> bool:
        data = self.read(path)
        into.write(data or b"")
        return data is not None

    def list(self) -> list[str] | None:
        return None
