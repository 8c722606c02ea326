"""Turns a request (`stable`, `1.36`, `v1.36.4`, `>=1.35,<1.37`) into one Kubernetes version."""

import operator
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from kubewright import versions
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.catalog import RELEASE_URL, MinorFacts
from kubewright.resolution.statements import facts_of, unknown_minor

if TYPE_CHECKING:
    from kubewright.upstream import Upstream

_TAG = re.compile(r"^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?\Z")


def candidates(
    request: str,
    catalog: Mapping[str, MinorFacts],
    upstream: "Upstream | None",
    packaged: Container[str] = (),
) -> Iterator[tuple[str, str]]:
    """The Kubernetes versions that a request may mean with the reason for each: first what it
    means, then older ones.

    One that the catalog tells to avoid is only had by its exact version. Without an upstream the
    catalog alone answers; of the `packaged` minors one may know more. Raises RequestError for a
    request that cannot be read or met, with what would be, and VerificationFailed for a file that
    is not a marker or names another version.
    """
    wanted = versions.Request.parse(request)
    if wanted.word == "version":
        if upstream is None:
            require_known(wanted.scope, catalog, packaged)
        yield wanted.scope, "asked for by its version"
    elif wanted.word == "range":
        yield from _by_range(wanted, catalog, upstream)
    elif "." in wanted.scope and wanted.scope not in catalog:
        raise unknown_minor(wanted.scope, catalog)
    elif upstream is None:
        yield from _by_catalog(wanted, catalog)
    else:
        yield from _by_marker(wanted, catalog, upstream)


def require_known(
    version: str, catalog: Mapping[str, MinorFacts], packaged: Container[str] = ()
) -> None:
    """Refuse a version that the catalog lacks, where only it can say what exists.

    A pre-release of a patch that it lists is known too: what it states holds for both. Of the
    `packaged` minors an upstream could say more.
    """
    facts = facts_of(version, catalog)
    final = facts.patch(str(versions.parse(version).finalize_version()))
    if facts.patch(version) is None and (final is None or final.skipped):
        newest = f"v{facts.offered[0]}" if facts.offered else "not released"
        raise RequestError(
            f"v{version}",
            f"not in the catalog, whose newest {facts.minor} is {newest}",
            f"ask for that, {'resolve without --offline, ' if facts.minor in packaged else ''}"
            f"or add the patch to recipes/catalog/{facts.minor}.toml",
        )


def avoided(version: str, catalog: Mapping[str, MinorFacts]) -> str:
    """Why only its exact version may ask for a patch; empty: any request may."""
    facts = catalog.get(versions.minor(version))
    patch = facts.patch(version) if facts else None
    return patch.avoid if patch else ""


def _by_catalog(
    wanted: versions.Request, catalog: Mapping[str, MinorFacts]
) -> Iterator[tuple[str, str]]:
    why = f"the newest that the catalog knows for {wanted.text}"
    found = ((version, why) for version in _newest_first(catalog, wanted) if version in wanted)
    first = next(found, None)
    if first is None:
        known = list(catalog)
        raise RequestError(
            wanted.text,
            "the catalog knows no such release",
            f"ask for stable, or for one of {known[0]} to {known[-1]}",
        )
    yield first
    yield from ((version, f"an older one of {wanted.text}") for version, _ in found)


def _by_marker(
    wanted: versions.Request, catalog: Mapping[str, MinorFacts], upstream: "Upstream"
) -> Iterator[tuple[str, str]]:
    marked, marker = _marked(wanted, catalog, upstream)
    older = (
        version
        for version in _newest_first(catalog, wanted)
        if version in wanted
        and versions.order(version) < versions.order(marked)
        and _offered(version, upstream)
    )
    why_not = avoided(marked, catalog)
    if why_not:
        first = next(older, None)
        if first is None:
            raise RequestError(
                f"{marker}, which is to be avoided",
                why_not,
                f"ask for another minor, or for just v{marked}",
            )
        yield first, f"{marker}, which is to be avoided: {why_not}"
    else:
        yield marked, marker
    yield from ((version, f"an older one of {wanted.text}") for version in older)


def _marked(
    wanted: versions.Request, catalog: Mapping[str, MinorFacts], upstream: "Upstream"
) -> tuple[str, str]:
    """The version that a marker says, and the words for it.

    `latest` counts pre-releases in, so it is never older than `stable`, whose marker may be ahead
    of its own.
    """
    whose = "the mirror" if upstream.base(marker_url(wanted)) else "dl.k8s.io"
    marked = read_marker(wanted, upstream)
    if marked is None:
        known = next(filter(versions.is_final, _newest_first(catalog)), "1.36.4")
        raise RequestError(
            wanted.text,
            f"upstream has no marker {upstream.named(marker_url(wanted))}",
            f"ask for a version such as v{known}",
        )
    said = f"{wanted.text}.txt of {whose} says v{marked}"
    if wanted.word == "latest":
        stable = versions.Request.parse(wanted.text.replace("latest", "stable", 1))
        final = read_marker(stable, upstream)
        if final is not None and versions.order(final) > versions.order(marked):
            return final, f"{stable.text}.txt of {whose} says v{final}, {said}"
    return marked, said


def marker_url(wanted: versions.Request) -> str:
    """Where the marker is that a request names."""
    return f"{RELEASE_URL}/{wanted.text}.txt"


