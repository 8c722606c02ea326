"""What apt and yum repositories have in common: the packages that they must list, and packed
indexes.
"""

from collections.abc import Iterable

from kubewright.models.base import Format
from kubewright.models.manifest import PackageFile
from kubewright.repos import packed
from kubewright.verification.source import Measure


def wanted(packages: Iterable[PackageFile], form: Format, arch: str) -> dict[str, Measure]:
    """The files that an index for `arch` lists, by path: its own and those for all
    architectures.
    """
    return {
        one.url: (one.size, one.sha256)
        for one in packages
        if one.format is form and one.arch in (arch, "all")
    }


def unpacked(data: bytes, place: str) -> bytes:
    """What was packed by gzip, whole. Raises VerificationFailed for anything else."""
    return b"".join(packed.unpack(data, place))
