"""Container images: what `images/hyperkube/image.toml` defines, and what a build made of it."""

import posixpath
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from kubewright.inputs import InputName
from kubewright.models.artifact import Skipped
from kubewright.models.base import Arch, Flavour, MirrorPath, Model, Sha256

Digest = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
"""A digest as registries write it."""


def _absolute(path: str) -> str:
    if posixpath.normpath(path) != path or not re.fullmatch(r"(/[\w.+-]+)+", path):
        raise ValueError(f"{path!r} is not a plain absolute path")
    return path


ImagePath = Annotated[str, AfterValidator(_absolute)]
"""An absolute path inside an image."""

Mode = Annotated[str, StringConstraints(pattern=r"^[0-7]{4}$")]
"""Permission bits in octal, as a string: `0755`."""

Compression = Literal["gzip", "zstd"]


def _twice(names: Iterable[str]) -> str:
    """The names that come more than once, for a message."""
    return ", ".join(name for name, times in Counter(names).items() if times > 1)


class LayerFile(Model):
    """One file of a layer.

    `source` is `input:COMPONENT/NAME` (a fetched file), `input:COMPONENT/NAME!MEMBER` (a member of
    a fetched archive; {version}, {arch} and {uname} are filled in) or `file:PATH` (below images/).
    """

    target: ImagePath
    source: str = Field(pattern=r"^(input:[^/!]+/[^/!]+(![^!]+)?|file:.+)$")
    mode: Mode = "0755"
    capability: Literal["cap_net_bind_service"] | None = None
    dynamic: bool = Field(
        False, description="may need a loader and a C library, which the image does not have"
    )

    @property
    def input(self) -> InputName | None:
        """The input that the file comes from, or None for a file of ours."""
        return InputName.of(self.source)


class LayerDefinition(Model):
    """What one layer holds. It is the same bytes in every image that uses it."""

    files: tuple[LayerFile, ...] = ()
    packages: str | None = Field(
        None, description="a list of pinned packages to unpack, below images/"
    )
    directories: dict[ImagePath, Mode] = Field(
        default_factory=dict, description="empty ones; parents are implied"
    )
    links: dict[ImagePath, str] = Field(
        default_factory=dict, description="symbolic links and what they point to"
    )
    hard_links: dict[ImagePath, ImagePath] = Field(
        default_factory=dict, description="second names of its files"
    )

    @property
    def targets(self) -> Iterator[str]:
        """Every path that the definition names."""
        yield from (file.target for file in self.files)
        yield from (*self.directories, *self.links, *self.hard_links)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if twice := _twice(self.targets):
            raise ValueError(f"listed twice: {twice}; name each path once")
        for link, target in self.hard_links.items():
            if target not in {file.target for file in self.files}:
                raise ValueError(
                    f"hard link {link}: {target} is not a file of this layer; name one that is"
                )
        return self


class Instead(Model):
    """Other layers for an image, where the shared program carries another version of a component
    than the release.
    """

    component: str
    layers: tuple[str, ...] = Field(min_length=1, description="lowest first")


class NamedImage(Model):
    """One image: a configuration of its own over shared layers."""

    description: str
    tag: str = Field(
        description="with {kubernetes} or another component's version, e.g. `{etcd}-0`"
    )
    layers: tuple[str, ...] = Field(min_length=1, description="lowest first")
    instead: Instead | None = None
    entrypoint: tuple[str, ...] = Field(min_length=1)
    user: str = Field(
        "0:0",
        pattern=r"^[0-9]+:[0-9]+$",
        description="numeric, so that runAsNonRoot can be checked",
    )
    volumes: tuple[ImagePath, ...] = Field(
        (), description="where the engine mounts a volume even if nobody asks for it"
    )
    components: tuple[str, ...] = Field(min_length=1, description="the programs it offers")
    licenses: str = Field("Apache-2.0", description="SPDX expression")
    source: str = Field(description="where the source code is")


