"""Packagers build one package from its neutral description; each backend is a module of this
shape.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from kubewright.models.base import PackageCompression
from kubewright.models.description import Description
from kubewright.packagers import fpm, native, nfpm
from kubewright.packing.contents import Contents


class Packager(Protocol):
    """What a backend module offers (PEP 544: `self` is ignored for modules)."""

    def tools(self, compression: PackageCompression) -> Mapping[str, str]:
        """The versions of the tools that decide a package's bytes, for its build and the
        manifest.
        """

    def package(
        self, description: Description, contents: Contents, work: Path, target: Path
    ) -> None:
        """Build one package into the file `target`, using the private directory `work`.

        `contents` keeps files compressed for packages that have the same.
        """


PACKAGERS: Final = MappingProxyType[str, Packager]({"native": native, "nfpm": nfpm, "fpm": fpm})
"""The backends by the name that `--backend` takes."""
