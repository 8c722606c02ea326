"""What changes on a site: its state, the channels, and the index of releases."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from kubewright.models.base import (
    Day,
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
from kubewright.models.document import Document

RESERVED = ("pool", "snapshots")
"""Directories of yum/ that no channel may be called like."""


def _free(name: str) -> str:
    if name in RESERVED:
        raise ValueError(f"{name!r} is a directory of every site; choose another name")
    return name


ChannelName = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z][a-z0-9]*([.-][a-z0-9]+)*$"),
    AfterValidator(_free),
]
"""A channel, which is also an apt suite, a yum channel and a marker: `stable-1.36`."""

REVOKED = "revoked"
"""The role of a key that signs nothing any more."""

WITHDRAWN = "withdrawn"
"""The channel of releases that nobody should be led to, for who asks for an exact version."""

YANKED = "yanked"
"""The status of a release that is withdrawn."""

LONGEST = 36_500
"""Days that a channel may be valid for: as good as for ever, and within what a date can say."""

ReleaseStatus = Literal["current", "superseded", "yanked"]


class ChannelRelease(Document):
    """A release in a channel."""

    name: ReleaseName = Field(description="such as v1.36.4-1")
    kubernetes: Version = Field(description="its version of Kubernetes")
    status: ReleaseStatus = Field(description="yanked: withdrawn; superseded: offered before")
    manifest_url: RelativePath = Field(description="its manifest, below the site's root")
    manifest_sha256: Sha256 = Field(description="of its manifest")
    development: bool = Field(False, description="not for production")
    reason: str = Field(
        "", description="of a yanked release: why it was withdrawn", exclude_if=is_unsaid
    )


class Repodata(Document):
    """The yum repository of a channel for one base architecture; digests are SHA-256."""

    snapshot: PlainName = Field(description="the directory of its immutable form")
    repomd: Sha256 = Field(description="repomd.xml of the snapshot")
    primary: Sha256 = Field(description="primary.xml.gz of the snapshot")
    filelists: Sha256 = Field(description="filelists.xml.gz of both")
    other: Sha256 = Field(description="other.xml.gz of both")
    plain_repomd: Sha256 = Field(description="repomd.xml of the plain repository")
    plain_primary: Sha256 = Field(description="primary.xml.gz of the plain repository")


class Copy(Document):
    """An immutable copy of a document that changes."""

    sequence: int = Field(ge=1, description="the number of the document")
    sha256: Sha256 = Field(description="of the document")


class Channel(Document):
    """`channels/NAME.json`: what a channel is, and by digest everything that it is served as."""

    header: Header = Field(
        Header(type="kubewright.channel"), description="what this is, in which format"
    )
    site: str = Field("", description="the id of the site")
    channel: ChannelName = Field(description="its name, also as suite and yum directory")
    sequence: int = Field(ge=1, description="the number of this record")
    parent: Sha256 | None = Field(None, description="of the record before this one")
    earlier: tuple[Copy, ...] = Field(
        (), description="some older records, by which others are found", exclude_if=is_unsaid
    )
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
    url: PublicUrl = Field("", description="the site's public base URL, where one is fixed")
    repo_key: str = Field(
        description="fingerprint of the key that signs the channel's repositories"
    )
    second_key: str = Field(
        "", description="fingerprint of a key that signs them too while a rotation is under way"
    )
    key_hint: str = Field(
        "", description="the file and fingerprint of the key that comes next, beside repodata/"
    )
    architectures: tuple[PlainName, ...] = Field(
        (), description="that its repositories are for, by Debian's names"
    )
    note: str = Field("", description="why, as whoever published it said", exclude_if=is_unsaid)
    releases: tuple[ChannelRelease, ...] = Field(
        description="the releases that were published to it"
    )
    suite: Sha256 | None = Field(None, description="apt/dists/NAME/Release")
    packages: dict[PlainName, Sha256] = Field({}, description="Packages.gz, by Debian architecture")
    repodata: dict[PlainName, Repodata] = Field({}, description="by base architecture")

    @property
    def current(self) -> ChannelRelease | None:
        """The release that the channel points to."""
        return next((release for release in self.releases if release.status == "current"), None)

    @property
    def served(self) -> tuple[ChannelRelease, ...]:
        """The releases whose packages the repositories list."""
        if self.channel == WITHDRAWN:
            return self.releases
        return tuple(release for release in self.releases if release.status != YANKED)

    @property
    def development(self) -> bool:
        """Whether any release here was signed by a development key."""
        return any(release.development for release in self.releases)


class IndexedRelease(Document):
    """A release as the index lists it."""

    name: ReleaseName = Field(description="such as v1.36.4-1")
    kubernetes: Version = Field(description="its version of Kubernetes")
    status: ReleaseStatus = Field(description="yanked in any channel, else current in any")
    channels: tuple[ChannelName, ...] = Field(description="that list it")
    manifest_url: RelativePath = Field(description="its manifest, below the site's root")
    manifest_sha256: Sha256 = Field(description="of its manifest")
    end_of_life: Day | None = Field(None, description="when upstream ends its support")
    upgrade_ranges: tuple[str, ...] = Field(
        (), description="of Kubernetes versions from which it may be reached in one step"
    )
    upgrades_from: tuple[str, ...] = Field(
        (),
        description="of what a channel offers now: releases that may be upgraded to it"
        " without a risk",
    )
    etcd: Version | None = Field(None, description="that it brings")
    components: dict[str, Version] = Field(
        {}, description="the version of each; empty for a release of an earlier kubewright"
    )
    avoid: str | None = Field(
        None, description="why nobody should be led to it who has not asked for it"
    )
    development: bool = Field(False, description="not for production")
    reason: str = Field(
        "", description="of a yanked release: why it was withdrawn", exclude_if=is_unsaid
    )


class Index(Document):
    """`releases/index.json`: every release of the site."""

    header: Header = Field(
        Header(type="kubewright.index"), description="what this is, in which format"
    )
    site: str = Field("", description="the id of the site")
    url: PublicUrl = Field("", description="the site's public base URL, where one is fixed")
    signers: tuple[str, ...] = Field(
        (), description="fingerprints of the repository keys that sign it"
    )
    revoked: tuple[str, ...] = Field(
        (), description="ids of keys that sign nothing any more", exclude_if=is_unsaid
    )
    sequence: int = Field(ge=1, description="the number of this index")
    parent: Sha256 | None = Field(None, description="of the index before this one")
    issued: int = Field(description="publication clock, epoch seconds")
    channels: dict[ChannelName, ReleaseName] = Field(
        {}, description="the release that each channel offers now", exclude_if=is_unsaid
    )
    releases: tuple[IndexedRelease, ...] = Field(description="all of the site, newest first")
    graph_url: RelativePath | None = Field(
        None, description="the immutable copy of releases/graph.json"
    )
    graph_sha256: Sha256 | None = Field(None, description="of that copy")


class SiteKey(Document):
    """A public key of the site."""

    kind: str = Field(description="openpgp or ecdsa-p256")
    id: PlainName = Field(description="OpenPGP fingerprint, or the SHA-256 of the public key")
    development: bool = Field(False, description="whether anybody could have made it")
    role: str = Field(
        "", description="current, next, earlier (what it signed stays good), or revoked"
    )
    revoked: int | None = Field(
        None, description="since when nothing counts that it signs, epoch seconds"
    )


class Kept(Document):
    """What of a site's history is still there: the oldest of each kind. What was before is gone."""

    state: int = Field(1, description="the oldest publication")
    snapshot: int = Field(0, description="the version of the oldest TUF snapshot; 0: all")
    index: int = Field(1, description="the oldest index")
    channels: dict[ChannelName, int] = Field({}, description="the oldest record; absent: 1")
    pruned: Sha256 | None = Field(None, description="of the list of what is gone")

    def oldest(self, channel: str) -> int:
        """The number of the oldest record of a channel."""
        return self.channels.get(channel, 1)


