"""Writes an OCI image layout: a directory of blobs named by their digests, and an index over
them.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from kubewright import files
from kubewright.images.layer import Layer
from kubewright.images.oci import LayoutVersion

VERSION: Final = LayoutVersion(version="1.0.0").to_bytes()
"""The content of the file `oci-layout`."""


class Layout:
    """A layout that is being written; it is one once `finish` has written its index."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(self, data: bytes) -> None:
        """Store a document."""
        blob = self._blob(files.sha256(data))
        if not blob.exists():
            files.write(blob, data)

    def add_layer(self, name: str, write: Callable[[IO[bytes]], Layer]) -> Layer:
        """Store the layer that `write` makes. Its digest, which is its name, is known only then."""
        incoming = self.root / "incoming" / name
        with files.replacing(incoming) as stream:
            layer = write(stream)
        blob = self._blob(layer.digest.removeprefix("sha256:"))
        with files.explained(blob):
            blob.parent.mkdir(parents=True, exist_ok=True)
            incoming.replace(blob)
        return layer

    def finish(self, index: bytes) -> None:
        """Write what makes the directory a layout; `index` is its index.json."""
        with files.explained(self.root):
            shutil.rmtree(self.root / "incoming", ignore_errors=True)
            (self.root / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
        files.write(self.root / "oci-layout", VERSION)
        files.write(self.root / "index.json", index)

    def _blob(self, digest: str) -> Path:
        return self.root / "blobs" / "sha256" / digest


@contextmanager
def replacing_directory(path: Path) -> Iterator[Path]:
    """Yield a new directory that takes the place of `path` only when the block ends well."""
    with files.explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
        fresh, old = work / "new", work / "old"
        try:
            fresh.mkdir()
            yield fresh
            if path.exists():
                path.replace(old)
            fresh.replace(path)
            files.sync_directory(path.parent)
        finally:
            shutil.rmtree(work, ignore_errors=True)
