"""A site in a bucket of an object store that speaks S3."""

# ruff: noqa: D102 -- Store says what each method does

import hashlib
import mimetypes
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from kubewright.errors import KubewrightError, VerificationFailed
from kubewright.files import CHUNK
from kubewright.site import layout
from kubewright.site.bucket_errors import code, explained
from kubewright.site.bucket_parts import PART, Body, sent_in_parts
from kubewright.site.store import Content, Stat, Stored, checked

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

LARGE: Final = 64 << 20
"""Bytes from which an object is sent in parts."""

FOREVER: Final = "public, max-age=31536000, immutable"
"""What caches are told of an object that is never replaced."""

ASK: Final = "no-cache"
"""What they are told of all others: ask each time whether it is the same still."""

_ABSENT: Final = {"404", "NoSuchKey", "NotFound"}
_LOST: Final = {"412", "PreconditionFailed"}
_BUSY: Final = {"409", "ConditionalRequestConflict", "OperationAborted"}
_TRIES: Final = 6
"""How often a write is tried that a store calls in conflict with another one under way."""


class BucketStore:
    """Objects below a prefix of a bucket. A tag is the store's ETag.

    Conditions are the store's own: If-None-Match and If-Match. Before the first write with one
    `trusted` says whether this store keeps them, by raising if it does not.
    """

    distant = True

    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self.client, self.bucket = client, bucket
        self.prefix = f"{prefix}/" if prefix else ""
        self.trusted: Callable[[], None] = lambda: None

    def get(self, path: str) -> Stored | None:
        most = layout.most(path)
        with self._explained(path, "s3:GetObject") as key:
            stored = self._read(key, most)
        if stored is not None and len(stored.data) > most:
            raise VerificationFailed(path, f"has more than {most} bytes", "remove it")
        return stored

    def _read(self, key: str, most: int) -> Stored | None:
        """An object, of one more byte than `most` at most; again where a connection ended."""
        for tries_left in reversed(range(_TRIES)):
            found = self._found(key)
            if found is None:
                return None
            try:
                with found["Body"] as body:
                    return Stored(body.read(most + 1), found["ETag"])
            except BotoCoreError:
                if not tries_left:
                    raise
        return None

    @contextmanager
    def opened(self, path: str) -> Iterator[Callable[[int], bytes] | None]:
        """What reads an object piece by piece; None if there is none."""
        with self._explained(path, "s3:GetObject") as key:
            found = self._found(key)
            if found is None:
                yield None
                return
            with Body(self.client, self.bucket, key, found) as body:
                yield body.read

    def _found(self, key: str) -> "GetObjectOutputTypeDef | None":
        try:
            return self.client.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if code(error) in _ABSENT:
                return None
            raise

    def stat(self, path: str) -> Stat | None:
        with self._explained(path, "s3:GetObject") as key:
            try:
                found = self.client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if code(error) in _ABSENT:
                    return None
                raise
        return Stat(found["ContentLength"], None)

    def sha256(self, path: str) -> str | None:
        digest = hashlib.sha256()
        with self.opened(path) as more:
            if more is None:
                return None
            while piece := more(CHUNK):
                digest.update(piece)
        return digest.hexdigest()

    def put(
        self, path: str, content: Content, *, if_absent: bool = False, if_tag: str | None = None
    ) -> bool:
        checked(path)
        if if_absent or if_tag is not None:
            self.trusted()
        return self.put_anyway(path, content, if_absent=if_absent, if_tag=if_tag)

    def put_anyway(
        self, path: str, content: Content, *, if_absent: bool = False, if_tag: str | None = None
    ) -> bool:
        """The same, whether or not the store keeps conditions."""
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if if_absent else {}
        condition |= {"IfMatch": if_tag} if if_tag is not None else {}
        if if_absent and _is_large(content) and self.stat(path) is not None:
            return False  # before much is sent, and for stores that look at no condition here
        with self._explained(path, "s3:PutObject") as key:
            for tries in range(1, _TRIES + 1):
                try:
                    self._send(key, path, content, condition)
                    return True
                except ClientError as error:
                    said = code(error)
                    if condition and _is_lost(said, swap=if_tag is not None):
                        return False
                    if said not in _BUSY or tries == _TRIES:
                        raise
                time.sleep(random.uniform(0.05, 0.1) * 2**tries)  # noqa: S311 -- no secret
        return False

    def _send(self, key: str, path: str, content: Content, condition: dict[str, Any]) -> None:
        own: dict[str, Any] = {"Bucket": self.bucket, "Key": key, **headers(path)}
        if isinstance(content, bytes):
            self.client.put_object(**own, **condition, Body=content)
        elif not _is_large(content):
            with content.open("rb") as body:
                self.client.put_object(**own, **condition, Body=body)
        else:
            sent_in_parts(self.client, own, content, condition, part=PART)

    def copy(self, source: str, path: str, *, seen_absent: bool = False) -> bool:
        if not seen_absent and self.stat(path) is not None:
            return False
        with self._explained(path, "s3:PutObject") as key:
            own: dict[str, Any] = {"Bucket": self.bucket, "Key": key, **headers(path)}
            origin: Any = {"Bucket": self.bucket, "Key": self._key(source)}
            try:
                self.client.copy_object(**own, CopySource=origin, MetadataDirective="REPLACE")
            except ClientError as error:
                if code(error) in _ABSENT:
                    return False
                raise
        return True

    def list(self, prefix: str) -> list[str]:
        return sorted(path for path, _ in self.listed(prefix))

    def older_than(self, seconds: int) -> set[str]:
        """The objects that were written so long ago, by the store's own clock."""
        now = parsedate_to_datetime(self.described()["date"])
        return {path for path, when in self.listed("") if (now - when).total_seconds() >= seconds}

    def listed(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        """Every path that starts so, and when the object there was written."""
        with self._explained(prefix, "s3:ListBucket", check=False):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{self.prefix}{prefix}"
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    path = item["Key"].removeprefix(self.prefix)
                    if not _hidden(path):
                        yield path, item["LastModified"]

    def delete(self, path: str) -> None:
        with self._explained(path, "s3:DeleteObject") as key:
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def described(self) -> dict[str, str]:
        """What the store says of itself, in the headers of its answer for the bucket."""
        with self._explained("", "s3:ListBucket", check=False):
            return self.client.head_bucket(Bucket=self.bucket)["ResponseMetadata"]["HTTPHeaders"]

    def begin(self, look: Callable[[], bool], find_out: Callable[[], None]) -> None:
        """Look in the background whether it is known that conditions are kept. If it is not, the
        first who writes with one finds out, and all get what that raises.
        """
        pool = ThreadPoolExecutor(1)
        looking = pool.submit(look)
        pool.shutdown(wait=False)
        turn = threading.Lock()
        known = False

        refused: list[KubewrightError] = []

        def trusted() -> None:
            nonlocal known
            with turn:
                if refused:  # once is enough for all who write at once
                    raise refused[0]
                try:
                    if not known and not looking.result():
                        find_out()
                except KubewrightError as error:
                    refused.append(error)
                    raise
                known = True

        self.trusted = trusted

    def _key(self, path: str) -> str:
        return f"{self.prefix}{checked(path)}"

    @contextmanager
    def _explained(self, path: str, action: str, *, check: bool = True) -> Iterator[str]:
        """The key of a path; what the store refuses names bucket and key, and the right that
        `action` is.
        """
        key = self._key(path) if check else f"{self.prefix}{path}"
        with explained(self.client.meta.endpoint_url, self.bucket, key, action):
            yield key


def headers(path: str) -> dict[str, str]:
    """How long caches may keep an object, and what it is."""
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return {"CacheControl": FOREVER if layout.is_immutable(path) else ASK, "ContentType": kind}


def _is_large(content: Content) -> bool:
    return not isinstance(content, bytes) and content.stat().st_size > LARGE


def _is_lost(said: str, *, swap: bool) -> bool:
    """Whether a condition did not hold. What is gone cannot be swapped, and an upload that is gone
    was completed by a request whose answer was lost.
    """
    return said in _LOST or said == "NoSuchUpload" or (swap and said in _ABSENT)


def _hidden(path: str) -> bool:
    return any(part.startswith(".") or not part for part in path.split("/"))
