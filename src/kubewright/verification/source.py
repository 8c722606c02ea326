"""Where a site is read from: a directory, or a web server. Nothing is read without a bound."""

# ruff: noqa: D102 -- Source says once what each method does

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from kubewright import files
from kubewright.errors import KubewrightError, VerificationFailed
from kubewright.site import layout
from kubewright.site.directory import DirectoryStore
from kubewright.site.scratch import OWN
from kubewright.site.store import checked

if TYPE_CHECKING:
    from kubewright.metadata.chain import Get
    from kubewright.site.bucket import BucketStore

Measure = tuple[int, str]
"""The size in bytes and the SHA-256 of an object. An object of another size than the one that was
asked for has no SHA-256: it is not read.
"""

DOCUMENT = 1 << 28
"""The most bytes that an object may have whose size nothing says: documents, signatures, keys."""

SMALL = 1 << 16
"""Bytes of an object that is kept for a while."""

READ = ("releases/", "publications/", "yum/snapshots/")
"""Where the documents are that are measured, and then read."""

KEPT = 1 << 22
"""How many bytes of them are kept: those of several releases."""

IN_MEMORY = 2 << 30
"""The most bytes of an object that are read at once, whatever is said of it."""

Opened = Callable[[str], AbstractContextManager[Callable[[int], bytes] | None]]
"""Opens an object: it gives what reads so many bytes more, None if there is no such object."""


class Source(Protocol):
    """The objects of a site, by their paths. Too large ones raise VerificationFailed."""

    def read(self, path: str, most: int | None = None) -> bytes | None:
        """A whole object of at most so many bytes (None: DOCUMENT), or None if there is none."""

    def measured(self, path: str, size: int | None = None) -> Measure | None:
        """Size and digest of an object that ought to have `size` bytes (None: at most DOCUMENT), or
        None if there is none.
        """

    def local(self, path: str, size: int) -> AbstractContextManager[Path]:
        """A file of this machine with the bytes of an object of that size, as long as a block
        runs.
        """

    def list(self) -> list[str] | None:
        """Every path there is; None where nobody can tell."""


def getting(source: Source) -> "Get":
    """Reads the files of a site as metadata names them."""

    def get(path: str, sha256: str | None) -> bytes | None:
        data = source.read(path)
        return data if data is None or sha256 in (None, files.sha256(data)) else None

    return get


class Directory:
    """A site in a directory, in which no link is followed. A file that has several names there is
    hashed once.
    """

    def __init__(self, root: Path) -> None:
        self._root, self._store = root, DirectoryStore(root)
        self._digests: dict[tuple[int, int], str] = {}

    def read(self, path: str, most: int | None = None) -> bytes | None:
        with self._store.reading(path) as stream:
            return None if stream is None else _bounded(stream.read, path, most)

    def measured(self, path: str, size: int | None = None) -> Measure | None:
        with self._store.reading(path) as stream:
            if stream is None:
                return None
            status = os.fstat(stream.fileno())
            if size is None and status.st_size > DOCUMENT:
                raise _too_large(path, DOCUMENT)
            if size is not None and status.st_size != size:
                return status.st_size, ""
            inode = (status.st_dev, status.st_ino)
            if inode not in self._digests:
                self._digests[inode] = hashlib.file_digest(stream, "sha256").hexdigest()
        return status.st_size, self._digests[inode]

    @contextmanager
    def local(self, path: str, size: int) -> Iterator[Path]:
        with self._store.reading(path) as stream:
            if stream is not None and os.fstat(stream.fileno()).st_size > size:
                raise _too_large(path, size)
            here = Path(f"/proc/self/fd/{stream.fileno()}") if stream else None
            yield here if here and here.exists() else self._root / checked(path)

    def list(self) -> list[str] | None:
        found = []
        for folder, below, names in os.walk(self._root):
            parent = Path(folder).relative_to(self._root)
            if parent == Path() and OWN in below:
                below.remove(OWN)
            links = [name for name in below if (Path(folder) / name).is_symlink()]
            found += [(parent / name).as_posix() for name in (*names, *links)]
        return sorted(found)


