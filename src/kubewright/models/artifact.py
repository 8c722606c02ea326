"""Files that a stage has made, as its record in `dist/NAME/` lists them."""

from typing import Literal

from pydantic import Field

from kubewright.models.base import Arch, Format, Model, RelativePath, Sha256, Version
from kubewright.models.lock import Input, Unavailable

Kind = Literal[
    "deb", "rpm", "image-archive", "image-signature", "index", "node-spec", "provenance", "lock",
    "manifest", "signature", "checksums",
]  # fmt: skip


class Artifact(Model):
    """A file that exists."""

    name: str = Field(description="of the file")
    kind: Kind = Field(description="what it is")
    arch: Arch | Literal["all"] = Field(description="whom it is for")
    path: RelativePath = Field(description="below dist/NAME/")
    url: RelativePath = Field(description="below the site's root")
    size: int = Field(description="bytes")
    sha256: Sha256 = Field(description="of the file")
    media_type: str = Field("application/octet-stream", description="as a web server states it")


class Package(Artifact):
    """A deb or rpm."""

    package: str = Field(description="its name in package managers")
    format: Format = Field(description="deb or rpm")
    version: Version = Field(description="as the package manager writes it, epoch left out")
    epoch: int = Field(0, description="of the version; 0: none")
    upstream: Version = Field(description="the upstream version in it")
    unsigned_sha256: Sha256 = Field(
        description="the file without its signature: what rebuilds compare"
    )
    signing_key: str | None = Field(None, description="OpenPGP fingerprint, for rpms")
    depends: tuple[str, ...] = Field((), description="as its format writes them")


class Skipped(Model):
    """A package or image that could not be made, and why."""

    name: str = Field(description="of the package or image")
    arch: Arch | Literal["all"] = Field(description="for which it was not made")
    reason: str = Field(description="in words")


class Builder(Model):
    """A tool that made artifacts."""

    name: str = Field(description="a program that made bytes of this release")
    version: str = Field(description="its version")


class Record(Model):
    """What a stage did: `dist/NAME/STAGE.json`.

    Later stages ask `Workspace.sealed` for it, which compares `made_from`, `complete` and every
    file. The fingerprint is for its own stage: the same one means that there is nothing to do.
    """

    stage: str = Field(description="package, image or sign")
    fingerprint: Sha256 = Field(description="of all that decides what the stage makes")
    made_from: dict[str, Sha256] = Field(
        description="`lock`, `recipes` and the records that were used (`fetch`, …), by digest"
    )
    complete: bool = Field(description="whether it is all that the lock asks of the stage")
    options: dict[str, str] = Field(
        default_factory=dict, description="what it was made for and later stages must agree with"
    )
    artifacts: tuple[Artifact, ...] = Field((), description="files for the site")
    packages: tuple[Package, ...] = Field((), description="debs and rpms")
    files: dict[RelativePath, Sha256] = Field(
        default_factory=dict, description="made, but not for the site"
    )
    skipped: tuple[Skipped, ...] = Field((), description="what could not be made")
    builders: tuple[Builder, ...] = Field((), description="the tools that made it")


class Fetched(Record):
    """`dist/NAME/fetch.json`: the lock's inputs as they were fetched, each with its digest."""

    inputs: tuple[Input, ...]
    unavailable: tuple[Unavailable, ...] = ()
