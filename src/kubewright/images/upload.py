"""Puts one blob into a registry's repository: not at all, from another repository, or in pieces
that can be resumed.
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
from urllib.parse import urlencode, urljoin

from kubewright import files
from kubewright.errors import KubewrightError, RequestError, UpstreamUnreachable
from kubewright.registry_http import Answer, Registry

log = logging.getLogger(__name__)

PIECE: Final = 16 << 20
"""Bytes of one request: what a broken connection may cost."""

TRIES: Final = 5
"""How often an upload may break without having come further."""

PAUSE: Final = 0.5
"""Seconds before the first new try; each next one waits twice as long."""

LOST: Final = (400, 404, 416)
"""Answers to a piece that mean: this upload is not, or no longer, where we think it is."""

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

    def piece(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` on."""
        with self.open() as stream:
            stream.seek(offset)
            return stream.read(size)


def upload(
    registry: Registry, repository: str, blob: BlobContent, *, elsewhere: str | None
) -> Outcome:
    """Make `repository` hold a blob, perhaps by mounting it from the repository `elsewhere`.

    Raises UpstreamUnreachable when the connection keeps breaking, RequestError when the registry
    refuses.
    """
    if _has(registry, repository, blob):
        return Outcome.present
    going = _Upload(registry, repository, blob)
    if not going.begin(elsewhere):
        return Outcome.mounted
    furthest = tries = 0
    while True:
        try:
            if tries and _has(registry, repository, blob):
                return Outcome.sent  # only the answer was lost
            if tries:
                going.find_again()
            going.send()
            return Outcome.sent
        except UpstreamUnreachable as broken:
            tries = 1 if going.offset > furthest else tries + 1
            furthest = max(furthest, going.offset)
            if tries > TRIES:
                raise
            log.info("%s; trying again", broken)
        time.sleep(PAUSE * 2**tries)


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


def _has(registry: Registry, repository: str, blob: BlobContent) -> bool:
    answer = registry.ask("HEAD", f"/v2/{repository}/blobs/{blob.digest}", repository)
    if answer.status not in (200, 404):
        raise refusal(registry, repository, f"a look at {blob.digest}", answer)
    return answer.status == 200


class _Upload:
    """An upload: where the registry wants the next piece, and how far it has come."""

    def __init__(self, registry: Registry, repository: str, blob: BlobContent) -> None:
        self.registry = registry
        self.repository = repository
        self.blob = blob
        self.offset = 0
        self._location = ""
        self._piece = PIECE

    def begin(self, elsewhere: str | None = None) -> bool:
        """Ask for a place to upload to; False when the registry has taken the blob from `elsewhere`
        instead.
        """
        query = f"?{urlencode({'mount': self.blob.digest, 'from': elsewhere})}" if elsewhere else ""
        answer = self.registry.ask(
            "POST", f"/v2/{self.repository}/blobs/uploads/{query}", self.repository
        )
        if answer.status == 201 and elsewhere:
            return False
        if answer.status != 202:
            raise self._refusal(answer)
        self._piece = max(PIECE, int(answer.headers.get("OCI-Chunk-Min-Length") or 0))
        self._go_on(answer, 0)
        return True

    def find_again(self) -> None:
        """After a break: go on where the registry has got to, or begin anew where it has
        forgotten.
        """
        answer = self.registry.ask("GET", self._location, self.repository)
        if answer.status == 204 and "Range" in answer.headers:
            self._go_on(answer, 0)
        else:
            self.begin()

    def send(self) -> None:
        """Send what is missing, the last piece with the digest. Raises UpstreamUnreachable when it
        broke.
        """
        while self.blob.size - self.offset > self._piece:
            data = self.blob.piece(self.offset, self._piece)
            before = self.offset
            self._go_on(self._ask("PATCH", self._location, data), before + len(data))
            if self.offset <= before:
                raise UpstreamUnreachable(
                    self.registry.host,
                    f"took a piece of {self.blob.digest} and has not kept it",
                    "push again later, or choose another --registry",
                )
        mark = "&" if "?" in self._location else "?"
        rest = self.blob.piece(self.offset, self._piece)
        self._ask("PUT", f"{self._location}{mark}{urlencode({'digest': self.blob.digest})}", rest)

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

    def _ask(self, method: str, url: str, piece: bytes) -> Answer:
        headers = {"Content-Type": "application/octet-stream"}
        if 0 < len(piece) < self.blob.size:
            headers["Content-Range"] = f"{self.offset}-{self.offset + len(piece) - 1}"
        answer = self.registry.ask(method, url, self.repository, headers=headers, body=piece)
        if answer.status in LOST:
            raise UpstreamUnreachable(str(self._refusal(answer)))
        if answer.status not in (201, 202, 204):
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: Answer) -> KubewrightError:
        return refusal(self.registry, self.repository, f"an upload of {self.blob.digest}", answer)
