"""Registries that differ: a real one behind a proxy that does one thing in its own way. Whatever is
allowed, or known of a registry that people use, takes a push.
"""

import http.client
import json
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from registries import PROGRAMS, Built, build_images, log_in, serving

from kubewright import web
from kubewright.errors import RequestError, UpstreamUnreachable
from kubewright.images import upload
from kubewright.images.oci import INDEX
from kubewright.images.registry import push

NUMBERS = count(1)

KEPT = ("content-length", "transfer-encoding", "connection", "date", "server")
"""Headers that belong to a connection."""


@dataclass
class Request:
    method: str
    path: str
    size: int
    headers: Mapping[str, str]

    @property
    def blob(self) -> bool:
        return "/blobs/" in self.path and "/uploads/" not in self.path

    @property
    def content(self) -> bool:
        """Whether it brings bytes of a blob."""
        return "/uploads/" in self.path and self.size > 0


@dataclass
class Reply:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass
class Quirk:
    """What a proxy does in its own way: it answers by itself, hangs up, or changes an answer."""

    before: Callable[[Request], Reply | None] = lambda _request: None
    after: Callable[[Request, Reply], None] = lambda _request, _reply: None
    hangs_up: Callable[[Request], bool] = lambda _request: False


class Proxy(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, backend: str, quirk: Quirk) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.backend, self.quirk = backend, quirk
        self.seen: list[Request] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def do_GET(self) -> None:
        size = int(self.headers.get("Content-Length", 0))
        request = Request(self.command, self.path, size, dict(self.headers))
        self.server.seen.append(request)
        if self.server.quirk.hangs_up(request):
            self.rfile.read(min(size, 70_000))
            self.close_connection = True
            return
        body = self.rfile.read(size)
        self.reply(self.server.quirk.before(request) or self.passed(request, body))

    do_HEAD = do_PUT = do_POST = do_PATCH = do_GET

    def passed(self, request: Request, body: bytes) -> Reply:
        backend = http.client.HTTPConnection(self.server.backend)
        sent = {key: value for key, value in request.headers.items() if key.lower() not in KEPT}
        backend.request(request.method, request.path, body, {**sent, "Host": self.server.address})
        answer = backend.getresponse()
        headers = {key: value for key, value in answer.getheaders() if key.lower() not in KEPT}
        if request.method == "HEAD":
            headers["Content-Length"] = answer.getheader("Content-Length", "0")
        reply = Reply(answer.status, headers, answer.read())
        backend.close()
        self.server.quirk.after(request, reply)
        return reply

    def reply(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
            for line in value.split("\n"):
                self.send_header(name, line)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def quirky(backend: str, quirk: Quirk) -> Iterator[Proxy]:
    with Proxy(backend, quirk) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        yield proxy
        proxy.shutdown()


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build_images(tmp_path_factory.mktemp("quirks"))


@pytest.fixture(scope="module")
def backend(tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tool("docker-registry"), tmp_path_factory.mktemp("registry")) as address:
        yield address


@dataclass
class Place:
    """A registry, and a prefix in it that nothing was pushed to."""

    address: str
    prefix: str


@pytest.fixture
def registry(backend: str) -> Place:
    return Place(backend, f"kube-{next(NUMBERS)}")


@pytest.fixture(autouse=True)
def nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr(upload, "PAUSE", 0.001)
    monkeypatch.setattr(web, "BACKOFF", 0.001)
    monkeypatch.setattr(upload, "PIECES", (600_000, 300_000, 100_000))


def check_pushed(built: Built, registry: Place) -> None:
    """Every name stands for its image; the registry takes no manifest before what it names."""
    for image in built.record.images:
        answer = requests.head(
            f"http://{registry.address}/v2/{registry.prefix}/{image.name}/manifests/v1.36.4",
            headers={"Accept": INDEX}, timeout=5,
        )  # fmt: skip
        assert answer.headers.get("Docker-Content-Digest") == image.index


# ── How content is sent ──────────────────────────────────────────────────────────────────────


def refusing(status: int, when: Callable[[Request], bool]) -> Quirk:
    return Quirk(before=lambda request: Reply(status) if when(request) else None)


def larger(most: int) -> Callable[[Request], bool]:
    return lambda request: request.content and request.size > most


CONTENT = {
    **{
        f"no-put-with-content-{status}": refusing(
            status, lambda request: request.method == "PUT" and request.content
        )
        for status in upload.OTHERWISE
    },
    **{
        f"no-patch-{status}": refusing(status, lambda request: request.method == "PATCH")
        for status in (400, 501)
    },
    "small-patches-and-any-put": refusing(
        416, lambda request: request.method == "PATCH" and request.size > 150_000
    ),
    "nothing-larger-than-600000": refusing(413, larger(600_000)),
    "nothing-larger-than-150000": refusing(413, larger(150_000)),
    "hangs-up-on-what-is-larger-than-150000": Quirk(hangs_up=larger(150_000)),
    "a-gateway-that-gives-up-on-large-requests": refusing(504, larger(350_000)),
}


@pytest.mark.parametrize("name", CONTENT)
def test_content_goes_in_the_way_that_a_registry_takes(
    built: Built, registry: Place, name: str
) -> None:
    with quirky(registry.address, CONTENT[name]) as proxy:
        report = push(built.layout, built.record, f"{proxy.address}/{registry.prefix}")
    check_pushed(built, registry)
    assert report.sent == 3 + 2 * 3  # shared layers and three configurations for two architectures
    refused = [
        request for request in proxy.seen
        if CONTENT[name].before(request) or CONTENT[name].hangs_up(request)
    ]  # fmt: skip
    assert len(refused) <= 20, "what was refused is remembered for the next blob"


def test_a_blob_goes_in_one_request_where_nothing_is_wrong(built: Built, registry: Place) -> None:
    with quirky(registry.address, Quirk()) as proxy:
        report = push(built.layout, built.record, f"{proxy.address}/{registry.prefix}")
    assert [request.method for request in proxy.seen if request.content] == ["PUT"] * report.sent
    posts = [request for request in proxy.seen if request.method == "POST"]
    assert len(posts) == report.sent + report.mounted


def test_pieces_are_of_the_size_that_was_asked_for(built: Built, registry: Place) -> None:
    with quirky(registry.address, Quirk()) as proxy:
        push(built.layout, built.record, f"{proxy.address}/{registry.prefix}", pieces=400_000)
    sizes = {request.size for request in proxy.seen if request.content}
    assert max(sizes) == 400_000
    assert {request.method for request in proxy.seen if request.content} == {"PATCH"}


def test_a_registry_that_takes_content_in_no_way_is_a_refusal_soon(
    built: Built, registry: Place
) -> None:
    with (
        quirky(registry.address, refusing(400, lambda request: request.content)) as proxy,
        pytest.raises(RequestError, match=r"refused an upload of sha256:\w+ .+ \(400\); its log"),
    ):
        push(built.layout, built.record, f"{proxy.address}/{registry.prefix}")
    assert len([request for request in proxy.seen if request.content]) == 2 + len(upload.PIECES)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT"])
def test_a_registry_that_asks_for_an_hour_gets_it(
    built: Built, registry: Place, method: str
) -> None:
    busy = Reply(503, {"Retry-After": "Thu, 01 Jan 2099 12:00:00 GMT"})
    quirk = Quirk(before=lambda request: busy if request.method == method else None)
    with (
        quirky(registry.address, quirk) as proxy,
        pytest.raises(
            UpstreamUnreachable,
            match=rf"answered 503 to {method} .+ not before 2099-01-01 12:00:00Z",
        ),
    ):
        push(built.layout, built.record, f"{proxy.address}/{registry.prefix}")
    assert [request.method for request in proxy.seen].count(method) == 1


# ── How it answers ───────────────────────────────────────────────────────────────────────────


def answering(method: str, usual: int, status: int) -> Quirk:
    def after(request: Request, reply: Reply) -> None:
        if (request.method, reply.status) == (method, usual):
            reply.status = status

    return Quirk(after=after)


def without(header: str, method: str = "") -> Quirk:
    def after(request: Request, reply: Reply) -> None:
        if method in ("", request.method):
            reply.headers.pop(header, None)

    return Quirk(after=after)


def relative(_request: Request, reply: Reply) -> None:
    place = urlsplit(reply.headers.get("Location", ""))
    if place.path:
        reply.headers["Location"] = place._replace(scheme="", netloc="").geturl()


def least(request: Request, reply: Reply) -> None:
    if request.method == "POST":
        reply.headers["OCI-Chunk-Min-Length"] = "200000"


def login_page(request: Request) -> Reply | None:
    return (
        Reply(200, {"Content-Length": "77"}) if request.method == "HEAD" and request.blob else None
    )


ANSWERS = {
    **{f"begin-{status}": answering("POST", 202, status) for status in (200, 201, 204)},
    **{f"piece-{status}": answering("PATCH", 202, status) for status in (200, 204)},
    **{f"end-{status}": answering("PUT", 201, status) for status in (200, 202)},
    **{
        f"no-look-at-blobs-{status}": refusing(
            status, lambda request: request.method == "HEAD" and request.blob
        )
        for status in (400, 401, 403)
    },
    **{
        f"no-look-at-all-{status}": refusing(status, lambda request: request.method == "HEAD")
        for status in (403, 405)
    },
    "relative-places": Quirk(after=relative),
    "no-range": without("Range"),
    "no-place-after-a-piece": without("Location", "PATCH"),
    "no-digest": without("Docker-Content-Digest"),
    "no-upload-id": without("Docker-Upload-UUID"),
    "pieces-of-at-least-200000": Quirk(after=least),
    "a-page-for-every-look": Quirk(before=login_page),
}


OF_PIECES = [
    "piece-200", "piece-204", "relative-places", "no-range",
    "no-place-after-a-piece", "no-upload-id", "pieces-of-at-least-200000",
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        *((name, None) for name in ANSWERS if "piece" not in name),
        *((n, 300_000) for n in OF_PIECES),
    ],
)
def test_any_good_answer_will_do_and_a_refused_look_means_upload(
    built: Built, registry: Place, name: str, pieces: int | None
) -> None:
    with quirky(registry.address, ANSWERS[name]) as proxy:
        push(built.layout, built.record, f"{proxy.address}/{registry.prefix}", pieces=pieces)
    check_pushed(built, registry)


