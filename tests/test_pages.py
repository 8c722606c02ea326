"""Commands of our pages: each that is marked is typed in an acceptance run, and the front page says the same."""

import ast
import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from kubewright.stages.manifest import Entry, install

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "tests" / "acceptance").glob("*.py"))
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGE = ROOT / "docs" / "install.md"
TYPE = {"commands", "follow", "owner", "typed"}
"""What chapters call to type a block; its name is the one word among the arguments that is no machine's."""


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module with which the acceptance run reads pages."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "acceptance")
    return importlib.import_module("pages")


def words(node: ast.expr) -> set[str]:
    """The texts that an argument may be: itself, or both sides of a choice."""
    if isinstance(node, ast.IfExp):
        return words(node.body) | words(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def asked() -> set[str]:
    """Every block that a chapter names where it types it."""
    network = next(path for path in CHAPTERS if path.name == "network.py")
    machines = set(re.findall(r'"(\w+)": \d+', network.read_text()))
    found: set[str] = set()
    for path in CHAPTERS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in TYPE:
                    found |= set().union(*map(words, node.args))
    return found - machines - {page.name for page in DOCS}


def test_what_pages_mark_is_what_chapters_type(pages: ModuleType) -> None:
    marked = [name for page in DOCS for name in pages.blocks(page.name)]
    assert len(marked) == len(set(marked)), "two blocks have one name"
    assert asked() == set(marked)


def test_every_mark_has_its_block(pages: ModuleType) -> None:
    for page in DOCS:
        marks = re.findall("^<!-- acceptance: ", page.read_text(), re.MULTILINE)
        assert len(marks) == len(pages.blocks(page.name)), page


def test_the_install_page_is_the_front_page(pages: ModuleType) -> None:
    ways = {one.format: one.commands for one in install(Entry(site_url="", channel="$CHANNEL", provenance=""))}
    blocks = pages.blocks(PAGE.name)
    typed = "".join(blocks[name] for name in ("key", "repository", "install-node", "check-node"))
    first, _, deb = ways["deb"].partition("\n")
    assert first.startswith("SITE=")
    assert typed == deb
    assert f"```sh\n{ways['rpm'].partition(chr(10))[2]}```" in PAGE.read_text()


def test_the_page_has_people_set_what_its_commands_use(pages: ModuleType) -> None:
    text = PAGE.read_text()
    used = set(re.findall(r"(?<!\\)\$([A-Z_]+)", "".join(pages.blocks(PAGE.name).values())))
    settings = text.partition("## Settings")[2].partition("## ")[0]
    assert set(re.findall(r"^([A-Z]+)=", settings, re.MULTILINE)) == {"SITE", "CHANNEL", "REGISTRY"}
    further = {"PODS", "PEER", "PEER_PODS", "ENDPOINT", "TOKEN", "CA_HASH", "FINGERPRINT"}
    assert used - {"SITE", "CHANNEL", "REGISTRY"} == further
    outside = re.sub(r"```sh.*?```", "", text, flags=re.DOTALL)
    assert all(name in outside for name in used)
