"""One package to be built, ready for any packager: a recipe with a version, an architecture and a
format.
"""

from itertools import chain
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

    @property
    def document(self) -> Literal["", "doc", "license"]:
        """Whether it only documents the package, which rpm can leave out, or states a licence."""
        folder, _, name = self.target.rpartition("/")
        if self.kind != "file":
            return ""
        if folder.startswith("/usr/share/licenses/") or (
            folder.startswith("/usr/share/doc/") and name in ("copyright", "LICENSE")
        ):
            return "license"
        return "doc" if folder.startswith(("/usr/share/doc/", "/usr/share/man/")) else ""


class Attribution(Model):
    """Whose some files of a package are, and under which licences (SPDX identifiers)."""

    files: tuple[str, ...] = Field(description="as in DEP 5: paths or patterns without leading /")
    copyright: tuple[str, ...]
    licenses: tuple[str, ...]
    comment: str = ""


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
    component: str = Field(
        "", description="upstream's name; empty: nothing of an upstream is in it"
    )
    attributions: tuple[Attribution, ...] = Field((), description="the most general first")
    changes: tuple[str, ...] = Field((), description="of this version: a changelog's one entry")

    @property
    def full_version(self) -> str:
        """Epoch, version and revision as both formats write them: `1:1.36.4-1`."""
        epoch = f"{self.epoch}:" if self.epoch else ""
        return f"{epoch}{self.version}-{self.revision}"

    @property
    def licenses(self) -> tuple[str, ...]:
        """The licences of everything in it, each once."""
        named = chain.from_iterable(each.licenses for each in self.attributions)
        return tuple(dict.fromkeys(named))

    @property
    def vendor(self) -> str:
        """Who stands behind it: the maintainer without the address."""
        return self.maintainer.partition("<")[0].strip() or self.maintainer

    @property
    def changed_by(self) -> str:
        """Who made this version, as an rpm's changelog names it and the version."""
        return f"{self.maintainer} - {self.full_version}"

    @property
    def package_arch(self) -> str:
        """The architecture as the format writes it."""
        if self.arch == "all":
            return "all" if self.format is Format.deb else "noarch"
        return self.arch.deb if self.format is Format.deb else self.arch.rpm

    @property
    def filename(self) -> str:
        """The usual file name; like every archive's, without the epoch."""
        if self.format is Format.deb:
            return f"{self.name}_{self.version}-{self.revision}_{self.package_arch}.deb"
        return f"{self.name}-{self.version}-{self.revision}.{self.package_arch}.rpm"
