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
    order, data = (">", 2) if arch.big_endian else ("<", 1)
    # 64 bits, the byte order, version 1, System V.
    identity = b"\x7fELF" + bytes([2, data, 1]) + bytes(9)
    # An executable (2): its entry point and one program header, no sections.
    header = struct.pack(
        f"{order}HHIQQQIHHHHHH",
        2, arch.elf, 1, BASE + HEADERS, 64, 0, _FLAGS.get(arch, 0), 64, 56, 1, 0, 0, 0,
    )  # fmt: skip
    # Load all of it to read and run.
    segment = struct.pack(f"{order}IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x10000)
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


def _ppc64le(length: int) -> bytes:
    """The same; each instruction is one little-endian word."""
    words = (
        0x429F0005,  # bcl 20, 31, .+4: the address of the next word to the link register
        0x7C8802A6,  # mflr r4
        0x38840000 | 10 * 4,  # addi r4, r4, 40: the message, ten words after the first
        _li(3, 1),  # standard output
        _li(5, 0),
        0x60A50000 | length,  # ori r5, r5, length
        _li(0, 4),  # write
        0x44000002,  # sc
        _li(0, 1),  # exit
        _li(3, 0),
        0x44000002,  # sc
    )
    return struct.pack(f"<{len(words)}I", *words)


def _li(register: int, value: int) -> int:
    """`li rREGISTER, VALUE`, VALUE below 32768."""
    return 0x38000000 | register << 21 | value


def _s390x(length: int) -> bytes:
    """The same; instructions are two, four or six bytes, the higher byte first."""
    after = struct.pack(">HH", 0xA54F, length) + bytes.fromhex(  # llill %r4, length
        "0a04"  # svc 4: write
        "a7290000"  # lghi %r2, 0
        "0a01"  # svc 1: exit
    )
    # lghi %r2, 1: standard output; larl %r3, …: the message, counted in half words from here.
    before = bytes.fromhex("a7290001")
    return before + struct.pack(">Hi", 0xC030, (6 + len(after)) // 2) + after


_CODES: dict[Arch, Callable[[int], bytes]] = {
    Arch.amd64: _amd64,
    Arch.arm64: _arm64,
    Arch.ppc64le: _ppc64le,
    Arch.s390x: _s390x,
}
"""The code for a message of some length."""

_FLAGS = {Arch.ppc64le: 2}
"""ELF's flags where they are not 0: the second version of Power's ABI."""

ARCHITECTURES = tuple(_CODES)
"""What a placeholder can be made for."""
