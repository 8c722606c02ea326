"""Layers by zstd beside those by gzip: one image, one configuration, gzip first in the index."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from registries import Built, build_images, serving

from kubewright import files, run
from kubewright.cli.shipped import shipped
from kubewright.images import check_layout, push
from kubewright.images.docker_archive import blob_path
from kubewright.images.oci import LAYERS, ZSTD, Descriptor, ImageIndex, ImageManifest, index_json
from kubewright.models.image import ImageDefinition, ImageRecord
from kubewright.models.manifest import Manifest
from kubewright.settings import Settings
from kubewright.stages import image as imaging
from kubewright.workspace import Workspace


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Small images for two architectures; tests only read them."""
    return build_images(tmp_path_factory.mktemp("small"), zstd=True)


@pytest.fixture(scope="module")
def layout(built: Built) -> Path:
    return built.layout


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings]) -> Settings:
    """A release, verified, whose images have both; tests only read it."""
    return build(tmp_path_factory.mktemp("zstd"), zstd=True)


def recorded(settings: Settings) -> ImageRecord:
    return ImageRecord.from_bytes((settings.dist / "v1.36.4-1/images.json").read_bytes())


def nested(layout: Path) -> list[ImageIndex]:
    top = ImageIndex.from_bytes((layout / "index.json").read_bytes())
    return [
        ImageIndex.from_bytes((layout / blob_path(entry.digest)).read_bytes())
        for entry in top.manifests
    ]


def manifest(layout: Path, entry: Descriptor) -> ImageManifest:
    return ImageManifest.from_bytes((layout / blob_path(entry.digest)).read_bytes())


def test_every_index_has_gzip_for_all_platforms_and_then_zstd(layout: Path) -> None:
    for index in nested(layout):
        forms = [
            (entry.platform.architecture, entry.annotations)
            for entry in index.manifests
            if entry.platform
        ]
        assert forms == [("amd64", None), ("arm64", None), ("amd64", ZSTD), ("arm64", ZSTD)]
        for plain, beside in zip(index.manifests[:2], index.manifests[2:], strict=True):
            one, other = manifest(layout, plain), manifest(layout, beside)
            assert one.config == other.config, (
                "one configuration, so one image ID and the same diff_ids"
            )
            assert {layer.media_type for layer in one.layers} == {LAYERS["gzip"]}
            assert {layer.media_type for layer in other.layers} == {LAYERS["zstd"]}
            assert len(one.layers) == len(other.layers)
    assert list(check_layout(layout)) == []


def test_the_record_and_the_published_manifest_name_both(made: Settings) -> None:
    record, layout = recorded(made), made.dist / "v1.36.4-1/images/layout"
    published = Manifest.read(
        (Path(made.site) / "releases/v1.36.4-1/manifest.json").read_bytes(), "manifest.json"
    )
    assert [image.model_dump() for image in published.images] == [
        image.model_dump() for image in record.images
    ]
    for image in record.images:
        index = ImageIndex.from_bytes((layout / blob_path(image.index)).read_bytes())
        assert list(image.digests) == [image.index, *(entry.digest for entry in index.manifests)]
        for platform in image.platforms:
            assert platform.zstd is not None
            assert platform.zstd.compressor.startswith("zstd ")
            for layer in platform.zstd.layers:
                assert (layout / blob_path(layer.digest)).stat().st_size == layer.size
    signed = {file.url for file in published.files if file.kind == "image-signature"}
    for image in record.images:
        for digest in image.digests:
            name = digest.removeprefix("sha256:")
            assert any(image.name in url and name in url for url in signed)


def test_archives_are_those_without_zstd(made: Settings, released: Settings) -> None:
    name = "hyperkube-v1.36.4-linux-amd64.tar"
    plain = released.dist / "v1.36.4-1/images/archives" / name
    archive = made.dist / "v1.36.4-1/images/archives" / name
    assert files.sha256_of(archive) == files.sha256_of(plain)
    for image, other in zip(recorded(made).images, recorded(released).images, strict=True):
        assert image.platforms[0].model_copy(update={"zstd": None}) == other.platforms[0]
        assert other.platforms[0].zstd is None


