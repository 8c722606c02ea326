"""The gateway to web servers: bounded reads that are tried again and never led from https to
http.
"""

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Final
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError
from urllib3.util import Retry

from kubewright.addresses import address, origin
from kubewright.errors import UpstreamUnreachable, VerificationFailed
from kubewright.log import redacted

log = logging.getLogger(__name__)

ABSENT = (403, 404, 410)
"""Answers that mean "there is no such file": some object stores answer 403 for it."""

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

    @cached_property
    def _session(self) -> requests.Session:
        return retrying_session()

    @contextmanager
    def request(
        self, method: str, where: str, *, offset: int = 0
    ) -> Iterator[requests.Response | None]:
        """The answer to a request, None where there is no such file."""
        headers = {"Accept-Encoding": "identity"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
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
                        f"try again later{self.instead}",
                    )
                yield response
        except _Unencrypted as error:
            raise UpstreamUnreachable(
                host,
                f"redirects {redacted(where)} to {error}, which is not encrypted: whoever is on the"
                " way could change it",
                f"use another address{self.instead}",
            ) from error
        except (requests.RequestException, HTTPError) as error:
            # After the answer began, the body comes from urllib3 itself.
            broken = isinstance(error, HTTPError)
            problem = f"broke off at {redacted(where)}" if broken else "cannot be reached"
            raise UpstreamUnreachable(
                host,
                f"{problem} ({cause(error)})",
                f"check the network or the proxy variables{self.instead}",
            ) from error


class WebFiles(Web):
    """The files below a base URL, as any client of a site sees them."""

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


def cause(error: BaseException) -> str:
    """The innermost reason, in its own few words."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return redacted(str(error)) or type(error).__name__
