"""Images pushed to a real registry, Debian's docker-registry: what is sent, what is not, and what a
refusal says.
"""

import json
import logging
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from registries import PROGRAMS, Built, build_images, log_in, serving, tags

from kubewright import files, web
from kubewright.errors import RequestError, UpstreamUnreachable, VerificationFailed
from kubewright.images import upload
from kubewright.images.oci import INDEX
from kubewright.images.registry import Attachment, prefix, push
from kubewright.registry_http import Registry
from kubewright.signing import cosign, keys


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build_images(tmp_path_factory.mktemp("built"))


@pytest.fixture(autouse=True)
def no_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is logged in anywhere, and nobody waits long."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    monkeypatch.setattr(upload, "PAUSE", 0.01)
    monkeypatch.setattr(web, "BACKOFF", 0.01)
    monkeypatch.setattr(upload, "PIECES", (300_000, 100_000))


@pytest.fixture
def registry(tool: Callable[[str], Path], tmp_path: Path) -> Iterator[str]:
    """An empty registry."""
    with serving(tool("docker-registry"), tmp_path / "registry") as address:
        yield address


def stored(root: Path) -> int:
    """Bytes of all blobs that a registry below `root` keeps."""
    return sum(
        path.stat().st_size for path in (root / "registry" / "data").rglob("data") if path.is_file()
    )


def test_what_was_pushed_comes_back_by_digest_and_by_tag(
    built: Built, registry: str, tool: Callable[[str], Path], tmp_path: Path
) -> None:
    report = push(built.layout, built.record, f"{registry}/kube")
    assert [reference.partition("@")[0] for reference in report.references] == [
        f"{registry}/kube/{name}:v1.36.4" for name in PROGRAMS
    ]
    for number, image in enumerate(built.record.images):
        repository, digest = report.references[number].replace(":v1.36.4", "").split("@")
        assert digest == image.index
        for arch, platform in zip(("amd64", "arm64"), image.platforms, strict=True):
            target = tmp_path / f"{image.name}-{arch}"
            argv = [str(tool("skopeo")), "--override-os=linux", f"--override-arch={arch}", "copy"]
            subprocess.run(
                [
                    *argv,
                    "--src-tls-verify=false",
                    f"docker://{repository}@{digest}",
                    f"dir:{target}",
                ],
                check=True,
                capture_output=True,
            )
            manifest = (target / "manifest.json").read_bytes()
            assert (
                manifest
                == (built.layout / "blobs" / platform.manifest.replace(":", "/")).read_bytes()
            )
            for layer in platform.layers:
                assert (target / layer.digest.removeprefix("sha256:")).stat().st_size == layer.size
        by_tag = requests.head(
            f"http://{registry}/v2/kube/{image.name}/manifests/v1.36.4",
            headers={"Accept": "application/vnd.oci.image.index.v1+json"}, timeout=5,
        )  # fmt: skip
        assert by_tag.headers["Docker-Content-Digest"] == image.index


def test_the_bytes_of_the_shared_layer_are_sent_and_stored_once(
    built: Built, registry: str, tmp_path: Path
) -> None:
    report = push(built.layout, built.record, f"{registry}/kube")
    shared = 2 * built.layer().stat().st_size
    assert shared <= report.uploaded <= 1.05 * shared
    assert shared <= stored(tmp_path) <= 1.05 * shared
    # Both architectures' program and their common /tmp, in two more repositories.
    assert report.mounted == 2 * 3


def test_a_second_push_sends_nothing(built: Built, registry: str) -> None:
    push(built.layout, built.record, f"{registry}/kube")
    again = push(built.layout, built.record, f"{registry}/kube")
    assert (again.uploaded, again.sent, again.mounted) == (0, 0, 0)
    elsewhere = push(built.layout, built.record, f"{registry}/other")
    assert elsewhere.sent > 0  # another repository: the registry cannot know who may read the first


