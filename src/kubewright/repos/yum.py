"""A yum repository's metadata as bytes: the files of repodata/, rendered from index entries."""

import html
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from kubewright import files
from kubewright.repos import packed, rpmxml
from kubewright.repos.entries import LOCATION, RpmEntry
from kubewright.repos.packed import Entry, Hashed, Index, Packed

REPOMD = "repodata/repomd.xml"
KINDS = ("primary", "filelists", "other")
"""The documents of a repository."""
SHARED = KINDS[1:]
"""Those that both forms have."""

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
DUKE = "http://linux.duke.edu/metadata"
"""Prefix of the XML namespaces that every client of the format expects."""

_ROOTS = {
    "primary": ("metadata", f'xmlns="{DUKE}/common" xmlns:rpm="{DUKE}/rpm"'),
    "filelists": ("filelists", f'xmlns="{DUKE}/filelists"'),
    "other": ("otherdata", f'xmlns="{DUKE}/other"'),
}
"""The root element of each document, with its attributes."""

FORMS: Final = MappingProxyType({"snapshot": "../../../../pool/", "plain": "Packages/"})
"""The two forms of a repository, and what hrefs in each begin with, seen from its root."""

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
_GROUP = re.compile(
    rb"<package [^\n]*>\n(?:  <name>[^<]*</name>\n  <arch>[^<]*</arch>\n)?" + _NUMBER.encode()
)
"""How either kind of element begins."""
_ELEMENT = b"<package "
_SIZE = re.compile(r'<size package="(\d+)"')


class Repository(NamedTuple):
    """The packages of one repository: an index for each document of both its forms."""

    snapshot: Index = Index()
    """Primary of the snapshot."""
    plain: Index = Index()
    """Primary of the plain repository: the same but for hrefs."""
    filelists: Index = Index()
    other: Index = Index()


def read(data: bytes, place: str) -> Index:
    """A packed document. Raises ValueError for another engine's form."""
    return packed.read(data, place, _group_of)


def _group_of(text: bytes) -> str | None:
    if not text.startswith(_ELEMENT):
        if _ELEMENT in text:
            raise ValueError("the head of an index has packages")
        return None
    found = _GROUP.match(text)
    if found is None:
        raise ValueError("an element of an index has no version in its place")
    version, release = found.groups()
    return _group(version.decode(), release.decode())


def group_of(rpm: RpmEntry) -> str:
    """The group that lists a package."""
    return _group(rpm.version, rpm.release)


def _group(version: str, release: str) -> str:
    return f"{version}-{release}"


def add(repository: Repository, rpms: Iterable[RpmEntry]) -> Repository:
    """A repository with more packages: by version, then name, each package once.

    Raises PublicationConflict for one file name of two packages.
    """
    primary, filelists, other = [], [], []
    for rpm in rpms:
        group, order = group_of(rpm), f"{rpm.name} {rpm.arch}"
        text = _located(rpm.primary, LOCATION, f"{FORMS['plain']}{rpm.basename}")
        primary.append(Entry(rpm.basename, rpm.sha256, group, order, text))
        filelists.append(Entry(rpm.sha256, rpm.sha256, group, order, rpm.filelists))
        other.append(Entry(rpm.sha256, rpm.sha256, group, order, rpm.other))
    plain = packed.add(repository.plain, primary, parsed)
    return Repository(
        _pooled(repository.snapshot, plain, {entry.group for entry in primary}),
        plain,
        packed.add(repository.filelists, filelists, _identified),
        packed.add(repository.other, other, _identified),
    )


def _pooled(snapshot: Index, plain: Index, changed: Iterable[str]) -> Index:
    """Primary of the snapshot, when these groups of the plain one have changed."""
    old, new = (
        f"<location{rpmxml.attribute_text(href=start)[:-1]}".encode()
        for start in (FORMS["plain"], FORMS["snapshot"])
    )
    groups = dict(snapshot.groups)
    for group in changed:
        text = plain.groups[group].text.replace(old, new)
        groups[group] = packed.member(text, groups.get(group))
    return snapshot._replace(groups=groups)


