"""Serve a directory over HTTP on this machine for as long as a block runs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import IO, Any

log = logging.getLogger(__name__)


class _SiteHandler(SimpleHTTPRequestHandler):
    def send_head(self) -> IO[bytes] | None:  # type: ignore[override]  # typeshed knows only its own two classes
        wanted = Path(self.translate_path(self.path)).resolve()
        if not wanted.is_relative_to(self.directory):  # a link that leads out
            self.send_error(404)
            return None
        return super().send_head()

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        log.debug("%s hung up", client_address, exc_info=True)


@contextmanager
def serve(root: Path) -> Iterator[str]:
    """Serve what is below `root` on a free port of the loopback interface; gives
    `http://127.0.0.1:PORT`.
    """
    with _Server(("127.0.0.1", 0), partial(_SiteHandler, directory=str(root.resolve()))) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
