"""Builds the images of a release: an OCI layout of all of them, and an archive for each
architecture.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from kubewright import checked
from kubewright.archives import Entry
from kubewright.images.assemble import assemble
from kubewright.images.builds import (
    Notes,
    archive_build,
    image_build,
    image_tag,
    keep_layer,
    kept_archive,
    kept_layer,
    layer_build,
    layer_epoch,
    layer_product,
    newest,
    platform_product,
    versioned,
)
from kubewright.images.docker_archive import write_archive
from kubewright.images.layer import Layer, write_layer
from kubewright.images.layer_entries import ImageInputs, LayerSources, entries
from kubewright.images.layout_writer import Layout, replacing_directory
from kubewright.images.oci import index_json
from kubewright.images.registry import prefix
from kubewright.inputs import FindInput, Missing
from kubewright.models.artifact import Skipped
from kubewright.models.base import Arch
from kubewright.models.build import Build
from kubewright.models.image import Image, ImageArchive, ImageDefinition, ImageRecord, NamedImage
from kubewright.models.lock import Release

Key = tuple[str, Arch]
"""A layer for an architecture."""


@dataclass(frozen=True)
class Plan:
    """What can be made: a tag and the architectures of each image, the entries of each layer, and
    the rest.
    """

    images: dict[str, tuple[str, list[Arch]]]
    layers: dict[Key, list[Entry] | Layer]
    """Of each layer the entries, or the layer itself where an earlier build has it."""
    skipped: list[Skipped]


@dataclass(frozen=True)
class Earlier:
    """What an earlier build left: its layout, and notes of what it was built from."""

    layout: Path
    notes: Notes


def build(
    definition: ImageDefinition, release: Release, inputs: ImageInputs | FindInput,
    *, registry: str, dest: Path, archives: Path, content: Path, notes: Path | None = None,
) -> ImageRecord:  # fmt: skip
    """Make the layout `dest` and one archive for each architecture in `archives`.

    `registry` is the prefix of every reference, `content` the folder images/; a function that
    finds inputs will do for them. Layers and images have the dates of the components in them and no
    other time, so releases with the same etcd or CoreDNS have the same image of it. `dest` is
    replaced whole, or left as it was when anything fails. What each layer, image and archive was
    built from is noted in the folder `notes`; what would be built from the same again is kept.
    """
    where = prefix(registry)
    inputs = inputs if isinstance(inputs, ImageInputs) else ImageInputs(inputs)
    definition = definition.chosen(
        {component.name: component.version for component in release.components}, inputs.carried
    )
    earlier = Earlier(dest, Notes(notes))
    with (
        replacing_directory(dest) as root,
        TemporaryDirectory(prefix="kubewright-image-") as scratch,
    ):
        sources = LayerSources(inputs, content, Path(scratch, "gzip"))
        plan = make_plan(definition, release, sources, earlier)
        layout = Layout(root)
        layers = _write_layers(layout, definition, plan, release, earlier.layout)
        again = replace(sources, scratch=Path(scratch, "zstd"))
        beside = _write_beside(layout, definition, release, again, earlier)
        images = _write_images(layout, definition, plan, release, (layers, beside), where.name)
    _note(earlier.notes, definition, release, sources, layers, images)
    record = ImageRecord(
        images=images,
        archives=_archives(definition, release, images, dest, archives, earlier.notes),
        skipped=tuple(plan.skipped),
    )
    earlier.notes.tidy()
    return record


def make_plan(
    definition: ImageDefinition, release: Release, sources: LayerSources, earlier: Earlier
) -> Plan:
    """Find every input, and with it the images that cannot be made and why."""
    sources = replace(sources, inputs=replace(sources.inputs, find=cache(sources.inputs.find)))

    @cache
    def look(name: str, arch: Arch) -> list[Entry] | Layer | str:
        build = _layer_build((name, arch), definition, release, sources)
        kept = kept_layer(earlier.notes, build, earlier.layout)
        if kept is not None:
            return kept
        try:
            return entries(definition.layers[name], arch, release, sources)
        except Missing as gap:
            return str(gap)

    plan = Plan({}, {}, [])
    for name, image in definition.images.items():
        tag = image_tag(name, image.tag, release)
        for arch in release.architectures:
            layers, reasons = _layers(image, arch, definition, look, buildable=tag is not None)
            if tag is None:
                reasons = [f"the release has no version for its tag {image.tag!r}", *reasons]
            if tag is None or reasons:
                plan.skipped.append(Skipped(name=name, arch=arch, reason="; ".join(reasons)))
            else:
                plan.images.setdefault(name, (tag, []))[1].append(arch)
                plan.layers.update(layers)
    return plan


def _layers(
    image: NamedImage,
    arch: Arch,
    definition: ImageDefinition,
    look: Callable[[str, Arch], list[Entry] | Layer | str],
    *,
    buildable: bool,
) -> tuple[dict[Key, list[Entry] | Layer], list[str]]:
    """The layers of an image, and why it cannot be made.

    Packages are looked at last, and only where they would be used: they have to be fetched.
    """
    layers: dict[Key, list[Entry] | Layer] = {}
    reasons: list[str] = []
    fetched_last = sorted(
        image.layers, key=lambda layer: definition.layers[layer].packages is not None
    )
    for layer in fetched_last:
        if definition.layers[layer].packages and (reasons or not buildable):
            continue
        content = look(layer, arch)
        if isinstance(content, str):
            reasons.append(content)
        else:
            layers[layer, arch] = content
    return layers, reasons


def _layer_build(
    key: Key, definition: ImageDefinition, release: Release, sources: LayerSources
) -> Build | None:
    epoch = layer_epoch(key[0], definition, release)
    pins = sources.inputs.pins
    return layer_build(*key, definition, release, epoch, sources.content, pins)


def _write_layers(
    layout: Layout, definition: ImageDefinition, plan: Plan, release: Release, earlier: Path
) -> dict[Key, Layer]:
    def write(key: Key) -> Layer:
        content = plan.layers[key]
        if isinstance(content, Layer):
            keep_layer(content, earlier, layout.root)
            return content
        entries = content
        epoch = layer_epoch(key[0], definition, release)

        def into(out: IO[bytes]) -> Layer:
            return write_layer(entries, out, epoch=epoch, compression=definition.compression)

        return layout.add_layer("-".join(key), into)

    with ThreadPoolExecutor() as pool:  # zlib, zstd and hashlib work outside Python's lock
        return dict(zip(plan.layers, pool.map(write, plan.layers), strict=True))


def _write_beside(
    layout: Layout, definition: ImageDefinition, release: Release, sources: LayerSources,
    earlier: Earlier,
) -> dict[Key, Layer]:  # fmt: skip
    """Write the same layers by zstd, where the definition asks for them, and note them."""
    if not definition.zstd:
        return {}
    other = definition.model_copy(update={"compression": "zstd"})
    plan = make_plan(other, release, sources, earlier)
    layers = _write_layers(layout, other, plan, release, earlier.layout)
    _note(earlier.notes, other, release, sources, layers, ())
    return layers


def _write_images(
    layout: Layout,
    definition: ImageDefinition,
    plan: Plan,
    release: Release,
    layers: tuple[Mapping[Key, Layer], Mapping[Key, Layer]],
    registry: str,
) -> tuple[Image, ...]:
    """Write every image over its layers, by gzip and by zstd, and finish the layout."""
    made = []
    for name, (tag, arches) in sorted(plan.images.items()):
        image = definition.images[name]
        over: list[dict[Arch, list[Layer]]] = [{}, {}]
        for arch in arches:
            for form, stack in zip(layers, over, strict=True):
                if form:
                    stack[arch] = [form[layer, arch] for layer in image.layers]
        epoch = newest(versioned(image.tag), release)
        reference = f"{registry}/{name}:{tag}"
        assembled = assemble(definition, name, tag, reference, over[0], epoch, over[1])
        for document in assembled.documents:
            layout.add(document)
        made.append(assembled)
    layout.finish(index_json([assembled.entry for assembled in made]))
    return tuple(assembled.image for assembled in made)


def _note(
    notes: Notes,
    definition: ImageDefinition,
    release: Release,
    sources: LayerSources,
    layers: Mapping[Key, Layer],
    images: Iterable[Image],
) -> None:
    """Note what layers and images were built from."""
    for key, layer in layers.items():
        built_from = _layer_build(key, definition, release, sources)
        if built_from is not None:
            notes.write(built_from, layer_product(layer))
    for image in images:
        named = definition.images[image.name]
        recipe = named.model_dump(mode="json")
        for platform in image.platforms:
            built_from = image_build(image, platform, named.layers, recipe)
            notes.write(built_from, platform_product(image, platform))


def _archives(
    definition: ImageDefinition,
    release: Release,
    images: Sequence[Image],
    layout: Path,
    folder: Path,
    notes: Notes,
) -> tuple[ImageArchive, ...]:
    """One archive for each architecture; what is there of the same images stays."""
    made = []
    architectures: set[Arch] = set()
    for image in images:
        architectures |= {platform.arch for platform in image.platforms}
    for arch in sorted(architectures):
        target = folder / f"{definition.name}-{release.tag}-linux-{arch}.tar"
        built_from = archive_build(definition.name, arch, images, release.source_date_epoch)
        archive = kept_archive(notes, built_from, target)
        if archive is None:
            write_archive(layout, arch, target, epoch=release.source_date_epoch)
            archive = ImageArchive(
                name=target.name,
                arch=arch,
                size=target.stat().st_size,
                sha256=checked.sha256_of(target),
            )
        notes.write(built_from, archive)
        made.append(archive)
    return tuple(made)
