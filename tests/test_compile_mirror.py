"""`mirror source`: how what was compiled is laid out, and how two releases live in one mirror."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from kubewright import files, recipes
from kubewright.errors import RequestError
from kubewright.mirror import layout
from kubewright.models.base import Arch
from kubewright.stages.mirror import Work, merged, source_mirror, write_archive
from kubewright.upstream import Upstream

EPOCH = 1_781_136_000


def quiet(what: str, count: int) -> None:
    """Progress that nobody looks at."""


def work(tmp_path: Path) -> Work:
    return Work(tmp_path / "mirror", recipes.components(), (Arch.amd64,), EPOCH, tmp_path / "cache", quiet)


def made(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "made"
    path.write_text(text)
    return path


def put(job: Work, tmp_path: Path, wanted: Mapping[str, str]) -> None:
    """Put one and the same program for every file of these components at these versions."""
    for name, version in wanted.items():
        for arch in job.architectures:
            for file in job.files_of(name, version, arch):
                job.put(file, made(tmp_path, f"{name} {version}"))


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    wanted = {"kubernetes": "1.36.2", "runc": "1.4.2", "cri-dockerd": "0.4.4"}
    for written in (True, False):
        job = work(tmp_path)
        put(job, tmp_path, wanted)
        summary = job.finish()
        assert bool(summary.written) is written
    assert summary.files > len(job.digests)


def test_two_releases_live_in_one_mirror(tmp_path: Path) -> None:
    for wanted in (
        {"kubernetes": "1.36.2", "runc": "1.4.2", "cri-dockerd": "0.4.4"},
        {"kubernetes": "1.35.4", "runc": "1.4.2", "cri-dockerd": "0.4.3"},
    ):
        job = work(tmp_path)
        put(job, tmp_path, wanted)
        job.finish()
    mirror = job.dest
    releases = mirror / layout.RELEASES
    assert (releases / "stable.txt").read_text() == "v1.36.2"
    assert (releases / "stable-1.35.txt").read_text() == "v1.35.4"
    listed = [line.rpartition("/")[2] for line in (mirror / "SHA256SUMS").read_text().splitlines()]
    assert listed == ["cri-dockerd-0.4.3.amd64.tgz", "cri-dockerd-0.4.4.amd64.tgz"]


def test_a_release_that_was_never_finished_is_not_announced(tmp_path: Path) -> None:
    put(work(tmp_path), tmp_path, {"kubernetes": "1.37.2"})
    job = work(tmp_path)
    put(job, tmp_path, {"kubernetes": "1.36.2"})
    job.finish()
    assert (job.dest / layout.RELEASES / "latest.txt").read_text() == "v1.36.2"


def test_the_mirror_is_an_upstream_that_can_be_checked(tmp_path: Path) -> None:
    job = work(tmp_path)
    put(job, tmp_path, {"kubernetes": "1.36.2"})
    job.finish()
    [kubelet] = [file for file in job.files_of("kubernetes", "1.36.2", Arch.amd64) if file.source.name == "kubelet"]
    with (tmp_path / "fetched").open("wb") as out:
        assert Upstream(str(job.dest)).stream(kubelet.url, out, lambda have, total: None)
    digest = files.sha256_of(tmp_path / "fetched")
    assert (job.dest / layout.path(kubelet.checksum_url)).read_text() == digest


@pytest.mark.parametrize(
    ("old", "new", "whole"),
    [
        ("", "1  a\n", "1  a\n"),
        ("1  a\n2  c\n", "3  b\n", "1  a\n3  b\n2  c\n"),
        ("1  a\n2  b\n", "3  b\n", "1  a\n3  b\n"),
        ("1", "2", "2"),
    ],
    ids=["new", "another file", "the same file", "without a name"],
)
def test_checksum_files_grow(tmp_path: Path, old: str, new: str, whole: str) -> None:
    path = tmp_path / "SHA256SUMS"
    if old:
        path.write_text(old)
    assert merged(path, new.encode()).decode() == whole


def test_an_archive_is_the_same_from_any_folder(tmp_path: Path) -> None:
    archives = []
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        programs = {f"etcd-v3.6.8-linux-amd64/{name}": made(folder, "program") for name in ("etcdctl", "etcd")}
        out = io.BytesIO()
        write_archive(programs, out, EPOCH)
        archives.append(out.getvalue())
    assert archives[0] == archives[1]
    with tarfile.open(fileobj=io.BytesIO(archives[0])) as tar:
        assert [(one.name, one.mode, one.mtime, one.uid) for one in tar] == [
            ("etcd-v3.6.8-linux-amd64", 0o755, EPOCH, 0),
            ("etcd-v3.6.8-linux-amd64/etcd", 0o755, EPOCH, 0),
            ("etcd-v3.6.8-linux-amd64/etcdctl", 0o755, EPOCH, 0),
        ]


def test_a_directory_with_something_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(RequestError, match="holds something other than a mirror from source"):
        source_mirror(
            "1.36.2", tmp_path, recipes.components(), cache=tmp_path, architectures=(Arch.amd64,), progress=quiet
        )
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