def test_a_tag_that_moves_is_said_with_what_it_was(
    built: Built, registry: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    push(built.layout, built.record, f"{registry}/kube")
    assert not caplog.messages
    image = built.record.images[0]
    index = json.loads((built.layout / "blobs" / image.index.replace(":", "/")).read_bytes())
    other = json.dumps(index | {"manifests": index["manifests"][:1]}).encode()
    url = f"http://{registry}/v2/kube/{image.name}/manifests/{image.tag}"
    requests.put(url, other, headers={"Content-Type": INDEX}, timeout=5).raise_for_status()
    push(built.layout, built.record, f"{registry}/kube")
    (said,) = caplog.messages
    assert said.startswith(f"push {image.name}:v1.36.4: was sha256:{files.sha256(other)}, which ")


def test_signatures_lie_beside_their_images(built: Built, registry: str, tmp_path: Path) -> None:
    key = keys.artifact_key(None)
    image = built.record.images[0]
    signature = cosign.signature_image(f"{registry}/kube/{image.name}", image.index, image.tag, key)
    extra = Attachment(
        image.name,
        signature.tag,
        signature.manifest.data,
        (signature.config.data, signature.payload.data),
    )
    push(built.layout, built.record, f"{registry}/kube", attachments=[extra])
    assert sorted(tags(registry, f"kube/{image.name}")) == sorted(["v1.36.4", signature.tag])
    found = requests.get(
        f"http://{registry}/v2/kube/{image.name}/manifests/{signature.tag}",
        headers={"Accept": cosign.MANIFEST_TYPE}, timeout=5,
    )  # fmt: skip
    assert found.content == signature.manifest.data


# ── Broken connections ───────────────────────────────────────────────────────────────────────


@dataclass
class Proxy:
    """Passes bytes on to a server, but breaks a connection inside its `number`-th request that
    begins with `word`.

    `let` bytes of that request arrive; with None all of it does, and only the answer is lost.
    """

    server: str
    word: bytes
    number: int
    let: int | None
    always: bool = False
    arrived: int = 0
    seen: int = 0
    listener: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.listener.getsockname()[1]}"

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                host, _, port = self.server.partition(":")
                server = socket.create_connection((host, int(port)))
                mute = threading.Event()
                for work in (self.requests, self.answers):
                    threading.Thread(target=work, args=(client, server, mute), daemon=True).start()

    def requests(self, client: socket.socket, server: socket.socket, mute: threading.Event) -> None:
        left: int | None = None
        with hanging_up(client, server):
            while data := client.recv(1 << 16):
                if data.startswith(self.word):
                    self.seen += 1
                    if self.seen == self.number or (self.always and self.seen > self.number):
                        left = self.let
                        if left is None:
                            mute.set()
                if left is not None:
                    data, left = data[:left], left - len(data[:left])
                self.arrived += len(data)
                server.sendall(data)
                if left == 0:
                    return

    def answers(self, client: socket.socket, server: socket.socket, mute: threading.Event) -> None:
        with hanging_up(client, server):
            while data := server.recv(1 << 16):
                if mute.is_set():
                    return
                client.sendall(data)


@contextmanager
def hanging_up(*ends: socket.socket) -> Iterator[None]:
    with suppress(OSError):
        yield
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def breaking(
    server: str, word: bytes, number: int, let: int | None, *, always: bool = False
) -> Iterator[Proxy]:
    proxy = Proxy(server, word, number, let, always)
    with hanging_up(proxy.listener):
        thread = threading.Thread(target=proxy.serve, daemon=True)
        thread.start()
        yield proxy
    thread.join(10)


