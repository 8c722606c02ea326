"""Finds contradictions between the dates and patches that a minor's file states."""

from collections.abc import Iterator, Sequence
from datetime import date

from kubewright import versions
from kubewright.models.catalog import MinorFacts
from kubewright.models.skew import Support

DAYS_OF_A_MONTH = 30.44
APPROXIMATE = 1.5
"""Months by which upstream has ended the support of a minor early: nine months were approximate."""


def dates(facts: MinorFacts) -> Iterator[tuple[str, str]]:
    """Keys of the file, and the problem with each."""
    yield from _numbers(facts)
    yield from _end(facts)
    yield from _days(facts)


def _end(facts: MinorFacts) -> Iterator[tuple[str, str]]:
    end = facts.end_of_life
    if end is not None and end <= facts.released:
        yield (
            "end_of_life",
            f"{end} is not after the release ({facts.released}); correct one of them",
        )
    elif end is not None:
        for index, patch in enumerate(facts.patches):
            if patch.date and patch.date > end and not patch.note:
                what = f"{patch.version} ({patch.date}) came after the end of life ({end})"
                yield f"patches[{index}].date", f"{what}; correct one of them, or say so in a note"


def _days(facts: MinorFacts) -> Iterator[tuple[str, str]]:
    correct = "correct one of them"
    before = ""
    for index, patch in enumerate(facts.patches):
        key, day = f"patches[{index}].date", patch.date or before
        if day < before:
            yield key, f"{patch.version} is older than the patch before it ({before}); {correct}"
        if patch.date and versions.is_final(patch.version) and patch.date < facts.released:
            released = f"{facts.minor} ({facts.released})"
            yield key, f"{patch.version} is older than {released}; {correct}"
        if patch.version == f"{facts.minor}.0" and patch.date not in (None, facts.released):
            yield key, f"{patch.date} is not the day of the release ({facts.released}); {correct}"
        if patch.skipped and patch.date:
            yield key, f"{patch.version} was skipped, so it has no date; remove one of them"
        before = day


def _numbers(facts: MinorFacts) -> Iterator[tuple[str, str]]:
    """Upstream counts its patches from 0 and leaves none out, though it may skip one."""
    finals = filter(versions.is_final, (patch.version for patch in facts.patches))
    numbers = {versions.parse(version).patch for version in finals}
    for missing in sorted(set(range(max(numbers, default=-1))) - numbers):
        yield (
            "patches",
            f"{facts.minor}.{missing} is missing; "
            "list it, with `skipped` if upstream never released it",
        )
    for index, patch in enumerate(facts.patches):
        if patch.skipped and patch.avoid:
            yield (
                f"patches[{index}].avoid",
                f"{patch.version} was skipped, so nobody can ask for it; remove one of them",
            )


def support(facts: MinorFacts, stated: Sequence[Support]) -> Iterator[tuple[str, str]]:
    """An end of life before the support that the policy promises, which is approximate by some
    weeks.
    """
    if facts.end_of_life is None or facts.end_of_life <= facts.released:
        return
    promised = None
    for promise in stated:
        if versions.order(promise.since or "0") <= versions.order(facts.minor):
            promised = promise.months
    if promised is None:
        return
    begun, ended = date.fromisoformat(facts.released), date.fromisoformat(facts.end_of_life)
    if (ended - begun).days < (promised - APPROXIMATE) * DAYS_OF_A_MONTH:
        yield (
            "end_of_life",
            f"{ended} is less than {promised} months after the release ({begun}), "
            "which recipes/skew.toml promises; correct one of them",
        )
