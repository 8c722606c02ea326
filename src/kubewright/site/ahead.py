"""Asks a distant store for several objects at once, before each of them is needed."""

# ruff: noqa: D102 -- Store says what each method does

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from kubewright.errors import KubewrightError
from kubewright.site.store import Content, Stat, Store, Stored

REQUESTS: Final = 64
"""How many are under way at once."""


class Ahead:
    """Another store, of which some answers are there already; each of them is given once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.distant = store.distant
        self._answers: dict[tuple[str, str], Any] = {}
        self._empty: set[str] = set()

    def expect(
        self,
        objects: Iterable[str] = (),
        *,
        stats: Iterable[str] = (),
        lists: Iterable[str] = (),
    ) -> None:
        """Read these objects, what is known of those, and these lists, all at the same time.

        What cannot be read raises its error when it is asked for. A store that is near waits for
        that with all of it.
        """
        wanted = [("list", prefix) for prefix in lists]
        wanted += [("get", path) for path in objects]
        wanted += [("stat", path) for path in stats]
        wanted = [one for one in dict.fromkeys(wanted) if one not in self._answers]
        if not self.distant or not wanted:
            return
        with ThreadPoolExecutor(min(REQUESTS, len(wanted))) as pool:
            answers = list(pool.map(self._asked, wanted))
        self._answers |= zip(wanted, answers, strict=True)
        self._empty |= {one[1] for one in wanted if self._answers[one] == []}

    def forget(self) -> None:
        """Ask anew for everything: time has passed."""
        self._answers.clear()
        self._empty.clear()

    def is_absent(self, path: str) -> bool:
        """Whether a list that was expected says that there is no such object."""
        return any(path.startswith(prefix) for prefix in self._empty)

    def peek(self, path: str) -> bytes | None:
        """An object that was expected, for a guess at what comes next; it is still to be read."""
        answer = self._answers.get(("get", path))
        return answer.data if isinstance(answer, Stored) else None

    def _asked(self, one: tuple[str, str]) -> Any:
        ask: Callable[[str], Any] = getattr(self._store, one[0])
        try:
            return ask(one[1])
        except KubewrightError as error:
            return error

    def _answer(self, kind: str, path: str, ask: Callable[[str], Any]) -> Any:
        if (kind, path) not in self._answers:
            return ask(path)
        answer = self._answers.pop((kind, path))
        if isinstance(answer, KubewrightError):
            raise answer
        return answer

    def get(self, path: str) -> Stored | None:
        answer: Stored | None = self._answer("get", path, self._store.get)
        return answer

    def stat(self, path: str) -> Stat | None:
        answer: Stat | None = self._answer("stat", path, self._store.stat)
        return answer

    def list(self, prefix: str) -> list[str]:
        answer: list[str] = self._answer("list", prefix, self._store.list)
        return answer

    def sha256(self, path: str) -> str | None:
        return self._store.sha256(path)

    def put(
        self, path: str, content: Content, *, if_absent: bool = False, if_tag: str | None = None
    ) -> bool:
        self._gone(path)
        return self._store.put(path, content, if_absent=if_absent, if_tag=if_tag)

    def copy(self, source: str, path: str, *, seen_absent: bool = False) -> bool:
        self._gone(path)
        return self._store.copy(source, path, seen_absent=seen_absent)

    def delete(self, path: str) -> None:
        self._gone(path)
        self._store.delete(path)

    def _gone(self, path: str) -> None:
        """What is known of an object that is written is not true any more."""
        for kind in ("get", "stat"):
            self._answers.pop((kind, path), None)
