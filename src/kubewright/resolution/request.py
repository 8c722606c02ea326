"""Turns a request (`stable`, `1.36`, `v1.36.4`, `>=1.35,<1.37`) into one Kubernetes version."""

import re
from collections.abc import Mapping

from kubewright import versions
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.catalog import MinorFacts
from kubewright.upstream import Upstream

RELEASE_URL = "https://dl.k8s.io/release"
"""Kubernetes' own download site; its markers are `RELEASE_URL/stable-1.36.txt` and the like."""

_TAG = re.compile(r"^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$")


def resolve_request(request: str, catalog: Mapping[str, MinorFacts], upstream: Upstream | None) -> tuple[str, str]:
    """The Kubernetes version that a request means, and in words why.

    Without an upstream the catalog alone answers. Raises RequestError for a request that cannot be read
    or met, with what would be, and VerificationFailed for a marker that is none or names another version.
    """
    wanted = versions.Request.parse(request)
    if wanted.word == "version":
        if upstream is None:
            _require_known(wanted.scope, catalog)
        return wanted.scope, "asked for by its version"
    if wanted.word == "range":
        return _by_range(wanted, catalog, upstream)
    if "." in wanted.scope and wanted.scope not in catalog:
        raise unknown_minor(wanted.scope, catalog)
    return _by_marker(wanted, catalog, upstream)


def unknown_minor(minor: str, catalog: Mapping[str, MinorFacts]) -> RequestError:
    """The error for a minor of which the catalog knows nothing."""
    known = list(catalog)
    return RequestError(
        f"Kubernetes {minor}: not in the catalog, which knows {known[0]} to {known[-1]}; "
        f"ask for one of those, or state what you know of it in recipes/catalog/{minor}.toml"
    )


def _require_known(version: str, catalog: Mapping[str, MinorFacts]) -> None:
    """Offline only the catalog can say that a version exists."""
    minor = versions.minor(version)
    if minor not in catalog:
        raise unknown_minor(minor, catalog)
    if version not in {patch.version for patch in catalog[minor].patches}:
        newest = versions.newest(_known({minor: catalog[minor]}))
        raise RequestError(
            f"v{version}: not in the catalog, whose newest {minor} is {f'v{newest}' if newest else 'not released'}; "
            f"ask for that, resolve without --offline, or add the patch to recipes/catalog/{minor}.toml"
        )


def _by_marker(
    wanted: versions.Request, catalog: Mapping[str, MinorFacts], upstream: Upstream | None
) -> tuple[str, str]:
    if upstream is None:
        newest = versions.newest(version for version in _known(catalog) if version in wanted)
        if newest is None:
            raise RequestError(f"{wanted.text}: the catalog knows no such release")
        return newest, f"the newest that the catalog knows for {wanted.text}"
    version = _marked(wanted, upstream)
    if version is None:
        known = versions.newest(filter(versions.is_final, _known(catalog))) or "1.36.4"
        raise RequestError(
            f"{wanted.text}: upstream has no marker {_marker_url(wanted)}; ask for a version such as v{known}"
        )
    return version, f"{wanted.text}.txt of {'the mirror' if upstream.origin else 'dl.k8s.io'} says v{version}"


def _marker_url(wanted: versions.Request) -> str:
    return f"{RELEASE_URL}/{wanted.text}.txt"


def _marked(wanted: versions.Request, upstream: Upstream) -> str | None:
    """The version that upstream's marker of this name says, or None without a marker."""
    url = _marker_url(wanted)
    text = upstream.read(url)
    if text is None:
        return None
    tag = text.decode("utf-8-sig", "replace").strip()
    if not _TAG.match(tag):
        raise VerificationFailed(
            f"{url}: is not a version marker, it begins {tag[:40]!r}; a proxy or captive portal may have answered. "
            "Ask for a version, or use a mirror with --upstream"
        )
    version = tag.removeprefix("v")
    if version not in wanted:
        kind = "final release" if wanted.word == "stable" else "release"
        of = f" of {wanted.scope}" if wanted.scope else ""
        raise VerificationFailed(
            f"{url}: says {tag}, which is no {kind}{of}, as {wanted.text} must be; "
            "do not trust this upstream's markers: ask for a version, or use another upstream"
        )
    return version


def _by_range(
    wanted: versions.Request, catalog: Mapping[str, MinorFacts], upstream: Upstream | None
) -> tuple[str, str]:
    candidates = set(_known(catalog))
    if upstream is not None:
        if upstream.origin:
            candidates = {version for version in candidates if _offered(version, upstream)}
        marked = (_marked(versions.Request.parse(minor), upstream) for minor in catalog)
        candidates.update(version for version in marked if version)
    newest = versions.newest(version for version in candidates if version in wanted)
    if newest is None:
        nearest = ", ".join(f"v{version}" for version in sorted(candidates, key=versions.parse)[-3:])
        raise RequestError(
            f"{wanted.text!r}: no known release is in this range; the newest known are {nearest or 'none'}"
        )
    return newest, f"the newest known release in {wanted.text}"


def _offered(version: str, upstream: Upstream) -> bool:
    return upstream.exists(f"{RELEASE_URL}/v{version}/bin/linux/amd64/kubelet")


def _known(catalog: Mapping[str, MinorFacts]) -> list[str]:
    """Every released patch."""
    return [patch.version for facts in catalog.values() for patch in facts.patches if not patch.skipped]
