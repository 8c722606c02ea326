"""What a verification found."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

from kubewright.errors import KubewrightError, UpstreamUnreachable
from kubewright.models.document import REMEDY
from kubewright.models.report import Finding
from kubewright.verification.notes import Measure, Measures, NoRoom

CHANGED = f"its SHA-256 is not the one that the site names; {REMEDY}"


class Tally:
    """Counts checks and keeps what failed; the walk goes on after a failure."""

    def __init__(self) -> None:
        """Nothing is checked yet."""
        self.checked = 0
        self.findings: list[Finding] = []
        self.warnings: list[str] = []
        self._seen: set[tuple[str, str]] = set()

    @contextmanager
    def check(self, place: str) -> Iterator[None]:
        """One check: what it raises becomes a finding at `place`, but that a server cannot be
        reached, or that this machine's disk is full, says nothing.
        """
        self.checked += 1
        try:
            yield
        except (UpstreamUnreachable, NoRoom):
            raise
        except KubewrightError as error:
            self.fail(place, str(error).removeprefix(f"{place}: "))
        except (
            ValueError,
            LookupError,
            ArithmeticError,
            RecursionError,
            EOFError,
            OSError,
        ) as error:
            words = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.fail(place, f"cannot be read: {words}")

    def require(self, place: str, condition: bool, problem: str) -> bool:
        """Count a check whose outcome is already known."""
        self.checked += 1
        if not condition:
            self.fail(place, problem)
        return condition

    def measure(self, place: str, found: Measure | None, promised: Measure) -> bool:
        """Check an object's size and SHA-256 against what was promised of it."""
        if found is None:
            return self.require(place, False, f"missing; {REMEDY}")
        if found[0] != promised[0]:
            problem = f"has {found[0]} bytes, not {promised[0]}; {REMEDY}"
            return self.require(place, False, problem)
        return self.require(place, found == promised, CHANGED)

    def same(self, place: str, listed: Measures, wanted: Measures, *, complete: bool) -> None:
        """Check that an index lists exactly the files of its channel, with their sizes and digests.

        Where it is not known of all that it should, more may be right too.
        """
        absent = _some(path for path, _ in wanted.items() if path not in listed)
        self.require(place, not absent, f"lacks {absent}")
        more = _some(path for path, _ in listed.items() if complete and path not in wanted)
        problem = f"lists {more}, which the channel does not have; run `kubewright repair`"
        self.require(place, not more, problem)
        changed = _some(
            path for path, measure in listed.items() if wanted.get(path, measure) != measure
        )
        self.require(place, not changed, f"contradicts the manifest about {changed}")

    def fail(self, place: str, problem: str) -> None:
        """Note a failure, once."""
        if (place, problem) not in self._seen:
            self._seen.add((place, problem))
            self.findings.append(Finding(place=place, problem=problem))


def _some(paths: Iterable[str]) -> str:
    """The first three of them, and how many more; empty: there are none."""
    left = iter(paths)
    first = ", ".join(islice(left, 3))
    more = sum(1 for _ in left)
    return f"{first} and {more} more" if more else first
