"""Joins bytes and files that are compressed already into one zstd frame.

One, because dpkg reads a member of a deb to the end of its first frame and no further. A frame is a
row of blocks, and blocks of one frame stand in another as they are, but for two things that a
decoder remembers: Huffman and FSE tables, which no frame uses before it has stated its own; and the
last three offsets, which every frame takes to be 1, 4 and 8 when it starts (RFC 8878, 3.1.2.5).
After blocks that were compressed, three tiny ones make them so again; they stand for nine bytes of
a row of equal ones, of which headers of tar and cpio always have some.
"""

import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Final

from kubewright import files
from kubewright.packing.contents import SMALL, Blocks, Contents, compress

ROW: Final = 17
"""Equal bytes that it takes to restore the offsets: eight to look back at, and nine more."""

_RESTORED = 9
_MOST_LOOSE = 4 << 20  # bytes between two files that are kept in memory
_RAW = 256  # bytes up to which compressing does not pay
_LARGEST_BLOCK = 128 * 1024
_SMALLEST_WINDOW = 17  # whose blocks may be of the size above
_LAST = b"\x01\0\0"
_EQUAL = re.compile(rb"(.)\1{%d}" % (ROW - 1), re.DOTALL)


def _restoring(code: int, extra: int) -> bytes:
    """A block of one sequence: no literals, then three bytes from 2^code + extra - 3 bytes back."""
    tables = bytes([0b01010100, 0, code, 0])  # each of one symbol: literals 0, offset, match 3
    body = bytes([0, 1]) + tables + bytes([1 << code | extra])
    return (len(body) << 3 | 2 << 1).to_bytes(3, "little") + body


RESTORE: Final = _restoring(3, 3) + _restoring(2, 3) + _restoring(2, 0)
"""Three times three bytes from 8, 4 and 1 back: the last three offsets are 1, 4 and 8."""


class Joined:
    """The frame that `write_frame` writes."""

    def __init__(self, contents: Contents, out: IO[bytes]) -> None:
        self._contents, self._out, self._start = contents, out, out.tell()
        out.write(_header(0, _SMALLEST_WINDOW))
        self._loose = bytearray()
        self._restored = True
        self._size, self._window = 0, _SMALLEST_WINDOW

    def add(self, data: bytes) -> None:
        """Add bytes, which are compressed together with those beside them."""
        self._loose += data
        if len(self._loose) >= _MOST_LOOSE:
            self._flush(before_file=False)

    def add_content(self, content: files.Content) -> None:
        """Add bytes, or a file. Between two files must be ROW equal bytes: raises ValueError else.

        A file that is not SMALL is compressed for itself, once for all frames that it is in.
        """
        if isinstance(content, bytes):
            self.add(content)
        elif files.size_of(content) < SMALL:
            self.add(content.read_bytes())
        else:
            self._add_file(content)

    def add_together(self, pieces: Sequence[files.Content]) -> None:
        """Add bytes and files that nothing stands before, compressed as a whole."""
        size = sum(map(files.size_of, pieces))
        with self._contents.scratch() as packed:
            whole, level = _Whole(pieces), self._contents.level
            self._copy(packed, compress(whole, size, level, packed, together=True))

    def _add_file(self, path: Path) -> None:
        place, blocks = self._contents.blocks(path)
        self._flush(before_file=True)
        with place.open("rb") as stream:
            self._copy(stream, blocks)

    def end(self) -> None:
        """Write what is left, and the header, which stands first; go to the end again."""
        self._flush(before_file=False)
        self._out.write(_LAST)
        end = self._out.tell()
        self._out.seek(self._start)
        self._out.write(_header(self._size, self._window))
        self._out.seek(end)

    def _flush(self, *, before_file: bool) -> None:
        """Write the loose bytes; before a file offsets are restored."""
        data, self._loose = bytes(self._loose), bytearray()
        if data and not self._restored:
            row = _EQUAL.search(data)
            if row is None:
                raise ValueError(f"there are no {ROW} equal bytes in a row between two files")
            data = self._restore(data, row.start())
        if len(data) > _RAW and not before_file:
            self._compress(data)
        elif len(data) > _RAW and (row := _EQUAL.search(data[::-1])):
            last = len(data) - row.start() - ROW
            self._compress(data[:last])
            self._raw(self._restore(data[last:], 0))
        else:
            self._raw(data)
        if before_file and not self._restored:
            raise ValueError("there is nothing between two files")

    def _restore(self, data: bytes, row: int) -> bytes:
        """Write `data` to the end of its row of equal bytes; return the rest."""
        self._raw(data[: row + ROW - _RESTORED])
        self._out.write(RESTORE)
        self._size += _RESTORED
        self._restored = True
        return data[row + ROW :]

    def _compress(self, data: bytes) -> None:
        if data:
            packed = io.BytesIO()
            blocks = compress(io.BytesIO(data), len(data), self._contents.level, packed)
            self._copy(packed, blocks)

    def _copy(self, source: IO[bytes], blocks: Blocks) -> None:
        source.seek(blocks.start)
        left = blocks.end - blocks.start
        while left:
            data = source.read(min(left, files.CHUNK))
            if not data:
                raise ValueError("compressed content is cut short")
            left -= len(data)
            self._out.write(data)
        self._size += blocks.size
        self._window = max(self._window, blocks.window)
        self._restored = False

    def _raw(self, data: bytes) -> None:
        for start in range(0, len(data), _LARGEST_BLOCK):
            block = data[start : start + _LARGEST_BLOCK]
            self._out.write((len(block) << 3).to_bytes(3, "little") + block)
        self._size += len(data)


class _Whole:
    """Bytes and files in a row, read as one."""

    def __init__(self, pieces: Iterable[files.Content]) -> None:
        self._left = iter(pieces)
        self._stream: IO[bytes] = io.BytesIO()

    def read(self, size: int) -> bytes:
        while not (data := self._stream.read(size)):
            self._stream.close()
            piece = next(self._left, None)
            if piece is None:
                self._stream = io.BytesIO()
                return b""
            self._stream = files.opened(piece)
        return data


def write_frame(pieces: Iterable[files.Content], contents: Contents, out: IO[bytes]) -> None:
    """Write bytes and files as one frame to the end of `out`.

    Several large files are compressed together where the level says so; else each is compressed
    for itself, once for all frames that it is in.
    """
    pieces = list(pieces)
    large = [
        piece for piece in pieces
        if not isinstance(piece, bytes) and files.size_of(piece) >= SMALL
    ]  # fmt: skip
    frame = Joined(contents, out)
    if len(large) > 1 and contents.level.together:
        frame.add_together(pieces)
    else:
        for piece in pieces:
            frame.add_content(piece)
    frame.end()


def _header(size: int, window: int) -> bytes:
    """A frame's header: no checksum, a size of eight bytes, a window of 2^window bytes."""
    return b"\x28\xb5\x2f\xfd\xc0" + bytes([window - 10 << 3]) + size.to_bytes(8, "little")