def parsed(text: bytes) -> Iterator[Entry]:
    """The entries in the text of a group of the plain primary."""
    for element in _elements(text):
        name, arch, version, release, sha256 = _matched(_PRIMARY.match(element))
        (href,) = _matched(_HREF.search(element))
        basename = html.unescape(href).removeprefix(FORMS["plain"])
        yield Entry(basename, sha256, _group(version, release), f"{name} {arch}", element)


def _identified(text: bytes) -> Iterator[Entry]:
    """The entries in the text of a group of another document."""
    for element in _elements(text):
        sha256, name, arch, version, release = _matched(_IDENTIFIED.match(element))
        yield Entry(sha256, sha256, _group(version, release), f"{name} {arch}", element)


def _elements(text: bytes) -> Iterator[str]:
    """The package elements of a group, each with its line end."""
    for element in text.decode().split("</package>\n"):
        if element:
            yield f"{element}</package>\n"


def _matched(match: re.Match[str] | None) -> tuple[str, ...]:
    if match is None:
        raise ValueError("an element of an index is not as this engine writes it")
    return match.groups()


def documents(repository: Repository) -> dict[str, dict[str, Packed]]:
    """The documents of both forms of a repository, by form and kind."""
    rest = {kind: _document(kind, getattr(repository, kind)) for kind in SHARED}
    return {
        form: {"primary": _document("primary", getattr(repository, form))} | rest for form in FORMS
    }


def _document(kind: str, index: Index) -> Packed:
    root, attributes = _ROOTS[kind]
    count = sum(member.text.count(_ELEMENT) for member in index.groups.values())
    head = f'{DECLARATION}<{root} {attributes} packages="{count}">\n'
    return packed.join(index, head, f"</{root}>\n")


def _located(text: str, old: str, new: str) -> str:
    """An element of primary.xml with another href; the old one is given as it is written."""
    # The whole element: a description may hold the bare words, but never an unescaped `<`.
    return text.replace(
        f'<location href="{old}"/>', f"<location{rpmxml.attribute_text(href=new)}/>"
    )


def repodata(
    rendered: Mapping[str, Packed], *, issued: int, key_hint: str = ""
) -> dict[str, Hashed]:
    """Every file below a repository's root but packages and signature, in the order in which to
    write them. `issued` is in seconds since 1970; `key_hint` names a key that lies beside
    repodata/, which libzypp imports if it trusts the signature.

    `repodata/repomd.xml.asc` is made from the bytes of `repodata/repomd.xml`.
    """
    written: dict[str, Hashed] = {}
    records = []
    for kind, document in rendered.items():
        location = data_name(kind, document.data.sha256)
        written[location] = document.data
        records.append(_record(kind, location, document, issued))
    return written | {REPOMD: _repomd(records, issued, key_hint)}


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
        f'    <checksum type="sha256">{document.data.sha256}</checksum>\n'
        f'    <open-checksum type="sha256">{document.text_sha256}</open-checksum>\n'
        f'    <location href="{location}"/>\n'
        f"    <timestamp>{issued}</timestamp>\n"
        f"    <size>{len(document.data)}</size>\n"
        f"    <open-size>{document.text_size}</open-size>\n"
        f"  </data>\n"
    )


def _repomd(records: Iterable[str], issued: int, key_hint: str) -> Hashed:
    head = f'<repomd xmlns="{DUKE}/repo" xmlns:rpm="{DUKE}/rpm">\n  <revision>{issued}</revision>\n'
    if key_hint:
        head += f"  <tags>\n    <content>{key_hint}</content>\n  </tags>\n"
    return Hashed(f"{DECLARATION}{head}{''.join(records)}</repomd>\n".encode())
