"""How an rpm file is laid out: a lead, the signature header, the header, and the payload, which
nothing here reads. Headers are read here, and written.

The format is in rpm's own docs/manual/format_v4.md and format_header.md; the tags are in its
rpmtag.h.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, NamedTuple, Self

MAGIC = b"\xed\xab\xee\xdb"
"""What every rpm starts with."""

HEADER_MAGIC = b"\x8e\xad\xe8\x01\x00\x00\x00\x00"
INT16, INT32, INT64 = 3, 4, 5
BINARY, STRING, STRINGS, TRANSLATED = 7, 6, 8, 9
"""Types of values that are not numbers. A translated string's first item is the untranslated
one.
"""

WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, BINARY: 1}
"""Bytes per item of each type of fixed width, which is also its alignment."""

SIZE, LONG_SIZE = 1000, 270
"""Tags of the signature header with the bytes of header and payload together; the second for 4 GiB
and more.
"""

SIGNATURES, IMMUTABLE = 62, 63
"""Tags of the regions that the signature header and the header are."""

_LEAD, _ENTRY = 96, 16
_FORMATS = {2: "B", 3: "H", 4: "I", 5: "Q"}
_SIGNATURE_TAGS, _MAIN_TAGS = 32, 0xFFFF
"""The most tags of each header: rpm's own limits."""

_LARGEST_STORE, _MOST_ITEMS = 32 << 20, 1 << 20
"""Far more than any real package has, and little enough to hold in memory, whatever a header
claims.
"""


class Place(NamedTuple):
    """Where a header has a value: its type, the byte of the store at which it starts, and how many
    items it has.
    """

    kind: int
    offset: int
    items: int


@dataclass(frozen=True)
class RpmHeader:
    """A header: tags by number, and the values that they have.

    Its methods raise ValueError for a value that is not of the type asked for or not inside the
    header.
    """

    start: int
    end: int
    index: Mapping[int, Place]
    store: bytes

    def raw(self, tag: int) -> bytes:
        """The bytes of the value of `tag`, which must be there."""
        kind, offset, count = self.index[tag]
        length = (
            count * WIDTHS[kind]
            if kind in WIDTHS
            else sum(len(item) + 1 for item in self.strings(tag))
        )
        if offset + length > len(self.store):
            raise ValueError(f"tag {tag} goes beyond its header")
        return self.store[offset : offset + length]

    def numbers(self, tag: int) -> Sequence[int]:
        """The integers of `tag`; none where the header lacks it."""
        if tag not in self.index:
            return ()
        kind, _, count = self.index[tag]
        if kind not in _FORMATS or count > _MOST_ITEMS:
            raise ValueError(f"tag {tag} holds no numbers, or far too many")
        return struct.unpack(f">{count}{_FORMATS[kind]}", self.raw(tag))

    def strings(self, tag: int) -> list[bytes]:
        """The strings of `tag`, undecoded; none where the header lacks it."""
        if tag not in self.index:
            return []
        kind, offset, count = self.index[tag]
        count = 1 if kind == STRING else count
        if kind not in (STRING, STRINGS, TRANSLATED) or count > _MOST_ITEMS:
            raise ValueError(f"tag {tag} holds no strings, or far too many")
        *items, _ = self.store[offset:].split(b"\0", count)
        if len(items) < count:
            raise ValueError(f"tag {tag} goes beyond its header")
        return items


class Value(NamedTuple):
    """What a header has under a tag: a type, how many items, and their bytes."""

    kind: int
    items: int
    data: bytes

    @classmethod
    def numbers(cls, kind: int, *numbers: int) -> Self:
        """Integers of one of the types INT16, INT32 and INT64."""
        packed = struct.pack(f">{len(numbers)}{_FORMATS[kind]}", *numbers)
        return cls(kind, len(numbers), packed)

    @classmethod
    def strings(cls, *texts: str, kind: int = STRINGS) -> Self:
        """Texts, of which a value of the type STRING has one."""
        return cls(kind, len(texts), b"".join(text.encode() + b"\0" for text in texts))


def header(values: Mapping[int, Value], region: int) -> bytes:
    """A header of values by tag, all inside one region: what is outside of it is not signed, and
    rpm refuses signatures there.
    """
    index, store = b"", b""
    for tag, value in sorted(values.items()):
        store += bytes(-len(store) % WIDTHS.get(value.kind, 1))
        index += struct.pack(">IIII", tag, value.kind, len(store), value.items)
        store += value.data
    first = struct.pack(">IIII", region, BINARY, len(store), _ENTRY)
    store += struct.pack(">IIiI", region, BINARY, -len(first + index), _ENTRY)
    entries = len(first + index) // _ENTRY
    return HEADER_MAGIC + struct.pack(">II", entries, len(store)) + first + index + store


class RpmHeaders(NamedTuple):
    """What an rpm starts with; its payload follows at `main.end`."""

    lead: bytes
    signature: RpmHeader
    main: RpmHeader


def headers(stream: IO[bytes], size: int) -> RpmHeaders:
    """Read the headers of the rpm of `size` bytes in `stream`, which stands at its start.

    Raises ValueError for what is not an rpm, and for an rpm that is shorter or longer than its
    signature header says.
    """
    lead = stream.read(_LEAD)
    if not lead.startswith(MAGIC):
        raise ValueError("it does not start like an rpm")
    signature = _header(stream, _LEAD, size, _SIGNATURE_TAGS)
    start = signature.end + -signature.end % 8
    main = _header(stream, start, size, _MAIN_TAGS)
    declared = [*signature.numbers(LONG_SIZE), *signature.numbers(SIZE)]
    if declared and start + declared[0] != size:
        raise ValueError(
            f"it has {size} bytes where its signature header says {start + declared[0]}"
        )
    return RpmHeaders(lead, signature, main)


def _header(stream: IO[bytes], start: int, size: int, most: int) -> RpmHeader:
    stream.seek(start)
    head = stream.read(_ENTRY)
    if len(head) < _ENTRY or not head.startswith(HEADER_MAGIC):
        raise ValueError(f"there is no header at byte {start}")
    entries, stored = struct.unpack(">8xII", head)
    end = start + _ENTRY + _ENTRY * entries + stored
    if entries > most or stored > _LARGEST_STORE:
        raise ValueError(f"the header at byte {start} is larger than any rpm's")
    if end > size:
        raise ValueError(f"the header at byte {start} goes beyond the end")
    index, store = stream.read(_ENTRY * entries), stream.read(stored)
    if len(index) + len(store) < _ENTRY * entries + stored:
        raise ValueError(f"the header at byte {start} goes beyond the end")
    places = {tag: Place(*where) for tag, *where in struct.iter_unpack(">4I", index)}
    return RpmHeader(start, end, places, store)
