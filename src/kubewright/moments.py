"""Moments and days as text. Everywhere else they are whole seconds since 1970, in UTC."""

from datetime import UTC, datetime
from typing import Final

AHEAD: Final = 300
"""Seconds that two clocks may differ by."""


def rfc3339(epoch: int) -> str:
    """A moment as programs and images state it: `2026-01-01T00:00:00Z` (RFC 3339)."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(epoch: int) -> str:
    """A moment for people: `2026-01-01 00:00:00Z`; any number that somebody wrote will do."""
    try:
        return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"no time ({epoch})"


def day(epoch: int) -> str:
    """The day of a moment: `2026-01-01`."""
    return datetime.fromtimestamp(epoch, UTC).date().isoformat()


def midnight(day: str) -> int:
    """When a `YYYY-MM-DD` day begins."""
    return int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())


def is_to_come(epoch: int, now: int) -> bool:
    """Whether a moment has not come, even if clocks differ: nobody takes what is signed for it."""
    return epoch > now + AHEAD


def following(before: int, now: int) -> int:
    """When something is dated that follows something of `before`: now, but never earlier than that
    (clients refuse an older date).

    What claims to be from a moment that has not come, no client has taken: it counts for nothing.
    """
    return now if is_to_come(before, now) else max(now, before)
