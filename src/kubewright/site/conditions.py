"""Whether a store keeps the conditions of writes, tried with rivals before it is first written to.

Some stores answer 412 when they are asked in turn, and still let two who come at the same moment
both win.
"""

import json
import logging
import secrets
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from kubewright import __version__, files
from kubewright.errors import KubewrightError, RequestError
from kubewright.site.bucket import BucketStore

log = logging.getLogger(__name__)

ROUNDS: Final = 40
"""How often it is tried. A fault that shows in 5 % of rounds is found by 40 in 87 % of cases, by 40
of each kind in 98 %.
"""

RIVALS: Final = 16
"""How many try the same at once."""

LASTS: Final = timedelta(days=90)
"""How long the outcome counts: stores get newer versions."""

NOTE: Final = ".kubewright/conditions.json"
"""Where the outcome is noted, beside the site's objects."""

_PLACE: Final = ".kubewright/tried"


def is_known(store: BucketStore) -> bool:
    """Whether this store was found to keep conditions, not longer than `LASTS` ago."""
    return _is_noted(store, *_server(store))


def require(store: BucketStore, rounds: int = ROUNDS) -> None:
    """Try a store, and note that it keeps conditions. Raises RequestError for one that does not."""
    server, now = _server(store)
    place = f"s3://{store.bucket}/{store.prefix}"
    log.info("%s: trying whether the store keeps conditions, with %d rivals", place, RIVALS)
    fault = found_fault(store, rounds)
    if fault is not None:
        raise RequestError(
            place, f"{fault}, so two publishers at once would lose one's publication",
            "use a store that keeps If-None-Match and If-Match (docs/buckets.md has which), or"
            " publish on a directory and copy that",
        )  # fmt: skip
    note = {"server": server, "at": now.isoformat(), "rounds": rounds, "engine": __version__}
    store.put_anyway(NOTE, files.canonical_json(note))


def found_fault(store: BucketStore, rounds: int) -> str | None:
    """What the store does wrong; None: nothing that was seen."""
    own = f"{_PLACE}/{secrets.token_hex(8)}"
    made: list[str] = []

    def create(path: str, data: bytes) -> bool:
        return store.put_anyway(path, data, if_absent=True)

    def swap(path: str, data: bytes, tag: str) -> bool:
        return store.put_anyway(path, data, if_tag=tag)

    try:
        made.append(f"{own}/swapped")
        if not create(made[0], b"0") or create(made[0], b"1"):
            return "the store does not heed If-None-Match: *"
        if swap(made[0], b"1", '"0123456789abcdef0123456789abcdef"'):
            return "the store does not heed If-Match"
        made.append(f"{own}/copy")
        if not store.copy(made[0], made[1], seen_absent=True):
            return "the store does not copy objects"
        for number in range(rounds):
            path = f"{own}/{number}"
            made.append(path)
            won = _together(lambda rival, path=path: create(path, b"%d" % rival))  # type: ignore[misc]
            if won > 1:
                return f"of {RIVALS} who created one object at once {won} were told that they did"
            stored = store.get(made[0])
            tag = stored.tag if stored else ""
            won = _together(
                lambda rival, tag=tag, number=number: swap(  # type: ignore[misc]
                    made[0], b"%d of %d" % (rival, number), tag
                )
            )
            if won > 1:
                return f"of {RIVALS} who replaced one object at once {won} were told that they did"
        return None
    finally:
        _remove(store, made)


def _together(act: Callable[[int], bool]) -> int:
    """How many of the rivals succeed, who all begin at the same moment."""
    gate = threading.Barrier(RIVALS)

    def start(rival: int) -> bool:
        gate.wait()
        return act(rival)

    with ThreadPoolExecutor(RIVALS) as pool:
        return sum(pool.map(start, range(RIVALS)))


def _remove(store: BucketStore, made: Iterable[str]) -> None:
    """Remove what was tried with, where the account may."""
    try:
        with ThreadPoolExecutor(RIVALS) as pool:
            list(pool.map(store.delete, made))
    except KubewrightError as error:
        log.warning("%s; what was tried with stays in %s", error, _PLACE)


def _server(store: BucketStore) -> tuple[str, datetime]:
    """Which server answers for the bucket, and what time it has."""
    found = store.described()
    url = store.client.meta.endpoint_url
    name = f"{url} {store.bucket} {found.get('server', '')}".strip()
    return name, parsedate_to_datetime(found["date"])


def _is_noted(store: BucketStore, server: str, now: datetime) -> bool:
    stored = store.get(NOTE)
    with suppress(ValueError, KeyError, TypeError):
        note = json.loads(stored.data) if stored else {}
        age = now - datetime.fromisoformat(note["at"])
        return bool(note["server"] == server) and timedelta() <= age < LASTS
    return False
