"""A bundle as a site to be read: the site in it, with archives of images put together anew."""

import hashlib
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import IO, Final

from kubewright import files
from kubewright.errors import VerificationFailed
from kubewright.images.docker_archive import blob_path
from kubewright.models.bundle import Archive, Bundle, Part
from kubewright.site import layout
from kubewright.verification.members import LIST, MOST, REMEDY, Members
from kubewright.verification.source import Source, Web

SITE: Final = "site/"
IMAGES: Final = "images/"
"""Where a bundle has the site, and the OCI layout of its images."""

Blobs = Callable[[str], AbstractContextManager[IO[bytes] | None]]
"""Opens a blob by its digest; None where there is none."""


@contextmanager
def nowhere(_digest: str) -> Iterator[None]:
    """There is no other place for blobs."""
    yield None


class Carried(Web):
    """The site in a bundle: rpms are there once, and found by all their names. What the bundle
    before has is not here; blobs of images that it has are looked for in `blobs`. What that opens
    stays open `until` its end.
    """

    distant = False

    def __init__(self, found: Members, until: ExitStack | None = None) -> None:
        """Raises VerificationFailed for a bundle whose list does not fit its files, and
        RequestError for one of a newer kubewright.
        """
        super().__init__(self._site)
        self.members, self.until = found, until or ExitStack()
        self.blobs: Blobs = nowhere
        self.near: Source | None = None
        self.list_sha256, self.bundle = _read(found)
        self._archives = {one.path: one for one in self.bundle.archives}
        _require_listed(found, self.bundle)

    @property
    def part(self) -> Part:
        """What of the site is here, archives of images too."""
        whole = [one.model_copy(update={"without": ()}) for one in self.bundle.releases]
        return Part(site=self.bundle.site, releases=tuple(whole))

    def has(self, path: str) -> bool:
        """Whether the site's object at a path is here."""
        one = self.bundle.members.get(f"{SITE}{layout.pooled(path)}")
        return path in self._archives or (one is not None and not one.before)

    def wherever(self, path: str) -> bytes:
        """A document of the site: here, or where the bundle is merged into. Raises
        VerificationFailed.
        """
        data = self.read(path) if self.has(path) or self.near is None else self.near.read(path)
        if data is None:
            raise VerificationFailed(f"{self.members.place}: {SITE}{path}", "missing", REMEDY)
        return data

    def list(self) -> list[str] | None:
        """The objects of the site, but for second names."""
        found = [path for path in self.bundle.members if path.startswith(SITE)]
        return sorted({*(path.removeprefix(SITE) for path in found), *self._archives})

    def check(self) -> None:
        """Read every file. Raises VerificationFailed that names the first that is not what the
        list says.
        """
        for path, member in self.bundle.members.items():
            if member.before:
                continue
            digest, left = hashlib.sha256(), member.size
            with self.members.opened(path) as stream:
                while left and (piece := stream.read(min(left, files.CHUNK))):
                    digest.update(piece)
                    left -= len(piece)
            if left or digest.hexdigest() != member.sha256:
                place = f"{self.members.place}: {path}"
                raise VerificationFailed(place, f"its SHA-256 is not that of {LIST}", REMEDY)

    @contextmanager
    def blob(self, digest: str) -> Iterator[IO[bytes]]:
        """A blob of an image, wherever it is. Raises VerificationFailed."""
        path = f"{IMAGES}{blob_path(digest)}"
        if path in self.members.sizes:
            with self.members.opened(path) as stream:
                yield stream
            return
        with self.blobs(digest) as stream:
            if stream is None:
                raise VerificationFailed(f"{self.members.place}: {path}", "missing", REMEDY)
            yield stream

    def size_of(self, digest: str) -> int:
        """Bytes of a blob that the list names."""
        return self.bundle.members[f"{IMAGES}{blob_path(digest)}"].size

    @contextmanager
    def _site(self, path: str) -> Iterator[Callable[[int], bytes] | None]:
        """An object of the site."""
        if path == layout.PART:
            yield _reading([self.part.to_bytes()])
        elif path in self._archives:
            yield _reading(self._put_together(self._archives[path]))
        elif self.has(path):
            inner = f"{SITE}{layout.pooled(path)}"
            with self.members.opened(inner) as stream:
                yield _reading(_parts(stream, self.members.sizes[inner]))
        else:
            yield None

    def _put_together(self, archive: Archive) -> Iterator[bytes]:
        for piece in archive.pieces:
            if piece.blob is None:
                yield b64decode(piece.data)
                continue
            with self.blob(piece.blob) as stream:
                yield from _parts(stream, self.size_of(piece.blob))


def _read(found: Members) -> tuple[str, Bundle]:
    place, size = f"{found.place}: {LIST}", found.sizes.get(LIST)
    if size is None:
        raise VerificationFailed(place, "missing: this is no bundle of kubewright", REMEDY)
    if size > MOST:
        raise VerificationFailed(place, f"has more than the {MOST} bytes that it may have", REMEDY)
    with found.opened(LIST) as stream:
        data = stream.read(size)
    try:
        return files.sha256(data), Bundle.read(data, place)
    except VerificationFailed as error:
        raise VerificationFailed(place, error.problem, REMEDY) from error


def _require_listed(found: Members, bundle: Bundle) -> None:
    """Every file is listed with its size, and every one that is listed is there."""
    for path, size in found.sizes.items():
        member = bundle.members.get(path)
        place = f"{found.place}: {path}"
        if path == LIST:
            continue
        if member is None or member.before:
            raise VerificationFailed(place, f"not in {LIST}, so added by somebody", REMEDY)
        if size != member.size:
            problem = f"has {size} bytes, not the {member.size} of {LIST}"
            raise VerificationFailed(place, problem, REMEDY)
    for path, member in bundle.members.items():
        if not member.before and path not in found.sizes:
            raise VerificationFailed(f"{found.place}: {path}", "missing", REMEDY)
    for archive in bundle.archives:
        _require_pieces(found, bundle, archive)


def _require_pieces(found: Members, bundle: Bundle, archive: Archive) -> None:
    """An archive's pieces are blobs that are listed, and all together as long as it is."""
    length = 0
    for piece in archive.pieces:
        if piece.blob is None:
            try:
                length += len(b64decode(piece.data, validate=True))
            except ValueError as error:
                place = f"{found.place}: {LIST}"
                raise VerificationFailed(place, f"damaged at {archive.path}", REMEDY) from error
        else:
            member = bundle.members.get(f"{IMAGES}{blob_path(piece.blob)}")
            length += member.size if member else archive.size + 1
    if length != archive.size:
        problem = f"its pieces make {length} bytes or lack a blob, but it has {archive.size}"
        raise VerificationFailed(f"{found.place}: {archive.path}", problem, REMEDY)


def _parts(stream: IO[bytes], size: int) -> Iterator[bytes]:
    left = size
    while left and (piece := stream.read(min(left, files.CHUNK))):
        left -= len(piece)
        yield piece


def _reading(parts: Sequence[bytes] | Iterator[bytes]) -> Callable[[int], bytes]:
    """What reads so many bytes of parts at most, and at least one while there are more."""
    left, rest = iter(parts), bytearray()

    def read(size: int) -> bytes:
        while not rest:
            piece = next(left, None)
            if piece is None:
                return b""
            rest.extend(piece)
        taken = bytes(rest[:size])
        del rest[:size]
        return taken

    return read
