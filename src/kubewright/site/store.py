"""Where a site is written: one interface for directories and buckets, the directory form, and a dry
run.

A path is relative to the site's root, with `/` between its parts. A store holds objects: it has no
directories and renames nothing. `Data` is bytes, or the path of a local file whose bytes are
copied.
"""

# ruff: noqa: D102 -- Store says once what each method does

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, Protocol

from kubewright import files
from kubewright.errors import PublicationConflict, RequestError, VerificationFailed
from kubewright.models.base import Model

Data = bytes | Path
Paths = list[str]


class Store(Protocol):
    """The root of a site. What it cannot read or write raises an error that names the path."""

    def read(self, path: str) -> bytes | None:
        """Give the object's bytes, None if there is none."""

    def exists(self, path: str) -> bool:
        """Say whether there is such an object."""

    def size(self, path: str) -> int | None:
        """Give the object's size in bytes, None if there is none."""

    def digest(self, path: str) -> str | None:
        """Give the object's SHA-256 in hexadecimal, None if there is none."""

    def list(self, prefix: str) -> Paths:
        """Give every path that starts with `prefix`, sorted; none with a part that starts with a
        dot.
        """

    def create(self, path: str, data: Data) -> bool:
        """Write an object that never changes; False if the same bytes are there already.

        Raises PublicationConflict if other bytes are.
        """

    def replace(self, path: str, data: Data) -> bool:
        """Make the object hold `data`, whole or not at all; False if it did already."""

    def swap(self, path: str, expected: bytes | None, data: bytes) -> None:
        """Replace the object if it still holds `expected` (None: if there is none yet).

        Raises PublicationConflict otherwise. Of several who expect the same, exactly one succeeds.
        """

    def link(self, source: str, path: str) -> bool:
        """Make `path` hold what the object `source` holds, without sending it again; False if it
        did already.

        Raises VerificationFailed if there is no `source`.
        """


