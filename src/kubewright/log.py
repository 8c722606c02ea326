"""What people see on standard error while the pipeline works."""

import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from kubewright.printable import printable

if TYPE_CHECKING:
    from rich.console import Console


@cache
def console() -> "Console":
    """Where all goes that is not a result: standard error. NO_COLOR and a missing terminal are
    respected.
    """
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)


def redacted(text: str) -> str:
    """A text fit for logs and errors: its URLs have lost name, password and query, where secrets
    are.
    """
    return re.sub(r"\?\S+", "", re.sub(r"//[^\s/?#]*@", "//", text))


class _Formatter(logging.Formatter):
    """Whoever writes a message leaves secrets out; a traceback has the words of others too."""

    def formatException(self, ei: Any) -> str:
        return redacted(super().formatException(ei))


class _Handler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        style = {"WARNING": "yellow", "DEBUG": "dim"}.get(record.levelname, "")
        console().print(printable(self.format(record), lines=True), style=style, markup=False)


def configure(verbosity: int) -> None:
    """Choose what is shown: -1 warnings only, 0 steps, 1 every command that is run."""
    level = logging.WARNING if verbosity < 0 else logging.DEBUG if verbosity else logging.INFO
    root = logging.getLogger("kubewright")
    handler = _Handler()
    handler.setFormatter(_Formatter())
    root.handlers = [handler]
    root.setLevel(level)
    root.propagate = False


@contextmanager
def step(log: logging.Logger, title: str) -> Iterator[None]:
    """Say what starts, and how long it took if it ends well."""
    log.info("%s …", title)
    begun = time.monotonic()
    yield
    log.info("%s: done in %.1f s", title, time.monotonic() - begun)
