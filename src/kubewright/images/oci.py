"""The JSON documents of an OCI image (image-spec 1.1): rendered from models, and read back into
them.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal

from pydantic import ConfigDict, Field

from kubewright.files import sha256
from kubewright.models.base import Arch, Model
from kubewright.models.image import Compression, Digest, LayerBlob

INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYERS: Final = MappingProxyType[Compression, str](
    {
        "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
        "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
    }
)

REFERENCE: Final = "io.containerd.image.name"
"""The annotation that gives `ctr images import` the full name."""

ZSTD: Final = MappingProxyType({"io.github.containers.compression.zstd": "true"})
"""The annotation by which CRI-O and Podman find a manifest whose layers are by zstd, and prefer
it. Others take the first manifest for their platform, which is the one by gzip.
"""

SHORT_NAME: Final = "org.opencontainers.image.ref.name"
"""The annotation by which an image is found in a layout: `skopeo inspect oci:DIR:pause:3.10.2`."""


class Document(Model):
    """A document that others may have written too: keys that are not ours are passed over."""

    model_config = ConfigDict(extra="ignore", serialize_by_alias=True, validate_by_name=True)


class LayoutVersion(Document):
    """The file `oci-layout`."""

    version: Literal["1.0.0"] = Field(alias="imageLayoutVersion")


class PlatformName(Document):
    """Which machines a manifest is for."""

    architecture: str
    os: str


class Descriptor(Document):
    """A reference to a blob."""

    media_type: str = Field(alias="mediaType")
    digest: Digest
    size: int = Field(ge=0, description="bytes")
    platform: PlatformName | None = None
    annotations: dict[str, str] | None = None


class ImageIndex(Document):
    """A list of manifests: one image for several architectures, or the contents of a layout."""

    schema_version: Literal[2] = Field(2, alias="schemaVersion")
    media_type: str = Field(INDEX, alias="mediaType")
    manifests: tuple[Descriptor, ...]
    annotations: dict[str, str] | None = None


class ImageManifest(Document):
    """One image for one architecture."""

    schema_version: Literal[2] = Field(2, alias="schemaVersion")
    media_type: str = Field(MANIFEST, alias="mediaType")
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: dict[str, str] | None = None


class Execution(Document):
    """How a container starts."""

    user: str = Field("", alias="User")
    environment: tuple[str, ...] = Field((), alias="Env")
    entrypoint: tuple[str, ...] = Field((), alias="Entrypoint")
    directory: str = Field("/", alias="WorkingDir")
    volumes: dict[str, dict[str, str]] | None = Field(
        None, alias="Volumes", description="a set: values are empty"
    )
    labels: dict[str, str] | None = Field(None, alias="Labels")


class RootFs(Document):
    """The layers, uncompressed."""

    type: Literal["layers"] = "layers"
    diff_ids: tuple[Digest, ...]


class HistoryStep(Document):
    """How a layer came to be, for `docker history`."""

    created: str
    created_by: str


class ImageConfig(Document):
    """The configuration of one image for one architecture; its digest is Docker's image ID."""

    architecture: str
    os: str
    created: str | None = None
    config: Execution
    rootfs: RootFs
    history: tuple[HistoryStep, ...] = ()


def descriptor(
    media_type: str,
    data: bytes,
    *,
    arch: Arch | None = None,
    annotations: Mapping[str, str] | None = None,
) -> Descriptor:
    """Describe a document, as linux/`arch` if one is given."""
    return Descriptor(
        media_type=media_type,
        digest=f"sha256:{sha256(data)}",
        size=len(data),
        platform=PlatformName(architecture=arch.value, os="linux") if arch else None,
        annotations=dict(annotations) if annotations else None,
    )


def relayered(manifest: ImageManifest, layers: Iterable[LayerBlob]) -> bytes:
    """A manifest over other layers."""
    parts = [
        Descriptor(media_type=layer.media_type, digest=layer.digest, size=layer.size)
        for layer in layers
    ]
    return manifest.model_copy(update={"layers": tuple(parts)}).to_bytes()


def names(short: str, reference: str) -> dict[str, str]:
    """The annotations that name an image in a layout's index.json."""
    return {SHORT_NAME: short, REFERENCE: reference}


def index_json(manifests: Sequence[Descriptor]) -> bytes:
    """A layout's index.json, ordered by name."""
    ordered = sorted(manifests, key=lambda entry: (entry.annotations or {}).get(SHORT_NAME, ""))
    return ImageIndex(manifests=tuple(ordered)).to_bytes()
