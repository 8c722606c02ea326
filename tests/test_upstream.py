"""The door to the network, against a real HTTP server with real faults, and the cache behind it."""

import gzip
import hashlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kubewright import files
from kubewright.cache import Cache
from kubewright.errors import DiskError, RequestError, UpstreamUnreachable, VerificationFailed
from kubewright.log import redacted
from kubewright.models.base import Arch
from kubewright.models.lock import Check, Input
from kubewright.models.mirror import Origin, checksums
from kubewright.upstream import Upstream
from kubewright.verification import Web
from kubewright.web import WebFiles

DATA = bytes(range(256)) * 4000
PACKED = gzip.compress(DATA, mtime=0)
DIGEST = hashlib.sha256(DATA).hexdigest()
URL = "https://dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet"


@dataclass
class Server:
    """What the server does, and what it was asked."""

    origin: str = ""
    fault: str = ""
    ranges: list[str] = field(default_factory=list)
    encodings: set[str] = field(default_factory=set)


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            state.encodings.add(self.headers.get("Accept-Encoding", ""))
            state.ranges.append(asked)
            start = (
                int(asked.removeprefix("bytes=").partition("-")[0])
                if asked and state.fault != "no ranges"
                else 0
            )
            if state.fault.isdigit() or not self.path.endswith("kubelet"):
                self.send_response(int(state.fault) if state.fault.isdigit() else 404)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            if start >= len(DATA):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            size = len(PACKED if state.fault == "packed" else DATA)
            self.send_header("Content-Length", str(size - start))
            if state.fault in ("mislabelled", "packed"):
                self.send_header("Content-Encoding", "x-gzip")
            self.end_headers()
            if self.command == "GET":
                body = (PACKED if state.fault == "packed" else DATA)[start:]
                time.sleep(0.5 if state.fault == "slow" else 0)
                self.wfile.write(body[: len(body) // 2] if state.fault == "cut" else body)
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.origin = f"http://127.0.0.1:{http.server_port}"
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    yield state
    http.shutdown()
    http.server_close()
    thread.join()


def entry(digest: str | None = DIGEST) -> Input:
    return Input(
        component="kubernetes", name="kubelet", version="1.36.4", arch=Arch.amd64, url=URL,
        sha256=digest, check=Check.checksum, checked_by=f"{URL}.sha256",
    )  # fmt: skip


def quiet(_have: int, _total: int | None) -> None:
    pass


def test_a_file_is_fetched_checked_and_kept_by_its_digest(server: Server, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    assert cache.fetch(Upstream(server.origin), entry(), quiet) == DIGEST
    assert cache.use(entry(), tmp_path / "private").read_bytes() == DATA
    asked = len(server.ranges)
    cache.fetch(Upstream(server.origin), entry(), quiet)
    assert len(server.ranges) == asked


def test_an_interrupted_download_is_continued(server: Server, tmp_path: Path) -> None:
    cache, server.fault = Cache(tmp_path), "cut"
    with pytest.raises(UpstreamUnreachable, match=r"127.0.0.1:\d+: broke off"):
        cache.fetch(Upstream(server.origin), entry(), quiet)
    server.fault = ""
    cache.fetch(Upstream(server.origin), entry(), quiet)
    assert int(server.ranges[-1].removeprefix("bytes=").rstrip("-")) >= len(DATA) // 2
    assert cache.use(entry(), tmp_path / "private").read_bytes() == DATA


def test_a_server_without_ranges_starts_again(server: Server, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    partial = tmp_path / "partial" / DIGEST
    partial.parent.mkdir()
    partial.write_bytes(DATA[:1000])
    server.fault = "no ranges"
    cache.fetch(Upstream(server.origin), entry(), quiet)
    assert cache.use(entry(), tmp_path / "private").read_bytes() == DATA


def test_a_wrong_partial_download_is_thrown_away_and_fetched_again(
    server: Server, tmp_path: Path
) -> None:
    cache = Cache(tmp_path)
    partial = tmp_path / "partial" / DIGEST
    partial.parent.mkdir()
    partial.write_bytes(b"something else entirely")
    cache.fetch(Upstream(server.origin), entry(), quiet)
    assert cache.use(entry(), tmp_path / "private").read_bytes() == DATA


@pytest.mark.parametrize("more", [b"", b"and more"], ids=["complete", "too-long"])
def test_a_partial_that_lacks_nothing_is_finished_or_thrown_away(
    server: Server, tmp_path: Path, more: bytes
) -> None:
    cache = Cache(tmp_path)
    partial = tmp_path / "partial" / DIGEST
    partial.parent.mkdir()
    partial.write_bytes(DATA + more)
    assert cache.fetch(Upstream(server.origin), entry(), quiet) == DIGEST
    assert cache.use(entry(), tmp_path / "private").read_bytes() == DATA
    assert server.ranges == [f"bytes={len(DATA + more)}-", *([""] if more else [])]


def test_what_no_digest_can_check_is_never_continued(server: Server, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    partial = tmp_path / "partial" / hashlib.sha256(URL.encode()).hexdigest()
    partial.parent.mkdir()
    partial.write_bytes(b"the beginning of another version")
    server.fault = "cut"
    with pytest.raises(UpstreamUnreachable):
        cache.fetch(Upstream(server.origin), entry(None), quiet)
    server.fault = ""
    assert cache.fetch(Upstream(server.origin), entry(None), quiet) == DIGEST
    assert set(server.ranges) == {""}


FETCH = """
import sys
from pathlib import Path
from kubewright.cache import Cache
from kubewright.models.lock import Input
from kubewright.upstream import Upstream
entry = Input.model_validate_json(sys.argv[3])
print(Cache(Path(sys.argv[1])).fetch(Upstream(sys.argv[2]), entry, lambda have, total: None))
"""


def test_of_two_processes_that_want_the_same_one_fetches_it_for_both(
    server: Server, tmp_path: Path
) -> None:
    server.fault = "slow"
    words = [sys.executable, "-c", FETCH, str(tmp_path), server.origin, entry().model_dump_json()]
    both = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    assert [process.communicate()[0] for process in both] == [f"{DIGEST}\n"] * 2
    assert server.ranges == [""]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [DIGEST]


def test_a_file_that_the_server_calls_compressed_is_taken_as_it_is_sent(
    server: Server, tmp_path: Path
) -> None:
    server.fault = "mislabelled"
    cache = Cache(tmp_path)
    cache.fetch(Upstream(server.origin), entry(), quiet)
    assert cache.use(entry(), tmp_path / "private").read_bytes() == DATA
    assert Web(WebFiles(f"{server.origin}/site/").opened).read("kubelet") == DATA
    assert server.encodings == {"identity"}


def test_a_file_that_a_server_packs_unasked_is_unpacked_where_the_digest_says_so(
    server: Server, tmp_path: Path
) -> None:
    server.fault = "packed"
    cache = Cache(tmp_path)
    assert cache.fetch(Upstream(server.origin), entry(), quiet) == DIGEST
    assert cache.use(entry(), tmp_path / "private").read_bytes() == DATA
    packed = hashlib.sha256(PACKED).hexdigest()  # an archive, which the server calls packed
    assert cache.fetch(Upstream(server.origin), entry(packed), quiet) == packed
    assert cache.use(entry(packed), tmp_path / "private").read_bytes() == PACKED
    with pytest.raises(VerificationFailed, match=rf"its SHA-256 is {DIGEST} .* says {'0' * 64}"):
        cache.fetch(Upstream(server.origin), entry("0" * 64), quiet)


SUM, OTHER = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (f"{SUM}  dl.k8s.io/x\n".encode(), {"dl.k8s.io/x": SUM}),
        (f"{SUM} *./dl.k8s.io/x".encode(), {"dl.k8s.io/x": SUM}),
        (f"\ufeff{SUM}  x\r\n{OTHER.upper()}  y\r\n".encode(), {"x": SUM, "y": OTHER}),
        (f"{SUM}  x\n".encode("utf-16"), {"x": SUM}),
        (f"\ufeff{SUM}  x\r\n".encode("utf-16-be"), {"x": SUM}),
        (f"SHA256 (x) = {SUM}\nSHA256(y)= {OTHER}\n".encode(), {"x": SUM, "y": OTHER}),
        (f"{SUM}  x\n{SUM.upper()}  ./x\n".encode(), {"x": SUM}),
        (f"# made by hand\n\n{SUM}  a b\n".encode(), {"a b": SUM}),
        (b"\xff\xfe\x00", {}),
        (b"", {}),
    ],
    ids=[
        "plain", "binary", "bom", "utf-16", "utf-16-be", "bsd", "twice", "comment", "junk", "empty"
    ],
)  # fmt: skip
def test_a_list_of_checksums_is_read_in_any_form(data: bytes, found: dict[str, str]) -> None:
    assert checksums(data) == found


def test_two_digests_for_one_path_are_refused(tmp_path: Path) -> None:
    (tmp_path / "SHA256SUMS").write_text(f"{SUM}  host/x\n{OTHER}  ./host/x\n")
    with pytest.raises(
        VerificationFailed, match="SHA256SUMS: names two different digests for host/x; make the"
    ):
        Upstream(str(tmp_path)).mirror_digest("https://host/x")


def test_a_small_file_that_breaks_off_is_exit_7(server: Server) -> None:
    server.fault = "cut"
    for read in (Upstream(server.origin).read, Upstream().read):
        with pytest.raises(
            UpstreamUnreachable, match=r"127.0.0.1:\d+: broke off at \S+ \(.*check the network"
        ):
            read(f"{server.origin}/kubelet")


def test_other_bytes_than_promised_are_refused_and_leave_nothing(
    server: Server, tmp_path: Path
) -> None:
    cache = Cache(tmp_path)
    with pytest.raises(
        VerificationFailed,
        match=rf"^{URL} \(read from {server.origin}/\S+/kubelet\): its SHA-256 is {DIGEST} .*"
        rf" says {'0' * 64}; the download",
    ):
        cache.fetch(Upstream(server.origin), entry("0" * 64), quiet)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_corrupted_cache_entry_is_refused_by_stages_and_repaired_by_fetch(
    server: Server, tmp_path: Path
) -> None:
    cache = Cache(tmp_path)
    cache.fetch(Upstream(server.origin), entry(), quiet)
    cache.path(DIGEST).write_bytes(DATA[:-1] + b"!")
    with pytest.raises(
        VerificationFailed, match=r"corrupted in the cache .*run `kubewright fetch` to repair it"
    ):
        cache.use(entry(), tmp_path / "private")
    cache.fetch(Upstream(server.origin), entry(), quiet)
    assert cache.use(entry(), tmp_path / "private").read_bytes() == DATA


def test_what_was_never_fetched_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        VerificationFailed,
        match="kubernetes/kubelet amd64: not fetched yet; run `kubewright fetch`",
    ):
        Cache(tmp_path).use(entry(), tmp_path / "private")


def test_a_full_disk_is_named_and_leaves_no_entry(server: Server) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    with pytest.raises(DiskError, match=r"/dev/full.*"):
        Cache(full).fetch(Upstream(server.origin), entry(), quiet)


def test_absent_is_not_unreachable(server: Server) -> None:
    upstream = Upstream(server.origin)
    assert upstream.read("https://dl.k8s.io/release/stable.txt") is None
    assert not upstream.exists("https://dl.k8s.io/nothing")
    assert upstream.exists(URL)
    server.fault = "403"
    with pytest.raises(UpstreamUnreachable, match=r"answered 403 for .+: it refuses this machine"):
        upstream.exists(URL)


def test_a_refusal_names_the_host_and_a_remedy(server: Server) -> None:
    server.fault = "418"
    with pytest.raises(
        UpstreamUnreachable,
        match=r"127.0.0.1:\d+: answered 418 for .*; try again later, or use another mirror",
    ):
        Upstream(server.origin).read(URL)


@pytest.mark.parametrize("fault", ["418", "cut"])
def test_a_site_that_cannot_be_read_is_exit_7_and_has_no_mirror(server: Server, fault: str) -> None:
    server.fault = fault
    with pytest.raises(UpstreamUnreachable, match=r"^127.0.0.1:\d+: ") as caught:
        Web(WebFiles(f"{server.origin}/site/").opened).read("kubelet")
    assert f"{server.origin}/site/kubelet" in str(caught.value) or fault == "cut"
    assert "--upstream" not in str(caught.value)


def test_no_network_is_exit_7_and_names_the_host() -> None:
    with pytest.raises(
        UpstreamUnreachable, match=r"127.0.0.1:1: cannot be reached \(.*refused.*--upstream DIR"
    ) as caught:
        Upstream("http://127.0.0.1:1").read(URL)
    assert caught.value.exit_code == 7


def test_a_mirror_says_what_it_is(tmp_path: Path, sample_mirror: Path) -> None:
    description = (sample_mirror / "mirror.json").read_bytes()
    assert Upstream(str(sample_mirror)).origin(URL) == Origin(
        kind="sample", description=files.sha256(description)
    )
    assert Upstream(str(tmp_path)).origin(URL) == Origin(kind="unstated")
    assert Upstream().origin(URL) is None
    (tmp_path / "mirror.json").write_text(
        '{"header": {"type": "kubewright.mirror", "version": "1"}, "kind": "best"}'
    )
    with pytest.raises(
        VerificationFailed, match=r"mirror.json: damaged at kind; get the file again"
    ):
        print(Upstream(str(tmp_path)).origin(URL))


def test_a_mirror_that_is_no_directory_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        RequestError, match="no such directory; make one with `kubewright mirror sample"
    ):
        Upstream(str(tmp_path / "nowhere"))


@pytest.mark.parametrize("fault", ["418", "cut", "gone"])
def test_the_password_of_a_mirror_is_in_no_log_and_no_error(
    server: Server, fault: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("kubewright"), "propagate", True)
    caplog.set_level(logging.DEBUG, "kubewright")
    monkeypatch.setattr("kubewright.web.BACKOFF", 0.01)
    server.fault = fault
    origin = "http://127.0.0.1:1" if fault == "gone" else server.origin
    upstream = Upstream(origin.replace("//", "//me:topsecret@"))
    with pytest.raises(UpstreamUnreachable, match=r"^127.0.0.1:\d+: ") as caught:
        upstream.read(URL)
    assert f"GET {origin}/dl.k8s.io/release" in caplog.text
    assert upstream.where(URL).startswith(origin.replace("//", "//me:topsecret@"))
    assert upstream.named(URL).startswith(f"{URL} (read from {origin}/dl.k8s.io/")
    assert "topsecret" not in caplog.text + str(caught.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://host:5000/a", "https://host:5000/a"),
        ("https://me:p@ss@host/a?X-Amz-Signature=s)'", "https://host/a"),
        (
            "Failed to parse: http://me:pass@host:x/a, sorry",
            "Failed to parse: http://host:x/a, sorry",
        ),
        (
            "Max retries exceeded with url: /a?token=s (refused)",
            "Max retries exceeded with url: /a (refused)",
        ),
        ("/srv/mirror@2026", "/srv/mirror@2026"),
    ],
    ids=["nothing-secret", "user-and-query", "in-a-sentence", "relative", "a-path"],
)
def test_what_is_shown_has_no_secrets(text: str, found: str) -> None:
    assert redacted(text) == found
