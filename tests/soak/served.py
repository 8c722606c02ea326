"""Serves a directory, or forwards to another server, with a delay before each answer."""

import email.utils
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import urllib3

HOP = {"connection", "keep-alive", "transfer-encoding", "date", "server", "content-length"}
"""Headers that are of one connection only, or that this server writes itself."""


class Asked(NamedTuple):
    """A request; the path begins with `/` and is as it was sent."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """What is said to it."""

    status: int
    headers: dict[str, str]
    body: bytes


Answerer = Callable[[Asked], Answer]

NONE = Answer(404, {}, b"")


def directory(root: Path, asked: Asked) -> Answer:
    """A file below `root` as web servers give it: with its date, and 304 to who has just that."""
    path = unquote(asked.path.partition("?")[0]).lstrip("/")
    if not {"", ".", ".."}.isdisjoint(path.split("/")):
        return NONE
    try:
        with (root / path).open("rb") as stream:
            modified = email.utils.formatdate(os.fstat(stream.fileno()).st_mtime, usegmt=True)
            headers = {"Last-Modified": modified}
            if asked.headers.get("if-modified-since") == modified:
                return Answer(304, headers, b"")
            return Answer(200, headers, stream.read())
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return NONE


def forwarding(address: str, pool: urllib3.PoolManager, asked: Asked) -> Answer:
    """What the server at `address` answers."""
    own = {name: value for name, value in asked.headers.items() if name not in {*HOP, "host"}}
    found = pool.request(
        asked.method, address + asked.path, headers=own, body=asked.body or None,
        redirect=False, retries=False, decode_content=False,
    )  # fmt: skip
    headers = {name: value for name, value in found.headers.items() if name.lower() not in HOP}
    if asked.method == "HEAD":  # its length is of what is not sent
        headers["Content-Length"] = found.headers.get("Content-Length", "0")
    return Answer(found.status, headers, found.data)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, answer: Answerer, latency: float, *arguments: object) -> None:
        self.answer, self.latency = answer, latency
        super().__init__(*arguments)  # type: ignore[arg-type]  # as the server hands them over

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, self.rfile.read(length))
        time.sleep(self.latency)
        said = self.answer(asked)
        self.send_response(said.status)
        known = {name.lower() for name in said.headers}
        for name, value in said.headers.items():
            self.send_header(name, value)
        if "content-length" not in known and said.status != 304:
            self.send_header("Content-Length", str(len(said.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said.body)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer

    def handle(self) -> None:
        """Until the client hangs up, which it may do at any time."""
        with suppress(ConnectionError):
            super().handle()

    def log_message(self, format: str, *args: object) -> None:
        """Keep no log."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


@contextmanager
def serving(answer: Answerer, *, latency: float, port: int = 0) -> Iterator[str]:
    """Answer on a port of this machine, each request after `latency` seconds; its address."""
    with _Server(("127.0.0.1", port), partial(_Handler, answer, latency)) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
