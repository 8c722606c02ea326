"""Checks an apt suite and yum repositories against their signatures, the pool and the manifests."""

import gzip
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from debian.deb822 import Packages, Release

from kubewright.errors import VerificationFailed
from kubewright.models.artifact import Package
from kubewright.models.base import Arch, Format
from kubewright.models.site import Channel
from kubewright.repos import layout
from kubewright.signing import verify as signatures

if TYPE_CHECKING:
    from kubewright.verification.walk import Walk

_REPO = "{http://linux.duke.edu/metadata/repo}"
_COMMON = "{http://linux.duke.edu/metadata/common}"
_DAY = 86400
SOON = 14 * _DAY
"""How long before a suite expires `verify` warns, in seconds."""


def apt(walk: "Walk", channel: Channel, packages: Sequence[Package]) -> None:
    """InRelease, every index that it lists under both its names, and every package in those."""
    base = layout.suite_path(channel.channel)
    with walk.tally.check(f"{base}/InRelease"):
        text = signatures.clearsigned(walk.must(f"{base}/InRelease"), walk.certificates, place=f"{base}/InRelease")
        if walk.must(f"{base}/Release").strip() != text.strip():
            raise VerificationFailed(f"{base}/Release: differs from InRelease; publish again")
        release = Release(text.decode())
        _freshness(walk, f"{base}/InRelease", release)
        listed: set[str] = set()
        for entry in release["SHA256"]:
            listed |= _index(walk, base, entry["name"], int(entry["size"]), entry["sha256"])
        _complete(walk, f"{base}/InRelease", packages, Format.deb, listed)
    with walk.tally.check(f"{base}/Release.gpg"):
        data = walk.must(f"{base}/Release")
        signatures.detached(data, walk.must(f"{base}/Release.gpg"), walk.certificates, place=f"{base}/Release.gpg")


def _freshness(walk: "Walk", place: str, release: Release) -> None:
    until = release.get("Valid-Until")
    if until is None:
        return
    left = int(parsedate_to_datetime(until).timestamp()) - walk.now
    walk.tally.require(place, left > 0, f"expired at {until}; run `kubewright refresh`")
    if 0 < left < SOON:
        walk.tally.warnings.append(f"{place}: expires at {until}; run `kubewright refresh`")


def _index(walk: "Walk", base: str, name: str, size: int, sha256: str) -> set[str]:
    """One index file and, when it is a plain Packages, what it lists."""
    data = walk.read(f"{base}/{name}")
    sound = walk.tally.digest(f"{base}/{name}", data, size, sha256)
    by_hash = f"{base}/{name.rpartition('/')[0]}/by-hash/SHA256/{sha256}"
    walk.tally.digest(by_hash, walk.read(by_hash), size, sha256)
    if not sound or data is None or not name.endswith("Packages"):
        return set()
    listed = set()
    for stanza in Packages.iter_paragraphs(data, use_apt_pkg=False):
        path = f"apt/{stanza['Filename']}"
        listed.add(path)
        _object(walk, f"{base}/{name}", path, int(stanza["Size"]), stanza["SHA256"])
    return listed


def yum(walk: "Walk", channel: Channel, packages: Sequence[Package]) -> None:
    """The plain repository and the snapshot that mirrorlist names, for each architecture."""
    for arch in Arch:
        plain = layout.yum_path(channel.channel, arch.rpm)
        wanted = [one for one in packages if one.arch in (arch, "all")]
        _repository(walk, plain, wanted)
        if channel.url:
            path = f"{plain}/mirrorlist"
            with walk.tally.check(path):
                line = walk.must(path).decode().strip()
                prefix = f"{channel.url.rstrip('/')}/"
                if not line.startswith(f"{prefix}yum/snapshots/{channel.channel}/"):
                    raise VerificationFailed(
                        f"{path}: names {line!r}, which is no snapshot of this channel; publish again"
                    )
                _repository(walk, line.removeprefix(prefix).rstrip("/"), wanted)


def _repository(walk: "Walk", base: str, packages: Sequence[Package]) -> None:
    repomd_path = f"{base}/repodata/repomd.xml"
    with walk.tally.check(repomd_path):
        repomd = walk.must(repomd_path)
        signatures.detached(repomd, walk.must(f"{repomd_path}.asc"), walk.certificates, place=f"{repomd_path}.asc")
        for record in ElementTree.fromstring(repomd).iter(f"{_REPO}data"):  # noqa: S314 - its signature holds
            location = _text(record.find(f"{_REPO}location"), "href")
            path = f"{base}/{location}"
            data = walk.read(path)
            size = int(record.findtext(f"{_REPO}size") or 0)
            sound = walk.tally.digest(path, data, size, record.findtext(f"{_REPO}checksum") or "")
            if sound and data is not None and record.get("type") == "primary":
                _primary(walk, base, path, gzip.decompress(data), packages)


def _primary(walk: "Walk", base: str, place: str, data: bytes, packages: Sequence[Package]) -> None:
    listed = set()
    for element in ElementTree.fromstring(data).iter(f"{_COMMON}package"):  # noqa: S314 - its digest is signed
        path = _resolved(base, _text(element.find(f"{_COMMON}location"), "href"))
        size = int(_text(element.find(f"{_COMMON}size"), "package"))
        sha256 = element.findtext(f"{_COMMON}checksum") or ""
        pooled = f"yum/pool/{path.rsplit('/', 1)[-1]}"
        listed.add(pooled)
        _object(walk, place, pooled, size, sha256)
        if path != pooled:
            data_here = walk.read(path)
            walk.tally.digest(path, data_here, size, sha256)
    _complete(walk, place, packages, Format.rpm, listed)


def _object(walk: "Walk", place: str, path: str, size: int, sha256: str) -> None:
    """A package that an index lists is one that a manifest promises, with the same size and digest."""
    promised = walk.objects.get(path)
    if promised is None:
        walk.tally.require(place, False, f"lists {path}, which no manifest has")
    else:
        walk.tally.require(place, promised == (size, sha256), f"contradicts the manifest about {path}")


def _complete(walk: "Walk", place: str, packages: Sequence[Package], form: Format, listed: set[str]) -> None:
    absent = {one.url for one in packages if one.format is form} - listed
    walk.tally.require(place, not absent, f"lacks {', '.join(sorted(absent)[:3])}")


def _resolved(base: str, href: str) -> str:
    parts = base.split("/")
    for part in href.split("/"):
        if part == "..":
            parts.pop()
        elif part:
            parts.append(part)
    return "/".join(parts)


def _text(element: ElementTree.Element | None, attribute: str) -> str:
    value = None if element is None else element.get(attribute)
    if value is None:
        raise VerificationFailed(f"no {attribute} where one is required")
    return value
