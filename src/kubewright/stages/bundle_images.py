"""The images of a bundle: one OCI layout from the archives of its releases, each blob once."""

import tarfile
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from kubewright import files
from kubewright.errors import VerificationFailed
from kubewright.images.docker_archive import blob_path
from kubewright.images.layout_writer import VERSION
from kubewright.images.oci import INDEX, MANIFEST, Descriptor, descriptor, index_json, names
from kubewright.models.base import Arch
from kubewright.models.bundle import Archive, PartRelease, Piece
from kubewright.models.image import Image
from kubewright.models.manifest import File, Manifest
from kubewright.stages.near_files import NearFiles
from kubewright.verification.archives import image_index
from kubewright.verification.part import has

DOCKER = "manifest.json"
"""The file by which Docker before 25 finds the images of an archive."""


class Blob(NamedTuple):
    """A blob where it lies in an archive."""

    archive: File
    offset: int
    size: int


class Images:
    """The layout in the making."""

    def __init__(self, near: NearFiles) -> None:
        self._near = near
        self.blobs: dict[str, Blob] = {}
        """Those that archives have, by digest."""
        self.documents: dict[str, bytes] = {}
        """The other files of the layout, by path below it."""
        self.archives: list[Archive] = []
        self._entries: dict[str, Descriptor] = {}

    def add(self, manifest: Manifest, here: PartRelease) -> None:
        """Take the images of a release for the architectures that are asked for."""
        for one in manifest.files:
            if one.kind == "image-archive" and has(here, one):
                self._add_archive(manifest.release.name, one)
        for image in manifest.images:
            self._add_image(image, here)

    def finish(self) -> None:
        """Make a layout of what was taken."""
        if self._entries:
            self.documents["oci-layout"] = VERSION
            self.documents["index.json"] = index_json(
                sorted(self._entries.values(), key=lambda one: str(one.annotations))
            )

    @contextmanager
    def opened(self, digest: str) -> Iterator[IO[bytes]]:
        """A blob to be read, from its beginning; it goes on with what follows it."""
        blob = self.blobs[digest]
        with self._near.path(blob.archive.url, blob.archive.size).open("rb") as stream:
            stream.seek(blob.offset)
            yield stream

    def read(self, digest: str) -> bytes:
        """A small blob."""
        with self.opened(digest) as stream:
            return stream.read(self.blobs[digest].size)

    def _add_archive(self, release: str, one: File) -> None:
        path = self._near.path(one.url, one.size)
        found = _blobs(path)
        pieces = tuple(_pieces(path, found, one.size))
        if files.sha256_of(path) != one.sha256:
            problem = "was something else a moment ago"
            raise VerificationFailed(one.url, problem, "make the bundle again")
        with tarfile.open(path, "r:") as tar:
            docker = tar.extractfile(DOCKER)
            self.documents[f"{release}-{one.arch}.json"] = docker.read() if docker else b""
        for digest, (offset, size) in found.items():
            self.blobs.setdefault(digest, Blob(one, offset, size))
        self.archives.append(Archive(path=one.url, size=one.size, sha256=one.sha256, pieces=pieces))

    def _add_image(self, image: Image, here: PartRelease) -> None:
        """An image by its index, or where not all of its architectures are here by its
        manifests.
        """
        own = [one for one in image.platforms if one.manifest in self.blobs]
        found = {one.arch: self.read(one.manifest) for one in own if one.arch in here.architectures}
        entry = _index(image, found) if len(found) == len(image.platforms) else None
        if entry is not None:
            self.documents[blob_path(entry.digest)] = image_index(found)
            self._entries[image.reference] = entry
            return
        for arch, data in found.items():
            named = names(f"{image.name}:{image.tag}", image.reference)
            key = image.reference if len(found) == 1 else f"{image.reference} {arch}"
            self._entries[key] = descriptor(MANIFEST, data, arch=arch, annotations=named)


def _index(image: Image, found: Mapping[Arch, bytes]) -> Descriptor | None:
    """The descriptor of an image's index over what archives have, layers by gzip, if the index that
    is signed follows from the same manifests.
    """
    if f"sha256:{files.sha256(image_index(found, image))}" != image.index:
        return None
    named = names(f"{image.name}:{image.tag}", image.reference)
    return descriptor(INDEX, image_index(found), annotations=named)


def _blobs(archive: Path) -> dict[str, tuple[int, int]]:
    """Where each blob of an archive is: its first byte, and how many."""
    found = {}
    with tarfile.open(archive, "r:") as tar:
        for member in tar:
            if member.isreg() and member.name.startswith("blobs/sha256/"):
                digest = f"sha256:{member.name.rpartition('/')[2]}"
                found[digest] = (member.offset_data, member.size)
    return found


def _pieces(archive: Path, found: Mapping[str, tuple[int, int]], size: int) -> Iterator[Piece]:
    """An archive as its blobs, and what lies between them."""
    end = 0
    with archive.open("rb") as stream:
        for digest, (offset, length) in sorted(found.items(), key=lambda one: one[1]):
            yield _between(stream, end, offset)
            yield Piece(blob=digest)
            end = offset + length
        yield _between(stream, end, size)


def _between(stream: IO[bytes], start: int, end: int) -> Piece:
    stream.seek(start)
    return Piece(data=b64encode(stream.read(end - start)).decode())
