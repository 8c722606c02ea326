"""A site that goes on saying what it said, of which each object is asked for once."""

# ruff: noqa: D102 -- Source says once what each method does

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from kubewright import files
from kubewright.errors import UpstreamUnreachable, VerificationFailed
from kubewright.site import layout
from kubewright.verification.source import Measure, Source

SMALL = 1 << 16
"""Bytes of an object that is kept for a while."""

READ = ("releases/", "publications/", "yum/snapshots/")
"""Where the documents are that are measured, and then read."""

KEPT = 1 << 22
"""How many bytes of them are kept: those of several releases."""

AT_ONCE = 8
"""How many objects of a distant site are asked for at once."""


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
        self._silent: UpstreamUnreachable | None = None
        self.list, self.distant = source.list, source.distant

    def expect(self, wanted: Iterable[tuple[str, int | None]]) -> None:
        """Measure objects (paths, and sizes in bytes where they are known), several at once where
        each takes its time.

        What cannot be measured is asked for again when it is needed, and raises then; but that a
        server does not answer is raised at once (UpstreamUnreachable).
        """
        new = [(path, size) for path, size in wanted if self._is_new(path)]
        if not self.distant or not new:
            return
        with ThreadPoolExecutor(min(AT_ONCE, len(new))) as pool:
            found = pool.map(self._asked, new)
            for (path, _), (measure, data) in zip(new, found, strict=True):
                if measure is not None:
                    self._same(path, measure)
                if data is not None:
                    self._keep(path, data)

    def _is_new(self, path: str) -> bool:
        return layout.is_immutable(path) and path not in self.seen

    def _asked(self, wanted: tuple[str, int | None]) -> tuple[Measure | None, bytes | None]:
        """The measure of an object, and if it is read soon the object."""
        path, size = wanted
        if self._silent is not None:
            raise self._silent
        try:
            if self._is_read_soon(path, size):
                data = self._source.read(path)
                return (len(data), files.sha256(data)) if data is not None else None, data
            measure = self._source.measured(path, size)
        except UpstreamUnreachable as error:
            self._silent = error
            raise
        except Exception:  # it is asked for again where that is told
            return None, None
        return measure if measure and measure[1] else None, None

    def _is_read_soon(self, path: str, size: int | None) -> bool:
        return path.startswith(READ) and not path.endswith(".gz") and (size or 0) <= SMALL

    def read(self, path: str, most: int | None = None) -> bytes | None:
        kept = self._kept.get(path)
        if kept is not None and (most is None or len(kept) <= most):
            return kept
        data = self._source.read(path, most)
        self._same(path, None if data is None else (len(data), files.sha256(data)))
        if data is not None and layout.is_immutable(path):
            self._keep(path, data)
        return data

    def measured(self, path: str, size: int | None = None) -> Measure | None:
        lasts = layout.is_immutable(path)
        if lasts and (known := self.seen.get(path)) is not None:
            return known
        if lasts and self._is_read_soon(path, size):
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
        if len(data) > SMALL:
            return
        self._bytes += len(data) - len(self._kept.pop(path, b""))
        self._kept[path] = data
        while self._bytes > KEPT:  # the oldest is not read any more
            self._bytes -= len(self._kept.pop(next(iter(self._kept))))

    def _same(self, path: str, measure: Measure | None) -> None:
        if self.seen.setdefault(path, measure) != measure:
            raise VerificationFailed(
                path, "was something else a moment ago", "if somebody is publishing, verify again"
            )
