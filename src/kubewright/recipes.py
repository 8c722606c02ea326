"""Loads recipes: TOML files become frozen models, and a mistake is named by file and key."""

import difflib
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from kubewright import content, versions
from kubewright.errors import RequestError
from kubewright.models.base import Model
from kubewright.models.catalog import MinorFacts
from kubewright.models.components import Components
from kubewright.models.distros import Distributions
from kubewright.models.lock import Release
from kubewright.models.node import NodeSpec, NodeSpecs
from kubewright.models.recipe import Recipe

M = TypeVar("M", bound=Model)


def load(path: Path, model: type[M]) -> M:
    """Read one TOML file into a model.

    Raises RequestError with every mistake in it, one a line, each as `FILE: KEY: what is wrong`.
    """
    place = _place(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RequestError(f"{place}: there is no such file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"{place}: not TOML: {error}") from error
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise RequestError("\n".join(_mistakes(place, error, model))) from error


@cache
def components() -> Components:
    """`recipes/components.toml`."""
    return load(content.folder("recipes") / "components.toml", Components)


@cache
def catalog() -> dict[str, MinorFacts]:
    """`recipes/catalog/*.toml` by minor, oldest first."""
    files = sorted((content.folder("recipes") / "catalog").glob("*.toml"))
    facts = [load(file, MinorFacts) for file in files]
    for file, minor in zip(files, facts, strict=True):
        if file.stem != minor.minor:
            raise RequestError(f"{_place(file)}: minor: is {minor.minor!r}; it must match the file's name")
    return {minor.minor: minor for minor in sorted(facts, key=lambda minor: versions.parse(minor.minor))}


@cache
def distributions() -> Distributions:
    """`recipes/distros.toml`."""
    return load(content.folder("recipes") / "distros.toml", Distributions)


@cache
def packages() -> dict[str, Recipe]:
    """`recipes/packages/*.toml` by package name."""
    files = sorted((content.folder("recipes") / "packages").glob("*.toml"))
    loaded = {file.stem: load(file, Recipe) for file in files}
    for name, recipe in loaded.items():
        if recipe.name != name:
            raise RequestError(f"recipes/packages/{name}.toml: name: is {recipe.name!r}; it must match the file's name")
    return loaded


def node_spec(release: Release) -> NodeSpec:
    """What a release asks of a node. Raises RequestError when `recipes/node-spec.toml` lacks its minor."""
    try:
        return _node_specs().find(release.minor)
    except KeyError as error:
        raise RequestError(
            f"recipes/node-spec.toml: states nothing for Kubernetes {release.minor} or an older minor; "
            "add a [[specs]] table for it"
        ) from error


@cache
def _node_specs() -> NodeSpecs:
    return load(content.folder("recipes") / "node-spec.toml", NodeSpecs)


def _place(path: Path) -> str:
    """A path as people know it: below the content root when it is there."""
    try:
        return str(path.relative_to(content.root()))
    except ValueError:
        return str(path)


def _mistakes(place: str, error: ValidationError, model: type[BaseModel]) -> Iterator[str]:
    for mistake in error.errors():
        key = _dotted(mistake["loc"])
        if mistake["type"] == "extra_forbidden":
            yield f"{place}: {key}: unknown key{_suggestion(mistake['loc'], model)}"
        elif mistake["type"] == "missing":
            yield f"{place}: {key}: required, but not there; add it"
        else:
            given = f" (got {mistake['input']!r:.80})"
            yield f"{place}: {key or 'the file'}: {mistake['msg'][:1].lower()}{mistake['msg'][1:]}{given}"


def _dotted(location: tuple[str | int, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _suggestion(location: tuple[str | int, ...], model: type[BaseModel]) -> str:
    """Name the known key that was probably meant; all models' keys are candidates below the top level."""
    known = set(model.model_fields) if len(location) == 1 else _all_keys(model)
    near = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(sorted(known))}"


def _all_keys(model: type[BaseModel]) -> set[str]:
    schema = model.model_json_schema()
    return {key for part in [schema, *schema.get("$defs", {}).values()] for key in part.get("properties", {})}