def read_marker(wanted: versions.Request, upstream: "Upstream") -> str | None:
    """The version that upstream's marker of this name says, or None without a marker."""
    url = marker_url(wanted)
    text = upstream.read(url)
    if text is None:
        return None
    tag = text.decode("utf-8-sig", "replace").strip()
    if not _TAG.match(tag):
        raise VerificationFailed(
            upstream.named(url),
            f"is not a version marker, it begins {tag[:40]!r}; "
            "a proxy or captive portal may have answered",
            "ask for a version, or use a mirror with --upstream",
        )
    version = tag.removeprefix("v")
    if version not in wanted:
        kind = "final release" if wanted.word == "stable" else "release"
        of = f" of {wanted.scope}" if wanted.scope else ""
        raise VerificationFailed(
            upstream.named(url),
            f"says {tag}, which is not a {kind}{of}, as {wanted.text} must be",
            "do not trust this upstream's markers: ask for a version, or use another upstream",
        )
    return version


def _by_range(
    wanted: versions.Request, catalog: Mapping[str, MinorFacts], upstream: "Upstream | None"
) -> Iterator[tuple[str, str]]:
    marked: set[str] = set()
    if upstream is not None:  # of the minors that the range reaches into
        reached = [minor for minor in catalog if _reaches(wanted, minor)]
        markers = (read_marker(versions.Request.parse(minor), upstream) for minor in reached)
        marked = {version for version in markers if version and not avoided(version, catalog)}
    reason = f"the newest known release in {wanted.text}"
    none_yet = True
    for version in _newest_first(catalog, wanted, marked):
        if version in wanted and (version in marked or _offered(version, upstream)):
            yield version, reason
            reason, none_yet = f"an older one in {wanted.text}", False
    if none_yet:
        nearest = ", ".join(f"v{each}" for each in _nearest(wanted, catalog, marked, upstream))
        problem = _kept_out(wanted, catalog) or "no known release is in this range"
        raise RequestError(repr(wanted.text), problem, f"the nearest known are {nearest or 'none'}")


def _kept_out(wanted: versions.Request, catalog: Mapping[str, MinorFacts]) -> str:
    """What is in a range, but no range gives, and how to ask for it; empty: there is nothing."""
    allowed = versions.Range.parse(wanted.text)
    for minor in reversed(list(catalog)):
        patches = catalog[minor].patches if _reaches(wanted, minor) else ()
        for patch in reversed(patches):
            if patch.version not in allowed or not versions.is_final(patch.version):
                continue
            name = f"v{patch.version}"
            if patch.avoid:
                return f"{name} is to be avoided: {patch.avoid}; ask for just {name} to have it"
            if patch.skipped:
                return f"upstream never released {name}"
    named = [bound for bound in allowed.bounds if not versions.is_final(bound)]
    if not named:
        return ""
    newest = versions.newest(named)
    return f"a range gives no pre-releases; ask for one by its version, such as v{newest}"


def _nearest(
    wanted: versions.Request,
    catalog: Mapping[str, MinorFacts],
    marked: Iterable[str],
    upstream: "Upstream | None",
) -> list[str]:
    """Around each end of a range the releases right before and after it that can be had, newest
    first.
    """
    known = [
        version for version in _newest_first(catalog, None, marked) if versions.is_final(version)
    ]
    nearest = set()
    for bound in set(versions.Range.parse(wanted.text).bounds):
        end = versions.order(bound)
        below = (version for version in known if versions.order(version) < end)
        above = (version for version in reversed(known) if versions.order(version) >= end)
        for side in (below, above):
            nearest.add(next((version for version in side if _offered(version, upstream)), ""))
    return sorted(nearest - {""}, key=versions.order, reverse=True)


def _offered(version: str, upstream: "Upstream | None") -> bool:
    """Whether a version can be had; only a mirror may lack what the catalog knows."""
    if upstream is None or upstream.base(kubelet(version)) is None:
        return True
    return upstream.exists(kubelet(version))


def kubelet(version: str) -> str:
    """The file by which an upstream shows that it has a version."""
    return f"{RELEASE_URL}/v{version}/bin/linux/amd64/kubelet"


def _reaches(wanted: versions.Request, minor: str) -> bool:
    """Whether a version of a minor may be meant; what cannot be is not read from the catalog."""
    if wanted.word != "range":
        return not wanted.scope or f"{minor}.".startswith(f"{wanted.scope}.")
    at = versions.parse(minor)
    sides = {
        ">": operator.ge,
        ">=": operator.ge,
        "<": operator.le,
        "<=": operator.le,
        "=": operator.eq,
    }

    def may_meet(comparison: versions.Comparison) -> bool:
        sign, bound = comparison
        return sign not in sides or sides[sign](at, bound.replace(patch=0, prerelease=None))

    return any(all(map(may_meet, part)) for part in versions.Range.parse(wanted.text).terms)


def _newest_first(
    catalog: Mapping[str, MinorFacts],
    wanted: versions.Request | None = None,
    more: Iterable[str] = (),
) -> Iterator[str]:
    """Every released patch that any request may have, or those that are wanted; with `more`
    versions of the same minors.
    """
    for minor in reversed(list(catalog)):
        if wanted is not None and not _reaches(wanted, minor):
            continue
        more_of_it = (version for version in more if versions.minor(version) == minor)
        yield from sorted({*catalog[minor].offered, *more_of_it}, key=versions.order, reverse=True)
