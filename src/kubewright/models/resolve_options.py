"""What a person asked for beside a version of Kubernetes, as the lock keeps it."""

from typing import Literal

from pydantic import Field

from kubewright.models.base import Model


class Wanted(Model):
    """A component that was asked for by name."""

    component: str = Field(description="as recipes call it")
    range: str = Field("*", description="`*` is any version")


class ResolveOptions(Model):
    """What a person asked for beside a version of Kubernetes."""

    wanted: tuple[Wanted, ...] = Field((), description="what the release has to have")
    without: tuple[str, ...] = Field((), description="components that the release does without")
    lacking: tuple[str, ...] = Field(
        (), description="companions whose files it does without, though it states their versions"
    )
    etcd: Literal["", "external"] = Field(
        "", description="external: etcd is the administrator's own"
    )
    distributions: tuple[str, ...] = Field((), description="keys of `recipes/distros.toml`")

    def wants(self, component: str) -> bool:
        """Whether a component was asked for by name."""
        return any(wish.component == component for wish in self.wanted)
