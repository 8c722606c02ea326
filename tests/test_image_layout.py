"""The OCI layout and the archive: deterministic tars, digests, and what the checker finds."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubewright import files
from kubewright.archives import DirectoryEntry, Entry, FileEntry, LinkEntry, write_tar
from kubewright.errors import DiskError, VerificationFailed
from kubewright.images.assemble import assemble
from kubewright.images.check import check_layout
from kubewright.images.docker_archive import write_archive
from kubewright.images.layer import Layer, write_layer
from kubewright.images.layout_writer import Layout, replacing_directory
from kubewright.images.oci import index_json
from kubewright.models.base import Arch, Json
from kubewright.models.image import Compression, ImageDefinition

EPOCH = 1_755_000_000


def file(path: str, data: bytes, mode: int = 0o644, capability: str | None = None) -> FileEntry:
    return FileEntry(path, len(data), lambda: io.BytesIO(data), mode, capability)


TREE: list[Entry] = [
    LinkEntry("bin/sh", "bin/busybox", hard=True),
    file("usr/local/bin/kubelet", b"kubelet" * 1000, 0o755),
    LinkEntry("kubelet", "usr/local/bin/kubelet"),
    file("bin/busybox", b"busybox", 0o755),
    file("coredns", b"dns", 0o755, "cap_net_bind_service"),
    DirectoryEntry("tmp", 0o1777),
]


def tar_of(entries: list[Entry]) -> bytes:
    out = io.BytesIO()
    write_tar(entries, out.write, epoch=EPOCH)
    return out.getvalue()


def layer_of(entries: list[Entry], compression: Compression = "gzip") -> tuple[Layer, bytes]:
    out = io.BytesIO()
    return write_layer(entries, out, epoch=EPOCH, compression=compression), out.getvalue()


def test_a_tar_names_each_parent_once_and_before_its_children() -> None:
    with tarfile.open(fileobj=io.BytesIO(tar_of(TREE))) as tar:
        names = tar.getnames()
    assert names == [
        "bin", "bin/busybox", "coredns", "kubelet", "tmp", "usr", "usr/local", "usr/local/bin",
        "usr/local/bin/kubelet", "bin/sh",
    ]  # fmt: skip


def test_a_tar_holds_nothing_of_the_machine_that_wrote_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(tar_of(TREE))) as tar:
        for member in tar:
            assert (member.uid, member.gid, member.uname, member.gname, member.mtime) == (
                0,
                0,
                "",
                "",
                EPOCH,
            )


def test_types_modes_and_contents_come_back() -> None:
    with tarfile.open(fileobj=io.BytesIO(tar_of(TREE))) as tar:
        found = {member.name: (member.type, member.mode, member.linkname) for member in tar}
        kubelet = tar.extractfile("usr/local/bin/kubelet")
        assert kubelet is not None
        assert kubelet.read() == b"kubelet" * 1000
    assert found["bin/sh"] == (tarfile.LNKTYPE, 0o755, "bin/busybox")
    assert found["kubelet"] == (tarfile.SYMTYPE, 0o777, "usr/local/bin/kubelet")
    assert found["tmp"] == (tarfile.DIRTYPE, 0o1777, "")
    assert found["usr/local/bin/kubelet"] == (tarfile.REGTYPE, 0o755, "")


def test_only_what_needs_one_has_a_pax_header() -> None:
    data = tar_of(TREE)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        headers = {member.name: member.pax_headers for member in tar if member.pax_headers}
    assert {name: set(found) for name, found in headers.items()} == {
        "coredns": {"SCHILY.xattr.security.capability"}
    }
    value = headers["coredns"]["SCHILY.xattr.security.capability"].encode()
    assert value == (0x02000001).to_bytes(4, "little") + (1 << 10).to_bytes(4, "little") + bytes(12)


def test_the_order_of_entries_does_not_matter() -> None:
    assert tar_of(TREE) == tar_of(TREE[::-1])


def test_a_path_cannot_come_twice() -> None:
    with pytest.raises(ValueError, match="bin/busybox: listed twice"):
        tar_of([*TREE, file("bin/busybox", b"other")])


@pytest.mark.parametrize("promised", [2, 4], ids=["longer", "shorter"])
def test_a_file_that_is_not_as_long_as_promised_is_refused(promised: int) -> None:
    with pytest.raises(
        VerificationFailed, match=f"kubelet: 3 bytes where {promised} were promised"
    ):
        tar_of([FileEntry("kubelet", promised, lambda: io.BytesIO(b"abc"))])


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_both_digests_of_a_layer_are_known_after_one_pass(compression: Compression) -> None:
    layer, blob = layer_of(TREE, compression)
    assert layer.digest == f"sha256:{files.sha256(blob)}"
    assert layer.diff_id == f"sha256:{files.sha256(tar_of(TREE))}"
    assert layer.size == len(blob)
    assert layer.media_type.endswith(f"+{compression}")


def test_a_gzip_header_says_nothing_about_time_or_system() -> None:
    assert layer_of(TREE)[1][:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


DEFINITION = ImageDefinition.model_validate(
    {
        "name": "hyperkube",
        "flavour": "dispatcher",
        "layers": {
            "kubelet": {"files": [{"target": "/kubelet", "source": "input:kubernetes/kubelet"}]}
        },
        "images": {
            name: {
                "description": "A test",
                "tag": "v{kubernetes}",
                "layers": ["kubelet"],
                "entrypoint": ["/kubelet"],
                "components": ["kubelet"],
                "source": "https://example.test",
            }
            for name in ("kubelet", "other")
        },
    }
)


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Two images for two architectures over one layer each."""
    made = Layout(tmp_path / "layout")

    def layer(arch: Arch) -> Layer:
        entries = [file("kubelet", arch.encode())]
        return made.add_layer(
            arch, lambda out: write_layer(entries, out, epoch=EPOCH, compression="gzip")
        )

    layers = {arch: [layer(arch)] for arch in Arch.usual()}
    images = [
        assemble(DEFINITION, name, "v1.36.4", f"registry.test/{name}:v1.36.4", layers, EPOCH)
        for name in DEFINITION.images
    ]
    for image in images:
        for document in image.documents:
            made.add(document)
    made.finish(index_json([image.entry for image in images]))
    return made.root


