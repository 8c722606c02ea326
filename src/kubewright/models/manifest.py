"""`releases/NAME/manifest.json`: the immutable facts of one release, for installers and people."""

from typing import Literal

from pydantic import Field

from kubewright.models.artifact import Builder, Skipped
from kubewright.models.base import (
    Day,
    Format,
    Header,
    Model,
    PlainName,
    PublicUrl,
    RelativePath,
    ReleaseName,
    Sha256,
    Version,
)  # fmt: skip
from kubewright.models.document import ArchName, Document
from kubewright.models.image import Image
from kubewright.models.lock import (
    Component,
    DistributionRuntime,
    Input,
    Unavailable,
    is_sample,
)
from kubewright.models.node import NodeSpec


class ReleaseFacts(Model):
    """Which release this is."""

    name: ReleaseName
    kubernetes: Version
    revision: int
    source_date_epoch: int
    end_of_life: Day | None = Field(
        None, description="when upstream's support of its minor ends, or ended"
    )


class Requirements(Model):
    """What a node must bring, and what distributions bring of their own."""

    node: NodeSpec
    distributions: tuple[DistributionRuntime, ...]


class Upgrade(Model):
    """Releases from which this one may be reached in one step."""

    from_range: str = Field(alias="from", description="Kubernetes versions, e.g. >=1.35.0,<1.36.4")
    to: Version
    skew: str = Field(description="the rule that allows it")


class Install(Model):
    """Ready commands for one family of distributions. `$SITE` is the site's public URL where none
    is fixed.
    """

    title: str
    format: Literal["deb", "rpm"]
    commands: str


class File(Model):
    """A file of the release."""

    name: RelativePath
    kind: str = Field(
        description="what it is for; a reader passes over kinds that it does not know"
    )
    os: Literal["linux"] = "linux"
    arch: ArchName
    url: RelativePath
    size: int
    sha256: Sha256
    media_type: str
    provenance: RelativePath | None = Field(
        None, description="the signed statement of what it was made from"
    )


class PackageFile(File):
    """A deb or rpm."""

    package: PlainName
    format: Format
    version: Version = Field(description="as the package manager writes it, epoch left out")
    epoch: int = 0
    upstream: Version
    unsigned_sha256: Sha256 = Field(
        description="the file without its signature: what rebuilds compare"
    )
    signing_key: str | None = Field(None, description="OpenPGP fingerprint, for rpms")


class Key(Model):
    """A public key that signs this release."""

    kind: Literal["openpgp", "ecdsa-p256"]
    id: str = Field(description="OpenPGP fingerprint, or the SHA-256 of the public key")
    url: RelativePath
    development: bool


class Manifest(Document):
    """Everything about a release that never changes. All URLs are relative to the site's root."""

    header: Header = Header(type="kubewright.manifest")
    site: str = Field("", description="the id of the site that it was made for")
    url: PublicUrl = Field("", description="the site's public base URL, where one is fixed")
    release: ReleaseFacts
    components: dict[str, Component]
    requirements: Requirements
    artifacts: tuple[File, ...]
    packages: tuple[PackageFile, ...]
    images: tuple[Image, ...]
    skipped: tuple[Skipped, ...] = ()
    inputs: tuple[Input, ...]
    unavailable: tuple[Unavailable, ...] = ()
    allowed_changes: tuple[str, ...] = Field(
        (),
        description="components whose bytes may differ from those known for the same version",
    )
    upgrades: tuple[Upgrade, ...]
    skew: dict[str, dict[str, str]] = Field(
        {},
        description="by component of this release, the versions of others that may run beside it,"
        " as ranges",
    )
    install: tuple[Install, ...]
    keys: tuple[Key, ...]
    builders: tuple[Builder, ...]
    development: bool = Field(
        description="not for production: a development key signed, or the programs are placeholders"
    )

    @property
    def sample(self) -> bool:
        """Whether it is made from placeholder programs."""
        return is_sample(self.inputs)

    @property
    def files(self) -> tuple[File, ...]:
        """Every file of the release that a site carries, packages included."""
        return (*self.artifacts, *self.packages)
