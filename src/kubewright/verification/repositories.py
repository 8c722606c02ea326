"""What apt and yum repositories have in common: the packages that they must list, and packed
indexes.
"""

from typing import BinaryIO, NamedTuple

from kubewright.models.base import Format, deb_name
from kubewright.models.site import Channel
from kubewright.repos import packed
from kubewright.verification.notes import Measures
from kubewright.verification.walk import Walk


class Wanted(NamedTuple):
    """The files that an index lists."""

    files: Measures
    complete: bool
    """Whether the manifests of all the channel's releases could be read."""


def wanted(walk: Walk, channel: Channel, form: Format, arch: str) -> Wanted:
    """What a channel's index for `arch`, by Debian's name, lists: the packages for it and those for
    all architectures, but none of keys that were revoked.
    """
    files = Measures()
    for release in channel.served:
        for one in walk.packages.of(release.name):
            fits = one.format == form and deb_name(one.arch) in (arch, "all")
            if fits and one.signing_key not in walk.keys.revoked.names:
                files[one.url] = (one.size, one.sha256)
    complete = all(release.name in walk.packages.releases for release in channel.served)
    return Wanted(files, complete)


def same_unpacked(data: bytes, place: str, text: BinaryIO) -> bool:
    """Whether something was packed by gzip from a text. Raises VerificationFailed for what is not
    gzip.
    """
    for member in packed.unpack(data, place):
        if text.read(len(member.text)) != member.text:
            return False
    return not text.read(1)
