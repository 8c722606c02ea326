"""Turns a request (`stable`, `1.36`, `v1.36.4`, `>=1.35,<1.37`) into one Kubernetes version."""

import re
from collections.abc import Mapping

from kubewright import versions
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.catalog import MinorFacts
from kubewright.upstream import Upstream

RELEASE_URL = "https://dl.k8s.io/release"
"""Kubernetes' own download site; its markers are `RELEASE_URL/stable-1.36.txt` and the like."""

_MARKER = re.compile(r"^(stable|latest)(?:-(\d+(?:\.\d+)?))?$")
_MINOR = re.compile(r"^v?(\d+\.\d+)$")
_EXACT = re.compile(r"^v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$")
_TAG = re.compile(r"^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$")


def resolve_request(request: str, catalog: Mapping[str, MinorFacts], upstream: Upstream | None) -> tuple[str, str]:
    """The Kubernetes version that a request means, and in words why.

    Without an upstream the catalog alone answers. Raises RequestError for a request that cannot be read
    or met, with what would be.
    """
    request = request.strip()
    if _EXACT.match(request):
        return request.removeprefix("v"), "asked for by its version"
    if found := _MINOR.match(request):
        request = f"stable-{found[1]}"
    if found := _MARKER.match(request):
        if found[2] and "." in found[2] and found[2] not in catalog:
            raise unknown_minor(found[2], catalog)
        return _by_marker(request, found[1], found[2], catalog, upstream)
    if request[:1] in "<>=!" and request:
        return _by_range(request, catalog, upstream)
    raise RequestError(
        f"{request!r}: not a request; use stable, latest, stable-1.36, 1.36, v1.36.4 or a range such as '>=1.35,<1.37'"
    )


def unknown_minor(minor: str, catalog: Mapping[str, MinorFacts]) -> RequestError:
    """The error for a minor of which the catalog knows nothing."""
    known = list(catalog)
    return RequestError(
        f"Kubernetes {minor}: not in the catalog, which knows {known[0]} to {known[-1]}; "
        f"ask for one of those, or state what you know of it in recipes/catalog/{minor}.toml"
    )


def _by_marker(
    name: str, word: str, part: str | None, catalog: Mapping[str, MinorFacts], upstream: Upstream | None
) -> tuple[str, str]:
    if upstream is None:
        known = [version for version in _known(catalog, part) if word == "latest" or versions.is_final(version)]
        newest = versions.newest(known)
        if newest is None:
            raise RequestError(f"{name}: the catalog knows no such release")
        return newest, f"the newest that the catalog knows for {name}"
    url = f"{RELEASE_URL}/{name}.txt"
    text = upstream.read(url)
    if text is None:
        raise RequestError(f"{name}: upstream has no marker {url}; ask for a version such as v{_example(catalog)}")
    tag = text.decode("utf-8-sig", "replace").strip()
    if not _TAG.match(tag):
        raise VerificationFailed(
            f"{url}: is not a version marker, it begins {tag[:40]!r}; a proxy or captive portal may have answered. "
            "Ask for a version, or use a mirror with --upstream"
        )
    return tag.removeprefix("v"), f"{name}.txt of {'the mirror' if upstream.origin else 'dl.k8s.io'} says {tag}"


def _by_range(text: str, catalog: Mapping[str, MinorFacts], upstream: Upstream | None) -> tuple[str, str]:
    wanted = versions.Range.parse(text)
    candidates = set(_known(catalog, None))
    if upstream is not None:
        candidates = (
            {version for version in candidates if _offered(version, upstream)} if upstream.origin else candidates
        )
        for minor in catalog:
            marker = upstream.read(f"{RELEASE_URL}/stable-{minor}.txt")
            if marker and _TAG.match(tag := marker.decode("utf-8", "replace").strip()):
                candidates.add(tag.removeprefix("v"))
    fitting = [version for version in candidates if version in wanted and versions.is_final(version)]
    newest = versions.newest(fitting)
    if newest is None:
        nearest = ", ".join(f"v{version}" for version in sorted(candidates, key=versions.parse)[-3:])
        raise RequestError(f"{text!r}: no known release is in this range; the newest known are {nearest}")
    return newest, f"the newest known release in {text}"


def _offered(version: str, upstream: Upstream) -> bool:
    return upstream.exists(f"{RELEASE_URL}/v{version}/bin/linux/amd64/kubelet")


def _known(catalog: Mapping[str, MinorFacts], part: str | None) -> list[str]:
    """Released patches of one minor (`1.36`), one major (`1`) or all."""
    return [
        patch.version
        for minor, facts in catalog.items()
        if part is None or minor == part or minor.startswith(f"{part}.")
        for patch in facts.patches
        if not patch.skipped
    ]


def _example(catalog: Mapping[str, MinorFacts]) -> str:
    return versions.newest([version for version in _known(catalog, None) if versions.is_final(version)]) or "1.36.4"
