"""Puts one blob into a registry's repository: not at all, from another repository, in one request,
or in pieces where that breaks or is refused.
"""

import json
import logging
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import IO, Final, Self
from urllib.parse import urlencode, urljoin, urlsplit

from kubewright import files
from kubewright.errors import KubewrightError, RequestError, UpstreamUnreachable
from kubewright.registry_http import Answer, Busy, Part, Registry

log = logging.getLogger(__name__)

WHOLE: Final = 0
"""The way of one PUT with everything in it."""

STREAM: Final = 1 << 62
"""The way of one PATCH with everything in it and an empty PUT, as Docker pushes."""

PIECES: Final = (16 << 20, 4 << 20, 1 << 20, 256 << 10)
"""The ways of several PATCHes: bytes of each, which is what a broken connection may cost."""

TRIES: Final = 5
"""How often an upload may break without having come further."""

PAUSE: Final = 0.5
"""Seconds before the first new try; each next one waits twice as long."""

OTHERWISE: Final = (400, 404, 405, 411, 413, 415, 416, 501)
"""Answers to content that mean: not in this way. Another may do; after a part was taken, that
the registry has lost track.
"""

REMEDIES: Final = {
    401: "log in with `docker login {host}`",
    403: "log in with `docker login {host}` as somebody who may push there",
    404: "create the repository there, or correct --registry",
    405: "it takes no pushes; choose another --registry",
    413: "it, or a proxy before it, limits the size of requests; raise that limit",
}


class Outcome(Enum):
    """How a repository came to hold a blob."""

    present = "it had the blob already"
    mounted = "the registry took it from another repository"
    sent = "all of it was sent"


@dataclass(frozen=True)
class BlobContent:
    """Bytes and their digest `sha256:…`."""

    digest: str
    size: int
    open: Callable[[], AbstractContextManager[IO[bytes]]]

    @classmethod
    def of(cls, digest: str, content: files.Content) -> Self:
        """A file's content, or bytes at hand."""
        return cls(digest, files.size_of(content), lambda: files.opened(content))

    def part(self, offset: int, size: int) -> Part:
        """Up to `size` bytes from `offset` on."""
        return Part(self.open, offset, min(size, self.size - offset))


class Refusal(Exception):
    """A registry does not take content in the way that it was sent; `error` is what it said."""

    def __init__(self, error: KubewrightError) -> None:
        super().__init__(str(error))
        self.error = error


class _There(Exception):
    """The registry has the blob after all."""


class Uploads:
    """Uploads to one registry. The way in which it took a blob is the first for the next.

    `pieces` asks for pieces of so many bytes as long as the registry takes them.
    """

    def __init__(self, registry: Registry, pieces: int | None = None) -> None:
        self.registry = registry
        smaller = tuple(size for size in PIECES if pieces is None or size < pieces)
        self._ways = (WHOLE, STREAM, *smaller)
        if pieces is not None:
            self._ways = (pieces, *smaller, WHOLE, STREAM)

    def upload(self, repository: str, blob: BlobContent, *, elsewhere: str | None) -> Outcome:
        """Make `repository` hold a blob, perhaps by mounting it from the repository `elsewhere`.

        Raises UpstreamUnreachable when the connection keeps breaking, RequestError when the
        registry refuses.
        """
        going = _Upload(self.registry, repository, blob, self._ways)
        if going.has():
            return Outcome.present
        if not going.begin(elsewhere):
            return Outcome.mounted
        going.finish()
        self._ways = going.ways
        return Outcome.sent


def refusal(registry: Registry, repository: str, what: str, answer: Answer) -> KubewrightError:
    """Explain an answer that is a no."""
    try:
        errors = json.loads(answer.body)["errors"]
        reasons = [
            f"{error.get('code', '')} {error.get('message', '')}".strip() for error in errors
        ]
    except (ValueError, LookupError, TypeError, AttributeError):
        reasons = []
    stated = f": {'; '.join(reasons)}" if any(reasons) else ""
    remedy = REMEDIES.get(answer.status, "its log says more").format(host=registry.host)
    return RequestError(
        registry.host,
        f"refused {what} in {repository} ({answer.status}{stated})",
        remedy,
    )


