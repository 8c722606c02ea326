"""How long a server may let us wait, and what is said of it: a real server that asks for it."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kubewright import patience, web
from kubewright.errors import UpstreamUnreachable
from kubewright.patience import Asked, asked
from kubewright.upstream import Upstream

NOON = "Tue, 01 Dec 2026 12:00:00 GMT"
AT_NOON = 1_796_126_400


@pytest.mark.parametrize(
    ("text", "date", "found"),
    [
        ("3600", NOON, Asked(3600, AT_NOON + 3600)),
        (" 5 ", NOON, Asked(5, AT_NOON + 5)),
        ("0", NOON, Asked(0, AT_NOON)),
        ("3600", "", Asked(3600, None)),
        ("3600", "yesterday", Asked(3600, None)),
        ("Tue, 01 Dec 2026 12:00:30 GMT", NOON, Asked(30, AT_NOON + 30)),
        ("Tue, 01 Dec 2026 11:00:00 GMT", NOON, Asked(0, AT_NOON - 3600)),
        ("Tuesday, 01-Dec-26 12:00:30 GMT", NOON, Asked(30, AT_NOON + 30)),
        ("Tue Dec  1 12:00:30 2026", NOON, Asked(30, AT_NOON + 30)),
        ("Tue, 01 Dec 2026 12:00:30 GMT", "", Asked(None, AT_NOON + 30)),
        ("999999999999999999", "", Asked(999999999999999999, None)),
        *((text, NOON, None) for text in ("", "soon", "-5", "1.5", "²", "5 minutes", "1" * 30)),
    ],
)
def test_what_a_server_asks_for_is_read_by_its_own_clock(
    text: str, date: str, found: Asked | None
) -> None:
    assert asked({"Retry-After": text, "Date": date}) == found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Asked(3600, AT_NOON), "not before 2026-12-01 12:00:00Z"),
        (Asked(3600, None), "not for 3600 seconds"),
        (Asked(10**17, 10**17), "not before no time (100000000000000000)"),
    ],
)
def test_when_to_come_back_is_said(given: Asked, words: str) -> None:
    assert given.words == words


@contextmanager
def busy(status: int, wait: str, times: int) -> Iterator[tuple[str, list[float]]]:
    """A server that answers `status` so many times before it serves, and when it was asked."""
    when: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            when.append(time.monotonic())
            self.send_response(status if len(when) <= times else 200)
            self.send_header("Retry-After", wait)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", when
        server.shutdown()


URL = "https://dl.k8s.io/release/stable.txt"


@pytest.mark.parametrize("status", [429, 503])
def test_a_short_wait_is_kept_and_said(
    status: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("kubewright"), "propagate", True)
    caplog.set_level(logging.INFO, "kubewright")
    with busy(status, "1", 1) as (origin, when):
        assert Upstream(origin).read(URL) == b"ok"
    assert when[1] - when[0] >= 1
    assert f"127.0.0.1 answered {status} and asks for 1 seconds; waiting" in caplog.text


@pytest.mark.parametrize("wait", ["soon", "-5", "", "0"])
def test_an_unreadable_wait_is_any_failure(wait: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BACKOFF", 0.01)
    with busy(503, wait, 2) as (origin, when):
        assert Upstream(origin).read(URL) == b"ok"
    assert len(when) == 3


@pytest.mark.parametrize("status", [429, 500, 503])
@pytest.mark.parametrize("wait", ["3600", "10000000000", "Thu, 01 Jan 2099 14:00:00 GMT"])
def test_a_long_wait_is_not_begun_and_ends_in_exit_7_with_the_time(status: int, wait: str) -> None:
    with (
        busy(status, wait, 9) as (origin, when),
        pytest.raises(
            UpstreamUnreachable, match=rf"answered {status} for .+; try again, but not before \S+ "
        ) as caught,
    ):
        Upstream(origin).read(URL)
    assert caught.value.exit_code == 7
    assert len(when) == 1
    assert ("2099-01-01 14:00:00Z" in str(caught.value)) == (wait[0] == "T")


def test_many_short_waits_are_a_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LONGEST", 2)
    with (
        busy(503, "1", 9) as (origin, when),
        pytest.raises(UpstreamUnreachable, match="not before"),
    ):
        Upstream(origin).read(URL)
    assert len(when) == 3
