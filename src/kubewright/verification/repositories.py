"""What apt and yum repositories have in common: the packages that they must list, and packed
indexes.
"""

import zlib
from collections.abc import Iterable

from kubewright.errors import VerificationFailed
from kubewright.models.base import Arch, Format
from kubewright.models.manifest import PackageFile
from kubewright.verification.source import Measure

LARGEST = 1 << 28
"""No index of a site unpacks to more bytes than this."""


def wanted(packages: Iterable[PackageFile], form: Format, arch: Arch) -> dict[str, Measure]:
    """The files that an index for `arch` lists, by path: its own and those for all
    architectures.
    """
    return {
        one.url: (one.size, one.sha256)
        for one in packages
        if one.format is form and one.arch in (arch, "all")
    }


def unpacked(data: bytes, place: str) -> bytes:
    """What was packed by gzip. Raises VerificationFailed for anything else, and for what has no
    end.
    """
    decoder = zlib.decompressobj(wbits=31)
    try:
        found = decoder.decompress(data, LARGEST)
    except zlib.error as error:
        raise VerificationFailed(f"{place}: damaged ({error}); publish again") from error
    if not decoder.eof or decoder.unused_data:
        raise VerificationFailed(
            f"{place}: cut short, too large, or followed by something else; publish again"
        )
    return found
