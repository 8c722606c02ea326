"""Rounds of operations, counted without a clock: how many of them have to follow one another.

Each operation takes one round. A thread of a pool begins in the round in which it was asked to, and
whoever waits for it goes on after its last one. So the count is the longest chain of operations of
which each waited for the one before, on any machine, at any load.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

_own = threading.local()


def reached() -> int:
    """The round of the operation that this thread has done or waited for last."""
    return getattr(_own, "round", 0)


def take() -> int:
    """Begin an operation; its round."""
    _own.round = reached() + 1
    return reached()


class _Pools:
    """What was asked of pools, and in which round each of it ended."""

    def __init__(self) -> None:
        self.ends: WeakKeyDictionary[Future[Any], list[int]] = WeakKeyDictionary()
        self.asked: WeakKeyDictionary[ThreadPoolExecutor, list[Future[Any]]] = WeakKeyDictionary()
        self.submit, self.result = ThreadPoolExecutor.submit, Future.result
        self.shutdown = ThreadPoolExecutor.shutdown

    def ask(
        self, pool: ThreadPoolExecutor, work: Callable[..., Any], *args: Any, **more: Any
    ) -> Future[Any]:
        """Have a pool do something that begins in this round."""
        begun, end = reached(), [0]

        def run(*args: Any, **more: Any) -> Any:
            _own.round = begun
            try:
                return work(*args, **more)
            finally:
                end[0] = reached()

        future: Future[Any] = self.submit(pool, run, *args, **more)
        self.ends[future] = end
        self.asked.setdefault(pool, []).append(future)
        return future

    def waited(self, future: Future[Any]) -> None:
        """Go on after a future, which has ended."""
        (end,) = self.ends.get(future, [0])
        _own.round = max(reached(), end)


@contextmanager
def counted() -> Iterator[None]:
    """Let threads of pools that a block uses keep to its rounds, which begin anew."""
    pools = _Pools()

    def submit(
        pool: ThreadPoolExecutor, work: Callable[..., Any], /, *args: Any, **more: Any
    ) -> Future[Any]:
        return pools.ask(pool, work, *args, **more)

    def result(future: Future[Any], timeout: float | None = None) -> Any:
        try:
            return pools.result(future, timeout)
        finally:
            pools.waited(future)

    def shutdown(pool: ThreadPoolExecutor, wait: bool = True, **more: Any) -> None:
        pools.shutdown(pool, wait, **more)
        for future in pools.asked.get(pool, ()) if wait else ():
            pools.waited(future)

    before, _own.round = reached(), 0
    with (
        patch.object(ThreadPoolExecutor, "submit", submit),
        patch.object(ThreadPoolExecutor, "shutdown", shutdown),
        patch.object(Future, "result", result),
    ):
        try:
            yield
        finally:
            _own.round = before
