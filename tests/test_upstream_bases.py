"""Bases for single hosts: how a company's mirror may look, what is read from where, and what is
said of it.
"""

import logging
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kubewright import web
from kubewright.bases import Base, bases, named, nearest, prefix
from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError, RequestError, UpstreamUnreachable
from kubewright.models.mirror import Mirror, Origin, host_path
from kubewright.stages.upstreams import refuse_unused
from kubewright.upstream import Upstream

Run = Callable[..., tuple[int, str, str]]

KUBELET = "https://dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet"
MARKER = "https://dl.k8s.io/release/stable-1.36.txt"
ETCD = "https://github.com/etcd-io/etcd/releases/download/v3.6.8/SHA256SUMS"
RUNC = "https://github.com/opencontainers/runc/releases/download/v1.4.2/runc.amd64"
DOCKER = "https://download.docker.com/linux/static/stable/x86_64/docker-29.8.1.tgz"


# ── What is read from where ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("everything", "hosts", "url", "where"),
    [
        (None, {}, KUBELET, KUBELET),
        ("https://m.example", {}, KUBELET, f"https://m.example/{host_path(KUBELET)}"),
        ("HTTPS://m.example:8443/x/", {}, RUNC, f"https://m.example:8443/x/{host_path(RUNC)}"),
        (
            None,
            {"dl.k8s.io": "https://nexus.example/repository/k8s"},
            MARKER,
            "https://nexus.example/repository/k8s/release/stable-1.36.txt",
        ),
        (
            None,
            {"https://DL.k8s.io/": "http://art.example:8081/artifactory/k8s-remote///"},
            MARKER,
            "http://art.example:8081/artifactory/k8s-remote/release/stable-1.36.txt",
        ),
        (
            None,
            {"dl.k8s.io/release": "https://cdn.example"},
            MARKER,
            "https://cdn.example/stable-1.36.txt",
        ),
        (None, {"dl.k8s.io": "https://nexus.example/k8s"}, RUNC, RUNC),
        (
            "https://m.example",
            {"dl.k8s.io": "https://nexus.example/k8s"},
            RUNC,
            f"https://m.example/{host_path(RUNC)}",
        ),
        (
            "https://m.example",
            {"github.com": "https://a.example/gh", "github.com/etcd-io": "https://b.example/e"},
            ETCD,
            "https://b.example/e/etcd/releases/download/v3.6.8/SHA256SUMS",
        ),
        (
            None,
            {"github.com/etcd": "https://b.example", "github.com": "https://a.example/gh"},
            ETCD,
            "https://a.example/gh/etcd-io/etcd/releases/download/v3.6.8/SHA256SUMS",
        ),
        (None, {"dl.k8s.io": "http://[::1]:80/k"}, MARKER, "http://[::1]:80/k/release/stable-1.36.txt"),
        (
            None,
            {"dl.k8s.io": "https://me:p%40ss@nexus.example/k8s"},
            MARKER,
            "https://me:p%40ss@nexus.example/k8s/release/stable-1.36.txt",
        ),
    ],
    ids=[
        "nothing", "all", "all-with-port", "nexus", "artifactory", "path", "host-without", "rest",
        "longest", "whole-parts-only", "ipv6", "password",
    ],
)  # fmt: skip
def test_the_longest_base_that_fits_is_read(
    everything: str | None, hosts: dict[str, str], url: str, where: str
) -> None:
    upstream = Upstream(everything, hosts.items())
    assert upstream.where(url) == where
    assert "p%40ss" not in upstream.named(url)


def test_a_directory_stands_for_a_host_as_well(tmp_path: Path) -> None:
    (tmp_path / "k8s/release").mkdir(parents=True)
    (tmp_path / "k8s/release/stable-1.36.txt").write_text("v1.36.4")
    upstream = Upstream(None, {"dl.k8s.io": f"{tmp_path}/k8s/"}.items())
    assert upstream.read(MARKER) == b"v1.36.4"
    assert not upstream.exists(KUBELET)
    assert upstream.named(MARKER) == f"{MARKER} (read from {tmp_path}/k8s/release/stable-1.36.txt)"
    assert upstream.named(RUNC) == RUNC


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("/nowhere", "no such directory; make one with `kubewright mirror sample /nowhere`"),
        ("nexus.example/k8s", "write https:// before .+: https://nexus.example/k8s"),
        ("ftp://nexus.example/k8s", "ftp:// is not read; give a directory, or an http"),
        ("s3://bucket/k8s", "s3:// is not read"),
        ("https://nexus.example/k8s?token=S3CRET", "not the address of a directory"),
        ("https://nexus.example/#k8s", "not the address of a directory"),
        ("https://nexus.example:99999/", "not the address of a directory"),
        ("https://", "not the address of a directory"),
    ],
)
@pytest.mark.parametrize("host", [None, "dl.k8s.io"])
def test_what_is_no_base_is_refused_with_what_would_be(
    place: str, said: str, host: str | None
) -> None:
    with pytest.raises(RequestError, match=rf"^--upstream.*: .*({said})") as caught:
        bases(None if host else place, [(host, place)] if host else [])
    assert "S3CRET" not in str(caught.value)


