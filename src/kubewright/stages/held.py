"""What a copy of a site has of the publications before the one that it goes to."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from fnmatch import filter as matching

from kubewright.site import layout
from kubewright.site.closure import closure
from kubewright.site.present import Present
from kubewright.site.reader import Reader
from kubewright.site.references import references, served
from kubewright.stages.prune import ROOTS


def finished(present: Present) -> list[Present]:
    """The publication that everything was last written for, where it is an earlier one."""
    last = present.last
    if present.finished in (None, present.state) or last is None:
        return []
    return [replace(present, state=present.finished, sha256=last.pointer.sha256, word=last)]


def pointers(reader: Reader, before: Sequence[Present]) -> set[str]:
    """The objects of publications that are replaced with the next one."""
    found = set[str]()
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
    found -= {*named, *layout.POINTERS, layout.FINISHED, layout.STATE}
    for root in ROOTS:
        found -= {*matching(found, root)}
    return found


_DOCUMENTS = ("publications/", "tuf/", "releases/")


def is_document(path: str) -> bool:
    """Whether documents of a site lead from here to other objects."""
    manifest = path.startswith("releases/") and path.endswith(f"/{layout.MANIFEST}")
    return manifest or path.startswith(_DOCUMENTS[:2])
