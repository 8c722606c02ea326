"""Upstream components as `recipes/components.toml` lists them: where they come from, which versions
exist.
"""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from kubewright.models.base import Arch, Day, Model, Sha256, Version


class KnownVersion(Model):
    """A version that exists upstream."""

    version: Version
    date: Day | None = None
    avoid: str = Field("", description="why it must not be chosen; empty: it may")


class Checksum(Model):
    """How the digest of an input is learned. Placeholders as in `InputSource.url`, and `{url}`."""

    kind: Literal["file", "list", "none"]
    url: str = Field(
        "", description="file: one digest, with or without a name; list: sha256sum lines"
    )


class Pin(Model):
    """A digest that we vouch for because upstream publishes none."""

    version: Version
    arch: Arch
    sha256: Sha256
    source: str


class Signature(Model):
    """A keyless signature that upstream publishes beside each file of a component."""

    url: str = Field(description="of the signature in base64, with {url}")
    certificate: str = Field(description="where the certificate of who signed is, with {url}")
    identity: str = Field(description="who signs")
    issuer: str = Field(description="who vouches for that")
    authority: str = Field(description="a key of `authorities`")
    required: bool = Field(
        False, description="refuse a file without one; else one that is there has to be right"
    )
    source: str = Field(description="where all of this was read")


class Notice(Model):
    """Who holds the copyright of something, and under which licence it is."""

    programs: tuple[str, ...] = Field(
        (), description="the file names that it is for; empty: all that no other notice names"
    )
    copyright: tuple[str, ...] = Field(min_length=1, description="years and holder, as stated")
    license: str = Field("", description="SPDX identifier; empty: the component's")
    attribution: str = Field("", description="what upstream's NOTICE asks to be passed on")
    source: str = Field(description="where that was read")


class InputSource(Model):
    """One file that upstream publishes for each version and architecture."""

    name: str = Field(description="what recipes and images call it, unique in its component")
    url: str = Field(description="with {version} and {arch}")
    checksum: Checksum
    arch: dict[Arch, str] = Field(
        default_factory=dict, description="upstream's names, where not Go's"
    )
    architectures: tuple[Arch, ...] = Field(
        (), description="that upstream publishes it for; empty: all of them"
    )
    members: tuple[str, ...] = Field((), description="of an archive: what must be in it")
    optional: bool = Field(
        False, description="some upstreams lack it; then what needs it is skipped"
    )

    def published_for(self, arch: Arch) -> bool:
        """Whether upstream has it for an architecture."""
        return not self.architectures or arch in self.architectures

    def fill(self, template: str, version: str, arch: Arch, url: str = "") -> str:
        """A URL or member template with its placeholders filled, `{arch}` by upstream's name."""
        return template.format(version=version, arch=self.arch.get(arch, arch.value), url=url)


class ComponentSource(Model):
    """A component, its files and its known versions."""

    home: str
    license: str = Field(description="SPDX identifier")
    free: bool = Field(
        False, description="Kubernetes has no say in its version: the newest known is taken"
    )
    needed: bool = Field(
        False, description="no release can be without its files: what every node has needs them"
    )
    notices: tuple[Notice, ...] = Field(
        (), description="what packages of it say of copyright; required for those"
    )
    inputs: tuple[InputSource, ...] = ()
    known: tuple[KnownVersion, ...] = ()
    pins: tuple[Pin, ...] = ()
    signature: Signature | None = None

    def pin(self, version: str, arch: Arch) -> Pin | None:
        """The digest that we vouch for of a version, None where there is none."""
        found = (pin for pin in self.pins if (pin.version, pin.arch) == (version, arch))
        return next(found, None)

    @property
    def spared(self) -> bool:
        """Whether a release can be without its files."""
        return bool(self.inputs) and not self.needed

    @property
    def packaged(self) -> dict[str, Any]:
        """What packages say of it, ready for JSON."""
        return self.model_dump(mode="json", include={"home", "license", "notices"})


class Components(Model):
    """The whole of `recipes/components.toml`."""

    default_date: Day = Field(description="source date of a version whose own date is not known")
    packaging: Notice = Field(description="for the files that kubewright itself adds to packages")
    authorities: dict[str, str] = Field(
        {}, description="certificates in PEM, roots and what is between, of who issues signers'"
    )
    components: dict[str, ComponentSource]

    @model_validator(mode="after")
    def _known_authorities(self) -> Self:
        for name, component in self.components.items():
            signature = component.signature
            if signature is not None and signature.authority not in self.authorities:
                raise ValueError(
                    f"components.{name}.signature.authority: [authorities] has no"
                    f" {signature.authority!r}"
                )
        return self
