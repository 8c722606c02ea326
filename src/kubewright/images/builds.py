"""What layers, images and archives are built from, and notes of what came of it."""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Formatter

from pydantic import ValidationError

from kubewright import __version__, checked, files
from kubewright.errors import RequestError
from kubewright.images.layer import Layer, compressor
from kubewright.models.base import Arch, Model
from kubewright.models.build import Build, Built, LayerProduct, PlatformProduct, Product
from kubewright.models.image import (
    Image,
    ImageArchive,
    ImageDefinition,
    LayerDefinition,
    PinnedPackages,
    Platform,
)
from kubewright.models.lock import Release
from kubewright.workspace import fingerprint

_TOOLS = {"kubewright": __version__}


@dataclass(frozen=True)
class Notes:
    """The builds of one release's images: `FOLDER/layer/NAME/ARCH.build.json`, …

    Without a folder nothing is known of earlier builds and nothing is noted.
    """

    folder: Path | None = None
    written: set[Path] = field(default_factory=set)

    def find(self, build: Build, kind: type[Product]) -> Product | None:
        """What came of just this build the last time."""
        if self.folder is None:
            return None
        try:
            built = Built[kind].from_bytes(self._path(build).read_bytes())  # type: ignore[valid-type]
        except (FileNotFoundError, ValidationError):
            return None  # never built, or by another version
        return built.product if built.digest == build.digest else None

    def write(self, build: Build, product: Model) -> None:
        """Note what came of a build."""
        if self.folder is not None:
            built = Built[Model](digest=build.digest, build=build, product=product)
            path = self._path(build)
            document = built.model_dump(mode="json", by_alias=True, serialize_as_any=True)
            files.write(path, files.canonical_json(document))
            self.written.add(path)

    def tidy(self) -> None:
        """Remove the notes of what is not built any more."""
        if self.folder is not None:
            for path in self.folder.rglob("*.build.json"):
                if path not in self.written:
                    path.unlink()

    def _path(self, build: Build) -> Path:
        assert self.folder is not None  # noqa: S101 - both callers have asked
        return self.folder / f"{build.id}.build.json"


def layer_build(
    name: str,
    arch: Arch,
    definition: ImageDefinition,
    release: Release,
    epoch: int,
    content: Path,
    pins: Mapping[str, PinnedPackages],
) -> Build | None:
    """What a layer is built from; None where an input has no digest. `content` is images/."""
    layer = definition.layers[name]
    known = release.named_inputs
    inputs: dict[str, str] = {}
    for file in layer.files:
        if file.input is not None:
            entry = known.get((file.input.component, file.input.name, arch))
            if entry is None or entry.sha256 is None:
                return None
            inputs[entry.id] = entry.sha256
    if layer.packages is not None and layer.packages in pins:
        pinned = pins[layer.packages].of(arch)
        inputs |= {f"{pin.package} {pin.version} {pin.arch}": pin.sha256 for pin in pinned}
    tool, _, version = compressor(definition.compression)[1].partition(" ")
    form = "" if definition.compression == "gzip" else f"-{definition.compression}"
    return Build(
        id=f"layer/{name}/{arch}{form}",
        inputs=inputs,
        recipe=fingerprint(layer.model_dump(mode="json"), _versions(layer, release)),
        content=_content(layer, content),
        tools={tool: version, **_TOOLS},
        variables={"date": str(epoch)},
    )


def versioned(tag: str) -> list[str]:
    """The components whose versions are in a tag: `etcd` of `{etcd}-0`."""
    return [name for _, name, _, _ in Formatter().parse(tag) if name]


def newest(components: Iterable[str], release: Release) -> int:
    """The date of the newest of some components in epoch seconds; 0 of none."""
    return max(map(release.dated, components), default=0)


def image_tag(name: str, template: str, release: Release) -> str | None:
    """The tag of an image, or None when the release lacks the component that the template names."""
    versions = {component.name: component.version for component in release.components}
    try:
        tag = template.format_map({**versions, "kubernetes": release.kubernetes})
    except KeyError:
        return None
    if not re.fullmatch(r"\w[\w.-]{0,127}", tag, re.ASCII):
        raise RequestError(
            f"image.toml: images.{name}.tag",
            f"{tag!r} is not an image tag",
            "use letters, digits, `.`, `_` and `-`",
        )
    return tag


