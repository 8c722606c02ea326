"""Clocks that are set by hand: of publication, and of artifacts as the environment sets it."""

import os
import re
from typing import Final

from kubewright.errors import RequestError
from kubewright.moments import is_to_come, moment

LAST: Final = 2**32 - 1
"""The last second that signatures, debs and rpms can state."""


def source_date_epoch(now: int) -> int | None:
    """SOURCE_DATE_EPOCH; None where it is not set. `now` is in epoch seconds.

    Raises RequestError for what is no moment, or has not come: nobody takes what is signed then.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH")
    if not text:
        return None
    place = f"SOURCE_DATE_EPOCH={text}"
    if not re.fullmatch("[0-9]{1,10}", text) or int(text) > LAST:
        raise RequestError(
            place, f"not a number of seconds from 0 to {LAST}", "unset it or correct it"
        )
    refuse_to_come(place, int(text), now)
    return int(text)


def refuse_to_come(place: str, given: int, now: int) -> None:
    """Refuse to sign for a moment that has not come: until it has, every client of the site would
    refuse what it says. Both are in epoch seconds. Raises RequestError.
    """
    if is_to_come(given, now):
        raise RequestError(
            place,
            f"that is {moment(given)}, which has not come: it is {moment(now)}",
            "leave it out or correct it, or correct this machine's clock",
        )
