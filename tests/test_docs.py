"""The pages for people: each is found from docs/README.md, each link leads somewhere, and what
Sphinx makes of them asks no other host for anything.
"""

import re
import subprocess
import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from kubewright.cli.facts import Page, pages

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs" / "README.md"
FOLDERS = (".", "docs", "images", "packaging", "recipes", "repo", "tests/bench")
PAGES = sorted(page for folder in FOLDERS for page in (ROOT / folder).glob("*.md"))
each_page = pytest.mark.parametrize("page", PAGES, ids=[str(p.relative_to(ROOT)) for p in PAGES])

SESSIONS = {"tests", "lint", "docs", "bench", "acceptance", "conformance", "faults", "soak"}
"""Of the noxfile, beside the verbs."""

FENCE = re.compile(r"^(```|~~~).*?^\1$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\\)\[(?:[^][]|\[[^]]*\])*\]\(([^()\s]+)\)")


def prose(text: str) -> str:
    """A page without its examples, fenced, indented or within a line."""
    return re.sub(r"^    .*$|`[^`\n]+`", "", FENCE.sub("", text), flags=re.MULTILINE)


def links(text: str) -> list[str]:
    """Where the links of a page lead that stay in the checkout."""
    return [to for to in LINK.findall(prose(text)) if not re.match("[a-z]+:", to)]