class Web:
    """A site that another program serves."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened

    def read(self, path: str, most: int | None = None) -> bytes | None:
        with self._opened(path) as more:
            return None if more is None else _bounded(more, path, most)

    def measured(self, path: str, size: int | None = None) -> Measure | None:
        digest, count = hashlib.sha256(), 0
        with self._opened(path) as more:
            if more is None:
                return None
            for piece in _pieces(more, path, DOCUMENT if size is None else size):
                digest.update(piece)
                count += len(piece)
        return count, digest.hexdigest()

    @contextmanager
    def local(self, path: str, size: int) -> Iterator[Path]:
        with TemporaryDirectory(prefix="kubewright-verify-") as directory:
            file = Path(directory) / path.rpartition("/")[2]
            with self._opened(path) as more, file.open("wb") as stream:
                for piece in _pieces(more, path, size) if more else ():
                    stream.write(piece)
            yield file

    def list(self) -> list[str] | None:
        return None


class Bucket(Web):
    """A site in an object store."""

    def __init__(self, store: "BucketStore") -> None:
        super().__init__(store.opened)
        self._store = store

    def list(self) -> list[str] | None:
        return self._store.list("")


class Steady:
    """A source that must go on saying what it said: a server could show one file to be parsed and
    another to be checked. Raises VerificationFailed for an object that has other bytes than before.

    An object that is never replaced is measured once, and a small one is kept for a while, for
    documents are read again soon.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.seen: dict[str, Measure | None] = {}
        """What it said of each object; None: that there is none."""
        self._kept: dict[str, bytes] = {}
        self._bytes = 0
        self.list = source.list

    def read(self, path: str, most: int | None = None) -> bytes | None:
        kept = self._kept.get(path)
        if kept is not None and (most is None or len(kept) <= most):
            return kept
        data = self._source.read(path, most)
        self._same(path, None if data is None else (len(data), files.sha256(data)))
        if data is not None and len(data) <= SMALL and layout.is_immutable(path):
            self._keep(path, data)
        return data

    def measured(self, path: str, size: int | None = None) -> Measure | None:
        lasts = layout.is_immutable(path)
        if lasts and (known := self.seen.get(path)) is not None:
            return known
        if lasts and path.startswith(READ) and not path.endswith(".gz") and (size or 0) <= SMALL:
            self.read(path)
            return self.seen[path]
        measure = self._source.measured(path, size)
        if measure is None or measure[1]:
            self._same(path, measure)
        return measure

    @contextmanager
    def local(self, path: str, size: int) -> Iterator[Path]:
        with self._source.local(path, size) as file:
            there = file.exists()
            self._same(path, (file.stat().st_size, files.sha256_of(file)) if there else None)
            yield file

    def _keep(self, path: str, data: bytes) -> None:
        self._bytes += len(data) - len(self._kept.pop(path, b""))
        self._kept[path] = data
        while self._bytes > KEPT:  # the oldest is not read any more
            self._bytes -= len(self._kept.pop(next(iter(self._kept))))

    def _same(self, path: str, measure: Measure | None) -> None:
        if self.seen.setdefault(path, measure) != measure:
            raise VerificationFailed(
                path, "was something else a moment ago", "if somebody is publishing, verify again"
            )


class Noting:
    """A source that keeps the first refusal to read: what cannot be read is not known to be
    damaged.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._refusal: KubewrightError | None = None
        self.list = source.list

    def read(self, path: str, most: int | None = None) -> bytes | None:
        with self._noted():
            return self._source.read(path, most)

    def measured(self, path: str, size: int | None = None) -> Measure | None:
        with self._noted():
            return self._source.measured(path, size)

    @contextmanager
    def local(self, path: str, size: int) -> Iterator[Path]:
        with self._noted(), self._source.local(path, size) as file:
            yield file

    def require(self) -> None:
        """Raise the refusal, if there was one."""
        if self._refusal is not None:
            raise self._refusal

    @contextmanager
    def _noted(self) -> Iterator[None]:
        try:
            yield
        except VerificationFailed:
            raise
        except KubewrightError as error:
            self._refusal = self._refusal or error
            raise


def _bounded(read: Callable[[int], bytes], path: str, most: int | None) -> bytes:
    """All there is to read, into memory."""
    return b"".join(_pieces(read, path, DOCUMENT if most is None else min(most, IN_MEMORY)))


def _pieces(read: Callable[[int], bytes], path: str, most: int) -> Iterator[bytes]:
    """What there is to read, piece by piece. Raises VerificationFailed where it is more than
    that.
    """
    left = most
    while piece := read(min(left, files.CHUNK) + 1):
        left -= len(piece)
        if left < 0:
            raise _too_large(path, most)
        yield piece


def _too_large(path: str, most: int) -> VerificationFailed:
    return VerificationFailed(
        path, f"has more than the {most} bytes that it may have", "do not use it"
    )
