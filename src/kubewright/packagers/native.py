"""Builds packages without another program: both formats here, from the same compressed files."""

from collections.abc import Mapping
from pathlib import Path

from kubewright import files
from kubewright.errors import RequestError
from kubewright.models.base import Format, PackageCompression
from kubewright.models.description import Description
from kubewright.packagers import native_deb, native_rpm
from kubewright.packing.contents import LARGEST, Contents
from kubewright.packing.levels import described


def tools(compression: PackageCompression) -> Mapping[str, str]:
    """The compressor, which alone decides bytes beside kubewright itself."""
    return {"zstd": described(compression)}


def package(description: Description, contents: Contents, _: Path, target: Path) -> None:
    """Build one package into `target`. Raises RequestError for a file that is too large."""
    for entry in description.payload:
        if entry.path is not None and files.size_of(entry.path) > LARGEST:
            raise RequestError(
                f"{description.name}: {entry.target}",
                "a file of 4 GiB or more, which an rpm of this kind cannot hold",
                "leave it out of the recipe, or split it",
            )
    write = native_deb.write if description.format is Format.deb else native_rpm.write
    write(description, contents, target)
