"""A site that is verified in order to be copied, while others may publish on it."""

from collections.abc import Iterator
from contextlib import contextmanager

from kubewright import files
from kubewright.errors import VerificationFailed
from kubewright.site import layout
from kubewright.stages.copying import Original
from kubewright.verification import Report
from kubewright.verification.source import Source
from kubewright.verification.steady import Steady


class Moving(Exception):
    """Somebody is publishing where it is read, or where it is written."""


def refuse_unsound(report: Report, done: str) -> None:
    """Raise VerificationFailed that names the first object with a fault; `done` is what was not."""
    if report.findings:
        first, more = report.findings[0], len(report.findings) - 1
        others = f" (and {more} more faults)" if more else ""
        raise VerificationFailed(
            f"{report.site}: {first.place}",
            f"{first.problem}{others}",
            f"nothing was {done}; `kubewright verify {report.site}` lists all that is wrong",
        )


def measures(read: Steady, report: Report) -> dict[str, tuple[int, str]]:
    """Every object that the original's documents name and that was looked at."""
    found = {}
    for path in report.named:
        measure = read.seen.get(path)
        if measure is not None:
            found[path] = measure
    return found


@contextmanager
def still(fresh: Source, original: Original) -> Iterator[None]:
    """What is found wrong while somebody publishes is not wrong. Raises Moving."""
    try:
        yield
    except VerificationFailed:
        require_still(fresh, original)
        raise


def require_still(fresh: Source, original: Original) -> None:
    """Raise Moving if the original is at another publication by now."""
    for path in layout.POINTERS:
        data = fresh.read(path)
        now = None if data is None else (len(data), files.sha256(data))
        if original.source.seen.get(path, now) != now:
            raise Moving
