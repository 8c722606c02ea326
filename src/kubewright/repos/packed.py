"""Indexes as gzip files of several members, so that a new release packs only what is new.

Packages of one version stand together in a member of its own. Whoever adds a release takes every
other member over as it is; readers of gzip see one text (RFC 1952, section 2.2).
"""

import zlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from kubewright import archives
from kubewright.errors import PublicationConflict, VerificationFailed

LARGEST = 1 << 28
"""No index of a site unpacks to more bytes than this."""

PIECE = 1 << 13
"""Bytes of an index that are unpacked at once; most members are smaller."""

Known = Mapping[bytes, bytes]
"""Members that an earlier index has: packed, by their text."""


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


class Packed(NamedTuple):
    """An index, as it is read and as it is sent."""

    text: bytes
    data: bytes


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
    return sorted(unique.values(), key=lambda entry: (entry.group, entry.order, entry.name))


def pack(ordered: Iterable[Entry], known: Known, head: str = "", tail: str = "") -> Packed:
    """Pack ordered entries: a member for each group, and for the head and the tail if any."""
    texts: list[str] = [head] if head else []
    group = None
    for entry in ordered:
        if entry.group == group:
            texts[-1] += entry.text
        else:
            texts.append(entry.text)
            group = entry.group
    members = [text.encode() for text in (*texts, tail) if text] or [b""]
    packed = (known.get(member) or archives.gzipped(member) for member in members)
    return Packed(b"".join(members), b"".join(packed))


def unpack(data: bytes, place: str) -> dict[bytes, bytes]:
    """The members of a packed index, in their order: each packed, by its text.

    Raises VerificationFailed for anything that is not gzip through and through.
    """
    members: dict[bytes, bytes] = {}
    start = size = 0
    while start < len(data):
        try:
            text, end = _member(data, start, LARGEST - size)
        except zlib.error as error:
            raise VerificationFailed(
                place, f"damaged ({error})", "run `kubewright repair`"
            ) from error
        if end is None:
            raise VerificationFailed(place, "cut short, or too large", "run `kubewright repair`")
        members[text] = data[start:end]
        size += len(text)
        start = end
    return members


def _member(data: bytes, start: int, most: int) -> tuple[bytes, int | None]:
    """The text of the member that starts there, and where it ends.

    None: it has no end, or more than `most` bytes of text. The decoder copies what it does not
    need, so it gets a little at a time.
    """
    decoder = zlib.decompressobj(wbits=31)
    text, at = b"", start
    while not decoder.eof and at < len(data):
        piece = data[at : at + PIECE]
        text += decoder.decompress(piece, most + 1 - len(text))
        if len(text) > most:
            return text, None
        at += len(piece)
    return text, at - len(decoder.unused_data) if decoder.eof else None
