"""The one door to the network: reads upstream files from where they really are or from a mirror of them."""

import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO
from urllib.parse import urlencode, urlsplit
from urllib.request import parse_http_list, parse_keqv_list

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from kubewright.errors import RequestError, UpstreamUnreachable
from kubewright.files import CHUNK
from kubewright.models.mirror import NAME, Kind, Mirror, checksums, host_path

log = logging.getLogger(__name__)

ABSENT = (403, 404, 410)
"""Answers that mean "there is no such file": some object stores answer 403 for it."""

BEYOND = requests.codes.requested_range_not_satisfiable
"""The answer to a download that goes on from its end: there is no more."""

SMALL = 4 << 20
"""The most bytes that a marker or checksum file may have."""

TIMEOUT = (10, 60)
"""Seconds to connect, and between two reads."""

PIECE = 64 << 10
"""Bytes read from the network at a time; what a broken connection loses of a download."""

PATIENCE = (10, 300)
"""The same for a registry, which may have to move a whole layer before it answers."""

BACKOFF = 0.5
"""Seconds before a request is tried again; each next time it is twice as long."""


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
        return _patient()

    def local(self, url: str) -> Path | None:
        """The file of a directory mirror that stands for `url`, or None for an origin on the network."""
        return self.root / host_path(url) if self.root else None

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
        """A file of any size as it is sent, or None if there is none."""
        with self._answer("GET", url) as response:
            return None if response is None else response.raw.read(decode_content=False)

    def mirror_digest(self, url: str) -> str | None:
        """What a mirror's own top-level SHA256SUMS says of a file; None without a mirror or a line."""
        return self._mirror_sums.get(host_path(url))

    @cached_property
    def kind(self) -> Kind | None:
        """What a mirror says that it is; None without a mirror or its word. Raises VerificationFailed for another."""
        data = self._top(NAME)
        return Mirror.read(data, f"{self.origin}/{NAME}").kind if data else None

    @cached_property
    def _mirror_sums(self) -> dict[str, str]:
        return checksums((self._top("SHA256SUMS") or b"").decode("utf-8", "replace"))

    def _top(self, name: str) -> bytes | None:
        """A small file at the top of a mirror: it is where a host of that name would be."""
        return self.read(f"https://{name}") if self.origin else None

    def stream(self, url: str, into: IO[bytes], progress: Callable[[int, int | None], None]) -> bool:
        """Append what `into` lacks of a file, from its present end; False if upstream has no such file.

        Bytes are taken as they are sent: a server may call a .tar.gz a "gzip encoding" of something else.
        `progress` gets the bytes there are and the total, where upstream says it.
        """
        have = into.tell()
        path = self.local(url)
        if path is not None:
            return path.is_file() and _copy(path, into, have, progress)
        with self._answer("GET", url, offset=have) as response:
            if response is None:
                return False
            if response.status_code == BEYOND:
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

    @contextmanager
    def _answer(self, method: str, url: str, *, offset: int = 0) -> Iterator[requests.Response | None]:
        where = url if not self.origin else f"{self.origin.rstrip('/')}/{host_path(url)}"
        headers = {"Accept-Encoding": "identity", **({"Range": f"bytes={offset}-"} if offset else {})}
        host = urlsplit(where).netloc
        log.debug("%s %s", method, where)
        try:
            with self._session.request(
                method, where, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=True
            ) as response:
                if response.status_code in ABSENT:
                    yield None
                    return
                at_end = offset > 0 and response.status_code == BEYOND
                if response.status_code >= requests.codes.bad_request and not at_end:
                    raise UpstreamUnreachable(
                        f"{host}: answered {response.status_code} for {where}; try again later, "
                        "or use a mirror with --upstream"
                    )
                yield response
        except (requests.RequestException, HTTPError) as error:
            broken = isinstance(error, HTTPError)  # after the answer began, the body comes from urllib3 itself
            raise UpstreamUnreachable(
                f"{host}: {'broke off' if broken else 'cannot be reached'} ({_cause(error)}); "
                "check the network or the proxy variables, or use a mirror with --upstream DIR"
            ) from error


