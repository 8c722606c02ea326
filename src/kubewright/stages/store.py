"""The store that the settings name: where a site is written."""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from kubewright.errors import RequestError
from kubewright.settings import Settings
from kubewright.site.directory import DirectoryStore
from kubewright.site.store import Store
from kubewright.verification import Bucket, Directory, Source, Web
from kubewright.web import WebFiles


def announce(site: Store) -> None:
    """Let others know that somebody writes here, where a store has a way to."""
    if isinstance(site, DirectoryStore):
        site.announce()


def alone(site: Store) -> AbstractContextManager[bool]:
    """Whether nobody else writes here, as far as a store knows; nobody begins meanwhile."""
    return site.alone() if isinstance(site, DirectoryStore) else nullcontext(True)


def source(site: str, s3_endpoint: str | None) -> Source:
    """Reads a site: a directory, a bucket, or a URL. Raises RequestError for what is none."""
    if site.startswith(("http://", "https://")):
        return Web(WebFiles(site).opened)
    if site.startswith("s3://"):
        from kubewright.site.bucket import opened

        return Bucket(opened(site, s3_endpoint))
    if Path(site).is_dir():
        return Directory(Path(site))
    raise RequestError(site, "no such directory", "give a site's root or its URL")


def store(settings: Settings) -> Store:
    """The store of the site that the settings name."""
    if settings.site.startswith("s3://"):
        from kubewright.site.bucket import opened

        return opened(settings.site, settings.s3_endpoint)
    if "://" in settings.site:
        raise RequestError(
            f"--site {settings.site}",
            "only directories and buckets can be published to",
            "give a path, or s3://BUCKET/PREFIX",
        )
    return DirectoryStore(Path(settings.site))
