"""Writes the archive that Docker and containerd load: an OCI layout in a tar, with Docker's
manifest.json beside it.
"""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

from kubewright import files
from kubewright.images.documents import REFERENCE, Descriptor, Index, Manifest, index_json
from kubewright.images.layer import File, write_tar
from kubewright.images.layout import VERSION
from kubewright.models.base import Arch


def write_archive(layout: Path, arch: Arch, target: Path, *, epoch: int) -> None:
    """Write every image of a layout for one architecture into the tar `target`.

    Docker before 25 knows manifest.json alone, whose files may lie anywhere: here they are the
    blobs.
    """
    found = list(_manifests(layout, arch))
    blobs = {blob for entry, manifest in found for blob in (entry.digest, *_parts(manifest))}
    contents = [_blob(layout, blob) for blob in blobs]
    contents += [
        _document("oci-layout", VERSION),
        _document("index.json", index_json([entry for entry, _ in found])),
        _document("manifest.json", docker_manifest(found)),
    ]
    with files.replacing(target) as stream:
        write_tar(contents, stream.write, epoch=epoch)


def docker_manifest(images: Iterable[tuple[Descriptor, Manifest]]) -> bytes:
    """Docker's manifest.json for manifests and their named descriptors."""
    return files.canonical_json(
        [
            {
                "Config": blob_path(manifest.config.digest),
                "Layers": [blob_path(layer.digest) for layer in manifest.layers],
                "RepoTags": [(entry.annotations or {})[REFERENCE]],
            }
            for entry, manifest in images
        ]
    )


def blob_path(digest: str) -> str:
    """Where a layout has the blob `sha256:…`."""
    return f"blobs/{digest.replace(':', '/')}"


def _manifests(layout: Path, arch: Arch) -> Iterable[tuple[Descriptor, Manifest]]:
    """The manifest of each image for `arch`, with a descriptor that bears the image's names; by
    name.
    """
    for image in Index.from_bytes((layout / "index.json").read_bytes()).manifests:
        for entry in Index.from_bytes((layout / blob_path(image.digest)).read_bytes()).manifests:
            if entry.platform is not None and entry.platform.architecture == arch:
                manifest = Manifest.from_bytes((layout / blob_path(entry.digest)).read_bytes())
                yield entry.model_copy(update={"annotations": image.annotations}), manifest


def _parts(manifest: Manifest) -> Iterable[str]:
    return (manifest.config.digest, *(layer.digest for layer in manifest.layers))


def _blob(layout: Path, digest: str) -> File:
    path = layout / blob_path(digest)
    return File(blob_path(digest), path.stat().st_size, lambda: path.open("rb"))


def _document(name: str, data: bytes) -> File:
    return File(name, len(data), lambda: BytesIO(data))
