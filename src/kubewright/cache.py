"""The content-addressed cache of upstream files: `CACHE/sha256/AB/DIGEST`."""

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from kubewright import checked, files
from kubewright.errors import UpstreamUnreachable, VerificationFailed
from kubewright.models.lock import Input
from kubewright.upstream import Upstream

log = logging.getLogger(__name__)

ATTEMPTS = 4
"""How often a download that keeps making progress is taken up again."""

PAUSE = 0.2
"""Seconds before the first new attempt; each later one waits longer by as much."""

Progress = Callable[[int, int | None], None]


class Cache:
    """Files by their digest; a file that is here has been checked, and is checked again before
    use.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, digest: str) -> Path:
        """Where a file with this SHA-256 is, or would be."""
        return self.root / "sha256" / digest[:2] / digest

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
        with files.explained(path):
            path.unlink()
        return False

    def use(self, entry: Input) -> Path:
        """The file of an input, checked.

        Raises VerificationFailed if it was never fetched or is not what its digest says.
        """
        if entry.sha256 is None or not self.path(entry.sha256).is_file():
            raise VerificationFailed(entry.id, "not fetched yet", "run `kubewright fetch`")
        path = self.path(entry.sha256)
        if not self.sound(entry.sha256):
            raise VerificationFailed(
                str(path),
                f"corrupted in the cache ({entry.id})",
                "run `kubewright fetch` to repair it",
            )
        return path

    def adopt(self, path: Path) -> str:
        """Take a file that was made here into the cache and return its SHA-256."""
        digest = checked.sha256_of(path)
        if not self.holds(digest):
            with files.replacing(self.path(digest)) as stream, path.open("rb") as source:
                shutil.copyfileobj(source, stream, files.CHUNK)
        return digest

    def fetch(self, upstream: Upstream, entry: Input, progress: Progress) -> str:
        """Bring one input and return its SHA-256.

        What an interrupted download left is continued, if a digest can tell in the end that it
        fits. Of several processes that want the same, one works and the others wait. Raises
        VerificationFailed when the bytes are not the promised ones; they are removed.
        """
        if entry.sha256 is not None and self.holds(entry.sha256):
            return entry.sha256
        partial = self.root / "partial" / (entry.sha256 or files.sha256(entry.url.encode()))
        with files.explained(partial):
            partial.parent.mkdir(parents=True, exist_ok=True)
            with files.locked(partial.with_name(f"{partial.name}.lock")):
                if entry.sha256 is not None and self.sound(entry.sha256):
                    return entry.sha256  # another process brought it while this one waited
                digest = self._bring(upstream, entry, partial, progress)
                partial.chmod(0o644)
                target = self.path(digest)
                target.parent.mkdir(parents=True, exist_ok=True)
                partial.replace(target)
                checked.remember(target, digest)
        return digest

    def _bring(self, upstream: Upstream, entry: Input, partial: Path, progress: Progress) -> str:
        """Download and check; what was there before gets one chance to be continued."""
        resumed = entry.sha256 is not None and partial.is_file() and partial.stat().st_size > 0
        self._download(upstream, entry, partial, progress)
        digest = files.sha256_of(partial)
        if resumed and digest != entry.sha256:
            partial.unlink()
            self._download(upstream, entry, partial, progress)
            digest = files.sha256_of(partial)
        if entry.sha256 not in (None, digest):
            size = partial.stat().st_size
            partial.unlink()
            raise VerificationFailed(
                entry.url,
                f"its SHA-256 is {digest} ({size} bytes), but {entry.checked_by or 'the lock'} "
                f"says {entry.sha256}; the download was truncated or changed",
                "try again, and if it stays so do not use this upstream",
            )
        return digest

    def _download(
        self, upstream: Upstream, entry: Input, partial: Path, progress: Progress
    ) -> None:
        mode = (
            "wb" if entry.sha256 is None else "ab"
        )  # without a digest nobody would notice two halves of two files
        for attempt in range(1, ATTEMPTS + 1):
            with partial.open(mode) as stream:
                begun = stream.tell()
                try:
                    exists = upstream.stream(entry.url, stream, progress)
                    break
                except UpstreamUnreachable as error:
                    if (
                        attempt == ATTEMPTS or stream.tell() == begun
                    ):  # it brings nothing: no use asking on
                        raise
                    log.info(
                        "%s; going on from %d bytes", error, stream.tell() if mode == "ab" else 0
                    )
                    time.sleep(PAUSE * attempt)
        if not exists:
            raise VerificationFailed(
                entry.url, "upstream does not have it any more", "run `kubewright resolve` again"
            )
