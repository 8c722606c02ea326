"""Pushes the images of a bundle to a registry, and reads them back."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from kubewright import files, images
from kubewright.errors import VerificationFailed
from kubewright.images.docker_archive import blob_path
from kubewright.models.image import Image, ImageRecord, Platform
from kubewright.models.manifest import Manifest
from kubewright.models.site import Index
from kubewright.site import layout
from kubewright.verification.archives import image_index
from kubewright.verification.carried import Carried


def push(bundle: Carried, registry: str) -> images.PushReport:
    """Push every image of a bundle that was verified below the prefix `registry`, by the digests of
    its manifests; what is there already is not sent again.

    Of an image that is not here for all its architectures the tag stands for those that are.
    """
    listed = Index.read(bundle.wherever(layout.INDEX), layout.INDEX)
    urls = {release.name: release.manifest_url for release in listed.releases}
    with tempfile.TemporaryDirectory(prefix="kubewright-bundle-") as folder:
        pushing = _Layout(bundle, Path(folder))
        for one in bundle.part.releases:
            manifest = Manifest.read(bundle.wherever(urls[one.name]), urls[one.name])
            pushing.add(manifest.images, one.architectures)
        record = ImageRecord(images=tuple(pushing.images.values()))
        done = images.push(pushing.root, record, registry)
    images.confirm(record, registry)
    return done


class _Layout:
    """The blobs of images as files."""

    def __init__(self, bundle: Carried, root: Path) -> None:
        self._bundle, self.root = bundle, root
        self.images: dict[str, Image] = {}

    def add(self, found: Sequence[Image], architectures: Sequence[str]) -> None:
        """Take what is here of a release's images."""
        for image in found:
            here = tuple(
                one.model_copy(update={"zstd": None})
                for one in image.platforms
                if one.arch in architectures
            )
            if here:
                index = self._index(image, here)
                known = image.model_copy(update={"platforms": here, "index": index})
                self.images[f"{image.name}:{image.tag}@{index}"] = known

    def _index(self, image: Image, here: Sequence[Platform]) -> str:
        """The digest of the index over what is here, once all of that is written."""
        documents = {}
        for platform in here:
            for digest in (platform.config, *(layer.digest for layer in platform.layers)):
                self._write(digest)
            documents[platform.arch] = self._write(platform.manifest).read_bytes()
        if len(here) == len(image.platforms):
            signed = f"sha256:{files.sha256(image_index(documents, image))}"
            if signed != image.index:
                problem = f"its manifests make {signed}, not {image.index}"
                raise VerificationFailed(image.reference, problem, "get the bundle again")
        data = image_index(documents)  # over layers by gzip: a bundle has no others
        digest = f"sha256:{files.sha256(data)}"
        files.write(self.root / blob_path(digest), data)
        return digest

    def _write(self, digest: str) -> Path:
        path = self.root / blob_path(digest)
        if not path.exists():
            with self._bundle.blob(digest) as blob, files.replacing(path) as stream:
                left = self._bundle.size_of(digest)
                while left and (data := blob.read(min(left, files.CHUNK))):
                    stream.write(data)
                    left -= len(data)
        return path
