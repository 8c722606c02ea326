"""The commands of the documentation: a chapter types what a page says, so that the two cannot
differ.
"""

import re
from pathlib import Path

from engine import Failed

DOCS = Path(__file__).resolve().parents[2] / "docs"

BLOCK = re.compile(r"^<!-- acceptance: (\S+) -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A block that a chapter runs: its name in a comment before it, then the commands."""


def blocks(page: str) -> dict[str, str]:
    """Every named block of a page of docs/, by its name, as it stands there."""
    return dict(BLOCK.findall((DOCS / page).read_text()))


def commands(page: str, name: str) -> str:
    """One block of a page, as it stands there."""
    found = blocks(page)
    if name not in found:
        raise Failed(f"docs/{page} has no block {name!r}; it has: {', '.join(found)}")
    return found[name]
