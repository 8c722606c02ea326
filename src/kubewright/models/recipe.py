"""A package recipe as `recipes/packages/NAME.toml` states it: what a package is, before it has a
version.
"""

from itertools import chain
from typing import Literal

from pydantic import Field

from kubewright.inputs import InputName
from kubewright.models.base import Format, Minor, Model, minor_order

DEFAULTS = "/usr/share/kubewright/defaults"
"""Where packages carry what their scripts put into /etc."""

PLACES = "/usr/share/kubewright/places"
"""Where packages list the directories that their scripts make: a mode and a path in each line."""


class Content(Model):
    """One entry of a package's file list.

    `source` is `input:COMPONENT/NAME` (a fetched file), `input:COMPONENT/NAME!MEMBER` (a member of
    a fetched archive; a pattern that ends in `*` means all that match, below `target`), `file:PATH`
    (below packaging/; `@repo/PATH` below repo/) or `template:PATH` (the same, rendered with jinja2;
    nothing is shipped when it renders to nothing). A directory or link has none.

    A `default` is a file that people may write themselves: it is shipped below
    /usr/share/kubewright/defaults/, and scripts put it at `target` where nothing is, renew it while
    nobody has changed it, and take it away with the package. It is no conffile, so nobody is asked.
    A `place` is a directory that is not shipped: scripts make it where nothing is, so that a link
    which a person puts there stays.
    """

    target: str = Field(pattern=r"^/", description="where it lies on a node, an absolute path")
    source: str = Field(
        "",
        pattern=r"^(|(input|file|template):.+)$",
        description="`input:COMPONENT/NAME`, a fetched file; `input:COMPONENT/NAME!MEMBER`, a"
        " member of a fetched archive; `file:PATH` below packaging/, or `file:@repo/PATH`;"
        " `template:PATH`, the same and rendered. None for a directory, place or link",
    )
    kind: Literal["file", "config", "default", "dir", "place", "link"] = Field(
        "file",
        description="config: people may edit it, and keep their edits; default: put there by"
        " scripts where nothing is; place: a directory that scripts make where nothing is",
    )
    mode: str = Field("0644", pattern=r"^0[0-7]{3}$", description="octal, as a string")
    to: str = Field("", description="of a link: what it points to")
    only: Format | None = Field(None, description="the one format that has it; none: both")
    minors: dict[Minor, bool] = Field(
        default_factory=dict,
        description="whether packages of a minor have it; of one that is not named: no. None: all",
    )

    @property
    def input(self) -> InputName | None:
        """The input that the file comes from, or None for a file of ours."""
        return InputName.of(self.source)

    @property
    def octal(self) -> int:
        """The mode as a number; a directory is open to all unless its entry says otherwise."""
        open_to_all = self.kind in ("dir", "place") and self.mode == "0644"
        return 0o755 if open_to_all else int(self.mode, 8)

    def shipped(self, package: str) -> "Content":
        """The entry as a package of this name carries it: a default has a place of its own."""
        if self.kind != "default":
            return self
        target = f"{DEFAULTS}/{package}{self.target}"
        return self.model_copy(update={"target": target, "kind": "file"})

    def belongs(self, form: Format, minor: str) -> bool:
        """Whether packages of a format and a minor have it."""
        return self.only in (None, form) and (not self.minors or self.minors.get(minor, False))


class Service(Model):
    """A systemd unit that the package carries and what its scripts do with it."""

    unit: str = Field(description="its name, such as kubelet.service")
    enable: bool = Field(False, description="enabled and started on first install")
    restart: bool = Field(
        False, description="try-restart on upgrade; otherwise a message for a .service says how"
    )


class Relations(Model):
    """Relations to other packages in Debian's syntax: `name (>= 1.2) | other`.

    {version}, {minor}, {after_next_minor} and {COMPONENT} (its version) are filled in.
    """

    depends: tuple[str, ...] = Field((), description="what it cannot be without")
    recommends: tuple[str, ...] = Field((), description="what it is better with")
    provides: tuple[str, ...] = Field((), description="names that it stands for too, with versions")
    conflicts: tuple[str, ...] = Field((), description="what cannot be beside it")
    replaces: tuple[str, ...] = Field(
        (), description="deb only: rpm's Obsoletes would swap people's packages"
    )


class OlderRelations(Model):
    """What only the packages of older minors need besides."""

    before: Minor = Field(description="the first minor that does not")
    deb: Relations = Field(Relations(), description="what their debs have besides")
    rpm: Relations = Field(Relations(), description="what their rpms have besides")


