"""What is wrong with a recipe, a document or an option is said in plain English."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

import kubewright
from kubewright.mistakes import PROBLEMS, UNFORESEEN, explain
from kubewright.models.base import Arch, Model

FOREIGN = re.compile(
    r"Input|Extra inputs|Value error|Field required|valid|should|pydantic|Assert", re.I
)
"""Words of the validation library."""


class Part(Model):
    """One value of every kind that recipes and documents have."""

    name: str = "x"
    short: str = Field("ab", min_length=2, max_length=3, pattern="^[a-z]+$")
    number: int = Field(2, ge=1, le=3)
    flag: bool = False
    word: Literal["one", "two"] = "one"
    arch: Arch = Arch.amd64
    path: Path = Path()
    entries: tuple[int, ...] = Field((1,), min_length=1)
    table: dict[str, int] = Field({"a": 1}, min_length=1)
    part: "Part | None" = None
    either: Arch | Literal["all"] = "all"

    @field_validator("name")
    @classmethod
    def _plain(cls, text: str) -> str:
        if text == "wrong":
            raise ValueError("'wrong' is not a name")
        return text


class Whole(Model):
    """A part that must be there."""

    part: Part


CASES: dict[str, tuple[dict[str, Any], str, str]] = {
    "bool_parsing": ({"flag": "perhaps"}, "part.flag", "must be true or false"),
    "bool_type": ({"flag": []}, "part.flag", "must be true or false"),
    "dict_type": ({"table": 3}, "part.table", "must be a table of keys and values"),
    "enum": ({"arch": "mips"}, "part.arch", "must be 'amd64', 'arm64', 'ppc64le' or 's390x'"),
    "extra_forbidden": ({"nmae": "x"}, "part.nmae", "unknown key"),
    "greater_than_equal": ({"number": 0}, "part.number", "must be 1 or more"),
    "int_from_float": ({"number": 1.5}, "part.number", "must be a whole number"),
    "int_parsing": ({"number": "many"}, "part.number", "must be a whole number"),
    "int_parsing_size": ({"number": "9" * 5000}, "part.number", "must be a smaller number"),
    "int_type": ({"number": []}, "part.number", "must be a whole number"),
    "less_than_equal": ({"number": 4}, "part.number", "must be 3 or less"),
    "literal_error": ({"word": "three"}, "part.word", "must be 'one' or 'two'"),
    "missing": ({}, "part", "required, but not there"),
    "model_type": ({"part": 3}, "part.part", "must be a table of keys and values"),
    "path_type": ({"path": 3}, "part.path", "must be a path"),
    "string_pattern_mismatch": ({"short": "A1"}, "part.short", "does not match ^[a-z]+$"),
    "string_too_long": ({"short": "abcd"}, "part.short", "must have 3 or fewer characters"),
    "string_too_short": ({"short": "a"}, "part.short", "must have 2 or more characters"),
    "string_type": ({"name": 1.3}, "part.name", "must be text"),
    "string_unicode": ({"name": b"\xff"}, "part.name", "must be text in UTF-8"),
    "too_short": ({"entries": []}, "part.entries", "must have 1 or more entries"),
    "tuple_type": ({"entries": 3}, "part.entries", "must be a list"),
    "value_error": ({"name": "wrong"}, "part.name", "'wrong' is not a name"),
}
"""By kind of error: a part that has it, the key, and what is said."""


@pytest.mark.parametrize("kind", CASES)
def test_each_kind_of_mistake_has_words_of_our_own(kind: str) -> None:
    given, key, problem = CASES[kind]
    with pytest.raises(ValidationError) as raised:
        Whole.model_validate({"part": given} if kind != "missing" else given)
    assert [details["type"] for details in raised.value.errors()] == [kind]
    [mistake] = explain(raised.value, Whole)
    assert (mistake.key, mistake.problem) == (key, problem)
    assert not FOREIGN.search(f"{mistake.problem} {mistake.remedy}")


def test_a_text_that_is_not_json_is_named_by_its_place_in_the_file() -> None:
    with pytest.raises(ValidationError) as raised:
        Part.model_validate_json(b'{"name": "x"} more')
    [mistake] = explain(raised.value, Part)
    assert (mistake.key, mistake.given) == ("", None)
    assert mistake.problem == "is not JSON: trailing characters at line 1 column 15"


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"part": {"nmae": "x"}}, "did you mean 'name'?"),
        ({"prat": {}, "part": {}}, "did you mean 'part'?"),
        ({"part": {"zzz": 1}}, "known: arch, either, entries, flag, name, number, part, path, "),
        ({"part": {"name": 1.3}}, "quote it"),
        ({}, "add it"),
    ],
)
def test_a_remedy_is_given_where_it_is_plain(given: dict[str, Any], remedy: str) -> None:
    with pytest.raises(ValidationError) as raised:
        Whole.model_validate(given)
    assert explain(raised.value, Whole)[0].remedy.startswith(remedy)


def test_a_value_that_may_be_of_two_kinds_is_one_mistake() -> None:
    with pytest.raises(ValidationError) as raised:
        Part.model_validate({"either": "mips", "number": 0})
    first, second = explain(raised.value, Part)
    assert (first.key, second.key) == ("number", "either")
    assert second.problem == "must be 'amd64', 'arm64', 'ppc64le' or 's390x', or must be 'all'"


def test_every_mistake_is_told() -> None:
    with pytest.raises(ValidationError) as raised:
        Part.model_validate({"number": 0, "entries": ["x", 2, "y"], "word": ""})
    keys = [mistake.key for mistake in explain(raised.value, Part)]
    assert keys == ["number", "word", "entries[0]", "entries[2]"]


def test_a_kind_that_nobody_has_foreseen_is_still_plain_english() -> None:
    class Odd(BaseModel):
        moment: complex

    with pytest.raises(ValidationError) as raised:
        Odd.model_validate({"moment": "never"})
    assert explain(raised.value)[0].problem == UNFORESEEN


# ── every model of the engine ────────────────────────────────────────────────────────────────

RAISED: dict[str, set[str]] = {
    "any": set(),
    "bool": {"bool_type", "bool_parsing"},
    "default": set(),
    "definition-ref": set(),
    "definitions": set(),
    "dict": {"dict_type"},
    "enum": {"enum"},
    "function-after": {"value_error"},
    "function-before": {"value_error"},
    "function-plain": {"path_type"},
    "int": {"int_type", "int_parsing", "int_parsing_size", "int_from_float"},
    "is-instance": set(),
    "json-or-python": set(),
    "lax-or-strict": set(),
    "literal": {"literal_error"},
    "model": {"model_type"},
    "model-field": {"missing"},
    "model-fields": {"extra_forbidden"},
    "no-info": set(),
    "nullable": set(),
    "str": {"string_type", "string_unicode"},
    "tuple": {"tuple_type"},
    "union": set(),
}
"""By kind of schema: the errors that it alone may raise."""

BOUNDS = {
    ("str", "pattern"): "string_pattern_mismatch",
    ("str", "min_length"): "string_too_short",
    ("str", "max_length"): "string_too_long",
    ("int", "ge"): "greater_than_equal",
    ("int", "le"): "less_than_equal",
    ("int", "gt"): "greater_than",
    ("int", "lt"): "less_than",
    ("tuple", "min_length"): "too_short",
    ("tuple", "max_length"): "too_long",
    ("dict", "min_length"): "too_short",
    ("dict", "max_length"): "too_long",
}
"""What bounds add."""


def models() -> Iterator[type[BaseModel]]:
    """Every model of the engine, below any base."""
    for module in pkgutil.walk_packages(kubewright.__path__, "kubewright."):
        if not module.name.endswith(("__main__", "images.pins")):
            importlib.import_module(module.name)
    rest: list[type[BaseModel]] = [BaseModel]
    while rest:
        for model in rest.pop().__subclasses__():
            rest.append(model)
            if model.__module__.startswith("kubewright."):
                yield model


def errors_of(schema: object) -> Iterator[str]:
    """The kinds of errors that a schema may raise."""
    if isinstance(schema, list | tuple):
        for part in schema:
            yield from errors_of(part)
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    if isinstance(kind, str):
        yield from RAISED[kind]
        for name in schema:
            if (kind, name) in BOUNDS:
                yield BOUNDS[kind, name]
    for part in schema.values():
        yield from errors_of(part)


def test_no_model_can_raise_what_has_no_words() -> None:
    every = list(models())
    assert len(every) > 100
    raised: set[str] = set()
    for model in every:
        model.model_rebuild()
        raised.update(errors_of(model.__pydantic_core_schema__))
    assert {"enum", "literal_error", "extra_forbidden", "greater_than_equal"} <= raised
    assert raised - PROBLEMS.keys() - {"value_error"} == set()
    assert raised - CASES.keys() == set(), "each has a case above"
