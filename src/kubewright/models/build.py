"""What packages, image layers and archives are built from, and what each of them became."""

from typing import Generic, TypeVar

from pydantic import Field

from kubewright import files
from kubewright.models.base import Model, RelativePath, Sha256
from kubewright.models.image import Digest, LayerBlob, Platform

Product = TypeVar("Product", bound=Model)


class Build(Model):
    """Everything that decides the bytes of one thing. The same build gives the same bytes."""

    id: str = Field(description="`deb/kubelet/amd64`, `layer/etcd/arm64`, `image/pause/amd64`, …")
    inputs: dict[str, Sha256] = Field(
        default_factory=dict, description="fetched files, or parts built before, by digest"
    )
    recipe: Sha256 = Field(description="of its recipe or definition")
    content: dict[RelativePath, Sha256] = Field(
        default_factory=dict, description="files of the content folders that it carries or renders"
    )
    tools: dict[str, str] = Field(description="the version of each tool")
    variables: dict[str, str] = Field(
        default_factory=dict, description="whatever else decides it; long values by digest"
    )

    @property
    def digest(self) -> str:
        """Its SHA-256 in lowercase hexadecimal: what tells two builds apart."""
        return files.sha256(self.to_bytes())


class Built(Model, Generic[Product]):
    """A build and what it became: `NAME.build.json` beside the product."""

    digest: Sha256 = Field(description="of the build")
    build: Build
    product: Product


class LayerProduct(LayerBlob):
    """A layer as an image's configuration needs it too."""

    diff_id: Digest = Field(description="of the uncompressed layer")
    compressor: str


class PlatformProduct(Platform):
    """One image for one architecture, under its reference."""

    reference: str
