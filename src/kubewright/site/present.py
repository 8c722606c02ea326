"""What a site is now, as its pointer says."""

from dataclasses import dataclass

from kubewright.models.base import Sha256
from kubewright.models.site import State
from kubewright.site import freshness
from kubewright.site.words import Word


@dataclass(frozen=True)
class Present:
    """What is published now. A site that has nothing yet has neither state nor pointer."""

    tag: str | None
    """Of the pointer's bytes, for the swap."""
    state: State | None
    sha256: Sha256 | None
    """Of the state."""
    finished: State | None
    """The state that everything derived was last written for; None: that is not known."""
    word: Word | None = None
    """What the pointer says."""
    last: Word | None = None
    """What it said when everything derived was written."""
    said: str | None = None
    """The tag of that word."""

    @property
    def undated(self) -> bool:
        """Whether suites may have other dates than the pointer says."""
        return freshness.dated(self.last) != freshness.dated(self.word)

    @property
    def unfinished(self) -> bool:
        """Whether a publication was committed, but not all that follows from it is written."""
        return self.state is not None and (self.finished != self.state or self.undated)