def anchors(text: str) -> set[str]:
    """The anchors that a forge and Sphinx give the headings of a page."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", FENCE.sub("", text), re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        number = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", one) is not None for one in found)
        found.add(f"{name}-{number}" if number else name)
    return found


@cache
def anchors_of(page: Path) -> set[str]:
    return anchors(page.read_text(encoding="utf-8"))


def dead(text: str, page: Path) -> list[str]:
    """The links that lead nowhere in the text of a page."""
    found = []
    for link in links(text):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        outside = not target.is_relative_to(ROOT)
        known = anchors(text) if target == page else anchors_of(target) if target.is_file() else ()
        if outside or not target.is_file() or (anchor and anchor not in known):
            found.append(link)
    return found


def test_the_table_of_contents_has_each_page_once() -> None:
    listed = [(TABLE.parent / link).resolve() for link in links(TABLE.read_text())]
    assert sorted(listed) == sorted(set(PAGES) - {TABLE}), "docs/README.md: a line for each page"


@each_page
def test_each_link_leads_to_a_file_and_a_heading_that_are_there(page: Path) -> None:
    assert dead(page.read_text(encoding="utf-8"), page) == []


@pytest.mark.parametrize(
    "words",
    [
        "[a](no-such.md)",
        "[a](README.md#no-such)",
        "[a](#no-such)",
        "[`a`](no-such.md)",
        "[a [b] c](no-such.md)",
        "a ([b](no-such.md#there))",
        "[a](../../../etc/passwd)",
        "[a](.)",
    ],
)
def test_a_link_that_leads_nowhere_is_seen(words: str) -> None:
    text = f"# Page\n\n{words} and [here](#page), [there](install.md#the-key)\n"
    assert dead(text, TABLE) == LINK.findall(words)


@pytest.mark.parametrize(
    "words", ["`[a](no-such.md)`", "```sh\n[a](no-such.md)\n```", "    [a](no-such.md)", "[a](b c)"]
)
def test_what_only_looks_like_a_link_is_none(words: str) -> None:
    assert dead(f"# Page\n\n{words}\n", TABLE) == []


def typed(text: str) -> list[list[str]]:
    """The calls of kubewright in the examples of a page, each as its words."""
    examples = [block[0] for block in re.finditer(FENCE, text)]
    examples += re.findall(r"(?:^    .*\n)+", FENCE.sub("", text), re.MULTILINE)
    examples += re.findall("`([^`\n]+)`", FENCE.sub("", text))
    found = []
    for example in examples:
        joined = re.sub(r"\\\n\s*|\$\([^)]*\)", " ", example)
        for call in re.findall(
            r"(?:^|[`$|&(]|run:)\s*(?:\./nox -s|kubewright) ([a-z][^\n`#|&]*)", joined, re.MULTILINE
        ):
            found.append(call.replace(" -- ", " ").replace("…", " ").split())
    return found


@cache
def commands() -> dict[str, Page]:
    return {page.words: page for page in pages()}


def unknown(words: list[str]) -> str:
    """What of a call no verb knows; empty where all of it is known."""
    every = commands()
    if words[0] == "bundle" and words[1:2] != ["load"]:
        words = ["bundle", "make", *words[1:]]  # which may be left out
    place = [name for name in every if words[: len(name.split())] == name.split()]
    if not place:
        return f"no verb: {words[0]}"
    page = every[max(place, key=len)]
    names = {name for option in page.options for name in option.names} | {"--help", "-h"}
    given = [re.split("[=\\]]", word.lstrip("["))[0] for word in words if re.match(r"\[?-", word)]
    return " ".join(name for name in given if name not in names)


@each_page
def test_each_verb_and_option_that_a_page_types_is_there(page: Path) -> None:
    calls = [words for words in typed(page.read_text(encoding="utf-8")) if words[0] not in SESSIONS]
    wrong = {" ".join(words): found for words in calls if (found := unknown(words))}
    assert wrong == {}


def test_calls_are_found_where_pages_have_them() -> None:
    counted = {page.name: len(typed(page.read_text(encoding="utf-8"))) for page in PAGES}
    assert counted["releasing.md"] > 20
    assert counted["keys.md"] > 20
    assert unknown(["release", "stable-1.36", "--chanel", "a"]) == "--chanel"
    assert unknown(["key", "root", "new", "FILE", "--after", "a", "--channel=b"]) == "--channel"
    assert unknown(["relase"]) == "no verb: relase"


class Requests(HTMLParser):
    """What a browser asks for by itself when it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element makes a browser ask for."""
        given = {name: value or "" for name, value in attrs}
        names = {"src", "srcset", "data", "poster", "action"} | (
            {"href"} if tag == "link" else set()
        )
        self.asked += [given[name] for name in names & given.keys()]
        self.asked += re.findall(r"url\(['\"]?([^)'\"]+)", given.get("style", ""))
        self.asked += re.findall("url=(.*)", given.get("content", ""))


def elsewhere(name: str, text: str) -> list[str]:
    """The addresses of other hosts that a file of the built pages asks for."""
    if name.endswith(".html"):
        parser = Requests()
        parser.feed(text)
        asked = parser.asked
    else:
        asked = re.findall(r"(?:url\(['\"]?|@import\s+['\"])([^)'\"]+)", text)
    return [address for address in asked if re.match("([a-z]+:)?//", address)]


BARE = re.compile(
    r"""<(?:pre|div(?=[^>]*class="table-wrapper))(?![^>]*tabindex=)[^>]*>"""
    r"""|<aside(?![^>]*aria-label=)[^>]*>|<[^>]*role="heading"(?![^>]*aria-level=)[^>]*>"""
)
"""What scrolls and no key reaches, a region without a name, a heading without a level."""


def test_sphinx_builds_pages_that_ask_no_other_host_for_anything(tmp_path: Path) -> None:
    pytest.importorskip("sphinx", reason="the group docs of pyproject.toml is not installed")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html"]
    places = [
        "-c",
        str(ROOT / "docs"),
        "-d",
        str(tmp_path / "read"),
        str(ROOT),
        str(tmp_path / "out"),
    ]
    done = subprocess.run([*command, *places], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    made = [
        path for path in (tmp_path / "out").rglob("*") if path.suffix in (".html", ".css", ".svg")
    ]
    found = {path.name: elsewhere(path.name, path.read_text(encoding="utf-8")) for path in made}
    assert {name: asked for name, asked in found.items() if asked} == {}
    dashes = [path.name for path in made if re.search("[ (][–—][a-z]", path.read_text())]
    assert dashes == [], "two hyphens are an option, not a dash"
    built = {str(path.relative_to(tmp_path / "out").with_suffix(".md")) for path in made}
    assert built >= {str(page.relative_to(ROOT)) for page in PAGES}
    assert sum(path.suffix == ".svg" for path in made) >= 2
    first = (tmp_path / "out" / "docs" / "README.html").read_text(encoding="utf-8")
    for heading in re.findall("^## (.*)$", TABLE.read_text(), re.MULTILINE):
        assert f'<span class="caption-text">{heading}</span>' in first
    for path in made:
        if path.suffix == ".html":
            unheard = BARE.findall(path.read_text(encoding="utf-8"))
            assert unheard == [], f"{path.name}: keys and screen readers do not get there"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.html", '<script src="https://example.org/a.js"></script>'),
        ("a.html", '<link rel="stylesheet" href="//example.org/a.css">'),
        ("a.html", '<img srcset="https://example.org/a.png">'),
        ("a.html", '<p style="background: url(https://example.org/a)">'),
        ("a.html", '<meta http-equiv="refresh" content="0; url=https://example.org">'),
        ("a.css", "@import 'https://example.org/a.css'"),
        ("a.css", "a { background: url('//example.org/a') }"),
    ],
)
def test_a_request_to_another_host_is_seen(name: str, text: str) -> None:
    assert len(elsewhere(name, text)) == 1
    assert elsewhere(name, re.sub("(https:)?//example.org", "..", text)) == []