def _patient(*more: str) -> requests.Session:
    """A session that tries again what may be sent twice: the methods that HTTP says so of, and `more`."""
    retry = Retry(
        total=4, backoff_factor=BACKOFF, status_forcelist=(429, 500, 502, 503, 504), raise_on_status=False,
        allowed_methods=(*(Retry.DEFAULT_ALLOWED_METHODS or ()), *more),
    )  # fmt: skip
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=retry))
    return session


class _Header(AuthBase):
    """Sets one Authorization header, or none; with it requests leaves ~/.netrc alone."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value:
            request.headers["Authorization"] = self._value
        return request


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
        self.base, self._upstream = base.rstrip("/"), Upstream()

    def read(self, path: str) -> bytes | None:
        """A whole file, or None when the server has none."""
        return self._upstream.read_whole(f"{self.base}/{path}")


@dataclass(frozen=True)
class Answer:
    """What a registry said; the names of headers are in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Registry:
    """Requests to the image registry at `base`, with the proof of identity that it asks for.

    `account` is a user's name and password; without one the registry is asked as nobody.
    """

    def __init__(self, base: str, account: tuple[str, str] | None = None) -> None:
        self.base = base
        self.host = urlsplit(base).netloc
        self._account = "Basic " + b64encode(":".join(account).encode()).decode() if account else ""
        self._proofs: dict[str, str] = {}
        self._session = _patient("POST")

    def ask(
        self, method: str, url: str, repository: str, *, headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Send a request about `repository`; `url` is absolute, or begins with `/`.

        A proof is kept for each repository. Raises UpstreamUnreachable when no answer comes, or one that says
        "not now"; any other answer is the caller's to judge.
        """
        where = self.base + url if url.startswith("/") else url
        ours = urlsplit(where).netloc == self.host  # a place to upload to may be another's, with its own proof in it
        answer = self._send(method, where, self._proofs.get(repository, "") if ours else "", headers, body)
        if ours and answer.status == requests.codes.unauthorized:
            proof = self._proof(answer.headers.get("WWW-Authenticate", ""))
            if proof:
                self._proofs[repository] = proof
                answer = self._send(method, where, proof, headers, body)
        return answer

    def _proof(self, challenge: str) -> str:
        """The Authorization header that a challenge wants (RFC 7235; distribution, spec/auth/token.md), or nothing."""
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() != "bearer":
            return self._account
        try:
            asked = parse_keqv_list(parse_http_list(rest))
            realm, service = asked["realm"], asked.get("service", "")
            query = [("service", service), *(("scope", one) for one in asked.get("scope", "").split())]
            in_clear = realm.startswith("http://") and not self.base.startswith("http://")
            answer = self._send("GET", f"{realm}?{urlencode(query)}", "" if in_clear else self._account, None, b"")
            found = json.loads(answer.body)
            return f"Bearer {found.get('token') or found['access_token']}"
        except (ValueError, LookupError, AttributeError):
            return ""

    def _send(self, method: str, url: str, proof: str, headers: Mapping[str, str] | None, body: bytes) -> Answer:
        parts = urlsplit(url)
        log.debug("%s %s", method, url)
        try:
            with self._session.request(
                method, url, data=body or None, headers=headers, auth=_Header(proof), timeout=PATIENCE
            ) as response:
                answer = Answer(response.status_code, response.headers, response.content)
        except requests.exceptions.SSLError as error:
            raise UpstreamUnreachable(
                f"{parts.netloc}: no TLS connection ({_cause(error)}); let this machine trust its certificate, "
                "or write http:// before a registry that has none"
            ) from error
        except requests.RequestException as error:
            raise UpstreamUnreachable(
                f"{parts.netloc}: cannot be reached or broke off ({_cause(error)}); "
                "check the network and push again: what has arrived is not sent twice"
            ) from error
        if answer.status >= requests.codes.server_error or answer.status == requests.codes.too_many_requests:
            raise UpstreamUnreachable(
                f"{parts.netloc}: answered {answer.status} to {method} {parts.path}; push again later: "
                "what has arrived is not sent twice"
            )
        return answer