def test_a_host_has_one_base() -> None:
    pair = [("dl.k8s.io", "https://a.example"), ("https://dl.k8s.io/", "https://b.example")]
    with pytest.raises(RequestError, match="has two bases; give each host once"):
        bases(None, pair)


@pytest.mark.parametrize("word", ["", "dl.k8s.io", "=https://x.example", "dl.k8s.io=", " = "])
def test_a_word_that_names_no_host_or_no_base_is_refused(word: str) -> None:
    with pytest.raises(RequestError, match=r"^--upstream-for .*write it like dl.k8s.io=https://"):
        named([word])


def test_prefixes_are_of_whole_parts() -> None:
    assert nearest(["", "a.b", "a.b/c"], "a.b/cd/e") == "a.b"
    assert nearest(["a.b/c"], "a.b/c") == "a.b/c"
    assert nearest(["a.b"], "xa.b/c") is None
    assert prefix(" https://A.b/C/ ") == "a.b/C"
    assert Base("/m/a.b", "a.b").top == Base("/m")
    assert Base("/m/xa.b", "a.b").top == Base("/m/xa.b", "a.b")


# ── Hosts that nothing is read from ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "host",
    [
        "dl.k8s.io", "https://dl.k8s.io/", "dl.k8s.io/release", "dl.k8s.io/release/stable-1.36.txt",
        "dl.k8s.io/release/v1.36.4/bin/linux/amd64", "github.com", "github.com/etcd-io/etcd",
        "github.com/etcd-io/etcd/releases/download/v3.6.8/SHA256SUMS", "download.docker.com/linux",
        "download.docker.com/linux/static/stable/aarch64",
    ],
)  # fmt: skip
def test_a_host_or_path_that_a_recipe_reads_from_is_taken(host: str) -> None:
    refuse_unused(((host, "/"),), shipped().components)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("dl.k8.io", "did you mean 'dl.k8s.io'"),
        ("k8s.io", "did you mean 'dl.k8s.io'"),
        ("dlk8s.io/release", "did you mean 'dl.k8s.io'"),
        ("github.co", "did you mean 'github.com'"),
        ("docker.com", "names dl.k8s.io, download.docker.com, github.com$"),
        ("registry.k8s.io", "dl.k8s.io"),
        ("dl.k8s.io/releases", "did you mean 'dl.k8s.io/release'"),
        ("github.com/etcdio", "did you mean 'github.com/etcd-io'"),
        ("github.com/etcd-io/ectd", "did you mean 'github.com/etcd-io/etcd'"),
        ("dl.k8s.io:443", "did you mean 'dl.k8s.io'"),
        ("dl.k8s.io/release/v1.36.4/bin/linux/riscv64", "no recipe reads anything from there"),
        ("*", "no recipe reads anything"),
        ("", "no recipe reads anything"),
    ],
)
def test_a_host_that_nothing_is_read_from_is_refused_with_the_near_miss(
    host: str, said: str
) -> None:
    with pytest.raises(RequestError, match=said):
        refuse_unused((("github.com", "/"), (host, "/")), shipped().components)


# ── On the way ───────────────────────────────────────────────────────────────────────────────


