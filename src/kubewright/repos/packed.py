"""Indexes as gzip files of several members, so that a new release packs only what is new.

Packages of one version stand together in a member of its own. Whoever adds a release takes every
other member over as it is, unread; readers of gzip see one text (RFC 1952, section 2.2).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from kubewright import archives, files
from kubewright.errors import PublicationConflict, VerificationFailed

LARGEST = 1 << 28
"""No index of a site unpacks to more bytes than this."""


class Entry(NamedTuple):
    """One package in one index."""

    name: str
    """What the index knows it by, once: its file name."""
    sha256: str
    group: str
    """Its version: what is packed together."""
    order: str
    """Its place within the group."""
    text: str


Parser = Callable[[bytes], Iterable[Entry]]
"""Reads the entries in the text of a group."""


class Member(NamedTuple):
    """A part of an index that is packed on its own."""

    text: bytes
    data: bytes


class Index(NamedTuple):
    """What an index lists, in members."""

    groups: Mapping[str, Member] = MappingProxyType({})
    """By version."""
    ends: Mapping[bytes, Member] = MappingProxyType({})
    """What an earlier index had before and behind the groups, by its text."""


class Hashed(bytes):
    """Bytes whose digest is computed once."""

    @cached_property
    def sha256(self) -> str:
        """Their SHA-256 in lowercase hexadecimal."""
        return files.sha256(self)


@dataclass(frozen=True)
class Packed:
    """A whole index, in members."""

    members: Sequence[Member]

    @cached_property
    def data(self) -> Hashed:
        """As it is sent."""
        return Hashed(b"".join(one.data for one in self.members))

    @cached_property
    def text(self) -> Hashed:
        """As it is read. Of a large one `text_sha256` and `text_size` take less."""
        return Hashed(b"".join(one.text for one in self.members))

    @cached_property
    def text_sha256(self) -> str:
        """The SHA-256 of its text in lowercase hexadecimal."""
        digest = hashlib.sha256()
        for one in self.members:
            digest.update(one.text)
        return digest.hexdigest()

    @property
    def text_size(self) -> int:
        """The bytes of its text."""
        return sum(len(one.text) for one in self.members)


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """Entries in their order, each once. Raises PublicationConflict for one name of two files."""
    unique: dict[str, Entry] = {}
    for entry in entries:
        other = unique.setdefault(entry.name, entry)
        if other.sha256 != entry.sha256:
            raise PublicationConflict(
                entry.name,
                f"stands for two files, {other.sha256} and {entry.sha256}",
                "publish the changed package under a new --revision",
            )
    return sorted(unique.values(), key=lambda entry: (entry.order, entry.name))


def add(index: Index, entries: Iterable[Entry], parse: Parser) -> Index:
    """An index with more entries: only groups that get new ones are read and packed again.

    Raises PublicationConflict for one name of two files.
    """
    added: dict[str, list[Entry]] = {}
    for entry in entries:
        added.setdefault(entry.group, []).append(entry)
    groups = dict(index.groups)
    for group, new in added.items():
        there = groups.get(group)
        old = parse(there.text) if there else ()
        text = "".join(entry.text for entry in merged([*old, *new]))
        groups[group] = member(text.encode(), there)
    return index._replace(groups=groups)


def member(text: bytes, there: Member | None) -> Member:
    """A member with a text: the one that is there, if it has this text."""
    return there if there and there.text == text else Member(text, archives.gzipped(text))


def join(index: Index, head: str = "", tail: str = "") -> Packed:
    """The whole index: its groups in their order, between head and tail if any."""
    before, after = (
        [member(text.encode(), index.ends.get(text.encode()))] if text else []
        for text in (head, tail)
    )
    members = [*before, *(index.groups[group] for group in sorted(index.groups)), *after]
    members = members or [member(b"", index.ends.get(b""))]
    return Packed(members)


def listed(index: Index, groups: Iterable[str], parse: Parser) -> Iterator[Entry]:
    """The entries of these groups, as far as an index has them."""
    for group in groups:
        if group in index.groups:
            yield from parse(index.groups[group].text)


def read(data: bytes, place: str, group_of: Callable[[bytes], str | None]) -> Index:
    """An index that `join` made.

    `group_of` tells the group of a member's text; None: it is one of the ends. Raises
    VerificationFailed for what is damaged, ValueError for two members of one group.
    """
    groups: dict[str, Member] = {}
    ends: dict[bytes, Member] = {}
    for found in unpack(data, place):
        group = group_of(found.text)
        if group is None:
            ends[found.text] = found
        elif group in groups:
            raise ValueError(f"{place}: two members of {group}")
        else:
            groups[group] = found
    return Index(groups, ends)


def unpack(data: bytes, place: str, most: int | None = None) -> Iterator[Member]:
    """The members of a packed index, in their order, of at most `most` or LARGEST bytes of text.

    Raises VerificationFailed, when it comes to it, for what is not gzip, cut short, or too large.
    """
    start = size = 0
    while start < len(data):
        try:
            room = (LARGEST if most is None else most) - size
            text, end = archives.gunzipped(data, start, room)
        except ValueError as error:
            raise VerificationFailed(
                place, f"damaged ({error})", "run `kubewright repair`"
            ) from error
        if end is None:
            raise VerificationFailed(place, "cut short, or too large", "run `kubewright repair`")
        yield Member(text, data[start:end])
        size += len(text)
        start = end
