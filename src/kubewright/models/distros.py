"""Linux distributions as `recipes/distros.toml` states them: their formats and their own runtimes."""

from typing import Literal

from pydantic import Field

from kubewright.models.base import Day, Format, Model


class DistroPackage(Model):
    """A package with which a distribution (or its vendor repository) brings a runtime."""

    family: Literal["docker", "containerd"]
    name: str
    version: str = Field(description="in the distribution's own syntax, e.g. 20.10.24+dfsg1-1+deb12u1")
    upstream: str = Field(description="the upstream version in it")
    repository: str = "distribution"
    source: str


class Distribution(Model):
    """One distribution release."""

    title: str
    format: Format
    architectures: tuple[str, ...] = ("amd64", "arm64")
    end_of_life: Day | None = None
    packages: tuple[DistroPackage, ...] = ()


class Distributions(Model):
    """The whole of `recipes/distros.toml`; keys such as `debian-12`."""

    distributions: dict[str, Distribution]
