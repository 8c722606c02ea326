"""What a run was asked to do: the values of the options that several verbs have."""

import os
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator

from kubewright.models.base import PUBLIC_URL, Arch, Flavour, Model, PackageCompression
from kubewright.models.resolve_options import ResolveOptions
from kubewright.models.site import LONGEST, ChannelName


def _address(pattern: str) -> AfterValidator:
    """Checks an address that becomes part of what is published, so it may hold no account."""

    def check(given: str) -> str:
        if re.fullmatch(pattern, given):
            return given
        if "@" in given:
            raise ValueError("has a name or password in it, which would be published")
        raise ValueError("not an address that can be used")

    return AfterValidator(check)


Url = Annotated[str, _address(PUBLIC_URL)]
"""An address that clients can use, or the empty text."""

Registry = Annotated[str, _address(r"(https?://)?[^\s/@]+(/[^\s@]+)?/?")]
"""Where images live; accounts are those of `docker login`."""


Backend = Literal["native", "nfpm", "fpm"]
"""What builds packages: the keys of `packagers.PACKAGERS`."""


Maintainer = Annotated[str, Field(pattern=r"^[^<>\r\n]*[^<>\s] <[^<>\s@]+@[^<>\s@]+>$")]
"""Who packages name: a name and an address, as Debian's Maintainer field has it."""


class Settings(Model):
    """What the command line, the environment and `kubewright.toml` have settled."""

    upstream: str | None = Field(
        None, description="a mirror directory or its URL; None: the real upstreams"
    )
    upstream_for: tuple[tuple[str, str], ...] = Field(
        (), description="hosts, or paths on them, each with the directory or URL that stands for it"
    )
    dist: Path = Path("dist")
    cache: Path
    site: str = Field("site", min_length=1)
    s3_endpoint: Annotated[str, _address(PUBLIC_URL)] | None = Field(
        None, description="of a store that speaks S3; None: Amazon's",
        examples=["http://127.0.0.1:9000"],
    )  # fmt: skip
    url: Url = Field(
        "", description="the site's public base URL; empty: as it is, relative where it is new",
        examples=["https://packages.example.org"],
    )  # fmt: skip
    registry: Registry = Field("registry.k8s.io", examples=["registry.example.org/k8s"])
    channels: tuple[ChannelName, ...] = Field((), examples=["stable-1.36"])
    asked: ResolveOptions = Field(
        ResolveOptions(), description="what a release has to have beside a version of Kubernetes"
    )
    valid_for: int | None = Field(
        None,
        ge=0,
        le=LONGEST,
        description="days until the suites of the published channels expire; 0: never; None: as "
        "before, of a new channel of production keys 14",
    )
    architectures: tuple[Arch, ...] = Field(Arch.usual(), min_length=1)
    revision: int = Field(1, ge=1)
    note: str = Field("", max_length=200, description="why something is published, for history")
    again: bool = False
    raise_companions: int = Field(0, ge=0)
    repo_key: str | None = None
    artifact_key: str | None = None
    next_repo_key: str | None = None
    second_repo_key: str | None = None
    freshness_key: str | None = None
    roots: tuple[Path, ...] = Field(
        (), description="TUF metadata of roots that are trusted; none: the development root"
    )
    trust: tuple[Path, ...] = Field(
        (), description="files of public keys that may have signed what is published already"
    )
    state: Path | None = Field(
        None, description="where is remembered what was seen of sites; None: nowhere"
    )
    passphrase_file: Path | None = None
    jobs: int = Field(os.cpu_count() or 2, ge=1)
    dry_run: bool = False
    now: int = Field(description="the publication clock, epoch seconds")
    source_date_epoch: int | None = Field(None, description="overrides the clock of every artifact")
    backend: Backend = "native"
    maintainer: Maintainer = Field(
        "Kubewright <maintainers@kubewright.invalid>",
        description="who packages name; `.invalid` until a release manager says another",
        examples=["'Example Releases <releases@example.org>'"],
    )
    compression: PackageCompression | None = Field(
        None, description="of packages; None: fast with a development key, else small"
    )
    flavour: Flavour = Field(
        "dispatcher", description="of hyperkube: separate programs, or one compiled here"
    )
    zstd: bool = Field(False, description="image layers by zstd beside those by gzip")
    only: str = "*"
    offline: bool = False
    allow_unverified: tuple[str, ...] = ()
    allow_development: bool = False
    allow_changed: tuple[str, ...] = ()
    allow_http: bool = False
    allow_expired: bool = False

    @field_validator("channels", "allow_changed")
    @classmethod
    def _once(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(given))

    @field_validator("architectures")
    @classmethod
    def _in_order(cls, given: tuple[Arch, ...]) -> tuple[Arch, ...]:
        return tuple(arch for arch in Arch if arch in given)
