"""Writes archives as upstreams do: a tar.gz of programs and texts, the same bytes from the same
members.
"""

import gzip
import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from kubewright import files

LEVEL = 6
"""Of gzip; what upstreams mostly use."""

TEXTS = ("LICENSE", "README.md")
"""The members that are no programs."""

Member = Path | bytes
"""What a member of an archive, or a file of a mirror, holds: a file's content, or bytes."""


def write(members: Mapping[str, Member], out: IO[bytes], epoch: int) -> None:
    """Write members by name, with their folders; owned by root, all of the time `epoch`
    (seconds).
    """
    folders = sorted(
        {str(folder) for name in members for folder in PurePosixPath(name).parents} - {"."}
    )
    with (
        gzip.GzipFile("", "wb", LEVEL, out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name in folders:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = tarfile.DIRTYPE, 0o755, epoch
            tar.addfile(info)
        for name, member in sorted(members.items()):
            info = tarfile.TarInfo(name)
            info.mode, info.mtime = 0o644 if PurePosixPath(name).name in TEXTS else 0o755, epoch
            with opened(member) as source:
                info.size = source.seek(0, os.SEEK_END)
                source.seek(0)
                tar.addfile(info, source)


def opened(member: Member) -> IO[bytes]:
    """A member to read from. Raises DiskError for a file that cannot be read."""
    if isinstance(member, bytes):
        return io.BytesIO(member)
    with files.explained(member):
        return member.open("rb")
