"""What is made from the engine for readers: pages of verbs, settings and recipes, JSON Schemas for
editors, manual pages, completion.
"""

import importlib
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import reference

from kubewright.cli.facts import pages
from kubewright.cli.manual import CODES, SHELLS, manuals, roff
from kubewright.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
RECIPES = sorted((ROOT / "recipes").rglob("*.toml"))

Run = Callable[..., tuple[int, str, str]]
Tool = Callable[[str], Path]


def test_pages_and_schemas_say_what_the_engine_does() -> None:
    stale = [str(path.relative_to(ROOT)) for path, _ in reference.changed()]
    assert stale == [], "./nox -s docs -- reference writes them anew"
    assert len(reference.made()) >= 12


def test_a_page_keeps_its_own_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("mine\n<!-- made: verbs -->\nold\n<!-- end -->\nmine too\n")
    monkeypatch.setattr(reference, "DOCS", tmp_path)
    text = dict(reference.changed())[page]
    assert text.startswith("mine\n<!-- made: verbs -->\n\n| command | does |\n")
    assert text.endswith("\n<!-- end -->\nmine too\n")
    assert "\nold\n" not in text


def test_every_key_of_a_package_recipe_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]* \| (.*) \|$", reference.package_keys(), re.M)
    assert len(rows) > 35
    assert [key for key, meaning in rows if not meaning] == []


def rule_of(recipe: Path) -> Path:
    """The schema that editors take for a recipe, by .taplo.toml."""
    rules = tomllib.loads((ROOT / ".taplo.toml").read_text())["rule"]
    place = recipe.relative_to(ROOT)
    [found] = [rule for rule in rules if any(place.match(glob) for glob in rule["include"])]
    return ROOT / str(found["schema"]["path"])


def mistakes(schema: Path, table: Any) -> list[str]:
    """What is wrong with a table, by a JSON Schema."""
    stated = json.loads(schema.read_bytes())
    kind = importlib.import_module("jsonschema").validators.validator_for(stated)
    return [str(one.message) for one in kind(stated).iter_errors(table)]


@pytest.mark.parametrize("recipe", RECIPES, ids=[str(p.relative_to(ROOT)) for p in RECIPES])
def test_editors_find_no_mistake_in_a_recipe_and_see_a_misspelt_key(recipe: Path) -> None:
    table = tomllib.loads(recipe.read_text())
    schema = rule_of(recipe)
    assert mistakes(schema, table) == []
    [wrong] = mistakes(schema, table | {"discription": "of a package"})
    assert "discription" in wrong


def test_the_settings_that_pages_show_are_right() -> None:
    schema = ROOT / "docs" / "schemas" / "settings.json"
    shown = []
    for page in sorted((ROOT / "docs").glob("*.md")):
        shown += re.findall(r"^#:schema .*\n(?:.+\n|\n(?=[a-z]))+", page.read_text(), re.MULTILINE)
    tables = [tomllib.loads(text.partition("\nEOF")[0].partition("\n```")[0]) for text in shown]
    assert len(tables) >= 2
    assert [mistakes(schema, table) for table in tables] == [[] for _ in tables]
    for wrong in ({"sight": "site"}, {"jobs": "2"}, {"allow-http": "yes"}, {"backend": "tar"}):
        assert len(mistakes(schema, wrong)) == 1
    assert mistakes(schema, {"channel": "one"}) == mistakes(schema, {"channel": ["one"]}) == []


def test_groff_reads_every_manual_page_without_a_warning(tmp_path: Path, tool: Tool) -> None:
    made = manuals(list(pages()))
    for name, text in made.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    line = [str(tool("groff")), "-man", "-k", "-ww", "-z", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert {f"kubewright-{page.words.replace(' ', '-')}.1" for page in pages()} < made.keys()
    for page in pages():
        text = made[f"kubewright-{page.words.replace(' ', '-')}.1"]
        for option in page.options:
            assert f"\\fB{roff(option.names[0])}\\fR" in text


@pytest.mark.parametrize("text", ["a -b --c", ".dot first", "'quote first", "back\\slash", "it's"])
def test_a_manual_page_shows_text_as_it_is(text: str, tool: Tool) -> None:
    page = f".TH A 1\n.SH B\n{roff(text)}\n"
    done = subprocess.run(
        [tool("groff"), "-man", "-k", "-Tascii", "-P-c"],
        input=page, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert re.search(rf"^ +{re.escape(text)}$", done.stdout, re.MULTILINE)


def test_the_exit_codes_of_manual_pages_are_those_of_the_page_of_errors() -> None:
    rows = re.findall(r"^\| (\d) \| ", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
    assert list(map(int, rows)) == list(CODES)


def test_manual_writes_pages_and_says_where(run: Run, tmp_path: Path) -> None:
    code, out, err = run("manual", "man1")
    assert (code, err) == (0, "")
    number = len(list((tmp_path / "man1").iterdir()))
    assert out == f"man1: {number} manual pages; read them with `man kubewright`\n"


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("kubewright re", {"resolve", "release", "refresh", "repair"}),
        ("kubewright key root s", {"sign", "show"}),
        ("kubewright release --root", {"--root"}),
        ("kubewright package --backend ", {"native", "nfpm", "fpm"}),
    ],
)
def test_bash_completes_by_what_completion_prints(
    run: Run, tmp_path: Path, tool: Tool, line: str, wanted: set[str]
) -> None:
    code, script, err = run("completion", "bash")
    assert (code, err) == (0, "")
    (tmp_path / "script").write_text(script)
    (tmp_path / "kubewright").write_text(f'#!/bin/sh\nexec {sys.executable} -m kubewright "$@"\n')
    (tmp_path / "kubewright").chmod(0o755)
    words = line.split(" ")
    typed = " ".join(f"'{word}'" for word in words)
    lines = f"""PATH=$PWD:$PATH; . ./script; COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}
        _kubewright_completion kubewright; printf '%s\\n' "${{COMPREPLY[@]}}" """
    done = subprocess.run(
        [tool("bash"), "-c", lines], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == wanted


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_prints_a_script_for_each_shell_and_refuses_others(run: Run, shell: str) -> None:
    code, script, _ = run("completion", shell)
    assert code == 0
    assert f"_KUBEWRIGHT_COMPLETE={shell}_complete" in script
    assert run("completion", "csh")[0] == 2


def test_the_documents_of_a_site_are_as_its_schemas_say(released: Settings) -> None:
    site, library = Path(released.site), importlib.import_module("jsonschema")
    placed = {
        "manifest": "releases/*/manifest.json", "channel": "channels/*.json",
        "index": "releases/index.json", "graph": "releases/graph.json",
        "site": "publications/site.json",
    }  # fmt: skip
    for name, glob in placed.items():
        schema = json.loads((site / "schemas" / f"{name}.json").read_bytes())
        kind = library.validators.validator_for(schema)
        kind.check_schema(schema)
        judge = kind(schema, format_checker=kind.FORMAT_CHECKER)
        documents = [json.loads(path.read_bytes()) for path in site.glob(glob)]
        assert documents
        for document in documents:
            assert [one.message for one in judge.iter_errors(document)] == []
            assert list(judge.iter_errors(document | {"of_a_later_version": 1})) == []
            wrong = document | {next(iter(document.keys() - {"header"})): object()}
            assert list(judge.iter_errors(wrong))
