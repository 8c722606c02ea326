"""An apt suite as bytes: the files of apt/dists/SUITE/, rendered from index entries."""

import re
from collections.abc import Iterable, Iterator, Mapping
from email.utils import formatdate

from kubewright.repos import packed
from kubewright.repos.entries import DebEntry
from kubewright.repos.packed import Entry, Hashed, Index, Packed

NAME = "Kubewright"
"""Origin and Label of every suite: what people pin on."""

_FIELD = re.compile(r"^(Package|Version|Filename|SHA256): (.*)$", re.MULTILINE)
_GROUP = re.compile(rb"Package: .*\nVersion: (.*)\n")
"""How every stanza begins."""


def read(data: bytes, place: str) -> Index:
    """A packed `Packages` index. Raises ValueError for another engine's form."""
    return packed.read(data, place, _group_of)


def _group_of(text: bytes) -> str | None:
    if not text:
        return None
    version = _GROUP.match(text)
    if version is None:
        raise ValueError("a stanza of an index has no version in its place")
    return version[1].decode()


def add(index: Index, debs: Iterable[DebEntry], arch: str) -> Index:
    """A `Packages` index with more packages: those of its architecture, and those for all.

    It is by version, then package, each package once. Raises PublicationConflict for one file name
    of two files.
    """
    return packed.add(index, _entries(debs, arch), parsed)


def _entries(debs: Iterable[DebEntry], arch: str) -> Iterator[Entry]:
    for deb in debs:
        if deb.architecture in (arch, "all"):
            text = f"{deb.stanza}\n"
            yield Entry(deb.filename, deb.sha256, deb.version, deb.package, text)


def parsed(text: bytes) -> Iterator[Entry]:
    """The entries in the text of a group."""
    for stanza in text.decode().split("\n\n"):
        if stanza:
            fields = dict(_FIELD.findall(stanza))
            yield Entry(
                fields["Filename"], fields["SHA256"], fields["Version"], fields["Package"],
                f"{stanza}\n\n",
            )  # fmt: skip


def suite(
    indexes: Mapping[str, Packed],
    *,
    suite: str,
    issued: int,
    valid_until: int | None = None,
    asked_for: bool = False,
) -> dict[str, Hashed]:
    """Every file below apt/dists/SUITE/ but the signatures, in the order in which to write them.

    `indexes` are by architecture; `issued` and `valid_until` are seconds since 1970. `InRelease`
    and `Release.gpg` are made from the bytes of `Release`. The packed indexes come first under
    their digest (by-hash), which is what apt asks for: a client that holds an older `Release` keeps
    finding what that lists. What is to be `asked_for` is no candidate unless its version is named.
    """
    plain: dict[str, Hashed] = {}
    by_hash: dict[str, Hashed] = {}
    for arch, index in sorted(indexes.items()):
        name = f"main/binary-{arch}/Packages"
        plain |= {name: index.text, f"{name}.gz": index.data}
        by_hash[by_hash_name(arch, index.data.sha256)] = index.data
    fields = {
        "Origin": NAME,
        "Label": NAME,
        "Suite": suite,
        "Codename": suite,
        "Date": _date(issued),
        **({} if valid_until is None else {"Valid-Until": _date(valid_until)}),
        "Acquire-By-Hash": "yes",
        **({"NotAutomatic": "yes"} if asked_for else {}),
        "Architectures": " ".join(sorted(indexes)),
        "Components": "main",
    }
    return by_hash | plain | {"Release": _release(fields, plain)}


_DATES = re.compile(r"^(Date|Valid-Until): .*\n", re.MULTILINE)


def dated(release: bytes, issued: int, valid_until: int | None) -> Hashed:
    """The same `Release` of other dates, in epoch seconds. Raises ValueError for bytes that are
    none.
    """
    lines = f"Date: {_date(issued)}\n"
    if valid_until is not None:
        lines += f"Valid-Until: {_date(valid_until)}\n"
    head, found, rest = release.decode().partition("Date: ")
    if not found:
        raise ValueError("no Release of a suite")
    return Hashed((head + lines + _DATES.sub("", found + rest)).encode())


def by_hash_name(arch: str, sha256: str) -> str:
    """Where the packed index with a digest lies for good, below apt/dists/SUITE/."""
    return f"main/binary-{arch}/by-hash/SHA256/{sha256}"


def _release(fields: Mapping[str, str], indexes: Mapping[str, Hashed]) -> Hashed:
    """`Release`: its fields, then digest, size and name of each index.

    SHA-256 alone is enough for every apt.
    """
    lines = [f"{field}: {value}" for field, value in fields.items()]
    lines.append("SHA256:")
    for name, data in sorted(indexes.items()):
        lines.append(f" {data.sha256} {len(data):>9} {name}")
    return Hashed(("\n".join(lines) + "\n").encode())


def _date(seconds: int) -> str:
    """A point in time as `Release` writes it, in English whatever the locale."""
    return formatdate(seconds, usegmt=True).replace("GMT", "UTC")
