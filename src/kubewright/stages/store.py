"""The store that the settings name: where a site is written."""

import errno
import os
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubewright import files
from kubewright.errors import DiskError, RequestError
from kubewright.models.base import DAY
from kubewright.settings import Settings
from kubewright.site.directory import DirectoryStore
from kubewright.site.store import Store

if TYPE_CHECKING:
    from kubewright.site.bucket import BucketStore

_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(.*))?")


def announce(site: Store) -> None:
    """Let others know that somebody writes here, where a store has a way to; and look whether it is
    known to be one that can be written to.
    """
    if isinstance(site, DirectoryStore):
        site.announce()
    elif site.distant:
        from kubewright.site.bucket import BucketStore
        from kubewright.site.conditions import is_known, require

        if isinstance(site, BucketStore):
            site.begin(partial(is_known, site), partial(require, site))


def alone(site: Store) -> AbstractContextManager[bool]:
    """Whether nobody else writes here, as far as a store knows; nobody begins meanwhile."""
    return site.alone() if isinstance(site, DirectoryStore) else nullcontext(True)


def abandoned(site: Store, strays: Sequence[str]) -> list[str]:
    """Those that no publisher can be about to name. A bucket cannot tell who else writes there: in
    one they are a day old.
    """
    if isinstance(site, DirectoryStore) or not site.distant:
        return [*strays]
    from kubewright.site.bucket import BucketStore

    old = site.older_than(DAY) if isinstance(site, BucketStore) else set(strays)
    return [path for path in strays if path in old]


def store(settings: Settings) -> Store:
    """The store of the site that the settings name. Raises as `refuse` does."""
    refuse(settings)
    if settings.site.startswith("s3://"):
        return bucket(settings.site, settings.s3_endpoint)
    return DirectoryStore(Path(settings.site))


def refuse(settings: Settings) -> None:
    """Raise RequestError or DiskError for a site that nobody could write to."""
    site = settings.site
    if site.startswith("s3://"):
        _named(site)
        return
    refuse_endpoint(site, settings.s3_endpoint)
    if "://" in site:
        raise RequestError(
            f"--site {site}",
            "only directories and buckets can be published to",
            "give a path, or s3://BUCKET/PREFIX",
        )
    _nearest(Path(site))


def _nearest(site: Path) -> Path:
    """The directory, or the nearest above it that is there. Raises DiskError where there can be
    none.
    """
    for place in (site, *site.absolute().parents):
        if place.is_dir():
            return place
        if place.exists():
            raise DiskError(
                str(place), "a file, and a site is a directory", "choose another --site"
            )
        if place.is_symlink():
            target = place.readlink()
            problem = f"a link to {target}, which is not there"
            raise DiskError(str(place), problem, f"make {target}, or remove the link")
    return Path("/")


def refuse_unwritable(settings: Settings) -> None:
    """Raise DiskError for a site that cannot be written to, before any work is done for it."""
    if settings.site.startswith("s3://"):
        return
    site = Path(settings.site)
    if not os.access(_nearest(site), os.W_OK | os.X_OK):
        raise files.disk_error(PermissionError(errno.EACCES, "Permission denied"), site.absolute())


def refuse_endpoint(site: str, s3_endpoint: str | None) -> None:
    """Raise RequestError for an endpoint of what is no bucket."""
    if s3_endpoint is not None:
        raise RequestError(
            f"--s3-endpoint {s3_endpoint}",
            f"{site} is no bucket",
            "leave it out, or give s3://BUCKET/PREFIX",
        )


def _named(site: str) -> tuple[str, str]:
    """The bucket and the prefix of `s3://BUCKET/PREFIX`. Raises RequestError for another form."""
    named = _BUCKET.fullmatch(site)
    parts = ((named[2] or "").removesuffix("/")).split("/") if named else []
    if named is None or (parts != [""] and any(not one or one.startswith(".") for one in parts)):
        raise RequestError(
            f"--site {site}",
            "not the address of a bucket",
            "write s3://BUCKET or s3://BUCKET/PREFIX: a bucket's name has 3 to 63 lower-case"
            " letters, digits, dots and hyphens, and no part of the prefix is empty or begins with"
            " a dot",
        )
    return named[1], "/".join(parts)


def bucket(site: str, endpoint: str | None) -> "BucketStore":
    """Its store; account and region are those of every AWS program."""
    from kubewright.site.bucket import BucketStore
    from kubewright.site.bucket_errors import explained

    name, prefix = _named(site)
    with explained(endpoint or "Amazon S3", name, prefix, "s3:ListBucket"):
        client = _client(endpoint)
    return BucketStore(client, name, prefix)


def _client(endpoint: str | None) -> Any:
    import boto3
    import botocore.session
    from botocore.config import Config

    own_session = botocore.session.Session()
    session = boto3.session.Session(botocore_session=own_session)
    own: dict[str, Any] = {}
    if endpoint is not None:
        # Other stores refuse checksums that Amazon's asks for, and have no region.
        own = {"request_checksum_calculation": "when_required"}
        own["response_checksum_validation"] = "when_required"
        said = own_session.get_scoped_config().get("s3") or {}
        own["s3"] = {"addressing_style": said.get("addressing_style", "path")}
    config = Config(
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=64,
        **own,
    )
    region = session.region_name or ("us-east-1" if endpoint is not None else None)
    return session.client("s3", endpoint_url=endpoint, config=config, region_name=region)
