"""Renders what a site lacks whose state stays: the rest of a publication, and renewals."""

import logging
from collections.abc import Iterable, Iterator
from functools import partial

from kubewright import files
from kubewright.metadata.chain import Published, Roots
from kubewright.models.site import Index, State
from kubewright.site import derived, freshness, layout, metadata, repositories
from kubewright.site.draft import Draft, Publisher
from kubewright.site.metadata import Lasting, Whose
from kubewright.site.objects import Object, pointer
from kubewright.site.rendering import Rendering
from kubewright.site.words import Word
from kubewright.site.writing import is_other

log = logging.getLogger(__name__)

_STALE = "%s leads to targets that expire within 200 days; refresh once with --artifact-key"


class Unchanged(Rendering):
    """A site that keeps its state; `rendered` are the channels that it left half-written."""

    def __init__(
        self, draft: Draft, publisher: Publisher, rendered: dict[str, repositories.Rendered]
    ) -> None:
        super().__init__(draft, publisher)
        self.rendered = rendered

    def objects(self, state: State, word: Word) -> tuple[bytes, list[Object]]:
        """The pointer as it shall be, and every object that is to be written.

        What an earlier publication lacks; and, where suites or the timestamp are due or there is
        another root, both for as long again.
        """
        objects = [*self._missing(state, word.data)]
        before, roots, now = word.published, self.reader.roots, self.draft.now
        if before is None or roots is None:
            return word.data, objects
        records = self.draft.channels.values()
        renewed, days = freshness.renewal(records, before.dated, now), metadata.lifetime(records)
        suites = renewed != before.dated
        stale = metadata.is_stale(before, now)
        if stale and not self.publisher.roles.artifact.here:
            log.warning(_STALE, layout.TIMESTAMP)
            stale = False
        if not suites and not stale and not metadata.is_due(before, roots, now, days):
            return word.data, objects
        made = self._metadata(before, roots, Lasting(now, days, renewed), stale=stale)
        data = made.timestamp
        told = {layout.FINISHED, *(_signed_files(self.draft.names) if suites else ())}
        objects = [item for item in objects if item.path not in told]
        objects += made.objects
        objects.append(derived.commit(data, first=self.draft.present.tag is None))
        objects += self.suites(records, renewed) if suites else ()
        objects.append(pointer(layout.FINISHED, data, fresh=False))
        return data, objects

    def _metadata(
        self, before: Published, roots: Roots, lasting: Lasting, *, stale: bool
    ) -> metadata.Rendered:
        """A timestamp, and where they are stale the same targets and snapshot for as long again."""
        roles = self.publisher.roles
        if not stale:
            objects = tuple(metadata.new_root(roots))
            data = metadata.renewed(before, roots, roles, lasting)
            return metadata.Rendered(objects, data)
        said, taken = before.origin, partial(is_other, self.reader.store)
        whose = Whose(said.site, said.number, said.state)
        return metadata.render(
            whose, before.targets, before, roots, roles, taken=taken, lasting=lasting
        )

    def _missing(self, state: State, word: bytes) -> Iterator[Object]:
        """What a committed publication still lacks of everything that follows from it."""
        present = self.draft.present
        if not present.unfinished:
            return
        if present.undated:
            yield from self.suites(self.draft.channels.values(), freshness.dated(present.word))
        if present.finished == state:
            yield pointer(layout.FINISHED, word, fresh=False)
            return
        yield from self.channel_objects()
        index = self.reader.index(state)
        channels = [*self.draft.channels.values()]
        _, graph = self.derive(index, None, channels, {}, now=0)
        upgrades = self._published_graph(index) or graph.to_bytes()
        meant = {}
        for path, data in self.documents(index, channels).items():
            if state.files.get(path) == files.sha256(data):
                meant[path] = data
        data = self.index_bytes(index)
        yield from self.following(state, self._state_bytes(), index, data, upgrades, meant, word)

    def _published_graph(self, index: Index) -> bytes | None:
        if index.graph_sha256 is None:
            return None
        path = layout.graph_copy(index.graph_sha256)
        return self.reader.sought(index.graph_sha256, path, layout.GRAPH)

    def _state_bytes(self) -> bytes:
        """The published state as it is written."""
        present = self.draft.present
        if present.state is None or present.sha256 is None:
            return b""
        path = layout.state_copy(present.state.number, present.sha256)
        return self.reader.content(present.sha256, path, layout.STATE)


def _signed_files(channels: Iterable[str]) -> Iterator[str]:
    for name in channels:
        for file in ("Release", "Release.gpg", "InRelease"):
            yield f"{layout.suite_path(name)}/{file}"
