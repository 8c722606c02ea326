"""The one door to the network: reads upstream files from where they really are or from a mirror of them."""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from kubewright.errors import RequestError, UpstreamUnreachable
from kubewright.files import CHUNK

log = logging.getLogger(__name__)

ABSENT = (403, 404, 410)
"""Answers that mean "there is no such file": some object stores answer 403 for it."""

SMALL = 4 << 20
"""The most bytes that a marker or checksum file may have."""

TIMEOUT = (10, 60)
"""Seconds to connect, and between two reads."""

PIECE = 64 << 10
"""Bytes read from the network at a time; what a broken connection loses of a download."""

_SUM_LINE = re.compile(r"^([0-9a-fA-F]{64})\s+\*?(.+)$")


class Upstream:
    """Upstream files by their real URL.

    With an `origin`, a directory or the URL of one, `https://HOST/PATH` is read from `ORIGIN/HOST/PATH`.
    """

    def __init__(self, origin: str | None = None) -> None:
        self.origin = origin
        self.root: Path | None = None
        if origin and not origin.startswith(("http://", "https://")):
            self.root = Path(origin)
            if not self.root.is_dir():
                raise RequestError(
                    f"--upstream {origin}: no such directory; make one with `kubewright mirror sample {origin}`"
                )

    @cached_property
    def _session(self) -> requests.Session:
        session = requests.Session()
        retry = Retry(total=4, backoff_factor=0.5, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False)
        for scheme in ("http://", "https://"):
            session.mount(scheme, HTTPAdapter(max_retries=retry))
        return session

    def local(self, url: str) -> Path | None:
        """The file of a directory mirror that stands for `url`, or None for an origin on the network."""
        return self.root / _host_path(url) if self.root else None

    def exists(self, url: str) -> bool:
        """Whether upstream has a file."""
        path = self.local(url)
        if path is not None:
            return path.is_file()
        with self._answer("HEAD", url) as response:
            return response is not None

    def read(self, url: str) -> bytes | None:
        """A small file's bytes, or None if upstream has none."""
        path = self.local(url)
        if path is not None:
            return path.read_bytes() if path.is_file() else None
        with self._answer("GET", url) as response:
            return None if response is None else response.raw.read(SMALL, decode_content=True)

    def read_whole(self, url: str) -> bytes | None:
        """A file of any size, or None if there is none."""
        with self._answer("GET", url) as response:
            return None if response is None else response.content

    def mirror_digest(self, url: str) -> str | None:
        """What a mirror's own top-level SHA256SUMS says of a file; None without a mirror or a line."""
        return self._mirror_sums.get(_host_path(url)) if self.origin else None

    @cached_property
    def _mirror_sums(self) -> dict[str, str]:
        if self.root:
            path = self.root / "SHA256SUMS"
            text = path.read_text() if path.is_file() else ""
        else:
            with self._answer("GET", f"{self.origin}/SHA256SUMS", exact=True) as response:
                text = "" if response is None else response.raw.read(SMALL, decode_content=True).decode()
        lines = (_SUM_LINE.match(line) for line in text.splitlines())
        return {line[2].removeprefix("./"): line[1].lower() for line in lines if line}

    def stream(self, url: str, into: IO[bytes], progress: Callable[[int, int | None], None]) -> bool:
        """Append what `into` lacks of a file, from its present end; False if upstream has no such file.

        `progress` gets the bytes there are and the total, where upstream says it.
        """
        have = into.tell()
        path = self.local(url)
        if path is not None:
            return path.is_file() and _copy(path, into, have, progress)
        with self._answer("GET", url, offset=have) as response:
            if response is None:
                return False
            if have and response.status_code != requests.codes.partial_content:
                into.seek(0)
                into.truncate()
                have = 0
            length = response.headers.get("Content-Length")
            total = have + int(length) if length else None
            for chunk in response.iter_content(PIECE):
                into.write(chunk)
                have += len(chunk)
                progress(have, total)
        return True

    @contextmanager
    def _answer(
        self, method: str, url: str, *, offset: int = 0, exact: bool = False
    ) -> Iterator[requests.Response | None]:
        where = url if exact or not self.origin else f"{self.origin.rstrip('/')}/{_host_path(url)}"
        headers = {"Range": f"bytes={offset}-", "Accept-Encoding": "identity"} if offset else {}
        host = urlsplit(where).netloc
        log.debug("%s %s", method, where)
        try:
            with self._session.request(
                method, where, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=True
            ) as response:
                if response.status_code in ABSENT:
                    yield None
                    return
                if response.status_code >= requests.codes.bad_request:
                    raise UpstreamUnreachable(
                        f"{host}: answered {response.status_code} for {where}; try again later, "
                        "or use a mirror with --upstream"
                    )
                yield response
        except requests.RequestException as error:
            broken = isinstance(error, requests.exceptions.ChunkedEncodingError)
            raise UpstreamUnreachable(
                f"{host}: {'broke off' if broken else 'cannot be reached'} ({_cause(error)}); "
                "check the network or the proxy variables, or use a mirror with --upstream DIR"
            ) from error


def _host_path(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}"


def _copy(path: Path, into: IO[bytes], have: int, progress: Callable[[int, int | None], None]) -> bool:
    total = path.stat().st_size
    with path.open("rb") as stream:
        stream.seek(have)
        while chunk := stream.read(CHUNK):
            into.write(chunk)
            have += len(chunk)
            progress(have, total)
    return True


def _cause(error: BaseException) -> str:
    """The innermost reason, in its own few words."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__


class WebFiles:
    """The files below a base URL, as any client of a site sees them."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")
        self._upstream = Upstream()

    def read(self, path: str) -> bytes | None:
        """A whole file, or None when the server has none."""
        return self._upstream.read_whole(f"{self.base}/{path}")
