"""Versions as packages write them: taken apart, ordered as dpkg and rpm do, and read back as
upstream wrote them.
"""

import re
from typing import NamedTuple

from debian.debian_support import Version

from kubewright.errors import RequestError
from kubewright.models.base import Format

_PARTS = re.compile(r"^(?:(?P<epoch>\d+):)?(?P<upstream>\S+?)(?:-(?P<revision>[^\s-]+))?\Z")
_CHARACTERS = {
    Format.deb: re.compile(r"[0-9A-Za-z.+~:-]+"),
    Format.rpm: re.compile(r"[0-9A-Za-z._+~^]+"),
}
_SEGMENT = re.compile(r"~|\^|[A-Za-z]+|[0-9]+")
_UPSTREAM = re.compile(
    r"(?P<base>\d+(?:\.\d+)*)(?:~(?P<word>alpha|beta|rc)\.?(?P<number>\d+(?:\.\d+)*)?)?"
)
_NAMED_CE = ((17, 3), (18, 9))
"""From which Docker version on upstream's own versions end in `-ce`, and from which no longer."""


class PackageVersion(NamedTuple):
    """A package's version in its parts."""

    epoch: int
    upstream: str
    """Upstream's version with what the packager added to it, e.g. `20.10.24+dfsg1`."""
    revision: str
    """The revision of deb, the release of rpm; may be empty."""


def parse_deb(text: str) -> PackageVersion:
    """Read `5:20.10.24~3-0~debian-bookworm`. Raises RequestError for another text."""
    return _parse(text, Format.deb)


def parse_rpm(text: str) -> PackageVersion:
    """Read `3:20.10.24-3.el9`, with or without a release. Raises RequestError for another
    version.
    """
    return _parse(text, Format.rpm)


def _parse(text: str, form: Format) -> PackageVersion:
    """The last `-` begins the revision (Debian policy 5.6.12); an rpm's version itself has none."""
    found = _PARTS.match(text)
    if found is None or _CHARACTERS[form].fullmatch(found["upstream"]) is None:
        raise RequestError(f"{text!r} is not a {form} version; write it like 5:20.10.24-1")
    return PackageVersion(int(found["epoch"] or 0), found["upstream"], found["revision"] or "")


def compare_deb(one: str, other: str) -> int:
    """Below, at or above zero, as `dpkg --compare-versions` has `one` before, equal to or after
    `other`.
    """
    first, second = Version(one), Version(other)
    return (first > second) - (first < second)


def compare_rpm(one: str, other: str) -> int:
    """Below, at or above zero, as rpm orders the two; one without a release comes before those with
    one.
    """
    first, second = _rpm_key(one), _rpm_key(other)
    return (first > second) - (first < second)


_RpmPart = tuple[tuple[int, int, str], ...]


def _rpm_key(text: str) -> tuple[int, _RpmPart, bool, _RpmPart]:
    version = parse_rpm(text)
    return (
        version.epoch,
        _rpm_part(version.upstream),
        bool(version.revision),
        _rpm_part(version.revision),
    )


def _rpm_part(text: str) -> _RpmPart:
    """What rpmvercmp compares: `~` comes before the end, then `^`, words and numbers; separators do
    not count.
    """
    marks = {"~": (0, 0, ""), "^": (2, 0, "")}
    segments = _SEGMENT.findall(text)
    end = (1, 0, "")
    return (
        *(
            marks.get(one) or ((4, int(one), "") if one.isdigit() else (3, 0, one))
            for one in segments
        ),
        end,
    )


def compare(one: str, other: str, form: Format) -> int:
    """Below, at or above zero, in the order of the format."""
    return compare_deb(one, other) if form is Format.deb else compare_rpm(one, other)


def upstream_of(family: str, version: str, form: Format) -> str:
    """The upstream version in a package's version, in upstream's own spelling: `17.03.2-ce`,
    `2.1.0-rc.1`.

    `family` is `docker`, `containerd` or any other component. Raises RequestError for what cannot
    be read.
    """
    found = _UPSTREAM.match(_parse(version, form).upstream)
    if found is None:
        raise RequestError(f"{version!r}", "names no upstream version", "it must begin with digits")
    base = found["base"]
    if found["word"]:
        return f"{base}-{found['word']}" + (f".{found['number']}" if found["number"] else "")
    first, last = _NAMED_CE
    year_and_month = tuple(int(part) for part in base.split(".")[:2])
    return f"{base}-ce" if family == "docker" and first <= year_and_month < last else base
