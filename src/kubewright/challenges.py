"""Reads how a server wants to be told who asks: the challenges of a 401 (RFC 9110, 11.6.1)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED: Final = r'"(?:[^"\\]|\\.)*\\?(?:"|\Z)'

_PIECES: Final = re.compile(
    rf"""
    (?P<name>{_WORD})[ \t]*=[ \t]*  # a parameter; servers leave the quotes out of URLs too
        (?:"(?P<quoted>(?:[^"\\]|\\.)*)\\?(?:"|\Z)|(?P<plain>[^\s,"=][^\s,"]*))
    | (?P<scheme>{_WORD})(?=[\s,]|\Z)  # a scheme, alone or with a word of its own (token68)
        (?:[ \t]+(?P<word>[A-Za-z0-9._~+/-]+=*)(?=[ \t]*(?:,|\Z)))?
    | [\s,]+ | {_QUOTED} | [^\s,"]+  # between them, and what cannot be read
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Challenge:
    """One way to say who asks: a scheme, and its parameters or one word.

    Scheme and parameters are named in lower case: their names are in any.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    word: str = ""


def challenges(text: str) -> tuple[Challenge, ...]:
    """Every challenge of a `WWW-Authenticate` field, or of several joined by commas, in order.

    What cannot be read is passed over.
    """
    found: list[Challenge] = []
    parameters: dict[str, str] = {}
    for piece in _PIECES.finditer(text):
        if piece["scheme"]:
            parameters = {}
            found.append(Challenge(piece["scheme"].lower(), parameters, piece["word"] or ""))
        elif piece["name"]:
            quoted, plain = piece["quoted"], piece["plain"]
            value = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL)
            parameters.setdefault(piece["name"].lower(), value)
    return tuple(found)
