"""Checks what follows from everything else: the front page, the schemas and the markers."""

from collections.abc import Mapping

from kubewright.errors import VerificationFailed
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, Index
from kubewright.site import layout, page, publication
from kubewright.verification.walk import Walk


def front(
    walk: Walk, index: Index, manifests: Mapping[str, Manifest], channels: Mapping[str, Channel]
) -> None:
    """index.html is what this version of the program makes of the site."""
    place = layout.FRONT_PAGE
    with walk.tally.check(place):
        data = walk.must(place)
        try:
            expected = page.render(index, manifests, channels)
        except (LookupError, ValueError) as error:
            raise VerificationFailed(
                f"{place}: cannot be compared while a manifest or channel is unreadable; publish again"
            ) from error
        walk.tally.require(
            place, data == expected, "does not say what the site holds; publish again"
        )


def schemas(walk: Walk) -> None:
    """The schemas are those of the documents that are read here."""
    for path, expected in publication.schemas().items():
        with walk.tally.check(path):
            walk.tally.require(
                path,
                walk.must(path) == expected,
                "not the schema of these documents; publish again",
            )


def marker(walk: Walk, channel: Channel) -> None:
    """The text that says which version a channel points to."""
    path = layout.marker_path(channel.channel)
    current = channel.current
    with walk.tally.check(path):
        if current is not None and walk.must(path) != f"v{current.kubernetes}".encode():
            raise VerificationFailed(f"{path}: does not say v{current.kubernetes}; publish again")
