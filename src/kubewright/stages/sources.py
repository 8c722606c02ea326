"""Opens what a site is read from: a directory, a bucket, a web server, or a bundle."""

from pathlib import Path

from kubewright.errors import RequestError
from kubewright.stages.store import bucket, refuse_endpoint
from kubewright.verification import Bucket, Directory, Source, Web
from kubewright.verification.carried import Carried
from kubewright.verification.members import is_bundle, members
from kubewright.web import WebFiles


def source(site: str, s3_endpoint: str | None) -> Source:
    """Reads a site: a directory, a bucket, or a URL. Raises RequestError for what is none."""
    if site.startswith("s3://"):
        return Bucket(bucket(site, s3_endpoint))
    refuse_endpoint(site, s3_endpoint)
    if site.startswith(("http://", "https://")):
        return Web(WebFiles(site).opened)
    if is_bundle(Path(site)):
        return _bundle(Path(site))
    if Path(site).is_dir():
        return Directory(Path(site))
    raise RequestError(
        site, "no such directory", "give a site's root, its URL, or a bundle (`kubewright bundle`)"
    )


def _bundle(path: Path) -> Source:
    """The site in a bundle, every file of which is sound."""
    found = Carried(members(path))
    since = found.bundle.since
    if since is not None:
        raise RequestError(
            str(path),
            f"has only what is new since publication {since.publication}, so no whole site",
            "load it where the bundle before was loaded: `kubewright bundle load` verifies it",
        )
    found.check()
    return found
