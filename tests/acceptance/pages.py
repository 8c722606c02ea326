"""The commands of our own pages: what a page says to type is what a run types."""

import re
from pathlib import Path

from engine import Failed

DOCS = Path(__file__).resolve().parents[2] / "docs"
"""The pages of this checkout."""

INSTALL = DOCS / "install.md"

BLOCK = re.compile(r"^<!-- acceptance: ([^\n]+) -->\n```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
"""A block that a chapter types: its name in a comment before it, then the commands."""


def blocks(page: Path) -> dict[str, str]:
    """The named blocks of a page as they stand there."""
    return dict(BLOCK.findall(page.read_text()))


def commands(page: Path, name: str) -> str:
    """The fenced block after the line `<!-- acceptance: NAME -->`. Raises Failed where the page has none."""
    found = blocks(page)
    if name not in found:
        raise Failed(f"{page}: no fenced block after <!-- acceptance: {name} -->; put the marker back")
    return found[name]
