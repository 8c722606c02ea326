"""The gateway to the network: reads upstream files from where they really are or from a mirror of
them.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from kubewright import files
from kubewright.errors import RequestError, UpstreamUnreachable
from kubewright.files import CHUNK
from kubewright.models.mirror import NAME, Mirror, Origin, checksums, host_path

log = logging.getLogger(__name__)

ABSENT = (403, 404, 410)
"""Answers that mean "there is no such file": some object stores answer 403 for it."""

RANGE_NOT_SATISFIABLE = requests.codes.requested_range_not_satisfiable
"""The answer to a download that is continued from its end: there is no more."""

SMALL = 4 << 20
"""The most bytes that a marker or checksum file may have."""

TIMEOUT = (10, 60)
"""Seconds to connect, and between two reads."""

PIECE = 64 << 10
"""Bytes read from the network at a time; what a broken connection loses of a download."""

BACKOFF = 0.5
"""Seconds before a request is tried again; each next time it is twice as long."""


class _Web:
    """Reads URLs, and explains those that cannot be read."""

    _instead = ""
    """What the user may do besides trying again."""

    @cached_property
    def _session(self) -> requests.Session:
        return retrying_session()

    @contextmanager
    def _request(
        self, method: str, where: str, *, offset: int = 0
    ) -> Iterator[requests.Response | None]:
        """The answer to a request, None where there is no such file."""
        headers = {
            "Accept-Encoding": "identity",
            **({"Range": f"bytes={offset}-"} if offset else {}),
        }
        host = address(where)
        log.debug("%s %s", method, redacted(where))
        try:
            with self._session.request(
                method, where, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=True
            ) as response:
                if response.status_code in ABSENT:
                    yield None
                    return
                at_end = offset > 0 and response.status_code == RANGE_NOT_SATISFIABLE
                if response.status_code >= requests.codes.bad_request and not at_end:
                    raise UpstreamUnreachable(
                        host,
                        f"answered {response.status_code} for {redacted(where)}",
                        f"try again later{self._instead}",
                    )
                yield response
        except (requests.RequestException, HTTPError) as error:
            # After the answer began, the body comes from urllib3 itself.
            broken = isinstance(error, HTTPError)
            problem = f"broke off at {redacted(where)}" if broken else "cannot be reached"
            raise UpstreamUnreachable(
                host,
                f"{problem} ({cause(error)})",
                f"check the network or the proxy variables{self._instead}",
            ) from error


class Upstream(_Web):
    """Upstream files by their real URL.

    With a `mirror`, a directory or the URL of one, `https://HOST/PATH` is read from
    `MIRROR/HOST/PATH`. The attribute `mirror` is for people: a password in the URL is not in it.
    """

    _instead = ", or use a mirror with --upstream DIR"

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
        """Whether upstream has a file."""
        path = self.local(url)
        if path is not None:
            return path.is_file()
        with self._request("HEAD", self._where(url)) as response:
            return response is not None

    def read(self, url: str) -> bytes | None:
        """A small file's bytes, or None if upstream has none."""
        path = self.local(url)
        if path is not None:
            return path.read_bytes() if path.is_file() else None
        with self._request("GET", self._where(url)) as response:
            return None if response is None else response.raw.read(SMALL, decode_content=True)

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
        return checksums((self._top("SHA256SUMS") or b"").decode("utf-8", "replace"))

    def _top(self, name: str) -> bytes | None:
        """A small file at the top of a mirror: it is where a host of that name would be."""
        return self.read(f"https://{name}") if self.mirror else None

    def stream(
        self, url: str, into: IO[bytes], progress: Callable[[int, int | None], None]
    ) -> bool:
        """Append what `into` lacks of a file, from its present end; False if upstream has no such
        file.

        Bytes are taken as they are sent: a server may call a .tar.gz a "gzip encoding" of something
        else. `progress` gets the bytes there are and the total, where upstream says it.
        """
        have = into.tell()
        path = self.local(url)
        if path is not None:
            return path.is_file() and _copy(path, into, have, progress)
        with self._request("GET", self._where(url), offset=have) as response:
            if response is None:
                return False
            if response.status_code == RANGE_NOT_SATISFIABLE:
                return True
            if have and response.status_code != requests.codes.partial_content:
                into.seek(0)
                into.truncate()
                have = 0
            length = response.headers.get("Content-Length")
            total = have + int(length) if length else None
            for chunk in response.raw.stream(PIECE, decode_content=False):
                into.write(chunk)
                have += len(chunk)
                progress(have, total)
        return True

    def _where(self, url: str) -> str:
        return url if not self._base else f"{self._base.rstrip('/')}/{host_path(url)}"


class WebFiles(_Web):
    """The files below a base URL, as any client of a site sees them."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")

    @contextmanager
    def opened(self, path: str) -> Iterator[Callable[[int], bytes] | None]:
        """Reads so many bytes more of a file as it is sent; None when the server has no such file.

        A server may never come to an end: whoever reads decides how much is enough.
        """
        with self._request("GET", f"{self.base}/{path}") as response:
            if response is None:
                yield None
            else:
                yield partial(response.raw.read, decode_content=False)


class _Session(requests.Session):
    """Keeps to the credentials that a request was given: where it is redirected to, ~/.netrc is not
    asked for others.
    """

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        if origin(response.request.url or "") != origin(prepared_request.url or ""):
            prepared_request.headers.pop("Authorization", None)


def retrying_session(*more: str) -> requests.Session:
    """A session that tries again what may be sent twice: the methods that HTTP says so of, and
    `more`.
    """
    retry = Retry(
        total=4,
        backoff_factor=BACKOFF,
        status_forcelist=(429, 500, 502, 503, 504),
        raise_on_status=False,
        allowed_methods=(*(Retry.DEFAULT_ALLOWED_METHODS or ()), *more),
    )
    session = _Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


def address(url: str) -> str:
    """The `HOST[:PORT]` of a URL, without the name and password that may stand before it."""
    return urlsplit(url).netloc.rpartition("@")[2]


def origin(url: str) -> tuple[str, str | None, int | None]:
    """What two URLs of one server have in common: the scheme, the host and the port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def redacted(text: str) -> str:
    """A text fit for logs and errors: its URLs have lost name, password and query, where secrets
    are.
    """
    return re.sub(r"\?\S+", "", re.sub(r"//[^\s/?#]*@", "//", text))


def cause(error: BaseException) -> str:
    """The innermost reason, in its own few words."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return redacted(str(error)) or type(error).__name__


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
