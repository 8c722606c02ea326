"""Whether a deliberate fault is named where a person looks."""

from collections.abc import Sequence

from report import Noticed


class Unnoticed(Exception):
    """What a person sees does not name the fault."""


def notice(place: str, seen: str, words: Sequence[str], advice: str = "") -> None:
    """Raise Noticed with what a person sees if all words are in it, else Unnoticed.

    `advice` is for where the program that speaks is not ours and says what is wrong, but not what
    to do.
    """
    missing = [word for word in words if word not in seen]
    if missing:
        raise Unnoticed(
            f"{place}: the fault is not named: {missing[0]!r} is not in what one sees:\n{seen}"
        )
    raise Noticed(
        f"{place}\n\n{excerpt(seen, words)}" + (f"\n\nWhat to do: {advice}." if advice else "")
    )


def excerpt(seen: str, words: Sequence[str]) -> str:
    """The lines that hold the words, each with one before and five after it; … stands for
    others.
    """
    lines = seen.splitlines()
    kept = {
        near
        for number, line in enumerate(lines)
        if any(word in line for word in words)
        for near in range(number - 1, number + 6)
    }
    shown: list[str] = []
    for number, line in enumerate(lines):
        if number in kept:
            shown.append(line)
        elif not shown or shown[-1] != "…":
            shown.append("…")
    return "\n".join(shown)
