"""Writes what pages and JSON Schemas say of verbs, options and recipes, from the engine itself:

    ./nox -s docs -- reference

A page keeps its own words; what stands between `<!-- made: NAME -->` and `<!-- end -->` is made.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import answers

from kubewright.cli.facts import Option, Page, pages
from kubewright.cli.option_table import OPTIONS
from kubewright.cli.options import field_of
from kubewright.cli.shipped import shipped
from kubewright.models.base import Model
from kubewright.models.catalog import MinorFacts
from kubewright.models.components import Components
from kubewright.models.distros import Distributions
from kubewright.models.golang import GoRecipe
from kubewright.models.node import NodeSpecs
from kubewright.models.recipe import Content, OlderRelations, Recipe, Relations, Service
from kubewright.models.relations import Relations as Between
from kubewright.models.skew import Skew
from kubewright.settings import Settings
from kubewright.stages.resolve import resolve

DOCS = Path(__file__).resolve().parent
MADE = re.compile(r"(<!-- made: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
DRAFT = "http://json-schema.org/draft-07/schema#"
"""What editors of TOML know."""

EVERYWHERE = ("json", "quiet", "verbose")
"""Options that the page of verbs explains once."""

RECIPES: dict[str, tuple[type[Model], str]] = {
    "package": (Recipe, "recipes/packages/*.toml"),
    "catalog": (MinorFacts, "recipes/catalog/*.toml"),
    "components": (Components, "recipes/components.toml"),
    "distros": (Distributions, "recipes/distros.toml"),
    "go": (GoRecipe, "recipes/go.toml"),
    "node-spec": (NodeSpecs, "recipes/node-spec.toml"),
    "relations": (Between, "recipes/relations.toml"),
    "skew": (Skew, "recipes/skew.toml"),
}
"""The model of each kind of recipe, and its files."""


def made() -> dict[Path, str]:
    """Every file that follows from the engine, with its text."""
    every = list(pages())
    blocks: dict[str, Callable[[], str]] = {
        "verbs": lambda: table(every) + "".join(map(section, every)),
        "settings": lambda: settings_table(every),
        "others": lambda: others_table(every),
        "package": package_keys,
        "systems": systems,
        "answer-table": answers.table,
        "answers": answers.sections,
    }
    found = {}
    for page in sorted(DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        new = MADE.sub(lambda block: f"{block[1]}\n{blocks[block[2]]()}\n{block[3]}", text)
        if MADE.search(text):
            found[page] = new
    schemas = {name: recipe_schema(model) for name, (model, _) in RECIPES.items()}
    schemas |= {"settings": settings_schema(every)} | answers.schemas()
    for name, schema in schemas.items():
        path = DOCS / "schemas" / f"{name}.json"
        found[path] = json.dumps(schema, indent=1, ensure_ascii=False) + "\n"
    return found


# ── Verbs and options ────────────────────────────────────────────────────────────────────────


def cell(text: str) -> str:
    """Text as it may stand in a table, its options and words in angle brackets as code."""
    marked = re.sub(r"(?<!`)<(\S+)>", r"`<\1>`", text)
    parts = marked.split("`")
    for place in range(0, len(parts), 2):  # outside of code
        parts[place] = re.sub(r"(?<![\w-])--[a-z][a-z-]*", r"`\g<0>`", parts[place])
    return "`".join(parts).replace("|", "\\|")


def anchor(words: str) -> str:
    """The anchor of a command's heading."""
    return "kubewright-" + words.replace(" ", "-")


def table(every: list[Page]) -> str:
    """The commands with what they do."""
    rows = [
        f"| [`{page.words}`](#{anchor(page.words)}) | {cell(page.text[0])} |\n"
        for page in every
        if not page.below
    ]
    return "| command | does |\n|---|---|\n" + "".join(rows)


def written(option: Option) -> str:
    """An option as it is typed."""
    names = ", ".join(option.names)
    return f"{names} {option.value}" if option.value else names


def told(option: Option) -> str:
    """What is said of an option in a table."""
    more = ["repeatable"] if option.repeatable and "repeatable" not in option.help else []
    more += ["needed"] if option.required else []
    more += [f"default: {option.default}"] if option.default else []
    return cell(option.help) + (f" ({cell('; '.join(more))})" if more else "")


def section(page: Page) -> str:
    """What one command takes."""
    if page.below:
        return ""
    own = [option for option in page.options if option.name not in {*OPTIONS, *EVERYWHERE}]
    rows = [f"| `{cell(written(option))}` | {told(option)} |\n" for option in own]
    shared = ", ".join(f"`--{option.name}`" for option in page.options if option.name in OPTIONS)
    text = "\n\n".join(cell(part).replace("\\|", "|") for part in page.text)
    return (
        f"\n### kubewright {page.words}\n\n    kubewright {page.words} {page.usage}\n\n{text}\n"
        + ("\n" if rows else "")
        + ("| option | |\n|---|---|\n" + "".join(rows) if rows else "")
        + (f"\n[Of several verbs](settings.md): {shared}.\n" if shared else "")
    )


def shared_options(every: list[Page]) -> dict[str, Option]:
    """The options of several verbs, in the order of `--help`."""
    found = {option.name: option for page in every for option in page.options}
    return {name: found[name] for name in OPTIONS if name in found}


