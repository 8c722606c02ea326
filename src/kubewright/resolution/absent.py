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


def has_own_bytes(upstream: "Upstream", entry: Input) -> bool:
    """Whether an input is read from a mirror whose programs are others than upstream's."""
    origin = upstream.origin(entry.url)
    return origin is not None and origin.own_bytes


def vouched_for(
    entry: Input, checked_by: str, components: Components, upstream: "Upstream"
) -> UpstreamUnreachable:
    """The error for a file that is not there although its checksum is: it exists."""
    needed = components.components[entry.component].needed
    return UpstreamUnreachable(
        entry.id,
        f"there is no {upstream.named(entry.url)}, but {checked_by} has its checksum: it exists,"
        " and is missing",
        AGAIN if needed else f"{AGAIN}{_without([entry.component])}",
    )


def refuse(
    asked: Sequence[tuple[Input, Input | Unavailable]],
    components: Components,
    upstream: "Upstream",
) -> None:
    """Refuse what a release cannot be without, and what it must not lack without a word.

    Of Kubernetes that is every program for every architecture; of a companion all that its real
    upstream, or a mirror of that, should have. Mirrors with bytes of their own have what somebody
    chose to make. `asked` has each input with the answer. Raises RequestError and
    UpstreamUnreachable.
    """
    gaps = [entry for entry, answer in asked if isinstance(answer, Unavailable)]
    own = [entry for entry in gaps if entry.component == KUBERNETES]
    if own:
        wanted = [entry for entry, _ in asked if entry.component == KUBERNETES]
        raise _no_kubernetes(own, wanted, upstream)
    missed = [entry for entry in gaps if not has_own_bytes(upstream, entry)]
    if missed:
        raise _no_companion(missed, components, upstream)


def _lacks(entry: Input, upstream: "Upstream") -> str:
    """What an upstream lacks, with the place where it was looked for."""
    return f"this upstream has no {upstream.named(entry.url)}"


def _no_kubernetes(
    gaps: Sequence[Input], wanted: Sequence[Input], upstream: "Upstream"
) -> RequestError | UpstreamUnreachable:
    first, lacks = gaps[0], _lacks(gaps[0], upstream)
    if len(gaps) == len(wanted):
        return RequestError(
            "Kubernetes",
            f"{lacks}; that version does not exist there",
            "ask for another version; where a marker named this one, its files are not there yet:"
            " try again later",
        )
    there = sorted({entry.arch for entry in wanted if entry not in gaps})
    for arch in sorted({gap.arch for gap in gaps} - set(there)):
        return RequestError(
            f"Kubernetes for {arch}",
            f"{lacks}, nor any other program for that architecture",
            f"leave it out: --arch {','.join(there)}",
        )
    return UpstreamUnreachable(
        first.id,
        f"{lacks}, and Kubernetes is nothing without it",
        AGAIN,
    )


def _no_companion(
    gaps: Sequence[Input], components: Components, upstream: "Upstream"
) -> RequestError | UpstreamUnreachable:
    more = f" ({len(gaps)} files are missing)" if len(gaps) > 1 else ""
    for gap in gaps:
        if components.components[gap.component].needed:
            return UpstreamUnreachable(
                gap.id,
                f"{_lacks(gap, upstream)}{more}, and every node needs it",
                AGAIN,
            )
    return RequestError(
        gaps[0].id,
        f"{_lacks(gaps[0], upstream)}{more}",
        f"{AGAIN}{_without([gap.component for gap in gaps])}",
    )


def _without(components: Iterable[str]) -> str:
    """The end of a remedy: how to say that a release shall not have these."""
    names = dict.fromkeys(map(spared_as, components))
    options = " ".join(f"--without {name}" for name in names)
    return f"; if the release shall do without, say so: {options}"
