"""`input:COMPONENT/NAME!MEMBER`: how it is read, and what it finds in an archive."""

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubewright import inputs, tarballs
from kubewright.errors import RequestError, VerificationFailed
from kubewright.inputs import InputName
from kubewright.models.base import Arch


def packed(path: Path, names: dict[str, bytes], mode: str = "gz") -> Path:
    with tarfile.open(path, f"w:{mode}") as tar:  # type: ignore[call-overload]
        for name, data in names.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def name(member: str) -> InputName:
    return InputName("cni", "archive", member)


@pytest.mark.parametrize(
    ("source", "read"),
    [
        ("input:kubernetes/kubelet", InputName("kubernetes", "kubelet", "")),
        ("input:cni/archive!./bridge", InputName("cni", "archive", "./bridge")),
        ("input:etcd/x!etcd-v{version}/etcd", InputName("etcd", "x", "etcd-v{version}/etcd")),
        ("file:kubelet/kubelet.service", None),
        ("", None),
    ],
)  # fmt: skip
def test_a_source_is_an_input_or_something_else(source: str, read: InputName | None) -> None:
    assert InputName.of(source) == read


def test_placeholders_are_filled_and_a_leading_dot_goes() -> None:
    filled = name("./etcd-v{version}-{arch}-{uname}/etcd").filled("3.6.8", Arch.arm64, "place")
    assert filled.member == "etcd-v3.6.8-arm64-aarch64/etcd"


@pytest.mark.parametrize("member", ["{verison}/etcd", "{0}/etcd", "{version/etcd"])
def test_an_unknown_placeholder_is_named_with_the_place(member: str) -> None:
    with pytest.raises(RequestError, match=r"^recipe\.toml: .*use {version}, {arch} or {uname}$"):
        name(member).filled("3.6.8", Arch.amd64, "recipe.toml")


@pytest.mark.parametrize(
    ("member", "found"),
    [
        ("bin/bridge", ["bin/bridge"]),
        ("bin/*", ["bin/[", "bin/bridge", "bin/portmap"]),
        ("bin/b*", ["bin/bridge"]),
        ("bin/[", ["bin/["]),
        ("*", ["LICENSE"]),
        ("bridge", []),
        ("bin", []),
    ],
)
def test_both_readers_find_the_same_members(tmp_path: Path, member: str, found: list[str]) -> None:
    contents = {
        "./LICENSE": b"free", "bin/portmap": b"p", "bin/[": b"[", "./bin/bridge": b"b",
        "bin/deep/er": b"d",
    }  # fmt: skip
    archive = packed(tmp_path / "in.tgz", contents)
    listed = inputs.members(archive, name(member))
    taken = inputs.extract(archive, [name(member)], tmp_path / "out")[name(member)]
    assert [one.path for one in listed] == found
    assert [path.name for path in taken] == [path.rpartition("/")[2] for path in found]
    for one, path in zip(listed, taken, strict=True):
        with one.open() as stream:
            content = stream.read()
        assert content == path.read_bytes()
        assert one.size == len(content)


def test_of_two_members_with_one_name_both_readers_take_the_first(tmp_path: Path) -> None:
    archive = packed(tmp_path / "in.tgz", {"./it": b"first", "it": b"second"})
    [member] = inputs.members(archive, name("it"))
    [path] = inputs.extract(archive, [name("it")], tmp_path / "out")[name("it")]
    with member.open() as stream:
        assert stream.read() == path.read_bytes() == b"first"


def test_members_of_several_names_are_taken_out_in_one_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {"bin/a": b"a", "bin/b": b"b", "a": b"other"}
    archive = packed(tmp_path / "in.tgz", contents)
    opened: list[Path] = []
    really = tarballs.members

    def counted(path: Path) -> Iterator[tarballs.Member]:
        opened.append(path)
        return really(path)

    monkeypatch.setattr(tarballs, "members", counted)
    wanted = [name("bin/*"), name("bin/b"), name("a"), name("c")]
    taken = inputs.extract(archive, wanted, tmp_path / "out")
    assert opened == [archive]
    found = {one.member: [path.read_bytes() for path in paths] for one, paths in taken.items()}
    assert found == {"bin/*": [b"a", b"b"], "bin/b": [b"b"], "a": [b"other"], "c": []}


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "foreign", "empty"])
def test_a_damaged_archive_is_named_with_the_remedy(tmp_path: Path, mode: str, damage: str) -> None:
    archive = packed(tmp_path / "in.archive", {"it": os.urandom(20_000)}, mode)
    data = bytearray(archive.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4] = bytes(255 - byte for byte in data[middle : middle + 4])
    damaged = {
        "cut": archive.read_bytes()[:middle],
        "flipped": bytes(data),
        "foreign": b"<html>",
        "empty": b"",
    }
    archive.write_bytes(damaged[damage])
    complaint = r"^cni/archive \(in.archive\): not a readable archive: (?s:.+); its bytes are .+$"
    with pytest.raises(VerificationFailed, match=complaint):
        inputs.extract(archive, [name("it")], tmp_path / "out")
    with pytest.raises(VerificationFailed, match=complaint):
        inputs.members(archive, name("it"))


def test_an_archive_that_is_too_large_to_be_one_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = packed(tmp_path / "in.tgz", {"a": b"12345", "b": b"1"})
    monkeypatch.setattr(tarballs, "LARGEST_MEMBER", 4)
    with pytest.raises(VerificationFailed, match="a has 5 bytes"):
        inputs.extract(archive, [name("b")], tmp_path / "out")
    monkeypatch.setattr(tarballs, "LARGEST_MEMBER", 5)
    monkeypatch.setattr(tarballs, "MOST_MEMBERS", 1)
    with pytest.raises(VerificationFailed, match="more than 1 members"):
        inputs.members(archive, name("b"))


def test_the_disks_own_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        inputs.members(tmp_path / "gone.tgz", name("it"))
