"""verify: checks a site in a directory or on the web as a stranger would."""

from collections.abc import Sequence
from pathlib import Path

from kubewright import verification
from kubewright.errors import RequestError
from kubewright.log import redacted
from kubewright.site import layout
from kubewright.verification import Directory, Report, Web
from kubewright.web import WebFiles


def verify(site: str, trusted: Sequence[bytes], *, now: int) -> Report:
    """Check every object that a site's index leads to.

    `trusted` holds public keys, OpenPGP or ECDSA in PEM form; of a kind that is not among them, the
    site's own are believed.
    """
    if site.startswith(("http://", "https://")):
        web = WebFiles(site, layout.most)
        return verification.verify(Web(web.read, web.save), redacted(site), trusted, now=now)
    root = Path(site)
    if not root.is_dir():
        raise RequestError(str(site), "no such directory", "give a site's root or its URL")
    return verification.verify(Directory(root), site, trusted, now=now)
