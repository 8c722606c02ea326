"""`mirror download`: a directory that stands for the upstreams of a release, and gives the same
lock.
"""

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from kubewright import files, resolution, web
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.mirror import Writer
from kubewright.models.base import Arch
from kubewright.models.lock import Release
from kubewright.models.mirror import Mirror, Origin
from kubewright.settings import Settings
from kubewright.stages import fetch, resolve
from kubewright.stages.download import Downloaded, download
from kubewright.stages.sample import sample

Run = Callable[..., tuple[int, str, str]]

NOW = 1_790_000_000
SPARED = ("busybox", "docker")
"""What recipes pin, so that only a mirror with bytes of its own may have other bytes of it."""


@pytest.fixture
def settings(tmp_path: Path, sample_mirror: Path) -> Settings:
    return Settings(
        upstream=str(sample_mirror), cache=tmp_path / "cache", dist=tmp_path / "dist", now=NOW,
        architectures=(Arch.amd64,), jobs=2,
    )  # fmt: skip


def of(settings: Settings, **changes: object) -> Settings:
    return settings.model_copy(update=changes)


def lock(request: str, settings: Settings, upstream: str | Path, dist: Path) -> bytes:
    """The lock and all that `fetch` learned, from this upstream, with a cache of its own."""
    own = of(settings, upstream=str(upstream), dist=dist, cache=dist / "cache")
    workspace, _ = resolve.resolve(request, own, shipped())
    fetch.fetch(workspace, own, shipped())
    return workspace.lock_path.read_bytes() + (workspace.root / "fetch.json").read_bytes()


def tree(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


@dataclass
class Served:
    """A mirror on the network, what it was asked for, and whether it breaks files off."""

    address: str
    root: Path
    heard: list[str] = field(default_factory=list)
    cut: str = "\0"


@pytest.fixture
def served(
    sample_mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    """The sample as one that does not say what it is, as upstreams themselves are."""
    monkeypatch.setattr(web, "BACKOFF", 0.001)
    root = tmp_path / "served"
    shutil.copytree(sample_mirror, root, copy_function=os.link)
    for name in ("mirror.json", "SHA256SUMS"):
        (root / name).unlink()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            state.heard.append(self.path)
            if state.cut not in self.path:
                super().do_GET()
                return
            data = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])

        def log_message(self, format: str, *args: object) -> None:
            pass

        def translate_path(self, path: str) -> str:
            return str(root / path.lstrip("/"))

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state = Served(f"http://127.0.0.1:{server.server_port}", root)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield state
        server.shutdown()


def spared(settings: Settings, **changes: object) -> Settings:
    """Without what is pinned."""
    recipes = shipped()
    asked = resolution.read_options(recipes.components, recipes.distributions, without=SPARED)
    return of(settings, asked=asked, **changes)


# ── The same lock ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "request_", ["v1.36.4", "stable-1.36", "latest", "1.35", ">=1.35,<1.37", "stable"]
)
def test_a_copy_gives_the_same_lock_and_the_same_bytes(
    settings: Settings, sample_mirror: Path, tmp_path: Path, request_: str
) -> None:
    copy = tmp_path / "copy"
    made = download(request_, copy, settings, shipped())
    assert made.written == sum(path.is_file() for path in copy.rglob("*"))
    assert lock(request_, settings, copy, tmp_path / "a") == lock(
        request_, settings, sample_mirror, tmp_path / "b"
    )
    before = tree(copy)
    again = download(request_, copy, settings, shipped())
    assert (again.files, again.written) == (made.files, 0)
    assert tree(copy) == before


def test_a_copy_of_what_does_not_say_what_it_is_says_so_too(
    settings: Settings, served: Served, tmp_path: Path
) -> None:
    asked = spared(settings, upstream=served.address)
    download("v1.36.4", tmp_path / "copy", asked, shipped())
    said = Mirror.read((tmp_path / "copy/mirror.json").read_bytes(), "mirror.json")
    assert said.kind == "download"
    assert said.through == {host: Origin(kind="unstated") for host in ("dl.k8s.io", "github.com")}
    served_lock = lock("v1.36.4", asked, served.address, tmp_path / "a")
    assert lock("v1.36.4", asked, tmp_path / "copy", tmp_path / "b") == served_lock
    release = Release.from_bytes((tmp_path / "b/v1.36.4-1/release.json").read_bytes())
    assert {entry.mirror for entry in release.inputs} == {Origin(kind="unstated")}
    download("v1.36.4", tmp_path / "next", of(asked, upstream=str(tmp_path / "copy")), shipped())
    assert tree(tmp_path / "next") == tree(tmp_path / "copy"), "a copy of a copy is the same"


