"""How Sphinx builds the pages of this checkout, where they lie: `./nox -s docs`."""

import re
from html import escape
from pathlib import Path
from typing import Any

import mmdr
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ROOT = Path(__file__).resolve().parent.parent
PICTURES = "_pictures"
"""The folder of the built pages that holds pictures made of Mermaid's text."""

project = "Kubewright"
release = re.findall('__version__ = "(.*)"', (ROOT / "src/kubewright/__init__.py").read_text())[0]
html_title = f"Kubewright {release}"
project_copyright = "the Kubewright authors"

extensions = ["myst_parser"]
root_doc = "docs/README"
include_patterns = [
    "*.md", "docs/*.md", "images/*.md", "packaging/*.md", "recipes/*.md", "repo/*.md",
    "tests/bench/*.md",
]  # fmt: skip
exclude_patterns = [".*", "build", "dist", "site", "src"]
"""Folders without pages, which would be walked through."""

myst_heading_anchors = 4
"""Headings of these depths have the anchors that a forge gives them."""
myst_fence_as_directive = ["mermaid"]
highlight_language = "text"
smartquotes = False  # would make a dash of the hyphens of --dry-run

html_theme = "furo"
html_copy_source = False
linkcheck_anchors = False


class Mermaid(SphinxDirective):
    """A picture of a flowchart, made here: the page asks no other host for a program."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Write the picture beside the pages, and name it. Raises where it has no title."""
        text = "\n".join(self.content)
        title = re.search(r"^\s*accTitle: (.+)$", text, re.MULTILINE)
        if title is None:
            raise self.error("a picture needs a line `accTitle: WHAT IT SHOWS`")
        name = f"{self.env.docname.replace('/', '-')}-{self.lineno}.svg"
        folder = Path(self.env.app.outdir) / PICTURES
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(mmdr.render(text).svg(), encoding="utf-8")
        up = "../" * self.env.docname.count("/")
        alt = escape(title[1])
        picture = f'<img src="{up}{PICTURES}/{name}" alt="{alt}" style="background: white">'
        return [nodes.raw("", f"<p>{picture}</p>", format="html")]


def contents(text: str) -> str:
    """The tables of contents that the lists of docs/README.md stand for, each under its heading."""
    blocks = []
    for heading, body in re.findall(r"^## (.+)\n((?:(?!## ).*\n?)*)", text, re.MULTILINE):
        pages = re.findall(r"^- \[([^]]+)\]\(([^)#]+)\.md\)", body, re.MULTILINE)
        if pages:
            lines = "\n".join(f"{title} <{page}>" for title, page in pages)
            blocks.append(f"```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{lines}\n```\n")
    return "\n".join(blocks)


def add_contents(_app: Sphinx, page: str, source: list[str]) -> None:
    """Let Sphinx see the lists of docs/README.md as tables of contents."""
    if page == root_doc:
        source[0] += "\n" + contents(source[0])


READABLE = {
    'role="heading">': 'role="heading" aria-level="2">',
    '<aside class="sidebar-drawer': '<aside aria-label="Pages" class="sidebar-drawer',
    '<aside class="toc-drawer': '<aside aria-label="On this page" class="toc-drawer',
    "<pre>": '<pre tabindex="0">',
    '<div class="table-wrapper': '<div tabindex="0" class="table-wrapper',
}
"""What Sphinx and furo write, and what screen readers and keyboards can use: axe-core says so."""


def readable(app: Sphinx, error: Exception | None) -> None:
    """Let everybody read the pages: headings have levels, regions names, and what scrolls is
    reached by keys.
    """
    if error is None and app.builder.format == "html":
        for page in Path(app.outdir).rglob("*.html"):
            text = before = page.read_text(encoding="utf-8")
            for written, meant in READABLE.items():
                text = text.replace(written, meant)
            if text != before:
                page.write_text(text, encoding="utf-8")


def forward(app: Sphinx, error: Exception | None) -> None:
    """Let the folder itself lead to the first page."""
    if error is None and app.builder.format == "html":
        lead = f'<meta http-equiv="refresh" content="0; url={root_doc}.html">'
        head = f'<!doctype html><html lang="en"><title>{project}</title>{lead}'
        page = f'{head}<main><h1>{project}</h1><a href="{root_doc}.html">Docs</a></main>\n'
        (Path(app.outdir) / "index.html").write_text(page, encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the above."""
    app.add_directive("mermaid", Mermaid)
    app.connect("source-read", add_contents)
    app.connect("build-finished", readable)
    app.connect("build-finished", forward)
    return {"parallel_read_safe": True}