class Recipe(Model):
    """What one package is."""

    name: str = Field(description="as the file is called")
    summary: str = Field(max_length=80, description="one line, which package managers list")
    description: str = Field(description="what it is for, in sentences")
    component: str = Field("kubernetes", description="whose version the package has")
    revision: int | None = Field(None, description="absent: --revision (Kubernetes' own packages)")
    changes: dict[int, str] = Field(
        default_factory=dict, description="what a revision changed, for the changelog"
    )
    made_of: tuple[str, ...] = Field(
        (), description="the components whose code is in an input that is compiled here"
    )
    epoch: dict[Format, int] = Field(
        default_factory=dict, description="by format, where others have had higher versions"
    )
    version: str = Field("", description="only for what is versioned by nothing upstream")
    all_architectures: bool = Field(
        False, description="one package for every architecture (all, noarch)"
    )
    section: str = Field("admin", description="Debian's section")
    monolith: bool = Field(False, description="only in releases whose hyperkube is one program")
    guard: bool = Field(False, description="refuse to jump over a minor or go down one")
    same_files: tuple[str, ...] = Field(
        (),
        description="packages with files of the same names, which a deb's preinst wants removed "
        "first: by a conflict apt would remove them, and then preinst may refuse",
    )
    rivals: tuple[str, ...] = Field(
        (),
        description="deb: packages with the same data, in whose presence it refuses to be unpacked",
    )
    relations: Relations = Field(Relations(), description="to other packages, of both formats")
    deb: Relations = Field(Relations(), description="besides, of the deb")
    rpm: Relations = Field(Relations(), description="besides, of the rpm")
    older: tuple[OlderRelations, ...] = Field(
        (), description="what packages of older minors need besides"
    )
    contents: tuple[Content, ...] = Field((), description="its files, directories and links")
    services: tuple[Service, ...] = Field((), description="its systemd units")
    scripts: dict[Literal["preinst", "configure", "prerm", "postrm"], str] = Field(
        default_factory=dict,
        description="extra shell for a script, a file below packaging/; "
        "configure: for postinst of a deb, posttrans of an rpm",
    )

    def related(self, form: Format, minor: str) -> tuple[Relations, ...]:
        """Everything that relates packages of a format and a minor to others."""
        found = [self.relations, self.deb if form is Format.deb else self.rpm]
        for one in self.older:
            if minor_order(minor) < minor_order(one.before):
                found.append(one.deb if form is Format.deb else one.rpm)
        return tuple(found)

    def defaults(self, form: Format) -> tuple[str, ...]:
        """The files that its scripts put where nothing is."""
        return tuple(
            entry.target
            for entry in self.contents
            if entry.kind == "default" and entry.only in (None, form)
        )

    @property
    def places(self) -> tuple[str, ...]:
        """The directories that its scripts make, in the order in which a purge tries them."""
        return tuple(entry.target for entry in self.contents if entry.kind == "place")

    @property
    def places_listed(self) -> str:
        """The text of its file below `PLACES`: a directory before what is in it."""
        made = {entry.target: entry.octal for entry in self.contents if entry.kind == "place"}
        return "".join(f"{made[target]:04o} {target}\n" for target in sorted(made))

    def directories(self, form: Format) -> tuple[str, ...]:
        """The directories outside /usr that it needs, which people may have made links of."""
        needed = [entry.target for entry in self.contents if entry.kind in ("dir", "place")]
        needed += [target.rpartition("/")[0] for target in self.defaults(form)]
        return tuple(sorted({name for name in needed if not name.startswith("/usr/")}))

    @property
    def data(self) -> tuple[str, ...]:
        """The directories that hold what is not configuration."""
        return tuple(name for name in self.directories(Format.deb) if name.startswith("/var/lib/"))

    @property
    def replaced(self) -> tuple[str, ...]:
        """The names of the packages whose place a deb takes."""
        return _names(self.relations.replaces, self.deb.replaces)

    @property
    def beside(self) -> tuple[str, ...]:
        """The names of packages that cannot be beside a deb, and of which something may be left."""
        return _names(self.rivals, self.relations.conflicts, self.deb.conflicts)


def _names(*relations: tuple[str, ...]) -> tuple[str, ...]:
    """The package names in relations, each once."""
    return tuple(dict.fromkeys(text.split()[0] for text in chain(*relations)))
