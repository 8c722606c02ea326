"""What a caller demands of a site beside that it is sound: its address, its age, no other files."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from kubewright.addresses import origin
from kubewright.models.base import DAY
from kubewright.models.bundle import Part
from kubewright.models.site import State
from kubewright.moments import moment
from kubewright.site import layout
from kubewright.verification.report import Tally


@dataclass(frozen=True)
class Demands:
    """What a site must be; nothing is demanded where a field is None."""

    url: str | None = None
    """The address that is its own, wherever it is read from."""
    max_age: int | None = None
    """Days since its newest publication."""
    part: Part | None = None
    """Of which releases packages and images are looked at; the others may lack theirs."""
    whole: bool = False
    """Whether every release that the index lists must be here."""
    own: tuple[str, ...] | None = None
    """Patterns of what people keep beside the site; None: anything may lie there, which is said."""


def check(tally: Tally, state: State, demands: Demands, site: str, now: int) -> None:
    """Compare the present publication with what is demanded; `site` is where it was read."""
    asked = demands.url or (site if site.startswith(("http://", "https://")) else None)
    if asked and (state.url or demands.url):
        here = state.url or "no fixed address"
        remedy = f"; if a copy of that site is meant, pass --url {here}" if state.url else ""
        problem = f"says that it is the site at {here}, not at {asked}{remedy}"
        tally.require(layout.STATE, same(state.url, asked), problem)
    if demands.max_age is not None:
        age = (now - state.issued) // DAY
        problem = (
            f"publication {state.number} of {moment(state.issued)} is {age} days old, more than the"
            f" {demands.max_age} of --max-age: the site is held back, or nobody publishes; look at"
            " the site where it is published"
        )
        tally.require(layout.STATE, now - state.issued <= demands.max_age * DAY, problem)


def same(one: str, other: str) -> bool:
    """Whether two addresses are one: the case of the host, its usual port, an account and a slash
    at the end make none.
    """
    return all(part(one) == part(other) for part in (origin, _path))


def _path(url: str) -> str:
    return urlsplit(url).path.rstrip("/")
