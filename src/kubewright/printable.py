"""Text of others, as a terminal or a log may show it: nothing in it acts, hides or pretends."""

LONGEST = 10_000
"""Characters of one text that are shown."""


def printable(text: str, *, lines: bool = False) -> str:
    r"""A text in which every character that is not seen as itself is written out: `\x1b`, `\u202e`.

    These are controls, marks of direction, spaces that are none, and line ends unless `lines` are
    wanted. What is longer than LONGEST is cut.
    """
    kept = "\n\t" if lines else ""
    shown = "".join(
        one if one.isprintable() or one in kept else one.encode("unicode_escape").decode()
        for one in text[:LONGEST]
    )
    more = len(text) - LONGEST
    return f"{shown}… ({more} characters more)" if more > 0 else shown


def printable_json(text: str) -> str:
    r"""The same of a JSON text, which says the same afterwards: `\u202e` is JSON's own spelling."""
    return "".join(one if one.isprintable() or one == "\n" else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
