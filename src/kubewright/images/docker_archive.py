"""Writes the archive that Docker and containerd load: an OCI layout in a tar, with Docker's
manifest.json beside it.
"""

from collections.abc import Iterable
from pathlib import Path

from kubewright import files
from kubewright.archives import FileEntry, write_tar
from kubewright.images.layout_writer import VERSION
from kubewright.images.oci import REFERENCE, ZSTD, Descriptor, ImageIndex, ImageManifest, index_json
from kubewright.models.base import Arch


def write_archive(layout: Path, arch: Arch, target: Path, *, epoch: int) -> None:
    """Write every image of a layout for one architecture into the tar `target`.

    Docker before 25 knows manifest.json alone, whose files may lie anywhere: here they are the
    blobs.
    """
    manifests = list(_manifests(layout, arch))
    blobs: set[str] = set()
    for entry, manifest in manifests:
        blobs |= {entry.digest, *_parts(manifest)}
    contents = [FileEntry.of(blob_path(blob), layout / blob_path(blob)) for blob in blobs]
    contents += [
        FileEntry.of("oci-layout", VERSION),
        FileEntry.of("index.json", index_json([entry for entry, _ in manifests])),
        FileEntry.of("manifest.json", docker_manifest(manifests)),
    ]
    with files.replacing(target) as stream:
        write_tar(contents, stream.write, epoch=epoch)


def docker_manifest(images: Iterable[tuple[Descriptor, ImageManifest]]) -> bytes:
    """Docker's manifest.json for manifests and their named descriptors."""
    listed = []
    for entry, manifest in images:
        layers = [blob_path(layer.digest) for layer in manifest.layers]
        listed.append(
            {
                "Config": blob_path(manifest.config.digest),
                "Layers": layers,
                "RepoTags": [(entry.annotations or {})[REFERENCE]],
            }
        )
    return files.canonical_json(listed)


def blob_path(digest: str) -> str:
    """Where a layout has the blob `sha256:…`."""
    return f"blobs/{digest.replace(':', '/')}"


def _manifests(layout: Path, arch: Arch) -> Iterable[tuple[Descriptor, ImageManifest]]:
    """The manifest of each image for `arch`, with a descriptor that bears the image's names; by
    name. Docker loads none by zstd.
    """
    for image in ImageIndex.from_bytes((layout / "index.json").read_bytes()).manifests:
        for entry in ImageIndex.from_bytes(
            (layout / blob_path(image.digest)).read_bytes()
        ).manifests:
            if entry.annotations != ZSTD and entry.platform and entry.platform.architecture == arch:
                manifest = ImageManifest.from_bytes((layout / blob_path(entry.digest)).read_bytes())
                yield entry.model_copy(update={"annotations": image.annotations}), manifest


def _parts(manifest: ImageManifest) -> Iterable[str]:
    return (manifest.config.digest, *(layer.digest for layer in manifest.layers))
