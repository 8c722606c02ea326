"""The gateway to upstreams: reads files from where they really are or from a mirror of them."""

import logging
import stat
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import IO, Final

import requests

from kubewright import files
from kubewright.bases import Base, bases, nearest
from kubewright.errors import DiskError, VerificationFailed
from kubewright.files import CHUNK
from kubewright.log import redacted
from kubewright.models.mirror import NAME, Mirror, Origin, checksums, host_path
from kubewright.patience import BUSY
from kubewright.refusals import Refused
from kubewright.web import PIECE, RANGE_NOT_SATISFIABLE, Web, promised, refuse_more

log = logging.getLogger(__name__)

SMALL = 4 << 20
"""The most bytes that a marker or checksum file may have."""

FOR_ALL: Final = (407, *BUSY)
"""Answers to a HEAD that a GET would get too."""


class Upstream(Web):
    """Upstream files by their real URL.

    With a `mirror`, a directory or the URL of one, `https://HOST/PATH` is read from
    `MIRROR/HOST/PATH`; with bases for single `hosts`, each `HOST[/PATH]` with a directory or a URL,
    from the base of the longest that fits, without what that stands for.
    """

    def __init__(self, mirror: str | None = None, hosts: Iterable[tuple[str, str]] = ()) -> None:
        found = bases(mirror, hosts)
        self._bases = {base.prefix: base for base in found}
        self._mirrors = {base: _Mirror(base.top, self._stated) for base in found}
        which = "another" if found else "a"
        self.instead = f", or use {which} mirror with --upstream DIR"

    def base(self, url: str) -> Base | None:
        """What a file is read from in place of its own address; None: from there."""
        prefix = nearest(self._bases, host_path(url))
        return None if prefix is None else self._bases[prefix]

    def where(self, url: str) -> str:
        """The path or address that a file is really read from; a password may be in it."""
        base = self.base(url)
        return base.at(host_path(url)) if base else url

    def named(self, url: str) -> str:
        """A file for people: its own address, and what is really read where that is another."""
        place = redacted(self.where(url))
        return redacted(url) if place == redacted(url) else f"{redacted(url)} (read from {place})"

    def local(self, url: str) -> Path | None:
        """The file of a directory that stands for `url`, or None where the network is asked."""
        base = self.base(url)
        return Path(base.at(host_path(url))) if base and base.local else None

    def exists(self, url: str) -> bool:
        """Whether upstream has a file.

        A HEAD that fails says little: there are servers that refuse it, and caches that do not know
        yet. Then the first byte is asked for. Raises UpstreamUnreachable where that is refused too.
        """
        path = self.local(url)
        if path is not None:
            log.debug("look for %s", self.named(url))
            return _is_there(path)
        asking = {"where": self.where(url), "meant": url}
        try:
            with self.request("HEAD", **asking) as response:
                if response is not None:
                    return True
        except Refused as refusal:
            if refusal.status in FOR_ALL:
                raise
        with self.request("GET", **asking, span="0-0") as response:
            return response is not None

    def read(self, url: str) -> bytes | None:
        """A small file's bytes, or None if upstream has none."""
        return self._small(self.where(url), self.local(url), url)

    def _small(self, where: str, path: Path | None, meant: str) -> bytes | None:
        if path is not None:
            log.debug("read %s%s", path, f" (in place of {meant})" if meant != where else "")
            if not _is_there(path):
                return None
            with files.explained(path), path.open("rb") as stream:
                data = stream.read(SMALL + 1)
            refuse_more(len(data), SMALL, str(path))
            return data
        with self.request("GET", where, meant=meant) as response:
            if response is None:
                return None
            refuse_more(promised(response), SMALL, redacted(where))
            small: bytes = response.raw.read(SMALL + 1, decode_content=True)
            refuse_more(len(small), SMALL, redacted(where))
            return small

    def _stated(self, base: Base, name: str) -> bytes | None:
        """A small file at the top of a mirror.

        What stands for one host only asks that for it, as often as not, and there are hosts that
        answer 403 for what they lack.
        """
        where = f"{base.place}/{name}"
        try:
            return self._small(where, Path(where) if base.local else None, where)
        except Refused as refusal:
            if base.prefix and refusal.status == requests.codes.forbidden:
                return None
            raise

    def mirror_digest(self, url: str) -> str | None:
        """What a mirror's own top-level SHA256SUMS says of a file; None without a mirror or a
        line.
        """
        base = self.base(url)
        return self._mirrors[base].sums.get(base.top.below(host_path(url))) if base else None

    def origin(self, url: str) -> Origin | None:
        """What the mirror that a file is read from says that it is; None without a mirror, or where
        it holds copies from upstream itself. Raises VerificationFailed where it says what no mirror
        is.
        """
        base = self.base(url)
        return self._mirrors[base].origin(host_path(url)) if base else None

    def description(self, url: str) -> bytes | None:
        """The mirror.json of the mirror that a file is read from; None where there is none."""
        base = self.base(url)
        return self._mirrors[base].description if base else None

    def stream(
        self,
        url: str,
        into: IO[bytes],
        progress: Callable[[int, int | None], None],
        *,
        unpacked: bool = False,
    ) -> bool:
        """Append what `into` lacks of a file, from its present end; False if upstream has no such
        file.

        Bytes are taken as they are sent: a server may call a .tar.gz a "gzip encoding" of something
        else. Only with `unpacked` such an encoding is taken off, of a whole file. `progress` gets
        the bytes that there are and the total, where upstream says it.
        """
        have = into.tell()
        path = self.local(url)
        if path is not None:
            log.debug("copy %s", self.named(url))
            return _is_there(path) and _copy(path, into, have, progress)
        span = f"{have}-" if have else ""
        with self.request("GET", self.where(url), meant=url, span=span) as response:
            if response is None:
                return False
            if response.status_code == RANGE_NOT_SATISFIABLE:
                return True
            if have and response.status_code != requests.codes.partial_content:
                into.seek(0)
                into.truncate()
                have = 0
            length = promised(response)
            total = have + length if length and not unpacked else None
            for chunk in response.raw.stream(PIECE, decode_content=unpacked):
                into.write(chunk)
                have += len(chunk)
                progress(have, total)
        return True