@dataclass
class Company:
    """A server with one repository for each upstream host, as Nexus and Artifactory have them."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    """Answers other than 404 for paths that have this in them."""
    heard: list[str] = field(default_factory=list)
    accounts: set[str] = field(default_factory=set)


@contextmanager
def company(files: dict[str, bytes]) -> Iterator[Company]:
    state = Company(files=files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.heard.append(self.path)
            state.accounts.add(self.headers.get("Authorization", ""))
            data = state.files.get(self.path)
            status = 404 if data is None else 200
            for part, answer in state.refused.items():
                status = answer if part in self.path else status
            self.send_response(status)
            body = data if data is not None and status == 200 else b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield state
        server.shutdown()


@pytest.fixture
def nexus(monkeypatch: pytest.MonkeyPatch) -> Iterator[Company]:
    monkeypatch.setattr(web, "BACKOFF", 0.001)
    with company({"/repository/k8s/release/stable-1.36.txt": b"v1.36.4"}) as state:
        yield state


@pytest.mark.parametrize(
    ("status", "remedy"),
    [
        (401, "~/.netrc"),
        (403, "wants an account, put that into ~/.netrc"),
        (407, "HTTP_PROXY and HTTPS_PROXY"),
        (418, "try again later"),
        (502, "does not get it from a server behind it"),
    ],
)
def test_an_error_names_what_was_asked_beside_upstreams_own_address(
    nexus: Company, status: int, remedy: str
) -> None:
    nexus.refused = {"/repository/k8s/": status}
    base = f"{nexus.address.replace('//', '//me:S3CRET@')}/repository/k8s"
    asked = re.escape(
        f"{nexus.address}/repository/k8s/release/stable-1.36.txt (in place of {MARKER})"
    )
    with pytest.raises(
        UpstreamUnreachable, match=rf"answered {status} for {asked}.*{remedy}.*use another mirror"
    ) as caught:
        Upstream(None, [("dl.k8s.io", base)]).read(MARKER)
    assert "S3CRET" not in str(caught.value)


def test_with_v_every_address_is_named_and_no_password(
    nexus: Company,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("kubewright"), "propagate", True)
    caplog.set_level(logging.DEBUG, "kubewright")
    base = f"{nexus.address.replace('//', '//me:S3CRET@')}/repository/k8s"
    upstream = Upstream(str(tmp_path), [("dl.k8s.io", base)])
    assert upstream.read(MARKER) == b"v1.36.4"
    assert not upstream.exists(RUNC)
    assert f"GET {nexus.address}/repository/k8s/release/stable-1.36.txt (in place of {MARKER})" in (
        caplog.text
    )
    assert f"{RUNC} (read from {tmp_path}/{host_path(RUNC)})" in caplog.text
    assert "S3CRET" not in caplog.text
    assert all(account.startswith("Basic ") for account in nexus.accounts)


def test_an_account_of_netrc_goes_to_the_base_and_to_no_other(
    nexus: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password S3CRET\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    upstream = Upstream(None, [("dl.k8s.io", f"{nexus.address}/repository/k8s")])
    assert upstream.read(MARKER) == b"v1.36.4"
    assert all(account.startswith("Basic ") for account in nexus.accounts)
    nexus.accounts.clear()
    other = nexus.address.replace("127.0.0.1", "localhost")
    assert Upstream(None, [("dl.k8s.io", f"{other}/repository/k8s")]).read(MARKER) == b"v1.36.4"
    assert nexus.accounts == {""}


def test_the_proxy_is_named(monkeypatch: pytest.MonkeyPatch, nexus: Company) -> None:
    monkeypatch.setenv("HTTP_PROXY", nexus.address.replace("//", "//me:S3CRET@"))
    monkeypatch.setenv("NO_PROXY", "")
    nexus.refused = {"nexus.example": 407}
    with pytest.raises(
        UpstreamUnreachable,
        match=rf"answered 407 for http://nexus.example/k8s/release/stable-1.36.txt \(in place of "
        rf"{MARKER}, through the proxy {nexus.address}.*HTTP_PROXY",
    ) as caught:
        Upstream(None, [("dl.k8s.io", "http://nexus.example/k8s")]).read(MARKER)
    assert "S3CRET" not in str(caught.value)


def test_a_repository_that_stands_for_a_host_need_not_say_what_it_is(nexus: Company) -> None:
    upstream = Upstream(None, [("dl.k8s.io", f"{nexus.address}/repository/k8s")])
    nexus.refused = {"mirror.json": 403, "SHA256SUMS": 403}
    assert upstream.origin(KUBELET) == Origin(kind="unstated")
    assert upstream.mirror_digest(KUBELET) is None
    assert upstream.origin(RUNC) is None
    assert "/repository/k8s/mirror.json" in nexus.heard
    nexus.refused = {"mirror.json": 401}
    with pytest.raises(UpstreamUnreachable, match=r"answered 401 .*mirror.json"):
        Upstream(None, [("dl.k8s.io", f"{nexus.address}/repository/k8s")]).origin(KUBELET)


def test_a_hosts_folder_of_a_mirror_is_still_of_that_mirror(sample_mirror: Path) -> None:
    upstream = Upstream(
        None, [(host, f"{sample_mirror}/{host}") for host in ("dl.k8s.io", "github.com")]
    )
    assert upstream.origin(KUBELET) == Upstream(str(sample_mirror)).origin(KUBELET)
    assert upstream.mirror_digest(DOCKER) is None
    whole = Upstream(None, [("download.docker.com", f"{sample_mirror}/download.docker.com")])
    assert (
        whole.mirror_digest(DOCKER)
        == Upstream(str(sample_mirror)).mirror_digest(DOCKER)
        is not None
    )


def test_a_copy_is_what_it_was_copied_from(tmp_path: Path) -> None:
    through = Origin(kind="unstated")
    said = Mirror(kind="download", through={"dl.k8s.io": through})
    (tmp_path / "mirror.json").write_bytes(said.to_bytes())
    upstream = Upstream(str(tmp_path))
    assert upstream.origin(KUBELET) == through
    assert upstream.origin(RUNC) is None


# ── As a person says it ──────────────────────────────────────────────────────────────────────


def locked(run: Run, *more: str) -> tuple[int, str]:
    code, _, said = run("resolve", "stable-1.36", "--arch", "amd64", "--json", *more)
    return code, said


def test_a_release_is_resolved_through_a_company_mirror(
    run: Run, tmp_path: Path, sample_mirror: Path
) -> None:
    served = {}
    own = sample_mirror / "dl.k8s.io"
    for path in [*own.rglob("v1.36.4/**/*"), *own.rglob("*.txt")]:
        if path.is_file():
            served[f"/artifactory/k8s-remote/{path.relative_to(own)}"] = path.read_bytes()
    served["/artifactory/k8s-remote/mirror.json"] = (sample_mirror / "mirror.json").read_bytes()
    with company(served) as artifactory:
        (tmp_path / "kubewright.toml").write_text(
            "[upstream]\n"
            f'"dl.k8s.io" = "{artifactory.address}/artifactory/k8s-remote/"\n'
            f'"*" = "{sample_mirror}"\n'
        )
        code, out, said = run("resolve", "stable-1.36", "--arch", "amd64", "--json")
        assert code == 0, said
        assert any(path.endswith("/kube-apiserver.sha256") for path in artifactory.heard)
        assert artifactory.address not in out, "the lock names upstream's own addresses"
        heard = len(artifactory.heard)
        assert run("resolve", "v1.36.4", "--upstream", str(sample_mirror))[0] == 0
        assert len(artifactory.heard) == heard, "who asks for a mirror means that one alone"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('"dl.k8.io" = "/"', "did you mean 'dl.k8s.io'"),
        ('dl.k8s.io = "/"', 'write the host in quotes: "dl.k8s.io" = …'),
        ('"dl.k8s.io" = ["/"]', "no base; give a directory or a URL"),
        ('"dl.k8s.io" = ""', "no base; give a directory or a URL"),
        ('"dl.k8s.io" = "/nowhere/at/all"', "--upstream-for dl.k8s.io: no such directory"),
        ('"*" = "/nowhere/at/all"', "--upstream /nowhere/at/all: no such directory"),
        ('"*" = 5', "no base; give a directory or a URL"),
        ('"dl.k8s.io" = "https://me:S3CRET@x/?y"', "--upstream-for dl.k8s.io: not the address"),
    ],
)
@pytest.mark.parametrize("verb", ["resolve", "explain"])
def test_a_table_that_cannot_be_used_is_refused_by_its_line(
    run: Run, tmp_path: Path, lines: str, said: str, verb: str
) -> None:
    (tmp_path / "kubewright.toml").write_text(f"[upstream]\n{lines}\n")
    words = ["stable"] if verb == "resolve" else ["docker", "stable"]
    code, _, err = run(verb, *words)
    assert (code, said in err) == (2, True), err
    assert "S3CRET" not in err


def test_home_directories_and_the_environment_stand_for_the_option(
    run: Run, tmp_path: Path, sample_mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mirror").symlink_to(sample_mirror)
    monkeypatch.setenv(
        "KUBEWRIGHT_UPSTREAM_FOR",
        "dl.k8s.io=~/mirror/dl.k8s.io github.com=~/mirror/github.com"
        " download.docker.com=~/mirror/download.docker.com",
    )
    code, out, said = run("resolve", "v1.36.4", "--arch", "amd64")
    assert code == 0, said
    assert "v1.36.4-1/release.json" in out


def test_nothing_that_is_wrong_with_a_base_is_a_traceback(run: Run, sample_mirror: Path) -> None:
    for place in ("https://[::1", "http:///x", "\\\\server\\share", "C:/x", "~nobody-here/x", "."):
        words = ("--upstream", str(sample_mirror), "--upstream-for", f"dl.k8s.io={place}")
        code, _, said = run("resolve", "v1.36.4", *words)
        assert code in (2, 7), f"{place}: {said}"
        assert "unexpected" not in said
    assert issubclass(RequestError, KubewrightError)
