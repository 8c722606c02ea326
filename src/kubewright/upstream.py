"""The gateway to upstreams: reads files from where they really are or from a mirror of them."""

import stat
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import IO, Final

import requests

from kubewright import files
from kubewright.errors import DiskError, RequestError, VerificationFailed
from kubewright.files import CHUNK
from kubewright.log import redacted
from kubewright.models.mirror import NAME, Mirror, Origin, checksums, host_path
from kubewright.patience import BUSY
from kubewright.refusals import Refused
from kubewright.web import PIECE, RANGE_NOT_SATISFIABLE, Web, promised, refuse_more

SMALL = 4 << 20
"""The most bytes that a marker or checksum file may have."""

FOR_ALL: Final = (407, *BUSY)
"""Answers to a HEAD that a GET would get too."""


class Upstream(Web):
    """Upstream files by their real URL.

    With a `mirror`, a directory or the URL of one, `https://HOST/PATH` is read from
    `MIRROR/HOST/PATH`. The attribute `mirror` is for people: a password in the URL is not in it.
    """

    instead = ", or use a mirror with --upstream DIR"

    def __init__(self, mirror: str | None = None) -> None:
        self.mirror = redacted(mirror) if mirror else None
        self._base = mirror
        self.root: Path | None = None
        if mirror and not mirror.startswith(("http://", "https://")):
            self.root = Path(mirror)
            if not self.root.is_dir():
                raise RequestError(
                    f"--upstream {self.mirror}",
                    "no such directory",
                    f"make one with `kubewright mirror sample {self.mirror}`",
                )

    def local(self, url: str) -> Path | None:
        """The file of a directory mirror that stands for `url`, or None for a mirror on the
        network.
        """
        return self.root / host_path(url) if self.root else None

    def exists(self, url: str) -> bool:
        """Whether upstream has a file.

        A HEAD that fails says little: there are servers that refuse it, and caches that do not know
        yet. Then the first byte is asked for. Raises UpstreamUnreachable where that is refused too.
        """
        path = self.local(url)
        if path is not None:
            return _is_there(path)
        try:
            with self.request("HEAD", self._where(url)) as response:
                if response is not None:
                    return True
        except Refused as refusal:
            if refusal.status in FOR_ALL:
                raise
        with self.request("GET", self._where(url), span="0-0") as response:
            return response is not None

    def read(self, url: str) -> bytes | None:
        """A small file's bytes, or None if upstream has none."""
        path = self.local(url)
        if path is not None:
            if not _is_there(path):
                return None
            with files.explained(path), path.open("rb") as stream:
                data = stream.read(SMALL + 1)
            refuse_more(len(data), SMALL, str(path))
            return data
        with self.request("GET", self._where(url)) as response:
            if response is None:
                return None
            refuse_more(promised(response), SMALL, redacted(url))
            small: bytes = response.raw.read(SMALL + 1, decode_content=True)
            refuse_more(len(small), SMALL, redacted(url))
            return small

    def mirror_digest(self, url: str) -> str | None:
        """What a mirror's own top-level SHA256SUMS says of a file; None without a mirror or a
        line.
        """
        return self._mirror_sums.get(host_path(url))

    @cached_property
    def origin(self) -> Origin | None:
        """What a mirror says that it is; None without a mirror. Raises VerificationFailed where it
        says what no mirror is.
        """
        if self.mirror is None:
            return None
        data = self._top(NAME)
        if not data:
            return Origin(kind="unstated")
        kind = Mirror.read(data, f"{self.mirror}/{NAME}").kind
        return Origin(kind=kind, description=files.sha256(data))

    @cached_property
    def _mirror_sums(self) -> dict[str, str]:
        try:
            return checksums(self._top("SHA256SUMS") or b"")
        except ValueError as error:
            raise VerificationFailed(
                f"{self.mirror}/SHA256SUMS",
                f"names two different digests for {error}",
                "make the list again, or use another mirror",
            ) from error

    def _top(self, name: str) -> bytes | None:
        """A small file at the top of a mirror: it is where a host of that name would be."""
        return self.read(f"https://{name}") if self.mirror else None

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
            return _is_there(path) and _copy(path, into, have, progress)
        with self.request("GET", self._where(url), span=f"{have}-" if have else "") as response:
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

    def _where(self, url: str) -> str:
        return url if not self._base else f"{self._base.rstrip('/')}/{host_path(url)}"


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
