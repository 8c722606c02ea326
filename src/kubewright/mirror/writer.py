"""Fills a mirror: files in upstream's places, then the checksum files and version markers that tell
of them.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from pydantic import Field, ValidationError

from kubewright import checked, files
from kubewright.errors import RequestError
from kubewright.mirror import upstream_files
from kubewright.mirror.upstream_files import UpstreamFile
from kubewright.models.answer import Answer, headed
from kubewright.models.base import Header
from kubewright.models.mirror import NAME, Kind, Mirror

LOCK: Final = ".kubewright.lock"
"""The file that whoever copies into a mirror holds."""

_ARRIVING: Final = ".arriving-"

_ABOUT: dict[Kind, tuple[str, bytes]] = {
    "sample": (
        "a sample mirror",
        b"This upstream mirror was made by `kubewright mirror sample`. "
        b"The programs in it only print their name:\n"
        b"it is for trying and testing the pipeline, never for a cluster.\n",
    ),
    "download": (
        "a copy of upstreams",
        b"This upstream mirror was made by `kubewright mirror download`: "
        b"the files of Kubernetes and its companions as their upstreams publish them.\n",
    ),
    "source": (
        "a mirror from source",
        b"This upstream mirror was compiled by `kubewright mirror source` "
        b"from the Go modules of Kubernetes and its companions.\n"
        b"The programs in it are real, but they are not the bytes that their upstreams publish.\n",
    ),
}
"""What messages call each kind, and the README.txt that people read in it."""


class Summary(Answer):
    """How many files a mirror has, and how many of them this run had to write."""

    header: Header = headed("mirror-made")
    files: int = Field(description="that the mirror has of what was asked for")
    written: int = Field(description="that were not there before")


@dataclass(frozen=True)
class Writer:
    """One run that fills a mirror; what other runs put there stays."""

    dest: Path
    written: list[bool] = field(default_factory=list)
    digests: list[tuple[UpstreamFile, str]] = field(default_factory=list)

    @classmethod
    def claim(cls, dest: Path, mirror: Mirror, description: bytes | None = None) -> "Writer":
        """Begin a mirror, or go on with one of the same kind; `description` is the mirror.json of
        the mirror that it is a copy of. Raises RequestError for a directory of anything else.
        """
        cls.refuse_other(dest, mirror)
        before = _said(dest)
        if before and before.through:  # what was once read through something stays of that
            through = {**(mirror.through or {}), **before.through}
            mirror = mirror.model_copy(update={"through": through})
        own = {NAME: description or mirror.to_bytes(), "README.txt": _ABOUT[mirror.kind][1]}
        return cls(dest, [files.write(dest / name, data) for name, data in own.items()])

    @staticmethod
    def refuse_other(dest: Path, mirror: Mirror) -> None:
        """Refuse a directory that holds anything but a mirror of this kind."""
        if not dest.exists():
            return
        if not dest.is_dir():
            raise RequestError(str(dest), "is no directory", "choose an empty or a new directory")
        said = _said(dest)
        empty = all(path.name == LOCK for path in dest.iterdir())
        if not empty and (said is None or said.kind != mirror.kind):
            raise RequestError(
                str(dest),
                f"holds something other than {_ABOUT[mirror.kind][0]}",
                "choose an empty or a new directory",
            )

    @staticmethod
    @contextmanager
    def alone(dest: Path) -> Iterator[None]:
        """Let others who copy into the same directory wait."""
        with files.locked(dest / LOCK):
            yield

    def holds(self, url: str, digest: str | None) -> bool:
        """Whether a file is there, with this digest where one is known."""
        target = self.dest / upstream_files.path(url)
        found = target.is_file() if digest is None else checked.is_sound(target, digest)
        if found:
            self.written.append(False)
        return found

    @contextmanager
    def arriving(self) -> Iterator[Path]:
        """A folder beside the files, for what is not in its place yet."""
        for left in self.dest.glob(f"{_ARRIVING}*"):  # of a run that was killed
            shutil.rmtree(left)
        with TemporaryDirectory(prefix=_ARRIVING, dir=self.dest) as folder:
            yield Path(folder)

    def take(self, url: str, made: Path) -> None:
        """Give a file that is whole its place."""
        files.adopt(made, self.dest / upstream_files.path(url))
        self.written.append(True)

    def put_small(self, url: str, data: bytes) -> None:
        """Write a checksum file, a signature or a marker as upstream has it."""
        self._write(upstream_files.path(url), data)

    def list_sums(self, digests: Mapping[str, str]) -> None:
        """Have these digests by address in the mirror's own list."""
        named = sorted((upstream_files.path(url), digest) for url, digest in digests.items())
        lines = "".join(f"{digest}  {name}\n" for name, digest in named)
        if lines:
            place = "SHA256SUMS"
            self._write(place, merged(self.dest / place, lines.encode()))

    def put(self, file: UpstreamFile, content: files.Content) -> None:
        """Write a file to its place, unless the same one lies there."""
        digest = files.sha256(content) if isinstance(content, bytes) else files.sha256_of(content)
        target = self.dest / upstream_files.path(file.url)
        changed = not target.is_file() or files.sha256_of(target) != digest
        if changed:
            with files.opened(content) as source, files.replacing(target) as out:
                shutil.copyfileobj(source, out, files.CHUNK)
        self.written.append(changed)
        self.digests.append((file, digest))

    def finish(self) -> Summary:
        """Write checksum files and markers; what they say about other versions that are there
        stays.
        """
        for place, sums in upstream_files.checksums(self.digests).items():
            self._write(place, merged(self.dest / place, sums))
        # A release without checksums was begun, but never finished.
        releases = self.dest / upstream_files.RELEASES
        present = {
            path.relative_to(releases).parts[0][1:]
            for path in releases.glob("v*/bin/linux/*/*.sha256")
        }
        for place, marker in upstream_files.markers(present).items():
            self._write(place, marker)
        return Summary(files=len(self.written), written=sum(self.written))

    def _write(self, place: str, data: bytes) -> None:
        self.written.append(files.write(self.dest / place, data))


def _said(dest: Path) -> Mirror | None:
    """What a directory says that it is; None if it does not say, or not so that it can be read."""
    try:
        return Mirror.from_bytes((dest / NAME).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def merged(path: Path, new: bytes) -> bytes:
    """A checksum file with new lines: those about other files stay; one that names no file is only
    replaced.
    """
    if b"  " not in new or not path.is_file():
        return new
    lines = [*path.read_text(encoding="utf-8").splitlines(), *new.decode().splitlines()]
    by_name: dict[str, str] = {}
    for line in lines:
        digest, _, name = line.partition("  ")
        by_name[name] = digest
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(by_name.items())).encode()
