"""A site as it is to be once a bundle is merged into it: the bundle, and what was there before."""

# ruff: noqa: D102 -- Source says once what each method does

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kubewright.errors import VerificationFailed
from kubewright.models.bundle import Part, PartRelease
from kubewright.models.manifest import Manifest
from kubewright.models.site import Index
from kubewright.site import layout
from kubewright.site.store import Store
from kubewright.verification.carried import Carried
from kubewright.verification.notes import Measure
from kubewright.verification.source import Source


def union(index: Index, *parts: Part | None) -> Part:
    """What of the releases that an index lists is in any of several parts of the site."""
    found: dict[str, set[str]] = {}
    manifests = {release.name: release.manifest_sha256 for release in index.releases}
    for part in parts:
        for one in part.releases if part else ():
            if manifests.get(one.name) == one.manifest_sha256:
                found.setdefault(one.name, set()).update(one.architectures)
    releases = []
    for name, architectures in sorted(found.items()):
        releases.append(
            PartRelease(
                name=name,
                manifest_sha256=manifests[name],
                architectures=tuple(sorted(architectures)),
            )
        )
    return Part(site=index.site, releases=tuple(releases))


def present(
    store: Store, index: Index, manifest: Callable[[str], Manifest]
) -> tuple[Part | None, str | None]:
    """Which of the releases of an index a place has, and the tag of the object that says so. Where
    none does, or it is damaged, what lies there says it; `manifest` reads one by its path.
    """
    stored = store.get(layout.PART)
    if stored is not None:
        with suppress(VerificationFailed):
            return Part.read(stored.data, layout.PART), stored.tag
    there = {*store.list("")}
    releases = []
    for release in index.releases if there else ():
        found = manifest(release.manifest_url)
        lacking = {str(one.arch) for one in found.files if one.url not in there}
        own = [arch for arch in architectures(found) if arch not in lacking]
        if own and "all" not in lacking:
            releases.append(whole(found, release.manifest_sha256, own))
    part = Part(site=index.site, releases=tuple(releases))
    return part, stored.tag if stored else None


def is_whole(part: Part, index: Index, manifest: Callable[[str], Manifest]) -> bool:
    """Whether a part has all releases of an index."""
    here = {one.name: one.architectures for one in part.releases}
    for release in index.releases:
        if {*architectures(manifest(release.manifest_url))} - {*here.get(release.name, ())}:
            return False
    return True


def whole(manifest: Manifest, sha256: str, wanted: Iterable[str] = ()) -> PartRelease:
    """All of a release, or only the `wanted` architectures of it."""
    own = architectures(manifest)
    chosen = [arch for arch in own if arch in wanted] if wanted else own
    return PartRelease(
        name=manifest.release.name, manifest_sha256=sha256, architectures=tuple(chosen)
    )


def architectures(manifest: Manifest) -> list[str]:
    """Those that a release has packages for."""
    return sorted({str(one.arch) for one in manifest.packages} - {"all"})


class Merged:
    """Objects come from the bundle, and immutable ones that it lacks from the place. A second name
    of an rpm is found by the first.
    """

    def __init__(self, carried: Carried, near: Source | None, part: Part | None) -> None:
        self._carried, self._near = carried, near
        self.distant = near.distant if near else False
        self._part = part.to_bytes() if part else None
        self._here: set[str] = {*(near.list() or ())} if near else set()

    def list(self) -> list[str] | None:
        return None

    def _found(self, path: str) -> tuple[Source | None, str]:
        """Who has an object, and by which name."""
        for name in (path, layout.pooled(path)):
            if self._carried.has(name):
                return self._carried, name
            if layout.is_immutable(name) and name in self._here:
                return self._near, name
        return None, path

    def read(self, path: str, most: int | None = None) -> bytes | None:
        if path == layout.PART:
            return self._part
        source, name = self._found(path)
        return source.read(name, most) if source else None

    def measured(self, path: str, size: int | None = None) -> Measure | None:
        source, name = self._found(path)
        return source.measured(name, size) if source else None

    @contextmanager
    def local(self, path: str, size: int) -> Iterator[Path]:
        source, name = self._found(path)
        with (source or self._carried).local(name, size) as file:
            yield file
