"""A yum repository's metadata as bytes: the files of repodata/, rendered from index entries."""

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from kubewright import files
from kubewright.repos import packed, rpmxml
from kubewright.repos.entries import LOCATION, RpmEntry
from kubewright.repos.packed import Entry, Known, Packed

REPOMD = "repodata/repomd.xml"
KINDS = ("primary", "filelists", "other")
"""The documents of a repository."""

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
DUKE = "http://linux.duke.edu/metadata"
"""Prefix of the XML namespaces that every client of the format expects."""

_ROOTS = {
    "primary": ("metadata", f'xmlns="{DUKE}/common" xmlns:rpm="{DUKE}/rpm"'),
    "filelists": ("filelists", f'xmlns="{DUKE}/filelists"'),
    "other": ("otherdata", f'xmlns="{DUKE}/other"'),
}
"""The root element of each document, with its attributes."""

PLAIN = "Packages/"
"""What hrefs in a plain repository begin with."""

_NUMBER = r'  <version epoch="\d+" ver="([^"]*)" rel="([^"]*)"/>\n'
_PRIMARY = re.compile(
    r'<package type="rpm">\n  <name>([^<]*)</name>\n  <arch>([^<]*)</arch>\n'
    + _NUMBER
    + r'  <checksum type="sha256" pkgid="YES">([0-9a-f]{64})</checksum>\n'
)
_IDENTIFIED = re.compile(
    r'<package pkgid="([0-9a-f]{64})" name="([^"]*)" arch="([^"]*)">\n' + _NUMBER
)
"""How elements begin, as `repos.rpmxml` writes them."""
_HREF = re.compile(r'\n  <location href="([^"]*)"/>\n')
_SIZE = re.compile(r'<size package="(\d+)"')


class Listed(NamedTuple):
    """The packages of one repository, as entries of each of its documents."""

    primary: list[Entry]
    """Their hrefs begin with `PLAIN`; another form of a repository is made of that."""
    filelists: list[Entry]
    other: list[Entry]


def listed(rpms: Iterable[RpmEntry]) -> Listed:
    """The entries of a repository that has these packages."""
    found = Listed([], [], [])
    for rpm in rpms:
        group = f"{rpm.version}-{rpm.release}"
        order = f"{rpm.name} {rpm.arch}"
        text = _located(rpm.primary, LOCATION, f"{PLAIN}{rpm.basename}")
        found.primary.append(Entry(rpm.basename, rpm.sha256, group, order, text))
        found.filelists.append(Entry(rpm.sha256, rpm.sha256, group, order, rpm.filelists))
        found.other.append(Entry(rpm.sha256, rpm.sha256, group, order, rpm.other))
    return found


def parsed(primary: Iterable[bytes], filelists: Iterable[bytes], other: Iterable[bytes]) -> Listed:
    """The entries in the members of documents that `documents` rendered."""
    return Listed(
        [_primary(text) for text in _elements(primary)],
        [_identified(text) for text in _elements(filelists)],
        [_identified(text) for text in _elements(other)],
    )


def digests(primary: Iterable[bytes]) -> Iterator[tuple[str, str]]:
    """File name and SHA-256 of each package in the members of a primary document."""
    for text in _elements(primary):
        *_, sha256 = _matched(_PRIMARY.match(text))
        (href,) = _matched(_HREF.search(text))
        yield _basename(href), sha256


def _basename(href: str) -> str:
    return html.unescape(href).rpartition("/")[2]


def _elements(members: Iterable[bytes]) -> Iterator[str]:
    """The package elements of a document, each with its line end."""
    for member in members:
        for element in member.decode().split("</package>\n"):
            if element.startswith("<package "):
                yield f"{element}</package>\n"


def _primary(text: str) -> Entry:
    name, arch, version, release, sha256 = _matched(_PRIMARY.match(text))
    (href,) = _matched(_HREF.search(text))
    basename = _basename(href)
    if not href.startswith(PLAIN):
        text = _located(text, href, f"{PLAIN}{basename}")
    return Entry(basename, sha256, f"{version}-{release}", f"{name} {arch}", text)


