"""An rpm's elements in primary.xml, filelists.xml and other.xml, letter for letter as createrepo_c
writes them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

RELATIONS = (
    "provides",
    "requires",
    "conflicts",
    "obsoletes",
    "suggests",
    "enhances",
    "recommends",
    "supplements",
)
"""What a package may say about others, in the order in which primary.xml has it."""

_NEVER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that XML 1.0 has no way to write (section 2.2 of its specification)."""

_IN_TEXT = re.compile(r"[&<>\r]")
_IN_ATTRIBUTE = re.compile(r"[&<>\"\t\n\r]|[^\x00-\x7f]")
_NAMED = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    '"': "&quot;",
    "\t": "&#9;",
    "\n": "&#10;",
    "\r": "&#13;",
}


class Relation(NamedTuple):
    """One package name, path or rich expression that a package provides, requires, …

    `flags` is EQ, LT, GT, LE, GE or empty, and without it the version does not count.
    """

    name: str
    flags: str = ""
    epoch: str = ""
    version: str = ""
    release: str = ""
    pre: bool = False


class Listed(NamedTuple):
    """A path that a package owns; `kind` is `dir`, `ghost`, or empty for any other file."""

    path: str
    kind: str = ""


class Change(NamedTuple):
    """An entry of a package's changelog; `date` is in seconds since 1970."""

    author: str
    date: int
    text: str


@dataclass(frozen=True)
class Package:
    """What an index says about an rpm. Sizes are in bytes, times in seconds since 1970."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str
    sha256: str
    summary: str
    description: str
    packager: str
    url: str
    built: int
    size: int
    installed: int
    archive: int
    license: str
    vendor: str
    group: str
    buildhost: str
    sourcerpm: str
    header: tuple[int, int]
    relations: Mapping[str, Sequence[Relation]]
    files: Sequence[Listed]
    changes: Sequence[Change]


def is_primary(path: str) -> bool:
    """Whether primary.xml lists a path: what other packages are likely to require."""
    return path.startswith("/etc/") or "bin/" in path or path == "/usr/lib/sendmail"


def primary(package: Package, location: str) -> str:
    """The element of primary.xml; `location` is the href. Raises ValueError for text that XML
    cannot hold.
    """
    start, end = package.header
    return _lines(
        '<package type="rpm">',
        "  " + _element("name", package.name),
        "  " + _element("arch", package.arch),
        "  " + _version(package),
        "  " + _element("checksum", package.sha256, type="sha256", pkgid="YES"),
        *(
            f"  {_element(name, getattr(package, name))}"
            for name in ("summary", "description", "packager", "url")
        ),
        "  " + _empty("time", file=package.built, build=package.built),
        "  "
        + _empty(
            "size", package=package.size, installed=package.installed, archive=package.archive
        ),
        "  " + _empty("location", href=location),
        "  <format>",
        *(
            f"    {_element(f'rpm:{name}', getattr(package, name))}"
            for name in ("license", "vendor", "group", "buildhost", "sourcerpm")
        ),
        "    " + _empty("rpm:header-range", start=start, end=end),
        *_relations(package),
        *(f"    {_file(file)}" for file in package.files if is_primary(file.path)),
        "  </format>",
        "</package>",
    )


def filelists(package: Package) -> str:
    """The element of filelists.xml. Raises ValueError for text that XML cannot hold."""
    return _identified(package, map(_file, package.files))


def other(package: Package) -> str:
    """The element of other.xml. Raises ValueError for text that XML cannot hold."""
    changes = package.changes
    return _identified(
        package,
        (_element("changelog", one.text, author=one.author, date=one.date) for one in changes),
    )


def _relations(package: Package) -> Iterator[str]:
    for kind in RELATIONS:
        if related := package.relations.get(kind):
            yield f"    <rpm:{kind}>"
            yield from (f"      {_relation(one)}" for one in related)
            yield f"    </rpm:{kind}>"


def _relation(one: Relation) -> str:
    attributes = {"name": one.name}
    if one.flags:
        compared = {"flags": one.flags, "epoch": one.epoch, "ver": one.version, "rel": one.release}
        attributes |= {name: value for name, value in compared.items() if value}
    return _empty("rpm:entry", **attributes, **({"pre": "1"} if one.pre else {}))


def _identified(package: Package, children: Iterable[str]) -> str:
    named = attribute_text(pkgid=package.sha256, name=package.name, arch=package.arch)
    return _lines(
        f"<package{named}>",
        f"  {_version(package)}",
        *(f"  {child}" for child in children),
        "</package>",
    )


def _version(package: Package) -> str:
    return _empty("version", epoch=package.epoch, ver=package.version, rel=package.release)


def _file(file: Listed) -> str:
    return _element("file", file.path, **({"type": file.kind} if file.kind else {}))


def _lines(*lines: str) -> str:
    return "\n".join(lines) + "\n"


def _element(tag: str, text: str, **attributes: str | int) -> str:
    return f"<{tag}{attribute_text(**attributes)}>{_IN_TEXT.sub(_escape, _writable(text))}</{tag}>"


def _empty(tag: str, **attributes: str | int) -> str:
    return f"<{tag}{attribute_text(**attributes)}/>"


def attribute_text(**values: str | int) -> str:
    """Attributes as they stand in a tag, each with a space before it."""
    return "".join(
        f' {name}="{_IN_ATTRIBUTE.sub(_escape, _writable(str(value)))}"'
        for name, value in values.items()
    )


def _writable(text: str) -> str:
    if found := _NEVER.search(text):
        raise ValueError(f"XML cannot hold the character {found[0]!r} in {text[:60]!r}")
    return text


def _escape(found: re.Match[str]) -> str:
    return _NAMED.get(found[0]) or f"&#x{ord(found[0]):X};"
