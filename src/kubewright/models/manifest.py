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
    is_unsaid,
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

    name: ReleaseName = Field(description="v, the version of Kubernetes, a hyphen and the revision")
    kubernetes: Version = Field(description="without v")
    revision: int = Field(description="of its packages: 1 unless it was made again")
    source_date_epoch: int = Field(description="the time that its files have, epoch seconds")
    end_of_life: Day | None = Field(
        None, description="when upstream's support of its minor ends, or ended"
    )


class Requirements(Model):
    """What a node must bring, and what distributions bring of their own."""

    node: NodeSpec = Field(description="kernel, cgroups, ports, memory, runtime")
    distributions: tuple[DistributionRuntime, ...] = Field(
        description="which packages of distributions fit"
    )


class Upgrade(Model):
    """Releases from which this one may be reached in one step."""

    from_range: str = Field(alias="from", description="Kubernetes versions, e.g. >=1.35.0,<1.36.4")
    to: Version = Field(description="the version of this release")
    skew: str = Field(description="the rule that allows it")


class Install(Model):
    """Ready commands for one family of distributions. `$SITE` is the site's public URL where none
    is fixed.
    """

    title: str = Field(description="the family of distributions")
    format: Literal["deb", "rpm"] = Field(description="of the packages that they install")
    commands: str = Field(description="for a shell, one after the other")


class File(Model):
    """A file of the release."""

    name: RelativePath = Field(description="its name below the release or the pool")
    kind: str = Field(
        description="what it is for; a reader passes over kinds that it does not know"
    )
    os: Literal["linux"] = Field("linux", description="the operating system")
    arch: ArchName = Field(description="whom it is for, as Go says it; all for every one")
    url: RelativePath = Field(description="where it lies below the site's root")
    size: int = Field(description="in bytes")
    sha256: Sha256 = Field(description="of the whole file")
    media_type: str = Field(description="its type on the web")
    provenance: RelativePath | None = Field(
        None, description="the signed statement of what it was made from"
    )


class PackageFile(File):
    """A deb or rpm."""

    package: PlainName = Field(description="its name, as the package manager knows it")
    format: Format = Field(description="deb or rpm")
    version: Version = Field(description="as the package manager writes it, epoch left out")
    epoch: int = Field(0, description="of its version; 0: none")
    upstream: Version = Field(description="the version of what is in it")
    unsigned_sha256: Sha256 = Field(
        description="the file without its signature: what rebuilds compare"
    )
    signing_key: str | None = Field(None, description="OpenPGP fingerprint, for rpms")
    depends: tuple[str, ...] = Field(
        (), description="what it needs, as its package manager writes that", exclude_if=is_unsaid
    )


class RuntimePackages(Model):
    """What runs a node's containers, as packages of the release."""

    packages: tuple[PlainName, ...] = Field(description="that every such machine has")
    own: tuple[PlainName, ...] = Field(
        (), description="and these where the distribution's own runtime does not fit"
    )


class Key(Model):
    """A public key that signs this release."""

    kind: Literal["openpgp", "ecdsa-p256"] = Field(description="what can check it")
    id: str = Field(description="OpenPGP fingerprint, or the SHA-256 of the public key")
    url: RelativePath = Field(description="where it lies below the site's root")
    development: bool = Field(description="whether anybody could have made it")


class Manifest(Document):
    """Everything about a release that never changes. All URLs are relative to the site's root."""

    header: Header = Field(
        Header(type="kubewright.manifest"), description="what this document is, and its format"
    )
    site: str = Field("", description="the id of the site that it was made for")
    url: PublicUrl = Field("", description="the site's public base URL, where one is fixed")
    release: ReleaseFacts = Field(description="which release it is")
    components: dict[str, Component] = Field(
        description="every component, by name, with version, reason and evidence"
    )
    requirements: Requirements = Field(description="what a node must bring")
    artifacts: tuple[File, ...] = Field(description="files of the release that are no packages")
    packages: tuple[PackageFile, ...] = Field(description="the debs and rpms")
    images: tuple[Image, ...] = Field(description="the images, by digest")
    skipped: tuple[Skipped, ...] = Field((), description="packages that could not be made, and why")
    inputs: tuple[Input, ...] = Field(description="every file of upstreams that it was made from")
    unavailable: tuple[Unavailable, ...] = Field(
        (), description="files that upstream does not have"
    )
    allowed_changes: tuple[str, ...] = Field(
        (),
        description="components whose bytes may differ from those known for the same version",
    )
    roles: dict[str, tuple[PlainName, ...]] = Field(
        {},
        description="the packages of a machine by what it is to be: node, control-plane",
        exclude_if=is_unsaid,
    )
    runtimes: dict[str, RuntimePackages] = Field(
        {},
        description="and by what runs its containers: containerd, docker",
        exclude_if=is_unsaid,
    )
    upgrades: tuple[Upgrade, ...] = Field(description="from where one step leads here")
    skew: dict[str, dict[str, str]] = Field(
        {},
        description="by component of this release, the versions of others that may run beside it,"
        " as ranges",
    )
    install: tuple[Install, ...] = Field(description="ready commands, by family of distributions")
    keys: tuple[Key, ...] = Field(description="the public keys that sign it")
    builders: tuple[Builder, ...] = Field(description="the programs that made them")
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
