"""What a verification remembers of the objects of a site. It is on disk, and takes as little memory
for a large site as for a small one.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Set
from typing import Any, Final

from kubewright.errors import DiskError

Measure = tuple[int, str]
"""The size in bytes and the SHA-256 of an object. An object of another size than the one that was
asked for has no SHA-256: it is not read.
"""

MEMORY: Final = 1 << 10
"""KiB of a table that are in memory before a file is made for it."""

AT_ONCE: Final = 500
"""Rows that are in memory while a table is gone through."""


class NoRoom(DiskError):
    """The disk has no room for what a verification has to remember."""


class Table:
    """Rows in a file without a name, which is gone with this object. Several threads may use it.

    Its methods raise NoRoom.
    """

    def __init__(self, columns: str) -> None:
        """An empty table with these columns, as SQL has them."""
        self._turn = _Turn()
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self.run("PRAGMA journal_mode = OFF")
        self.run(f"PRAGMA cache_size = -{MEMORY}")
        self.run(f"CREATE TABLE rows ({columns}) WITHOUT ROWID")

    def __del__(self) -> None:
        """Let the file go."""
        self._db.close()

    def run(self, statement: str, *values: object) -> int:
        """Run a statement; how many rows it changed."""
        with self._turn:
            return self._db.execute(statement, values).rowcount

    def first(self, statement: str, *values: object) -> Any:
        """The first row of an answer; None: it has none."""
        with self._turn:
            return self._db.execute(statement, values).fetchone()

    def each(self, statement: str, *values: object) -> Iterator[Any]:
        """The rows of an answer."""
        with self._turn:
            cursor = self._db.execute(statement, values)
        while rows := self._more(cursor):
            yield from rows

    def has(self, path: str) -> bool:
        """Whether a row of a table by path has this one."""
        return self.first("SELECT 1 FROM rows WHERE path = ?", _key(path)) is not None

    def _more(self, cursor: sqlite3.Cursor) -> list[Any]:
        with self._turn:
            return cursor.fetchmany(AT_ONCE)


class _Turn:
    """Lets one thread after the other in, and says what SQLite says in words of ours."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> None:
        self._lock.release()
        if isinstance(error, sqlite3.Error):
            raise NoRoom(
                "the notes of a verification",
                str(error),
                "free some of the disk where temporary files go, or name another: TMPDIR=DIRECTORY",
            ) from error


class Paths(Set[str]):
    """A set of paths."""

    def __init__(self) -> None:
        """An empty set."""
        self._table = Table("path BLOB PRIMARY KEY")

    def add(self, path: str) -> bool:
        """Add a path; whether it is new."""
        return self._table.run("INSERT OR IGNORE INTO rows VALUES (?)", _key(path)) == 1

    def update(self, paths: Iterable[str]) -> None:
        """Add all these."""
        for path in paths:
            self.add(path)

    def __contains__(self, path: object) -> bool:
        """Whether it has a path."""
        return self._table.has(str(path))

    def __iter__(self) -> Iterator[str]:
        """Every path, sorted."""
        return (_path(key) for (key,) in self._table.each("SELECT path FROM rows ORDER BY path"))

    def __len__(self) -> int:
        """How many they are."""
        return int(self._table.first("SELECT COUNT(*) FROM rows")[0])


class Measures:
    """The measures of objects by their paths; None: that there is no such object."""

    def __init__(self) -> None:
        """Nothing is known of any."""
        self._table = Table("path BLOB PRIMARY KEY, size INTEGER, sha256 TEXT")

    def __setitem__(self, path: str, measure: Measure | None) -> None:
        """Note the measure of an object, whatever was noted before."""
        self._write("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", path, measure)

    def setdefault(self, path: str, measure: Measure | None) -> Measure | None:
        """Note the measure of an object of which none is noted; the one that is noted."""
        if self._write("INSERT OR IGNORE INTO rows VALUES (?, ?, ?)", path, measure):
            return measure
        return self.get(path)

    def _write(self, statement: str, path: str, measure: Measure | None) -> int:
        return self._table.run(statement, _key(path), *(measure or (None, None)))

    def get(self, path: str, unknown: Measure | None = None) -> Measure | None:
        """The measure that is noted of an object; `unknown`: nothing is."""
        row = self._table.first("SELECT size, sha256 FROM rows WHERE path = ?", _key(path))
        return unknown if row is None else _measure(*row)

    def __contains__(self, path: object) -> bool:
        """Whether something is noted of an object."""
        return self._table.has(str(path))

    def items(self) -> Iterator[tuple[str, Measure | None]]:
        """What is noted of each object, sorted by path."""
        for key, *measure in self._table.each("SELECT * FROM rows ORDER BY path"):
            yield _path(key), _measure(*measure)


def _measure(size: int | None, sha256: str | None) -> Measure | None:
    return None if size is None or sha256 is None else (size, sha256)


def _key(path: str) -> bytes:
    """A path as it is noted: the disk has names that are no text."""
    return path.encode(errors="surrogatepass")


def _path(key: bytes) -> str:
    return key.decode(errors="surrogatepass")