@pytest.fixture
def archive(layout: Path, tmp_path: Path) -> Path:
    target = tmp_path / "images.tar"
    write_archive(layout, Arch.amd64, target, epoch=EPOCH)
    return target


def documents(layout: Path) -> dict[str, Path]:
    """One blob of each kind."""
    index = json.loads((layout / "index.json").read_bytes())
    blob = {"image": index["manifests"][0]["digest"]}
    blob["manifest"] = json.loads(at(layout, blob["image"]).read_bytes())["manifests"][0]["digest"]
    manifest = json.loads(at(layout, blob["manifest"]).read_bytes())
    blob |= {"config": manifest["config"]["digest"], "layer": manifest["layers"][0]["digest"]}
    return {kind: at(layout, digest) for kind, digest in blob.items()}


def at(layout: Path, digest: str) -> Path:
    return layout / "blobs" / digest.replace(":", "/")


def test_a_sound_layout_has_no_findings(layout: Path, archive: Path) -> None:
    assert list(check_layout(layout)) == []
    assert list(check_layout(archive)) == []


def test_every_blob_is_named_by_its_digest_and_stored_once(layout: Path) -> None:
    blobs = list((layout / "blobs" / "sha256").iterdir())
    assert all(blob.name == hashlib.sha256(blob.read_bytes()).hexdigest() for blob in blobs)
    # Two layers (one for each architecture) serve two images of two configs, two manifests and an
    # index each.
    assert len(blobs) == 2 + 2 * (2 + 2 + 1)
    assert sorted(path.name for path in layout.iterdir()) == ["blobs", "index.json", "oci-layout"]


@pytest.mark.parametrize("kind", ["image", "manifest", "config", "layer"])
def test_a_tampered_blob_is_named(layout: Path, kind: str) -> None:
    blob = documents(layout)[kind]
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.write_bytes(data)
    findings = list(check_layout(layout))
    assert any(
        f"blobs/sha256/{blob.name}: its digest is sha256:" in finding for finding in findings
    )
    assert all(
        finding.startswith(f"{layout}: ") and finding.endswith("again") for finding in findings
    )