class DirectoryStore:
    """A site in a directory, as a web server serves it.

    Writers take turns by a lock that ends with their process. Each writes `.kubewright/new` and
    moves it into place, so a killed one leaves at most that file, and the next removes it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, path: str) -> bytes | None:
        file = self._file(path)
        with files.explained(file):
            return file.read_bytes() if file.is_file() else None

    def exists(self, path: str) -> bool:
        return self._file(path).is_file()

    def size(self, path: str) -> int | None:
        file = self._file(path)
        return file.stat().st_size if file.is_file() else None

    def digest(self, path: str) -> str | None:
        file = self._file(path)
        with files.explained(file):
            return files.sha256_of(file) if file.is_file() else None

    def list(self, prefix: str) -> Paths:
        below = self.root / prefix.rpartition("/")[0]
        found = (file.relative_to(self.root) for file in below.rglob("*") if file.is_file())
        shown = (
            path.as_posix()
            for path in found
            if not any(part.startswith(".") for part in path.parts)
        )
        return sorted(path for path in shown if path.startswith(prefix))

    def create(self, path: str, data: Data) -> bool:
        with self._turn(path) as new:
            if _created(self, path, data):
                return False
            self._put(path, _fill(new, data))
            return True

    def replace(self, path: str, data: Data) -> bool:
        with self._turn(path) as new:
            if _holds(self, path, data):
                return False
            self._put(path, _fill(new, data))
            return True

    def swap(self, path: str, expected: bytes | None, data: bytes) -> None:
        with self._turn(path) as new:
            _expect(self, path, expected)
            self._put(path, _fill(new, data))

    def link(self, source: str, path: str) -> bool:
        with self._turn(path) as new:
            origin, file = self._file(source), self._file(path)
            shared = (
                origin.is_file() and file.is_file() and origin.samefile(file)
            )  # then nothing need be read
            if shared or _linked(self, source, path):
                return False
            try:
                new.hardlink_to(origin)
            except OSError:  # a file system without hard links, or one more than a file may have
                _fill(new, origin)
            self._put(path, new)
            return True

    def _file(self, path: str) -> Path:
        if not {"", ".", ".."}.isdisjoint(path.split("/")):
            raise RequestError(
                f"{path!r}: not a path inside a site; use names separated by single slashes"
            )
        return self.root / path

    @contextmanager
    def _turn(self, path: str) -> Iterator[Path]:
        """Wait until no other process or thread writes here; give the file to write, which is not
        there.
        """
        own = self.root / ".kubewright"
        with files.explained(self._file(path)):
            _make_directory(own)
            with (own / "lock").open("ab") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                new = own / "new"
                new.unlink(missing_ok=True)
                yield new

    def _put(self, path: str, new: Path) -> None:
        file = self._file(path)
        _make_directory(file.parent)
        new.replace(file)
        files.sync_directory(file.parent)


class Change(Model):
    """One object that a publication would write."""

    path: str
    action: Literal["create", "replace", "link"]
    size: int


class Recorder:
    """A store for dry runs: notes what would change in another store, and reads as if it had."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.changes: list[Change] = []
        self._pending: dict[str, Data | str] = {}  # a str is the path of an object in `store`

    def read(self, path: str) -> bytes | None:
        data = self._pending.get(path, path)
        if isinstance(data, str):
            return self.store.read(data)
        return data if isinstance(data, bytes) else data.read_bytes()

    def exists(self, path: str) -> bool:
        return path in self._pending or self.store.exists(path)

    def size(self, path: str) -> int | None:
        data = self._pending.get(path, path)
        return self.store.size(data) if isinstance(data, str) else _size(data)

    def digest(self, path: str) -> str | None:
        data = self._pending.get(path, path)
        return self.store.digest(data) if isinstance(data, str) else _digest(data)

    def list(self, prefix: str) -> Paths:
        pending = {
            path for path in self._pending if path.startswith(prefix) and "/." not in f"/{path}"
        }
        return sorted(pending.union(self.store.list(prefix)))

    def create(self, path: str, data: Data) -> bool:
        if _created(self, path, data):
            return False
        self._note(path, "create", data)
        return True

    def replace(self, path: str, data: Data) -> bool:
        if _holds(self, path, data):
            return False
        self._note(path, "replace" if self.exists(path) else "create", data)
        return True

    def swap(self, path: str, expected: bytes | None, data: bytes) -> None:
        _expect(self, path, expected)
        self._note(path, "create" if expected is None else "replace", data)

    def link(self, source: str, path: str) -> bool:
        if _linked(self, source, path):
            return False
        self._note(path, "link", self._pending.get(source, source))
        return True

    def _note(
        self, path: str, action: Literal["create", "replace", "link"], data: Data | str
    ) -> None:
        self._pending[path] = data
        self.changes.append(Change(path=path, action=action, size=self.size(path) or 0))


def _size(data: Data) -> int:
    return len(data) if isinstance(data, bytes) else data.stat().st_size


def _digest(data: Data) -> str:
    return files.sha256(data) if isinstance(data, bytes) else files.sha256_of(data)


def _holds(store: Store, path: str, data: Data) -> bool:
    return store.size(path) == _size(data) and store.digest(path) == _digest(data)


def _created(store: Store, path: str, data: Data) -> bool:
    there = store.digest(path)
    if there not in (None, new := _digest(data)):
        raise PublicationConflict(
            f"{path}: published already with other bytes (there: sha256 {there}, new: sha256 {new}); "
            "a published name keeps its bytes, so publish the change under a new --revision"
        )
    return there is not None


def _expect(store: Store, path: str, expected: bytes | None) -> None:
    if store.read(path) != expected:
        raise PublicationConflict(
            f"{path}: somebody else published meanwhile; run the same command again"
        )


def _linked(store: Store, source: str, path: str) -> bool:
    digest = store.digest(source)
    if digest is None:
        raise VerificationFailed(
            f"{source}: missing on the site, but {path} needs it; publish its release again"
        )
    return store.digest(path) == digest


def _fill(new: Path, data: Data) -> Path:
    """Write and sync a file that anybody may read, whatever the umask."""
    with new.open("wb") as stream:
        if isinstance(data, bytes):
            stream.write(data)
        else:
            with data.open("rb") as source:
                shutil.copyfileobj(source, stream, files.CHUNK)
        stream.flush()
        os.fchmod(stream.fileno(), 0o644)
        os.fsync(stream.fileno())
    return new


def _make_directory(directory: Path) -> None:
    """Make a directory that anybody may enter, whatever the umask, and those above it."""
    if not directory.is_dir():
        _make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        directory.chmod(0o755)
        files.sync_directory(directory.parent)
