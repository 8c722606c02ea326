"""How long a request waits for a server that is busy, or asks to be left alone: about a minute, and
it is said.
"""

import logging
import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, NamedTuple, Self

from urllib3.exceptions import MaxRetryError, ResponseError
from urllib3.util import Retry

from kubewright.moments import moment

log = logging.getLogger(__name__)

LONGEST: Final = 60
"""Seconds that one request waits in all because a server asks for it."""

BUSY: Final = (429, 500, 502, 503, 504)
"""Answers after which the same request may be taken."""


class Asked(NamedTuple):
    """What a `Retry-After` asks for: seconds from the answer on, and the moment they end, as far as
    they are known.
    """

    seconds: int | None
    until: int | None

    @property
    def words(self) -> str:
        """When to come back, for people."""
        if self.until is not None:
            return f"not before {moment(self.until)}"
        return f"not for {self.seconds} seconds"

    @property
    def too_long(self) -> bool:
        """Whether nobody waits so long here."""
        return self.seconds is None or self.seconds > LONGEST


def asked(headers: Mapping[str, str]) -> Asked | None:
    """What an answer asks for (RFC 9110, 10.2.3); None where it asks for nothing that can be read.

    Moments are by the server's clock, which its `Date` tells.
    """
    text = headers.get("Retry-After", "").strip()
    sent = _epoch(headers.get("Date", ""))
    if re.fullmatch("[0-9]{1,18}", text):
        seconds = int(text)
        return Asked(seconds, None if sent is None else sent + seconds)
    until = _epoch(text)
    if until is None:
        return None
    return Asked(None if sent is None else max(until - sent, 0), until)


def told(headers: Mapping[str, str]) -> int | None:
    """The time in epoch seconds by the clock of whoever answered, None where it tells none. What a
    cache has kept is older by its `Age` (RFC 9111, 5.1).
    """
    date, age = _epoch(headers.get("Date", "")), headers.get("Age", "").strip()
    return None if date is None else date + (int(age) if re.fullmatch("[0-9]{1,9}", age) else 0)


def _epoch(date: str) -> int | None:
    try:
        read = parsedate_to_datetime(date)
        return int((read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp())
    except (ValueError, TypeError, LookupError, OverflowError):
        return None


class Patience(Retry):
    """Tries again, and gives up on a server that asks for more than LONGEST: its answer is then
    what the caller gets.
    """

    def __init__(self, *given: Any, waited: int = 0, **named: Any) -> None:
        super().__init__(*given, **named)
        self._waited = waited

    def new(self, **changes: Any) -> Self:
        """The same with changes, which has waited as long."""
        return super().new(**{"waited": self._waited, **changes})

    def increment(
        self, method: str | None = None, url: str | None = None, response: Any = None,
        error: Exception | None = None, _pool: Any = None, _stacktrace: Any = None,
    ) -> Self:  # fmt: skip
        """What is left after this answer or error. Raises MaxRetryError where nothing is."""
        wait = asked(response.headers) if response is not None else None
        if wait is not None and (wait.seconds is None or self._waited + wait.seconds > LONGEST):
            raise MaxRetryError(_pool, url or "", ResponseError(wait.words))
        left = super().increment(method, url, response, error, _pool, _stacktrace)
        if wait is not None and wait.seconds:
            left._waited += wait.seconds
            host = getattr(_pool, "host", "the server")
            log.info(
                "%s answered %d and asks for %d seconds; waiting",
                host, response.status, wait.seconds,
            )  # fmt: skip
        return left

    def get_retry_after(self, response: Any) -> float | None:
        """Seconds to wait; None: as long as after any other failure."""
        wait = asked(response.headers)
        return None if wait is None else wait.seconds


def after_anything(backoff: float, *, methods: tuple[str, ...]) -> Patience:
    """For what may be sent twice: `methods`, and those that HTTP says so of. `backoff` is in
    seconds, of the first pause.
    """
    return Patience(
        total=4,
        backoff_factor=backoff,
        status_forcelist=BUSY,
        raise_on_status=False,
        allowed_methods=(*(Retry.DEFAULT_ALLOWED_METHODS or ()), *methods),
    )


def only_when_asked(backoff: float) -> Patience:
    """For what is long: it is sent again only where nothing was sent yet, or a server says when."""
    return Patience(
        total=4, read=False, other=0, backoff_factor=backoff, raise_on_status=False,
        allowed_methods=None,
    )  # fmt: skip
