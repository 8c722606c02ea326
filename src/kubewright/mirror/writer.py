"""Fills a mirror: files in upstream's places, then the checksum files and version markers that tell
of them.
"""

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from kubewright import files
from kubewright.errors import RequestError
from kubewright.mirror import upstream_files
from kubewright.mirror.upstream_files import UpstreamFile
from kubewright.models.base import Model
from kubewright.models.mirror import NAME, Kind, Mirror

_ABOUT: dict[Kind, tuple[str, bytes]] = {
    "sample": (
        "a sample mirror",
        b"This upstream mirror was made by `kubewright mirror sample`. "
        b"The programs in it only print their name:\n"
        b"it is for trying and testing the pipeline, never for a cluster.\n",
    ),
    "source": (
        "a mirror from source",
        b"This upstream mirror was compiled by `kubewright mirror source` "
        b"from the Go modules of Kubernetes and its companions.\n"
        b"The programs in it are real, but they are not the bytes that their upstreams publish.\n",
    ),
}
"""What messages call each kind, and the README.txt that people read in it."""


class Summary(Model):
    """How many files a mirror has, and how many of them this run had to write."""

    files: int
    written: int


@dataclass(frozen=True)
class Writer:
    """One run that fills a mirror; what other runs put there stays."""

    dest: Path
    written: list[bool] = field(default_factory=list)
    digests: list[tuple[UpstreamFile, str]] = field(default_factory=list)

    @classmethod
    def claim(cls, dest: Path, kind: Kind) -> "Writer":
        """Begin a mirror, or go on with one of the same kind. Raises RequestError for a directory
        of anything else.
        """
        title, readme = _ABOUT[kind]
        if dest.is_dir() and any(dest.iterdir()) and _kind(dest) != kind:
            raise RequestError(
                str(dest),
                f"holds something other than {title}",
                "choose an empty or a new directory",
            )
        own = {NAME: Mirror(kind=kind).to_bytes(), "README.txt": readme}
        return cls(dest, [files.write(dest / name, data) for name, data in own.items()])

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


def _kind(dest: Path) -> Kind | None:
    """What a directory says that it is; None if it does not say, or not so that it can be read."""
    try:
        return Mirror.from_bytes((dest / NAME).read_bytes()).kind
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
