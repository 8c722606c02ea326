"""Loads recipes: TOML files become frozen models, and a mistake is named by file and key."""

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from kubewright import content, versions
from kubewright.errors import RequestError
from kubewright.mistakes import Mistake, explain
from kubewright.models.base import Model
from kubewright.models.catalog import MinorFacts
from kubewright.models.components import Components
from kubewright.models.distros import Distributions
from kubewright.models.lock import Release
from kubewright.models.node import NodeSpec, NodeSpecs
from kubewright.models.recipe import Recipe
from kubewright.models.relations import Relations
from kubewright.models.skew import Skew

M = TypeVar("M", bound=Model)
E = TypeVar("E", MinorFacts, NodeSpecs, Relations, Skew)


def load(path: Path, model: type[M]) -> M:
    """Read one TOML file into a model.

    Raises RequestError with every mistake in it, one a line, each as `FILE: KEY: what is wrong`.
    """
    place = _place(path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RequestError(place, "no such file", "make it, or correct its name") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RequestError(place, f"not TOML: {error}", "correct that line") from error
    try:
        return model.model_validate(table)
    except ValidationError as error:
        lines = [_line(place, mistake) for mistake in explain(error, model)]
        raise RequestError("\n".join(lines)) from error


@cache
def components() -> Components:
    """`recipes/components.toml`."""
    return load(content.folder("recipes") / "components.toml", Components)


class Catalog(Mapping[str, MinorFacts]):
    """A folder of facts by minor, oldest first; each file is read when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        paths = sorted(folder.glob("*.toml"), key=lambda path: versions.parse(path.stem))
        self._paths = {path.stem: path for path in paths}
        self._read: dict[str, MinorFacts] = {}

    def __getitem__(self, minor: str) -> MinorFacts:
        """The facts of a minor. Raises KeyError without its file, and what `minor_facts` does."""
        if minor not in self._read:
            self._read[minor] = minor_facts(self._paths[minor])
        return self._read[minor]

    def __contains__(self, minor: object) -> bool:
        """Whether there is a file for a minor; it is not read."""
        return minor in self._paths

    def __iter__(self) -> Iterator[str]:
        """The minors."""
        return iter(self._paths)

    def __len__(self) -> int:
        """How many minors there are."""
        return len(self._paths)


@cache
def catalog() -> Catalog:
    """`recipes/catalog/*.toml`."""
    return Catalog(content.folder("recipes") / "catalog")


def minor_facts(path: Path) -> MinorFacts:
    """One file of the catalog. Raises RequestError with every mistake in it, values without
    evidence included.
    """
    facts, place = load(path, MinorFacts), _place(path)
    if path.stem != facts.minor:
        raise RequestError(
            f"{place}: minor", f"is {facts.minor!r}", "it must match the file's name"
        )
    return _right(facts, place)


def evidenced(path: Path, model: type[E]) -> E:
    """`load`, for a file whose values all state where they were read: one that does not is a
    mistake too.
    """
    return _right(load(path, model), _place(path))


def _right(loaded: E, place: str) -> E:
    """What was loaded, if there are no mistakes in it."""
    lines = [f"{place}: {key}: {problem}" for key, problem in loaded.mistakes()]
    if lines:
        raise RequestError("\n".join(lines))
    return loaded


@cache
def distributions() -> Distributions:
    """`recipes/distros.toml`."""
    return load(content.folder("recipes") / "distros.toml", Distributions)


@cache
def relations() -> Relations:
    """`recipes/relations.toml`."""
    return evidenced(content.folder("recipes") / "relations.toml", Relations)


@cache
def skew() -> Skew:
    """`recipes/skew.toml`."""
    return evidenced(content.folder("recipes") / "skew.toml", Skew)


@cache
def packages() -> dict[str, Recipe]:
    """`recipes/packages/*.toml` by package name."""
    files = sorted((content.folder("recipes") / "packages").glob("*.toml"))
    loaded = {file.stem: load(file, Recipe) for file in files}
    for name, recipe in loaded.items():
        if recipe.name != name:
            raise RequestError(
                f"recipes/packages/{name}.toml: name",
                f"is {recipe.name!r}",
                "it must match the file's name",
            )
    return loaded


def node_spec(release: Release) -> NodeSpec:
    """What a release asks of a node. Raises RequestError for a minor that packages and images are
    not made for.
    """
    try:
        return _node_specs().find(release.minor)
    except KeyError as error:
        raise RequestError(
            f"Kubernetes {release.minor}",
            "resolution only, no packages and images are made for it",
            "ask for a newer minor, or add its [[specs]] table to recipes/node-spec.toml",
        ) from error


def packaged(minor: str) -> bool:
    """Whether packages are made for a minor: one that `recipes/node-spec.toml` states something
    for.
    """
    try:
        _node_specs().find(minor)
    except KeyError:
        return False
    return True


@cache
def _node_specs() -> NodeSpecs:
    return evidenced(content.folder("recipes") / "node-spec.toml", NodeSpecs)


def _line(place: str, mistake: Mistake) -> str:
    """A mistake as errors are written; a file may have several."""
    given = "" if mistake.given is None else f" (got {mistake.given!r:.80})"
    where = f"{place}: {mistake.key or 'the file'}"
    return str(RequestError(where, f"{mistake.problem}{given}", mistake.remedy))


def _place(path: Path) -> str:
    """A path as people know it: below the content root when it is there."""
    try:
        return str(path.relative_to(content.root()))
    except ValueError:
        return str(path)
