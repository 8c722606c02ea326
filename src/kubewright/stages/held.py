"""What a copy of a site has of the publications before the one that it goes to."""

# ruff: noqa: D102 -- Source says once what each method does

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from kubewright.errors import RequestError
from kubewright.log import redacted
from kubewright.site import layout
from kubewright.site.closure import closure
from kubewright.site.present import Present
from kubewright.site.reader import Reader
from kubewright.site.references import references, served
from kubewright.site.removal import removable
from kubewright.verification.members import is_bundle
from kubewright.verification.notes import Measure
from kubewright.verification.source import Source


class Nearby:
    """A distant site, of which a copy has many immutable objects: these are read there. What is
    verified is then what the copy has, or is to get.
    """

    def __init__(self, far: Source, near: Source) -> None:
        self._far, self._near = far, near
        self.list, self.distant = far.list, far.distant
        self._here: set[str] = {*(near.list() or ())}

    def _of(self, path: str) -> Source:
        near = layout.is_immutable(path) and path in self._here
        return self._near if near else self._far

    def read(self, path: str, most: int | None = None) -> bytes | None:
        return self._of(path).read(path, most)

    def measured(self, path: str, size: int | None = None) -> Measure | None:
        return self._of(path).measured(path, size)

    def local(self, path: str, size: int) -> AbstractContextManager[Path]:
        return self._of(path).local(path, size)


def refuse_bundle(origin: str, place: str) -> None:
    """Raise RequestError for a bundle: it is loaded."""
    if "://" not in origin and is_bundle(Path(origin)):
        remedy = f"`kubewright bundle load {origin} --site {place}` keeps what is there"
        raise RequestError(origin, "a bundle, which has only some releases of its site", remedy)


def refuse(origin: str, place: str) -> None:
    """Raise RequestError for a place that cannot have a copy of the site at `origin`."""
    if place.startswith("s3://"):
        return
    if "://" in place:
        problem = "only directories and buckets can be written to"
        raise RequestError(redacted(place), problem, "give a path, or s3://BUCKET/PREFIX")
    one, other = Path(place).resolve(), Path(origin).resolve()
    inside = one in other.parents or other in one.parents
    if inside and "://" not in origin:
        problem = f"is inside {origin}, or has it inside"
        raise RequestError(place, problem, "choose a directory beside it for the copy")


def finished(present: Present) -> list[Present]:
    """The publication that everything was last written for, where it is an earlier one."""
    last = present.last
    if present.finished in (None, present.state) or last is None:
        return []
    return [replace(present, state=present.finished, sha256=last.pointer.sha256, word=last)]


def pointers(reader: Reader, before: Sequence[Present]) -> set[str]:
    """The objects of publications that are replaced with the next one."""
    found = {layout.PART}
    for present in before:
        if present.state is None:
            continue
        found |= {reference.path for reference in references(present.state)}
        for record in reader.channels(present.state).values():
            found |= {reference.path for reference in served(record)}
    return {path for path in found if not layout.is_immutable(path)}


def forgotten(reader: Reader, before: Sequence[Present], named: Collection[str]) -> set[str]:
    """What publications at the place name, but for what is `named` now; and documents that
    were left when that was removed. Roots stay.
    """
    found = set[str]()
    for present in before:
        found |= closure(reader, present)
    for top in _DOCUMENTS:
        found |= {path for path in reader.store.list(top) if is_document(path)}
    return removable(found - {*named, *layout.POINTERS, layout.FINISHED, layout.STATE})


_DOCUMENTS = ("publications/", "tuf/", "releases/")


def is_document(path: str) -> bool:
    """Whether documents of a site lead from here to other objects."""
    manifest = path.startswith("releases/") and path.endswith(f"/{layout.MANIFEST}")
    return manifest or path.startswith(_DOCUMENTS[:2])
