"""Copies the objects of a verified site to another place: its readers see the old site or the new
one.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple, TypeVar

from kubewright.models.site import Change
from kubewright.site import layout
from kubewright.site.objects import Kind, Object, Overtaken, gone, pointer
from kubewright.site.store import Store, is_same
from kubewright.site.writing import FROM_AFAR, WRITERS, apply
from kubewright.verification.notes import Measure
from kubewright.verification.steady import Steady

T = TypeVar("T")

SMALL = 1 << 20
"""Bytes of an object that goes through memory; a larger one goes through a file."""


class Original(NamedTuple):
    """A site that was verified."""

    source: Steady
    """Gives the bytes that were verified, or none."""
    objects: Mapping[str, Measure]
    """Size and SHA-256 of each of its objects, by path."""

    @property
    def record(self) -> str:
        """The path of the pointer that decides."""
        return next(path for path in layout.POINTERS if path in self.objects)

    @property
    def pointers(self) -> list[str]:
        """What follows from it, in the order of publications, but for the last word."""
        apart = (self.record, layout.FINISHED)
        found = [path for path in self.objects if not layout.is_immutable(path)]
        return sorted((path for path in found if path not in apart), key=_turn)

    def data(self, path: str) -> bytes:
        """The bytes of an object. Raises VerificationFailed where it has others by now."""
        return self.source.read(path, self.objects[path][0]) or b""

    def twin(self, path: str) -> str | None:
        """The rpm in the pool that another path of it repeats."""
        if "/Packages/" not in path:
            return None
        pooled = layout.rpm_path(path.rpartition("/")[2])
        same = self.objects.get(pooled) == self.objects[path]
        return pooled if same and pooled != path else None


def immutables(original: Original, to: Store, *, known: bool) -> list[Change]:
    """The immutable objects that a place lacks. Where it is `known` to have a publication of this
    site, an object of a distant store that has the size is the object: it never changes.
    """
    paths = [path for path in original.objects if layout.is_immutable(path)]
    return _lacking(original, to, paths, by_size=known)


def pointers(original: Original, to: Store) -> list[Change]:
    """The other objects that a place lacks, the pointer first and the last word at the end."""
    paths = [original.record, *original.pointers, layout.FINISHED]
    return _lacking(original, to, paths, by_size=False)


def send(original: Original, to: Store, changes: Iterable[Change]) -> None:
    """Write immutable objects, and then the second names of those."""
    for links in (False, True):
        wave = [one for one in changes if (one.action == "link") is links]
        _at_once(to, partial(_write, original, to), wave)


def tag(original: Original, to: Store) -> str | None:
    """The tag of the pointer that a place has now; None: it has none."""
    stored = to.get(original.record)
    return stored.tag if stored else None


def swap(original: Original, to: Store, changes: Iterable[Change], tag: str | None) -> None:
    """Let a place go to the publication: swap its pointer, which has a `tag`, and write what
    follows from it, but for the last word. Raises Overtaken.
    """
    objects = []
    for change in changes:
        if change.path == layout.FINISHED:
            continue
        if change.action == "delete":
            objects.append(gone(change.path))
            continue
        data, fresh = original.data(change.path), change.action == "create"
        if change.path == original.record:
            sha256 = original.objects[change.path][1]
            objects.append(Object(change.path, Kind.record, data, len(data), sha256, fresh))
        else:
            objects.append(pointer(change.path, data, fresh=fresh))
    apply(to, objects, tag)
    require_present(original, to)


def require_present(original: Original, to: Store) -> None:
    """Raise Overtaken if somebody has published at the place since."""
    stored = to.get(original.record)
    if stored is None or stored.data != original.data(original.record):
        raise Overtaken


def _lacking(original: Original, to: Store, paths: Iterable[str], *, by_size: bool) -> list[Change]:
    look = partial(_change, original, to, by_size)
    return [change for change in _at_once(to, look, paths) if change is not None]


def _change(original: Original, to: Store, by_size: bool, path: str) -> Change | None:
    """What makes a place have an object; None: it has it."""
    size, sha256 = original.objects[path]
    there = to.stat(path)
    if there is None:
        action = "link" if original.twin(path) else "create"
        return Change.model_validate({"path": path, "action": action, "size": size})
    if by_size and there.sha256 is None and there.size == size:
        return None
    if is_same(to, path, there, size, sha256):
        return None
    return Change(path=path, action="replace", size=size)


def _write(original: Original, to: Store, change: Change) -> None:
    twin = original.twin(change.path) if change.action == "link" else None
    if twin is not None and to.copy(twin, change.path):
        return
    if change.size <= SMALL:
        to.put(change.path, original.data(change.path))
        return
    with original.source.local(change.path, change.size) as file:
        to.put(change.path, file)


def _at_once(to: Store, work: Callable[..., T], items: Iterable[object]) -> list[T]:
    with ThreadPoolExecutor(FROM_AFAR if to.distant else WRITERS) as pool:
        return [*pool.map(work, items)]


_FOLDERS = (
    "releases",
    "keys",
    "schemas",
    "minors",
    "docs",
    "install.sh",
    "index.html",
    "publications",
)
_LATER = (layout.INDEX, layout.STATE)
_NAMES = (
    "Packages", "Packages.gz", "Release", "Release.gpg", "InRelease",
    "repomd.xml.asc", "repomd.xml.key", "repomd.xml", "mirrorlist",
)  # fmt: skip


def _turn(path: str) -> tuple[int, str, int, int, str]:
    """Where an object stands among those that follow from the pointer (repo/README.md)."""
    parts = path.split("/")
    name = parts[-1]
    turn = _NAMES.index(name) if name in _NAMES else -1
    if parts[:2] == ["apt", "dists"]:
        return 0, parts[2], 0, turn, path
    if parts[0] == "yum":
        return 0, parts[1], 1, turn, path
    if parts[0] == "channels":  # the marker, and then the record
        stem, _, ending = name.rpartition(".")
        return 0, stem, 2, int(ending == "json"), path
    place = _FOLDERS.index(parts[0]) if parts[0] in _FOLDERS else 3
    return 1 + place, "", 0, int(path in _LATER), path
