"""A site that goes on saying what it said, of which each object is asked for once."""

# ruff: noqa: D102 -- Source says once what each method does

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from kubewright import files
from kubewright.errors import UpstreamUnreachable, VerificationFailed
from kubewright.site import layout
from kubewright.verification.notes import Measure, Measures
from kubewright.verification.source import Source

SMALL: Final = 1 << 16
"""Bytes of an object that is kept for a while."""

READ: Final = ("releases/", "publications/", "yum/snapshots/")
"""Where the documents are that are measured, and then read."""

KEPT: Final = 1 << 22
"""How many bytes of them are kept: those of several releases."""

AT_ONCE: Final = 8
"""How many objects of a distant site are asked for at once."""

QUICK: Final = 1 << 20
"""Bytes of an object that is asked for beside others: with a larger one the way there is the
smaller part of the time, and whoever stops the program waits for those under way.
"""


class Steady:
    """A source that must go on saying what it said: a server could show one file to be parsed and
    another to be checked. Raises VerificationFailed for an object that has other bytes than before.

    An object that is never replaced is measured once, and a small one is kept for a while, for
    documents are read again soon.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.seen = Measures()
        """What it said of each object; None: that there is none."""
        self._ahead: dict[str, Measure | UpstreamUnreachable | None] = {}
        """What it said of those that nobody has asked for yet."""
        self._kept: dict[str, bytes] = {}
        self._bytes = 0
        self._keeping = threading.Lock()
        self.list, self.distant = source.list, source.distant

    def expect(self, wanted: Iterable[tuple[str, int | None]]) -> None:
        """Ask a distant site for small objects, by path and the size in bytes if that is known,
        several at once. What it says counts, and what that raises is raised, when each of them is
        asked for.
        """
        if not self.distant:
            return
        new = dict[str, int | None]()
        for path, size in wanted:
            known = path in self.seen or path in self._ahead
            if not known and (size or 0) <= QUICK:
                new.setdefault(path, size)
        if len(new) > 1:
            silent = threading.Event()
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(partial(self._ask, silent), new, new.values()))

    def _ask(self, silent: threading.Event, path: str, size: int | None) -> None:
        """Note what is said of an object, but of one that is not as it ought to be nothing: it is
        looked at again. A server that does not answer is `silent`, and asked no more.
        """
        most = SMALL if size is None else size
        if silent.is_set():
            return
        try:
            if most > SMALL:
                measure = self._source.measured(path, most)
            else:
                data = self._source.read(path, most)
                measure = None if data is None else (len(data), files.sha256(data))
                if data is not None and self._is_read_soon(path, size):
                    self._keep(path, data)
        except UpstreamUnreachable as error:
            self._ahead[path] = error
            silent.set()
        except Exception:
            return
        else:
            if measure is None or measure[1]:
                self._ahead[path] = measure

    def _is_read_soon(self, path: str, size: int | None) -> bool:
        named = path.startswith(READ) and not path.endswith(".gz")
        return named and (size or 0) <= SMALL and layout.is_immutable(path)

    def read(self, path: str, most: int | None = None) -> bytes | None:
        if path in self._ahead and self._taken(path) is None:
            return None
        kept = self._kept.get(path)
        if kept is not None and (most is None or len(kept) <= most):
            return kept
        data = self._source.read(path, most)
        self._same(path, None if data is None else (len(data), files.sha256(data)))
        if data is not None and layout.is_immutable(path):
            self._keep(path, data)
        return data

    def measured(self, path: str, size: int | None = None) -> Measure | None:
        if path in self._ahead:
            return self._taken(path)
        known = self.seen.get(path)
        if known is not None and layout.is_immutable(path):
            return known
        if self._is_read_soon(path, size):
            self.read(path)
            return self.seen.get(path)
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

    def _taken(self, path: str) -> Measure | None:
        """What was said of an object beforehand. Raises what that raised."""
        answer = self._ahead.pop(path)
        if isinstance(answer, UpstreamUnreachable):
            raise answer
        self._same(path, answer)
        return answer

    def _keep(self, path: str, data: bytes) -> None:
        if len(data) > SMALL:
            return
        with self._keeping:  # several threads read when a site is copied
            self._bytes += len(data) - len(self._kept.pop(path, b""))
            self._kept[path] = data
            while self._bytes > KEPT:  # the oldest is not read any more
                self._bytes -= len(self._kept.pop(next(iter(self._kept))))

    def _same(self, path: str, measure: Measure | None) -> None:
        if self.seen.setdefault(path, measure) != measure:
            raise VerificationFailed(
                path, "was something else a moment ago", "if somebody is publishing, verify again"
            )
