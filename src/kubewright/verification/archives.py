"""Checks archives of images against what the manifest says of the images."""

from collections.abc import Callable, Mapping
from pathlib import Path

from kubewright import files, images
from kubewright.images.docker_archive import blob_path
from kubewright.images.layout_reader import LayoutReader, open_layout
from kubewright.images.oci import (
    MANIFEST,
    REFERENCE,
    ZSTD,
    ImageConfig,
    ImageIndex,
    ImageManifest,
    descriptor,
    relayered,
)
from kubewright.models import manifest as release
from kubewright.models.base import Arch
from kubewright.models.image import Image, Platform
from kubewright.verification.walk import Walk

Found = dict[str, bytes]
"""The manifests in archives, by digest."""


def check(
    walk: Walk,
    place: str,
    manifest: release.Manifest,
    is_sound: Callable[[Walk, release.File], bool],
) -> None:
    """Every archive is a sound layout of just the images for its architecture; the images' indexes
    follow from them. Only those that are sound, byte for byte, are unpacked; each is read once.
    """
    found: Found = {}
    for one in manifest.files:
        if one.kind == "image-archive" and not _is_left_out(walk, one):
            with walk.tally.check(one.url), walk.source.local(one.url, one.size) as path:
                if is_sound(walk, one):
                    found |= _archive(walk, one.url, path, _wanted(manifest, one.arch))
    for image in manifest.images:
        documents = {
            one.arch: found[one.manifest] for one in image.platforms if one.manifest in found
        }
        if len(documents) == len(image.platforms):
            index = f"sha256:{files.sha256(image_index(documents, image))}"
            problem = (
                f"says that {image.reference} is {image.index}, but its archives make it {index}"
            )
            walk.tally.require(place, index == image.index, problem)


def _is_left_out(walk: Walk, one: release.File) -> bool:
    """Whether a file is not asked about, or may be lacking in a part of a site and is."""
    if walk.skips(one.url):
        return True
    return walk.may_lack(one.url) and walk.source.measured(one.url, one.size) is None


def _wanted(manifest: release.Manifest, arch: str) -> dict[str, Platform]:
    """The images for an architecture, by reference."""
    found = {}
    for image in manifest.images:
        for platform in image.platforms:
            if platform.arch == arch:
                found[image.reference] = platform
    return found


def _archive(walk: Walk, place: str, path: Path, wanted: Mapping[str, Platform]) -> Found:
    """The images of one archive, which it says the names of, against those wanted."""
    findings = [finding.removeprefix(f"{path}: ") for finding in images.check_layout(path)]
    for finding in findings:
        walk.tally.fail(place, finding)
    if findings:
        return {}
    with open_layout(path) as store:
        listed = ImageIndex.from_bytes(_read(store, "index.json")).manifests
        entries = {(one.annotations or {}).get(REFERENCE, ""): one for one in listed}
        absent, more = (
            sorted(wanted.keys() - entries.keys()),
            sorted(entries.keys() - wanted.keys()),
        )
        walk.tally.require(place, not absent, f"lacks {', '.join(absent[:3])}")
        walk.tally.require(
            place, not more, f"holds {', '.join(more[:3])}, which the manifest does not have"
        )
        for reference in sorted(wanted.keys() & entries.keys()):
            same = _facts(store, entries[reference].digest) == _promised(wanted[reference])
            walk.tally.require(place, same, f"holds another {reference} than the manifest says")
        return {one.digest: _read(store, blob_path(one.digest)) for one in listed}


def _facts(store: LayoutReader, digest: str) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    """What identifies an image for one architecture: manifest, config, layers packed and
    unpacked.
    """
    manifest = ImageManifest.from_bytes(_read(store, blob_path(digest)))
    config = ImageConfig.from_bytes(_read(store, blob_path(manifest.config.digest)))
    return (
        digest,
        manifest.config.digest,
        tuple(one.digest for one in manifest.layers),
        config.rootfs.diff_ids,
    )


def _promised(platform: Platform) -> tuple[str, str, tuple[str, ...], tuple[str, ...]]:
    layers = tuple(one.digest for one in platform.layers)
    return platform.manifest, platform.config, layers, platform.diff_ids


def image_index(documents: Mapping[Arch, bytes], image: Image | None = None) -> bytes:
    """An image's index, which is on no site, from the manifests that it lists: it bears their
    annotations. With the `image`'s own facts also those by zstd, which are in no archive: they are
    the same over other layers.
    """
    manifests = [descriptor(MANIFEST, data, arch=arch) for arch, data in documents.items()]
    about = ImageManifest.from_bytes(next(iter(documents.values()))).annotations
    for platform in image.platforms if image else ():
        if platform.zstd:
            like = ImageManifest.from_bytes(documents[platform.arch])
            data = relayered(like, platform.zstd.layers)
            manifests.append(descriptor(MANIFEST, data, arch=platform.arch, annotations=ZSTD))
    return ImageIndex(manifests=tuple(manifests), annotations=about).to_bytes()


def _read(store: LayoutReader, name: str) -> bytes:
    with store.open(name) as stream:
        return stream.read()
