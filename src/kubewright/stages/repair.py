"""repair: makes a damaged site whole again, from its own documents and the releases in dist/."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kubewright import files
from kubewright.errors import PublicationConflict, VerificationFailed
from kubewright.models.artifact import Record
from kubewright.models.manifest import Manifest
from kubewright.models.site import Change
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout, repair
from kubewright.site.objects import Kind, Object, Source
from kubewright.site.reader import Reader
from kubewright.site.references import Reference, references
from kubewright.site.store import Content, Store, holds, is_same
from kubewright.site.words import deciding
from kubewright.stages import channels, lost_pages
from kubewright.stages.seen import refuse_older
from kubewright.stages.site import published_keys, publisher
from kubewright.stages.sources import source
from kubewright.stages.store import abandoned, alone, store
from kubewright.stages.trust import anchor
from kubewright.verification import Report, verify
from kubewright.verification import keys as trust
from kubewright.verification.report import Tally
from kubewright.verification.source import Noting
from kubewright.verification.walk import Walk
from kubewright.workspace import Workspace, locks

log = logging.getLogger(__name__)


def repair_site(settings: Settings, recipes: Recipes, keys: Keys) -> tuple[Report, list[Change]]:
    """Restore every damaged or lost object that can be, and remove what nothing names.

    Returns what is still wrong, and what was written, or of a dry run would be. Documents come from
    their second copies, indexes from the releases, files of releases from `dist/`. A publication
    that was cut short is finished. Raises what the store says where it does not let an object be
    read: that one is not known to be damaged.
    """
    source(settings.site, settings.s3_endpoint)  # says what is wrong before anything is done
    mender = _Mender(store(settings), settings, recipes, keys)
    mender.mend_releases()
    mender.mend_documents()
    if not settings.dry_run:
        mender.changes += lost_pages.publish_anew(settings, recipes, keys)
        mender.changes += channels.refresh(settings, recipes, keys).changes
    mender.remove_strays()
    return mender.report(), mender.changes


@dataclass
class _Mender:
    """A site that is being repaired."""

    site: Store
    settings: Settings
    recipes: Recipes
    keys: Keys
    changes: list[Change] = field(default_factory=list)

    def reader(self) -> Reader:
        """A reader that knows the second copies."""
        own = anchor(self.settings, self.keys, mending=True)
        return repair.RestoringReader(self.site, own)

    def report(self) -> Report:
        """What is wrong now, for who believes the publisher's keys and those published by them."""
        read = Noting(source(self.settings.site, self.settings.s3_endpoint))
        try:
            trusted = published_keys(self.settings, self.keys)
        except VerificationFailed:  # damaged, which is found below
            trusted = [self.keys.repo.certificate, self.keys.artifact.public_pem]
        report = verify(read, self.settings.site, trusted, now=self.settings.now)
        read.require()
        return report

    def mend_documents(self) -> None:
        """Everything that can be made again from the state of the site."""
        own, reader = publisher(self.settings, self.recipes, self.keys), self.reader()
        present = reader.present()
        refuse_older(self.settings, reader, present)
        if reader.roots is not None and reader.roots.stray is not None:
            self._delete(reader.roots.stray)
        tag = self._pointer_tag()
        signatures = []
        for item in repair.expected(reader, present, own, self.settings.now):
            if item.lasting:
                signatures.append(item)
            elif not holds(self.site, item.path, item.size, item.sha256):
                tag = self._restore_unless_overtaken(item, tag)
        read = Noting(source(self.settings.site, self.settings.s3_endpoint))
        walk = self._walk(read)  # only now are the keys sound
        for item in signatures:
            self._mend_signature(walk, read, item)

    def _restore_unless_overtaken(self, item: Object, tag: str | None) -> str | None:
        """Restore an object of the state that was read; the tag of the pointer afterwards.

        Raises PublicationConflict if the pointer is not the same any more.
        """
        if item.kind is Kind.immutable:
            self._restore(item)
        elif self._pointer_tag() != tag:
            raise _overtaken()
        elif item.path not in layout.POINTERS or not isinstance(item.content, bytes):
            self._restore(item)
        else:
            self._note(item.path, "replace", item.size)
            if not self.settings.dry_run:
                if not self.site.put(item.path, item.content, if_absent=tag is None, if_tag=tag):
                    raise _overtaken()
                return self._pointer_tag()
        return tag

    def _pointer_tag(self) -> str | None:
        """Of the pointer as it is now."""
        stored = deciding(self.site)
        return stored.tag if stored else None

    def _restore(self, item: Object) -> None:
        if item.content is None:
            return  # what nothing names is removed elsewhere
        if not isinstance(item.content, Source):
            self._put(item.path, item.content)
        elif self._is_noted(item.content.path) or holds(
            self.site, item.content.path, item.size, item.sha256
        ):
            if not self.settings.dry_run:
                self.site.delete(item.path)
                self.site.copy(item.content.path, item.path)
            self._note(item.path, "link", item.size)

    def _is_noted(self, path: str) -> bool:
        """Whether an object has been restored, or in a dry run would have been."""
        return any(change.path == path for change in self.changes)

    def _walk(self, read: Noting) -> Walk:
        tally = Tally()
        return Walk(read, self.settings.now, trust.check(read, tally, []), tally)

    def _mend_signature(self, walk: Walk, read: Noting, item: Object) -> None:
        """A signature beside a document, if it does not hold."""
        walk.tally = Tally()
        stored = self.site.get(item.path.rpartition(".")[0])
        check = walk.openpgp if item.path.endswith(".asc") else walk.artifact
        if stored is not None:
            check(item.path, stored.data, past=True)
        read.require()
        if walk.tally.findings and isinstance(item.content, bytes):
            self._put(item.path, item.content)

    def mend_releases(self) -> None:
        """The files of releases, from `dist/` or from a second name that they have on the site."""
        reader = self.reader()
        present = reader.present()
        refuse_older(self.settings, reader, present)
        if present.state is None:
            return
        signed = [*_signed(self.settings.dist)]
        sources = dict(_made(signed))
        for release in reader.index(present.state).releases:
            place, digest = release.manifest_url, release.manifest_sha256
            self._mend_file(Reference(place, digest), sources)
            data = reader.sought(digest, place)
            if data is None:
                continue
            manifest = Manifest.read(data, place)
            for reference in references(manifest):
                self._mend_file(reference, sources)
            made = _beside(signed, digest)
            for path in _unnamed(manifest, place):
                self._mend_signed(path, made.get(path))

    def _mend_file(self, wanted: Reference, sources: dict[str, Path]) -> None:
        """A file whose digest is known."""
        if wanted.sha256 is None:
            return
        stat = self.site.stat(wanted.path)
        if stat is not None and is_same(self.site, wanted.path, stat, stat.size, wanted.sha256):
            return
        made = sources.get(wanted.sha256)
        if made is not None and files.sha256_of(made) == wanted.sha256:
            self._put(wanted.path, made)
        elif (name := self._second_name(wanted)) is not None:
            if not self.settings.dry_run:
                self.site.delete(wanted.path)
                self.site.copy(name, wanted.path)
            there = self.site.stat(name)
            self._note(wanted.path, "replace", there.size if there else 0)

    def _second_name(self, wanted: Reference) -> str | None:
        """The same rpm where a plain repository has it."""
        if not wanted.path.startswith(layout.rpm_path("")):
            return None
        end = f"/Packages/{wanted.path.rpartition('/')[2]}"
        names = (path for path in self.site.list("yum/") if path.endswith(end))
        return next((path for path in names if self.site.sha256(path) == wanted.sha256), None)

    def _mend_signed(self, path: str, made: Path | None) -> None:
        """A signature or checksum list of a release, which no digest names: who made it has it."""
        if made is None or not made.is_file():
            return
        data = made.read_bytes()
        stored = self.site.get(path)
        if stored is None or stored.data != data:
            self._put(path, data)

    def remove_strays(self) -> None:
        """What nothing on the site names; that is known only where all documents can be read."""
        tag = self._pointer_tag()
        report = self.report()
        if any(finding.place not in report.strays for finding in report.findings):
            return
        if not report.strays:
            return
        with alone(self.site) as is_alone:
            if not is_alone or self._pointer_tag() != tag:
                log.warning(
                    "%s: somebody is publishing; nothing is removed now", self.settings.site
                )
                return
            left = abandoned(self.site, report.strays)
            if len(left) < len(report.strays):
                log.warning(
                    "%s: %d objects that nothing names are younger than a day, perhaps of somebody"
                    " who is publishing; they stay: run `kubewright repair` again later",
                    self.settings.site,
                    len(report.strays) - len(left),
                )
            for path in left:
                self._delete(path)

    def _delete(self, path: str) -> None:
        if not self.settings.dry_run:
            self.site.delete(path)
        self._note(path, "delete", 0)

    def _put(self, path: str, content: Content) -> None:
        if not self.settings.dry_run:
            self.site.put(path, content)
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        self._note(path, "replace", size)

    def _note(self, path: str, action: str, size: int) -> None:
        if not self.settings.dry_run:
            log.info("%s: %s", path, "removed" if action == "delete" else "restored")
        self.changes.append(Change.model_validate({"path": path, "action": action, "size": size}))


