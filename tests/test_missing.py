"""Missing is not absent, and refused is not missing: what an upstream lacks, for now or for this
machine, is never taken for what does not exist.
"""

import json
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kubewright import resolution, versions, web
from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError, RequestError, UpstreamUnreachable, VerificationFailed
from kubewright.models.base import Arch
from kubewright.models.lock import Input, Unavailable
from kubewright.resolution.pin_inputs import inputs
from kubewright.resolution.request import read_marker
from kubewright.settings import Settings
from kubewright.upstream import Upstream

CATALOG = shipped().catalog
UNPINNED = shipped().components.model_copy(
    update={
        "components": {
            name: component.model_copy(update={"pins": ()})
            for name, component in shipped().components.components.items()
        }
    }
)
"""A sample's bytes are not upstream's, so pins would refuse them before anything is missing."""

CHOSEN = resolution.choose("1.36.4", CATALOG, UNPINNED)
WANTED, _ = inputs(CHOSEN, UNPINNED, (Arch.amd64, Arch.arm64))
SOME = [
    entry for entry in WANTED
    if entry.name in ("kube-proxy", "kubelet") or entry.component in ("coredns", "etcd", "docker")
]  # fmt: skip
BIN = "dl.k8s.io/release/v1.36.4/bin/linux"
COREDNS = next(entry.url for entry in WANTED if entry.component == "coredns")

Answers = tuple[tuple[Input, ...], tuple[Unavailable, ...]]


def pinned(mirror: str, wanted: Sequence[Input] = WANTED) -> Answers:
    return resolution.pin_inputs(wanted, UNPINNED, Upstream(mirror), jobs=4)


@pytest.fixture
def mirror(sample_mirror: Path, tmp_path: Path) -> Path:
    """A mirror that does not say what it is, as one of the real upstreams may."""
    target = tmp_path / "mirror"
    shutil.copytree(sample_mirror, target, copy_function=os.link)
    (target / "mirror.json").unlink()
    return target


def remove(mirror: Path, name: str) -> None:
    """Take every file away whose path has `name` in it, from the mirror's own list too."""
    for path in sorted(mirror.rglob("*")):
        if path.is_file() and name in str(path.relative_to(mirror)):
            path.unlink()
    sums = mirror / "SHA256SUMS"
    kept = [line for line in sums.read_text().splitlines(keepends=True) if name not in line]
    sums.unlink()
    sums.write_text("".join(kept))


# ── Refused ──────────────────────────────────────────────────────────────────────────────────


@dataclass
class Stub:
    """A server that answers `status` to these methods for paths that end so."""

    address: str
    status: int = 200
    suffix: str = ""
    methods: tuple[str, ...] = ("GET", "HEAD")
    headers: dict[str, str] = field(default_factory=dict)
    heard: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def stub(root: Path) -> Iterator[Stub]:
    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            state.heard.append((self.command, self.path))
            if self.command in state.methods and self.path.endswith(state.suffix):
                self.send_response(state.status)
                for name, value in state.headers.items():
                    self.send_header(name, value)
                self.end_headers()
            elif self.command == "HEAD":
                super().do_HEAD()
            else:
                super().do_GET()

        do_HEAD = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root))) as server:
        state = Stub(f"http://127.0.0.1:{server.server_port}", suffix="\0")
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield state
        server.shutdown()


