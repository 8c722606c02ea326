"""What apt and yum repositories have in common: the packages that they must list, and packed
indexes.
"""

from collections.abc import Sequence
from typing import NamedTuple

from kubewright.models.base import Format, deb_name
from kubewright.repos import packed
from kubewright.verification.source import Measure


class Listed(NamedTuple):
    """What a repository says of a package, as `PackageFile` has it: of many releases there is room
    for no more.
    """

    name: str
    url: str
    size: int
    sha256: str
    format: Format
    arch: str
    signing_key: str | None


class Packages(NamedTuple):
    """The packages that a channel's repositories list."""

    known: Sequence[Listed]
    complete: bool
    """Whether the manifests of all the channel's releases could be read."""


class Wanted(NamedTuple):
    """The files that one index lists, by path."""

    files: dict[str, Measure]
    complete: bool


def wanted(packages: Packages, form: Format, arch: str) -> Wanted:
    """What an index for `arch`, by Debian's name, lists: the packages for it and those for all
    architectures.
    """
    found = {}
    for package in packages.known:
        if package.format is form and deb_name(package.arch) in (arch, "all"):
            found[package.url] = (package.size, package.sha256)
    return Wanted(found, packages.complete)


def same_unpacked(data: bytes, place: str, text: bytes) -> bool:
    """Whether something was packed by gzip from a text. Raises VerificationFailed for what is not
    gzip.
    """
    at = 0
    for member in packed.unpack(data, place):
        if not text.startswith(member.text, at):
            return False
        at += len(member.text)
    return at == len(text)
