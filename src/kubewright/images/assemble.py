"""Renders one image's configuration, manifests and index from its definition and its finished
layers.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from kubewright.images.layer import Layer
from kubewright.images.oci import (
    CONFIG,
    INDEX,
    MANIFEST,
    ZSTD,
    Descriptor,
    Execution,
    HistoryStep,
    ImageConfig,
    ImageIndex,
    ImageManifest,
    RootFs,
    descriptor,
    names,
    relayered,
)
from kubewright.models.base import Arch, Flavour
from kubewright.models.image import Beside, Image, ImageDefinition, LayerBlob, NamedImage, Platform
from kubewright.moments import rfc3339

PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""kubeadm's pods name their programs without a directory."""


@dataclass(frozen=True)
class Assembled:
    """An image, the documents that are its blobs, and its entry in the layout's index.json."""

    image: Image
    documents: tuple[bytes, ...]
    entry: Descriptor


def assemble(
    definition: ImageDefinition,
    name: str,
    tag: str,
    reference: str,
    layers: Mapping[Arch, Sequence[Layer]],
    epoch: int,
    zstd: Mapping[Arch, Sequence[Layer]] = MappingProxyType({}),
) -> Assembled:
    """Render the image called `name` for each architecture with layers, the lowest first; after
    them those of the same layers by `zstd`.
    """
    image = definition.images[name]
    about = annotations(name, tag, image, definition.flavour, epoch)
    platforms: list[Platform] = []
    documents: list[bytes] = []
    manifests: tuple[list[Descriptor], list[Descriptor]] = [], []
    for arch in sorted(layers):
        configuration = config(image, arch, layers[arch], about, epoch)
        bare = ImageManifest(config=descriptor(CONFIG, configuration), layers=(), annotations=about)
        manifest = relayered(bare, _blobs(layers[arch]))
        manifests[0].append(descriptor(MANIFEST, manifest, arch=arch))
        documents += [configuration, manifest]
        platform = _platform(arch, manifest, configuration, layers[arch])
        if arch in zstd:
            other = relayered(bare, _blobs(zstd[arch]))
            manifests[1].append(descriptor(MANIFEST, other, arch=arch, annotations=ZSTD))
            documents.append(other)
            platform = platform.model_copy(update={"zstd": _beside(other, zstd[arch])})
        platforms.append(platform)
    index = ImageIndex(manifests=(*manifests[0], *manifests[1]), annotations=about).to_bytes()
    entry = descriptor(INDEX, index, annotations=names(f"{name}:{tag}", reference))
    made = Image(
        name=name, tag=tag, reference=reference, flavour=definition.flavour, index=entry.digest,
        platforms=tuple(platforms), components=image.components, links=links(definition, image),
    )  # fmt: skip
    return Assembled(made, (*documents, index), entry)


def config(
    image: NamedImage, arch: Arch, layers: Sequence[Layer], about: Mapping[str, str], epoch: int
) -> bytes:
    """The configuration: what runs, as whom, and what the layers are when unpacked."""
    return ImageConfig(
        architecture=arch.value,
        os="linux",
        created=rfc3339(epoch),
        config=Execution(
            user=image.user,
            environment=(PATH,),
            entrypoint=image.entrypoint,
            volumes={path: {} for path in image.volumes} or None,
            labels=dict(about),
        ),
        rootfs=RootFs(diff_ids=tuple(layer.diff_id for layer in layers)),
        history=tuple(
            HistoryStep(created=rfc3339(epoch), created_by=f"kubewright image: {name}")
            for name in image.layers
        ),
    ).to_bytes()


def annotations(
    name: str, tag: str, image: NamedImage, flavour: Flavour, epoch: int
) -> dict[str, str]:
    """What an image says about itself, as labels and as annotations (image-spec,
    annotations.md).
    """
    return {
        "org.opencontainers.image.created": rfc3339(epoch),
        "org.opencontainers.image.description": image.description,
        "org.opencontainers.image.licenses": image.licenses,
        "org.opencontainers.image.source": image.source,
        "org.opencontainers.image.title": name,
        "org.opencontainers.image.version": tag,
        "kubewright.flavour": flavour,
    }


def links(definition: ImageDefinition, image: NamedImage) -> dict[str, str]:
    """Every link of an image's layers and what it points to."""
    targets: dict[str, str] = {}
    for layer in image.layers:
        targets |= definition.layers[layer].links | definition.layers[layer].hard_links
    return dict(sorted(targets.items()))


def _platform(
    arch: Arch, manifest: bytes, configuration: bytes, layers: Sequence[Layer]
) -> Platform:
    return Platform(
        arch=arch,
        manifest=descriptor(MANIFEST, manifest).digest,
        config=descriptor(CONFIG, configuration).digest,
        diff_ids=tuple(layer.diff_id for layer in layers),
        layers=_blobs(layers),
        compressor=layers[0].compressor,
    )


def _beside(manifest: bytes, layers: Sequence[Layer]) -> Beside:
    return Beside(
        manifest=descriptor(MANIFEST, manifest).digest,
        layers=_blobs(layers),
        compressor=layers[0].compressor,
    )


def _blobs(layers: Iterable[Layer]) -> tuple[LayerBlob, ...]:
    return tuple(
        LayerBlob(digest=layer.digest, size=layer.size, media_type=layer.media_type)
        for layer in layers
    )
