"""Reads which Go modules are linked into a program, from what Go's linker leaves in it."""

import struct
from collections.abc import Iterator
from os import SEEK_END
from pathlib import Path
from typing import IO, NamedTuple

_MAGIC = b"\xff Go buildinf:"
_HEADER, _FLAGS, _INLINE = 32, 15, 2
_SECTION = 64
_FRAME = 16
"""Bytes of a marker before the list of modules, and of another behind it."""

_LONGEST = 16 << 20
"""Bytes, more than any section that is read here has; Kubernetes' note has some 30 000."""


class GoModule(NamedTuple):
    """A module: its import path, its version, and Go's checksum of it, empty where it has none."""

    path: str
    version: str
    sum: str = ""


class GoProgram(NamedTuple):
    """What a Go program was made with; its own module has no checksum."""

    go: str
    modules: tuple[GoModule, ...]


def linked(program: Path) -> GoProgram | None:
    """What Go's linker says of a program; None of a file that is no Go program, one that was linked
    by a Go before 1.18, or one that has lost its sections.

    The layout is that of Go's own package debug/buildinfo.
    """
    with program.open("rb") as stream:
        try:
            return _note(_section(stream, b".go.buildinfo"))
        except (ValueError, struct.error):
            return None


def _section(stream: IO[bytes], wanted: bytes) -> bytes:
    """A section of an ELF file of 64 bits. Raises ValueError or struct.error where it has none.

    The format is System V's: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.sheader.html.
    """
    head = stream.read(64)
    if not head.startswith(b"\x7fELF\x02") or len(head) < 64:
        raise ValueError("no ELF file of 64 bits")
    order = ">" if head[5] == 2 else "<"
    (table,) = struct.unpack_from(f"{order}Q", head, 40)
    size, count, names = struct.unpack_from(f"{order}HHH", head, 58)
    if size != _SECTION:
        raise ValueError("its sections are not described as they should be")
    index = _read(stream, table, size * count)
    sections = list(struct.iter_unpack(f"{order}I20xQQ24x", index))
    if names >= len(sections):
        raise ValueError("its sections have no names")
    _, place, length = sections[names]
    texts = _read(stream, place, length)
    for name, place, length in sections:
        if texts[name:].split(b"\0", 1)[0] == wanted:
            return _read(stream, place, length)
    raise ValueError("no such section")


def _read(stream: IO[bytes], place: int, length: int) -> bytes:
    if length > _LONGEST or place + length > stream.seek(0, SEEK_END):
        raise ValueError(f"there are no {length} bytes at byte {place}")
    stream.seek(place)
    return stream.read(length)


def _note(data: bytes) -> GoProgram:
    """The note that a section is: two strings, each after its length. Raises ValueError for
    anything else.
    """
    if not data.startswith(_MAGIC) or len(data) < _HEADER or not data[_FLAGS] & _INLINE:
        raise ValueError("no note of a Go from 1.18")
    go, place = _string(data, _HEADER)
    framed, _ = _string(data, place)
    return GoProgram(go.decode(), tuple(_modules(framed[_FRAME:-_FRAME].decode())))


def _string(data: bytes, place: int) -> tuple[bytes, int]:
    """A string and where it ends. Raises ValueError for one that is not whole."""
    length = shift = 0
    while True:
        if place >= len(data):
            raise ValueError("the length does not end")
        byte = data[place]
        length |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            break
    if length > len(data) - place:
        raise ValueError(f"{length} bytes are more than there are")
    return data[place : place + length], place + length


def _modules(text: str) -> Iterator[GoModule]:
    """The modules; for one that is replaced, the module in its place. A folder in its place, as
    Kubernetes has them, is no module: the name stays.
    """
    modules: list[GoModule] = []
    for line in text.splitlines():
        kind, *fields = line.split("\t")
        if kind in ("mod", "dep") and len(fields) >= 2:
            modules.append(GoModule(*fields[:3]))
        elif kind == "=>" and len(fields) >= 2 and modules and fields[0][:1] not in (".", "/"):
            modules[-1] = GoModule(*fields[:3])
    yield from modules
