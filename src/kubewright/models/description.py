"""One package to be built, ready for any packager: a recipe with a version, an architecture and a
format.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from kubewright.models.base import Arch, Format, Model, Version

Operator = Literal["<<", "<=", "=", ">=", ">>"]
Script = Literal["preinst", "postinst", "prerm", "postrm", "posttrans"]
"""Debian's names; `posttrans`, after the whole transaction, is rpm's alone."""


class Alternative(Model):
    """One package that would satisfy a relation."""

    name: str
    operator: Operator | None = None
    version: str = ""


class Relation(Model):
    """Alternatives, best first; any of them satisfies."""

    alternatives: tuple[Alternative, ...]


class Payload(Model):
    """One file, directory or link of a package."""

    target: str
    kind: Literal["file", "config", "dir", "link"]
    mode: int
    to: str = ""
    path: Path | None = None


class Description(Model):
    """Everything that a packager needs to know about one package."""

    name: str
    version: Version
    revision: str
    epoch: int
    arch: Arch | Literal["all"]
    format: Format
    summary: str
    description: str
    section: str
    license: str
    home: str
    maintainer: str
    source_date_epoch: int
    depends: tuple[Relation, ...] = ()
    recommends: tuple[Relation, ...] = ()
    provides: tuple[Relation, ...] = ()
    conflicts: tuple[Relation, ...] = ()
    replaces: tuple[Relation, ...] = ()
    payload: tuple[Payload, ...] = ()
    scripts: dict[Script, str] = Field(default_factory=dict)

    @property
    def package_arch(self) -> str:
        """The architecture as the format writes it."""
        if self.arch == "all":
            return "all" if self.format is Format.deb else "noarch"
        return self.arch.value if self.format is Format.deb else self.arch.rpm

    @property
    def filename(self) -> str:
        """The usual file name; like every archive's, without the epoch."""
        if self.format is Format.deb:
            return f"{self.name}_{self.version}-{self.revision}_{self.package_arch}.deb"
        return f"{self.name}-{self.version}-{self.revision}.{self.package_arch}.rpm"
