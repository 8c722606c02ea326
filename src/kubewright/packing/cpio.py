"""cpio archives of the kind "new ASCII" (newc), as rpm's payloads are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Content = TypeVar("Content")


@dataclass(frozen=True)
class CpioEntry(Generic[Content]):
    """A file, directory or link; `mode` has the type in it, `size` is in bytes.

    The content of a link is what it points to.
    """

    path: str
    mode: int
    size: int
    content: bytes | Content


def cpio_pieces(entries: Iterable[CpioEntry[Content]], *, epoch: int) -> Iterator[bytes | Content]:
    """An archive as pieces: bytes, and the contents of entries in their places.

    Owned by root, all of the time `epoch` (seconds); inodes count from 1.
    """
    for number, entry in enumerate(entries, 1):
        yield _header(entry.path.encode(), number, entry.mode, epoch, entry.size)
        if entry.size:
            yield entry.content
            yield bytes(-entry.size % 4)
    yield _header(b"TRAILER!!!", 0, 0, 0, 0)


def _header(name: bytes, inode: int, mode: int, epoch: int, size: int) -> bytes:
    owner = device = check = 0
    numbers = (
        inode, mode, owner, owner, 1, epoch, size, device, device, device, device, len(name) + 1,
        check,
    )  # fmt: skip
    head = b"070701" + b"".join(b"%08x" % number for number in numbers) + name + b"\0"
    return head + bytes(-len(head) % 4)
