"""A minor's page and its facts for programs, from what the index says of its releases."""

from collections.abc import Collection, Sequence
from typing import Any

from kubewright import versions
from kubewright.models.catalog import MinorFacts
from kubewright.models.minor import MinorReleases
from kubewright.models.site import Index, IndexedRelease
from kubewright.site.pages import shared


def document(
    index: Index, name: str, releases: Sequence[IndexedRelease], known: MinorFacts | None
) -> MinorReleases:
    """The facts of a minor; `known` is what the recipes say of it."""
    ends = [one.end_of_life for one in releases if one.end_of_life]
    return MinorReleases(
        site=index.site,
        url=index.url,
        minor=name,
        released=known.released if known else None,
        end_of_life=(known.end_of_life if known else None) or next(iter(ends), None),
        channels=offered(index, releases),
        releases=tuple(releases),
    )


def offered(index: Index, releases: Collection[IndexedRelease]) -> dict[str, str]:
    """The channels that offer one of these releases now, with its name."""
    names = {one.name for one in releases}
    return {channel: name for channel, name in index.channels.items() if name in names}


def variables(facts: MinorReleases) -> dict[str, Any]:
    """What the template shows."""
    channel = next(iter(sorted(facts.channels, key=shared.nearest(facts.minor))), "")
    newest = next((one for one in facts.releases if one.name == facts.channels.get(channel)), None)
    return {
        **shared.site(facts.url, "../"),
        "minor": facts.minor,
        "released": facts.released or "",
        "end_of_life": facts.end_of_life or "",
        "channels": facts.channels,
        "channel": channel,
        "newest": shared.release(newest) if newest else None,
        "releases": [shared.release(one) for one in facts.releases],
        "ways": shared.ways(facts.url, channel) if channel else [],
        "sources": _sources(facts, newest),
        "development": any(one.development for one in facts.releases),
        "origin": "",  # an index does not say it
    }


def _sources(facts: MinorReleases, newest: IndexedRelease | None) -> list[str]:
    """The minors from whose releases one step leads to the newest here."""
    if newest is None:
        return []
    found: dict[str, None] = {}
    for name in newest.upgrades_from:
        found[versions.minor(name.removeprefix("v").rpartition("-")[0])] = None
    return [one for one in found if one != facts.minor]