class _Mirror:
    """What a mirror says of itself; each file is read when it is first asked for."""

    def __init__(self, top: Base, read: Callable[[Base, str], bytes | None]) -> None:
        self._top, self._read = top, read
        self._place = redacted(top.place)

    def origin(self, path: str) -> Origin | None:
        """What it is where it has `HOST/PATH`. What was copied is what it was copied from."""
        said = self._said
        if said is None:
            return Origin(kind="unstated")
        if said.kind != "download":
            return Origin(kind=said.kind, description=files.sha256(self.description or b""))
        through = said.through or {}
        host = nearest(through, path)
        return None if host is None else through[host]

    @cached_property
    def description(self) -> bytes | None:
        """Its mirror.json; None where it has none."""
        return self._read(self._top, NAME) or None

    @cached_property
    def _said(self) -> Mirror | None:
        data = self.description
        return Mirror.read(data, f"{self._place}/{NAME}") if data else None

    @cached_property
    def sums(self) -> dict[str, str]:
        """Its own list of digests."""
        try:
            return checksums(self._read(self._top, "SHA256SUMS") or b"")
        except ValueError as error:
            raise VerificationFailed(
                f"{self._place}/SHA256SUMS",
                f"names two different digests for {error}",
                "make the list again, or use another mirror",
            ) from error


def _is_there(path: Path) -> bool:
    """Whether a mirror in a directory has a file. What cannot be read is not absent.

    Raises DiskError for that, VerificationFailed for a link that leads nowhere.
    """
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        if not path.is_symlink():
            return False
    except OSError as error:
        raise DiskError(
            str(path), f"cannot be read ({error.strerror})", "let this user read the whole mirror"
        ) from error
    raise VerificationFailed(
        str(path), "a symbolic link that leads nowhere", "repair the mirror, or use another one"
    )


def _copy(
    path: Path, into: IO[bytes], have: int, progress: Callable[[int, int | None], None]
) -> bool:
    total = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(have)
        while chunk := stream.read(CHUNK):
            into.write(chunk)
            have += len(chunk)
            progress(have, total)
    return True