@pytest.mark.parametrize(
    ("pieces", "word", "number", "let", "twice"),
    [
        (300_000, b"PATCH", 3, 0, 0),  # four pieces of at most 300,000 bytes
        (300_000, b"PATCH", 3, 100_000, 700_000),  # distribution forgets what broke inside a piece
        (300_000, b"PATCH", 3, None, 900_000),
        (300_000, b"PUT", 2, 0, 0),
        (300_000, b"PUT", 2, None, 0),
        (300_000, b"POST", 2, 0, 0),
        (None, b"PUT", 2, 0, 0),
        (None, b"PUT", 2, 500_000, 1_500_000),
        (None, b"PUT", 2, None, 1_000_000),
        (None, b"POST", 2, 0, 0),
    ],
    ids=[
        "before-a-piece", "inside-a-piece", "answer-to-a-piece", "before-the-end",
        "answer-to-the-end", "at-the-begin", "before-the-whole", "inside-the-whole",
        "answer-to-the-whole", "at-the-begin-of-the-whole",
    ],
)  # fmt: skip
def test_a_broken_upload_goes_on_where_the_registry_has_got_to(
    built: Built,
    registry: str,
    pieces: int | None,
    word: bytes,
    number: int,
    let: int | None,
    twice: int,
) -> None:
    with breaking(registry, word, number, let) as proxy:
        report = push(built.layout, built.record, f"{proxy.address}/kube", pieces=pieces)
    assert proxy.seen >= number
    assert proxy.arrived < report.uploaded + twice + 50_000  # of headers
    for name in PROGRAMS:
        assert tags(registry, f"kube/{name}") == ["v1.36.4"]
    assert push(built.layout, built.record, f"{registry}/kube").uploaded == 0


def test_a_connection_that_keeps_breaking_is_named_and_leaves_no_tag(
    built: Built, registry: str
) -> None:
    with (
        breaking(registry, b"PATCH", 3, 1000, always=True) as proxy,
        pytest.raises(
            UpstreamUnreachable,
            match=rf"^{proxy.address}: .*broke off \(.+\); check the network and push",
        ),
    ):
        push(built.layout, built.record, f"{proxy.address}/kube", pieces=300_000)
    assert [tags(registry, f"kube/{name}") for name in PROGRAMS] == [[], [], []]
    assert push(built.layout, built.record, f"{registry}/kube").sent


def test_tags_come_last_and_signatures_before_them(built: Built, registry: str) -> None:
    image = built.record.images[0]
    signature = cosign.signature_image(
        f"kube/{image.name}", image.index, image.tag, keys.artifact_key(None)
    )
    extra = Attachment(
        image.name,
        signature.tag,
        signature.manifest.data,
        (signature.config.data, signature.payload.data),
    )
    with (
        breaking(
            registry, b"PUT /v2/kube/kube-apiserver/manifests/v1.36.4", 1, 0, always=True
        ) as proxy,
        pytest.raises(UpstreamUnreachable),
    ):
        push(built.layout, built.record, f"{proxy.address}/kube", attachments=[extra])
    assert tags(registry, "kube/kube-apiserver") == [signature.tag]
    assert tags(registry, "kube/pause") == []
    assert push(built.layout, built.record, f"{registry}/kube", attachments=[extra]).sent == 0


# ── Who may push ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def guarded(tool: Callable[[str], Path], tmp_path: Path) -> Iterator[str]:
    """A registry that asks for a name and password: admin, secret."""
    people = tmp_path / "htpasswd"
    people.write_text("admin:$2b$04$vO6pILva7rNha.ClVEe6KuVCRT080nUR.QbmYiFHUMXlpy.mfOVBO\n")
    auth = {"htpasswd": {"realm": "of this test", "path": str(people)}}
    with serving(tool("docker-registry"), tmp_path / "registry", auth=auth) as address:
        yield address


def test_a_registry_with_passwords_takes_what_docker_login_has_stored(
    built: Built, guarded: str, tmp_path: Path
) -> None:
    log_in(tmp_path, guarded, "admin", "secret")
    assert push(built.layout, built.record, f"{guarded}/kube").sent


