"""The site's front page, rendered from the index, the manifests and the channels."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import semver

from kubewright.addresses import is_exposed
from kubewright.models.manifest import Manifest
from kubewright.models.site import YANKED, Channel, ChannelRelease, Index, IndexedRelease
from kubewright.moments import day
from kubewright.site import graph


def render(
    index: Index, manifest: Manifest, channels: Mapping[str, Channel], templates: Path
) -> bytes:
    """index.html from the folder of templates; `manifest` is of the release that `presented`
    gives.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(templates),
    )  # fmt: skip
    text = environment.get_template("index.html.j2").render(variables(index, manifest, channels))
    return text.encode()


def presented(channels: Mapping[str, Channel], index: Index) -> ChannelRelease | IndexedRelease:
    """The release that the page is about: what `stable` points to, else the newest that a channel
    offers, else the newest of all.
    """
    return _first(channels).current or index.releases[0]


def _first(channels: Mapping[str, Channel]) -> Channel:
    stable = channels.get("stable")
    if stable is not None and stable.current is not None:
        return stable
    return max(channels.values(), key=_newest)


def variables(index: Index, manifest: Manifest, channels: Mapping[str, Channel]) -> dict[str, Any]:
    """What the template shows."""
    channel = _first(channels)
    current = presented(channels, index)
    issued = day(max(one.issued for one in channels.values()))
    return {
        "site_url": channel.url,
        "latest": {
            "version": f"v{current.kubernetes}",
            "offered": channel.current is not None,
            "name": current.name,
            "channel": channel.channel,
            "manifest_url": current.manifest_url,
        },
        "releases": [_release(one, issued) for one in index.releases],
        "components": [
            {"name": one.name, "version": one.version, "status": one.status, "reason": one.reason}
            for one in manifest.components.values()
        ],
        "archives": _archives(manifest),
        "images": [one.reference for one in manifest.images],
        "flavour": manifest.images[0].flavour if manifest.images else "dispatcher",
        "requirements": requirements(manifest),
        "install": [{"title": one.title, "commands": one.commands} for one in manifest.install],
        "keys": [
            {"fingerprint": key.id, "url": key.url, "kind": key.kind} for key in manifest.keys
        ],
        "development": manifest.development,
        "origin": _origin(manifest),
        "exposed": is_exposed(channel.url),
        "issued": issued,
    }


def _origin(manifest: Manifest) -> str:
    """Whose the programs are: `sample`, `source` (compiled by somebody else), or `upstream`."""
    kinds = {entry.mirror.kind for entry in manifest.inputs if entry.mirror}
    return next((kind for kind in ("sample", "source") if kind in kinds), "upstream")


def _release(one: IndexedRelease, issued: str) -> dict[str, Any]:
    return {
        "version": f"v{one.kubernetes}",
        "name": one.name,
        "channels": list(one.channels),
        "status": "withdrawn" if one.status == YANKED else one.status,
        "reason": one.reason,
        "manifest_url": one.manifest_url,
        "end_of_life": one.end_of_life or "",
        "past": one.end_of_life is not None and one.end_of_life < issued,
    }


def _archives(manifest: Manifest) -> list[dict[str, str]]:
    found = []
    for one in manifest.artifacts:
        if one.kind == "image-archive":
            size = f"{one.size / 1e6:,.0f} MB"
            found.append({"name": one.name, "url": one.url, "arch": one.arch, "size": size})
    return found


def _newest(channel: Channel) -> tuple[bool, semver.Version, int, str]:
    release = channel.current
    rank = graph.rank(release.kubernetes, release.name) if release else graph.LOWEST
    return (release is not None, *rank, channel.channel)


def requirements(manifest: Manifest) -> list[str]:
    """What a node needs, in short sentences."""
    return manifest.requirements.node.sentences()