def test_the_same_again_writes_nothing_and_without_zstd_the_layers_by_gzip_stay(
    made: Settings, tmp_path: Path, sample_mirror: Path
) -> None:
    dist = tmp_path / "dist"
    shutil.copytree(made.dist, dist)
    settings, workspace = made.model_copy(update={"dist": dist}), Workspace(dist / "v1.36.4-1")
    blobs = dist / "v1.36.4-1/images/layout/blobs/sha256"
    before = {path.name: path.stat().st_ino for path in blobs.iterdir()}
    imaging.image(workspace, settings, shipped())
    assert {path.name: path.stat().st_ino for path in blobs.iterdir()} == before
    imaging.image(workspace, settings.model_copy(update={"zstd": False}), shipped())
    magic = {path.name: path.read_bytes()[:4] for path in blobs.iterdir()}
    by_gzip = [name for name, first in magic.items() if first.startswith(b"\x1f\x8b")]
    assert by_gzip
    for name in by_gzip:
        assert (blobs / name).stat().st_ino == before[name], "no layer was packed again"
    assert b"\x28\xb5\x2f\xfd" not in magic.values()


@pytest.mark.parametrize(
    ("forge", "said"),
    [
        (lambda entries: entries[::-1], "is by gzip, but stands behind one by zstd"),
        (lambda entries: [entries[2], *entries[:2], entries[3]], "stands behind one by zstd"),
        (
            lambda entries: [e.model_copy(update={"annotations": None}) for e in entries],
            "is not said to be by zstd, and is otherwise",
        ),
        (
            lambda entries: [e.model_copy(update={"annotations": dict(ZSTD)}) for e in entries],
            "is said to be by zstd, and is otherwise",
        ),
    ],
    ids=["backwards", "one-first", "unmarked", "all-marked"],
)
def test_an_index_that_would_mislead_a_reader_is_found(
    layout: Path, tmp_path: Path, forge: Callable[[list[Descriptor]], list[Descriptor]], said: str
) -> None:
    copy = tmp_path / "layout"
    shutil.copytree(layout, copy)
    top = ImageIndex.from_bytes((copy / "index.json").read_bytes())
    first = top.manifests[0]
    index = ImageIndex.from_bytes((copy / blob_path(first.digest)).read_bytes())
    wrong = index.model_copy(update={"manifests": tuple(forge(list(index.manifests)))}).to_bytes()
    digest = files.sha256(wrong)
    (copy / "blobs/sha256" / digest).write_bytes(wrong)
    entry = first.model_copy(update={"digest": f"sha256:{digest}", "size": len(wrong)})
    (copy / "index.json").write_bytes(index_json([entry, *top.manifests[1:]]))
    assert any(said in finding for finding in check_layout(copy))


def test_a_push_brings_both_and_readers_take_the_first(
    built: Built, tool: Callable[[str], Path], tmp_path: Path
) -> None:
    with serving(tool("docker-registry"), tmp_path / "registry") as registry:
        report = push(built.layout, built.record, f"{registry}/kube")
        assert report.sent
        again = push(built.layout, built.record, f"{registry}/kube")
        assert (again.sent, again.uploaded) == (0, 0)
        first = built.record.images[0]
        source = f"docker://{registry}/kube/{first.name}:{first.tag}"
        skopeo = [str(tool("skopeo")), "--insecure-policy", "--override-os=linux"]
        for words in ([], ["--all"]):
            target = tmp_path / f"copy{len(words)}"
            argv = [*skopeo, "--override-arch=amd64", "copy", "--src-tls-verify=false", *words]
            run.run([*argv, source, f"dir:{target}"])
        taken = json.loads((tmp_path / "copy0/manifest.json").read_bytes())
        assert {layer["mediaType"] for layer in taken["layers"]} == {LAYERS["gzip"]}
        whole = (tmp_path / "copy1/manifest.json").read_bytes()
        assert f"sha256:{files.sha256(whole)}" == first.index


def test_zstd_is_for_layers_beside_gzip() -> None:
    with pytest.raises(ValueError, match="zstd: is for layers beside those by gzip"):
        ImageDefinition.model_validate(
            {
                "name": "x",
                "flavour": "dispatcher",
                "compression": "zstd",
                "zstd": True,
                "layers": {},
                "images": {},
            }
        )
    assert json.dumps(dict(ZSTD)) == '{"io.github.containers.compression.zstd": "true"}'
