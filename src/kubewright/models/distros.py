"""Linux distributions as `recipes/distros.toml` states them: their formats and the container
runtimes for them.
"""

from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from kubewright import package_versions
from kubewright.errors import RequestError
from kubewright.models.base import Day, Format, Model
from kubewright.models.catalog import RangeText

OWN = "distribution"
"""The repository of a package that the distribution itself brings."""

AnyRange = Literal["*"] | RangeText
"""A range, or `*` for any version."""


class DistroPackage(Model):
    """A package with which a distribution (or its vendor repository) brings a runtime."""

    family: Literal["docker", "containerd"]
    name: str
    version: str = Field(
        description="in the distribution's own syntax, e.g. 20.10.24+dfsg1-1+deb12u1"
    )
    repository: str = Field(OWN, description="a key of `repositories`, or the distribution's own")
    source: str = Field(description="a key of `sources`")


class Distribution(Model):
    """One distribution release."""

    title: str
    codename: str = Field("", description="where people say it in place of the version")
    format: Format
    end_of_life: Day | None = None
    packages: tuple[DistroPackage, ...] = Field(
        (), description="of one name and repository, the newest first"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        """Every version can be read, and readers may take the first that fits."""
        try:
            for package in self.packages:
                package_versions.upstream_of(package.family, package.version, self.format)
        except RequestError as error:
            raise ValueError(str(error)) from error
        for one, below in pairwise(self.packages):
            same = (one.name, one.repository) == (below.name, below.repository)
            if same and package_versions.compare(one.version, below.version, self.format) <= 0:
                raise ValueError(
                    f"{below.name} {below.version} comes after {one.version}, but is not older"
                )
        return self


class Repository(Model):
    """A vendor's package repository."""

    title: str
    enable: dict[Format, str] = Field(description="what to do to enable it, in one sentence")


class Impostor(Model):
    """A package that looks like Docker Engine by its name, and is none that Kubernetes can use."""

    name: str
    formats: tuple[Format, ...]
    what: str = Field(pattern=r"^[^|$`\n]+$", description="what it is, as kube-node-check says it")
    instead: dict[Format, str] = Field(description="what to install in its place")
    conflicts: bool = Field(
        description="whether it owns files of kubernetes-docker, which then conflicts with it"
    )
    source: str = Field(description="a key of `sources`")


class Pair(Model):
    """Which packages of containerd a package of Docker can be installed beside, on any
    distribution.
    """

    docker: str = Field(description="a package's name, ours included")
    range: AnyRange = Field("*", description="of its upstream version")
    containerd: dict[str, AnyRange] = Field(
        min_length=1, description="upstream versions by the packages' names"
    )
    reason: str
    source: str = Field(description="a key of `sources`")


class Distributions(Model):
    """The whole of `recipes/distros.toml`; keys such as `debian-12`."""

    asides: tuple[str, ...] = Field((), description="words of names that tell nothing")
    names: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="other names of what keys of `distributions` begin with"
    )
    past: dict[str, Day] = Field(
        default_factory=dict, description="keys that are here no more, and when their time ended"
    )
    past_codenames: dict[str, str] = Field(
        default_factory=dict, description="the codenames of some of them"
    )
    aliases: dict[str, str] = Field(
        default_factory=dict, description="keys that whole names stand for just now"
    )
    elsewhere: dict[str, str] = Field(
        default_factory=dict, description="systems that are never here, and why"
    )
    kin_codenames: dict[str, str] = Field(
        default_factory=dict, description="codenames of some of them"
    )
    distributions: dict[str, Distribution]
    repositories: dict[str, Repository] = Field(default_factory=dict)
    impostors: tuple[Impostor, ...] = ()
    pairs: tuple[Pair, ...] = ()
    sources: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_meaning(self) -> Self:
        """Every key begins with a name, and no name is two distributions'."""
        for key in (*self.distributions, *self.past):
            if self.names and not any(f"{key}-".startswith(f"{name}-") for name in self.names):
                raise ValueError(f"{key}: names has none that it begins with")
        words = [*self.names, *self.elsewhere, *self.past_codenames, *self.kin_codenames]
        for others in self.names.values():
            words += others
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            raise ValueError(f"{twice[0]}: stands for two distributions")
        for key in self.past_codenames.values():
            if key not in self.past:
                raise ValueError(f"past_codenames: past has no {key!r}")
        for name, key in self.aliases.items():
            if key not in {*self.distributions, *self.past}:
                raise ValueError(f"aliases: {name} stands for {key!r}, which is not here")
        for word in (*words, *self.aliases):
            if aside := {*word.split("-")} & {*self.asides}:
                raise ValueError(f"{word}: asides has {min(aside)!r}, so nobody can say it")
        return self

    @model_validator(mode="after")
    def _known_kin(self) -> Self:
        """Every codename of kin is of a system that is elsewhere."""
        for system in self.kin_codenames.values():
            if system not in self.elsewhere:
                raise ValueError(f"kin_codenames: elsewhere has no {system!r}")
        return self

    @model_validator(mode="after")
    def _known_names(self) -> Self:
        """Every repository and source that is named is there."""
        packages: list[DistroPackage] = []
        for distribution in self.distributions.values():
            packages += distribution.packages
        cited = {package.source: package.name for package in packages}
        cited |= {impostor.source: impostor.name for impostor in self.impostors}
        cited |= {pair.source: f"the pairs of {pair.docker}" for pair in self.pairs}
        known = {package.name for package in packages}
        known |= {"kubernetes-docker", "kubernetes-containerd"}
        for package in packages:
            if package.repository not in {OWN, *self.repositories}:
                raise ValueError(
                    f"{package.name} {package.version}: repositories has no {package.repository!r}"
                )
        for pair in self.pairs:
            for name in (pair.docker, *pair.containerd):
                if name not in known:
                    raise ValueError(
                        f"the pairs of {pair.docker}: no distribution has a package {name!r}"
                    )
        for source, name in cited.items():
            if source not in self.sources:
                raise ValueError(f"{name}: sources has no {source!r}")
        return self
