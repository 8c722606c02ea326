"""What the far side has already: a bundle before, or the site that bundles were loaded into."""

from pathlib import Path
from typing import Protocol

from kubewright.errors import RequestError
from kubewright.images.layout_reader import open_layout
from kubewright.models.bundle import Before, Member, Part
from kubewright.models.manifest import Manifest
from kubewright.models.site import Index
from kubewright.site.directory import DirectoryStore
from kubewright.site.reader import Reader
from kubewright.stages import merged
from kubewright.verification.carried import IMAGES, SITE, Carried
from kubewright.verification.members import is_bundle, members
from kubewright.verification.source import Directory


class Earlier(Protocol):
    """What a new bundle need not have."""

    @property
    def site(self) -> str:
        """The id of the site."""

    @property
    def before(self) -> Before:
        """How the new bundle names it."""

    def has(self, path: str, member: Member) -> bool:
        """Whether a file of a bundle is there."""


class EarlierBundle:
    """A bundle, and those that it follows itself."""

    def __init__(self, path: Path) -> None:
        carried = Carried(members(path))
        self._members = carried.bundle.members
        self.site = carried.bundle.site
        self.before = Before(
            list_sha256=carried.list_sha256,
            publication=carried.bundle.publication,
            releases=tuple(one.name for one in carried.bundle.releases),
        )

    def has(self, path: str, member: Member) -> bool:
        """As in the protocol."""
        there = self._members.get(path)
        return there is not None and (there.size, there.sha256) == (member.size, member.sha256)


class EarlierSite:
    """A site that bundles were loaded into."""

    def __init__(self, path: Path) -> None:
        self._source, store = Directory(path), DirectoryStore(path)
        state = Reader(store).present().state
        if state is None:
            raise RequestError(
                str(path), "neither a bundle nor a site", "give the older bundle, or where it lies"
            )
        index = Reader(store).index(state)
        part = merged.present(store, index, self._manifest)[0] or Part(site=state.site, releases=())
        self.site = state.site
        self.before = Before(
            publication=state.number, releases=tuple(one.name for one in part.releases)
        )
        self._here = {*self._source.list()}
        self._blobs = self._found(index)

    def has(self, path: str, member: Member) -> bool:
        """As in the protocol."""
        if path.startswith(IMAGES):
            return path.removeprefix(IMAGES) in self._blobs
        measured = self._source.measured(path.removeprefix(SITE), member.size)
        return path.startswith(SITE) and measured == (member.size, member.sha256)

    def _manifest(self, path: str) -> Manifest:
        return Manifest.read(self._source.read(path) or b"", path)

    def _found(self, index: Index) -> set[str]:
        """The blobs in archives of images, by path below a layout."""
        found = set[str]()
        for release in index.releases:
            manifest = self._manifest(release.manifest_url)
            for one in manifest.files:
                if one.kind == "image-archive" and one.url in self._here:
                    with self._source.local(one.url, one.size) as file, open_layout(file) as tar:
                        found |= tar.names
        return found


def earlier(path: Path) -> Earlier:
    """What is at a path. Raises RequestError for what is neither a bundle nor a site."""
    if is_bundle(path):
        return EarlierBundle(path)
    if not path.is_dir():
        raise RequestError(
            f"--since {path}", "no such file or directory", "give the older bundle, or the"
            " directory of the site that it was loaded into",
        )  # fmt: skip
    return EarlierSite(path)
