"""The pages of our documentation that a site has, as this version of kubewright writes them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import escape

from kubewright.site import layout
from kubewright.site.pages import shared

NAMES: Final = ("install", "upgrade")
"""In the folder docs/, as .md."""

SCRIPT: Final = "install.sh"
"""The example installer, there too."""


def paths() -> set[str]:
    """Where they lie on a site."""
    return {layout.INSTALLER, *map(layout.document_page, NAMES)}


def variables(folder: Path, url: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each page by its path, with what the template shows. Raises OSError without the folder."""
    for name in NAMES:
        title, text = rendered((folder / f"{name}.md").read_text(encoding="utf-8"))
        site = shared.site(url, "../")
        facts = {"title": title, "text": text, "development": False, "origin": "upstream"}
        yield layout.document_page(name), {**site, **facts}


@lru_cache(maxsize=len(NAMES))
def rendered(source: str) -> tuple[str, str]:
    """The title and the rest of a page in Markdown, as HTML.

    Links to pages that a site does not have become words, and comments go.
    """
    reader = MarkdownIt("commonmark").enable("table")
    reader.add_render_rule("fence", _fence)
    reader.add_render_rule("table_open", _table_open)
    reader.add_render_rule("table_close", _table_close)
    title = ""
    tokens = [one for one in reader.parse(source) if one.type != "html_block"]
    for place, token in enumerate(tokens):
        if token.type == "heading_open":
            words = tokens[place + 1].content
            token.attrSet("id", slug(words))
            title = title or words
        if token.children:
            token.children = _linked(token.children)
    body = tokens[3:] if tokens and tokens[0].tag == "h1" else tokens
    return title, reader.renderer.render(body, reader.options, {})


def slug(heading: str) -> str:
    """The anchor of a heading: `One command` is `one-command`."""
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading.strip().lower()))


def target(link: str) -> str | None:
    """Where a link of our documentation leads from a page below docs/; None: nowhere on a site."""
    if re.match(r"https?://|#", link):
        return link
    path, hash_, anchor = link.partition("#")
    if path == SCRIPT:
        return f"../{layout.INSTALLER}"
    name = path.removesuffix(".md")
    return f"{name}.html{hash_}{anchor}" if name in NAMES and path != name else None


def _linked(children: Sequence[Token]) -> list[Token]:
    """Words with the links that lead somewhere."""
    found, dropped = list[Token](), list[bool]()
    for token in children:
        if token.type == "link_open":
            goal = target(str(token.attrGet("href")))
            dropped.append(goal is None)
            if goal is None:
                continue
            token.attrSet("href", goal)
        if token.type == "link_close" and dropped.pop():
            continue
        if token.type != "html_inline":
            found.append(token)
    return found


def _fence(
    _: RendererHTML, tokens: Sequence[Token], place: int, _options: object, _env: object
) -> str:
    """Commands, with room for the button that copies them."""
    text = escape(tokens[place].content.strip())
    return (
        f'<div class="said card"><pre tabindex="0" role="region" aria-label="Text {place}">'
        f"<code>{text}</code></pre></div>\n"
    )


def _table_open(_: RendererHTML, _tokens: Sequence[Token], place: int, *_rest: object) -> str:
    name = f"Table {place}"
    return f'<div class="card scroll" tabindex="0" role="region" aria-label="{name}"><table>\n'


def _table_close(*_: object) -> str:
    return "</table></div>\n"
