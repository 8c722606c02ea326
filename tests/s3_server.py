"""A server that speaks S3 and heeds conditions, and a proxy before it that hinders requests."""

import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from go_programs import go_program


def free_port() -> int:
    """A port of this machine that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextmanager
def running() -> Iterator[str]:
    """gofakes3 with its objects in memory (of the servers that were tried it heeds conditions when
    many come at once: shared/facts/stores.md); its address.
    """
    program = go_program("github.com/johannesboyne/gofakes3", "v1.2.0", "cmd/gofakes3", go="1.21")
    port = free_port()
    words = ["-host", f"127.0.0.1:{port}", "-backend", "memory", "-quiet"]
    null = subprocess.DEVNULL
    with subprocess.Popen([program, *words], stdout=null, stderr=null) as server:
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
    raise TimeoutError("gofakes3 does not answer")


class Request(NamedTuple):
    """What a client asks of the store."""

    method: str
    path: str


Hinder = Callable[[Request], str]
"""What is done to a request: nothing (empty), `drop` it, `drop after` it was done, or answer with a
number.
"""


@contextmanager
def hindering(store: str, hinder: Hinder) -> Iterator[str]:
    """A server that hands requests on to a store, unless they are hindered; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            how = hinder(Request(self.command, self.path.partition("?")[0]))
            if how.isdigit():
                self.refuse(int(how))
                return
            if how != "drop":
                done = HTTPConnection(store.removeprefix("http://"), timeout=30)
                done.request(self.command, self.path, body, dict(self.headers))
                found = done.getresponse()
                data = found.read()
            if how:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(found.status)
            for name, value in found.getheaders():
                if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
                    self.send_header(name, value)
            length = found.getheader("Content-Length") if self.command == "HEAD" else len(data)
            self.send_header("Content-Length", str(length or 0))
            self.end_headers()
            self.wfile.write(data)

        def refuse(self, status: int) -> None:
            code = {409: "ConditionalRequestConflict", 412: "PreconditionFailed"}
            name = code.get(status, "InternalError")
            text = b"" if self.command == "HEAD" else f"<Error><Code>{name}</Code></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