def _identified(text: str) -> Entry:
    sha256, name, arch, version, release = _matched(_IDENTIFIED.match(text))
    return Entry(sha256, sha256, f"{version}-{release}", f"{name} {arch}", text)


def _matched(match: re.Match[str] | None) -> tuple[str, ...]:
    if match is None:
        raise ValueError("an element of an index is not as this engine writes it")
    return match.groups()


def documents(
    packages: Listed, *, href_prefix: str, known: Mapping[str, Known]
) -> dict[str, Packed]:
    """The documents of a repository, by kind.

    `href_prefix` and a package's file name make its href, seen from the repository's root:
    `../../../../pool/` or `PLAIN`. `known` has the members of earlier documents, by kind.
    A package given twice is listed once; one file name of two packages raises PublicationConflict.
    """
    found = packages._asdict()
    return {
        kind: document(kind, found[kind], href_prefix=href_prefix, known=known.get(kind, {}))
        for kind in KINDS
    }


def document(
    kind: str, entries: Iterable[Entry], *, href_prefix: str, known: Known = MappingProxyType({})
) -> Packed:
    """One of them; only `primary` has hrefs."""
    ordered = packed.merged(entries)
    if kind == "primary" and href_prefix != PLAIN:
        plain, other = (rpmxml.attribute_text(href=start)[:-1] for start in (PLAIN, href_prefix))
        old, new = f"<location{plain}", f"<location{other}"
        ordered = [entry._replace(text=entry.text.replace(old, new)) for entry in ordered]
    root, attributes = _ROOTS[kind]
    head = f'{DECLARATION}<{root} {attributes} packages="{len(ordered)}">\n'
    return packed.pack(ordered, known, head, f"</{root}>\n")


def _located(text: str, old: str, new: str) -> str:
    """An element of primary.xml with another href; the old one is given as it is written."""
    # The whole element: a description may hold the bare words, but never an unescaped `<`.
    return text.replace(
        f'<location href="{old}"/>', f"<location{rpmxml.attribute_text(href=new)}/>"
    )


def repodata(rendered: Mapping[str, Packed], *, issued: int) -> dict[str, bytes]:
    """Every file below a repository's root but packages and signature, in the order in which to
    write them. `issued` is in seconds since 1970.

    `repodata/repomd.xml.asc` is made from the bytes of `repodata/repomd.xml`.
    """
    written: dict[str, bytes] = {}
    records = []
    for kind, document in rendered.items():
        location = data_name(kind, files.sha256(document.data))
        written[location] = document.data
        records.append(_record(kind, location, document, issued))
    return written | {REPOMD: _repomd(records, issued)}


def data_name(kind: str, sha256: str) -> str:
    """Where a document with a digest lies, below a repository's root."""
    return f"repodata/{sha256}-{kind}.xml.gz"


def package_size(entry: Entry) -> int:
    """The bytes of the package that an entry of primary.xml is about."""
    return int(_matched(_SIZE.search(entry.text))[0])


def snapshot_id(*parts: bytes) -> str:
    """What a snapshot is called: 16 hexadecimal digits that stand for all of it.

    `parts` are repomd.xml, which lists the digests of the rest and when it was issued, its
    signature and the keys beside it.
    """
    return files.sha256(b"".join(parts))[:16]


def _record(kind: str, location: str, document: Packed, issued: int) -> str:
    return (
        f'  <data type="{kind}">\n'
        f'    <checksum type="sha256">{files.sha256(document.data)}</checksum>\n'
        f'    <open-checksum type="sha256">{files.sha256(document.text)}</open-checksum>\n'
        f'    <location href="{location}"/>\n'
        f"    <timestamp>{issued}</timestamp>\n"
        f"    <size>{len(document.data)}</size>\n"
        f"    <open-size>{len(document.text)}</open-size>\n"
        f"  </data>\n"
    )


def _repomd(records: Iterable[str], issued: int) -> bytes:
    head = f'<repomd xmlns="{DUKE}/repo" xmlns:rpm="{DUKE}/rpm">\n  <revision>{issued}</revision>\n'
    return f"{DECLARATION}{head}{''.join(records)}</repomd>\n".encode()
