"""catalog diff: what an upstream has that the recipes lack."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from kubewright.cli import kubewright
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError, VerificationFailed
from kubewright.resolution.updates import updates
from kubewright.upstream import Upstream
from kubewright.versions import next_minor

RELEASE = "dl.k8s.io/release"
ETCD = "github.com/etcd-io/etcd/releases/download"
CONTAINERD = "github.com/containerd/containerd/releases/download"


@pytest.fixture
def upstream(sample_mirror: Path, tmp_path: Path) -> Path:
    """A sample mirror of which only markers and a few checksum files were copied, to change."""
    for marker in (sample_mirror / RELEASE).glob("*.txt"):
        place(tmp_path, f"{RELEASE}/{marker.name}", marker.read_text())
    shutil.copy(sample_mirror / "mirror.json", tmp_path)
    return tmp_path


def place(upstream: Path, name: str, text: str) -> None:
    path = upstream / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def found(upstream: Path) -> list[str]:
    answers = updates(shipped().catalog, shipped().components, Upstream(str(upstream)), jobs=2)
    return [f"{one.component} {one.version}" for one in answers]


def test_an_upstream_that_the_catalog_knows_has_no_news(upstream: Path) -> None:
    assert found(upstream) == []


def test_new_patches_minors_and_pre_releases_are_found_by_markers(upstream: Path) -> None:
    place(upstream, f"{RELEASE}/stable-1.36.txt", "v1.36.7")
    place(upstream, f"{RELEASE}/stable-1.6.txt", "v1.6.13")
    later = next_minor(list(shipped().catalog)[-1])
    place(upstream, f"{RELEASE}/latest.txt", f"v{later}.0-alpha.1")
    place(upstream, f"{RELEASE}/v1.36.7/bin/linux/amd64/kubelet", "")
    answers = updates(shipped().catalog, shipped().components, Upstream(str(upstream)), jobs=2)
    assert [(one.version, one.recipe, one.evidence) for one in answers] == [
        (
            "1.36.6",
            "recipes/catalog/1.36.toml",
            "stable-1.36.txt says v1.36.7, but there is no kubelet of it: if the number was "
            "skipped, state that",
        ),
        ("1.36.7", "recipes/catalog/1.36.toml", "stable-1.36.txt says v1.36.7"),
        (
            f"{later}.0-alpha.1",
            f"recipes/catalog/{later}.toml",
            f"latest.txt says v{later}.0-alpha.1; it has no file yet",
        ),
    ]


def test_new_companions_are_found_by_their_checksum_files(upstream: Path) -> None:
    newest = max(
        one.version
        for one in shipped().components.components["etcd"].known
        if one.version.startswith("3.7.")
    )
    assert newest == "3.7.1"
    place(upstream, f"{ETCD}/v3.7.2/SHA256SUMS", "")
    place(upstream, f"{ETCD}/v3.7.3/SHA256SUMS", "")
    place(upstream, f"{ETCD}/v3.7.5/SHA256SUMS", "")
    place(upstream, f"{ETCD}/v3.8.0/SHA256SUMS", "")
    place(upstream, f"{CONTAINERD}/v2.2.10/containerd-2.2.10-linux-amd64.tar.gz.sha256sum", "")
    place(upstream, "download.docker.com/linux/static/stable/x86_64/docker-30.0.0.tgz", "")
    assert found(upstream) == [
        "containerd 2.2.10",
        "docker 30.0.0",
        "etcd 3.7.2",
        "etcd 3.7.3",
        "etcd 3.8.0",
    ]


def test_a_marker_that_is_none_is_refused(upstream: Path) -> None:
    place(upstream, f"{RELEASE}/stable-1.36.txt", "<html>")
    with pytest.raises(VerificationFailed, match=r"/stable-1.36.txt\): is not a version marker"):
        found(upstream)


def test_diff_speaks_to_people_and_to_programs(upstream: Path) -> None:
    place(upstream, f"{ETCD}/v3.7.2/SHA256SUMS", "")
    words = CliRunner().invoke(kubewright, ["catalog", "diff", "--upstream", str(upstream)])
    assert words.stdout.startswith(
        "etcd 3.7.2: not in recipes/components.toml; there is https://github.com/etcd-io/"
    )
    as_json = CliRunner().invoke(
        kubewright, ["catalog", "diff", "--json", "--upstream", str(upstream)]
    )
    [update] = json.loads(as_json.stdout)["updates"]
    assert (update["component"], update["version"]) == ("etcd", "3.7.2")
    refused = CliRunner().invoke(kubewright, ["catalog", "diff", "--offline"])
    assert isinstance(refused.exception, RequestError)