def _unnamed(manifest: Manifest, place: str) -> list[str]:
    sums = layout.release_path(manifest.release.name, layout.CHECKSUMS)
    return [*layout.signatures(place), sums, f"{sums}.asc"]


def _overtaken() -> PublicationConflict:
    return PublicationConflict(
        layout.TIMESTAMP, "somebody else has published meanwhile", "run `kubewright repair` again"
    )


Signed = tuple[Workspace, Record]
"""A signed release in `dist/`, with what `sign` made."""


def _made(signed: Iterable[Signed]) -> Iterator[tuple[str, Path]]:
    """The files of signed releases, by digest."""
    for workspace, record in signed:
        for artifact in (*record.artifacts, *record.packages):
            path = workspace.root / artifact.path
            if path.is_file():
                yield artifact.sha256, path


def _beside(signed: Iterable[Signed], manifest: str) -> dict[str, Path]:
    """The files that were signed together with the manifest of that digest, by path on a site."""
    for workspace, record in signed:
        if any(item.kind == "manifest" and item.sha256 == manifest for item in record.artifacts):
            return {item.url: workspace.root / item.path for item in record.artifacts}
    return {}


def _signed(dist: Path) -> Iterator[Signed]:
    """The signed releases in `dist/`."""
    for name in locks(dist):
        workspace = Workspace(dist / name)
        record = workspace.record("sign")
        if record is not None:
            yield workspace, record