@pytest.fixture
def server(mirror: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setattr(web, "BACKOFF", 0.001)
    with stub(mirror) as state:
        yield state


CAUSES = {
    401: "wants a name and a password, .+https://NAME:PASSWORD@HOST",
    403: "refuses this machine or this file: a firewall, .+ from another network; .+s3:ListBucket",
    407: "that is the proxy on the way, .+ HTTP_PROXY and HTTPS_PROXY",
    418: "try again later",
    429: "has had too many requests",
    451: "by law; run this where it may",
    500: "has a fault of its own; try again later",
    503: "is overloaded or being worked on; try again later",
}

OBJECTS = {
    "program": "/amd64/kube-proxy",
    "checksum": "/arm64/kubelet.sha256",
    "companion": COREDNS.rpartition("/")[2],
    "list": "/SHA256SUMS",
    "description": "/mirror.json",
}


@pytest.mark.parametrize("status", CAUSES)
@pytest.mark.parametrize("kind", OBJECTS)
def test_a_refusal_of_any_object_is_named_with_cause_and_remedy(
    server: Stub, kind: str, status: int
) -> None:
    server.suffix, server.status = OBJECTS[kind], status
    with pytest.raises(
        UpstreamUnreachable,
        match=rf"^127.0.0.1:\d+: answered {status} for http://\S+{OBJECTS[kind]}.+{CAUSES[status]}",
    ) as caught:
        pinned(server.address, SOME)
    assert caught.value.exit_code == 7
    assert "or use another mirror with --upstream DIR" in str(caught.value)


@pytest.mark.parametrize("status", CAUSES)
def test_a_refused_marker_is_no_missing_one(server: Stub, status: int) -> None:
    server.suffix, server.status = "/stable-1.36.txt", status
    with pytest.raises(UpstreamUnreachable, match=rf"answered {status} for .+{CAUSES[status]}"):
        read_marker(versions.Request.parse("stable-1.36"), Upstream(server.address))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 501])
def test_what_a_server_says_to_head_is_asked_again_with_get(server: Stub, status: int) -> None:
    server.suffix, server.status, server.methods = "", status, ("HEAD",)
    found, gaps = pinned(server.address, SOME)
    assert len(found) == len(SOME)
    assert gaps == ()


def test_absent_is_what_head_and_get_call_so(server: Stub) -> None:
    upstream = Upstream(server.address)
    assert not upstream.exists("https://dl.k8s.io/nothing")
    assert [method for method, _ in server.heard] == ["HEAD", "GET"]
    assert upstream.read("https://dl.k8s.io/nothing") is None


@pytest.mark.parametrize(
    ("status", "remedy"),
    [(407, "put them into HTTP_PROXY and HTTPS_PROXY"), (403, "NO_PROXY"), (502, "NO_PROXY")],
)
def test_a_proxy_that_does_not_connect_is_named(
    status: int, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    monkeypatch.setattr(web, "BACKOFF", 0.001)
    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as proxy:
        threading.Thread(target=proxy.serve_forever, args=(0.05,), daemon=True).start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{proxy.server_port}")
        monkeypatch.setenv("NO_PROXY", "")
        with pytest.raises(
            UpstreamUnreachable,
            match=rf"^dl.k8s.io: the proxy on the way answered {status} and .+; .*{remedy}",
        ) as caught:
            Upstream().exists("https://dl.k8s.io/release/stable.txt")
        assert caught.value.exit_code == 7
        proxy.shutdown()


# ── Missing ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["kube-apiserver", "kube-proxy", "kubelet", "kubectl"])
@pytest.mark.parametrize("arch", ["amd64", "arm64", "*"])
def test_a_program_whose_checksum_is_there_exists(mirror: Path, name: str, arch: str) -> None:
    for path in mirror.glob(f"{BIN}/{arch}/{name}"):
        path.unlink()
    with pytest.raises(
        UpstreamUnreachable,
        match=rf"kubernetes/{name} \w+: there is no https://\S+ \(read from /\S+\), but"
        r" \S+\.sha256 has its checksum: it exists, and is missing; try again later",
    ):
        pinned(str(mirror))


def test_so_does_a_companion_by_its_list_or_by_the_mirrors_own(mirror: Path) -> None:
    for component in ("etcd", "docker", "coredns"):
        entry = next(entry for entry in WANTED if entry.component == component)
        path = mirror / entry.url.removeprefix("https://")
        path.rename(f"{path}.away")
        with pytest.raises(
            UpstreamUnreachable, match=rf"^{component}/.+ is missing; .+ --without {component}$"
        ):
            pinned(str(mirror))
        Path(f"{path}.away").rename(path)


@pytest.mark.parametrize(
    ("gone", "error", "said"),
    [
        (f"{BIN}/arm64/kube-scheduler", UpstreamUnreachable, "Kubernetes is nothing without it"),
        (f"{BIN}/arm64/", RequestError, "Kubernetes for arm64: .+ leave it out: --arch amd64"),
        (BIN, RequestError, "that version does not exist there; .+ a marker named this one"),
        ("/coredns", RequestError, "shall do without, say so: --without coredns$"),
        ("docker.com", RequestError, r"\(2 files are missing\).+ say so: --without docker$"),
        ("cri-dockerd", RequestError, "say so: --without docker$"),
        ("crictl", UpstreamUnreachable, "every node needs it; try again later, or use another"),
        ("/cni-plugins", UpstreamUnreachable, "every node needs it"),
    ],
)
def test_what_is_gone_with_its_checksum_is_asked_about(
    mirror: Path, gone: str, error: type[KubewrightError], said: str
) -> None:
    remove(mirror, gone)
    with pytest.raises(error, match=said):
        pinned(str(mirror))


def test_a_mirror_with_bytes_of_its_own_has_what_somebody_chose(
    sample_mirror: Path, mirror: Path
) -> None:
    remove(mirror, "/coredns")
    shutil.copy(sample_mirror / "mirror.json", mirror)
    _, gaps = pinned(str(mirror))
    assert {gap.component for gap in gaps} == {"coredns"}
    remove(mirror, f"{BIN}/amd64/kube-proxy")
    with pytest.raises(UpstreamUnreachable, match="Kubernetes is nothing without it"):
        pinned(str(mirror))


@pytest.mark.parametrize("seed", range(12))
def test_nothing_is_left_out_unasked_whatever_is_missing(mirror: Path, seed: int) -> None:
    chance = random.Random(seed)
    paths = sorted(path for path in mirror.rglob("*") if "1.36.4" in str(path) and path.is_file())
    for path in chance.sample(paths, chance.randint(1, 3)):
        if chance.random() < 0.5:
            path.unlink()
        else:
            remove(mirror, str(path.relative_to(mirror)).removesuffix(".sha256"))
    with suppress(KubewrightError):  # else what went is not of this release's inputs
        found, gaps = pinned(str(mirror))
        assert (len(found), gaps) == (len(WANTED), ())


def test_a_link_that_leads_nowhere_is_not_absent(mirror: Path) -> None:
    path = mirror / COREDNS.removeprefix("https://")
    path.unlink()
    path.symlink_to("gone")
    with pytest.raises(VerificationFailed, match="a symbolic link that leads nowhere; repair"):
        pinned(str(mirror))


# ── On purpose ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("kubernetes", "every release needs it; possible are busybox, containerd, coredns, docker"),
        ("cni-plugins", "every release needs it"),
        ("cri-tools", "every release needs it"),
        ("pause", "every release needs it"),
        ("cri-dockerd", "docker needs it"),
        ("coredn", "no such component; did you mean coredns"),
    ],
)
def test_what_no_release_can_be_without_is_named(name: str, said: str) -> None:
    with pytest.raises(RequestError, match=f"^--without {name}: {said}"):
        resolution.read_options(shipped().components, shipped().distributions, without=[name])