def layer_epoch(name: str, definition: ImageDefinition, release: Release) -> int:
    """The date of a layer in epoch seconds."""
    inputs = (file.input for file in definition.layers[name].files)
    return newest((wanted.component for wanted in inputs if wanted), release)


def image_build(
    image: Image, platform: Platform, layers: Sequence[str], recipe: Mapping[str, object]
) -> Build:
    """What an image is built from for one architecture: `layers` are the names of its layers."""
    blobs = dict(zip(layers, platform.layers, strict=True))
    if platform.zstd:
        beside = zip(layers, platform.zstd.layers, strict=True)
        blobs |= {f"{name}-zstd": blob for name, blob in beside}
    parts = {name: blob.digest.removeprefix("sha256:") for name, blob in blobs.items()}
    return Build(
        id=f"image/{image.name}/{platform.arch}",
        inputs={f"layer/{name}": digest for name, digest in parts.items()},
        recipe=fingerprint(recipe),
        tools=_TOOLS,
        variables={"reference": image.reference},
    )


def archive_build(name: str, arch: Arch, images: Sequence[Image], epoch: int) -> Build:
    """What an archive holds: the manifest of each image for one architecture."""
    manifests = {}
    for image in images:
        for platform in image.platforms:
            if platform.arch == arch:
                manifests[image.reference] = platform.manifest.removeprefix("sha256:")
    return Build(
        id=f"archive/{name}/{arch}",
        inputs=manifests,
        recipe=fingerprint(sorted(manifests)),
        tools=_TOOLS,
        variables={"date": str(epoch)},
    )


def layer_product(layer: Layer) -> LayerProduct:
    """A written layer as its note states it."""
    return LayerProduct(
        digest=layer.digest,
        size=layer.size,
        media_type=layer.media_type,
        diff_id=layer.diff_id,
        compressor=layer.compressor,
    )


def kept_layer(notes: Notes, build: Build | None, layout: Path) -> Layer | None:
    """A layer that the layout has already, whole and built from just this."""
    known = notes.find(build, LayerProduct) if build is not None else None
    if known is None:
        return None
    digest = known.digest.removeprefix("sha256:")
    if not checked.is_sound(layout / "blobs" / "sha256" / digest, digest):
        return None
    return Layer(known.digest, known.size, known.diff_id, known.media_type, known.compressor)


def keep_layer(layer: Layer, earlier: Path, layout: Path) -> None:
    """Give a layout a layer that an earlier one has, without writing it again if that can be."""
    blob = layout / "blobs" / "sha256" / layer.digest.removeprefix("sha256:")
    with files.explained(blob):
        blob.parent.mkdir(parents=True, exist_ok=True)
        source = earlier / blob.relative_to(layout)
        try:
            blob.hardlink_to(source)
        except FileExistsError:  # two layers may be the same bytes
            return
        except OSError:  # a file system without hard links
            with files.replacing(blob) as stream, source.open("rb") as data:
                shutil.copyfileobj(data, stream, files.CHUNK)


def kept_archive(notes: Notes, build: Build, target: Path) -> ImageArchive | None:
    """An archive that is there already, whole and of just these images."""
    known = notes.find(build, ImageArchive)
    return known if known is not None and checked.is_sound(target, known.sha256) else None


def platform_product(image: Image, platform: Platform) -> PlatformProduct:
    """One architecture of an image as its note states it."""
    return PlatformProduct(reference=image.reference, **platform.model_dump())


def _versions(layer: LayerDefinition, release: Release) -> dict[str, str]:
    """The versions that fill the names of archive members."""
    named = {file.input.component for file in layer.files if file.input and file.input.member}
    return {name: release.component(name).version for name in named if release.has(name)}


def _content(layer: LayerDefinition, content: Path) -> dict[str, str]:
    """The files of ours in a layer, and its list of pinned packages, by path from the root."""
    names = [file.source.removeprefix("file:") for file in layer.files if file.input is None]
    names += [layer.packages] if layer.packages else []
    there = {name: (content / name).resolve() for name in sorted(names)}
    return {
        f"images/{name}": checked.sha256_of(path) for name, path in there.items() if path.is_file()
    }
