"""A publication in the making: what the site is, and what shall follow."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

from kubewright.metadata.formats import RoleKeys
from kubewright.models.base import DAY
from kubewright.models.catalog import MinorFacts
from kubewright.models.manifest import Manifest
from kubewright.models.site import (
    REVOKED,
    YANKED,
    Channel,
    ChannelRelease,
    Index,
    IndexedRelease,
    Kept,
    SiteKey,
    revoked_of,
)
from kubewright.moments import is_to_come
from kubewright.site import channels, contents, foresight, freshness, layout
from kubewright.site.anchor import Anchor
from kubewright.site.contents import Contents, Entries
from kubewright.site.identity import Identity
from kubewright.site.keys import KeyFiles
from kubewright.site.objects import Object
from kubewright.site.past import Past, landmarks
from kubewright.site.present import Present
from kubewright.site.reader import Reader
from kubewright.site.repositories import Signer


@dataclass(frozen=True)
class Incoming:
    """A release that the site does not have yet."""

    entry: ChannelRelease
    manifest: Manifest
    entries: Entries
    files: tuple[Object, ...] = ()


class Revocation(NamedTuple):
    """A key of the site that shall sign nothing any more."""

    since: int
    """From when on, in epoch seconds."""
    path: str
    """Its file among the keys of the site."""
    public: bytes
    """What that shall hold."""


@dataclass
class Draft:
    """What is published now, and the records that shall follow."""

    reader: Reader
    present: Present
    now: int
    records: dict[str, Channel] = field(default_factory=dict)
    """The new record of each channel that changes."""
    listed: dict[str, Contents] = field(default_factory=dict)
    """What each of them lists."""
    incoming: dict[str, Incoming] = field(default_factory=dict)
    """New releases by name."""
    address: str | None = None
    """The site's new public base URL; None: as before."""
    note: str = ""
    """Why it is published."""
    remade: frozenset[str] = frozenset()
    """Pages that are lost, and to be made anew whatever they were."""
    kept: Kept | None = None
    """What shall be left of the history; None: as before."""
    pruned: bytes = b""
    """The list of what is given up then."""
    dropped: frozenset[str] = frozenset()
    """The releases that the index shall not have any more, by name."""
    revoked: dict[str, Revocation] = field(default_factory=dict)
    """The keys that this publication revokes, by id."""
    _published: dict[str, Channel | None] = field(default_factory=dict)
    _contents: dict[str, Contents] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """The channels that are published."""
        return tuple(self.present.state.channels) if self.present.state else ()

    def published(self, name: str) -> Channel | None:
        """A channel's record as it is published; None for a channel that is not there."""
        if name not in self._published:
            state = self.present.state
            self._published[name] = self.reader.channel(state, name) if state else None
        return self._published[name]

    @cached_property
    def channels(self) -> dict[str, Channel]:
        """Every record as it is published, by name."""
        found = {}
        for name in self.names:
            record = self.published(name)
            if record is not None:
                found[name] = record
        return found

    @property
    def renewed(self) -> int:
        """When suites were renewed last (epoch seconds); 0: not since they were published, or for a
        moment that has not come.
        """
        renewed = freshness.dated(self.present.word)
        return 0 if is_to_come(renewed, self.now) else renewed

    @property
    def keys(self) -> tuple[SiteKey, ...]:
        """What the site says of its keys from this publication on, but for new ones."""
        found = []
        for key in self.present.state.keys if self.present.state else ():
            own = self.revoked.get(key.id)
            changed = {"role": REVOKED, "revoked": own.since} if own else {}
            found.append(key.model_copy(update=changed))
        return tuple(found)

    @cached_property
    def withdrawn(self) -> dict[str, str]:
        """Why each release is withdrawn that is, by name; what changes here changes the site."""
        releases = self.index.releases if self.index else ()
        return {one.name: one.reason for one in releases if one.status == YANKED}

    @property
    def architectures(self) -> tuple[str, ...]:
        """Those of every channel that is published, by Debian's names."""
        found: dict[str, None] = {}
        for record in self.channels.values():
            found |= dict.fromkeys(record.architectures)
        return tuple(found)

    def manifest(self, release: ChannelRelease | IndexedRelease) -> Manifest:
        """The manifest of a release that the site has or that is new."""
        incoming = self.incoming.get(release.name)
        if incoming is not None:
            return incoming.manifest
        return self.reader.manifest(release.manifest_url, release.manifest_sha256)

    def history(self, record: Channel) -> list[Channel]:
        """A channel's publications, the oldest that the site still has first."""
        return self.reader.history(record, self.past(record).oldest)

    def past(self, record: Channel) -> Past:
        """The same, for who looks for some of them."""
        state = self.present.state
        return Past(self.reader, record, state.history.oldest(record.channel) if state else 1)

    def foresee(
        self, records: Iterable[Channel | None], *more: str, lists: Iterable[str] = ()
    ) -> None:
        """Ask a distant store at once for what these records list, for more objects and lists."""
        wanted: list[str] = []
        known = {*self._contents}
        for record in filter(None, records):
            if _listing(record) not in known:  # the first is read for all that list the same
                known.add(_listing(record))
                wanted += contents.places(record)
        wanted += (path for path in more if path not in self.reader.sound)
        self.reader.store.expect(wanted, lists=lists)

    def foresee_more(self, names: Iterable[str], *objects: str, lists: Iterable[str] = ()) -> None:
        """The same for these channels, which are to list more. In a new one nothing should be, so
        that one list tells of all its places.
        """
        records = {name: self.published(name) for name in names}
        added = [name for name, record in records.items() if record is None]
        new = map(layout.plain_repositories, added)
        self.foresee(records.values(), *objects, lists=[*lists, *new])

    def contents(self, record: Channel | None) -> Contents:
        """What a published record lists, but for releases that are withdrawn and rpms of revoked
        keys; channels that list the same are read once.
        """
        if record is None:
            return contents.NOTHING
        gone = revoked_of(self.keys)
        later = sorted(key for key, since in gone.items() if since > record.issued)
        standing = channels.standing(record, self.withdrawn)
        if not later and standing.served == record.served:
            return self.listed_by(record)
        key = f"{_listing(standing)} {later} {record.channel}"
        if key not in self._contents:
            self._contents[key] = self.made_again(record)
        return self._contents[key]

    def listed_by(self, record: Channel) -> Contents:
        """What a published record lists itself, whatever is withdrawn or brought back since."""
        key = _listing(record)
        if key not in self._contents:
            self.foresee([record])
            self._contents[key] = contents.read(self.reader, record, revoked_of(self.keys))
        return self._contents[key]

    def made_again(self, record: Channel) -> Contents:
        """What a record's releases have, but for those that are withdrawn and rpms of revoked
        keys.
        """
        standing = channels.standing(record, self.withdrawn)
        return contents.from_releases(self.reader, standing, revoked_of(self.keys))

    def entries(self, release: ChannelRelease) -> Entries:
        """The index entries of a release that the site has; the same."""
        foresight.releases(self.reader.store, [release], known=self.reader.sound)
        return contents.of_release(self.reader, release, revoked_of(self.keys))

    def put(self, record: Channel, listed: Contents) -> None:
        """Let a record follow the published one, with what it lists."""
        state = self.present.state
        before = state.channels.get(record.channel) if state else None
        record = channels.standing(record, self.withdrawn)
        previous = self.published(record.channel)
        changed: dict[str, Any] = {"parent": before.sha256 if before else None, "note": self.note}
        changed["earlier"] = landmarks(previous) if previous else ()
        renewed = self.renewed
        if record.issued < renewed:  # clients refuse an older Date
            issued, days = renewed, record.valid_for
            changed |= {"issued": issued, "valid_until": issued + days * DAY if days else None}
        self.records[record.channel] = record.model_copy(update=changed)
        self.listed[record.channel] = listed

    @cached_property
    def index(self) -> Index | None:
        """The index as it is published."""
        return self.reader.index(self.present.state) if self.present.state else None


def _listing(record: Channel) -> str:
    """What is the same for records that list the same."""
    releases = [(one.name, one.status, one.manifest_sha256) for one in record.releases]
    return repr((record.packages, [*record.repodata.items()], releases))


@dataclass(frozen=True)
class Publisher:
    """What a publication has from who publishes: keys, and what the recipes know.

    `templates` is the folder of the pages', `documents` that of our documentation.
    """

    minors: Mapping[str, MinorFacts]
    templates: Path
    documents: Path
    signer: Signer
    keys: Callable[[Mapping[str, bytes], Sequence[SiteKey]], KeyFiles]
    """Makes the files of keys from those that the site has, by path, and what its state says of
    them.
    """
    settled: Callable[[bytes], Signer]
    """The signer as users of a site know its keys, by the keyring that the site has."""
    identity: Identity
    """What the site is if this is its first publication."""
    anchor: Anchor
    """Whom the publisher believes."""
    roles: RoleKeys
    """Who signs the site's metadata."""

    def on(self, keyring: bytes | None) -> Self:
        """The same on a site that has this keyring; None: it has none."""
        return self if keyring is None else replace(self, signer=self.settled(keyring))