@pytest.mark.parametrize("kind", ["image", "manifest", "config", "layer"])
def test_a_missing_blob_is_named_with_what_refers_to_it(layout: Path, kind: str) -> None:
    blob = documents(layout)[kind]
    blob.unlink()
    findings = list(check_layout(layout))
    assert any(f"blobs/sha256/{blob.name}: missing, but " in finding for finding in findings)


def rewrite(layout: Path, change: Callable[[dict[str, Json]], None]) -> None:
    """Change the documents above the first layer and put every digest right again, as an attacker
    would.
    """
    paths = documents(layout)
    names = ["config", "manifest", "image"]
    found = {name: json.loads(paths[name].read_bytes()) for name in names}
    index = json.loads((layout / "index.json").read_bytes())
    change(found)
    references = {
        "config": lambda: found["manifest"]["config"],
        "manifest": lambda: found["image"]["manifests"][0],
        "image": lambda: index["manifests"][0],
    }
    for name in names:
        data = json.dumps(found[name]).encode()
        digest = files.sha256(data)
        paths[name].unlink()
        at(layout, f"sha256:{digest}").write_bytes(data)
        references[name]().update(digest=f"sha256:{digest}", size=len(data))
    (layout / "index.json").write_bytes(files.canonical_json(index))


def test_a_layer_that_unpacks_to_something_else_is_found(layout: Path) -> None:
    wrong = f"sha256:{'0' * 64}"
    rewrite(layout, lambda found: found["config"]["rootfs"].update(diff_ids=[wrong]))
    assert [
        finding for finding in check_layout(layout) if "unpacks to" in finding and wrong in finding
    ]


def test_a_layer_without_a_diff_id_is_found(layout: Path) -> None:
    rewrite(layout, lambda found: found["config"]["rootfs"].update(diff_ids=[]))
    assert any(
        "1 layers, but its config has 0 diff_ids" in finding for finding in check_layout(layout)
    )


def test_an_image_listed_for_another_architecture_is_found(layout: Path) -> None:
    rewrite(layout, lambda found: found["config"].update(architecture="s390x"))
    assert any(
        "listed for amd64, but made for linux/s390x" in finding for finding in check_layout(layout)
    )


def test_a_wrong_size_is_found(layout: Path) -> None:
    rewrite(layout, lambda found: found["manifest"]["layers"][0].update(size=1))
    assert any("says 1" in finding for finding in check_layout(layout))


@pytest.mark.parametrize(
    ("name", "data", "found"),
    [
        ("index.json", b"{}", "index.json: manifests: is not what an OCI layout has there"),
        ("index.json", b"<html>", "index.json: the document: is not what an OCI layout has there"),
        (
            "index.json",
            b'{"manifests": [{"mediaType": "x", "digest": "sha256:../..", "size": 1}]}',
            "index.json: manifests.0.digest: is not what an OCI layout has there",
        ),
        (
            "oci-layout",
            b"{}",
            "oci-layout: imageLayoutVersion: is not what an OCI layout has there",
        ),
    ],
    ids=["empty", "not-json", "digest-that-climbs", "no-version"],
)
def test_a_malformed_document_is_a_finding(
    layout: Path, name: str, data: bytes, found: str
) -> None:
    (layout / name).write_bytes(data)
    assert any(found in finding for finding in check_layout(layout))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda index: index["manifests"][0].update(mediaType="a/b"), "is of the unknown type a/b"),
        (lambda index: index.update(mediaType="a/b"), "index.json: is of the type a/b instead of"),
        (
            lambda index: index["manifests"][0].pop("platform"),
            "does not say which machines sha256:",
        ),
        (lambda index: index["manifests"][0].pop("annotations"), "are missing or disagree"),
        (
            lambda index: index["manifests"][0]["annotations"].update(
                {"org.opencontainers.image.ref.name": "a:b"}
            ),
            "are missing or disagree",
        ),
        (lambda index: index.update(more=1), "index.json: not as it was written"),
    ],
    ids=["type", "own-type", "platform", "names", "short-name", "another-key"],
)
def test_an_index_says_what_it_lists_and_for_whom(
    archive: Path, tmp_path: Path, change: Callable[[Any], object], found: str
) -> None:
    unpacked = tmp_path / "unpacked"
    with tarfile.open(archive) as tar:
        tar.extractall(unpacked, filter="data")
    index = json.loads((unpacked / "index.json").read_bytes())
    change(index)
    (unpacked / "index.json").write_bytes(files.canonical_json(index))
    assert any(found in finding for finding in check_layout(unpacked))


