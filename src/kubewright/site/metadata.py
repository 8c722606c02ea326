"""Renders the TUF metadata of a publication: what it vouches for, and the pointer to it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from kubewright import files
from kubewright.errors import RequestError
from kubewright.metadata import formats
from kubewright.metadata.chain import Published, Roots
from kubewright.metadata.formats import Origin, RoleKeys, Target
from kubewright.metadata.names import FOLDER, role_path
from kubewright.models.base import DAY
from kubewright.models.site import LONGEST, Channel, Index, IndexedRelease, State
from kubewright.site import backups, layout
from kubewright.site.draft import Draft
from kubewright.site.objects import Object, immutable

LASTS = 400
"""Days until targets and snapshot expire, which each publication writes anew: a year, and some."""


class Lasting(NamedTuple):
    """From when on a timestamp is good, and for how long."""

    now: int
    """Epoch seconds."""
    days: int | None
    """None: for ever."""
    renewed: int
    """When the site's suites were renewed last, in epoch seconds."""

    @property
    def until(self) -> int:
        """When it expires, in epoch seconds."""
        return self.now + (self.days or LONGEST) * DAY


class Whose(NamedTuple):
    """The state that metadata leads to."""

    site: str
    number: int
    state: str
    """Its SHA-256."""


@dataclass(frozen=True)
class Rendered:
    """The metadata of a publication."""

    objects: tuple[Object, ...]
    """All but the timestamp."""
    timestamp: bytes


def render(
    whose: Whose,
    named: Mapping[str, Target],
    before: Published | None,
    roots: Roots,
    keys: RoleKeys,
    *,
    taken: Callable[[Object], bool],
    lasting: Lasting,
) -> Rendered:
    """Metadata that leads to a state and names these documents, after what was published `before`.

    Its files are numbered; `taken` says whether an object's place has other bytes already, of a
    publication that was given up or of a rival's.
    """
    parent = (before.sha256, before.version) if before else (None, 0)
    said = Origin(whose.site, whose.number, whose.state, *parent)
    version = before.version + 1 if before else 1
    while True:
        numbered = _numbered(version, named, said, keys, lasting.now + LASTS * DAY)
        objects = [immutable(path, data, numbered=True) for path, data in numbered.items()]
        objects.append(backups.metadata(str(version), numbered))
        if not any(map(taken, objects)):
            break
        version += 1
    meta = formats.described(version, numbered[role_path("snapshot", version)])
    number = _next(before, roots)
    made = formats.timestamp(number, lasting.until, meta, lasting.renewed)
    objects += new_root(roots)
    return Rendered(tuple(objects), formats.signed(made, keys.freshness))


def new_root(roots: Roots) -> Iterator[Object]:
    """The roots, where a site lacks one of them."""
    return root_files(roots) if roots.fresh else iter(())


def root_files(roots: Roots) -> Iterator[Object]:
    """The roots of a site from the trusted one on, each with a second copy."""
    for path, data in roots.files.items():
        yield immutable(path, data)
        yield backups.metadata(path.removeprefix(FOLDER).removesuffix(".json"), {path: data})


def _numbered(
    version: int, named: Mapping[str, Target], said: Origin, keys: RoleKeys, until: int
) -> dict[str, bytes]:
    """Targets and snapshot of a version, by path."""
    names = formats.signed(formats.targets(version, until, named), keys.artifact)
    snapshot = formats.signed(formats.snapshot(version, until, names, said), keys.artifact)
    return {role_path("targets", version): names, role_path("snapshot", version): snapshot}


def renewed(before: Published, roots: Roots, keys: RoleKeys, lasting: Lasting) -> bytes:
    """A timestamp for the same publication, from now on."""
    number = _next(before, roots)
    made = formats.timestamp(number, lasting.until, before.snapshot, lasting.renewed)
    return formats.signed(made, keys.freshness)


def _next(before: Published | None, roots: Roots) -> int:
    """The version of the next timestamp; under another freshness key they begin anew, for who had
    the last may have signed the highest of all.
    """
    number = before.timestamp + 1 if before and not roots.handed_over else 1
    if number > formats.HIGHEST:
        raise RequestError(
            layout.TIMESTAMP,
            f"has version {formats.HIGHEST}, the highest: whoever has the freshness key signed it",
            "replace that key by a next root (docs/keys.md)",
        )
    return number


def lifetime(records: Iterable[Channel]) -> int | None:
    """Days that a timestamp is good for, those of the suite that expires first; None: for ever."""
    return min((record.valid_for for record in records if record.valid_for), default=None)


def is_due(before: Published, roots: Roots, now: int, days: int | None) -> bool:
    """Whether a timestamp has less than half of its days left, or a new root is to be published."""
    if roots.fresh:
        return True
    return days is not None and 2 * (before.expires[layout.TIMESTAMP] - now) < days * DAY


def is_stale(before: Published, now: int) -> bool:
    """Whether targets or snapshot have less than half of their days left."""
    ends = [until for path, until in before.expires.items() if path != layout.TIMESTAMP]
    return 2 * (min(ends) - now) < LASTS * DAY


def named(
    draft: Draft,
    whose: Whose,
    state: State,
    index: Index,
    before: Published | None,
    made: Iterable[bytes],
) -> dict[str, Target]:
    """Every document that a site vouches for by its metadata, by path.

    What changes is named where it lies and where its copy does, which never changes. `made` are
    the documents that are new with the state.
    """
    known = {target.sha256: target.size for target in before.targets.values()} if before else {}
    known |= {files.sha256(data): len(data) for data in made}
    found: dict[str, Target] = {}

    def name(sha256: str, *paths: str) -> None:
        if sha256 not in known:
            known[sha256] = len(draft.reader.content(sha256, *paths))
        found.update(dict.fromkeys(paths, Target(known[sha256], sha256)))

    name(whose.state, layout.state_copy(state.number, whose.state), layout.STATE)
    index_copy = layout.index_copy(state.index.sequence, state.index.sha256)
    name(state.index.sha256, index_copy, layout.INDEX)
    for channel, copy in state.channels.items():
        path = layout.channel_copy(channel, copy.sequence, copy.sha256)
        name(copy.sha256, path, layout.channel_path(channel))
    for path, sha256 in state.files.items():
        if path.startswith("keys/"):
            name(sha256, path)
    for release in index.releases:
        found |= _of_release(draft, release, before)
    return found


def _of_release(
    draft: Draft, release: IndexedRelease, before: Published | None
) -> dict[str, Target]:
    """A release's manifest, and the entries that repositories are made from."""
    url, digest = release.manifest_url, release.manifest_sha256
    entries = [layout.release_path(release.name, name) for name in layout.ENTRIES.values()]
    known = before.targets if before else {}
    if url in known and known[url].sha256 == digest:
        return {path: known[path] for path in (url, *entries) if path in known}
    manifest = draft.manifest(release)
    found = {url: Target(len(manifest.to_bytes()), digest)}
    if files.sha256(manifest.to_bytes()) != digest:  # another engine's form
        found[url] = Target(len(draft.reader.content(digest, url)), digest)
    for file in manifest.artifacts:
        if file.url in entries:
            found[file.url] = Target(file.size, file.sha256)
    return found