class _Upload:
    """An upload: the ways that may do, where the registry wants more, and how far it has come."""

    def __init__(
        self, registry: Registry, repository: str, blob: BlobContent, ways: tuple[int, ...]
    ) -> None:
        self.registry = registry
        self.repository = repository
        self.blob = blob
        self.ways = ways
        self.offset = 0
        self._location = ""
        self._least = 0

    def has(self) -> bool:
        """Whether the repository has the blob, as far as the registry tells.

        Some refuse a look at what is not there, or any: then it is sent. So it is where the answer
        is of another size: a page for people to log in, say.
        """
        url = f"/v2/{self.repository}/blobs/{self.blob.digest}"
        answer = self.registry.ask("HEAD", url, self.repository)
        size = answer.headers.get("Content-Length", "")
        return answer.good and not (size.isdecimal() and int(size) != self.blob.size)

    def begin(self, elsewhere: str | None = None) -> bool:
        """Ask for a place to upload to; False when the registry has taken the blob from `elsewhere`
        instead.
        """
        query = f"?{urlencode({'mount': self.blob.digest, 'from': elsewhere})}" if elsewhere else ""
        answer = self.registry.ask(
            "POST", f"/v2/{self.repository}/blobs/uploads/{query}", self.repository
        )
        if not answer.good:
            raise self._refusal(answer)
        if elsewhere and self._mounted(answer):
            return False
        least = answer.headers.get("OCI-Chunk-Min-Length", "")
        self._least = int(least) if least.isdecimal() else 0
        self.offset = 0
        self._go_on(answer, 0)
        return True

    def finish(self) -> None:
        """Send everything, in the first way that the registry takes and that does not break."""
        furthest = tries = 0
        go_on: Callable[[], object] | None = None
        while True:
            try:
                if go_on:
                    go_on()
                self._send()
                return
            except _There:
                return
            except Refusal as no:
                if self.offset and tries < TRIES:  # it took a part in this way
                    tries, go_on = tries + 1, self._find_again
                else:
                    self._next_way(no)
                    go_on = self.begin
                    continue
            except Busy:
                raise
            except UpstreamUnreachable as broken:
                further = self.offset > furthest
                furthest, tries = max(furthest, self.offset), 1 if further else tries + 1
                if tries > TRIES:
                    raise
                log.info("%s; trying again", broken)
                self._in_pieces(smaller=not further)
                go_on = self._find_again
            time.sleep(PAUSE * 2**tries)

    def _next_way(self, no: Refusal) -> None:
        """Raises the refusal where there is no other way."""
        if len(self.ways) == 1:
            raise no.error from no
        log.info("%s; trying in another way", no)
        self.ways = self.ways[1:]

    def _in_pieces(self, *, smaller: bool) -> None:
        """After a break: in pieces, or in smaller ones; the other ways last."""
        pieces = tuple(way for way in self.ways if way not in (WHOLE, STREAM))
        others = tuple(way for way in self.ways if way in (WHOLE, STREAM))
        if smaller and self.ways[0] in pieces:
            pieces = pieces[1:] or pieces
        self.ways = (*pieces, *others)

    def _mounted(self, answer: Answer) -> bool:
        """Whether a good answer to a mount means that the blob is there: it says where."""
        place = urlsplit(answer.headers.get("Location", "")).path
        there = place.endswith(f"/blobs/{self.blob.digest}")
        return there or (answer.status == 201 and "Docker-Upload-UUID" not in answer.headers)

    def _find_again(self) -> None:
        """After a break: go on where the registry has got to, or begin anew where it has forgotten,
        or wants everything in one request. Raises _There where only the answer was lost.
        """
        if self.has():
            raise _There
        if self.ways[0] not in (WHOLE, STREAM):
            answer = self.registry.ask("GET", self._location, self.repository)
            if answer.good and "Range" in answer.headers:
                self._go_on(answer, 0)
                return
        self.begin()

    def _send(self) -> None:
        """Send what is missing in the present way. Raises UpstreamUnreachable when it broke."""
        way = self.ways[0]
        if way == WHOLE:
            self._put(self.blob.part(0, self.blob.size))
            return
        size = max(way, self._least)
        while self.offset < self.blob.size:
            part = self.blob.part(self.offset, size)
            before = self.offset
            self._go_on(self._ask("PATCH", self._location, part), before + part.size)
            if self.offset <= before:
                raise UpstreamUnreachable(
                    self.registry.host,
                    f"took a piece of {self.blob.digest} and has not kept it",
                    "push again later, or choose another --registry",
                )
        self._put(self.blob.part(self.blob.size, 0))

    def _put(self, part: Part) -> None:
        mark = "&" if "?" in self._location else "?"
        self._ask("PUT", f"{self._location}{mark}{urlencode({'digest': self.blob.digest})}", part)

    def _go_on(self, answer: Answer, offset: int) -> None:
        """Take from an answer where to go on: its `Range: 0-LAST`, where it has one, wins over
        `offset`.
        """
        self._location = urljoin(
            f"{self.registry.base}/", answer.headers.get("Location", self._location)
        )
        reached = re.fullmatch(r"(?:bytes=)?0-([0-9]+)", answer.headers.get("Range", ""))
        last = int(reached[1]) if reached else offset - 1
        self.offset = last + 1 if last > 0 else 0  # distribution says 0-0 of an empty upload

    def _ask(self, method: str, url: str, part: Part) -> Answer:
        headers = {"Content-Type": "application/octet-stream"}
        if 0 < part.size < self.blob.size:
            headers["Content-Range"] = f"{self.offset}-{self.offset + part.size - 1}"
        answer = self.registry.ask(method, url, self.repository, headers=headers, body=part)
        if answer.status in OTHERWISE:
            raise Refusal(self._refusal(answer))
        if not answer.good:
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: Answer) -> KubewrightError:
        return refusal(self.registry, self.repository, f"an upload of {self.blob.digest}", answer)
