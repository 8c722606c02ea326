"""Servers that speak S3, and what may happen to requests on their way there."""

import os
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
import rounds
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HeadersDict
from botocore.compat import HTTPHeaders
from botocore.exceptions import ConnectionClosedError
from botocore.httpsession import URLLib3Session
from go_programs import go_program

ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "user",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""The environment of who has an account of these servers."""


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextmanager
def running() -> Iterator[str]:
    """gofakes3 with its objects in memory (of the servers that were tried it keeps conditions when
    many come at once); its address. It lets everybody read, as a public bucket does.
    """
    program = go_program("github.com/johannesboyne/gofakes3", "v1.2.0", "cmd/gofakes3", go="1.21")
    port = free_port()
    words = ["-host", f"127.0.0.1:{port}", "-backend", "memory", "-quiet"]
    with _started([str(program), *words], port, {}) as address:
        yield address


@contextmanager
def losing(folder: Path) -> Iterator[str]:
    """versitygw, which decides on a condition before it has the object in place: of many who come
    at once several win now and then; its address.
    """
    program = go_program("github.com/versity/versitygw", "v1.7.0", "cmd/versitygw", go="1.24")
    port = free_port()
    env = {"ROOT_ACCESS_KEY": "user", "ROOT_SECRET_KEY": "secret"}
    words = ["--quiet", "--port", f"127.0.0.1:{port}", "posix", str(folder)]
    with _started([str(program), *words], port, env) as address:
        yield address


@contextmanager
def _started(words: list[str], port: int, env: dict[str, str]) -> Iterator[str]:
    null, env = subprocess.DEVNULL, {**os.environ, **env}
    with subprocess.Popen(words, stdout=null, stderr=null, env=env) as server:
        try:
            _wait(port)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def _wait(port: int) -> None:
    for _ in range(200):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"nothing answers at port {port}")


class Request(NamedTuple):
    """What a client asked of the store."""

    number: int
    method: str
    path: str
    """Below the bucket; of a list the query."""
    headers: dict[str, str]
    round: int = 0
    """Requests of one round wait for none of each other."""


Hinder = Callable[[Request], str]
"""What happens to a request: nothing (empty); `drop`: it is lost; `after`: it is done, and its
answer lost; `late`: it takes its time; a number: that is the answer, and nothing is done;
`unconditional`: it is done whatever its conditions say; `early`: these were looked at before.
"""

CODES = {
    "403": "AccessDenied",
    "409": "ConditionalRequestConflict",
    "412": "PreconditionFailed",
    "500": "InternalError",
    "503": "SlowDown",
}


class Way:
    """The way from clients in this process to a store, above the real network."""

    def __init__(self, hinder: Hinder) -> None:
        self.hinder = hinder
        self.requests: list[Request] = []
        self._waiting = threading.Condition()
        self._looked: Counter[object] = Counter()

    def go(self, send: Callable[..., Any], session: Any, request: AWSPreparedRequest) -> Any:
        """Send a request, or what is left of it."""
        place = request.url.split("/", 3)[3].partition("/")[2] or request.url.partition("?")[2]
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        turn = rounds.take()
        with self._waiting:
            number = len(self.requests) + 1
            asked = Request(number, str(request.method), unquote(place), headers, turn)
            self.requests.append(asked)
        return self._hindered(send, session, request, self.hinder(asked))

    def _hindered(
        self, send: Callable[..., Any], session: Any, request: AWSPreparedRequest, how: str
    ) -> Any:
        lost = ConnectionClosedError(endpoint_url=request.url)
        if how == "drop":
            raise lost
        if how.startswith("<"):
            return _answer(request, 400, how)
        if how.isdigit():
            return _answer(request, int(how), f"<Error><Code>{CODES[how]}</Code></Error>")
        if how == "late":
            time.sleep(0.1)
        if how == "unconditional":
            _without_conditions(request)
        if how == "early":
            return self._early(send, session, request)
        answer = send(session, request)
        if how == "after":
            assert answer.content is not None  # read to its end: the connection is free again
            raise lost
        return answer

    def _early(self, send: Callable[..., Any], session: Any, request: AWSPreparedRequest) -> Any:
        """What a store does that looks at conditions first, and puts the object in place later."""
        absent, tag = (request.headers.get(name) for name in ("If-None-Match", "If-Match"))
        if request.method != "PUT" or (absent is None and tag is None):
            return send(session, request)
        none: Any = HeadersDict()
        head = AWSPreparedRequest("HEAD", request.url, none, b"", False)
        there = send(session, head)
        assert there.content == b""
        found = there.headers.get("ETag") if there.status_code == 200 else None
        if (absent is not None and found) or (tag is not None and _text(tag) != found):
            return _answer(request, 412, f"<Error><Code>{CODES['412']}</Code></Error>")
        with self._waiting:  # until a rival has looked, too, if one comes
            key = (request.url, tag)
            self._looked[key] += 1
            self._waiting.notify_all()
            self._waiting.wait_for(lambda: self._looked[key] > 1, 3)
        _without_conditions(request)
        return send(session, request)


def _without_conditions(request: AWSPreparedRequest) -> None:
    for name in ("If-None-Match", "If-Match"):
        if name in request.headers:
            del request.headers[name]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class _Raw(BytesIO):
    def stream(self, **_: object) -> Iterator[bytes]:
        """What urllib3's answers have."""
        yield self.read()


def _answer(request: AWSPreparedRequest, status: int, text: str) -> AWSResponse:
    data = b"" if request.method == "HEAD" else text.encode()
    headers = HTTPHeaders()
    headers["Content-Length"] = str(len(data))
    return AWSResponse(request.url, status, headers, _Raw(data))


@contextmanager
def on_the_way(hinder: Hinder = lambda _: "") -> Iterator[Way]:
    """Let something happen to the requests of this process as long as a block runs."""
    way = Way(hinder)
    send = URLLib3Session.send

    def hindered(session: Any, request: AWSPreparedRequest) -> Any:
        return way.go(send, session, request)

    with pytest.MonkeyPatch.context() as patch, rounds.counted():
        patch.setattr(URLLib3Session, "send", hindered)
        yield way
