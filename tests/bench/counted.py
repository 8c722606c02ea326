"""Sites whose operations are counted: by method, in bytes, and in rounds that follow one another;
near, as a directory is, or as if they were in a bucket far away.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import rounds

from kubewright import files
from kubewright.site.directory import DirectoryStore
from kubewright.site.store import Content, Stat, Stored
from kubewright.verification.notes import Measure
from kubewright.verification.source import Directory

PACKAGES = ("apt/pool/", "yum/pool/")
WRITES = ("put", "copy", "delete")
PAGE = 1000
"""How many names a bucket's answer lists at most."""


@dataclass
class Tally:
    """What was asked of a site."""

    calls: Counter[str] = field(default_factory=Counter)
    """By method."""
    rounds: int = 0
    """How many of them had to follow one another."""
    read: int = 0
    """Bytes; a directory reads an object to say its digest, so `stat` counts as reading it."""
    written: int = 0
    """Bytes that were sent."""
    derived: int = 0
    """Those of them that are neither packages nor files of a release."""
    bodies: int = 0
    """How often a package was read."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def total(self) -> int:
        """All calls."""
        return self.calls.total()

    @property
    def writes(self) -> int:
        """Those that write."""
        return sum(self.calls[name] for name in WRITES)

    @property
    def by_method(self) -> str:
        """`12 get, 3 put`."""
        return ", ".join(f"{count} {name}" for name, count in self.calls.most_common()) or "none"

    def note(self, method: str, path: str, read: int = 0, written: int = 0) -> None:
        """Count one call; workers of a publication may do so at once."""
        with self.lock:
            self.calls[method] += 1
            self.rounds = max(self.rounds, rounds.take())
            self.read += read
            self.written += written
            if not path.startswith((*PACKAGES, "releases/v")):
                self.derived += written
            self.bodies += bool(read) and _is_package(path)


def _is_package(path: str) -> bool:
    return path.startswith(PACKAGES) or "/Packages/" in path


class CountedStore(DirectoryStore):
    """A directory that notes every call."""

    def __init__(self, root: Path, tally: Tally) -> None:
        super().__init__(root)
        self.tally = tally

    def get(self, path: str) -> Stored | None:
        stored = super().get(path)
        self.tally.note("get", path, read=len(stored.data) if stored else 0)
        return stored

    def stat(self, path: str) -> Stat | None:
        there = super().stat(path)
        self.tally.note("stat", path, read=there.size if there else 0)
        return there

    def put(
        self, path: str, content: Content, *, if_absent: bool = False, if_tag: str | None = None
    ) -> bool:
        done = super().put(path, content, if_absent=if_absent, if_tag=if_tag)
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        self.tally.note("put", path, written=size if done else 0)
        return done

    def copy(self, source: str, path: str, *, seen_absent: bool = False) -> bool:
        self.tally.note("copy", path)
        return super().copy(source, path, seen_absent=seen_absent)

    def list(self, prefix: str) -> list[str]:
        self.tally.note("list", prefix)
        return super().list(prefix)

    def delete(self, path: str) -> None:
        self.tally.note("delete", path)
        super().delete(path)


class FarStore(CountedStore):
    """A directory that is asked as a bucket is, and notes each request that a bucket would get."""

    distant = True

    def stat(self, path: str) -> Stat | None:
        there = DirectoryStore.stat(self, path)
        self.tally.note("stat", path)
        return Stat(there.size, None) if there else None

    def sha256(self, path: str) -> str | None:
        stored = self.get(path)
        return files.sha256(stored.data) if stored else None

    def copy(self, source: str, path: str, *, seen_absent: bool = False) -> bool:
        if not seen_absent and self.stat(path) is not None:
            return False
        return super().copy(source, path, seen_absent=seen_absent)

    def list(self, prefix: str) -> list[str]:
        found = super().list(prefix)
        for _ in range((len(found) - 1) // PAGE):  # each page is asked for after the one before
            self.tally.note("list", prefix)
        return found

    def announce(self) -> None:
        """A bucket knows nobody."""

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Nor can it say who else is there."""
        yield True


@contextmanager
def counting(*, far: bool = False) -> Iterator[Tally]:
    """Count what stages ask of the sites that they open in this block; of far ones in rounds."""
    tally = Tally()
    kind = FarStore if far else CountedStore

    class Counted(kind):  # type: ignore[misc, valid-type]  # a class of its own, for stages ask for
        def __init__(self, root: Path) -> None:
            super().__init__(root, tally)

    with (
        patch("kubewright.stages.store.DirectoryStore", Counted),
        rounds.counted() if far else nullcontext(),
    ):
        yield tally


@dataclass
class Starts:
    """How often a verification has started to read each object."""

    by_path: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """Of all objects."""
        return self.by_path.total()

    @property
    def objects(self) -> int:
        """That were read at all."""
        return len(self.by_path)

    @property
    def again(self) -> int:
        """How often a package or an archive was read that had been read before."""
        large = (".deb", ".rpm", ".tar")
        return sum(count - 1 for path, count in self.by_path.items() if path.endswith(large))


@contextmanager
def reading() -> Iterator[Starts]:
    """Count what a verification reads of the directories that it opens in this block."""
    starts = Starts()

    class Counted(Directory):
        def read(self, path: str, most: int | None = None) -> bytes | None:
            starts.by_path[path] += 1
            return super().read(path, most)

        def measured(self, path: str, size: int | None = None) -> Measure | None:
            starts.by_path[path] += 1
            return super().measured(path, size)

        @contextmanager
        def local(self, path: str, size: int) -> Iterator[Path]:
            starts.by_path[path] += 1
            with super().local(path, size) as file:
                yield file

    with patch("kubewright.stages.sources.Directory", Counted):
        yield starts
