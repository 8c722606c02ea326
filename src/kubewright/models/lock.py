"""`dist/NAME/release.json`, the lock: what a release consists of and why."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from pydantic import Field

from kubewright.models.base import (
    Arch,
    Day,
    Evidence,
    Header,
    KubernetesVersion,
    Model,
    Sha256,
    Version,
    is_unsaid,
)  # fmt: skip
from kubewright.models.catalog import Status
from kubewright.models.mirror import Origin
from kubewright.models.resolve_options import ResolveOptions

Runtime = Literal["containerd", "docker"]
"""What runs a node's containers; Docker needs cri-dockerd from Kubernetes 1.24 on."""


class Check(StrEnum):
    """How the digest of an input is known."""

    pin = "pin"
    checksum = "checksum"
    mirror = "mirror"
    unverified = "unverified"
    built = "built"


class Component(Model):
    """One chosen component version with its reason."""

    name: str = Field(description="as recipes call it")
    version: Version = Field(description="the one that was chosen")
    range: str = Field(description="what was allowed, e.g. `>=2.3.0,<2.4.0`")
    status: Status = Field(
        description="validated: upstream says so; supported: inside a stated bound; unknown:"
        " carried forward, or nothing is stated"
    )
    reason: str = Field(description="why this version, in words")
    evidence: tuple[Evidence, ...] = Field((), description="where it was read")
    epoch: int = Field(description="SOURCE_DATE_EPOCH of its packages, seconds")


class Input(Model):
    """One upstream file that the release is made from."""

    component: str = Field(description="whose it is")
    name: str = Field(description="as recipes call it")
    version: Version = Field(description="of the component")
    arch: Arch = Field(description="whom it is for")
    url: str = Field(description="where upstream has it")
    sha256: Sha256 | None = Field(None, description="absent until an upstream has been asked")
    check: Check | None = Field(None, description="how its digest was vouched for")
    checked_by: str = Field("", description="the checksum file, or the pin's source")
    signed_by: str = Field(
        "", description="whose signature beside it has been checked, where upstream has one"
    )
    mirror: Origin | None = Field(
        None, description="that stood for the upstream; absent: the upstream itself was asked"
    )

    @property
    def id(self) -> str:
        """What messages call it: `kubernetes/kubelet amd64`."""
        return f"{self.component}/{self.name} {self.arch}"


def is_sample(inputs: Iterable[Input]) -> bool:
    """Whether any of these inputs is a placeholder of a sample mirror."""
    return any(entry.mirror is not None and entry.mirror.sample for entry in inputs)


class Unavailable(Model):
    """An input that this upstream does not have."""

    component: str = Field(description="whose it is")
    name: str = Field(description="as recipes call it")
    arch: Arch = Field(description="for which it is not there")
    reason: str = Field(description="in words")
    never: bool = Field(False, description="no upstream has it for the architecture")


class DistributionRuntime(Model):
    """Which of a distribution's own packages can carry the release's container runtime."""

    distribution: str = Field(description="a key of recipes/distros.toml, such as debian-12")
    family: str = Field(description="docker or containerd")
    package: str = Field(description="the package's name there")
    version: str = Field(description="in the distribution's own syntax")
    fits: bool = Field(description="whether this release can use it")
    reason: str = Field(description="why it fits or does not, in words")
    repository: str = Field(
        "", description="which repository has it, a key of `recipes/distros.toml`"
    )
    chosen: bool = Field(
        False, description="what this release takes where the distribution was asked for by name"
    )
    depends: str = Field(
        "", description="the dependency in the distribution's own syntax, alternatives included"
    )
    pin: str = Field(
        "",
        description="what holds the package manager to a version that fits; "
        "empty: nothing is needed",
    )


class Release(Model):
    """The lock. Same catalog, same upstream, same bytes."""

    header: Header = Field(
        Header(type="kubewright.release"), description="what this is, in which format"
    )
    name: str = Field(description="such as v1.36.4-1")
    kubernetes: KubernetesVersion = Field(description="its version of Kubernetes")
    revision: int = Field(description="of the packages that have Kubernetes' version")
    raised: int = Field(
        0,
        description="what is added to the revisions of packages that have their own",
        exclude_if=is_unsaid,
    )
    source_date_epoch: int = Field(description="the date of its files, epoch seconds")
    end_of_life: Day | None = Field(
        None, description="when upstream's support of its minor ends, or ended"
    )
    architectures: tuple[Arch, ...] = Field(description="that it is made for")
    request: ResolveOptions | None = Field(
        None, description="absent where nothing but a version was asked for"
    )
    runtime: Runtime = Field(
        "containerd", description="what runs containers on a node, unless its administrator differs"
    )
    components: tuple[Component, ...] = Field(description="Kubernetes first")
    distributions: tuple[DistributionRuntime, ...] = Field(
        (), description="packages of distributions that could run containers"
    )
    inputs: tuple[Input, ...] = Field((), description="the upstream files that it is made from")
    unavailable: tuple[Unavailable, ...] = Field((), description="inputs that are not there")
    allowed_changes: tuple[str, ...] = Field(
        (),
        description="components whose bytes may differ from those known for the same version"
        " (--allow-changed)",
    )
    recipes: Sha256 | None = Field(
        None, description="of the recipes and content that decide packages and images"
    )

    @property
    def tag(self) -> str:
        """Kubernetes' own tag, `v1.36.4`."""
        return f"v{self.kubernetes}"

    @property
    def minor(self) -> str:
        """The Kubernetes minor, `1.36`."""
        return ".".join(self.kubernetes.split(".")[:2])

    def component(self, name: str) -> Component:
        """The chosen component called `name`. Raises KeyError if the release has none."""
        return {component.name: component for component in self.components}[name]

    @property
    def monolith(self) -> bool:
        """Whether the release has a hyperkube that is one program."""
        return any(entry.check is Check.built for entry in self.inputs)

    @property
    def sample(self) -> bool:
        """Whether it is made from placeholder programs."""
        return is_sample(self.inputs)

    def has(self, name: str) -> bool:
        """Whether the release has a component called `name`."""
        return any(component.name == name for component in self.components)

    def dated(self, component: str) -> int:
        """The date of a component, in epoch seconds, for what is made of it.

        A companion has a date of its own, so it comes out the same for every release that it goes
        with; whatever is not a companion, hyperkube too, has Kubernetes'.
        """
        companion = component != "kubernetes" and self.has(component)
        return self.component(component).epoch if companion else self.source_date_epoch

    @property
    def named_inputs(self) -> dict[tuple[str, str, Arch], Input]:
        """The inputs by component, name and architecture."""
        return {(entry.component, entry.name, entry.arch): entry for entry in self.inputs}

    def gap(self, component: str, name: str, arch: Arch) -> Unavailable | None:
        """The input as unavailable, or None when it is available."""
        for gap in self.unavailable:
            if (gap.component, gap.name, gap.arch) == (component, name, arch):
                return gap
        return None

    def missing(self, component: str, name: str, arch: Arch) -> str | None:
        """Why an input is unavailable, or None when it is available."""
        gap = self.gap(component, name, arch)
        return gap.reason if gap else None
