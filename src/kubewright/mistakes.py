"""Says in plain English what is wrong with a file or an option that does not fit its model."""

import difflib
import re
from datetime import date
from typing import NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

PROBLEMS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a table of keys and values",
    "enum": "must be {expected}",
    "extra_forbidden": "unknown key",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "int_type": "must be a whole number",
    "invalid_key": "must have a text as its key",
    "json_invalid": "is not JSON: {error}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "list_type": "must be a list",
    "literal_error": "must be {expected}",
    "missing": "required, but not there",
    "model_type": "must be a table of keys and values",
    "path_type": "must be a path",
    "recursion_loop": "contains itself",
    "string_pattern_mismatch": "does not match {pattern}",
    "string_too_long": "must have {max_length} or fewer characters",
    "string_too_short": "must have {min_length} or more characters",
    "string_type": "must be text",
    "string_unicode": "must be text in UTF-8",
    "too_long": "must have {max_length} or fewer entries",
    "too_short": "must have {min_length} or more entries",
    "tuple_type": "must be a list",
}
"""What to say of each kind of error that our models can have, with what the library knows of it."""

UNFORESEEN = "cannot be used here"
"""What to say of any other kind."""


_CHOICE = re.compile(r"^[a-z-]+\[.*\]$")
"""How the library ends the key of a value that may be of several kinds: `literal['*']`."""


class Mistake(NamedTuple):
    """One thing that is wrong, where, and how to end it where that is plain."""

    key: str
    """Dotted, `contents[2].mode`; empty: the whole of it."""
    problem: str
    remedy: str
    given: object
    """The value that stands there; None where it says nothing."""


def explain(error: ValidationError, model: type[BaseModel] | None = None) -> list[Mistake]:
    """Everything that is wrong, at least one mistake. Of `model` the nearest known key is named for
    one that is unknown.
    """
    mistakes: list[Mistake] = []
    for details in error.errors(include_url=False):
        location = details["loc"]
        choice = bool(location) and _CHOICE.search(str(location[-1])) is not None
        mistake = _mistake(details, location[:-1] if choice else location, model)
        if choice and mistakes and mistakes[-1].key == mistake.key:
            either = f"{mistakes[-1].problem}, or {mistake.problem}"
            mistakes[-1] = mistakes[-1]._replace(problem=either)
        else:
            mistakes.append(mistake)
    return mistakes


def _mistake(
    details: ErrorDetails, location: tuple[str | int, ...], model: type[BaseModel] | None
) -> Mistake:
    kind = details["type"]
    context = details.get("ctx", {})
    if kind in ("value_error", "assertion_error"):
        problem = str(context["error"])
    else:
        problem = PROBLEMS.get(kind, UNFORESEEN).format_map(context)
    remedy, given = "", details["input"]
    if kind == "missing":
        remedy, given = "add it", None
    elif kind == "extra_forbidden":
        remedy, given = _suggestion(location, model), None
    elif kind == "json_invalid" or (kind == "value_error" and not isinstance(given, str)):
        given = None
    elif kind == "string_type" and isinstance(details["input"], int | float | date):
        remedy = "quote it"
    return Mistake(_dotted(location), problem, remedy, given)


def _dotted(location: tuple[str | int, ...]) -> str:
    key = ""
    for part in location:
        if isinstance(part, int):
            key += f"[{part}]"
        else:
            key += f".{part}" if key else part
    return key


def _suggestion(location: tuple[str | int, ...], model: type[BaseModel] | None) -> str:
    """Name the known key that was probably meant; all models' keys are candidates below the top
    level.
    """
    if model is None:
        return "leave it out"
    known = set(model.model_fields) if len(location) == 1 else _all_keys(model)
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"


def _all_keys(model: type[BaseModel]) -> set[str]:
    schema = model.model_json_schema()
    keys: set[str] = set()
    for part in (schema, *schema.get("$defs", {}).values()):
        keys.update(part.get("properties", {}))
    return keys
