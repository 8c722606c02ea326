"""Writes an rpm of format 4: lead, signature header, header, payload.

The format is in rpm's own docs/manual/format_v4.md. It has no signature: `sign` puts it into the
signature header.
"""

import hashlib
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from kubewright import files, rpmfile
from kubewright.models.description import Description
from kubewright.packagers.native_rpm_header import (
    ARCHITECTURES,
    File,
    Packed,
    header,
    listed,
)
from kubewright.packing.contents import Contents
from kubewright.packing.cpio import CpioEntry, cpio_pieces
from kubewright.packing.joined import write_frame
from kubewright.rpmfile import INT32, INT64, STRING, Value

_SHA256, _PAYLOAD_SIZE, _LONG_PAYLOAD_SIZE = 273, 1007, 271
"""Tags of the signature header: RPMSIGTAG_SHA256 of the header, RPMSIGTAG_PAYLOADSIZE unpacked."""

_LONG_FROM = 3 << 30
"""Bytes of files from which sizes have the tags for 4 GiB and more: before they are needed."""


def write(description: Description, contents: Contents, target: Path) -> None:
    """Write the rpm `target`.

    Room is left for what stands before the payload, which says its digests: they do not change how
    long it is.
    """
    entries = listed(description, contents)
    nothing = "0" * 64
    room = len(_head(description, entries, Packed(nothing, nothing, contents.level.level), 0, 0))
    with target.open("w+b") as out:
        out.seek(room)
        unpacked, digest = _write_payload(entries, description.source_date_epoch, contents, out)
        size = out.tell() - room
        out.seek(room)
        packed = Packed(_sha256(out), digest, contents.level.level)
        head = _head(description, entries, packed, size, unpacked)
        if len(head) != room:
            raise ValueError(f"{len(head)} bytes of headers where there is room for {room}")
        out.seek(0)
        out.write(head)


def _write_payload(
    entries: Sequence[File], epoch: int, contents: Contents, out: IO[bytes]
) -> tuple[int, str]:
    """Write the compressed payload; return size and SHA-256 of what it is unpacked."""
    size, digest = 0, hashlib.sha256()
    archive: list[CpioEntry[files.Content]] = [
        CpioEntry(f".{entry.path}", entry.mode, entry.size, entry.content) for entry in entries
    ]
    pieces = list(cpio_pieces(archive, epoch=epoch))
    write_frame(pieces, contents, out)
    for piece in pieces:
        size += files.size_of(piece)
        with files.opened(piece) as stream:
            _update(digest, stream)
    return size, digest.hexdigest()


def _sha256(stream: IO[bytes]) -> str:
    """The digest of the rest of a stream."""
    digest = hashlib.sha256()
    _update(digest, stream)
    return digest.hexdigest()


def _update(digest: "hashlib._Hash", stream: IO[bytes]) -> None:
    while data := stream.read(files.CHUNK):
        digest.update(data)


def _head(
    description: Description, entries: Sequence[File], packed: Packed, size: int, unpacked: int
) -> bytes:
    """All that stands before a payload of `size` bytes."""
    main = header(description, entries, packed)
    sizes = {
        rpmfile.SIZE: (rpmfile.LONG_SIZE, len(main) + size),
        _PAYLOAD_SIZE: (_LONG_PAYLOAD_SIZE, unpacked),
    }
    long = sum(entry.size for entry in entries) >= _LONG_FROM
    values = {_SHA256: Value.strings(files.sha256(main), kind=STRING)}
    for tag, (long_tag, number) in sizes.items():
        values[long_tag if long else tag] = Value.numbers(INT64 if long else INT32, number)
    signature = rpmfile.header(values, rpmfile.SIGNATURES)
    return _lead(description) + signature + bytes(-len(signature) % 8) + main


def _lead(description: Description) -> bytes:
    """96 bytes that rpm looks at only to know an rpm, and file(1) for the rest."""
    name = f"{description.name}-{description.version}-{description.revision}".encode()
    number, _ = ARCHITECTURES.get(description.package_arch, (0, ""))
    version, binary, linux, signatures_in_header = (3, 0), 0, 1, 5
    return rpmfile.MAGIC + struct.pack(
        ">BBHH66sHH16x", *version, binary, number, name[:65], linux, signatures_in_header
    )