# ── Who asks ─────────────────────────────────────────────────────────────────────────────────

PASSWORD = "Basic " + b64encode(b"ci:secret").decode()


@dataclass
class Guard:
    """A registry that wants tokens, or passwords, each time asked for by `says`."""

    says: str
    """The challenge; {realm}, {repository} and {needed} are filled in, each line is a header."""
    query: dict[str, str] = field(default_factory=dict)
    """What the token server has to be asked with; an empty text: not at all."""
    grants: Callable[[str], bool] = lambda _scopes: True
    name: str = "token"
    passwords: bool = False
    tokens: bool = True
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply | None:
        place = urlsplit(request.path)
        told = request.headers.get("Authorization", "")
        if place.path == "/token":
            return self.token(parse_qs(place.query, keep_blank_values=True), told)
        if not place.path.removeprefix("/v2/"):
            return None
        repository = re.split("/(?:blobs|manifests)/", place.path.removeprefix("/v2/"))[0]
        needed = "pull" if request.method in ("GET", "HEAD") else "pull,push"
        if self.passwords and told == PASSWORD:
            return None
        if self.tokens and told.startswith("Bearer ") and self.suffices(told, repository, needed):
            return None
        host = request.headers["Host"]
        said = self.says.format(realm=f"http://{host}/token", repository=repository, needed=needed)
        return Reply(401, {"WWW-Authenticate": said}, b"{}")

    def suffices(self, told: str, repository: str, needed: str) -> bool:
        for scope in json.loads(bytes.fromhex(told.removeprefix("Bearer "))):
            kind, _, rest = scope.partition(":")
            name, _, actions = rest.rpartition(":")
            if kind == "repository" and name == repository:
                return set(needed.split(",")) <= set(actions.split(","))
        return False

    def token(self, query: dict[str, list[str]], told: str) -> Reply:
        for name, value in self.query.items():
            if query.get(name, [""]) != [value]:
                return Reply(400, {}, b'{"details": "?"}')
        scopes = query.get("scope", [])
        self.asked += scopes
        if told != PASSWORD or not self.grants(" ".join(scopes)):
            return Reply(401)
        return Reply(200, {}, json.dumps({self.name: json.dumps(scopes).encode().hex()}).encode())


