"""Looks at the head of a program: which processor it is for, and whether it needs a loader (System
V ABI, ELF).
"""

import struct
from typing import Final

from kubewright.models.base import Arch

ENOUGH: Final = 1 << 16
"""Bytes at the start of a program that hold its program headers."""

_ORDERS: Final = {1: "<", 2: ">"}
"""The byte orders by their number in a program's identity."""

_PT_INTERP: Final = 3


def objection(head: bytes, arch: Arch, *, loader: bool) -> str | None:
    """Why a program cannot run on `arch` in an image of its own, or None.

    What is not an ELF file, a script say, is not judged. `loader` says that one may be needed.
    """
    if head[:4] != b"\x7fELF":
        return None
    if head[4:5] != b"\x02":
        return "is not a 64-bit program"
    order = _ORDERS.get(int.from_bytes(head[5:6]), "<")
    try:
        (machine,) = struct.unpack_from(f"{order}H", head, 18)
        kinds = _segments(head, order)
    except struct.error:
        return "is a damaged program"
    if machine != arch.elf or (order == ">") != arch.big_endian:
        big = ", big-endian" if order == ">" else ""
        return f"is not for {arch} (ELF machine {machine}{big})"
    if _PT_INTERP in kinds and not loader:
        return "is linked dynamically, and the image has no C library"
    return None


def _segments(head: bytes, order: str) -> list[int]:
    """The kinds of a program's segments. Raises struct.error where its head ends before them."""
    (table,) = struct.unpack_from(f"{order}Q", head, 32)
    size, count = struct.unpack_from(f"{order}HH", head, 54)
    return [
        struct.unpack_from(f"{order}I", head, table + number * size)[0] for number in range(count)
    ]
