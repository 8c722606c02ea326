"""What docs/answers.md says of the answers that verbs print with `--json`, from their models."""

from collections.abc import Iterator
from typing import Any

from kubewright.cli.answer_table import ANSWERS, ERROR
from kubewright.models.answer import Answer

FOLDER = "answers"
"""Below docs/schemas."""

NAMES = {"string": "text", "integer": "number", "boolean": "true or false", "null": "nothing"}


def kinds() -> dict[str, type[Answer]]:
    """Every kind of answer by its name, in the order of the verbs; errors first."""
    found: dict[str, type[Answer]] = {ERROR.type_name(): ERROR}
    for answers in ANSWERS.values():
        found |= {one.type_name(): one for one in answers}
    return found


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schema of each kind, by its path below docs/schemas."""
    return {f"{FOLDER}/{name}": one.json_schema() for name, one in kinds().items()}


def table() -> str:
    """Which command prints what."""
    rows = []
    for words, answers in ANSWERS.items():
        links = [f"[{name}](#{name})" for name in map(_name, answers)]
        text = links[0] + "".join(f"; `--load FILE`: {one}" for one in links[1:-1])
        text += f"; `--dry-run`: {links[-1]}" if links[1:] else ""
        rows.append(f"| `{words}` | {text} |\n")
    return "| command | prints |\n|---|---|\n" + "".join(rows)


def _name(answer: type[Answer]) -> str:
    return answer.type_name()


def sections() -> str:
    """Every kind with its keys."""
    return "\n".join(_section(name, one) for name, one in kinds().items())


def _section(name: str, answer: type[Answer]) -> str:
    schema = answer.json_schema()
    said = " ".join(str(schema["description"]).split())
    by = ", ".join(f"`{words}`" for words, answers in ANSWERS.items() if answer in answers)
    rows = "".join(_rows(schema, schema.get("$defs", {}), ""))
    return (
        f"### {name}\n\n{said} Of {by or 'all'}; [schema](schemas/{FOLDER}/{name}.json).\n\n"
        f"| key | is | means |\n|---|---|---|\n{rows}"
    )


def _rows(part: dict[str, Any], known: dict[str, Any], before: str) -> Iterator[str]:
    """A line for each key of an object, and of those in it. Documents that a site has too are
    explained by its own schemas.
    """
    for key, value in part["properties"].items():
        if key == "header":
            continue
        inner, suffix = _inner(value, known)
        means = value.get("description", "") or inner.get("description", "")
        means += " (may be absent)" if value.get("default", "") is None else ""
        if "header" in inner.get("properties", {}):
            header = inner["properties"]["header"]["default"]
            means += f": a document of the type `{header['type']}`"
        place = f"{before}{key}{suffix}"
        yield f"| `{place}` | {_kind(value, inner)} | {_cell(means)} |\n"
        if "properties" in inner and "header" not in inner["properties"]:
            yield from _rows(inner, known, f"{place}.")


def _inner(value: dict[str, Any], known: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """What a value is made of, and how its place is written: `[]` for a list, `{}` for a map."""
    if "anyOf" in value:
        value = next(one for one in value["anyOf"] if one.get("type") != "null")
    if "$ref" in value:
        return _inner(known[value["$ref"].rpartition("/")[2]], known)
    if value.get("type") == "array":
        inner, suffix = _inner(value["items"], known)
        return inner, f"[]{suffix}"
    if isinstance(value.get("additionalProperties"), dict):
        inner, suffix = _inner(value["additionalProperties"], known)
        return inner, f"{{}}{suffix}"
    return value, ""


def _kind(value: dict[str, Any], inner: dict[str, Any]) -> str:
    """What a value is, in words."""
    if "enum" in inner:
        words = [f"`{one}`" for one in inner["enum"] if one]
        return ", ".join(words) + (" or empty" if "" in inner["enum"] else "")
    if "const" in inner:
        return f"`{inner['const']}`"
    return NAMES.get(inner.get("type", ""), "object")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
