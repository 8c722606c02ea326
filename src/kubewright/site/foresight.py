"""Guesses what will be read of a site next, so that a distant store is asked for it at once.

A wrong guess costs a request: what was not asked for is read when it is needed.
"""

import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from typing import Any, Final

from kubewright import files
from kubewright.errors import KubewrightError
from kubewright.metadata import chain
from kubewright.metadata.names import role_path
from kubewright.models.site import ChannelRelease
from kubewright.site import keys, layout
from kubewright.site.ahead import Ahead
from kubewright.site.anchor import Anchor

_MANIFESTS: Final = 6
"""How many manifests are read for what they say of inputs and for the page."""

_FOLDERS: Final = ("publications/", "releases/", "tuf/")
"""Where the documents are that name all others."""

_DAMAGED: Final = (ValueError, LookupError, TypeError, AttributeError, KubewrightError)


def present(store: Ahead, anchor: Anchor | None) -> None:
    """Ask for what the present state is, in two rounds: places that never change, then what lies
    there names the rest.
    """
    store.forget()
    if not store.distant:
        return
    hints = (layout.STATE, layout.INDEX)
    store.expect((layout.TIMESTAMP, layout.FINISHED, *hints, *_roots(anchor)))
    said = [store.peek(path) or b"" for path in (layout.TIMESTAMP, layout.FINISHED, *hints)]
    objects, stats = dict[str, None](), list[str]()
    for data in said[:2]:
        with suppress(*_DAMAGED):
            version = json.loads(data)["signed"]["meta"]["snapshot.json"]["version"]
            objects |= dict.fromkeys(role_path(role, version) for role in ("snapshot", "targets"))
            stats = [role_path(role, version + 1) for role in ("targets", "snapshot")]
            stats.append(layout.metadata_backup(str(version + 1)))
    with suppress(*_DAMAGED):
        objects |= dict.fromkeys(_of_state(*said[2:]))
    with suppress(*_DAMAGED):
        objects |= dict.fromkeys(_manifests(json.loads(said[3])))
    store.expect(objects, stats=stats)


def history(store: Ahead) -> None:
    """Ask for every document that says what a site has been, in a round after the lists."""
    if not store.distant:
        return
    store.expect(lists=_FOLDERS)
    wanted: list[str] = []
    for folder in _FOLDERS:
        wanted += filter(_is_document, store.list(folder))
    store.expect(wanted)


def releases(store: Ahead, wanted: Iterable[ChannelRelease], *, known: Collection[str]) -> None:
    """Ask for the manifests of releases and their entries of indexes, but for `known` paths."""
    objects: list[str] = []
    for release in wanted:
        objects += of_release(release)
    store.expect(path for path in objects if path not in known)


def of_release(release: ChannelRelease) -> tuple[str, ...]:
    """Its manifest and its entries of indexes."""
    entries = (layout.release_path(release.name, name) for name in layout.ENTRIES.values())
    return release.manifest_url, *entries


def _is_document(path: str) -> bool:
    """Whether an object names others and never changes: no signature, nor a second copy."""
    if path.startswith("releases/"):
        return path.endswith(f"/{layout.MANIFEST}")
    named = path.endswith(".json") and not path.endswith(layout.BACKUP)
    return named and layout.is_immutable(path)


def _roots(anchor: Anchor | None) -> Iterator[str]:
    """Those that are trusted, and one that may follow."""
    path = ""
    for root in anchor.roots if anchor else ():
        with suppress(*_DAMAGED):
            path = chain.place_of(root, "")
            yield path
    with suppress(*_DAMAGED):
        number = path.removeprefix(role_path("root", 0).partition("0")[0]).partition(".")[0]
        yield role_path("root", int(number) + 1)


def _of_state(data: bytes, index: bytes) -> Iterator[str]:
    """The signatures of a state, and the documents that it names; the index unless this is it."""
    found: dict[str, Any] = json.loads(data)
    yield from layout.signatures(layout.state_copy(found["number"], files.sha256(data)))
    for name, channel in found["channels"].items():
        yield layout.channel_copy(name, channel["sequence"], channel["sha256"])
    if found["index"]["sha256"] != files.sha256(index):
        yield layout.index_copy(found["index"]["sequence"], found["index"]["sha256"])
    yield from keys.sources(found["files"], [(key["id"], key["role"]) for key in found["keys"]])


def _manifests(index: dict[str, Any]) -> Iterator[str]:
    """The manifests of what channels offer, the newest first."""
    offered = [one["manifest_url"] for one in index["releases"] if one["status"] == "current"]
    yield from offered[:_MANIFESTS]
