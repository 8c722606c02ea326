"""Unpacks Debian packages into entries of a layer, without running their scripts, as a merged /usr
(Debian 12).
"""

import posixpath
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from lzma import LZMAError
from pathlib import Path
from typing import Final

from kubewright import files
from kubewright.archives import DirectoryEntry, Entry, FileEntry, LinkEntry
from kubewright.errors import RequestError, VerificationFailed

MERGED: Final = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")
"""Folders of the root that are links to those of the same name in usr/."""


def unpack(packages: Mapping[str, Path], scratch: Path, *, without: Iterable[str]) -> list[Entry]:
    """Everything in packages, by name, that no pattern of `without` matches; contents are kept
    below `scratch`.

    Owners and set-user-id bits are dropped. Raises VerificationFailed for an unreadable package or
    one with `..` in a path, RequestError when two packages have the same file.
    """
    by_path: dict[str, Entry] = {}
    patterns = tuple(without)
    for name, package in packages.items():
        for entry in _entries(package, scratch / name):
            if any(fnmatchcase(entry.path, pattern) for pattern in patterns) or _points_to_itself(
                entry
            ):
                continue
            if entry.path in by_path and not isinstance(entry, DirectoryEntry):
                raise RequestError(
                    name, f"{entry.path} is in another package too", "leave one of them out"
                )
            by_path[entry.path] = entry
    return [entry for entry in by_path.values() if not _lost(entry, by_path)]


def merged(path: str) -> str:
    """Where a path of the root is once /bin, /lib and the like are links into /usr."""
    return f"usr/{path}" if path.partition("/")[0] in MERGED else path


def _entries(package: Path, scratch: Path) -> Iterable[Entry]:
    from debian.arfile import ArError
    from debian.debfile import DebFile

    try:
        with DebFile(package) as deb, deb.data.tgz() as tar:
            for number, member in enumerate(tar):
                if member.name.startswith("/") or ".." in member.name.split("/"):
                    raise VerificationFailed(
                        str(package), f"{member.name} lies outside of it", "leave the package out"
                    )
                path = posixpath.normpath(member.name)
                if path != ".":
                    yield _entry(tar, member, path, scratch / str(number))
    except (ArError, tarfile.TarError, OSError, EOFError, LZMAError, zlib.error) as error:
        raise VerificationFailed(
            str(package), f"not a readable package: {error}", "remove it from the cache"
        ) from error


def _entry(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str, content: Path) -> Entry:
    if member.isdir():
        return DirectoryEntry(merged(path), member.mode & 0o1777)
    if member.issym():
        return LinkEntry(merged(path), _pointing(path, member.linkname))
    if member.islnk():
        return LinkEntry(merged(path), merged(posixpath.normpath(member.linkname)), hard=True)
    stream = tar.extractfile(member)
    if stream is None:
        raise VerificationFailed(path, "a device cannot be in a layer", "leave its package out")
    data = stream.read()
    with files.explained(content):
        content.parent.mkdir(parents=True, exist_ok=True)
        content.write_bytes(data)
    return FileEntry(merged(path), member.size, lambda: content.open("rb"), member.mode & 0o777)


def _pointing(path: str, to: str) -> str:
    """What a link points to. A link that moves into /usr takes a target beside it along, any other
    by its full path.
    """
    if to.startswith("/") or merged(path) == path or "/" not in to:
        return to
    return posixpath.normpath(posixpath.join("/", posixpath.dirname(path), to))


def _points_to_itself(entry: Entry) -> bool:
    """Whether a link was for the time before the merge: /sbin/ip -> /bin/ip is none, /bin/x ->
    /usr/bin/x is one.
    """
    return (
        isinstance(entry, LinkEntry)
        and not entry.hard
        and entry.to.startswith("/")
        and merged(posixpath.normpath(entry.to).lstrip("/")) == entry.path
    )


def _lost(entry: Entry, by_path: dict[str, Entry]) -> bool:
    """Whether an entry is a hard link to a file that is not unpacked."""
    return isinstance(entry, LinkEntry) and entry.hard and entry.to not in by_path
