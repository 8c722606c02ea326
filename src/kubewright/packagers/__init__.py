"""Packagers build one package from its neutral description; each backend is a module of this
shape.
"""

from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

from kubewright.models.description import Description
from kubewright.packagers import fpm, nfpm


class Packager(Protocol):
    """What a backend module offers (PEP 544: `self` is ignored for modules)."""

    def version(self) -> str:
        """The tool's own version, for the manifest."""

    def package(self, description: Description, work: Path, target: Path) -> None:
        """Build one package into the file `target`, using the private directory `work`."""


PACKAGERS: Final = MappingProxyType[str, Packager]({"nfpm": nfpm, "fpm": fpm})
"""The backends by the name that `--backend` takes."""
