"""When suites are dated: as their record says, or renewed since, as the timestamp says."""

from collections.abc import Iterable
from typing import NamedTuple

from kubewright import files
from kubewright.models.base import DAY
from kubewright.models.site import Channel
from kubewright.moments import is_to_come
from kubewright.repos import apt
from kubewright.site.words import Word


class Dates(NamedTuple):
    """Of a suite, in epoch seconds; None: it never expires."""

    issued: int
    valid_until: int | None


def dated(word: Word | None) -> int:
    """When the suites of a site were renewed last; 0: not since they were published."""
    return word.published.dated if word and word.published else 0


def dates(record: Channel, renewed: int) -> Dates:
    """Of a channel's suite, on a site whose suites were renewed then."""
    if record.valid_for is None or renewed <= record.issued:
        return Dates(record.issued, record.valid_until)
    return Dates(renewed, renewed + record.valid_for * DAY)


def is_due(record: Channel, renewed: int, now: int) -> bool:
    """Whether less than half of the days are left that the suite is valid for."""
    until = dates(record, renewed).valid_until
    if record.valid_for is None or until is None:
        return False
    return 2 * (until - now) < record.valid_for * DAY


def renewal(records: Iterable[Channel], renewed: int, now: int) -> int:
    """When the suites of these channels are renewed, if one of them is due now, or was renewed for
    a moment that has not come; else when they were.
    """
    if is_to_come(renewed, now):
        return now
    due = any(is_due(record, renewed, now) for record in records)
    return max(now, renewed + 1) if due else renewed


def is_release(data: bytes, record: Channel) -> bool:
    """Whether a `Release` is that of a channel's record, whatever its dates."""
    try:
        own = apt.dated(data, record.issued, record.valid_until)
    except ValueError:
        return False
    return files.sha256(own) == record.suite
