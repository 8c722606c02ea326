"""What a verification found."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

from kubewright.errors import KubewrightError, UpstreamUnreachable
from kubewright.models.document import REMEDY
from kubewright.models.report import Finding
from kubewright.verification.source import Measure

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
        reached says nothing.
        """
        self.checked += 1
        try:
            yield
        except UpstreamUnreachable:
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

    def same(
        self, place: str, listed: Mapping[str, Measure], wanted: Mapping[str, Measure], owner: str,
        *, complete: bool = True,
    ) -> None:  # fmt: skip
        """Check that an index lists exactly the files that it should, with their sizes and digests.

        Where it is not known of all that it should, more may be right too.
        """
        self.require(place, not (absent := wanted.keys() - listed.keys()), f"lacks {_some(absent)}")
        more = listed.keys() - wanted.keys() if complete else set()
        self.require(
            place,
            not more,
            f"lists {_some(more)}, which {owner} does not have; run `kubewright repair`",
        )
        changed = {path for path in listed.keys() & wanted.keys() if listed[path] != wanted[path]}
        self.require(place, not changed, f"contradicts the manifest about {_some(changed)}")

    def fail(self, place: str, problem: str) -> None:
        """Note a failure, once."""
        if (place, problem) not in self._seen:
            self._seen.add((place, problem))
            self.findings.append(Finding(place=place, problem=problem))


def _some(paths: Collection[str]) -> str:
    first = sorted(paths)
    return ", ".join(first[:3]) + (f" and {len(first) - 3} more" if len(first) > 3 else "")
