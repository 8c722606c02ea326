"""Signals that end a verb: they wait while something is done that must not be left half done."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """As long as a block runs, the first of the signals raises KeyboardInterrupt: at once, or after
    what is held. Later ones would only keep it from being cleaned up.
    """

    def __init__(self) -> None:
        self._holders = 0
        self._waits = False
        self._raised = False

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Take the signals, but for those that are ignored; only a main thread gets them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {}
        for number in ENDING:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, self._arrive)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _arrive(self, _number: int, _frame: FrameType | None) -> None:
        if self._holders:
            self._waits = True
        elif not self._raised:
            self._raised = True
            raise KeyboardInterrupt

    @contextmanager
    def held(self) -> Iterator[None]:
        """Finish the block first."""
        self._holders += 1
        try:
            yield
        finally:
            self._holders -= 1
        if self._waits and not self._holders and not self._raised:
            self._raised = True
            raise KeyboardInterrupt