def test_a_credential_helper_is_asked(
    built: Built, guarded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-test"
    helper.write_text("""#!/bin/sh\necho '{"Username": "admin", "Secret": "secret"}'\n""")
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text(json.dumps({"credHelpers": {guarded: "test"}}))
    assert push(built.layout, built.record, f"{guarded}/kube").sent


@pytest.mark.parametrize("password", [None, "wrong"], ids=["nobody", "wrong-password"])
def test_who_may_not_push_is_told_how_to_log_in(
    built: Built, guarded: str, tmp_path: Path, password: str | None
) -> None:
    if password:
        log_in(tmp_path, guarded, "admin", password)
    with pytest.raises(RequestError) as caught:
        push(built.layout, built.record, f"{guarded}/kube")
    assert re.fullmatch(
        rf"{guarded}: refused .+ in kube/kube-apiserver \(401: .+\); log in with `docker login "
        rf"{guarded}`",
        str(caught.value),
    )


class Tokens(BaseHTTPRequestHandler):
    """Gives admin, secret a token for the repositories that are asked for, and anybody else a
    useless one.
    """

    key = ec.generate_private_key(ec.SECP256R1())
    asked: list[list[str]]

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query)
        scopes = [scope.rsplit(":", 2) for scope in query["scope"]]
        self.asked.append(query["scope"])
        known = self.headers.get("Authorization") == "Basic " + b64encode(b"admin:secret").decode()
        now = int(time.time())
        claims = {
            "iss": "test",
            "sub": "admin",
            "aud": query["service"][0],
            "exp": now + 60,
            "nbf": now - 60,
            "iat": now,
            "jti": "1",
            "access": [
                {
                    "type": kind.partition(":")[0] or kind,
                    "name": name,
                    "actions": actions.split(","),
                }
                for kind, name, actions in scopes
                if known
            ],
        }
        body = json.dumps({"token": self.jwt(claims)}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def jwt(self, claims: dict[str, Any]) -> str:
        chain = [b64encode(self.certificate().public_bytes(Encoding.DER)).decode()]
        head = {"typ": "JWT", "alg": "ES256", "x5c": chain}
        signed = b".".join(url64(json.dumps(part).encode()) for part in (head, claims))
        numbers = decode_dss_signature(self.key.sign(signed, ec.ECDSA(SHA256())))
        return (signed + b"." + url64(b"".join(number.to_bytes(32) for number in numbers))).decode()

    @classmethod
    @cache
    def certificate(cls) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
        day = datetime(2026, 1, 1, tzinfo=UTC)
        made = x509.CertificateBuilder(
            name, name, cls.key.public_key(), 1, day, day + timedelta(36500)
        )
        return made.sign(cls.key, SHA256())

    def log_message(self, format: str, *args: Any) -> None:
        pass


def url64(data: bytes) -> bytes:
    return urlsafe_b64encode(data).rstrip(b"=")


@pytest.fixture
def tokened(tool: Callable[[str], Path], tmp_path: Path) -> Iterator[str]:
    """A registry that asks for tokens of another server."""
    Tokens.asked = []
    (tmp_path / "roots.pem").write_bytes(Tokens.certificate().public_bytes(Encoding.PEM))
    with ThreadingHTTPServer(("127.0.0.1", 0), Tokens) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        realm = f"http://127.0.0.1:{server.server_port}/token"
        token = {
            "realm": realm,
            "service": "a registry",
            "issuer": "test",
            "rootcertbundle": str(tmp_path / "roots.pem"),
        }
        with serving(
            tool("docker-registry"), tmp_path / "registry", auth={"token": token}
        ) as address:
            yield address
        server.shutdown()


def test_a_registry_with_tokens_gets_one_for_each_repository(
    built: Built, tokened: str, tmp_path: Path
) -> None:
    log_in(tmp_path, tokened, "admin", "secret")
    report = push(built.layout, built.record, f"{tokened}/kube")
    assert (report.sent, report.mounted) == (3 + 2 * 3, 2 * 3)
    scopes = [scope.split(":") for scope in chain.from_iterable(Tokens.asked)]
    assert {name for _, name, actions in scopes if "push" in actions} == {
        f"kube/{name}" for name in PROGRAMS
    }


def test_a_token_that_does_not_suffice_is_a_refusal(built: Built, tokened: str) -> None:
    with pytest.raises(
        RequestError, match=r"refused an upload of sha256:\w+ in kube/kube-apiserver \(401: "
    ):
        push(built.layout, built.record, f"{tokened}/kube")


def test_a_registry_that_only_reads_says_so(
    built: Built, tool: Callable[[str], Path], tmp_path: Path
) -> None:
    storage = {
        "filesystem": {"rootdirectory": str(tmp_path / "data")},
        "maintenance": {"readonly": {"enabled": True}},
    }
    with (
        serving(tool("docker-registry"), tmp_path, storage=storage) as address,
        pytest.raises(RequestError, match=r"refused an upload of .+ \(405\); it takes no pushes"),
    ):
        push(built.layout, built.record, f"{address}/kube")


def test_a_registry_without_tls_is_asked_for_by_its_scheme(built: Built, registry: str) -> None:
    with pytest.raises(
        UpstreamUnreachable, match=rf"^{registry}: no TLS connection .+ or write http:// before"
    ):
        push(built.layout, built.record, f"https://{registry}/kube")
    assert (
        push(built.layout, built.record, f"http://{registry}/kube")
        .references[0]
        .startswith(f"{registry}/kube/")
    )


def test_a_host_that_is_not_there_is_named(built: Built) -> None:
    with pytest.raises(UpstreamUnreachable, match=r"^127\.0\.0\.1:9: cannot be reached"):
        push(built.layout, built.record, "127.0.0.1:9/kube")


# ── Registries that mean no good ─────────────────────────────────────────────────────────────


@dataclass
class Scripted:
    """A server that answers by a script, and every `(method, path, Authorization)` that it was
    sent.
    """

    address: str
    heard: list[tuple[str, str, str | None]] = field(default_factory=list)


@contextmanager
def scripted(script: Callable[[str, str], tuple[int, dict[str, str]]]) -> Iterator[Scripted]:
    """Serve what `script` says to a method and a path: a status and headers."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            state.heard.append((self.command, self.path, self.headers.get("Authorization")))
            status, headers = script(self.command, self.path)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        do_HEAD = do_POST = do_PATCH = do_PUT = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state = Scripted(f"127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield state
        server.shutdown()


def test_a_registry_with_tls_is_never_asked_in_clear() -> None:
    with (
        scripted(lambda _method, _path: (201, {})) as clear,
        scripted(lambda _method, _path: (201, {})) as other,
    ):
        registry = Registry(f"https://{clear.address}", ("me", "secret"))
        with pytest.raises(UpstreamUnreachable, match=rf"^{clear.address}: no TLS connection"):
            registry.ask("PUT", f"http://{clear.address}/v2/a/blobs/uploads/1", "a", body=b"layer")
        with pytest.raises(
            RequestError,
            match=rf"^{clear.address}: wants this sent in clear to http://{other.address}/1;",
        ):
            registry.ask("PUT", f"http://{other.address}/1?signature=hidden", "a", body=b"layer")
        assert not [one for one in (*clear.heard, *other.heard) if one[0] == "PUT"]


def test_another_scheme_is_another_server() -> None:
    challenge = {"WWW-Authenticate": 'Basic realm="test"'}
    with scripted(lambda _method, _path: (401, challenge)) as server:
        registry = Registry(f"http://{server.address}", ("me", "secret"))
        assert registry.ask("GET", "/v2/", "a").status == 401
        assert [bool(proof) for _, _, proof in server.heard] == [False, True]
        server.heard.clear()
        registry.ask(
            "GET", f"http://{server.address.replace('127.0.0.1', 'localhost')}/elsewhere", "a"
        )
        assert server.heard == [("GET", "/elsewhere", None)]


def test_a_registry_that_keeps_nothing_is_not_asked_forever(built: Built) -> None:
    answers = {"HEAD": (404, {}), "GET": (204, {"Range": "0-0"}), "PUT": (201, {})}
    kept = (202, {"Location": "/upload", "Range": "0-0"})
    with (
        scripted(lambda method, _path: answers.get(method, kept)) as server,
        pytest.raises(
            UpstreamUnreachable,
            match=rf"^{server.address}: took a piece of sha256:\w+ and has not kept it;",
        ),
    ):
        push(built.layout, built.record, f"{server.address}/kube", pieces=300_000)
    assert len([1 for method, *_ in server.heard if method == "PATCH"]) == upload.TRIES + 1


def test_a_login_in_netrc_does_not_follow_a_redirect(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with (
        scripted(lambda _method, _path: (200, {})) as storage,
        scripted(
            lambda _method, _path: (307, {"Location": f"http://{storage.address}/blob"})
        ) as server,
    ):
        assert (
            Registry(f"http://localhost:{server.address.partition(':')[2]}")
            .ask("GET", "/v2/", "a")
            .status
            == 200
        )
        assert storage.heard == [("GET", "/blob", None)]


def test_the_log_and_errors_hold_no_secrets(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("kubewright"), "propagate", True)
    caplog.set_level(logging.DEBUG, "kubewright")
    with (
        scripted(lambda _method, _path: (500, {})) as server,
        pytest.raises(UpstreamUnreachable) as caught,
    ):
        Registry("http://r.example").ask(
            "PATCH", f"http://me:hidden@{server.address}/up?X-Amz-Signature=hidden", "a"
        )
    assert f"PATCH http://{server.address}/up" in caplog.text
    assert str(caught.value).startswith(f"{server.address}: answered 500 to PATCH /up;")
    assert "hidden" not in caplog.text + str(caught.value)


# ── What is asked for ────────────────────────────────────────────────────────────────────────


def test_a_damaged_blob_is_not_pushed(built: Built, registry: str, tmp_path: Path) -> None:
    shutil.copytree(built.layout, tmp_path / "layout")
    blob = tmp_path / "layout" / built.layer().relative_to(built.layout)
    blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    with pytest.raises(
        VerificationFailed, match=rf"^{blob}: missing or damaged; build the images again"
    ):
        push(tmp_path / "layout", built.record, f"{registry}/kube")


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("registry.example/kube", "registry.example/kube", "https://registry.example"),
        ("registry.example:5000", "registry.example:5000", "https://registry.example:5000"),
        ("http://registry.example/a/b", "registry.example/a/b", "http://registry.example"),
        ("localhost:5000/kube", "localhost:5000/kube", "http://localhost:5000"),
        ("127.0.0.1:5000", "127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://localhost:5000", "localhost:5000", "https://localhost:5000"),
        ("docker.io/somebody", "docker.io/somebody", "https://registry-1.docker.io"),
        ("[::1]:5055/kube", "[::1]:5055/kube", "http://[::1]:5055"),
        ("[2001:db8::7]/kube", "[2001:db8::7]/kube", "https://[2001:db8::7]"),
        ("http://[2001:db8::7]:5000", "[2001:db8::7]:5000", "http://[2001:db8::7]:5000"),
    ],
)
def test_a_prefix_says_which_registry_and_how_to_ask_it(text: str, name: str, url: str) -> None:
    found = prefix(text)
    assert (found.name, found.url) == (name, url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Registry.example",
        "ftp://registry.example",
        "registry.example/",
        "a b",
        "::1/kube",
        "[::1",
    ],
)  # fmt: skip
def test_what_is_no_prefix_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match=r"--registry: .+ is not an image prefix; give HOST"):
        prefix(text)


@pytest.mark.parametrize(
    ("login", "found"),
    [
        ({"auths": {"registry.example": {"identitytoken": "abc"}}}, "has stored an identity token"),
        (
            {"auths": {"registry.example": "admin"}},
            "the login that Docker has stored is unreadable",
        ),
    ],
    ids=["identity-token", "damaged"],
)
def test_a_login_that_is_of_no_use_is_named(
    built: Built, tmp_path: Path, login: Any, found: str
) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "config.json").write_text(json.dumps(login))
    with pytest.raises(RequestError, match=rf"^registry.example: .*{found}.*docker login"):
        push(built.layout, built.record, "registry.example/kube")
