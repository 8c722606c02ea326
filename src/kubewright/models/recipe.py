"""A package recipe as `recipes/packages/NAME.toml` states it: what a package is, before it has a
version.
"""

from typing import Literal

from pydantic import Field

from kubewright.inputs import InputName
from kubewright.models.base import Format, Minor, Model


class Content(Model):
    """One entry of a package's file list.

    `source` is `input:COMPONENT/NAME` (a fetched file), `input:COMPONENT/NAME!MEMBER` (a member of
    a fetched archive; a pattern that ends in `*` means all that match, below `target`), `file:PATH`
    (below packaging/; `@repo/PATH` below repo/) or `template:PATH` (the same, rendered with jinja2;
    nothing is shipped when it renders to nothing). A directory or link has none.
    """

    target: str = Field(pattern=r"^/")
    source: str = Field("", pattern=r"^(|(input|file|template):.+)$")
    kind: Literal["file", "config", "dir", "link"] = "file"
    mode: str = Field("0644", pattern=r"^0[0-7]{3}$", description="octal, as a string")
    to: str = Field("", description="of a link: what it points to")
    only: Format | None = None
    minors: dict[Minor, bool] = Field(
        default_factory=dict,
        description="whether packages of a minor have it; of one that is not named: no. None: all",
    )

    @property
    def input(self) -> InputName | None:
        """The input that the file comes from, or None for a file of ours."""
        return InputName.of(self.source)

    def belongs(self, form: Format, minor: str) -> bool:
        """Whether packages of a format and a minor have it."""
        return self.only in (None, form) and (not self.minors or self.minors.get(minor, False))


class Service(Model):
    """A systemd unit that the package carries and what its scripts do with it."""

    unit: str
    enable: bool = Field(False, description="enabled and started on first install")
    restart: bool = Field(
        False, description="try-restart on upgrade; otherwise a message for a .service says how"
    )


class Relations(Model):
    """Relations to other packages in Debian's syntax: `name (>= 1.2) | other`.

    {version}, {minor}, {after_next_minor} and {COMPONENT} (its version) are filled in.
    """

    depends: tuple[str, ...] = ()
    recommends: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    replaces: tuple[str, ...] = Field(
        (), description="deb only: rpm's Obsoletes would swap people's packages"
    )


class OlderRelations(Model):
    """What only the packages of older minors need besides."""

    before: Minor = Field(description="the first minor that does not")
    deb: Relations = Relations()
    rpm: Relations = Relations()


class Recipe(Model):
    """What one package is."""

    name: str
    summary: str = Field(max_length=80)
    description: str
    component: str = Field("kubernetes", description="whose version the package has")
    revision: int | None = Field(None, description="absent: --revision (Kubernetes' own packages)")
    epoch: dict[Format, int] = Field(default_factory=dict)
    version: str = Field("", description="only for what is versioned by nothing upstream")
    all_architectures: bool = Field(
        False, description="one package for every architecture (all, noarch)"
    )
    section: str = "admin"
    monolith: bool = Field(False, description="only in releases whose hyperkube is one program")
    guard: bool = Field(False, description="refuse to jump over a minor or go down one")
    relations: Relations = Relations()
    deb: Relations = Relations()
    rpm: Relations = Relations()
    older: tuple[OlderRelations, ...] = ()
    contents: tuple[Content, ...] = ()
    services: tuple[Service, ...] = ()
    scripts: dict[Literal["preinst", "postinst", "prerm", "postrm"], str] = Field(
        default_factory=dict, description="extra shell for a script: a file below packaging/"
    )

    def related(self, form: Format, minor: str) -> tuple[Relations, ...]:
        """Everything that relates packages of a format and a minor to others."""
        found = [self.relations, self.deb if form is Format.deb else self.rpm]
        for one in self.older:
            if _number(minor) < _number(one.before):
                found.append(one.deb if form is Format.deb else one.rpm)
        return tuple(found)


def _number(minor: str) -> tuple[int, ...]:
    return tuple(map(int, minor.split(".")))
