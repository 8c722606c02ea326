"""What changes on a site: channels and the index of releases."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from kubewright.models.base import DAY, Day, Header, Model, RelativePath, Sha256, Version

RESERVED = ("pool", "snapshots")
"""Directories of yum/ that no channel may be called like."""


def _free(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"{name!r} is a directory of every site; choose another name")
    return name


ChannelName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9]*([.-][a-z0-9]+)*$"), AfterValidator(_free)
]
"""A channel, which is also an apt suite, a yum channel and a marker: `stable-1.36`."""

LONGEST = 36_500
"""Days that a channel may be valid for: as good as for ever, and within what a date can say."""

ReleaseStatus = Literal["current", "superseded", "yanked"]


class ChannelRelease(Model):
    """A release in a channel."""

    name: str
    kubernetes: Version
    status: ReleaseStatus
    manifest_url: RelativePath
    manifest_sha256: Sha256
    development: bool = False


class Channel(Model):
    """`channels/NAME.json`: the record that decides what the channel is. Replacing it is the
    commit.
    """

    header: Header = Header(type="kubewright.channel")
    channel: ChannelName
    sequence: int = Field(ge=1)
    parent: Sha256 | None = Field(None, description="of the record before this one")
    issued: int = Field(description="publication clock, epoch seconds")
    valid_until: int | None = Field(
        None, description="epoch seconds; apt refuses the suite from then on"
    )
    valid_for: int | None = Field(
        None, ge=1, description="days from issued to valid_until, kept for renewals"
    )
    rollback_of: int | None = Field(
        None, description="the sequence that this record went back from"
    )
    restores: int | None = Field(
        None, description="of a rollback: the sequence whose content this one has"
    )
    url: str = Field("", description="the site's public base URL, where one is fixed")
    repo_key: str = Field(
        description="fingerprint of the key that signs the channel's repositories"
    )
    releases: tuple[ChannelRelease, ...]

    @property
    def current(self) -> ChannelRelease | None:
        """The release that the channel points to."""
        return next((release for release in self.releases if release.status == "current"), None)

    def due(self, now: int) -> bool:
        """Whether less than half of the days that it is valid for are left from `now` (epoch
        seconds).
        """
        if self.valid_for is None or self.valid_until is None:
            return False
        return 2 * (self.valid_until - now) < self.valid_for * DAY

    @property
    def development(self) -> bool:
        """Whether any release here was signed by a development key."""
        return any(release.development for release in self.releases)


class IndexedRelease(Model):
    """A release as the index lists it."""

    name: str
    kubernetes: Version
    status: ReleaseStatus
    channels: tuple[ChannelName, ...]
    manifest_url: RelativePath
    manifest_sha256: Sha256
    end_of_life: Day | None = None
    upgrades_from: tuple[str, ...] = Field(
        (), description="names of indexed releases that may be upgraded to this one without a risk"
    )
    avoid: str | None = Field(
        None, description="why nobody should be led to it who has not asked for it"
    )
    development: bool = False


class Index(Model):
    """`releases/index.json`: every release of the site."""

    header: Header = Header(type="kubewright.index")
    sequence: int = Field(ge=1)
    parent: Sha256 | None = None
    issued: int
    releases: tuple[IndexedRelease, ...]
    graph_url: RelativePath | None = Field(
        None, description="the immutable copy of releases/graph.json"
    )
    graph_sha256: Sha256 | None = None
