"""Asks an upstream what it has that the catalog lacks: Kubernetes by its markers, the rest by their
checksum files.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count, takewhile
from typing import TYPE_CHECKING

from pydantic import Field

from kubewright import versions
from kubewright.models.answer import Answer, headed
from kubewright.models.base import Arch, Header, Model
from kubewright.models.catalog import MinorFacts
from kubewright.models.components import Components, ComponentSource
from kubewright.resolution.request import kubelet, read_marker

if TYPE_CHECKING:
    from kubewright.upstream import Upstream

CURRENT = 3
"""How many minors, newest first, upstream still makes patches of: their companions are asked
for.
"""


class Update(Model):
    """A version that an upstream has and the recipes lack."""

    component: str = Field(description="as recipes call it")
    version: str = Field(description="that the recipes lack")
    recipe: str = Field(description="the file to state it in")
    evidence: str = Field(description="what the upstream says, in words")


class Updates(Answer):
    """All that an upstream has and the recipes lack."""

    header: Header = headed("updates")
    updates: tuple[Update, ...] = Field(description="Kubernetes first, each oldest first")


def updates(
    catalog: Mapping[str, MinorFacts], components: Components, upstream: "Upstream", *, jobs: int
) -> tuple[Update, ...]:
    """Everything new, Kubernetes first, then the components by name, each oldest first.

    Companions are asked for in the lines that the newest minors name, and for the line after the
    newest known. Raises VerificationFailed for a file that is not a marker.
    """
    current = list(catalog.values())[-CURRENT:]
    sources = [
        (name, source) for name, source in sorted(components.components.items()) if _asked(source)
    ]

    def ask(one: tuple[str, ComponentSource]) -> list[Update]:
        return list(_companion(*one, _lines(*one, current), upstream))

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        markers = pool.map(
            lambda name: read_marker(versions.Request.parse(name), upstream), _markers(catalog)
        )
        kubernetes = list(
            _kubernetes(dict(zip(_markers(catalog), markers, strict=True)), catalog, upstream)
        )
        companions: list[Update] = []
        for answer in pool.map(ask, sources):
            companions += answer
    return (*kubernetes, *companions)


# ── Kubernetes ───────────────────────────────────────────────────────────────────────────────


def _markers(catalog: Mapping[str, MinorFacts]) -> list[str]:
    """The markers to read: every minor's newest final patch, and the newest of all with its
    pre-releases.
    """
    newest = list(catalog)[-1]
    return [
        *(f"stable-{minor}" for minor in catalog),
        f"latest-{newest}",
        f"stable-{versions.next_minor(newest)}",
        f"latest-{versions.next_minor(newest)}",
        "stable",
        "latest",
    ]


def _kubernetes(
    said: Mapping[str, str | None], catalog: Mapping[str, MinorFacts], upstream: "Upstream"
) -> Iterator[Update]:
    found: dict[str, str] = {}
    for marker, version in said.items():
        if version is not None:
            for patch in _up_to(version, catalog):
                found.setdefault(patch, f"{marker}.txt says v{version}")
    for version in sorted(found, key=versions.parse):
        recipe, evidence = f"recipes/catalog/{versions.minor(version)}.toml", found[version]
        if versions.minor(version) not in catalog:
            evidence += "; it has no file yet"
        elif not upstream.exists(kubelet(version)):
            evidence += ", but there is no kubelet of it: if the number was skipped, state that"
        yield Update(component="kubernetes", version=version, recipe=recipe, evidence=evidence)


def _up_to(version: str, catalog: Mapping[str, MinorFacts]) -> Iterator[str]:
    """What the catalog lacks of the final patches up to a version, and the version itself."""
    facts = catalog.get(versions.minor(version))
    last = versions.parse(version).patch if versions.is_final(version) and facts else 0
    patches = (f"{versions.minor(version)}.{number}" for number in range(last))
    yield from (
        patch for patch in (*patches, version) if facts is None or facts.patch(patch) is None
    )


# ── companions ───────────────────────────────────────────────────────────────────────────────


def _asked(source: ComponentSource) -> bool:
    """Whether a file tells that a version exists: busybox and pause have none that does."""
    return bool(source.known) and any("{version}" in one.url for one in source.inputs)


def _lines(name: str, source: ComponentSource, current: Sequence[MinorFacts]) -> list[str]:
    """The `x.y` lines that minors name, and that of the newest known version; oldest first."""
    stated = [facts.components[name] for facts in current if name in facts.components]
    known = [entry.version for entry in source.known]
    named = {versions.newest(known) or "0"}
    for facts in stated:
        named.update(statement.value for statement in facts.exact)
        for line in facts.lines:
            named.update(version for version in known if versions.inside(version, line.range))
    return sorted({versions.minor(version) for version in named}, key=versions.parse)


def _companion(
    name: str, source: ComponentSource, lines: Sequence[str], upstream: "Upstream"
) -> Iterator[Update]:
    """The patches after the newest known of each line, then the first of the next line."""
    for line in lines:
        last = max(
            versions.parse(one.version).patch
            for one in source.known
            if versions.minor(one.version) == line
        )
        following = (f"{line}.{number}" for number in count(last + 1))
        there = takewhile(lambda version: upstream.exists(_proof(version, source)), following)
        yield from (_found(name, version, source) for version in there)
    major = versions.parse(lines[-1]).major
    for version in (f"{versions.next_minor(lines[-1])}.0", f"{major + 1}.0.0"):
        if upstream.exists(_proof(version, source)):
            yield _found(name, version, source)


def _proof(version: str, source: ComponentSource) -> str:
    """The URL that tells that a version exists: of its checksum, or where there is none of the file
    itself.
    """
    one = next(one for one in source.inputs if "{version}" in one.url)
    url = one.fill(one.url, version, Arch.amd64)
    return (
        url if one.checksum.kind == "none" else one.fill(one.checksum.url, version, Arch.amd64, url)
    )


def _found(name: str, version: str, source: ComponentSource) -> Update:
    return Update(
        component=name, version=version, recipe="recipes/components.toml",
        evidence=f"there is {_proof(version, source)}",
    )  # fmt: skip