def test_every_file_is_upstreams_own_to_the_byte(
    settings: Settings, served: Served, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    made = download("v1.36.4", copy, spared(settings, upstream=served.address), shipped())
    for address in made.addresses:
        place = address.url.removeprefix("https://")
        assert (copy / place).read_bytes() == (served.root / place).read_bytes()
        assert address.read_from == f"{served.address}/{place}"
    own = {"mirror.json", "README.txt"}
    assert tree(copy).keys() - own == {a.url.removeprefix("https://") for a in made.addresses}


def test_several_versions_live_in_one_copy_and_each_marker_names_what_is_there(
    settings: Settings, sample_mirror: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    download("v1.36.3", copy, settings, shipped())
    assert not (copy / "dl.k8s.io/release/stable-1.36.txt").exists(), "it names v1.36.4"
    download("stable-1.35", copy, settings, shipped())
    first = tree(copy)
    download(">=1.35,<1.37", copy, settings, shipped())
    grown = tree(copy)
    assert {name for name, data in first.items() if grown[name] != data} <= {"SHA256SUMS"}
    for request in ("v1.36.3", "v1.35.9", "stable-1.35", "stable-1.36", "stable", ">=1.35,<1.36"):
        assert lock(request, settings, copy, tmp_path / "a") == lock(
            request, settings, sample_mirror, tmp_path / "b"
        )


def test_a_range_does_not_move_a_marker_to_a_version_that_is_not_there(
    settings: Settings, served: Served, tmp_path: Path
) -> None:
    copy, asked = tmp_path / "copy", spared(settings, upstream=served.address)
    download("stable-1.35", copy, asked, shipped())
    marker = served.root / "dl.k8s.io/release/stable-1.35.txt"
    marker.unlink()
    marker.write_text("v1.35.10")
    download(">=1.35,<1.37", copy, asked, shipped())
    assert (copy / "dl.k8s.io/release/stable-1.35.txt").read_text() == "v1.35.9"
    assert (copy / "dl.k8s.io/release/stable-1.36.txt").read_text() == "v1.36.4"


def test_another_architecture_comes_beside_the_first(
    settings: Settings, sample_mirror: Path, tmp_path: Path
) -> None:
    copy, both = tmp_path / "copy", of(settings, architectures=(Arch.amd64, Arch.arm64))
    download("v1.36.4", copy, of(settings, architectures=(Arch.arm64,)), shipped())
    assert not list(copy.rglob("amd64"))
    download("v1.36.4", copy, settings, shipped())
    assert lock("stable-1.36", both, copy, tmp_path / "a") == lock(
        "stable-1.36", both, sample_mirror, tmp_path / "b"
    )


# ── Breaks ───────────────────────────────────────────────────────────────────────────────────


def test_after_a_broken_connection_the_same_command_goes_on(
    run: Run, served: Served, tmp_path: Path
) -> None:
    words = (
        "mirror", "download", "v1.36.4", "copy", "--upstream", served.address, "--arch", "amd64",
        "--cache", "cache", "--without", "docker", "--without", "busybox",
    )  # fmt: skip
    served.cut = "/kube-scheduler"
    code, _, said = run(*words)
    assert (code, "broke off at" in said) == (7, True), said
    assert not list((tmp_path / "copy").rglob("*.sha256")), (
        "what vouches for files comes after them"
    )
    served.cut, served.heard = "\0", []
    code, out, said = run(*words)
    assert code == 0, said
    assert "use it with --upstream copy" in out
    served.heard.clear()
    code, out, _ = run(*words)
    assert (code, ", 0 written" in out) == (0, True)
    assert not [path for path in served.heard if path.endswith((".tar.gz", ".tgz", "/kubelet"))]


@pytest.mark.parametrize("after", [0, 3, 12])
def test_what_a_killed_run_leaves_is_finished_by_the_next(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    whole, copy = tmp_path / "whole", tmp_path / "copy"
    download("v1.36.4", whole, settings, shipped())
    real, taken = Writer.take, 0

    def dies(writer: Writer, url: str, made: Path) -> None:
        nonlocal taken
        if taken == after:
            (copy / ".arriving-left").mkdir()
            (copy / ".arriving-left/half").write_text("half")
            raise KeyboardInterrupt
        taken += 1
        real(writer, url, made)

    monkeypatch.setattr(Writer, "take", dies)
    with pytest.raises(KeyboardInterrupt):
        download("v1.36.4", copy, settings, shipped())
    monkeypatch.undo()
    download("v1.36.4", copy, settings, shipped())
    assert tree(copy) == tree(whole)


def test_a_file_that_was_damaged_or_lost_is_brought_again(
    settings: Settings, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    download("v1.36.4", copy, settings, shipped())
    before = tree(copy)
    [kubelet] = copy.rglob("kubelet")
    kubelet.write_bytes(b"damaged")
    next(copy.rglob("kubectl.sha256")).unlink()
    assert download("v1.36.4", copy, settings, shipped()).written == 2
    assert tree(copy) == before


def test_bytes_that_are_not_what_upstream_says_do_not_get_in(
    run: Run, served: Served, tmp_path: Path
) -> None:
    target = served.root / "dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubectl"
    target.unlink()
    target.write_bytes(b"something else")
    code, _, said = run(
        "mirror", "download", "v1.36.4", "copy", "--upstream", served.address, "--arch", "amd64",
        "--cache", "cache", "--without", "docker", "--without", "busybox",
    )  # fmt: skip
    assert (code, f"(read from {served.address}/dl.k8s.io/" in said) == (5, True), said
    assert not list((tmp_path / "copy").rglob("kubectl"))


# ── Refused ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["sample", "source", "download", "nothing", "file"])
@pytest.mark.parametrize("dry", [True, False])
def test_a_directory_of_another_kind_is_left_alone(
    settings: Settings, served: Served, tmp_path: Path, kind: str, dry: bool
) -> None:
    dest = tmp_path / "dest"
    upstream = served.address
    if kind == "file":
        dest.write_text("a file")
    else:
        dest.mkdir()
        (dest / "other").write_text("other")
    if kind in ("sample", "source"):
        (dest / "mirror.json").write_bytes(Mirror(kind=kind).to_bytes())
    elif kind == "download":
        (dest / "mirror.json").write_bytes(Mirror(kind="download").to_bytes())
        upstream = str(settings.upstream)  # a sample
    asked = spared(settings, upstream=upstream, dry_run=dry)
    before = None if kind == "file" else tree(dest)
    with pytest.raises(RequestError, match=r"dest: .*choose an empty or a new directory"):
        download("v1.36.4", dest, asked, shipped())
    assert before is None or tree(dest) == before


def test_placeholders_and_real_files_are_not_mixed(
    settings: Settings, sample_mirror: Path, served: Served, tmp_path: Path
) -> None:
    hosts = (("dl.k8s.io", f"{sample_mirror}/dl.k8s.io"),)
    with pytest.raises(RequestError, match="some of this is a mirror with programs of its own"):
        download(
            "v1.36.4", tmp_path / "copy",
            spared(settings, upstream=served.address, upstream_for=hosts), shipped(),
        )  # fmt: skip
    assert not (tmp_path / "copy").exists()


def test_a_sample_that_was_copied_is_a_sample_still(settings: Settings, tmp_path: Path) -> None:
    download("v1.36.4", tmp_path / "copy", settings, shipped())
    sample(tmp_path / "copy", shipped(), ["1.36.3"])
    own = of(settings, upstream=str(tmp_path / "copy"))
    assert resolve.resolve("v1.36.4", own, shipped())[1].sample


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["1.20", "--offline", "--dry-run"], 2, "no packages are made for it"),
        (["v1.36.4", "--offline"], 2, "list the addresses alone with --dry-run"),
        (["v1.36.99"], 2, "that version does not exist there"),
        (["v1.36.4", "--without", "coredn"], 2, "did you mean coredns"),
    ],
)
def test_what_cannot_be_copied_is_said_before_anything_is_written(
    run: Run, sample_mirror: Path, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    found, _, err = run("mirror", "download", words[0], "copy", *words[1:], "--upstream",
                        str(sample_mirror), "--cache", "cache")  # fmt: skip
    assert (found, said in err) == (code, True), err
    assert not (tmp_path / "copy").exists()


# ── Addresses alone ──────────────────────────────────────────────────────────────────────────


def test_a_dry_run_lists_every_address_that_is_read_and_writes_nothing(
    run: Run, sample_mirror: Path, tmp_path: Path
) -> None:
    words = ("mirror", "download", "v1.36.4", "copy", "--arch", "amd64", "--cache", "cache")
    code, out, _ = run(*words, "--upstream", str(sample_mirror), "--dry-run")
    listed = out.splitlines()
    assert code == 0
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "cache").exists()
    code, out, _ = run(*words, "--upstream", str(sample_mirror), "--json")
    made = json.loads(out)
    assert (code, made["dry_run"], made["directory"]) == (0, False, "copy")
    assert [address["url"] for address in made["addresses"]] == listed
    for address in made["addresses"]:
        place = tmp_path / "copy" / address["url"].removeprefix("https://")
        assert address.get("sha256", files.sha256_of(place)) == files.sha256_of(place)
    offline = json.loads(run(*words, "--offline", "--dry-run", "--json")[1])
    possible = {address["url"] for address in offline["addresses"]}
    assert set(listed) < possible
    kinds = {address["kind"] for address in offline["addresses"]}
    assert kinds == {"file", "checksum", "signature", "marker"}


def test_the_lock_file_is_gone_after_a_run(settings: Settings, tmp_path: Path) -> None:
    made = download("v1.36.4", tmp_path / "copy", settings, shipped())
    assert isinstance(made, Downloaded)
    assert not [path for path in tree(tmp_path / "copy") if path.startswith(".")]
