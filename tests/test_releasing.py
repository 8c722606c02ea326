"""docs/releasing.md for those who publish: what it says is typed as it stands there, and its upload
brings a server from one publication to the next.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.stages import verify

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "releasing.md"
UPLOAD = ROOT / "docs" / "upload.sh"
BLOCK = re.compile(r"^<!-- typed: (\S+) -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NOW = 1_790_000_000
URL = "https://packages.example.org"

Tool = Callable[[str], Path]


@pytest.fixture
def person(tmp_path: Path, sample_mirror: Path, tool: Tool) -> Callable[..., str]:
    """Type lines in a folder as somebody who has the command and a sample of the upstreams; what
    comes to the terminal.
    """
    tool("rsync")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "kubewright").write_text(f'#!/bin/sh\nexec {sys.executable} -m kubewright "$@"\n')
    (programs / "kubewright").chmod(0o755)
    base = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "KUBEWRIGHT_UPSTREAM": str(sample_mirror),
        "KUBEWRIGHT_ALLOW_DEVELOPMENT": "1",  # so that production keys sign a sample
        "KUBEWRIGHT_ARCH": "amd64",
        "KUBEWRIGHT_COMPRESSION": "fast",
        "DESTINATION": str(tmp_path / "served"),
    }

    def typed(folder: Path, lines: str, **variables: str) -> str:
        folder.mkdir(exist_ok=True)
        done = subprocess.run(
            ["sh", "-euc", lines], cwd=folder, env=base | variables, text=True, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    return typed


def test_what_the_page_says_is_typed_from_keys_to_a_site_beyond_the_gap(
    person: Callable[..., str], tmp_path: Path
) -> None:
    blocks = dict(BLOCK.findall(PAGE.read_text()))
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    shutil.copy(UPLOAD, here)
    lines = "".join(f"echo '<{name}>'\n{block}" for name, block in blocks.items() if name != "gap")
    said = dict(
        re.findall(r"^<(\S+)>\n(.*?)(?=^<|\Z)", person(here, lines), re.MULTILINE | re.DOTALL)
    )
    assert said.keys() == blocks.keys() - {"gap"}
    assert "every key can sign on" in said["check"]
    assert "development  no" in said["check"]
    assert "build 36 packages and 9 images for amd64, as far as" in said["release"]
    assert "published to stable-1.36, stable, latest of site" in said["release"]
    assert "all sound; releases: v1.36.4-1\n" in said["verify"]
    assert "the first release" in said["verify"]
    assert "nothing to renew" in said["refresh"]
    assert "it is promoted after" in said["promote"]
    assert "withdrawn: loses volumes on arm64" in said["back"]

    key = f"--key {here}/keys/root.json --url {URL} --state {tmp_path}/seen"
    served = person(here, f"kubewright verify {tmp_path}/served {key}")
    assert "all sound; releases: v1.36.4-1\n" in served

    there.mkdir()
    shutil.copytree(here / "keys", there / "keys")
    for name in ("kubewright.toml", "carry.tar"):
        shutil.copy(here / name, there)
    nowhere = {
        "KUBEWRIGHT_UPSTREAM": "http://127.0.0.1:9",
        "KUBEWRIGHT_STATE": str(tmp_path / "far"),
    }
    person(there, blocks["artifact-key"] + blocks["gap"], **nowhere)
    assert "releases: v1.36.4-1\n" in person(
        there, f"kubewright verify site {key[: key.index('--state')]}"
    )
    secret = {path.name for path in (here / "keys").iterdir() if not path.stat().st_mode & 0o077}
    assert secret == {
        "repo-key.asc", "next-repo-key.asc", "artifact-key.pem", "freshness-key.pem", "root-key.pem"
    }  # fmt: skip
    assert {path.stat().st_mode & 0o444 for path in (tmp_path / "served").rglob("*")} == {0o444}


@pytest.fixture(scope="module")
def sites(
    tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings]
) -> tuple[Path, Path]:
    """A site after one publication and after the next."""
    home = tmp_path_factory.mktemp("upload")
    own: dict[str, object] = {"url": URL, "allow_development": True, "state": None}
    build(home, "v1.36.3", channels=("test", "old"), now=NOW, **own)
    shutil.copytree(home / "site", home / "before")
    build(home, "v1.36.3", channels=("test", "other"), now=NOW + 10, **own)
    return home / "before", home / "site"


def upload(site: Path, target: Path, **variables: str) -> int:
    done = subprocess.run(
        ["sh", UPLOAD, site, target], env=os.environ | variables, capture_output=True, check=False
    )
    return done.returncode


def files(site: Path) -> dict[str, bytes]:
    """Every file of a site but what its publisher keeps for himself."""
    return {
        path.relative_to(site).as_posix(): path.read_bytes()
        for path in site.rglob("*")
        if path.is_file() and ".kubewright" not in path.parts
    }


def findings(site: Path, keys: Keys) -> list[str]:
    given = [keys.repo.certificate, keys.artifact.public_pem]
    return [str(one) for one in verify.verify(str(site), given, now=NOW + 20).findings]


def test_an_upload_brings_all_of_a_site_and_leaves_what_is_somebody_elses(
    sites: tuple[Path, Path], tmp_path: Path, tool: Tool
) -> None:
    tool("rsync")
    served = tmp_path / "served"
    assert upload(sites[0], served) == 0
    assert files(served) == files(sites[0])
    (served / "robots.txt").write_text("of somebody else")
    (served / "channels" / "gone.txt").write_text("of a channel that offers nothing now")
    for _ in range(2):
        assert upload(sites[1], served) == 0
        assert files(served) == files(sites[1]) | {"robots.txt": b"of somebody else"}


CUT = """[ "$(cat "$COUNTED")" -lt "$CUT" ] || exit 20
echo $(($(cat "$COUNTED") + 1)) >"$COUNTED"
exec REAL "$@"
"""


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_whoever_reads_while_an_upload_is_cut_short_sees_one_publication(
    sites: tuple[Path, Path], tmp_path: Path, tool: Tool, keys: Keys, cut: int
) -> None:
    served, program = tmp_path / "served", tmp_path / "bin" / "rsync"
    assert upload(sites[0], served) == 0
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{CUT}".replace("REAL", str(tool("rsync"))))
    program.chmod(0o755)
    (tmp_path / "count").write_text("0")
    path = f"{program.parent}:{os.environ['PATH']}"
    counted = {"PATH": path, "COUNTED": str(tmp_path / "count"), "CUT": str(cut)}
    assert upload(sites[1], served, **counted) == 20

    present, new = files(served), files(sites[1])
    brought = {name for name, data in new.items() if present.get(name) == data}
    forever = {name for name in new if layout.is_immutable(name)}
    if cut == 1:
        assert brought >= forever
        assert {name for name in present if present[name] != files(sites[0]).get(name)} <= forever
    assert findings(served, keys) == []
    assert upload(sites[1], served) == 0
    assert files(served) == new


@pytest.mark.parametrize("words", [[], ["site"], ["site", "there", "more"], ["nowhere", "there"]])
def test_an_upload_of_what_is_no_site_says_how_it_is_used(words: list[str], tmp_path: Path) -> None:
    done = subprocess.run(
        ["sh", UPLOAD, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: upload.sh SITE DESTINATION")
