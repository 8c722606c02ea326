"""bundle: one archive of releases of a site, verified, for machines without network."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from time import sleep
from typing import IO, NamedTuple

from kubewright.errors import PublicationConflict, RequestError, VerificationFailed
from kubewright.images.docker_archive import blob_path
from kubewright.log import redacted
from kubewright.models.bundle import Archive, Bundle, Member, Part
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, Index
from kubewright.settings import Settings
from kubewright.site import layout
from kubewright.stages import bundle_tar
from kubewright.stages.bundle_choice import choose
from kubewright.stages.bundle_images import Images
from kubewright.stages.bundle_tar import Content
from kubewright.stages.copying import Original
from kubewright.stages.earlier import earlier
from kubewright.stages.moving import Moving, measures, refuse_unsound, still
from kubewright.stages.near_files import NearFiles
from kubewright.stages.sources import source
from kubewright.stages.sync import WAITS
from kubewright.stages.verify import refuse_stranger, verify
from kubewright.verification import Demands, Report, Source
from kubewright.verification.carried import IMAGES, SITE
from kubewright.verification.steady import Steady

log = logging.getLogger(__name__)


class Asked(NamedTuple):
    """What a bundle is to have."""

    names: Sequence[str]
    """Releases, and channels: of those what they offer now."""
    architectures: Sequence[str] = ()
    """Empty: all that the releases are for."""
    since: Path | None = None
    """A bundle, or a site that bundles were loaded into: what that has is left out."""


class Site(NamedTuple):
    """The site that a bundle is made of, verified."""

    original: Original
    publication: int
    sha256: str
    issued: int
    url: str
    part: Part
    listed: Index
    manifests: Mapping[str, Manifest]
    """Of the releases in the bundle, by name."""
    channels: Mapping[str, Channel]


More = Callable[[Site], Sequence[Content]]
"""What else is to be in a bundle of a site."""


class Made(NamedTuple):
    """A bundle, or what one would be."""

    bundle: Bundle
    size: int
    """Bytes."""
    sha256: str
    """Empty where none was written."""
    warnings: tuple[str, ...]


def bundle(
    target: Path,
    asked: Asked,
    trusted: Sequence[bytes],
    settings: Settings,
    more: More,
    *,
    first_use: bool = False,
) -> Made:
    """Write a bundle of releases of the site that the settings name, once all of that is verified
    but for packages and images of other releases. `trusted` is as for `verify`.

    Raises RequestError for what the site has not, VerificationFailed for a site that is not sound,
    DiskError without room, and PublicationConflict where a publication is under way for long.
    """
    bundle_tar.refuse(target)
    making = _Making(target, asked, trusted, settings, more)
    for seconds in WAITS:
        sleep(seconds)
        try:
            return making.once(first_use=first_use)
        except Moving:
            log.info("%s: somebody is publishing; trying again", redacted(settings.site))
    raise PublicationConflict(
        redacted(settings.site),
        "a publication is under way, or was cut short",
        "wait until it is finished, and make the bundle again; if nobody is publishing, whoever has"
        " the keys of the site runs `kubewright refresh` before",
    )


class _Making:
    """One command."""

    def __init__(
        self, target: Path, asked: Asked, trusted: Sequence[bytes], settings: Settings, more: More
    ) -> None:
        self.target, self.asked, self.trusted = target, asked, trusted
        self.settings, self.more = settings, more
        self.before = earlier(asked.since) if asked.since else None

    def once(self, *, first_use: bool) -> Made:
        """Verify and write. Raises Moving where that has to begin again."""
        fresh = source(self.settings.site, self.settings.s3_endpoint)
        read = Steady(fresh)
        with still(fresh, Original(read, {})), ExitStack() as until:
            part = choose(read, self.asked.names, self.asked.architectures)
            report = self._verified(read, part)
            refuse_stranger(report, content=first_use)
            site = _site(read, report, part)
            self._refuse_other(site)
            images = Images(NearFiles(fresh, until))
            for one in part.releases:
                images.add(site.manifests[one.name], one)
            images.finish()
            contents = [self._marked(one) for one in self._contents(fresh, site, images)]
            return self._written(site, images.archives, contents, report)

    def _verified(self, read: Steady, part: Part) -> Report:
        report = verify(
            self.settings.site,
            self.trusted,
            Demands(url=self.settings.url or None, part=part),
            now=self.settings.now,
            state=self.settings.state,
            s3_endpoint=self.settings.s3_endpoint,
            read=read,
        )
        if report.unfinished:
            raise Moving
        refuse_unsound(report, "written")
        return report

    def _refuse_other(self, site: Site) -> None:
        """What the far side has must be of the same site, and no newer."""
        if self.before is None:
            return
        place, number = f"--since {self.asked.since}", self.before.before.publication
        if self.before.site != site.part.site:
            problem = f"is of site {self.before.site}, not of site {site.part.site}"
            raise RequestError(place, problem, "give a bundle of this site")
        if number > site.publication:
            problem = f"is of publication {number}, newer than publication {site.publication}"
            raise RequestError(place, problem, "make the bundle from where the site is published")

    def _contents(self, fresh: Source, site: Site, images: Images) -> list[Content]:
        """Every file of the bundle. An rpm is there once, and an archive as its blobs."""
        found = [Content.of(f"{IMAGES}{path}", data) for path, data in images.documents.items()]
        archives = {one.path for one in images.archives}
        for path, (size, sha256) in site.original.objects.items():
            if path != layout.PART and path not in archives and path == layout.pooled(path):
                opened = partial(_opened, fresh, path, size)
                member, lasting = Member(size=size, sha256=sha256), layout.is_immutable(path)
                found.append(Content(f"{SITE}{path}", member, opened, lasting))
        for digest, blob in images.blobs.items():
            member = Member(size=blob.size, sha256=digest.removeprefix("sha256:"))
            path = f"{IMAGES}{blob_path(digest)}"
            found.append(Content(path, member, partial(images.opened, digest), lasting=True))
        apart = {"without": ("image-archive",)}
        here = tuple(one.model_copy(update=apart) for one in site.part.releases)
        part = Part(site=site.part.site, releases=here, linked=False)
        found.append(Content.of(f"{SITE}{layout.PART}", part.to_bytes()))
        return sorted([*found, *self.more(site)], key=lambda one: one.path)

    def _marked(self, one: Content) -> Content:
        """A content, marked where the far side has it already: it never changes."""
        if self.before is None or not one.lasting or not self.before.has(one.path, one.member):
            return one
        return one._replace(member=one.member.model_copy(update={"before": True}))

    def _written(
        self, site: Site, archives: Sequence[Archive], contents: Sequence[Content], report: Report
    ) -> Made:
        systems = {one.path.split("/")[1] for one in contents if one.path.startswith("os/")}
        made = Bundle(
            site=site.part.site,
            url=site.url,
            publication=site.publication,
            publication_sha256=site.sha256,
            issued=site.issued,
            releases=site.part.releases,
            systems=tuple(sorted(systems)),
            members={one.path: one.member for one in contents},
            archives=tuple(archives),
            since=self.before.before if self.before else None,
        )
        size = bundle_tar.require_room(self.target, made, contents)
        if self.settings.dry_run:
            return Made(made, size, "", report.warnings)
        digest = bundle_tar.write(self.target, made, contents)
        return Made(made, size, digest, report.warnings)


def _site(read: Steady, report: Report, part: Part) -> Site:
    """What was verified, for who renders of it."""
    found = report.publication
    if found is None:
        raise VerificationFailed(report.site, "has no publication", "publish it again")
    index = Index.read(read.read(layout.INDEX) or b"", layout.INDEX)
    urls = {release.name: release.manifest_url for release in index.releases}
    manifests = {}
    for one in part.releases:
        url = urls[one.name]
        manifests[one.name] = Manifest.read(read.read(url) or b"", url)
    channels = {}
    for name in sorted(set[str]().union(*(release.channels for release in index.releases))):
        path = layout.channel_path(name)
        channels[name] = Channel.read(read.read(path) or b"", path)
    return Site(
        original=Original(read, measures(read, report)),
        publication=found.number,
        sha256=found.sha256,
        issued=found.issued,
        url=found.url,
        part=part,
        listed=index,
        manifests=manifests,
        channels=channels,
    )


@contextmanager
def _opened(source: Source, path: str, size: int) -> Iterator[IO[bytes]]:
    with source.local(path, size) as file, file.open("rb") as stream:
        yield stream
