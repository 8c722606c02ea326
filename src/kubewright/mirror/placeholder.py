"""Writes the smallest honest Linux program: a static ELF file that prints one message and exits
with 0.
"""

import struct
from collections.abc import Callable

from kubewright.models.base import Arch

BASE = 0x400000
"""Where the file is mapped, a multiple of every page size in use (arm64 has pages of up to 64
KiB).
"""

HEADERS = 64 + 56
"""Bytes of the ELF header and its one program header; the code follows them."""


def program(arch: Arch, message: bytes) -> bytes:
    """An executable for `arch` that writes `message` (below 64 KiB) to standard output.

    The format is System V's: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html.
    """
    body = _CODES[arch](len(message)) + message
    size = HEADERS + len(body)
    # 64 bits, little endian, version 1, System V.
    identity = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    # An executable (2): its entry point and one program header, no sections.
    header = struct.pack(
        "<HHIQQQIHHHHHH", 2, arch.elf, 1, BASE + HEADERS, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    # Load all of it to read and run.
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x10000)
    return identity + header + segment + body


def _amd64(length: int) -> bytes:
    """write(1, message, length); exit(0). The message follows the code."""
    after = struct.pack("<BI", 0xBA, length) + bytes.fromhex(  # mov edx, length
        "0f05"  # syscall
        "31ff"  # xor edi, edi
        "b83c000000"  # mov eax, 60: exit
        "0f05"  # syscall
    )
    before = bytes.fromhex(
        "b801000000"  # mov eax, 1: write
        "bf01000000"  # mov edi, 1: standard output
        "488d35"  # lea rsi, [rip + …]: the message
    )
    return before + struct.pack("<I", len(after)) + after


def _arm64(length: int) -> bytes:
    """The same; each instruction is one little-endian word."""
    words = (
        _movz(0, 1),  # standard output
        0x10000001 | (7 * 4 >> 2) << 5,  # adr x1, the message: seven words on
        _movz(2, length),
        _movz(8, 64),  # write
        0xD4000001,  # svc #0
        _movz(0, 0),
        _movz(8, 93),  # exit
        0xD4000001,  # svc #0
    )
    return struct.pack(f"<{len(words)}I", *words)


def _movz(register: int, value: int) -> int:
    """`movz xREGISTER, #VALUE`, VALUE below 65536."""
    return 0xD2800000 | value << 5 | register


_CODES: dict[Arch, Callable[[int], bytes]] = {Arch.amd64: _amd64, Arch.arm64: _arm64}
"""The code for a message of some length."""

ARCHITECTURES = tuple(_CODES)
"""What a placeholder can be made for."""
