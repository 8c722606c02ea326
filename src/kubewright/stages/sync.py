"""sync: copies a published site to another place, as it is, without a key."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import NamedTuple

from kubewright.errors import PublicationConflict, VerificationFailed
from kubewright.log import redacted
from kubewright.models.site import Change
from kubewright.settings import Settings
from kubewright.site import layout, words
from kubewright.site.objects import Overtaken
from kubewright.site.present import Present
from kubewright.site.reader import Reader
from kubewright.site.removal import remove
from kubewright.stages import copying, held
from kubewright.stages.copying import Original
from kubewright.stages.moving import Moving, measures, refuse_unsound, require_still, still
from kubewright.stages.sources import source
from kubewright.stages.store import announce, store
from kubewright.stages.verify import refuse_stranger, verify
from kubewright.verification import Demands, Report
from kubewright.verification.source import Source, getting
from kubewright.verification.steady import Steady

log = logging.getLogger(__name__)

WAITS = (0, 1, 2, 4, 8)
"""Seconds before each try, for as long as somebody publishes on the original."""


class Done(NamedTuple):
    """What was copied, or in a dry run would be."""

    publication: int
    url: str
    """The address that the site says of itself; empty where it has none."""
    changes: tuple[Change, ...]
    removed: tuple[str, ...]
    warnings: tuple[str, ...]
    """Of the verification of the original."""

    @property
    def copied(self) -> int:
        """How many objects."""
        return sum(change.action != "delete" for change in self.changes)

    @property
    def size(self) -> int:
        """Bytes that were sent; a second name of an object is none."""
        sent = [one for one in self.changes if one.action in ("create", "replace")]
        return sum(change.size for change in sent)


def sync(
    origin: str,
    trusted: Sequence[bytes],
    settings: Settings,
    *,
    first_use: bool = False,
    delete: bool = False,
) -> Done:
    """Copy the site at `origin` to the site of the settings, once all of it is verified.

    `trusted` is as for `verify`. With `delete` goes what the place has of publications that the
    original has forgotten. Raises VerificationFailed for an original that is not sound,
    PublicationConflict for a place that is of another site, newer, or forked, and where a
    publication is under way for long.
    """
    held.refuse_bundle(origin, settings.site)
    held.refuse(origin, settings.site)
    run = Run(origin, trusted, settings, first_use=first_use, delete=delete)
    run.memory = settings.state
    done = run.until_still()
    if done is not None:
        return done
    theirs = origin.startswith(("http://", "https://"))
    site = "its directory or bucket" if theirs else origin
    raise PublicationConflict(
        run.name,
        "a publication is under way, or was cut short",
        "wait until it is finished, and sync again; if nobody is publishing, run"
        f" `kubewright refresh --site {site}` with its keys before",
    )


class Run:
    """One command: a site is verified, and copied to the place of the settings."""

    memory: Path | None = None
    """Where it is remembered what was seen of the original."""

    def __init__(
        self,
        origin: str,
        trusted: Sequence[bytes],
        settings: Settings,
        *,
        first_use: bool,
        delete: bool,
    ) -> None:
        endpoint = settings.s3_endpoint
        both = [one.startswith("s3://") for one in (origin, settings.site)]
        self.endpoint = endpoint if both[0] or not both[1] else None
        if both[0] and not both[1]:
            settings = settings.model_copy(update={"s3_endpoint": None})
        self.origin, self.trusted, self.settings = origin, trusted, settings
        self.name = redacted(origin)
        self.first_use, self.delete = first_use, delete
        self.to = store(settings)
        if not settings.dry_run:
            announce(self.to)

    def until_still(self) -> Done | None:
        """Copy, and try again while somebody publishes; None where that has no end."""
        for seconds in WAITS:
            sleep(seconds)
            try:
                return self.once()
            except (Moving, Overtaken):
                log.info("%s: somebody is publishing; trying again", self.name)
        return None

    def once(self) -> Done:
        """Verify and copy. Raises Moving, or Overtaken, where that has to begin again."""
        fresh = self.opened()
        original, report = self._verified(fresh)
        refuse_stranger(report, content=self.first_use)
        with still(fresh, original):
            return self._copied(fresh, original, report)

    def opened(self) -> Source:
        """What is copied, as it is now."""
        return source(self.origin, self.endpoint)

    def before_the_swap(self) -> list[Change]:
        """Write what readers may see before the publication is there."""
        return []

    def refuse_unsound(self, report: Report) -> None:
        """Raise VerificationFailed that names the first object with a fault."""
        refuse_unsound(report, "copied")

    def _verified(self, fresh: Source) -> tuple[Original, Report]:
        """The original, once all of it is found sound."""
        web, place = self.origin.startswith(("http://", "https://")), Path(self.settings.site)
        if web and place.is_dir():
            near = held.Nearby(fresh, source(self.settings.site, None))
            with suppress(VerificationFailed):  # what is wrong is in the copy, maybe
                return self._sound(fresh, Steady(near))
        return self._sound(fresh, Steady(fresh))

    def _sound(self, fresh: Source, read: Steady) -> tuple[Original, Report]:
        with still(fresh, Original(read, {})):
            report = verify(
                self.origin,
                self.trusted,
                Demands(url=self.settings.url or None),
                now=self.settings.now,
                state=self.memory,
                s3_endpoint=self.endpoint,
                read=read,
            )
            if report.unfinished:
                raise Moving
            self.refuse_unsound(report)
            return Original(read, measures(read, report)), report

    def _copied(self, fresh: Source, original: Original, report: Report) -> Done:
        before = self._before(original, report)
        known = before[0].state is not None
        changes = copying.immutables(original, self.to, known=known)
        if not self.settings.dry_run:
            copying.send(original, self.to, changes)
        changes += self.before_the_swap()
        tag = copying.tag(original, self.to)  # of what is looked at now, or of what was before
        before = self._before(original, report)
        with self._explained():
            reader = Reader(self.to)
            stale = sorted(held.pointers(reader, before) - original.objects.keys())
            forgotten = set[str]()
            if self.delete:
                forgotten = held.forgotten(reader, before, {*report.named}) - {*stale}
        early = {one.path for one in changes}
        changes += [one for one in copying.pointers(original, self.to) if one.path not in early]
        stale = [path for path in stale if self.to.stat(path) is not None]
        changes += [Change(path=path, action="delete", size=0) for path in stale]
        removed = self._finish(fresh, original, changes, tag, forgotten)
        found = report.publication
        return Done(
            found.number if found else 0,
            found.url if found else "",
            tuple(changes),
            removed,
            report.warnings,
        )

    def _before(self, original: Original, report: Report) -> list[Present]:
        """The publication that the place has, and the one that was finished before, if that is
        another. Raises PublicationConflict.
        """
        with self._explained():
            present = Reader(self.to).present()
        self._refuse_other(original, report, present)
        return [present, *held.finished(present)]

    def _finish(
        self,
        fresh: Source,
        original: Original,
        changes: Sequence[Change],
        tag: str | None,
        forgotten: set[str],
    ) -> tuple[str, ...]:
        """Swap the pointer, and write all that follows; the paths of what is removed.

        Documents go after the last word: until then they say what else is to go.
        """
        documents = {path for path in forgotten if held.is_document(path)}
        if self.settings.dry_run:
            there = (path for path in sorted(forgotten) if self.to.stat(path) is not None)
            return tuple(there)
        last = original.data(layout.FINISHED)  # all is read before anybody sees anything of it
        require_still(fresh, original)
        rest = [one for one in changes if not layout.is_immutable(one.path)]
        if rest:
            copying.swap(original, self.to, rest, tag)
        removed = self._remove(forgotten - documents)
        if any(one.path == layout.FINISHED for one in rest):
            copying.require_present(original, self.to)
            self.to.put(layout.FINISHED, last)
        return removed + self._remove(documents)

    def _remove(self, paths: set[str]) -> tuple[str, ...]:
        return remove(self.to, None, sorted(paths)) if paths else ()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what to do where the place has a damaged publication: the original has it all."""
        try:
            yield
        except VerificationFailed as error:
            place = f"{self.settings.site}: {error.place}"
            remedy = "sync to an empty place, and put that in the place of this one"
            raise VerificationFailed(place, error.problem, remedy) from error

    def _refuse_other(self, original: Original, report: Report, present: Present) -> None:
        """Only a place of the same site whose publication the original has had moves forward."""
        state, found, to = present.state, report.publication, self.settings.site
        if state is None or found is None:
            return
        if state.site != found.site:
            problem = f"is of site {state.site or 'without an id'}, but {self.name} is of"
            raise PublicationConflict(
                to, f"{problem} site {found.site or 'without an id'}", "copy it to another place"
            )
        said = words.read(original.data(original.record), getting(original.source))
        times = [one.published.timestamp for one in (present.word, said) if one and one.published]
        if state.number > found.number or (len(times) > 1 and times[0] > times[1]):
            here, there = (f"publication {number}" for number in (state.number, found.number))
            stamped = ", whose timestamp is older" if state.number == found.number else ""
            raise PublicationConflict(
                to, f"has {here}, which is newer than {there} of {self.name}{stamped}",
                "copy from where the site is published",
            )  # fmt: skip
        if report.history.get(state.number) != present.sha256:
            raise PublicationConflict(
                to,
                f"its publication {state.number} is not publication {state.number} of"
                f" {self.name}: somebody has published on one of both since they parted",
                "copy to another place, or from the site that this one follows",
            )
