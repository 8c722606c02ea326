"""Where a site is read from: a directory, or a web server. Nothing is read without a bound."""

# ruff: noqa: D102 -- Source says once what each method does

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol

from kubewright import files
from kubewright.errors import KubewrightError, VerificationFailed
from kubewright.site.directory import DirectoryStore
from kubewright.site.scratch import OWN
from kubewright.site.store import checked
from kubewright.verification.notes import Measure, Measures

if TYPE_CHECKING:
    from kubewright.metadata.chain import Get
    from kubewright.site.bucket import BucketStore

DOCUMENT = 1 << 28
"""The most bytes that an object may have whose size nothing says: documents, signatures, keys."""

IN_MEMORY = 2 << 30
"""The most bytes of an object that are read at once, whatever is said of it."""

Opened = Callable[[str], AbstractContextManager[Callable[[int], bytes] | None]]
"""Opens an object: it gives what reads so many bytes more, None if there is no such object."""


class Source(Protocol):
    """The objects of a site, by their paths. Too large ones raise VerificationFailed."""

    @property
    def distant(self) -> bool:
        """Whether each object costs a way through a network, so that several go at once."""

    def read(self, path: str, most: int | None = None) -> bytes | None:
        """A whole object of at most so many bytes (None: DOCUMENT), or None if there is none."""

    def measured(self, path: str, size: int | None = None) -> Measure | None:
        """Size and digest of an object that ought to have `size` bytes (None: at most DOCUMENT), or
        None if there is none.
        """

    def local(self, path: str, size: int) -> AbstractContextManager[Path]:
        """A file of this machine with the bytes of an object of at most that size, as long as a
        block runs; it does not exist if there is no such object.
        """

    def list(self) -> Iterable[str] | None:
        """Every path there is, in any order; None where nobody can tell."""


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

    distant = False

    def __init__(self, root: Path) -> None:
        self._root, self._store = root, DirectoryStore(root)
        self._inodes = Measures()

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
            if status.st_nlink == 1:
                return _measure(stream, status)
            inode = f"{status.st_dev}/{status.st_ino}"
            known = self._inodes.get(inode)
            return known or self._inodes.setdefault(inode, _measure(stream, status))

    @contextmanager
    def local(self, path: str, size: int) -> Iterator[Path]:
        with self._store.reading(path) as stream:
            if stream is not None and os.fstat(stream.fileno()).st_size > size:
                raise _too_large(path, size)
            here = Path(f"/proc/self/fd/{stream.fileno()}") if stream else None
            yield here if here and here.exists() else self._root / checked(path)

    def list(self) -> Iterator[str]:
        folders = [""]
        while folders:
            folder = folders.pop()
            with suppress(OSError), os.scandir(self._root / folder) as entries:
                for entry in entries:
                    path = f"{folder}{entry.name}"
                    if path == OWN and entry.is_dir():
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(f"{path}/")
                    else:
                        yield path


class Web:
    """A site that another program serves."""

    distant = True

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
            with self._opened(path) as more:
                if more is not None:
                    with file.open("wb") as stream:
                        stream.writelines(_pieces(more, path, size))
            yield file

    def list(self) -> Iterable[str] | None:
        return None


class Bucket(Web):
    """A site in an object store."""

    def __init__(self, store: "BucketStore") -> None:
        super().__init__(store.opened)
        self._store = store

    def list(self) -> Iterable[str] | None:
        return (path for path, _ in self._store.listed(""))


class Noting:
    """A source that keeps the first refusal to read: what cannot be read is not known to be
    damaged.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._refusal: KubewrightError | None = None
        self.list, self.distant = source.list, source.distant

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


def _measure(stream: BufferedReader, status: os.stat_result) -> Measure:
    """Read a file to its end."""
    return status.st_size, hashlib.file_digest(stream, "sha256").hexdigest()


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
