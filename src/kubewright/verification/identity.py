"""Checks that everything is of one site."""

from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, Index, State
from kubewright.verification.walk import Walk

Named = State | Index | Channel | Manifest
"""The documents that say of which site they are."""


def check(walk: Walk, place: str, document: Named) -> None:
    """A document is of this site. The same keys may sign for several, such as a staging site.

    Documents from before there were ids have none, on a site whose first publication is as old.
    """
    here = walk.state.site if walk.state else ""
    if not document.site and (not here or walk.nameless):
        return
    problem = f"is of the site {document.site or 'without an id'}, not of {here or 'one without'}"
    walk.tally.require(place, document.site == here, f"{problem}: do not use it")


def address(walk: Walk, place: str, url: str) -> None:
    """A document that changes names the address that the present state does."""
    here = walk.state.url if walk.state else ""
    problem = f"is of a site at {url}, but this one is at {here or 'no fixed address'}"
    walk.tally.require(place, url in ("", here), problem)
