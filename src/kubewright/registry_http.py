"""The gateway to image registries: requests with the credentials that a registry asks for, which
are never sent unencrypted.
"""

import json
import logging
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import IO, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from requests.auth import AuthBase

from kubewright.addresses import address, origin
from kubewright.challenges import Challenge, challenges
from kubewright.errors import RequestError, UpstreamUnreachable
from kubewright.log import redacted
from kubewright.patience import BUSY, asked
from kubewright.web import cause, retrying_session, sending_session

log = logging.getLogger(__name__)

PATIENCE = (10, 300)
"""Seconds to connect, and between two reads: a registry may have to move a whole layer before it
answers.
"""

BLOCK: Final = 64 << 10
"""Bytes of a part that are read at a time."""

Attempt = tuple[str, ...]
"""What was tried for one request: where a token was asked for and for which scopes, or `basic`."""


class Busy(UpstreamUnreachable):
    """A registry asks to be left alone for longer than anybody waits here."""


@dataclass(frozen=True)
class Answer:
    """What a registry said; the names of headers are in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def good(self) -> bool:
        """Whether it is a yes: which of the 2xx a registry chooses says little."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Part:
    """Some bytes of something larger, which are read while they are sent."""

    open: Callable[[], AbstractContextManager[IO[bytes]]]
    offset: int
    size: int


class _Reader:
    """A part as requests sends it: of a known length, from where it is, and from its start again
    after a redirect.
    """

    def __init__(self, part: Part, stream: IO[bytes]) -> None:
        self._part, self._stream = part, stream
        self.seek(0)

    def __len__(self) -> int:
        return self._part.size

    def __iter__(self) -> Iterator[bytes]:
        while data := self.read(BLOCK):
            yield data

    def tell(self) -> int:
        return self._at

    def seek(self, at: int, _whence: int = 0) -> int:
        self._stream.seek(self._part.offset + at)
        self._at = at
        return at

    def read(self, size: int = -1) -> bytes:
        left = self._part.size - self._at
        data = self._stream.read(left if size < 0 else min(size, left))
        self._at += len(data)
        return data


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
        self._sending = sending_session()

    def ask(
        self,
        method: str,
        url: str,
        repository: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | Part = b"",
    ) -> Answer:
        """Send a request about `repository`; `url` is absolute, or begins with `/`.

        Credentials are kept for each repository. A `Part` is sent once: whoever sends it knows what
        to do when that breaks. Raises UpstreamUnreachable when no answer comes, or one that says
        "not now", and RequestError rather than leave TLS; any other answer is the caller's to
        judge.
        """
        where = self._place(url)
        # A place to upload to may be another's, with its own credentials in it.
        ours = origin(where) == origin(self.base)
        credential = self._credentials.get(repository, "") if ours else ""
        answer = self._send(method, where, credential, headers, body)
        tried: set[Attempt] = set()
        while ours and answer.status == requests.codes.unauthorized:
            credential = self._credential(answer, repository, tried)
            if not credential:
                break
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

    def _credential(self, answer: Answer, repository: str, tried: set[Attempt]) -> str:
        """The next Authorization header that a 401 may have meant, or nothing.

        A token is worth more than a password sent with each request, so it is asked for first:
        whichever comes first in the answer (RFC 9110, 11.6.1; distribution, spec/auth/token.md).
        """
        asked = challenges(answer.headers.get("WWW-Authenticate", ""))
        for challenge in asked:
            if challenge.scheme == "bearer" and "realm" in challenge.parameters:
                for scopes in scopes_for(challenge, repository):
                    attempt = (challenge.parameters["realm"], *scopes)
                    token = "" if attempt in tried else self._token(challenge, scopes)
                    tried.add(attempt)
                    if token:
                        return f"Bearer {token}"
        basic = any(challenge.scheme == "basic" for challenge in asked) or not asked
        if basic and ("basic",) not in tried:
            tried.add(("basic",))
            return self._account
        return ""

    def _token(self, challenge: Challenge, scopes: Sequence[str]) -> str:
        """A token for these scopes, or nothing where the server gives none."""
        parameters = challenge.parameters
        try:
            realm = urlsplit(parameters["realm"])
            query = [
                *parse_qsl(realm.query, keep_blank_values=True),
                *((name, parameters[name]) for name in ("service",) if parameters.get(name)),
                *(("scope", scope) for scope in scopes),
            ]
            in_clear = realm.scheme == "http" and not self.base.startswith("http://")
            url = realm._replace(query=urlencode(query), fragment="").geturl()
            answer = self._send("GET", url, "" if in_clear else self._account, None, b"")
            granted = json.loads(answer.body) if answer.good else {}
            return str(granted.get("token") or granted.get("access_token") or "")
        except (ValueError, AttributeError):
            return ""

    def _send(
        self,
        method: str,
        url: str,
        credential: str,
        headers: Mapping[str, str] | None,
        body: bytes | Part,
    ) -> Answer:
        host = address(url)
        log.debug("%s %s", method, redacted(url))
        try:
            answer = self._answer(method, url, credential, headers, body)
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
        if answer.status in BUSY or answer.status > requests.codes.not_implemented:
            wait = asked(answer.headers)
            error_of = Busy if wait is not None and wait.too_long else UpstreamUnreachable
            when = wait.words if wait is not None else "later"
            raise error_of(
                host,
                f"answered {answer.status} to {method} {urlsplit(url).path}",
                f"push again {when}: what has arrived is not sent twice",
            )
        return answer

    def _answer(
        self,
        method: str,
        url: str,
        credential: str,
        headers: Mapping[str, str] | None,
        body: bytes | Part,
    ) -> Answer:
        with ExitStack() as opened:
            data: Any = None if isinstance(body, Part) else body or None
            if isinstance(body, Part) and body.size:  # requests would send nothing as chunks
                data = _Reader(body, opened.enter_context(body.open()))
            session = self._sending if isinstance(body, Part) else self._session
            response = opened.enter_context(
                session.request(
                    method,
                    url,
                    data=data,
                    headers=headers,
                    auth=_Header(credential),
                    timeout=PATIENCE,
                )
            )
            return Answer(response.status_code, response.headers, response.content)


def scopes_for(challenge: Challenge, repository: str) -> tuple[tuple[str, ...], ...]:
    """The scopes to ask a token for: first what a whole push needs of a repository, then just what
    the challenge says.

    There are registries that refuse a token for reading without a challenge for another.
    """
    stated = tuple(challenge.parameters.get("scope", "").split())
    own = [scope for scope in stated if _named(scope) == repository]
    if not own:  # the registry may call it otherwise
        own = [scope for scope in stated if scope.startswith("repository")][:1]
    wide = tuple(_widened(scope) if scope in own else scope for scope in stated)
    wide = wide or (f"repository:{repository}:pull,push",)
    return tuple(dict.fromkeys((wide, stated)))


def _named(scope: str) -> str:
    """The repository of a scope, `kube/pause` of `repository:kube/pause:pull`."""
    return scope.partition(":")[2].rpartition(":")[0]


def _widened(scope: str) -> str:
    resource, _, actions = scope.rpartition(":")
    return f"{resource}:{','.join(dict.fromkeys((*actions.split(','), 'pull', 'push')))}"
