"""The commands of our own pages: what a page says to type is what a run types."""

import re
from pathlib import Path

from engine import Failed

DOCS = Path(__file__).resolve().parents[2] / "docs"
"""The pages of this checkout."""


def commands(page: Path, name: str) -> str:
    """The fenced block after the line `<!-- acceptance: NAME -->`. Raises Failed where the page has none."""
    marked = rf"^<!-- acceptance: {re.escape(name)} -->\n```\w*\n(.*?)^```$"
    found = re.search(marked, page.read_text(), re.MULTILINE | re.DOTALL)
    if found is None:
        raise Failed(f"{page}: no fenced block after <!-- acceptance: {name} -->; put the marker back")
    return found[1]