class State(Document):
    """One publication: what the whole site is. It never changes; the next one names it."""

    header: Header = Field(
        Header(type="kubewright.site"), description="what this is, in which format"
    )
    site: str = Field(
        "", description="its id, made from the address and the keys of the first publication"
    )
    url: PublicUrl = Field("", description="its public base URL, where one is fixed")
    number: int = Field(ge=1, description="how many publications there were, with this one")
    parent: Sha256 | None = Field(None, description="of the state before this one")
    issued: int = Field(description="publication clock, epoch seconds")
    engine: str = Field(description="the newest version of kubewright that has published here")
    root: Sha256 | None = Field(
        None, description="of tuf/1.root.json; none: published before the site had metadata"
    )
    channels: dict[ChannelName, Copy] = Field(description="the record of each, by name")
    index: Copy = Field(description="of releases")
    keys: tuple[SiteKey, ...] = Field(description="of each kind the current one first")
    kept: Kept | None = Field(None, description="absent: the whole history")
    files: dict[RelativePath, Sha256] = Field(
        description="pages, schemas and keys: what changes and is no channel's"
    )

    @property
    def history(self) -> Kept:
        """What of its history the site still has."""
        return self.kept or Kept()

    @property
    def revoked(self) -> dict[str, int]:
        """Since when each revoked key signs nothing (epoch seconds), by its id."""
        return revoked_of(self.keys)


def revoked_of(keys: Iterable[SiteKey]) -> dict[str, int]:
    """Since when each revoked key among these signs nothing (epoch seconds), by its id."""
    return {key.id: key.revoked for key in keys if key.revoked is not None}


class Pointer(Document):
    """Which state is the site's; a document of its own on sites from before they had metadata."""

    header: Header = Header(type="kubewright.pointer")
    number: int = Field(ge=1)
    sha256: Sha256 = Field(description="of the state")


class Change(Model):
    """One object that a publication wrote, or would write."""

    path: str = Field(description="below the site's root")
    action: Literal["create", "replace", "link", "delete"] = Field(description="what it was")
    size: int = Field(description="bytes")


class Renewal(Model):
    """A channel that was signed again."""

    channel: ChannelName = Field(description="its name")
    issued: int = Field(description="publication clock, epoch seconds")
    valid_until: int | None = Field(None, description="epoch seconds; absent: never")
