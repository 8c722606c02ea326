"""The content-addressed cache of upstream files: `CACHE/sha256/AB/DIGEST`.

Others may be able to write to it. So a file is hashed while it is copied to where it is used, and
no link in the cache is followed; the cache's own directory may be one.
"""

import hashlib
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedRandom
from pathlib import Path
from typing import Final

from kubewright import below, checked, files
from kubewright.downloads import Bounds, own_file
from kubewright.errors import UpstreamUnreachable, VerificationFailed
from kubewright.models.lock import Input
from kubewright.upstream import Upstream

log = logging.getLogger(__name__)

ATTEMPTS = 4
"""How often a download that keeps making progress is taken up again."""

PAUSE = 0.2
"""Seconds before the first new attempt; each later one waits longer by as much."""

Progress = Callable[[int, int | None], None]

_PARTIAL: Final = "partial"
"""The folder of what is not whole yet."""


class Cache:
    """Files by their digest; a file that is here has been checked, and is checked again while it
    is copied.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Where a file with this SHA-256 is, or would be."""
        return self.root / _name(digest)

    def sound(self, digest: str) -> bool:
        """Whether a file is here and what its digest says; nothing is changed."""
        return checked.is_sound(self.path(digest), digest)

    def holds(self, digest: str) -> bool:
        """Whether a file is here and sound; a corrupted one is removed and said."""
        path = self.path(digest)
        if not path.is_file():
            return False
        if self.sound(digest):
            return True
        log.warning("%s: corrupted in the cache; fetching it again", path)
        parent, _, name = _name(digest).rpartition("/")
        with files.explained(path), below.folder(self.root, parent) as folder:
            os.unlink(name, dir_fd=folder)
        return False

    def size(self, entry: Input) -> int:
        """How many bytes the file of an input has. Raises VerificationFailed if it was never
        fetched.
        """
        with suppress(OSError):
            if entry.sha256 is not None:
                return self.path(entry.sha256).stat().st_size
        raise _not_fetched(entry.id)

    def use(self, entry: Input, folder: Path) -> Path:
        """A copy of the file of an input in a folder that nobody else can write to.

        Raises VerificationFailed if it was never fetched or is not what its digest says.
        """
        if entry.sha256 is None:
            raise _not_fetched(entry.id)
        return self.copied(entry.sha256, folder, entry.id)

    def copied(self, digest: str, folder: Path, owner: str) -> Path:
        """The same of a file by its digest; `owner` is what messages call it."""
        target = folder / digest
        if target.exists():  # since another of the same build wanted it
            return target
        path = self.path(digest)
        with files.explained(path):
            source = below.opened(self.root, _name(digest))
        if source is None:
            raise _not_fetched(owner)
        with source, files.explained(target):
            folder.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as stream:
                found = files.copy(source, stream)
            if found != digest:
                target.unlink()
                raise VerificationFailed(
                    str(path),
                    f"corrupted in the cache ({owner})",
                    "run `kubewright fetch` to repair it",
                )
            checked.remember(target, digest)
        return target

    def adopt(self, path: Path) -> str:
        """Take a file that was made here into the cache and return its SHA-256."""
        digest = checked.sha256_of(path)
        if not self.holds(digest):
            with (
                self._arriving(f"{digest}.made") as (folder, place),
                path.open("rb") as source,
                own_file(folder, place, fresh=True) as stream,
            ):
                digest = files.copy(source, stream)
                self._settle(folder, place, stream, digest)
        return digest

    def fetch(self, upstream: Upstream, entry: Input, progress: Progress) -> str:
        """Bring one input and return its SHA-256.

        What an interrupted download left is continued, if a digest can tell in the end that it
        fits. Of several processes that want the same, one works and the others wait. Raises
        VerificationFailed when the bytes are not the promised ones, or more than any input has;
        they are removed.
        """
        if entry.sha256 is not None and self.holds(entry.sha256):
            return entry.sha256
        with self._arriving(entry.sha256 or files.sha256(entry.url.encode())) as (folder, place):
            if entry.sha256 is not None and self.sound(entry.sha256):
                return entry.sha256  # another process brought it while this one waited
            with own_file(folder, place, fresh=entry.sha256 is None) as stream:
                try:
                    digest = self._bring(upstream, entry, stream, progress)
                except VerificationFailed:
                    os.unlink(place.name, dir_fd=folder)
                    raise
                self._settle(folder, place, stream, digest)
        return digest

    @contextmanager
    def _arriving(self, name: str) -> Iterator[tuple[int, Path]]:
        """The folder of what is not whole yet, open, and a path in it that nobody else uses
        meanwhile.
        """
        place = self.root / _PARTIAL / name
        lock = place.with_name(f"{name}.lock")
        with (
            files.explained(place),
            below.folder(self.root, _PARTIAL, make=True) as folder,
            files.locked(lock, folder=folder),
        ):
            yield folder, place

    def _settle(self, folder: int, place: Path, stream: BufferedRandom, digest: str) -> None:
        """Give a file that is whole its name."""
        stream.flush()
        os.fchmod(stream.fileno(), 0o644)
        parent, _, name = _name(digest).rpartition("/")
        with below.folder(self.root, parent, make=True) as target:
            os.replace(place.name, name, src_dir_fd=folder, dst_dir_fd=target)
            there = os.stat(name, dir_fd=target, follow_symlinks=False)
        if os.path.samestat(there, os.fstat(stream.fileno())):
            checked.remember(self.path(digest), digest)

    def _bring(
        self, upstream: Upstream, entry: Input, stream: BufferedRandom, progress: Progress
    ) -> str:
        """Download and check; what was there before gets one chance to be continued."""
        resumed = stream.seek(0, os.SEEK_END) > 0
        self._download(upstream, entry, stream, progress)
        digest = _digest(stream)
        if resumed and digest != entry.sha256:
            stream.truncate(0)
            self._download(upstream, entry, stream, progress)
            digest = _digest(stream)
        if entry.sha256 not in (None, digest) and _is_gzip(stream):
            # Some servers pack what they are asked not to; only the promised digest can tell.
            packed, said = digest, stream.tell()
            stream.truncate(0)
            self._download(upstream, entry, stream, progress, unpacked=True)
            digest = _digest(stream)
            log.info(
                "%s: came packed by gzip (%s, %d bytes)", upstream.named(entry.url), packed, said
            )
        if entry.sha256 not in (None, digest):
            raise VerificationFailed(
                upstream.named(entry.url),
                f"its SHA-256 is {digest} ({stream.tell()} bytes), but "
                f"{entry.checked_by or 'the lock'} says {entry.sha256}; the download was truncated "
                "or changed",
                "try again, and if it stays so do not use this upstream",
            )
        return digest

    def _download(
        self,
        upstream: Upstream,
        entry: Input,
        stream: BufferedRandom,
        progress: Progress,
        *,
        unpacked: bool = False,
    ) -> None:
        bounds = Bounds(upstream.named(entry.url), self.root / _PARTIAL, stream, progress)
        for attempt in range(1, ATTEMPTS + 1):
            if entry.sha256 is None or unpacked:
                stream.truncate(0)  # nobody would notice two halves of two files
            begun = stream.seek(0, os.SEEK_END)
            try:
                exists = upstream.stream(entry.url, stream, bounds, unpacked=unpacked)
                break
            except UpstreamUnreachable as error:
                have = stream.tell()
                if attempt == ATTEMPTS or have == begun:  # it brings nothing: no use asking on
                    raise
                log.info("%s; going on from %d bytes", error, have if entry.sha256 else 0)
                time.sleep(PAUSE * attempt)
        if not exists:
            raise VerificationFailed(
                upstream.named(entry.url),
                "upstream does not have it any more",
                "run `kubewright resolve` again",
            )


def _name(digest: str) -> str:
    return f"sha256/{digest[:2]}/{digest}"


def _digest(stream: BufferedRandom) -> str:
    """The digest of a whole file; it is at its end then."""
    stream.flush()
    stream.seek(0)
    return hashlib.file_digest(stream, "sha256").hexdigest()


def _is_gzip(stream: BufferedRandom) -> bool:
    """Whether a file begins as gzip does; it is at its end again then."""
    stream.seek(0)
    magic = stream.read(2)
    stream.seek(0, os.SEEK_END)
    return magic == b"\x1f\x8b"


def _not_fetched(owner: str) -> VerificationFailed:
    return VerificationFailed(owner, "not fetched yet", "run `kubewright fetch`")
