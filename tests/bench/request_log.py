"""What a publication asks of a bucket, request by request: a third release, published into two
channels of a site in a real store on this machine.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch
from urllib.parse import unquote

import rounds
import s3_server
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session
from growing import later
from measure import Figures, Result, Row, size
from releases import Releases, releases

from kubewright.cli.shipped import shipped
from kubewright.models.base import DAY
from kubewright.settings import Settings
from kubewright.site import layout
from kubewright.site.bucket import BucketStore
from kubewright.stages import channels, promote, publish
from kubewright.stages import store as stores

PUBLISHED = (1, 2, 5)
"""The releases that are published, the last of them in the log: of the highest minor, as the first.
"""
WRITING = 4
"""How many rounds of writing may follow one another."""
VALID, DUE = 14, 8 * DAY
"""For how many days a channel is valid, and after how many seconds it is due to be renewed."""
BUCKET = "bench"


class Request(NamedTuple):
    """A request and its answer."""

    round: int
    method: str
    key: str
    """Below the bucket; of a list its query."""
    condition: str
    status: int
    sent: int
    """Bytes."""
    received: int

    @property
    def writes(self) -> bool:
        """Whether it changes the bucket."""
        return self.method in ("PUT", "POST", "DELETE")


def requests_of_a_publication(work: Path) -> Iterator[Result]:
    """Each request of publishing one more release, and how many each verb makes."""
    with releases(max(PUBLISHED)) as given, s3_server.running() as address:
        settings = _in_bucket(given, address, work)
        for number in PUBLISHED[:-1]:
            _published(given, number, settings)
        with logged() as log:
            _published(given, PUBLISHED[-1], settings)
        now = given.settings(PUBLISHED[-1], work).now
        rest = {"+1 publish": log}
        for name, act in _verbs(given, settings.model_copy(update={"now": now})).items():
            with logged() as rest[name]:
                act()
    writing = {one.round for one in log if one.writes}
    yield Row("+1 publish: rounds of writing", len(writing), WRITING, "a budget", "n", 1)
    yield _each(log)
    yield _sums(rest)


def _in_bucket(given: Releases, address: str, work: Path) -> Settings:
    """Settings with a site in an empty bucket, for an account of the store's."""
    os.environ.update(s3_server.ACCOUNT)
    site = {"site": f"s3://{BUCKET}/site", "s3_endpoint": address, "valid_for": VALID}
    settings = given.settings(1, work).model_copy(update=site)
    opened = stores.store(settings)
    assert isinstance(opened, BucketStore)
    opened.client.create_bucket(Bucket=BUCKET)
    return settings


def _published(given: Releases, number: int, there: Settings) -> None:
    site = {name: getattr(there, name) for name in ("site", "s3_endpoint", "valid_for")}
    settings = given.settings(number, Path()).model_copy(update=site)
    publish.publish(given.workspace(number), settings, shipped(), given.keys)


def _verbs(given: Releases, settings: Settings) -> dict[str, Any]:
    """What else is done to the site, one after the other."""
    keys, number = given.keys, PUBLISHED[-1]
    oldest = given.workspace(1).root.name
    soon, then, due = (later(settings, after) for after in (60, 120, DUE))
    return {
        "no-op": lambda: _published(given, number, settings),
        "rollback": lambda: channels.rollback("stable", soon, shipped(), keys, None),
        "promote": lambda: promote.promote(oldest, ["production"], then, shipped(), keys),
        "refresh": lambda: channels.refresh(due, shipped(), keys),
    }


@contextmanager
def logged() -> Iterator[list[Request]]:
    """Note each request to a store that this process makes in this block, by its round."""
    log: list[Request] = []
    send, noting = URLLib3Session.send, threading.Lock()

    def noted(session: Any, request: AWSPreparedRequest) -> AWSResponse:
        turn = rounds.take()
        answer: AWSResponse = send(session, request)
        with noting:
            log.append(_request(turn, request, answer))
        return answer

    with patch.object(URLLib3Session, "send", noted), rounds.counted():
        yield log
    log.sort(key=lambda one: (one.round, one.writes, one.method, one.key))


def _request(turn: int, request: AWSPreparedRequest, answer: AWSResponse) -> Request:
    said = {name.lower(): _text(value) for name, value in request.headers.items()}
    path, _, query = str(request.url).split("/", 3)[3].partition("?")
    key = unquote(path.partition("/")[2]).removeprefix("site/") or unquote(query) or "-"
    conditions = [
        f"{name} {said[name.lower()]}" for name in ("If-None-Match", "If-Match", "Range")
        if name.lower() in said
    ]  # fmt: skip
    if source := said.get("x-amz-copy-source"):
        conditions.append(f"copy of {unquote(source).partition('/site/')[2]}")
    lengths = (said, {name.lower(): value for name, value in answer.headers.items()})
    sent, received = (int(one.get("content-length") or 0) for one in lengths)
    received = 0 if request.method == "HEAD" else received
    return Request(
        turn, str(request.method), key, ", ".join(conditions), answer.status_code, sent, received
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _each(log: list[Request]) -> Figures:
    rows = [
        (one.key, str(one.round), one.method, str(one.status), str(one.sent), str(one.received),
         one.condition or "-")
        for one in log
    ]  # fmt: skip
    columns = ("object", "round", "method", "status", "sent", "received", "condition")
    return Figures("+1 publish in a bucket: every request (bytes)", columns, tuple(rows))


def _sums(found: dict[str, list[Request]]) -> Figures:
    rows = []
    for verb, log in found.items():
        for turn in sorted({one.round for one in log}):
            own = [one for one in log if one.round == turn]
            rows.append((verb, str(turn), *_sum(own), _kinds(own)))
        rows.append((verb, "all", *_sum(log), ""))
    columns = ("verb", "round", "requests", "write", "sent", "received", "what")
    return Figures("Requests by rounds", columns, tuple(rows))


def _sum(log: list[Request]) -> tuple[str, str, str, str]:
    writes = sum(one.writes for one in log)
    sent, received = sum(one.sent for one in log), sum(one.received for one in log)
    return str(len(log)), str(writes), size(sent), size(received)


def _kinds(log: list[Request]) -> str:
    """What a round does, by what it asks for."""
    counts: dict[str, int] = {}
    for one in log:
        kind = {"GET": "read", "HEAD": "look at", "DELETE": "delete"}.get(one.method, "")
        if not kind:
            kind = "copy" if one.condition.startswith("copy") else _written(one.key)
        counts[kind] = counts.get(kind, 0) + 1
    return ", ".join(f"{count} {kind}" for kind, count in counts.items())


def _written(key: str) -> str:
    named = {layout.TIMESTAMP: "swap", layout.FINISHED: "finished word"}
    return named.get(key) or ("create" if layout.is_immutable(key) else "replace")
