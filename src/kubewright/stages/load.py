"""bundle load: checks a bundle, and merges it into a site, without a key."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Literal

from kubewright.errors import PublicationConflict, RequestError, VerificationFailed
from kubewright.images import prefix
from kubewright.images.docker_archive import blob_path
from kubewright.images.layout_reader import open_layout
from kubewright.models.bundle import Before, Part
from kubewright.models.manifest import Manifest
from kubewright.models.site import Change, Index
from kubewright.settings import Settings
from kubewright.site import layout
from kubewright.site.objects import Overtaken
from kubewright.site.reader import Reader
from kubewright.stages import held, merged
from kubewright.stages.load_images import push as pushing
from kubewright.stages.moving import refuse_unsound
from kubewright.stages.near_files import NearFiles
from kubewright.stages.sources import source
from kubewright.stages.sync import Done, Run
from kubewright.verification import Report, Source
from kubewright.verification.carried import SITE, Carried
from kubewright.verification.members import LIST, is_bundle, members


@contextmanager
def carried(bundle: Path) -> Iterator[Carried]:
    """A bundle to be loaded while a block runs. Raises VerificationFailed that names the first file
    that is not what its list says.
    """
    if not is_bundle(bundle):
        raise RequestError(
            str(bundle), "no bundle", "give the file that `kubewright bundle` has made, or the"
            " directory that it was unpacked to",
        )  # fmt: skip
    with ExitStack() as until:
        found = Carried(members(bundle), until)
        found.check()
        yield found


def load(
    bundle: Carried,
    trusted: Sequence[bytes],
    settings: Settings,
    *,
    first_use: bool = False,
    delete: bool = False,
) -> Done:
    """Merge a bundle into the site of the settings, once all of it is verified. What the site has
    of earlier bundles stays.

    `trusted`, `delete` and what is raised are as for `sync`.
    """
    held.refuse(bundle.members.place, settings.site)
    done = Load(bundle, trusted, settings, first_use=first_use, delete=delete).until_still()
    if done is None:
        problem = "others are loading into it all the time"
        raise PublicationConflict(settings.site, problem, "load it again later")
    return done


def refuse_registry(registry: str | None) -> None:
    """Raise RequestError for a prefix that is none, before any work."""
    if registry is not None:
        prefix(registry)


def push(bundle: Carried, registry: str) -> tuple[str, ...]:
    """Push the images of a bundle that was loaded below a prefix; what they are called there."""
    return pushing(bundle, registry).references


class Load(Run):
    """One load."""

    def __init__(
        self,
        bundle: Carried,
        trusted: Sequence[bytes],
        settings: Settings,
        *,
        first_use: bool,
        delete: bool,
    ) -> None:
        super().__init__(
            bundle.members.place, trusted, settings, first_use=first_use, delete=delete
        )
        self.bundle = bundle
        self._part: Part | None = None
        self._tag: str | None = None

    def opened(self) -> Source:
        """The site as it is to be."""
        self._refuse_foreign()
        near = self.bundle.near = self._near()
        index = Index.read(self.bundle.wherever(layout.INDEX), layout.INDEX)
        before, self._tag = merged.present(self.to, index, self._manifest)
        part = merged.union(index, self.bundle.part, before)
        self._part = None if self._tag is None and self._is_whole(part, index) else part
        if near is not None:
            self.bundle.blobs = Older(self.bundle, index, near).opened
        return merged.Merged(self.bundle, near, self._part)

    def _is_whole(self, part: Part, index: Index) -> bool:
        with suppress(VerificationFailed):  # what is missing is found when all is verified
            return merged.is_whole(part, index, self._manifest)
        return False

    def _manifest(self, path: str) -> Manifest:
        return Manifest.read(self.bundle.wherever(path), path)

    def before_the_swap(self) -> list[Change]:
        """Say which releases will be here; what is not published yet is in nobody's way."""
        if self._part is None:  # a whole site says nothing of parts
            return []
        data = self._part.to_bytes()
        stored = self.to.get(layout.PART)
        if stored is not None and stored.data == data:
            return []
        absent = self._tag is None
        action: Literal["create", "replace"] = "create" if absent else "replace"
        change = Change(path=layout.PART, action=action, size=len(data))
        if self.settings.dry_run:
            return [change]
        if not self.to.put(layout.PART, data, if_absent=absent, if_tag=self._tag):
            raise Overtaken
        return [change]

    def refuse_unsound(self, report: Report) -> None:
        """A file that the bundle before has is named as that."""
        since = self.bundle.bundle.since
        for finding in report.findings if since else ():
            member = self.bundle.bundle.members.get(f"{SITE}{layout.pooled(finding.place)}")
            if since and member and member.before:
                problem = (
                    f"lacks {finding.place}, and {self.name} has only what is new since"
                    f" publication {since.publication}"
                )
                raise VerificationFailed(
                    self.settings.site, problem,
                    f"load the bundle of publication {since.publication} with"
                    f" {', '.join(since.releases)} first{_known(since)}",
                )  # fmt: skip
        refuse_unsound(report, "loaded")

    def _refuse_foreign(self) -> None:
        """What is sure to be refused is, before all is read."""
        ours, state = self.bundle.bundle, Reader(self.to).present().state
        if state is None:
            return
        place = self.settings.site
        if state.site != ours.site:
            problem = f"is of site {state.site}, but {self.name} is of site {ours.site}"
            raise PublicationConflict(place, problem, "load it into another place")
        if state.number > ours.publication:
            raise PublicationConflict(
                place,
                f"has publication {state.number}, which is newer than publication"
                f" {ours.publication} of {self.name}",
                "make a bundle of what is published now",
            )

    def _near(self) -> Source | None:
        place = self.settings.site
        if not place.startswith("s3://") and not Path(place).is_dir():
            return None
        return source(place, self.settings.s3_endpoint)


def _known(since: Before) -> str:
    """How the bundle before is told from others."""
    digest = since.list_sha256
    return f": `tar -xOf BUNDLE {LIST} | sha256sum` says {digest}" if digest else ""


class Older:
    """Blobs of images that earlier bundles have brought: in the archives of a site."""

    def __init__(self, bundle: Carried, index: Index, near: Source) -> None:
        self._bundle, self._index = bundle, index
        self._here = {*(near.list() or ())}
        self._near = NearFiles(near, bundle.until)
        self._places: dict[str, tuple[str, int]] | None = None

    @contextmanager
    def opened(self, digest: str) -> Iterator[IO[bytes] | None]:
        """A blob; None where no archive has it."""
        if self._places is None:
            self._places = dict(self._found())
        place = self._places.get(blob_path(digest))
        if place is None:
            yield None
            return
        with open_layout(self._near.path(*place)) as archive:
            yield archive.open(blob_path(digest))

    def _found(self) -> Iterator[tuple[str, tuple[str, int]]]:
        for release in self._index.releases:
            manifest = Manifest.read(
                self._bundle.wherever(release.manifest_url), release.manifest_url
            )
            for one in manifest.files:
                if one.kind != "image-archive" or one.url not in self._here:
                    continue
                with open_layout(self._near.path(one.url, one.size)) as archive:
                    for name in archive.names:
                        yield name, (one.url, one.size)
