"""Loads an archive or a layout into the Docker engine of this machine."""

import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from kubewright.engine import connected, explained
from kubewright.errors import VerificationFailed
from kubewright.images.check import check_layout
from kubewright.images.docker_archive import blob_path, write_archive
from kubewright.images.layout_reader import LayoutReader, open_layout
from kubewright.images.oci import INDEX, REFERENCE, Descriptor, ImageIndex, ImageManifest
from kubewright.models.base import Arch

TIMEOUT = 900
"""Seconds that an engine may take to unpack everything."""


def load(archive: Path) -> tuple[str, ...]:
    """Load the images of an archive, or of a layout's directory, and return their references.

    The engine is the one that DOCKER_HOST names, else the local one. Raises VerificationFailed when
    the archive is not sound, ToolMissing when no engine answers, ToolFailed when it refuses.
    """
    if findings := list(check_layout(archive)):
        raise VerificationFailed("\n".join(findings))
    if not archive.is_dir():
        return _load(archive)
    with tempfile.TemporaryDirectory(prefix="kubewright-load-") as private:
        packed = Path(private) / "images.tar"
        write_archive(archive, Arch.own(), packed, epoch=0)
        return _load(packed)


def _load(archive: Path) -> tuple[str, ...]:
    refused = explained(str(archive), "the engine did not load it")
    with connected(TIMEOUT) as engine, refused, archive.open("rb") as stream:
        loaded = engine.images.load(stream)
    references: set[str] = set()
    for image in loaded:
        references.update(image.tags)
    return tuple(sorted(references))


def offered(archive: Path) -> dict[str, str]:
    """The images of an archive or layout for this machine: Docker's image ID by reference.

    Nothing is checked but that it can be read. Raises VerificationFailed where it cannot.
    """
    try:
        with open_layout(archive) as reader:
            index = ImageIndex.from_bytes(_read(reader, "index.json"))
            return {reference: _id(reader, one) for reference, one in _manifests(reader, index)}
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError) as error:
        raise VerificationFailed(
            str(archive), f"is no archive or layout of images ({error})", "build it again"
        ) from error


def _manifests(reader: LayoutReader, index: ImageIndex) -> Iterator[tuple[str, Descriptor]]:
    """Each image's reference with its manifest for this machine."""
    for image in index.manifests:
        reference = (image.annotations or {}).get(REFERENCE, "")
        below: tuple[Descriptor, ...] = (image,)
        if image.media_type == INDEX:
            below = ImageIndex.from_bytes(_read(reader, blob_path(image.digest))).manifests
        for one in below:
            if one.platform is None or one.platform.architecture == Arch.own():
                yield reference, one


def _id(reader: LayoutReader, manifest: Descriptor) -> str:
    return ImageManifest.from_bytes(_read(reader, blob_path(manifest.digest))).config.digest


def _read(reader: LayoutReader, name: str) -> bytes:
    with reader.open(name) as stream:
        return stream.read()
