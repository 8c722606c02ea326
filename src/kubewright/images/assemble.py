"""Renders one image's configuration, manifests and index from its definition and its finished
layers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kubewright.images.layer import Layer
from kubewright.images.oci import (
    CONFIG,
    INDEX,
    MANIFEST,
    Descriptor,
    Execution,
    HistoryStep,
    ImageConfig,
    ImageIndex,
    ImageManifest,
    RootFs,
    descriptor,
    names,
)
from kubewright.models.base import Arch, Flavour
from kubewright.models.image import Image, ImageDefinition, LayerBlob, NamedImage, Platform
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
) -> Assembled:
    """Render the image called `name` for each architecture with layers, the lowest first."""
    image = definition.images[name]
    about = annotations(name, tag, image, definition.flavour, epoch)
    platforms: list[Platform] = []
    documents: list[bytes] = []
    manifests: list[Descriptor] = []
    for arch in sorted(layers):
        configuration = config(image, arch, layers[arch], about, epoch)
        parts = [
            Descriptor(media_type=layer.media_type, digest=layer.digest, size=layer.size)
            for layer in layers[arch]
        ]
        manifest = ImageManifest(
            config=descriptor(CONFIG, configuration), layers=tuple(parts), annotations=about
        ).to_bytes()
        manifests.append(descriptor(MANIFEST, manifest, arch=arch))
        documents += [configuration, manifest]
        platforms.append(_platform(arch, manifest, configuration, layers[arch]))
    index = ImageIndex(manifests=tuple(manifests), annotations=about).to_bytes()
    entry = descriptor(INDEX, index, annotations=names(f"{name}:{tag}", reference))
    made = Image(
        name=name,
        tag=tag,
        reference=reference,
        flavour=definition.flavour,
        index=entry.digest,
        platforms=tuple(platforms),
        components=image.components,
        links=links(definition, image),
    )
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
        layers=tuple(
            LayerBlob(digest=layer.digest, size=layer.size, media_type=layer.media_type)
            for layer in layers
        ),
        compressor=layers[0].compressor,
    )