BEARER = 'Bearer realm="{realm}",service="reg",scope="repository:{repository}:{needed}"'

GUARDS = {
    "as-docker-has-it": Guard(BEARER, {"service": "reg"}),
    "a-realm-with-a-query": Guard(
        BEARER.replace("{realm}", "{realm}?tenant=7&b="), {"tenant": "7"}
    ),
    "names-in-capitals": Guard(
        'BEARER Realm="{realm}",SERVICE="reg",Scope="repository:{repository}:{needed}"'
    ),
    "blanks": Guard(BEARER.replace(",service", " ,\t service").replace("=", " = ", 1)),
    "no-quotes": Guard("Bearer realm={realm},service=reg,scope=repository:{repository}:{needed}"),
    "no-service": Guard(BEARER.replace('service="reg",', ""), {"service": ""}),
    "no-scope": Guard('Bearer realm="{realm}",service="reg"'),
    "quoted-characters": Guard(BEARER.replace('"reg"', r'"a \"reg\", really"'),
                               {"service": 'a "reg", really'}),
    "basic-first": Guard('Basic realm="reg"\n' + BEARER),
    "bearer-first": Guard(BEARER + '\nBasic realm="reg"'),
    "in-one-line": Guard(f'Negotiate, Digest realm="a, b", nonce="Bearer", {BEARER}, Basic'),
    "with-a-word": Guard("Negotiate YII=\n" + BEARER),
    "access-token": Guard(BEARER, name="access_token"),
    "an-error-beside": Guard(BEARER + ',error="insufficient_scope"'),
    "only-what-it-asked-for": Guard(
        BEARER, grants=lambda scopes: not re.search(r":pull,push .*:pull,push", scopes)
    ),
    "passwords-beside-useless-tokens": Guard(
        BEARER + '\nBasic realm="reg"', grants=lambda _scopes: False, passwords=True, tokens=False
    ),
    "passwords-after-negotiate": Guard('Negotiate\nBasic realm="reg"', passwords=True),
    "passwords-in-capitals": Guard('BASIC REALM="reg"', passwords=True),
}  # fmt: skip