def test_a_release_without_a_companion_says_so_and_asks_for_none_of_its_files(
    sample_mirror: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    asking = ("resolve", "v1.36.4", "--upstream", str(sample_mirror), "--arch", "amd64")
    code, out, said = run(*asking, "--without", "coredns", "--json")
    lock = json.loads(out)
    assert code == 0
    assert "coredns/coredns amd64: not available: left out: --without coredns" in said
    assert lock["request"]["lacking"] == ["coredns"]
    assert "coredns" in {component["name"] for component in lock["components"]}
    assert "coredns" not in {entry["component"] for entry in lock["inputs"]}
    code, out, _ = run(*asking, "--without", "coredns", "--offline", "--json")
    assert (code, json.loads(out)["request"]["lacking"]) == (0, ["coredns"])


def test_a_release_with_a_program_missing_is_not_made_and_its_name_stays_free(
    sample_mirror: Path, tmp_path: Path, build: Callable[..., Settings]
) -> None:
    mirror, home = tmp_path / "mirror", tmp_path / "home"
    shutil.copytree(sample_mirror, mirror, copy_function=os.link)
    program = mirror / BIN / "amd64" / "kube-apiserver"
    program.rename(tmp_path / "away")
    with pytest.raises(UpstreamUnreachable, match=r"kube-apiserver amd64: .+ is missing"):
        build(home, upstream=str(mirror))
    assert not home.exists() or not list(home.rglob("*"))
    (tmp_path / "away").rename(program)
    made = build(home, upstream=str(mirror))
    assert (Path(made.site) / "releases" / "v1.36.4-1" / "manifest.json").is_file()
