"""Which releases of a site a bundle has: those of names, and those that channels offer."""

import re
from collections.abc import Sequence
from typing import TypeVar

from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.bundle import Part, PartRelease
from kubewright.models.document import Document
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, Index
from kubewright.site import layout
from kubewright.stages import merged
from kubewright.verification import Source

D = TypeVar("D", bound=Document)

_RELEASE = re.compile(r"v[0-9].*-[0-9]+")


def choose(source: Source, asked: Sequence[str], architectures: Sequence[str]) -> Part:
    """What a bundle has of a site, whose documents are not verified yet. Raises RequestError for
    what the site has not.
    """
    index = _read(source, Index, layout.INDEX)
    names = dict.fromkeys(_name(source, index, word) for word in asked)
    releases = [one for one in index.releases if one.name in names]
    here = _said(source)
    found = []
    for release in releases:
        manifest = _read(source, Manifest, release.manifest_url)
        own = merged.architectures(manifest)
        strange = [arch for arch in architectures if arch not in own]
        if strange:
            problem = f"{release.name} has nothing for {', '.join(strange)}"
            raise RequestError("--arch", problem, f"it is for {', '.join(own)}")
        chosen = merged.whole(manifest, release.manifest_sha256, architectures)
        _refuse_absent(chosen, here)
        found.append(chosen)
    return Part(site=index.site, releases=tuple(sorted(found, key=lambda one: one.name)))


def _name(source: Source, index: Index, word: str) -> str:
    """The release that a word means."""
    known = {release.name: release for release in index.releases}
    if word in known:
        return word
    if _RELEASE.fullmatch(word):
        newest = ", ".join(list(known)[:5])
        raise RequestError(word, "the site has no such release", f"the newest are {newest}")
    channels = sorted(set[str]().union(*(release.channels for release in index.releases)))
    if word not in channels:
        remedy = f"its channels are {', '.join(channels) or 'none'}; a release is named v1.36.4-1"
        raise RequestError(word, "neither a release nor a channel of the site", remedy)
    current = _read(source, Channel, layout.channel_path(word)).current
    if current is None:
        raise RequestError(word, "this channel offers nothing", "name a release: v1.36.4-1")
    return current.name


def _said(source: Source) -> Part | None:
    data = source.read(layout.PART)
    return Part.read(data, layout.PART) if data is not None else None


def _refuse_absent(chosen: PartRelease, here: Part | None) -> None:
    """A part of a site can give only what it has."""
    if here is None:
        return
    there = {one.name: {*one.architectures} for one in here.releases}
    lacking = {*chosen.architectures} - there.get(chosen.name, set())
    if lacking:
        raise RequestError(
            chosen.name,
            f"is not here for {', '.join(sorted(lacking))}: the site has {', '.join(there)}",
            "load a bundle that has it, or make the bundle where the whole site is",
        )


def _read(source: Source, model: type[D], path: str) -> D:
    data = source.read(path)
    if data is None:
        raise VerificationFailed(path, "missing: this is no published site", "give its root")
    return model.read(data, path)
