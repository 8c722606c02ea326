"""Writes an rpm of format 4: lead, signature header, header, payload.

The format is in rpm's own docs/manual/format_v4.md. It has no signature: `sign` puts it into the
signature header.
"""

import hashlib
import shutil
import struct
from dataclasses import dataclass
from pathlib import Path

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
from kubewright.packing.joined import joined
from kubewright.rpmfile import INT32, INT64, STRING, Value

_SHA256, _PAYLOAD_SIZE, _LONG_PAYLOAD_SIZE = 273, 1007, 271
"""Tags of the signature header: RPMSIGTAG_SHA256 of the header, RPMSIGTAG_PAYLOADSIZE unpacked."""


def write(description: Description, contents: Contents, work: Path, target: Path) -> None:
    """Write the rpm `target`."""
    payload = work / "payload.cpio.zst"
    entries = listed(description, contents)
    unpacked = _write_payload(entries, description.source_date_epoch, contents, payload)
    packed = Packed(files.sha256_of(payload), unpacked.sha256, contents.level.level)
    main = header(description, entries, packed)
    with target.open("wb") as out:
        out.write(_lead(description))
        out.write(_signature_header(main, payload.stat().st_size, unpacked.size))
        out.write(main)
        with payload.open("rb") as stream:
            shutil.copyfileobj(stream, out, files.CHUNK)
    payload.unlink()


@dataclass(frozen=True)
class _Unpacked:
    size: int
    sha256: str


def _write_payload(entries: list[File], epoch: int, contents: Contents, target: Path) -> _Unpacked:
    """Write the compressed payload; return what it is unpacked."""
    size, digest = 0, hashlib.sha256()
    archive = [
        CpioEntry(f".{entry.path}", entry.mode, entry.size, entry.content) for entry in entries
    ]
    with target.open("w+b") as out, joined(contents, out) as frame:
        for piece in cpio_pieces(archive, epoch=epoch):
            frame.add_content(piece)
            size += files.size_of(piece)
            with files.opened(piece) as stream:
                while data := stream.read(files.CHUNK):
                    digest.update(data)
    return _Unpacked(size, digest.hexdigest())


def _lead(description: Description) -> bytes:
    """96 bytes that rpm looks at only to know an rpm, and file(1) for the rest."""
    name = f"{description.name}-{description.version}-{description.revision}".encode()
    number, _ = ARCHITECTURES.get(description.package_arch, (0, ""))
    version, binary, linux, signatures_in_header = (3, 0), 0, 1, 5
    return rpmfile.MAGIC + struct.pack(
        ">BBHH66sHH16x", *version, binary, number, name[:65], linux, signatures_in_header
    )


def _signature_header(main: bytes, packed: int, unpacked: int) -> bytes:
    """The signature header of an unsigned rpm, padded; 4 GiB and more take other tags."""
    values = {_SHA256: Value.strings(files.sha256(main), kind=STRING)}
    for size, tag, long_tag in (
        (len(main) + packed, rpmfile.SIZE, rpmfile.LONG_SIZE),
        (unpacked, _PAYLOAD_SIZE, _LONG_PAYLOAD_SIZE),
    ):
        long = size >= 1 << 32
        values[long_tag if long else tag] = Value.numbers(INT64 if long else INT32, size)
    made = rpmfile.header(values, rpmfile.SIGNATURES)
    return made + bytes(-len(made) % 8)
