"""Renders a publication: from what a site is and what shall change to the list of all objects."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from kubewright import files
from kubewright.metadata.names import role_path
from kubewright.models.site import Channel, Copy, Index, State
from kubewright.models.upgrades import Graph
from kubewright.moments import following
from kubewright.site import backups, derived, freshness, layout, metadata, pages
from kubewright.site import index as indexing
from kubewright.site.channels import renewed
from kubewright.site.draft import Draft, Publisher
from kubewright.site.metadata import Lasting, Whose
from kubewright.site.objects import Kind, Object, Source, immutable, in_order
from kubewright.site.rendering import Rendering
from kubewright.site.unchanged import Unchanged
from kubewright.site.writing import is_other


@dataclass(frozen=True)
class Publication:
    """What shall be published."""

    state: State | None
    """None: the site stays as it is."""
    objects: tuple[Object, ...]
    tag: str | None
    """Of the pointer that is to be replaced."""
    pointer: bytes | None
    """What the pointer says when it is published."""


def render(draft: Draft, publisher: Publisher) -> Publication:
    """Every object of a publication, or of what is still to be written of an earlier one."""
    return _Changed(draft, publisher).publication()


class _Changed(Rendering):
    """A new state with all that follows from it."""

    def publication(self) -> Publication:
        """The new state with its objects; without a change what an earlier one still lacks."""
        tag = self.draft.present.tag
        self._renew_for_new_keys()
        for name, given in self.draft.records.items():
            record = given.model_copy(update=self._whose())
            previous = self.draft.published(name)
            self.rendered[name] = self.rendered_channel(record, self.draft.listed[name], previous)
        self._render_unwritten()
        word = self.draft.present.word
        stays = not self.draft.records and not self.draft.remade and self.draft.kept is None
        if self.old and word and stays:
            rest = Unchanged(self.draft, self.publisher, self.rendered)
            data, left = rest.objects(self.old, word)
            return Publication(None, in_order(left), tag, data)
        channels = self._channels()
        index, graph = self._index(channels)
        data = self.index_bytes(index)
        documents = self.documents(index, channels)
        state = self._state(index, data, channels, documents)
        state_data = state.to_bytes()
        objects: list[Object] = []
        for release in self.draft.incoming.values():
            objects += release.files
        objects += self.channel_objects()
        objects += self._left(objects)
        others, renewed = self._others()
        objects += others
        whose = Whose(state.site, state.number, files.sha256(state_data))
        made = self._metadata(whose, state, index, (state_data, data, *documents.values()), renewed)
        said = made.timestamp
        objects += self.following(state, state_data, index, data, graph.to_bytes(), documents, said)
        if self.draft.kept is not None and self.draft.kept.pruned is not None:
            path = layout.pruned_copy(self.draft.kept.pruned)
            objects.append(immutable(path, self.draft.pruned))
        copy = layout.state_copy(state.number, whose.state)
        objects.append(self._backup(copy, state, objects, documents))
        objects += [*made.objects, derived.commit(said, first=tag is None)]
        return Publication(state, in_order(map(self._looked_up, objects)), tag, said)

    def _looked_up(self, item: Object) -> Object:
        """An object with what is known of its place."""
        return replace(item, absent=True) if self.reader.store.is_absent(item.path) else item

    def _left(self, objects: Iterable[Object]) -> Iterator[Object]:
        """What channels that are published anew should have been served as before, where that was
        cut short: a bucket gets copies last, and the history is kept whole.
        """
        coming = {item.path for item in objects}
        for name in self.draft.records:
            record = self.draft.published(name)
            if record is None or not self.is_unwritten(record):
                continue
            meant = self.rendered_channel(record, self.draft.listed_by(record), None)
            for item in meant.objects if meant.record == record else ():
                if isinstance(item.content, Source) and item.path not in coming:
                    yield item

    def _others(self) -> tuple[list[Object], int]:
        """The suites of channels that stay, where they are due; and when suites were renewed
        last.
        """
        present = self.draft.present
        before = freshness.dated(present.word)
        rest = [record for name, record in self.draft.channels.items() if name not in self.rendered]
        renewed = freshness.renewal(rest, before, self.draft.now)
        due = renewed != before or present.undated
        return [*self.suites(rest, renewed)] if due else [], renewed

    def _metadata(
        self, whose: Whose, state: State, index: Index, made: Iterable[bytes], renewed: int
    ) -> metadata.Rendered:
        """What vouches for a state; `made` are documents that are new with it."""
        present, roots, store = self.draft.present, self.reader.roots, self.reader.store
        if roots is None:
            raise TypeError("a publisher without a root")
        before = present.word.published if present.word else None
        records = {one.record.channel: one.record for one in self.rendered.values()}
        new = [*made, *(one.data for one in self.rendered.values())]
        return metadata.render(
            whose,
            metadata.named(self.draft, whose, state, index, before, new),
            before,
            roots,
            self.publisher.roles,
            taken=partial(is_other, store),
            lasting=Lasting(
                self.draft.now,
                metadata.lifetime((self.draft.channels | records).values()),
                renewed,
            ),
        )

    def _whose(self) -> dict[str, str]:
        """What every record says of the site and its keys."""
        second = self.publisher.signer.second_fingerprint
        return {"site": self.identity.site, "second_key": second, "key_hint": self.keys.hint}

    def _backup(
        self, copy: str, state: State, objects: Iterable[Object], documents: Mapping[str, bytes]
    ) -> Object:
        """The second copies of all documents that come with a state, which has its own at `copy`,
        whatever else is written.
        """
        copies, older = {}, set()
        for name, rendered in self.rendered.items():
            if name not in self.draft.records:
                older.add(rendered.copy)
        for item in objects:
            own = item.kind is Kind.immutable and item.path.startswith("publications/")
            own = own and item.path not in older
            if own and item.path.endswith(".json") and isinstance(item.content, bytes):
                copies[item.path] = item.content
        copies |= {path: documents[path] for path in backups.new_files(state, self.old)}
        return backups.backup(copy, copies)

    def _renew_for_new_keys(self) -> None:
        """Every repository ships the keys: with other keys it is another repository."""
        known = self.old.files if self.old else {}
        same = all(known.get(path) == files.sha256(data) for path, data in self.keys.files.items())
        for name in () if same else self.draft.names:
            self._renew(name)

    def _renew(self, name: str) -> None:
        record = self.draft.published(name)
        if record is not None and name not in self.draft.records:
            key = self.publisher.signer.fingerprint
            new = renewed(record, now=self.draft.now, repo_key=key)
            self.draft.put(new, self.draft.contents(record))

    def _render_unwritten(self) -> None:
        """The channels that an unfinished publication left half-written, exactly as it meant them.

        An engine that renders them in another way publishes them anew.
        """
        for name in self.unwritten():
            record = self.draft.published(name)
            if record is None or name in self.rendered:
                continue
            listed = self.draft.contents(record)
            again = self.rendered_channel(record, listed, None)
            if again.record != record:
                self._renew(name)
                again = self.rendered_channel(self.draft.records[name], listed, record)
            self.rendered[name] = again

    def _channels(self) -> list[Channel]:
        """Every channel as it will be."""
        found = dict(self.draft.channels)
        found |= {name: channel.record for name, channel in self.rendered.items()}
        return [found[name] for name in sorted(found)]

    def _index(self, channels: Sequence[Channel]) -> tuple[Index, Graph]:
        previous = self.draft.index
        says = {}
        for name, release in indexing.unknown(previous, channels).items():
            says[name] = indexing.declared(self.draft.manifest(release))
        parent = self.old.index.sha256 if self.old else None
        return self.derive(previous, parent, channels, says, self.draft.now)

    def _state(
        self, index: Index, data: bytes, channels: Sequence[Channel], documents: Mapping[str, bytes]
    ) -> State:
        """The state that has this index, these channels and these files."""
        copies = {}
        for record in channels:
            known = self.old.channels.get(record.channel) if self.old else None
            if known is None or record.channel in self.draft.records:
                digest = files.sha256(self.rendered[record.channel].data)
                known = Copy(sequence=record.sequence, sha256=digest)
            copies[record.channel] = known
        old, named = self.old, {path: files.sha256(data) for path, data in documents.items()}
        site, url = self.identity
        made = State(
            site=site,
            url=url,
            number=old.number + 1 if old else 1,
            parent=self.draft.present.sha256,
            issued=following(old.issued, self.draft.now) if old else self.draft.now,
            engine=derived.newest_engine(old),
            root=(old.root if old else None) or self._first_root(),
            channels=copies,
            index=Copy(sequence=index.sequence, sha256=files.sha256(data)),
            keys=self.keys.keys,
            kept=self.draft.kept or (old.kept if old else None),
            files={**self._files_that_stay(index), **named},
        )
        return made.model_copy(update=old.model_extra) if old else made

    def _files_that_stay(self, index: Index) -> dict[str, str]:
        """The files of the state before, but for pages of releases that are no more."""
        return pages.left(self.old.files if self.old else {}, pages.paths(index))

    def _first_root(self) -> str | None:
        """The digest of the root that the site begins with."""
        data = self.reader.roots.files.get(role_path("root", 1)) if self.reader.roots else None
        return files.sha256(data) if data else None


def documents(draft: Draft, publisher: Publisher) -> dict[str, bytes]:
    """The pages, the schemas and the keys of a site as it is published, by path."""
    if draft.index is None:
        return {}
    channels = [*draft.channels.values()]
    return Rendering(draft, publisher).documents(draft.index, channels, whole=True)