@pytest.mark.parametrize("name", GUARDS)
def test_who_may_push_gets_in_however_a_registry_asks(
    built: Built, registry: Place, tmp_path: Path, name: str
) -> None:
    with quirky(registry.address, Quirk(before=GUARDS[name])) as proxy:
        log_in(tmp_path, proxy.address, "ci", "secret")
        assert push(built.layout, built.record, f"{proxy.address}/{registry.prefix}").sent
    check_pushed(built, registry)


def test_a_token_for_reading_alone_is_never_asked_for(
    built: Built, registry: Place, tmp_path: Path
) -> None:
    """Harbor answers a POST with a token for reading with a challenge for passwords, which may be
    switched off (harbor#18856).
    """
    guard = Guard(BEARER)

    def harbor(request: Request) -> Reply | None:
        reply = guard(request)
        if reply and reply.status == 401 and request.headers.get("Authorization"):
            reply.headers["WWW-Authenticate"] = 'Basic realm="harbor"'
        return reply

    with quirky(registry.address, Quirk(before=harbor)) as proxy:
        log_in(tmp_path, proxy.address, "ci", "secret")
        assert push(built.layout, built.record, f"{proxy.address}/{registry.prefix}").sent
    check_pushed(built, registry)
    assert guard.asked == [f"repository:{registry.prefix}/{name}:pull,push" for name in PROGRAMS]


@pytest.mark.parametrize("name", [*GUARDS, "harbor"])
def test_who_may_not_push_is_not_tried_forever(
    built: Built, registry: Place, tmp_path: Path, name: str
) -> None:
    guard = GUARDS.get(name) or Guard(BEARER)
    with quirky(registry.address, Quirk(before=guard)) as proxy:
        log_in(tmp_path, proxy.address, "ci", "wrong")
        with pytest.raises(RequestError, match=r"\(401\); log in with `docker login "):
            push(built.layout, built.record, f"{proxy.address}/{registry.prefix}")
    assert len(proxy.seen) <= 12
