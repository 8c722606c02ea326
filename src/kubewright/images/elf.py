"""Looks at the head of a program: which processor it is for, and whether it needs a loader (System
V ABI, ELF).
"""

import struct
from typing import Final

from kubewright.models.base import Arch

ENOUGH: Final = 1 << 16
"""Bytes at the start of a program that hold its program headers."""

_PT_INTERP: Final = 3


def objection(head: bytes, arch: Arch, *, loader: bool) -> str | None:
    """Why a program cannot run on `arch` in an image of its own, or None.

    What is not an ELF file, a script say, is not judged. `loader` says that one may be needed.
    """
    if head[:4] != b"\x7fELF":
        return None
    if head[4:6] != b"\x02\x01":
        return "is not a 64-bit little-endian program"
    try:
        (machine,) = struct.unpack_from("<H", head, 18)
        (table,) = struct.unpack_from("<Q", head, 32)
        size, count = struct.unpack_from("<HH", head, 54)
        kinds = [
            struct.unpack_from("<I", head, table + number * size)[0] for number in range(count)
        ]
    except struct.error:
        return "is a damaged program"
    if machine != arch.elf:
        return f"is not for {arch} (ELF machine {machine})"
    if _PT_INTERP in kinds and not loader:
        return "is linked dynamically, and the image has no C library"
    return None
