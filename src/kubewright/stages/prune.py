"""prune: forgets publications that nobody reads any more, and removes what only they name."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

from kubewright import files
from kubewright.errors import RequestError
from kubewright.metadata import chain
from kubewright.metadata.chain import Followed
from kubewright.models.pruned import Pruned
from kubewright.models.site import Channel, Kept, State
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout, pages
from kubewright.site.closure import closure
from kubewright.site.draft import Draft
from kubewright.site.removal import removable, remove
from kubewright.stages.site import edit
from kubewright.stages.store import store
from kubewright.stages.trust import anchor
from kubewright.verification.strays import FOLDERS

D = TypeVar("D", Channel, State)

FEW = 8
"""So few publications are not worth another, if they alone were to be forgotten."""


class Retention(NamedTuple):
    """How much of a site's history stays."""

    publications: int
    """So many of each channel and of the whole site, whatever their age."""
    seconds: int
    """And whatever was current within so many."""


class Done(NamedTuple):
    """What pruning did, or in a dry run would do."""

    forgotten: int
    """Publications that are not there any more."""
    dropped: tuple[str, ...]
    """Releases that the index has no more."""
    removed: tuple[str, ...]
    """Paths of objects."""
    suspects: int
    """Objects that nothing names, which go if it is still so when the retention is over."""


def prune(retention: Retention, settings: Settings, recipes: Recipes, keys: Keys) -> Done:
    """Publish a state with a shorter history, and remove what is named no more.

    What goes follows from documents that are given up, and not from how old a file is; a run that
    is cut short is finished by the next. Raises RequestError for a site that has nothing, and
    VerificationFailed where a document is lost.
    """
    found: list[_Plan] = []

    def change(draft: Draft) -> None:
        if draft.present.state is None:
            raise RequestError(settings.site, "nothing is published", "publish a release first")
        plan = _Plan(draft, draft.present.state, retention)
        found.append(plan)
        plan.apply()

    edit(settings, recipes, keys, change)
    plan = found[-1]
    objects = tuple(path for path in plan.pruned.objects if path in plan.there)
    if not settings.dry_run:
        site, own = store(settings), anchor(settings, keys)
        objects = remove(site, own, objects)
    forgotten = len(plan.pruned.states) - len(plan.before.states)
    return Done(forgotten, tuple(sorted(plan.dropped)), objects, len(plan.pruned.suspects))


class _Plan:
    """What a site shall keep, and what it gives up."""

    def __init__(self, draft: Draft, state: State, retention: Retention) -> None:
        self.draft, self.state, self.retention = draft, state, retention
        self.reader = draft.reader
        digest = state.history.pruned
        self.before = Pruned(states={}, objects=())
        if digest is not None:
            path = layout.pruned_copy(digest)
            self.before = self.reader.document(Pruned, digest, path)
        self.reader.foresee_history()
        self.there = self._there()
        self.kept = self._kept()
        self.dropped = frozenset(self._dropped())
        self.pruned = self._pruned()

    def apply(self) -> None:
        """Put it into the draft, unless nothing would change."""
        forgotten = len(self.pruned.states) - len(self.before.states)
        stays = self.kept.channels == self.state.history.channels and not self.dropped
        same = self.pruned.suspects == self.before.suspects
        if stays and same and forgotten < FEW:  # each pruning is a publication too
            self.pruned = self.before
            return
        data = self.pruned.to_bytes()
        self.draft.pruned, self.draft.dropped = data, self.dropped
        self.draft.kept = self.kept.model_copy(update={"pruned": files.sha256(data)})

    def _kept(self) -> Kept:
        """The oldest of each kind that stays."""
        states = [one for one, _ in self.reader.states(self.state, str(self.draft.present.sha256))]
        states = [*self._staying(states)]
        channels = {}
        for name, record in self.draft.channels.items():
            past = self.draft.history(record)[::-1]
            own = [*self._staying(past)]
            named = [one.channels[name].sequence for one in states if name in one.channels]
            oldest = min([one.sequence for one in own] + named)
            if oldest > 1:
                channels[name] = oldest
        return Kept(
            state=states[-1].number,
            snapshot=self._oldest_snapshot(states[-1].number),
            index=min(one.index.sequence for one in states),
            channels=channels,
        )

    def _staying(self, newest_first: Sequence[D]) -> Iterator[D]:
        """Those that are among so many, or were current within the time."""
        replaced: int | None = None
        for place, one in enumerate(newest_first):
            recent = replaced is None or replaced > self.draft.now - self.retention.seconds
            if place >= self.retention.publications and not recent:
                return
            yield one
            replaced = one.issued

    def _oldest_snapshot(self, number: int) -> int:
        """The version of the first TUF snapshot that leads to a publication which stays."""
        word, version = self.draft.present.word, 0
        found: Followed | None = word.published if word else None
        while found is not None and found.origin.number >= number:
            version = found.version
            found = chain.before(found, self.reader.at, self.state.history.snapshot)
        return version if found is not None else self.state.history.snapshot

    def _dropped(self) -> Iterator[str]:
        """The releases that no channel has, nor has had in a record that stays."""
        listed = set[str]()
        for name, record in self.draft.channels.items():
            for one in self.reader.history(record, self.kept.oldest(name)):
                listed |= {release.name for release in one.releases}
        for release in self.draft.index.releases if self.draft.index else ():
            if release.name not in listed:
                yield release.name

    def _pruned(self) -> Pruned:
        """The list of what is given up: by what documents say that stay, and those that do not."""
        states = dict(self.before.states)
        for state, digest in self.reader.states(self.state, str(self.draft.present.sha256)):
            if state.number < self.kept.state:
                states[str(state.number)] = digest
        shorter = self.kept.model_copy(update={"pruned": self.state.history.pruned})
        state = self.state.model_copy(update={"kept": shorter, "files": self._files_left()})
        present = replace(self.draft.present, state=state)
        named = closure(self.reader, self.draft.present)
        needed = closure(self.reader, present, self.dropped)
        there = self.there
        waiting = {path for path in self.before.objects if path in there}
        suspects, ripe = self._suspects(there - named - waiting)
        old = self.state.history.pruned
        list_of_before = {layout.pruned_copy(old)} if old is not None else set[str]()
        objects = (((named - needed) | waiting | ripe) - needed) | list_of_before
        return Pruned(states=states, objects=tuple(sorted(objects)), suspects=suspects)

    def _files_left(self) -> dict[str, str]:
        """The site's files, but for pages of releases that are dropped."""
        index = self.draft.index
        if index is None:
            return self.state.files
        staying = tuple(one for one in index.releases if one.name not in self.dropped)
        there = pages.paths(index.model_copy(update={"releases": staying}))
        return pages.left(self.state.files, there)

    def _there(self) -> set[str]:
        """The objects in the site's folders, but for what is never removed."""
        found = set[str]()
        for folder in FOLDERS:
            found.update(self.reader.store.list(folder))
        return removable(found)

    def _suspects(self, unnamed: set[str]) -> tuple[dict[str, int], set[str]]:
        """Objects of a publication under way or given up, and those that are surely the latter:
        nobody publishes for so long.
        """
        now, suspects, ripe = self.draft.now, dict[str, int](), set[str]()
        for path in sorted(unnamed):
            since = self.before.suspects.get(path, now)
            if path in self.before.suspects and now - since >= self.retention.seconds:
                ripe.add(path)
            else:
                suspects[path] = since
        return suspects, ripe
