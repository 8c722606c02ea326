"""The soak counts what fails: its web server, its clients' turns, and what it says of both."""

import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import requests

from kubewright.errors import ToolFailed


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The script, imported as it is run."""
    here = Path(__file__).parent
    before = set(sys.modules)
    for folder in ("bench", "soak"):
        monkeypatch.syspath_prepend(str(here / folder))
    import soak as script

    yield script
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_the_web_server_gives_files_late_and_knows_what_a_client_has(
    soak: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "site/apt").mkdir(parents=True)
    (tmp_path / "site/apt/a+b").write_bytes(b"hello")
    (tmp_path / "secret").write_bytes(b"outside")
    with soak.serving(partial(soak.directory, tmp_path / "site"), latency=0.05) as url:
        started = time.monotonic()
        found = requests.get(f"{url}/apt/a%2Bb", timeout=10)
        assert (found.status_code, found.content) == (200, b"hello")
        assert time.monotonic() - started >= 0.05
        known = {"If-Modified-Since": found.headers["Last-Modified"]}
        assert requests.get(f"{url}/apt/a+b", headers=known, timeout=10).status_code == 304
        for path in ("apt", "apt/c", "apt/a+b/c", "..%2Fsecret", ""):
            assert requests.get(f"{url}/{path}", timeout=10).status_code == 404, path
        # What is asked for goes on unchanged to a server behind it, and its answer comes back.
        with soak.serving(
            partial(soak.forwarding, url, soak.urllib3.PoolManager()), latency=0
        ) as before:
            again = requests.get(f"{before}/apt/a%2Bb", timeout=10)
            assert (again.content, again.headers["Last-Modified"]) == (
                b"hello", found.headers["Last-Modified"],
            )  # fmt: skip
            assert requests.head(f"{before}/apt/a%2Bb", timeout=10).headers["Content-Length"] == "5"
            assert requests.get(f"{before}/apt/c", timeout=10).status_code == 404


class Client:
    """Fails whenever it knows something of before, as one that met a torn repository does."""

    def __init__(self) -> None:
        self.ended = False

    def refresh(self, *, fresh: bool) -> None:
        if not fresh:
            raise ToolFailed("apt-get update", "File has unexpected size")

    def download(self) -> None:
        pass

    def end(self) -> None:
        self.ended = True


def test_each_kind_of_client_does_its_share_and_each_failure_is_kept(
    soak: ModuleType, tmp_path: Path
) -> None:
    clients = {"apt": [Client()], "dnf": [Client()], "zypper": [Client()]}
    counts = soak.Soaking(clients, 80).run()
    assert {kind: dict(count.good) for kind, count in counts.items()} == {
        "apt": {"fresh": 20, "download": 20},
        "dnf": {"fresh": 10, "download": 10},
        "zypper": {"fresh": 10, "download": 10},
    }
    assert (soak.refreshes_of(counts), soak.failures(counts)) == (80, 40)
    assert all(one.ended for group in clients.values() for one in group)
    soak.keep(tmp_path, "directory", counts)
    assert len([*tmp_path.glob("directory/*.txt")]) == 40
    assert "File has unexpected size" in (tmp_path / "directory/apt-1.txt").read_text()
    lines = [" ".join(line.split()) for line in soak.table("ours", counts)]
    assert lines[1] == "apt 20 / 0 0 / 20 20 / 0"


def test_what_the_soak_needs_is_named_before_anything_is_done(
    soak: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(soak.ToolMissing, match="apt-get"):
        soak.require(bucket=False, peer=False)
