"""`mirror source`: how what was compiled is laid out, and how two releases live in one mirror."""

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from kubewright import files
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.mirror import Summary, Writer, bundle, upstream_files
from kubewright.mirror.writer import merged
from kubewright.models.base import Arch
from kubewright.models.mirror import Mirror
from kubewright.stages.mirror import source_mirror
from kubewright.upstream import Upstream

EPOCH = 1_781_136_000
SAMPLE = Mirror(kind="sample").to_bytes().decode()


def quiet(what: str, count: int) -> None:
    """Progress that nobody looks at."""


def put(tmp_path: Path, wanted: Mapping[str, str]) -> Writer:
    """Put one and the same program for every file of these components at these versions."""
    writer = Writer.claim(tmp_path / "mirror", Mirror(kind="source"))
    program = tmp_path / "made"
    for name, version in wanted.items():
        program.write_text(f"{name} {version}")
        for file in upstream_files.files_of(shipped().components, {name: [version]}, [Arch.amd64]):
            writer.put(file, program)
    return writer


def test_what_is_there_is_not_written_again(tmp_path: Path) -> None:
    wanted = {"kubernetes": "1.36.2", "runc": "1.4.2", "cri-dockerd": "0.4.4"}
    first = put(tmp_path, wanted).finish()
    assert (
        first.written
        == first.files
        == sum(path.is_file() for path in (tmp_path / "mirror").rglob("*"))
    )
    assert put(tmp_path, wanted).finish() == Summary(files=first.files, written=0)


def test_two_releases_live_in_one_mirror(tmp_path: Path) -> None:
    for wanted in (
        {"kubernetes": "1.36.2", "runc": "1.4.2", "cri-dockerd": "0.4.4"},
        {"kubernetes": "1.35.4", "runc": "1.4.2", "cri-dockerd": "0.4.3"},
    ):
        put(tmp_path, wanted).finish()
    mirror = tmp_path / "mirror"
    releases = mirror / upstream_files.RELEASES
    assert (releases / "stable.txt").read_text() == "v1.36.2"
    assert (releases / "stable-1.35.txt").read_text() == "v1.35.4"
    listed = [line.rpartition("/")[2] for line in (mirror / "SHA256SUMS").read_text().splitlines()]
    assert listed == ["cri-dockerd-0.4.3.amd64.tgz", "cri-dockerd-0.4.4.amd64.tgz"]


def test_a_release_that_was_never_finished_is_not_announced(tmp_path: Path) -> None:
    put(tmp_path, {"kubernetes": "1.37.2"})
    put(tmp_path, {"kubernetes": "1.36.2"}).finish()
    assert (tmp_path / "mirror" / upstream_files.RELEASES / "latest.txt").read_text() == "v1.36.2"


def test_the_mirror_is_an_upstream_that_can_be_checked(tmp_path: Path) -> None:
    put(tmp_path, {"kubernetes": "1.36.2"}).finish()
    mirror, wanted = (
        tmp_path / "mirror",
        upstream_files.files_of(shipped().components, {"kubernetes": ["1.36.2"]}, [Arch.amd64]),
    )
    [kubelet] = [file for file in wanted if file.source.name == "kubelet"]
    with (tmp_path / "fetched").open("wb") as out:
        assert Upstream(str(mirror)).stream(kubelet.url, out, lambda have, total: None)
    digest = files.sha256_of(tmp_path / "fetched")
    assert (mirror / upstream_files.path(kubelet.checksum_url)).read_text() == digest


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
        program = folder / "made"
        program.write_text("program")
        out = io.BytesIO()
        bundle.write(
            {f"etcd-v3.6.8-linux-amd64/{name}": program for name in ("etcdctl", "etcd")}, out, EPOCH
        )
        archives.append(out.getvalue())
    assert archives[0] == archives[1]
    with tarfile.open(fileobj=io.BytesIO(archives[0])) as tar:
        assert [(one.name, one.mode, one.mtime, one.uid) for one in tar] == [
            ("etcd-v3.6.8-linux-amd64", 0o755, EPOCH, 0),
            ("etcd-v3.6.8-linux-amd64/etcd", 0o755, EPOCH, 0),
            ("etcd-v3.6.8-linux-amd64/etcdctl", 0o755, EPOCH, 0),
        ]


@pytest.mark.parametrize(
    "there",
    [{"mine": ""}, {"mirror.json": "{}"}, {"mirror.json": SAMPLE}],
    ids=["mine", "damaged", "sample"],
)
def test_a_directory_with_something_else_is_not_touched(
    tmp_path: Path, there: dict[str, str]
) -> None:
    for name, text in there.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(RequestError, match="holds something other than a mirror from source"):
        source_mirror(
            "1.36.2",
            tmp_path,
            shipped(),
            cache=tmp_path,
            architectures=(Arch.amd64,),
            progress=quiet,
        )
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == there
