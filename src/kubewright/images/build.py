"""Builds the images of a release: an OCI layout of all of them, and an archive for each
architecture.
"""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from string import Formatter
from tempfile import TemporaryDirectory
from typing import IO

from kubewright import files, recipes
from kubewright.archives import Entry
from kubewright.errors import RequestError
from kubewright.images.assemble import assemble
from kubewright.images.docker_archive import write_archive
from kubewright.images.layer import Layer, write_layer
from kubewright.images.layer_entries import ImageInputs, LayerSources, entries
from kubewright.images.layout_writer import Layout, replacing_directory
from kubewright.images.oci import index_json
from kubewright.images.registry import prefix
from kubewright.inputs import FindInput, Missing
from kubewright.models.artifact import Skipped
from kubewright.models.base import Arch
from kubewright.models.image import ImageArchive, ImageDefinition, ImageRecord
from kubewright.models.lock import Release

Key = tuple[str, Arch]
"""A layer for an architecture."""


@dataclass(frozen=True)
class Plan:
    """What can be made: a tag and the architectures of each image, the entries of each layer, and
    the rest.
    """

    images: dict[str, tuple[str, list[Arch]]]
    layers: dict[Key, list[Entry]]
    skipped: list[Skipped]


def load_definition(path: Path) -> ImageDefinition:
    """Read an `image.toml`. Raises RequestError with every mistake in it."""
    return recipes.load(path, ImageDefinition)


def build(
    definition: ImageDefinition, release: Release, inputs: ImageInputs | FindInput,
    *, registry: str, dest: Path, archives: Path, content: Path,
) -> ImageRecord:  # fmt: skip
    """Make the layout `dest` and one archive for each architecture in `archives`.

    `registry` is the prefix of every reference, `content` the folder images/; a function that
    finds inputs will do for them. Layers and images have the dates of the components in them and no
    other time, so releases with the same etcd or CoreDNS have the same image of it. `dest` is
    replaced whole, or left as it was when anything fails.
    """
    where = prefix(registry)
    inputs = inputs if isinstance(inputs, ImageInputs) else ImageInputs(inputs)
    definition = definition.chosen(
        {one.name: one.version for one in release.components}, inputs.carried
    )
    with (
        replacing_directory(dest) as root,
        TemporaryDirectory(prefix="kubewright-image-") as scratch,
    ):
        plan = make_plan(definition, release, LayerSources(inputs, content, Path(scratch)))
        layout = Layout(root)
        layers = _write_layers(layout, definition, plan, release)
        made = []
        for name, (tag, arches) in sorted(plan.images.items()):
            image = definition.images[name]
            over = {arch: [layers[layer, arch] for layer in image.layers] for arch in arches}
            epoch = newest(versioned(image.tag), release)
            made.append(assemble(definition, name, tag, f"{where.name}/{name}:{tag}", over, epoch))
        for document in (document for one in made for document in one.documents):
            layout.add(document)
        layout.finish(index_json([one.entry for one in made]))
    return ImageRecord(
        images=tuple(one.image for one in made),
        archives=tuple(
            _archive(
                dest, archives / f"{definition.name}-{release.tag}-linux-{arch}.tar", arch, release
            )
            for arch in sorted({arch for _, arches in plan.images.values() for arch in arches})
        ),
        skipped=tuple(plan.skipped),
    )


def make_plan(definition: ImageDefinition, release: Release, sources: LayerSources) -> Plan:
    """Find every input, and with it the images that cannot be made and why."""
    sources = replace(sources, inputs=replace(sources.inputs, find=cache(sources.inputs.find)))

    @cache
    def look(name: str, arch: Arch) -> list[Entry] | str:
        try:
            return entries(definition.layers[name], arch, release, sources)
        except Missing as gap:
            return str(gap)

    plan = Plan({}, {}, [])
    for name, image in definition.images.items():
        tag = _tag(name, image.tag, release)
        fetched_last = sorted(
            image.layers, key=lambda layer: definition.layers[layer].packages is not None
        )
        for arch in release.architectures:
            reasons = [] if tag else [f"the release has no version for its tag {image.tag!r}"]
            found: dict[Key, list[Entry]] = {}
            for layer in fetched_last:
                if definition.layers[layer].packages and reasons:
                    continue
                entered = look(layer, arch)
                if isinstance(entered, str):
                    reasons.append(entered)
                else:
                    found[layer, arch] = entered
            if tag is None or reasons:
                plan.skipped.append(Skipped(name=name, arch=arch, reason="; ".join(reasons)))
            else:
                plan.images.setdefault(name, (tag, []))[1].append(arch)
                plan.layers.update(found)
    return plan


def _tag(name: str, template: str, release: Release) -> str | None:
    """The tag of an image, or None when the release lacks the component that the template names."""
    versions = {component.name: component.version for component in release.components}
    try:
        tag = template.format_map({**versions, "kubernetes": release.kubernetes})
    except KeyError:
        return None
    if not re.fullmatch(r"\w[\w.-]{0,127}", tag, re.ASCII):
        raise RequestError(
            f"image.toml: images.{name}.tag: {tag!r} is no image tag; use letters, digits, `.`, `_` and `-`"
        )
    return tag


def versioned(tag: str) -> list[str]:
    """The components whose versions are in a tag: `etcd` of `{etcd}-0`."""
    return [name for _, name, _, _ in Formatter().parse(tag) if name]


def newest(components: Iterable[str], release: Release) -> int:
    """The date of the newest of some components in epoch seconds; 0 of none."""
    return max(map(release.dated, components), default=0)


def _write_layers(
    layout: Layout, definition: ImageDefinition, plan: Plan, release: Release
) -> dict[Key, Layer]:
    def write(key: Key) -> Layer:
        inputs = (file.input for file in definition.layers[key[0]].files)
        epoch = newest((wanted.component for wanted in inputs if wanted), release)

        def into(out: IO[bytes]) -> Layer:
            return write_layer(
                plan.layers[key], out, epoch=epoch, compression=definition.compression
            )

        return layout.add_layer("-".join(key), into)

    with ThreadPoolExecutor() as pool:  # zlib, zstd and hashlib work outside Python's lock
        return dict(zip(plan.layers, pool.map(write, plan.layers), strict=True))


def _archive(layout: Path, target: Path, arch: Arch, release: Release) -> ImageArchive:
    write_archive(layout, arch, target, epoch=release.source_date_epoch)
    return ImageArchive(
        name=target.name, arch=arch, size=target.stat().st_size, sha256=files.sha256_of(target)
    )
