"""Writes a bundle: a plain tar whose first file says what is in it. The place has all of it, or
what was there before.
"""

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

from kubewright import files
from kubewright.archives import PLAIN_STYLE, FileEntry, tar_pieces, write_tar
from kubewright.downloads import RESERVE
from kubewright.errors import DiskError, RequestError, VerificationFailed
from kubewright.models.bundle import Bundle, Member
from kubewright.verification.members import LIST


class Content(NamedTuple):
    """A file of a bundle, and what opens it. The stream may go on with other bytes."""

    path: str
    member: Member
    opened: Callable[[], AbstractContextManager[IO[bytes]]]
    lasting: bool = False
    """Whether the far side has it for good once it has it."""

    @classmethod
    def of(cls, path: str, data: bytes | Path) -> "Content":
        """Bytes at hand, or a file of this machine."""
        digest = files.sha256(data) if isinstance(data, bytes) else files.sha256_of(data)
        member = Member(size=files.size_of(data), sha256=digest)
        return cls(path, member, lambda: files.opened(data))


def refuse(target: Path) -> None:
    """Raise RequestError for a place that no bundle can take."""
    if target.is_dir():
        raise RequestError(str(target), "a directory", "name the file that is to be written")
    if target.exists() and (not target.is_file() or not _replaceable(target)):
        raise RequestError(
            str(target), "there already, and no bundle", "name another file, or remove this one"
        )


def _replaceable(target: Path) -> bool:
    """Whether a file is a bundle by its first bytes, or empty."""
    with files.explained(target), target.open("rb") as stream:
        head = stream.read(len(LIST) + 1)
    return head in (b"", f"{LIST}\0".encode())


def require_room(target: Path, bundle: Bundle, contents: Sequence[Content]) -> int:
    """The bytes of a bundle. Raises DiskError where the disk lacks room for them."""
    size = 0
    for piece in tar_pieces(_entries(bundle, contents), epoch=bundle.issued, style=PLAIN_STYLE):
        size += piece.size if isinstance(piece, FileEntry) else len(piece)
    place = next(folder for folder in target.absolute().parents if folder.is_dir())
    free = shutil.disk_usage(place).free
    if free < size + RESERVE:
        problem = f"needs {size} bytes, and {RESERVE} stay free, but the disk has {free}"
        raise DiskError(str(target), problem, "free some space, or write it to another disk")
    return size


def write(target: Path, bundle: Bundle, contents: Sequence[Content]) -> str:
    """Write a bundle; its SHA-256. Raises VerificationFailed for a content that is not what its
    member says.
    """
    digest = hashlib.sha256()
    with files.replacing(target) as stream:

        def take(data: bytes) -> None:
            digest.update(data)
            stream.write(data)

        write_tar(_entries(bundle, contents), take, epoch=bundle.issued, style=PLAIN_STYLE)
    return digest.hexdigest()


def _entries(bundle: Bundle, contents: Sequence[Content]) -> list[FileEntry]:
    entries = [FileEntry.of(LIST, bundle.to_bytes())]
    for one in contents:
        if not one.member.before:
            mode = 0o755 if one.path.endswith(".sh") else 0o644
            entries.append(FileEntry(one.path, one.member.size, _opening(one), mode))
    return entries


def _opening(one: Content) -> Callable[[], AbstractContextManager[IO[bytes]]]:
    @contextmanager
    def opened() -> Iterator[IO[bytes]]:
        with one.opened() as stream:
            yield cast("IO[bytes]", _Checked(one, stream))

    return opened


class _Checked:
    """Reads a content to its end, where it must have been what its member says."""

    def __init__(self, content: Content, stream: IO[bytes]) -> None:
        self._content, self._stream = content, stream
        self._digest, self._left = hashlib.sha256(), content.member.size

    def read(self, size: int) -> bytes:
        """Up to so many bytes; none at the end. Raises VerificationFailed there."""
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        self._digest.update(data)
        if not data and self._digest.hexdigest() != self._content.member.sha256:
            raise VerificationFailed(
                self._content.path, "was something else a moment ago", "make the bundle again"
            )
        return data
