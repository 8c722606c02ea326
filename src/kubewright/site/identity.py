"""Who a site is: an id and an address, fixed by its first publication."""

from typing import NamedTuple

from kubewright import files
from kubewright.models.site import State


class Identity(NamedTuple):
    """What stands in every document of a site, so that none of another site passes for it."""

    site: str
    """The id."""
    url: str
    """The public base URL without a slash at its end; empty where none is fixed."""


def founded(url: str, keys: tuple[str, ...]) -> Identity:
    """Of a site that these keys (fingerprint, id) publish for the first time at an address."""
    address = url.rstrip("/")
    return Identity(files.sha256("\n".join((address, *keys)).encode())[:32], address)


def of(state: State | None, new: Identity) -> Identity:
    """Of the site with this state; a site without one is `new`, and so is a site that was made
    before there were ids.
    """
    if state is None or not state.site:
        return new
    return Identity(state.site, state.url)
