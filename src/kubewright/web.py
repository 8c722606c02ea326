"""The gateway to web servers: bounded reads that are tried again and never led from https to
http.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import ClassVar, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from kubewright.addresses import address, origin
from kubewright.errors import UpstreamUnreachable, VerificationFailed
from kubewright.log import redacted
from kubewright.patience import Patience, after_anything, only_when_asked, told
from kubewright.refusals import refused, refused_by_proxy

log = logging.getLogger(__name__)

RANGE_NOT_SATISFIABLE = requests.codes.requested_range_not_satisfiable
"""The answer to a download that is continued from its end: there is no more."""

TIMEOUT = (10, 60)
"""Seconds to connect, and between two reads."""

PIECE = 64 << 10
"""Bytes read from the network at a time; what a broken connection loses of a download."""

BACKOFF = 0.5
"""Seconds before a request is tried again; each next time it is twice as long."""


_ODD: Final = re.compile(r"[%?#:\\\x00-\x20\x7f]")
"""What makes a path another one, or more than a path, in a URL."""


class _Unencrypted(requests.RequestException):
    """A redirect that leaves https."""


class Web:
    """Reads URLs, and explains those that cannot be read."""

    instead = ""
    """What the user may do besides trying again."""

    absent: ClassVar[tuple[int, ...]] = (404, 410)
    """Answers that mean "there is no such file"; all others are refusals."""

    clock = 0
    """The latest time that a server has told, in epoch seconds; 0: none has."""

    @cached_property
    def _session(self) -> requests.Session:
        return retrying_session()

    @contextmanager
    def request(
        self, method: str, where: str, *, span: str = "", meant: str = ""
    ) -> Iterator[requests.Response | None]:
        """The answer to a request, None where there is no such file.

        `span` asks for a part: `5-` for all but the first five bytes. Where the file ends before
        it, the answer is RANGE_NOT_SATISFIABLE. `meant` is the address that `where` stands for, and
        messages name both, and the proxy. Raises UpstreamUnreachable; Refused where a server
        answered.
        """
        headers = {"Accept-Encoding": "identity"}
        if span:
            headers["Range"] = f"bytes={span}"
        asked = _Asked(where, meant, proxy_of(where))
        log.debug("%s %s", method, asked.words)
        try:
            with self._session.request(
                method, where, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=True
            ) as response:
                status = response.status_code
                self.clock = max(self.clock, told(response.headers) or 0)
                if status in self.absent:
                    yield None
                    return
                at_end = span and status == RANGE_NOT_SATISFIABLE
                if status >= requests.codes.bad_request and not at_end:
                    if origin(response.url) != origin(where):
                        asked = asked._replace(led=address(response.url))
                    raise refused(where, asked.words, status, response.headers, self.instead)
                yield response
        except (requests.RequestException, HTTPError) as error:
            raise self._unreachable(asked, error) from error

    def _unreachable(self, asked: "_Asked", error: Exception) -> UpstreamUnreachable:
        """Explains why no answer came, or not all of it."""
        where = asked.where
        if isinstance(error, _Unencrypted):
            return UpstreamUnreachable(
                address(where),
                f"redirects {asked.words} to {error}, which is not encrypted: whoever is on the"
                " way could change it",
                f"use another address{self.instead}",
            )
        by_proxy = refused_by_proxy(where, asked.words, cause(error), self.instead)
        if by_proxy is not None:
            return by_proxy
        # After the answer began, the body comes from urllib3 itself.
        broken = isinstance(error, HTTPError)
        problem = f"broke off at {asked.words}" if broken else "cannot be reached"
        why = f"({cause(error)})"
        if not broken and asked.words != redacted(where):
            why += f", asked for {asked.words}"
        return UpstreamUnreachable(
            address(where),
            f"{problem} {why}",
            f"check the network or the proxy variables{self.instead}",
        )


class WebFiles(Web):
    """The files below a base URL, as any client of a site sees them.

    Signatures say what a site has, so a bucket that answers 403 for what it lacks misleads nobody.
    """

    absent = (403, *Web.absent)

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")

    @contextmanager
    def opened(self, path: str) -> Iterator[Callable[[int], bytes] | None]:
        """Reads so many bytes more of a file as it is sent; None when the server has no such file.

        A server may never come to an end: whoever reads decides how much is enough.
        """
        with self.request("GET", self._where(path)) as response:
            if response is None:
                yield None
            else:
                yield partial(response.raw.read, decode_content=False)

    def _where(self, path: str) -> str:
        """The URL of a file. Raises VerificationFailed for a path that leads elsewhere as a URL."""
        if _ODD.search(path) or not {"", ".", ".."}.isdisjoint(path.split("/")):
            raise VerificationFailed(
                repr(path), "not a path inside a site", "do not trust this site"
            )
        return f"{self.base}/{path}"


class _Asked(NamedTuple):
    """What is asked for, what that stands for, the proxy that is asked, and the server that a
    redirect leads to.
    """

    where: str
    meant: str
    proxy: str
    led: str = ""

    @property
    def words(self) -> str:
        """All of it for people."""
        own, meant = redacted(self.where), redacted(self.meant)
        more = [f"in place of {meant}"] if meant not in ("", own) else []
        more += [f"through the proxy {self.proxy}"] if self.proxy else []
        more += [f"which led to {self.led}"] if self.led else []
        return f"{own} ({', '.join(more)})" if more else own


def proxy_of(where: str) -> str:
    """The proxy that requests to a URL go through, without its password; empty: none."""
    found = requests.utils.select_proxy(where, requests.utils.get_environ_proxies(where))
    return redacted(found) if found else ""


def promised(response: requests.Response) -> int:
    """How many bytes a server says that it sends; 0 where it says nothing of use."""
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else 0


def refuse_more(size: int, most: int, place: str) -> None:
    """Raise VerificationFailed that names `place` for more bytes than it may have."""
    if size > most:
        raise VerificationFailed(
            place,
            f"is larger than the {most} bytes that such a file may have",
            "do not trust what it comes from",
        )


class _Session(requests.Session):
    """Keeps to encryption, and to the credentials that a request was given: where it is redirected
    to, ~/.netrc is not asked for others.
    """

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        target = super().get_redirect_target(resp)
        if target and urlsplit(resp.url).scheme == "https":
            target = urljoin(resp.url, target)
            if urlsplit(target).scheme != "https":
                resp.close()
                raise _Unencrypted(redacted(target))
        return target

    def rebuild_auth(
        self, prepared_request: requests.PreparedRequest, response: requests.Response
    ) -> None:
        if origin(response.request.url or "") != origin(prepared_request.url or ""):
            prepared_request.headers.pop("Authorization", None)


def retrying_session(*more: str) -> requests.Session:
    """A session that tries again what may be sent twice: the methods that HTTP says so of, and
    `more`.
    """
    return _session(after_anything(BACKOFF, methods=more))


def sending_session() -> requests.Session:
    """A session that sends each request once, for those that are long, but for servers that say
    when to come back.
    """
    return _session(only_when_asked(BACKOFF))


def _session(patience: Patience) -> requests.Session:
    session = _Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, HTTPAdapter(max_retries=patience))
    return session


def cause(error: BaseException) -> str:
    """The innermost reason, in its own few words."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return redacted(str(error)) or type(error).__name__
