"""Large objects of a bucket: sent in parts, and read on where a connection ended."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

PART: Final = 16 << 20
"""Bytes of a part."""

_PARTS: Final = 4
"""How many parts of an object are under way at once, each in memory."""

_TRIES: Final = 5
"""How often reading goes on after a connection that ended, one after the other without a byte."""


class Body:
    """The bytes of an object, of which all are of the same version."""

    def __init__(
        self, client: "S3Client", bucket: str, key: str, found: "GetObjectOutputTypeDef"
    ) -> None:
        self._again: Callable[[str], Any] = lambda where: client.get_object(
            Bucket=bucket, Key=key, Range=where, IfMatch=found["ETag"]
        )
        self._body: Any = found["Body"]
        self._size, self._at = found["ContentLength"], 0

    def read(self, most: int) -> bytes:
        """At most so many bytes more; none at the end. Raises what botocore does."""
        for tries_left in reversed(range(_TRIES)):
            try:
                data: bytes = self._body.read(most)
                self._at += len(data)
                return data
            except BotoCoreError:
                if not tries_left or self._at >= self._size:
                    raise
                self._body.close()
                self._body = self._again(f"bytes={self._at}-")["Body"]
        return b""

    def __enter__(self) -> "Body":
        return self

    def __exit__(self, *_: object) -> None:
        self._body.close()


def sent_in_parts(
    client: "S3Client", own: dict[str, Any], content: Path, condition: dict[str, Any], *, part: int
) -> None:
    """Send a file in parts of so many bytes; its condition is for the whole. `own` is the bucket,
    the key and the headers. Nothing of it stays where that fails.
    """
    place = {"Bucket": own["Bucket"], "Key": own["Key"]}
    place["UploadId"] = client.create_multipart_upload(**own)["UploadId"]

    def send(number: int) -> dict[str, Any]:
        with content.open("rb") as body:
            body.seek((number - 1) * part)
            data = body.read(part)
        sent = client.upload_part(**place, PartNumber=number, Body=data)
        return {"PartNumber": number, "ETag": sent["ETag"]}

    try:
        count = -(-content.stat().st_size // part)
        with ThreadPoolExecutor(_PARTS) as pool:
            parts: Any = list(pool.map(send, range(1, count + 1)))
        client.complete_multipart_upload(**place, **condition, MultipartUpload={"Parts": parts})
    except BaseException:
        with suppress(ClientError, BotoCoreError):  # a lifecycle rule of the bucket removes it
            client.abort_multipart_upload(**place)
        raise