@pytest.mark.parametrize("name", ["index.json", "manifest.json", "oci-layout"])
def test_no_byte_of_a_document_that_no_digest_protects_can_change(archive: Path, name: str) -> None:
    data = archive.read_bytes()
    with tarfile.open(archive) as tar:
        member = tar.getmember(name)
    undetected = []
    for place in range(member.offset_data, member.offset_data + member.size):
        archive.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        if not list(check_layout(archive)):
            undetected.append(data[member.offset_data : place + 1])
    assert not undetected


def test_a_config_of_an_unknown_type_is_found(layout: Path) -> None:
    rewrite(layout, lambda found: found["manifest"]["config"].update(mediaType="a/b"))
    assert any("is of the type a/b instead of" in finding for finding in check_layout(layout))


def test_a_layout_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    assert "there is no such layout" in next(iter(check_layout(tmp_path / "none")))
    (tmp_path / "text").write_text("no tar at all")
    assert "not a readable archive" in next(iter(check_layout(tmp_path / "text")))


def member_json(tar: tarfile.TarFile, name: str) -> Any:
    stream = tar.extractfile(name)
    assert stream is not None
    return json.load(stream)


def test_an_archive_is_a_layout_of_one_architecture_that_docker_reads_too(
    layout: Path, archive: Path
) -> None:
    with tarfile.open(archive) as tar:
        names = tar.getnames()
        docker, index = member_json(tar, "manifest.json"), member_json(tar, "index.json")
    assert [image["RepoTags"] for image in docker] == [
        ["registry.test/kubelet:v1.36.4"],
        ["registry.test/other:v1.36.4"],
    ]
    for image in docker:
        assert {image["Config"], *image["Layers"]} <= set(names)
    assert {entry["platform"]["architecture"] for entry in index["manifests"]} == {"amd64"}
    annotations = index["manifests"][0]["annotations"]
    assert annotations["io.containerd.image.name"] == "registry.test/kubelet:v1.36.4"
    assert annotations["org.opencontainers.image.ref.name"] == "kubelet:v1.36.4"
    # Of the layout's twelve blobs: the layer, and a config and a manifest for each image.
    assert len([name for name in names if name.startswith("blobs/sha256/")]) == 1 + 2 * 2


def test_a_manifest_json_that_disagrees_with_the_index_is_found(
    archive: Path, tmp_path: Path
) -> None:
    forged = tmp_path / "forged.tar"
    with tarfile.open(archive) as source, tarfile.open(forged, "w") as target:
        for member in source:
            stream = source.extractfile(member) if member.isfile() else None
            if member.name == "manifest.json" and stream:
                data = stream.read().replace(b"registry.test/other", b"registry.test/evil!")
                stream = io.BytesIO(data)
            target.addfile(member, stream)
    assert [
        finding
        for finding in check_layout(forged)
        if "manifest.json: does not say what index.json says" in finding
    ]


def test_a_truncated_archive_is_found(archive: Path) -> None:
    data = archive.read_bytes()
    archive.write_bytes(data[: len(data) // 2])
    assert list(check_layout(archive))


def test_a_failed_build_leaves_the_old_directory_and_nothing_beside_it(tmp_path: Path) -> None:
    dest = tmp_path / "images"
    with replacing_directory(dest) as work:
        (work / "index.json").write_text("old")
    with pytest.raises(DiskError), replacing_directory(dest) as work:
        (work / "index.json").write_text("new") and (work / "none").read_text()
    assert (dest / "index.json").read_text() == "old"
    with replacing_directory(dest) as work:
        (work / "other").write_text("new")
    assert [path.name for path in dest.iterdir()] == ["other"]
    assert list(tmp_path.iterdir()) == [dest]
