"""What every rendering of a publication needs: the keys, the channels, the documents."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from kubewright.models.site import Channel, Index, State, revoked_of
from kubewright.models.upgrades import Graph
from kubewright.site import derived, freshness, identity, layout, pages, repositories
from kubewright.site import index as indexing
from kubewright.site.contents import Contents
from kubewright.site.draft import Draft, Publisher
from kubewright.site.keys import Shipped, sources
from kubewright.site.objects import Object


class Rendering:
    """One publication on its way from a draft to objects."""

    def __init__(self, draft: Draft, publisher: Publisher) -> None:
        self.draft, self.reader = draft, draft.reader
        self.old = draft.present.state
        self.identity = identity.of(self.old, publisher.identity)
        if draft.address is not None:
            self.identity = self.identity._replace(url=draft.address)
        there = self._there()
        self.publisher = publisher.on(there.get(layout.KEYRING))
        there |= {one.path: one.public for one in draft.revoked.values()}
        self.keys = publisher.keys(there, draft.keys)
        coming = self.keys.files[layout.hinted_key(self.keys.hint)] if self.keys.hint else b""
        self.shipped = Shipped(self.keys.files[layout.KEYRING_ARMORED], coming)
        self.rendered: dict[str, repositories.Rendered] = {}

    def _there(self) -> dict[str, bytes]:
        """The keys that the site has, in the files that all others of them are made from."""
        files = self.old.files if self.old else {}
        known = [(key.id, key.role) for key in self.old.keys] if self.old else []
        return {path: self.reader.content(files[path], path) for path in sources(files, known)}

    def channel_objects(self) -> list[Object]:
        """What every rendered channel is served as."""
        found: list[Object] = []
        for channel in self.rendered.values():
            found += channel.objects
        return found

    def rendered_channel(
        self, record: Channel, listed: Contents, previous: Channel | None
    ) -> repositories.Rendered:
        """A channel's record with all that it is served as, but for what was there before."""
        before = None
        if previous:
            less = _lists_no_more(record, previous)
            listed_then = listed if less else self.draft.listed_by(previous)
            written = not self.is_unwritten(previous)
            before = repositories.Before(previous, listed_then, written)
        return repositories.render(
            record, listed, self.publisher.signer, self.shipped, before,
            self.draft.renewed,
        )  # fmt: skip

    def is_unwritten(self, record: Channel) -> bool:
        """Whether objects of a record may be missing: its publication was cut short."""
        return record.channel in self.unwritten()

    def unwritten(self) -> Iterable[str]:
        """The channels whose derived objects may be those of an earlier state."""
        old, finished = self.old, self.draft.present.finished
        if old is None or old == finished:
            return ()
        before = finished.channels if finished else {}
        return [name for name, copy in old.channels.items() if before.get(name) != copy]

    def suites(self, records: Iterable[Channel], renewed: int) -> Iterator[Object]:
        """`Release` and its signatures of every suite that expires, renewed."""
        for record in records:
            of = freshness.dates(record, renewed)
            if of.issued == renewed:
                data = self._release(record)
                yield from repositories.release(record, data, of, self.publisher.signer)

    def _release(self, record: Channel) -> bytes:
        """`Release` as the record means it: what lies there, unless that is damaged."""
        stored = self.reader.store.get(f"{layout.suite_path(record.channel)}/Release")
        data = stored.data if stored else b""
        if freshness.is_release(data, record):
            return data
        listed = self.draft.contents(record)
        return repositories.release_of(record, listed, self.publisher.signer)

    def derive(
        self,
        previous: Index | None,
        parent: str | None,
        channels: Sequence[Channel],
        says: Mapping[str, indexing.Declared],
        now: int,
    ) -> tuple[Index, Graph]:
        """The index of these channels, with its graph."""
        signer, minors = self.publisher.signer, self.publisher.minors
        named = indexing.Named(
            tuple(filter(None, (signer.fingerprint, signer.second_fingerprint))),
            tuple(sorted(revoked_of(self.keys.keys))),
            self.draft.dropped,
        )
        return indexing.derive(
            previous, parent, channels, minors, says, now=now, whose=self.identity, keys=named
        )

    def index_bytes(self, index: Index) -> bytes:
        """An index as it is written; one that is published keeps its bytes."""
        if self.old is None or index != self.draft.index:
            return index.to_bytes()
        copy = self.old.index
        path = layout.index_copy(copy.sequence, copy.sha256)
        return self.reader.content(copy.sha256, path, layout.INDEX)

    def following(
        self,
        state: State,
        state_data: bytes,
        index: Index,
        index_data: bytes,
        graph: bytes,
        documents: Mapping[str, bytes],
        word: bytes,
    ) -> list[Object]:
        """What follows from the state and is no channel's, as far as it is not there."""
        finished, signer = self.draft.present.finished, self.publisher.signer
        return [
            *derived.index_objects(index, index_data, graph, signer, finished),
            *derived.file_objects(documents, finished, self.old),
            *derived.state_objects(state, state_data, word, signer, finished),
        ]

    def documents(
        self, index: Index, channels: Sequence[Channel], *, whole: bool = False
    ) -> dict[str, bytes]:
        """The pages, the schemas and the keys, by path; of pages all only if it is the `whole`,
        else those that the site has not, or has to have otherwise.
        """
        records = {record.channel: record for record in channels}
        own = self.publisher
        shown = pages.Shown(
            index, records, own.minors, self.draft.manifest, own.templates, own.documents
        )
        rendered = pages.render(shown, () if whole else self._standing(index))
        return {**self.keys.files, **derived.schemas(self.old), **rendered}

    def _standing(self, index: Index) -> set[str]:
        """The pages that lie there already as they shall be."""
        before, old, finished = self.draft.index, self.old, self.draft.present.finished
        if before is None or old is None or finished is None:
            return set()
        written = {path for path, digest in old.files.items() if finished.files.get(path) == digest}
        return pages.same(before, index) & written - self.draft.remade


def _lists_no_more(record: Channel, previous: Channel) -> bool:
    """Whether a record lists no package that the one before it does not: then what that lists is
    not read.
    """
    before = {release.name for release in previous.served}
    fewer = all(release.name in before for release in record.served)
    return fewer and record.architectures == previous.architectures