def settings_table(every: list[Page]) -> str:
    """The options that become settings, as keys and variables."""
    rows = [
        f"| `{name}` | `{option.variable}` | {told(option)} |\n"
        for name, option in shared_options(every).items()
    ]
    return "| key | variable | says |\n|---|---|---|\n" + "".join(rows)


def others_table(every: list[Page]) -> str:
    """The options of single verbs, which may stand in kubewright.toml too."""
    takers: dict[tuple[str, str], list[str]] = {}
    for page in every:
        for option in page.options:
            if option.name not in OPTIONS and page.verb.configured:
                takers.setdefault((option.name, told(option)), []).append(f"`{page.words}`")
    said = [
        f"| `{name}` | {', '.join(words)} | {text} |\n"
        for (name, text), words in sorted(takers.items())
        if name not in EVERYWHERE
    ]
    return "| key | of | says |\n|---|---|---|\n" + "".join(said)


# ── Distributions ────────────────────────────────────────────────────────────────────────────


def systems() -> str:
    """The distributions, and which container runtime each brings that fits, for the minor of the
    page.
    """
    page = (DOCS / "install.md").read_text(encoding="utf-8")
    [minor] = re.findall(r"^CHANNEL=stable-(\S+)", page, re.MULTILINE)
    given = Settings(cache=DOCS, offline=True, dry_run=True, now=0)
    _, release = resolve(minor, given, shipped())
    own = {(one.distribution, one.family) for one in release.distributions
           if one.fits and one.repository == "distribution"}  # fmt: skip
    rows = []
    for name, system in shipped().distributions.distributions.items():
        brings = ["its own" if (name, one) in own else "ours" for one in ("containerd", "docker")]
        end = system.end_of_life or ""
        rows.append(f"| {system.title} | {system.format} | {' | '.join(brings)} | {end} |\n")
    head = (
        f"| system | packages | containerd for {minor} | Docker for {minor} | supported until |\n"
    )
    return f"{head}|---|---|---|---|---|\n" + "".join(rows)


# ── Recipes ──────────────────────────────────────────────────────────────────────────────────


def package_keys() -> str:
    """The keys of a package's recipe, with what each means."""
    parts: list[tuple[str, type[Model]]] = [
        ("The file itself", Recipe),
        ("`[relations]`, `[deb]`, `[rpm]`", Relations),
        ("`[[older]]`", OlderRelations),
        ("`[[contents]]`", Content),
        ("`[[services]]`", Service),
    ]
    return "\n".join(keys(title, model) for title, model in parts)


def keys(title: str, model: type[Model]) -> str:
    """The keys of one table of a recipe."""
    schema = model.model_json_schema()
    rows = []
    for name, field in model.model_fields.items():
        part = schema["properties"][name]
        given = "needed" if field.is_required() else shown(part.get("default", ""))
        rows.append(f"| `{name}` | {kind(part)} | {given} | {cell(field.description or '')} |\n")
    head = "| key | is | default | means |\n|---|---|---|---|\n"
    return f"### {title}\n\n{head}{''.join(rows)}"


def kind(part: dict[str, Any]) -> str:
    """What a value is, in words."""
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    if "$ref" in part:
        return "a table" if part["$ref"] != "#/$defs/Format" else "`deb` or `rpm`"
    if "anyOf" in part:
        return kind(next(one for one in part["anyOf"] if one.get("type") != "null"))
    if part["type"] == "array":
        return "tables" if "$ref" in part["items"] else "texts"
    names = {"string": "text", "integer": "number", "boolean": "true or false", "object": "a table"}
    return names[part["type"]]


def shown(value: object) -> str:
    """A default as TOML has it; nothing where leaving the key out says all."""
    if value in ("", None, [], {}) or isinstance(value, dict):
        return ""
    return f"`{json.dumps(value)}`"


# ── JSON Schemas ─────────────────────────────────────────────────────────────────────────────


def recipe_schema(model: type[Model]) -> dict[str, Any]:
    """The schema of a recipe, for editors."""
    schema = model.model_json_schema(by_alias=True)
    if model is NodeSpecs:  # each of its tables adds to those before, so none has to be whole
        for table_ in schema["$defs"].values():
            table_.pop("required", None)
    return {"$schema": DRAFT, **schema}


def settings_schema(every: list[Page]) -> dict[str, Any]:
    """The schema of kubewright.toml, for editors."""
    properties: dict[str, Any] = {}
    for page in every:
        for option in page.options if page.verb.configured else ():
            if option.name not in EVERYWHERE:
                properties.setdefault(option.name, _value(option))
    return {
        "$schema": DRAFT,
        "title": "kubewright.toml",
        "description": "Defaults for the options of kubewright's verbs.",
        "type": "object",
        "properties": dict(sorted(properties.items())),
        "additionalProperties": False,
    }


def _value(option: Option) -> dict[str, Any]:
    one: dict[str, Any] = {"type": option.kind}
    if option.choices:
        one["enum"] = list(option.choices)
    if option.repeatable:
        one = {"anyOf": [one, {"type": "array", "items": one}]}
    if option.name in OPTIONS:
        examples = Settings.model_fields[field_of(option.name)].examples
        one |= {"examples": examples} if examples else {}
    return {"description": option.help, **one}


def changed() -> Iterator[tuple[Path, str]]:
    """What is not as it would be made now."""
    for path, text in made().items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            yield path, text


if __name__ == "__main__":
    for path, text in list(changed()):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(text, encoding="utf-8")
        print(path)
