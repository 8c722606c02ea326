"""The gateway to image registries: requests with the credentials that a registry asks for, which
are never sent unencrypted.
"""

import json
import logging
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit
from urllib.request import parse_http_list, parse_keqv_list

import requests
from requests.auth import AuthBase

from kubewright.addresses import address, origin
from kubewright.errors import RequestError, UpstreamUnreachable
from kubewright.log import redacted
from kubewright.web import cause, retrying_session

log = logging.getLogger(__name__)

PATIENCE = (10, 300)
"""Seconds to connect, and between two reads: a registry may have to move a whole layer before it
answers.
"""


@dataclass(frozen=True)
class Answer:
    """What a registry said; the names of headers are in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Header(AuthBase):
    """Sets one Authorization header, or none; with it requests leaves ~/.netrc alone."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value:
            request.headers["Authorization"] = self._value
        return request


class Registry:
    """Requests to the image registry at `base`, with the credentials that it asks for.

    `account` is a user's name and password; without one requests are anonymous.
    """

    def __init__(self, base: str, account: tuple[str, str] | None = None) -> None:
        self.base = base
        self.host = address(base)
        self._account = "Basic " + b64encode(":".join(account).encode()).decode() if account else ""
        self._credentials: dict[str, str] = {}
        self._session = retrying_session("POST")

    def ask(
        self,
        method: str,
        url: str,
        repository: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Answer:
        """Send a request about `repository`; `url` is absolute, or begins with `/`.

        Credentials are kept for each repository. Raises UpstreamUnreachable when no answer comes,
        or one that says "not now", and RequestError rather than leave TLS; any other answer is the
        caller's to judge.
        """
        where = self._place(url)
        # A place to upload to may be another's, with its own credentials in it.
        ours = origin(where) == origin(self.base)
        answer = self._send(
            method, where, self._credentials.get(repository, "") if ours else "", headers, body
        )
        if ours and answer.status == requests.codes.unauthorized:
            credential = self._credential(answer.headers.get("WWW-Authenticate", ""))
            if credential:
                self._credentials[repository] = credential
                answer = self._send(method, where, credential, headers, body)
        return answer

    def _place(self, url: str) -> str:
        """An absolute URL. A registry behind a proxy that ends TLS may call itself http://: it is
        asked as before.
        """
        if url.startswith("/"):
            return self.base + url
        parts = urlsplit(url)
        if parts.scheme != "https" and self.base.startswith("https://"):
            if address(url).lower() != self.host:
                raise RequestError(
                    self.host,
                    f"wants this sent in clear to {redacted(url)}",
                    "make it answer with https:// addresses",
                )
            return parts._replace(scheme="https").geturl()
        return url

    def _credential(self, challenge: str) -> str:
        """The Authorization header that a challenge wants (RFC 7235; distribution,
        spec/auth/token.md), or nothing.
        """
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() != "bearer":
            return self._account
        try:
            asked = parse_keqv_list(parse_http_list(rest))
            realm, service = asked["realm"], asked.get("service", "")
            query = [
                ("service", service),
                *(("scope", scope) for scope in asked.get("scope", "").split()),
            ]
            in_clear = realm.startswith("http://") and not self.base.startswith("http://")
            answer = self._send(
                "GET", f"{realm}?{urlencode(query)}", "" if in_clear else self._account, None, b""
            )
            granted = json.loads(answer.body)
            return f"Bearer {granted.get('token') or granted['access_token']}"
        except (ValueError, LookupError, AttributeError):
            return ""

    def _send(
        self, method: str, url: str, credential: str, headers: Mapping[str, str] | None, body: bytes
    ) -> Answer:
        host = address(url)
        log.debug("%s %s", method, redacted(url))
        try:
            with self._session.request(
                method,
                url,
                data=body or None,
                headers=headers,
                auth=_Header(credential),
                timeout=PATIENCE,
            ) as response:
                answer = Answer(response.status_code, response.headers, response.content)
        except requests.exceptions.SSLError as error:
            raise UpstreamUnreachable(
                host,
                f"no TLS connection ({cause(error)})",
                "let this machine trust its certificate, or write http:// before a registry "
                "that has none",
            ) from error
        except requests.RequestException as error:
            raise UpstreamUnreachable(
                host,
                f"cannot be reached or broke off ({cause(error)})",
                "check the network and push again: what has arrived is not sent twice",
            ) from error
        if (
            answer.status >= requests.codes.server_error
            or answer.status == requests.codes.too_many_requests
        ):
            raise UpstreamUnreachable(
                host,
                f"answered {answer.status} to {method} {urlsplit(url).path}",
                "push again later: what has arrived is not sent twice",
            )
        return answer
