"""Checks what follows from everything else: the markers."""

from kubewright.errors import VerificationFailed
from kubewright.models.document import REMEDY
from kubewright.models.site import Channel
from kubewright.site import layout
from kubewright.verification.walk import Walk


def marker(walk: Walk, channel: Channel) -> None:
    """The text that says which version a channel points to."""
    path = layout.marker_path(channel.channel)
    current = channel.current
    with walk.tally.check(path):
        if current is not None and walk.must(path) != f"v{current.kubernetes}".encode():
            raise VerificationFailed(path, f"does not say v{current.kubernetes}", REMEDY)
