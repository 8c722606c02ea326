"""A site's front page, from the index, the channels and the manifest of the release presented."""

from collections.abc import Mapping, Sequence
from typing import Any

import semver

from kubewright import versions
from kubewright.log import amount
from kubewright.models.catalog import MinorFacts
from kubewright.models.manifest import Manifest
from kubewright.models.site import (
    WITHDRAWN,
    YANKED,
    Channel,
    ChannelRelease,
    Index,
    IndexedRelease,
)
from kubewright.moments import day, midnight
from kubewright.site import graph, layout
from kubewright.site.pages import shared


def presented(channels: Mapping[str, Channel], index: Index) -> ChannelRelease | IndexedRelease:
    """The release that the page is about: what `stable` points to, else the newest that a channel
    offers, else the newest of all.
    """
    return _first(channels).current or index.releases[0]


def _first(channels: Mapping[str, Channel]) -> Channel:
    stable = channels.get("stable")
    if stable is not None and stable.current is not None:
        return stable
    offering = [one for one in channels.values() if one.channel != WITHDRAWN]
    return max(offering or channels.values(), key=_newest)


def _newest(channel: Channel) -> tuple[bool, semver.Version, int, str]:
    release = channel.current
    rank = graph.rank(release.kubernetes, release.name) if release else graph.LOWEST
    return (release is not None, *rank, channel.channel)


def variables(
    index: Index,
    manifest: Manifest,
    channels: Mapping[str, Channel],
    minors: Mapping[str, MinorFacts],
) -> dict[str, Any]:
    """What the template shows."""
    first = _first(channels)
    current = presented(channels, index)
    issued = day(max(one.issued for one in channels.values()))
    entry = next(one for one in index.releases if one.name == current.name)
    channel = _own_channel(channels, entry, first.channel)
    return {
        **shared.site(first.url, ""),
        "issued": issued,
        "latest": _latest(entry, issued) | {"offered": first.current is not None},
        "channel": channel,
        "channels": _channels(channels),
        "ways": shared.ways(first.url, channel) if first.current is not None else [],
        "withdrawn": [shared.release(one) for one in index.releases if one.status == YANKED],
        "timeline": timeline(index, minors, issued),
        **_of_manifest(manifest),
    }


def _of_manifest(manifest: Manifest) -> dict[str, Any]:
    """What the template shows of the release that is presented."""
    keys = [{"fingerprint": key.id, "url": key.url, "kind": key.kind} for key in manifest.keys]
    return {
        "components": shared.components(manifest),
        "distributions": shared.distributions(manifest),
        "archives": _archives(manifest),
        "images": shared.images(manifest),
        "flavour": manifest.images[0].flavour if manifest.images else "dispatcher",
        "requirements": shared.requirements(manifest),
        "keys": keys,
        "keyring": layout.KEYRING,
        "development": manifest.development,
        "origin": shared.origin(manifest),
    }


def _latest(entry: IndexedRelease, issued: str) -> dict[str, Any]:
    """The release that is presented; `issued` is the day of the newest publication."""
    minor = versions.minor(entry.kubernetes)
    return {
        **shared.release(entry),
        "minor": minor,
        "minor_page": layout.minor_page(minor),
        "past": entry.end_of_life is not None and entry.end_of_life < issued,
        "sources": [
            {"name": name, "page": layout.release_page(name)} for name in entry.upgrades_from
        ],
    }


def _own_channel(channels: Mapping[str, Channel], entry: IndexedRelease, other: str) -> str:
    """The channel to install from: that of the minor, whose upgrades stay within it, if it offers
    the same release.
    """
    minor = versions.minor(entry.kubernetes)
    for channel in sorted(channels, key=shared.nearest(minor)):
        current = channels[channel].current
        if channel.endswith(f"-{minor}") and current is not None and current.name == entry.name:
            return channel
    return other


def _channels(channels: Mapping[str, Channel]) -> list[dict[str, str]]:
    """What each channel offers, and since when; the newest release first."""
    found = []
    for one in sorted(channels.values(), key=_newest, reverse=True):
        if one.current is not None and one.channel != WITHDRAWN:
            found.append({
                "name": one.channel,
                "release": one.current.name,
                "page": layout.release_page(one.current.name),
                "since": day(one.issued),
            })  # fmt: skip
    return found


def _archives(manifest: Manifest) -> list[dict[str, str]]:
    found = []
    for one in manifest.artifacts:
        if one.kind == "image-archive":
            size = amount(one.size)
            found.append({"name": one.name, "url": one.url, "arch": one.arch, "size": size})
    return found


def timeline(index: Index, minors: Mapping[str, MinorFacts], today: str) -> dict[str, Any]:
    """The minors of the site with upstream's support as bars: places in per cent of the whole."""
    rows = [*_rows(index, minors)]
    dated = [row for row in rows if row["released"] and row["end_of_life"]]
    if not dated:
        return {"rows": rows, "years": [], "today": None}
    first = midnight(min(row["released"] for row in dated))
    last = midnight(max(row["end_of_life"] for row in dated))

    def place(when: str) -> float:
        return round(100 * (midnight(when) - first) / max(last - first, 1), 2)

    for row in rows:
        row["past"] = bool(row["end_of_life"]) and row["end_of_life"] < today
        if row in dated:
            begin = place(row["released"])
            row["bar"] = {"left": begin, "width": round(place(row["end_of_life"]) - begin, 2)}
    return {"rows": rows, "years": _years(place, dated), "today": min(max(place(today), 0), 100)}


def _years(place: Any, dated: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Where the years begin that the bars reach into."""
    first = min(row["released"] for row in dated)
    last = max(row["end_of_life"] for row in dated)
    found = []
    for year in range(int(first[:4]) + 1, int(last[:4]) + 1):
        found.append({"year": year, "left": place(f"{year}-01-01")})
    return found


def _rows(index: Index, minors: Mapping[str, MinorFacts]) -> list[dict[str, Any]]:
    """Each minor of the site, newest first, with the release to take."""
    found: dict[str, dict[str, Any]] = {}
    for one in index.releases:
        name = versions.minor(one.kubernetes)
        known = minors.get(name)
        row = found.setdefault(name, {
            "minor": name,
            "page": layout.minor_page(name),
            "newest": "", "newest_page": "",
            "released": known.released if known else "",
            "end_of_life": one.end_of_life or "",
            "past": False, "bar": None,
        })  # fmt: skip
        if one.status == "current" and not row["newest"]:
            row["newest"], row["newest_page"] = one.name, layout.release_page(one.name)
    return [*found.values()]
