"""A release's page, from its manifest and what the index says of it."""

import re
from typing import Any

from kubewright import versions
from kubewright.log import amount
from kubewright.models.manifest import File, Manifest
from kubewright.models.site import WITHDRAWN, YANKED, Index, IndexedRelease
from kubewright.moments import day
from kubewright.site import layout
from kubewright.site.install_commands import exact_roles
from kubewright.site.pages import shared


def variables(
    index: Index, one: IndexedRelease, before: IndexedRelease | None, manifest: Manifest
) -> dict[str, Any]:
    """What the template shows; `before` is the next older release of the site."""
    minor = versions.minor(one.kubernetes)
    channel = _channel(one, minor)
    folder = layout.release_path(one.name)
    return {
        **shared.site(index.url, "../"),
        "release": shared.release(one),
        "minor": minor,
        "minor_page": layout.minor_page(minor),
        "made": day(manifest.release.source_date_epoch),
        "channel": channel,
        "ways": shared.ways(index.url, channel, exact_roles(manifest.packages)) if channel else [],
        "before": before.name if before else "",
        "before_page": layout.release_page(before.name) if before else "",
        "changes": _changes(before, one) if before else [],
        "components": shared.components(manifest),
        "skipped": [
            {"name": f"{skip.name} for {skip.arch}", "reason": skip.reason}
            for skip in manifest.skipped
        ],
        "packages": [_file(package) for package in manifest.packages],
        "images": shared.images(manifest),
        "others": [_file(other) for other in manifest.artifacts if other.kind in _SHOWN],
        "requirements": shared.requirements(manifest),
        "ranges": [in_words(upgrade.from_range) for upgrade in manifest.upgrades],
        "sources": [
            {"name": name, "page": layout.release_page(name)} for name in one.upgrades_from
        ],
        "sums": f"{folder}/{layout.CHECKSUMS}",
        "keyring": layout.KEYRING,
        "development": manifest.development,
        "origin": shared.origin(manifest),
    }


_SHOWN = ("image-archive", "node-spec", "sbom")
"""Kinds of files that people take by hand."""


def _channel(one: IndexedRelease, minor: str) -> str:
    """The channel from which the release is installed: its minor's, else the first that has it; ""
    where none has it.
    """
    if one.status == YANKED:
        return WITHDRAWN
    return next(iter(sorted(one.channels, key=shared.nearest(minor))), "")


def _changes(before: IndexedRelease, one: IndexedRelease) -> list[dict[str, str]]:
    """Components that the release before has not, or at another version."""
    found = []
    for name in dict.fromkeys((*one.components, *before.components)):
        old, new = before.components.get(name, ""), one.components.get(name, "")
        if old != new:
            found.append({"name": name, "before": old, "after": new})
    return found


def _file(file: File) -> dict[str, str]:
    return {
        "name": file.name,
        "url": file.url,
        "size": amount(file.size),
        "sha256": file.sha256,
    }


def in_words(text: str) -> str:
    """A range of versions for people: `any 1.35`, `1.36 up to 1.36.4`; others as they are."""
    found = re.fullmatch(r">=(\d+\.(\d+)\.0),<(\d+)\.(\d+)\.0", text)
    if found is not None and int(found[4]) == int(found[2]) + 1:
        return f"any {versions.minor(found[1])}"
    found = re.fullmatch(r">=(\d+\.\d+)\.0-0,<=(\S+)", text)
    return f"{found[1]} up to {found[2]}" if found is not None else text
