"""verify: checks a site in a directory or on the web as a stranger would."""

from collections.abc import Sequence
from pathlib import Path

from kubewright import verification
from kubewright.errors import RequestError
from kubewright.repos.store import DirectoryStore
from kubewright.upstream import WebFiles
from kubewright.verification import Report


def verify(site: str, trusted: Sequence[bytes], *, now: int) -> Report:
    """Check every object that a site's index leads to. `trusted` holds public keys; none: the site's own."""
    if site.startswith(("http://", "https://")):
        return verification.verify(WebFiles(site).read, site, trusted, now=now)
    root = Path(site)
    if not root.is_dir():
        raise RequestError(f"{site}: no such directory; give a site's root or its URL")
    return verification.verify(DirectoryStore(root).read, site, trusted, now=now)
