"""Packs programs and texts as upstreams do: the same tar.gz from the same members."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import IO

from kubewright.archives import FileEntry, write_tar_gz
from kubewright.files import Content

TEXTS = ("LICENSE", "README.md")
"""The members that are not programs."""


def write(members: Mapping[str, Content], out: IO[bytes], epoch: int) -> None:
    """Write members by name, with their folders, all of the time `epoch` (seconds)."""
    entries = [
        FileEntry.of(name, content, 0o644 if PurePosixPath(name).name in TEXTS else 0o755)
        for name, content in members.items()
    ]
    write_tar_gz(entries, out, epoch=epoch)
