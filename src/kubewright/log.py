"""What people see on standard error while the pipeline works."""

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubewright.printable import printable

if TYPE_CHECKING:
    from rich.console import Console


STAGE = 25
"""The level of a line about a whole stage: between steps and warnings, said with -q too."""

KEPT = 20
"""So many logs of earlier runs stay."""

ASIDE = {"aside": True}
"""Of a message that goes to the log file alone."""


def duration(seconds: float) -> str:
    """A time for people: `0.4 s`, `3 min 07 s`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def amount(count: int) -> str:
    """Bytes for people: `46 MB`."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            digits = 1 if count < 10 * factor else 0
            return f"{count / factor:,.{digits}f} {unit}"
    return f"{count} B"


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
        if getattr(record, "aside", False):
            return
        style = {"WARNING": "yellow", "DEBUG": "dim"}.get(record.levelname, "")
        console().print(printable(self.format(record), lines=True), style=style, markup=False)


def _unsaid(text: str) -> str:
    """A text without what people may have typed of secrets: it stays longer than a terminal."""
    text = re.sub(r"(?i)(pin-value|pin|password|token|secret)=[^\s&;'\"]+", r"\1=…", redacted(text))
    return re.sub(r"(?<![^\s'\"=(])[^\s/@'\"=(]+:[^\s/@]+@", "…@", text)


class _File(logging.Handler):
    """The log of a run; it is open only while a line is written."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def emit(self, record: logging.LogRecord) -> None:
        line = printable(_unsaid(self.format(record)), lines=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        with suppress(OSError):
            handle = os.open(self.path, flags, 0o600)
            with os.fdopen(handle, "a", encoding="utf-8") as stream:
                stream.write(f"{line}\n")


def configure(verbosity: int, folder: Path | None = None) -> None:
    """Choose what is shown: -1 whole stages and warnings, 0 steps, 1 every command and address,
    with the time. A file in `folder` has all of it, whatever is shown.
    """
    root = logging.getLogger("kubewright")
    handler = _Handler()
    handler.setLevel(STAGE if verbosity < 0 else logging.DEBUG if verbosity else logging.INFO)
    handler.setFormatter(_Formatter("%(asctime)s %(message)s" if verbosity > 0 else None, _CLOCK))
    root.handlers = [handler]
    root.setLevel(handler.level)
    root.propagate = False
    if folder is not None:
        with suppress(OSError):  # a run that can keep no log is a run all the same
            root.addHandler(_file(folder))
            root.setLevel(logging.DEBUG)


_CLOCK = "%H:%M:%S"


def _file(folder: Path) -> logging.Handler:
    """What writes the log of this run; the oldest of earlier runs goes."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
        raise PermissionError(f"{folder}: a link, or somebody else's")
    own = [path for path in folder.iterdir() if re.fullmatch(r"\d{8}T\d{6}-\d+\.log", path.name)]
    for old in sorted(own)[: -KEPT + 1]:
        old.unlink(missing_ok=True)
    handler = _File(folder / f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}.log")
    handler.setFormatter(_Formatter("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
    return handler


def file() -> Path | None:
    """The log of this run, if it has one."""
    for handler in logging.getLogger("kubewright").handlers:
        if isinstance(handler, _File) and handler.path.exists():
            return handler.path
    return None


@contextmanager
def step(log: logging.Logger, title: str) -> Iterator[None]:
    """Say what starts, and how long it took if it ends well."""
    log.info("%s …", title)
    begun = time.monotonic()
    yield
    log.info("%s: done in %.1f s", title, time.monotonic() - begun)
