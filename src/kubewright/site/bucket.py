"""A site in a bucket of an object store that speaks S3."""

# ruff: noqa: D102 -- Store says what each method does

import mimetypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from botocore.exceptions import BotoCoreError, ClientError

from kubewright.errors import DiskError, RequestError, VerificationFailed
from kubewright.site import layout
from kubewright.site.store import Content, Stat, Stored, checked

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

LARGE: Final = 64 << 20
"""Bytes from which an object is sent in parts."""

PART: Final = 16 << 20
"""Bytes of a part."""

_ABSENT = {"404", "NoSuchKey", "NotFound"}
_LOST = {"412", "PreconditionFailed", "409", "ConditionalRequestConflict"}
_TRIES = 5
"""How often a write is tried that a store calls in conflict with another one under way."""


class BucketStore:
    """Objects below a prefix of a bucket. A tag is the store's ETag.

    Conditions are the store's own: If-None-Match and If-Match. Some stores let two writers win who
    come at the same moment; whoever swaps reads back what is there.
    """

    def __init__(self, client: "S3Client", bucket: str, prefix: str) -> None:
        self.client, self.bucket = client, bucket
        self.prefix = f"{prefix}/" if prefix else ""

    def get(self, path: str) -> Stored | None:
        with self._explained(path) as key:
            found = self._found(key)
            if found is None:
                return None
            most = layout.most(path)
            with found["Body"] as body:
                data = body.read(most + 1)
        if len(data) > most:
            raise VerificationFailed(path, f"has more than {most} bytes", "remove it")
        return Stored(data, found["ETag"])

    @contextmanager
    def opened(self, path: str) -> Iterator[Callable[[int], bytes] | None]:
        """What reads an object piece by piece; None if there is none."""
        with self._explained(path) as key:
            found = self._found(key)
            if found is None:
                yield None
                return
            with found["Body"] as body:
                yield body.read

    def _found(self, key: str) -> "GetObjectOutputTypeDef | None":
        try:
            return self.client.get_object(Bucket=self.bucket, Key=key)
        except ClientError as error:
            if _code(error) in _ABSENT:
                return None
            raise

    def stat(self, path: str) -> Stat | None:
        with self._explained(path) as key:
            try:
                found = self.client.head_object(Bucket=self.bucket, Key=key)
            except ClientError as error:
                if _code(error) in _ABSENT:
                    return None
                raise
        return Stat(found["ContentLength"], None)

    def put(
        self, path: str, content: Content, *, if_absent: bool = False, if_tag: str | None = None
    ) -> bool:
        condition: dict[str, Any] = {"IfNoneMatch": "*"} if if_absent else {}
        condition |= {"IfMatch": if_tag} if if_tag is not None else {}
        with self._explained(path) as key:
            for tries_left in reversed(range(_TRIES)):
                try:
                    self._send(key, path, content, condition)
                    return True
                except ClientError as error:
                    code = _code(error)
                    if code in _ABSENT and if_tag is not None:
                        return False
                    if code not in _LOST or not condition:
                        raise
                    conflict = "409" in code or "Conflict" in code
                    if not conflict or not tries_left:  # another write was first, or is under way
                        return False
        return False

    def _send(self, key: str, path: str, content: Content, condition: dict[str, Any]) -> None:
        own: dict[str, Any] = {"Bucket": self.bucket, "Key": key, **_headers(path)}
        if isinstance(content, bytes):
            self.client.put_object(**own, **condition, Body=content)
        elif content.stat().st_size <= LARGE:
            with content.open("rb") as body:
                self.client.put_object(**own, **condition, Body=body)
        else:
            self._send_parts(own, content, condition)

    def _send_parts(self, own: dict[str, Any], content: Path, condition: dict[str, Any]) -> None:
        place = {"Bucket": own["Bucket"], "Key": own["Key"]}
        upload = self.client.create_multipart_upload(**own)["UploadId"]
        place["UploadId"] = upload
        try:
            parts: list[Any] = []
            with content.open("rb") as body:
                for number, data in enumerate(iter(lambda: body.read(PART), b""), 1):
                    sent = self.client.upload_part(**place, PartNumber=number, Body=data)
                    parts.append({"PartNumber": number, "ETag": sent["ETag"]})
            self.client.complete_multipart_upload(
                **place, **condition, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            self.client.abort_multipart_upload(**place)
            raise

    def copy(self, source: str, path: str) -> bool:
        # A copy inside the store has no condition that every store heeds, so the bytes come by.
        checked(path)
        stored = self.get(source)
        return stored is not None and self.put(path, stored.data, if_absent=True)

    def list(self, prefix: str) -> list[str]:
        found = []
        with self._explained(prefix or ".", check=False):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=f"{self.prefix}{prefix}"
            )
            for page in pages:
                for item in page.get("Contents", ()):
                    found.append(item["Key"].removeprefix(self.prefix))
        return sorted(path for path in found if not _hidden(path))

    def delete(self, path: str) -> None:
        with self._explained(path) as key:
            self.client.delete_object(Bucket=self.bucket, Key=key)

    def _key(self, path: str) -> str:
        return f"{self.prefix}{checked(path)}"

    @contextmanager
    def _explained(self, path: str, *, check: bool = True) -> Iterator[str]:
        """The key of a path; what the store refuses names both. Raises DiskError."""
        key = self._key(path) if check else path
        place = f"s3://{self.bucket}/{key}"
        try:
            yield key
        except ClientError as error:
            problem = f"the store says {_code(error)}: {error.response['Error'].get('Message')}"
            raise DiskError(
                place, problem, "check the bucket, its policy and the account"
            ) from error
        except BotoCoreError as error:
            raise DiskError(
                place, str(error), "check --s3-endpoint, network and account"
            ) from error


def opened(site: str, endpoint: str | None) -> BucketStore:
    """The store of `s3://BUCKET/PREFIX`; account and region are those of every AWS program.

    Raises RequestError for another form of address.
    """
    bucket, _, prefix = site.removeprefix("s3://").partition("/")
    if not bucket or "//" in prefix or ".." in prefix.split("/"):
        raise RequestError(f"--site {site}", "no bucket with a prefix", "write s3://BUCKET/PREFIX")
    import boto3
    from botocore.config import Config

    required: Literal["when_required", "when_supported"]
    required = "when_required" if endpoint else "when_supported"
    config = Config(
        request_checksum_calculation=required,
        response_checksum_validation=required,
        retries={"mode": "standard", "max_attempts": 5},
        max_pool_connections=16,
        s3={"addressing_style": "path"} if endpoint else {},
    )
    client = boto3.session.Session().client("s3", endpoint_url=endpoint, config=config)
    return BucketStore(client, bucket, prefix.strip("/"))


def _headers(path: str) -> dict[str, str]:
    """How long caches may keep an object, and what it is."""
    lasting = layout.is_immutable(path)
    kept = "public, max-age=31536000, immutable" if lasting else "no-cache"
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return {"CacheControl": kept, "ContentType": kind}


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _hidden(path: str) -> bool:
    return any(part.startswith(".") or not part for part in path.split("/"))
