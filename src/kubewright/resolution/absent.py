"""What an upstream lacks: whether it is only missing for now, and whether a release can be without
it.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from kubewright.errors import RequestError, UpstreamUnreachable
from kubewright.models.components import Components
from kubewright.models.lock import Input, Unavailable
from kubewright.resolution.build_problem import spared_as

if TYPE_CHECKING:
    from kubewright.upstream import Upstream

KUBERNETES: Final = "kubernetes"

AGAIN: Final = "try again later, or use another mirror with --upstream"


def vouched_for(entry: Input, checked_by: str, components: Components) -> UpstreamUnreachable:
    """The error for a file that is not there although its checksum is: it exists."""
    needed = components.components[entry.component].needed
    return UpstreamUnreachable(
        entry.id,
        f"there is no {entry.url}, but {checked_by} has its checksum: it exists, and is missing",
        AGAIN if needed else f"{AGAIN}{_without([entry.component])}",
    )


def refuse(
    answers: Sequence[Input | Unavailable], components: Components, upstream: "Upstream"
) -> None:
    """Refuse what a release cannot be without, and what it must not lack without a word.

    Of Kubernetes that is every program for every architecture; of a companion all that its real
    upstream, or a mirror of that, should have. Mirrors with bytes of their own have what somebody
    chose to make. Raises RequestError and UpstreamUnreachable.
    """
    gaps = [answer for answer in answers if isinstance(answer, Unavailable)]
    own = [gap for gap in gaps if gap.component == KUBERNETES]
    if own:
        wanted = [answer for answer in answers if answer.component == KUBERNETES]
        raise _no_kubernetes(own, wanted)
    if gaps and not (upstream.origin and upstream.origin.own_bytes):
        raise _no_companion(gaps, components)


def _no_kubernetes(
    gaps: Sequence[Unavailable], wanted: Sequence[Input | Unavailable]
) -> RequestError | UpstreamUnreachable:
    first = gaps[0]
    if len(gaps) == len(wanted):
        return RequestError(
            "Kubernetes",
            f"{first.reason}; that version does not exist there",
            "ask for another version; where a marker named this one, its files are not there yet:"
            " try again later",
        )
    there = sorted({answer.arch for answer in wanted if isinstance(answer, Input)})
    for arch in sorted({gap.arch for gap in gaps} - set(there)):
        return RequestError(
            f"Kubernetes for {arch}",
            f"{first.reason}, nor any other program for that architecture",
            f"leave it out: --arch {','.join(there)}",
        )
    return UpstreamUnreachable(
        f"{first.component}/{first.name} {first.arch}",
        f"{first.reason}, and Kubernetes is nothing without it",
        AGAIN,
    )


def _no_companion(
    gaps: Sequence[Unavailable], components: Components
) -> RequestError | UpstreamUnreachable:
    first = gaps[0]
    place = f"{first.component}/{first.name} {first.arch}"
    more = f" ({len(gaps)} files are missing)" if len(gaps) > 1 else ""
    for gap in gaps:
        if components.components[gap.component].needed:
            return UpstreamUnreachable(
                f"{gap.component}/{gap.name} {gap.arch}",
                f"{gap.reason}{more}, and every node needs it",
                AGAIN,
            )
    return RequestError(
        place,
        f"{first.reason}{more}",
        f"{AGAIN}{_without([gap.component for gap in gaps])}",
    )


def _without(components: Iterable[str]) -> str:
    """The end of a remedy: how to say that a release shall not have these."""
    names = dict.fromkeys(map(spared_as, components))
    options = " ".join(f"--without {name}" for name in names)
    return f"; if the release shall do without, say so: {options}"
