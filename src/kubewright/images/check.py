"""Re-checks a layout as a stranger would: digests, sizes, that nothing is missing, and what the
layers unpack to.
"""

import gzip
import hashlib
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Protocol, TypeVar

import zstandard
from pydantic import ValidationError

from kubewright.files import CHUNK
from kubewright.images.docker_archive import blob_path, docker_manifest
from kubewright.images.layout_reader import LayoutReader, open_layout
from kubewright.images.oci import (
    CONFIG,
    INDEX,
    LAYERS,
    MANIFEST,
    REFERENCE,
    SHORT_NAME,
    ZSTD,
    Descriptor,
    Document,
    ImageConfig,
    ImageIndex,
    ImageManifest,
    LayoutVersion,
)

D = TypeVar("D", bound=Document)

REMEDY = "build or download it again"


class Readable(Protocol):
    """What digests need of a stream."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""


def check_layout(layout: Path) -> Iterator[str]:
    """Yield what is wrong with a layout (its directory) or an archive of one; nothing means that
    all is well.

    A finding is one line: `LAYOUT: FILE: what is wrong; what to do`.
    """
    if not layout.exists():
        yield f"{layout}: there is no such layout; {REMEDY}"
        return
    findings: list[str] = []
    try:
        with open_layout(layout) as reader:
            _Check(reader, findings).run()
    except (tarfile.TarError, EOFError) as error:
        findings.append(f"not a readable archive ({error})")
    for finding in findings:
        yield f"{layout}: {finding}; {REMEDY}"


class _Check:
    """One walk over a layout, which notes what is wrong in `findings`."""

    def __init__(self, reader: LayoutReader, findings: list[str]) -> None:
        self.reader = reader
        self.findings = findings
        self.sizes: dict[str, int] = {}  # of the blobs that are what their names say
        self.seen: set[str] = set()
        self.unpacked: dict[str, str] = {}

    def run(self) -> None:
        """Look at everything."""
        self._top("oci-layout", LayoutVersion)
        self._blobs()
        index = self._top("index.json", ImageIndex)
        if index is not None:
            self._typed("index.json", index.media_type, INDEX)
            self._names(index)
            self._index("index.json", index)
            self._docker(index)

    def _top(self, name: str, model: type[D]) -> D | None:
        """Read a document that no digest protects: so it has to be written as we write it, to the
        byte.
        """
        document = self._document(name, model)
        if document is not None and self._read(name) != document.to_bytes():
            self.findings.append(f"{name}: not as it was written")
        return document

    def _names(self, index: ImageIndex) -> None:
        for entry in index.manifests:
            known = entry.annotations or {}
            if (
                not known.get(SHORT_NAME)
                or known[SHORT_NAME] != known.get(REFERENCE, "").rpartition("/")[2]
            ):
                self.findings.append(
                    f"index.json: the names of {entry.digest} are missing or disagree"
                )

    def _typed(self, place: str, found: str, wanted: str) -> None:
        if found != wanted:
            self.findings.append(f"{place}: is of the type {found} instead of {wanted}")

    def _blobs(self) -> None:
        for name in sorted(self.reader.names):
            if name.startswith("blobs/"):
                with self.reader.open(name) as stream:
                    digest, size = _measure(stream)
                if name == blob_path(digest):
                    self.sizes[name] = size
                else:
                    self.findings.append(f"{name}: its digest is {digest}")

    def _index(self, place: str, index: ImageIndex) -> None:
        for entry in index.manifests:
            if not self._refers(place, entry) or entry.digest in self.seen:
                continue
            self.seen.add(entry.digest)
            name = blob_path(entry.digest)
            if entry.media_type == INDEX:
                nested = self._document(name, ImageIndex)
                if nested is not None:
                    self._typed(name, nested.media_type, INDEX)
                    self._order(name, nested)
                    self._index(name, nested)
            elif entry.media_type == MANIFEST:
                if entry.platform is None:
                    self.findings.append(
                        f"{place}: does not say which machines {entry.digest} is for"
                    )
                self._manifest(name, entry)
            else:
                self.findings.append(
                    f"{place}: {entry.digest} is of the unknown type {entry.media_type}"
                )

    def _order(self, name: str, index: ImageIndex) -> None:
        """Most readers take the first manifest for their platform, and not all unpack zstd."""
        forms: dict[str, list[bool]] = {}
        for entry in index.manifests:
            by_zstd = self._by_zstd(entry)
            if entry.platform is None or by_zstd is None:
                continue  # which is said elsewhere
            before = forms.setdefault(entry.platform.model_dump_json(), [])
            if by_zstd != _marked(entry) and (before or _marked(entry)):
                said = "is not said to be" if by_zstd else "is said to be"
                self.findings.append(f"{name}: {entry.digest} {said} by zstd, and is otherwise")
            if before and before[0] and not by_zstd:
                self.findings.append(
                    f"{name}: {entry.digest} is by gzip, but stands behind one by zstd"
                )
            before.append(by_zstd)

    def _by_zstd(self, entry: Descriptor) -> bool | None:
        """Whether layers of a manifest are by zstd; None where it cannot be read."""
        try:
            manifest = ImageManifest.from_bytes(self._read(blob_path(entry.digest)))
        except (KeyError, ValidationError):
            return None
        return any(layer.media_type == LAYERS["zstd"] for layer in manifest.layers)

    def _manifest(self, name: str, entry: Descriptor) -> None:
        manifest = self._document(name, ImageManifest)
        if manifest is None:
            return
        self._typed(name, manifest.media_type, MANIFEST)
        self._typed(f"the config of {name}", manifest.config.media_type, CONFIG)
        complete = True
        for part in (manifest.config, *manifest.layers):
            complete = self._refers(name, part) and complete
        if complete:
            config = self._document(blob_path(manifest.config.digest), ImageConfig)
            if config is not None:
                self._image(name, entry, manifest, config)

    def _image(
        self, name: str, entry: Descriptor, manifest: ImageManifest, config: ImageConfig
    ) -> None:
        if entry.platform and (entry.platform.os, entry.platform.architecture) != (
            config.os,
            config.architecture,
        ):
            self.findings.append(
                f"{name}: listed for {entry.platform.architecture}, "
                f"but made for {config.os}/{config.architecture}"
            )
        if len(manifest.layers) != len(config.rootfs.diff_ids):
            self.findings.append(
                f"{name}: {len(manifest.layers)} layers, "
                f"but its config has {len(config.rootfs.diff_ids)} diff_ids"
            )
            return
        for layer, promised in zip(manifest.layers, config.rootfs.diff_ids, strict=True):
            unpacked = self._diff_id(layer)
            if unpacked != promised:
                self.findings.append(
                    f"{blob_path(layer.digest)}: unpacks to {unpacked}, "
                    f"but the config of {name} says {promised}"
                )

    def _diff_id(self, layer: Descriptor) -> str:
        if layer.digest not in self.unpacked:
            with self.reader.open(blob_path(layer.digest)) as stream:
                try:
                    unpacked = _decompressed(stream, layer.media_type)
                    self.unpacked[layer.digest], _ = _measure(unpacked)
                except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
                    self.unpacked[layer.digest] = f"nothing ({error})"
        return self.unpacked[layer.digest]

    def _docker(self, index: ImageIndex) -> None:
        """In an archive, manifest.json must say what index.json says: Docker reads the one,
        containerd the other.
        """
        if "manifest.json" not in self.reader.names:
            return
        try:
            manifests = [
                (entry, ImageManifest.from_bytes(self._read(blob_path(entry.digest))))
                for entry in index.manifests
            ]
            agrees = self._read("manifest.json") == docker_manifest(manifests)
        except (KeyError, ValidationError):
            agrees = False
        if not agrees:
            self.findings.append("manifest.json: does not say what index.json says")

    def _refers(self, place: str, entry: Descriptor) -> bool:
        """Whether a descriptor's blob is here, sound and as long as it says."""
        name = blob_path(entry.digest)
        if name not in self.reader.names:
            self.findings.append(f"{name}: missing, but {place} refers to it")
        elif self.sizes.get(name, entry.size) != entry.size:
            self.findings.append(f"{name}: {self.sizes[name]} bytes, but {place} says {entry.size}")
        return self.sizes.get(name) == entry.size

    def _document(self, name: str, model: type[D]) -> D | None:
        try:
            return model.from_bytes(self._read(name))
        except KeyError:
            self.findings.append(f"{name}: missing")
        except ValidationError as error:
            key = ".".join(map(str, error.errors()[0]["loc"])) or "the document"
            self.findings.append(f"{name}: {key}: is not what an OCI layout has there")
        return None

    def _read(self, name: str) -> bytes:
        if name not in self.reader.names:
            raise KeyError(name)
        with self.reader.open(name) as stream:
            return stream.read()


def _marked(entry: Descriptor) -> bool:
    """Whether a manifest is listed as one with layers by zstd."""
    return (entry.annotations or {}).items() >= ZSTD.items()


def _measure(stream: Readable) -> tuple[str, int]:
    """The digest and the length of what is left in a stream."""
    digest, size = hashlib.sha256(), 0
    while data := stream.read(CHUNK):
        digest.update(data)
        size += len(data)
    return f"sha256:{digest.hexdigest()}", size


def _decompressed(stream: IO[bytes], media_type: str) -> Readable:
    if media_type == LAYERS["gzip"]:
        return gzip.GzipFile(fileobj=stream)
    if media_type == LAYERS["zstd"]:
        return zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
    return stream