class ImageDefinition(Model):
    """The whole of `image.toml`."""

    name: str = Field(description="of the archive that holds all the images")
    flavour: Flavour
    compression: Compression = Field(
        "gzip", description="Docker 20.10 loads archives with gzip only"
    )
    zstd: bool = Field(
        False,
        description="registries get layers by zstd beside those by gzip, for who prefers them",
    )
    layers: dict[str, LayerDefinition]
    images: dict[str, NamedImage]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.zstd and self.compression != "gzip":
            raise ValueError("zstd: is for layers beside those by gzip")
        for name, image in self.images.items():
            self._check_layers(name, image, image.layers)
            if image.instead:
                self._check_layers(name, image, image.instead.layers)
        return self

    def _check_layers(self, name: str, image: NamedImage, layers: tuple[str, ...]) -> None:
        for layer in layers:
            if layer not in self.layers:
                raise ValueError(
                    f"image {name}: no layer {layer!r}; there are: {', '.join(self.layers)}"
                )
        targets: list[str] = []
        for layer in layers:
            targets += self.layers[layer].targets
        if twice := _twice(targets):
            raise ValueError(f"image {name}: in two of its layers: {twice}")
        if image.entrypoint[0] not in targets:
            raise ValueError(f"image {name}: its layers have no {image.entrypoint[0]}")

    def chosen(self, release: Mapping[str, str], carried: Mapping[str, str]) -> Self:
        """This definition with the layers of each image settled.

        Both are versions by component: those of the release, and those inside the shared program.
        """
        images = {
            name: image.model_copy(update={"layers": image.instead.layers})
            if image.instead
            and carried.get(image.instead.component) != release.get(image.instead.component)
            else image
            for name, image in self.images.items()
        }
        return self.model_copy(update={"images": images})


class Pin(Model):
    """One Debian package, by the bytes of its file."""

    package: str
    version: str = Field(description="Debian's, with its epoch")
    arch: Arch | Literal["all"]
    size: int
    sha256: Sha256
    path: MirrorPath = Field(description="below the root of any Debian mirror that still has it")


class PinnedPackages(Model):
    """The whole of `node-packages.toml`: packages that together need no other."""

    wanted: tuple[str, ...] = Field(
        description="what the layer is for; the rest is what these depend on"
    )
    left_out: tuple[str, ...] = Field((), description="dependencies that only installing needs")
    without: tuple[str, ...] = Field((), description="patterns of files that are not unpacked")
    packages: tuple[Pin, ...] = ()

    @property
    def architectures(self) -> tuple[Arch, ...]:
        """Those that packages are pinned for."""
        pinned = {pin.arch for pin in self.packages}
        return tuple(arch for arch in Arch if arch in pinned)

    def of(self, arch: Arch) -> tuple[Pin, ...]:
        """The packages for one architecture."""
        return tuple(pin for pin in self.packages if pin.arch in (arch, "all"))


class LayerBlob(Model):
    """A layer as a manifest lists it."""

    digest: Digest = Field(description="of the packed layer, with sha256: before it")
    size: int = Field(description="in bytes, packed")
    media_type: str = Field(description="how it is packed")


class Beside(Model):
    """The same image with layers by another compressor, in the image's index only."""

    manifest: Digest = Field(description="digest of its manifest")
    layers: tuple[LayerBlob, ...] = Field(description="as they are compressed there")
    compressor: str = Field(description="library, version and level")


class Platform(Model):
    """One image for one architecture."""

    os: Literal["linux"] = Field("linux", description="the operating system")
    arch: Arch = Field(description="as Go says it")
    manifest: Digest = Field(description="digest of its manifest")
    config: Digest = Field(description="what Docker calls the image's ID")
    diff_ids: tuple[Digest, ...] = Field(
        description="of the uncompressed layers: the same for every compressor"
    )
    layers: tuple[LayerBlob, ...] = Field(description="from the lowest up")
    compressor: str = Field(
        description="library, version and level; another one gives other layer digests"
    )
    zstd: Beside | None = Field(
        None, description="the same with layers by zstd, further down in the index"
    )


class Image(Model):
    """One image under one name, for all its architectures."""

    name: str = Field(description="without registry and tag")
    tag: str = Field(description="which kubeadm asks for")
    reference: str = Field(description="what to pull: PREFIX/NAME:TAG")
    flavour: Flavour = Field(
        description="dispatcher: separate programs behind a script; monolith: one program"
    )
    index: Digest = Field(description="digest of the index over all platforms")
    platforms: tuple[Platform, ...] = Field(description="one for each architecture")
    components: tuple[str, ...] = Field(description="whose programs are in it")
    links: dict[str, str] = Field(description="links in the image and what they point to")

    @property
    def repository(self) -> str:
        """What `reference` names without its tag."""
        return self.reference.rpartition(":")[0]

    @property
    def digests(self) -> tuple[Digest, ...]:
        """What is signed of it: who pulls for one architecture checks the manifest, who pulls all
        the index.
        """
        beside = (platform.zstd.manifest for platform in self.platforms if platform.zstd)
        return (self.index, *(platform.manifest for platform in self.platforms), *beside)


class ImageArchive(Model):
    """A file that loads every image of one architecture into an engine."""

    name: str
    arch: Arch
    size: int
    sha256: Sha256


class ImageRecord(Model):
    """What a build made, and what it could not make."""

    images: tuple[Image, ...]
    archives: tuple[ImageArchive, ...] = ()
    skipped: tuple[Skipped, ...] = ()
