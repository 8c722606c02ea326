"""Recipes: the content folders as one value, whose TOML files become frozen models as they are
asked for; a mistake is named by file and key.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from kubewright import versions
from kubewright.errors import RequestError
from kubewright.mistakes import Mistake, explain
from kubewright.models.base import Model
from kubewright.models.catalog import MinorFacts
from kubewright.models.components import Components
from kubewright.models.distros import Distributions
from kubewright.models.golang import GoRecipe
from kubewright.models.image import ImageDefinition, PinnedPackages
from kubewright.models.lock import Release
from kubewright.models.node import NodeSpec, NodeSpecs
from kubewright.models.parity import Accepting
from kubewright.models.recipe import Recipe
from kubewright.models.relations import Relations
from kubewright.models.skew import Skew
from kubewright.recipe_checks import check

M = TypeVar("M", bound=Model)
E = TypeVar("E", MinorFacts, NodeSpecs, Relations, Skew)


class Catalog(Mapping[str, MinorFacts]):
    """A folder of facts by minor, oldest first; each file is read when it is first asked for."""

    def __init__(self, folder: Path, place: str = "") -> None:
        paths = sorted(folder.glob("*.toml"), key=lambda path: versions.parse(path.stem))
        self._paths = {path.stem: path for path in paths}
        self._place = place or str(folder)
        self._read: dict[str, MinorFacts] = {}

    def __getitem__(self, minor: str) -> MinorFacts:
        """The facts of a minor. Raises KeyError without its file, and what `minor_facts` does."""
        if minor not in self._read:
            path = self._paths[minor]
            self._read[minor] = minor_facts(path, f"{self._place}/{path.name}")
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


@dataclass(frozen=True)
class Recipes:
    """The content folders below `root`; each file is read once, when it is first asked for.

    Everything here raises RequestError with every mistake in its file.
    """

    root: Path

    @property
    def folder(self) -> Path:
        """`recipes/`, the files themselves."""
        return self.root / "recipes"

    @property
    def packaging(self) -> Path:
        """`packaging/`, what packages carry."""
        return self.root / "packaging"

    @property
    def images(self) -> Path:
        """`images/`, what images are made of."""
        return self.root / "images"

    @property
    def installer(self) -> Path:
        """`docs/install.sh`, with which nodes are installed from a site."""
        return self.root / "docs" / "install.sh"

    @property
    def repo(self) -> Path:
        """`repo/`, what sites are made of."""
        return self.root / "repo"

    @property
    def templates(self) -> Path:
        """`repo/templates/`, those of the front page and of repository entries."""
        return self.repo / "templates"

    @property
    def documents(self) -> Path:
        """`docs/`, of which sites have some pages."""
        return self.root / "docs"

    @cached_property
    def catalog(self) -> Catalog:
        """`recipes/catalog/*.toml` by minor."""
        return Catalog(self.folder / "catalog", "recipes/catalog")

    @cached_property
    def components(self) -> Components:
        """`recipes/components.toml`."""
        return self._load("recipes/components.toml", Components)

    @cached_property
    def distributions(self) -> Distributions:
        """`recipes/distros.toml`."""
        return self._load("recipes/distros.toml", Distributions)

    @cached_property
    def relations(self) -> Relations:
        """`recipes/relations.toml`."""
        return self._evidenced("recipes/relations.toml", Relations)

    @cached_property
    def skew(self) -> Skew:
        """`recipes/skew.toml`."""
        return self._evidenced("recipes/skew.toml", Skew)

    @cached_property
    def go(self) -> GoRecipe:
        """`recipes/go.toml`."""
        return self._load("recipes/go.toml", GoRecipe)

    @cached_property
    def packages(self) -> Mapping[str, Recipe]:
        """`recipes/packages/*.toml` by package name."""
        names = sorted(path.stem for path in (self.folder / "packages").glob("*.toml"))
        loaded = {name: self._load(f"recipes/packages/{name}.toml", Recipe) for name in names}
        for name, recipe in loaded.items():
            if recipe.name != name:
                raise RequestError(
                    f"recipes/packages/{name}.toml: name",
                    f"is {recipe.name!r}",
                    "it must match the file's name",
                )
        check(loaded, self.components)
        return loaded

    def check_packages(self) -> None:
        """Read all of `packages` now, so that a mistake in them stops no later stage."""
        _ = self.packages

    @cached_property
    def packaged(self) -> frozenset[str]:
        """The minors that packages are made for: `recipes/node-spec.toml` states something for
        them.
        """
        return frozenset(filter(self._has_node_spec, self.catalog))

    def node_spec(self, release: Release) -> NodeSpec:
        """What a release asks of a node. Raises RequestError for a minor that packages and images
        are not made for.
        """
        try:
            return self._node_specs.find(release.minor)
        except KeyError as error:
            raise RequestError(
                f"Kubernetes {release.minor}",
                "resolution only, no packages and images are made for it",
                "ask for a newer minor, or add its [[specs]] table to recipes/node-spec.toml",
            ) from error

    @cached_property
    def _node_specs(self) -> NodeSpecs:
        return self._evidenced("recipes/node-spec.toml", NodeSpecs)

    def _has_node_spec(self, minor: str) -> bool:
        try:
            self._node_specs.find(minor)
        except KeyError:
            return False
        return True

    def image_definition(self, release: Release) -> ImageDefinition:
        """The images of a release: over one program where it has one, else over a dispatcher."""
        name = "monolith.toml" if release.monolith else "image.toml"
        return self._load(f"images/hyperkube/{name}", ImageDefinition)

    def pins(self, definition: ImageDefinition) -> dict[str, PinnedPackages]:
        """The pinned packages that layers name, by that name: a path below images/."""
        names = sorted({layer.packages for layer in definition.layers.values() if layer.packages})
        return {name: self._load(f"images/{name}", PinnedPackages) for name in names}

    @cached_property
    def parity(self) -> Accepting:
        """`images/hyperkube/parity.toml`."""
        return self._load("images/hyperkube/parity.toml", Accepting)

    def _load(self, place: str, model: type[M]) -> M:
        return load(self.root / place, model, place)

    def _evidenced(self, place: str, model: type[E]) -> E:
        return evidenced(self.root / place, model, place)


def load(path: Path, model: type[M], place: str = "") -> M:
    """Read one TOML file into a model; `place` is what messages call the file.

    Raises RequestError with every mistake in it, one a line, each as `FILE: KEY: what is wrong`.
    """
    place = place or str(path)
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


def evidenced(path: Path, model: type[E], place: str = "") -> E:
    """`load`, for a file whose values all state where they were read: one that does not is a
    mistake too.
    """
    return _right(load(path, model, place), place or str(path))


def minor_facts(path: Path, place: str = "") -> MinorFacts:
    """One file of the catalog. Raises RequestError with every mistake in it, values without
    evidence included.
    """
    place = place or str(path)
    facts = load(path, MinorFacts, place)
    if path.stem != facts.minor:
        raise RequestError(
            f"{place}: minor", f"is {facts.minor!r}", "it must match the file's name"
        )
    return _right(facts, place)


def _right(loaded: E, place: str) -> E:
    """What was loaded, if there are no mistakes in it."""
    lines = [f"{place}: {key}: {problem}" for key, problem in loaded.mistakes()]
    if lines:
        raise RequestError("\n".join(lines))
    return loaded


def _line(place: str, mistake: Mistake) -> str:
    """A mistake as errors are written; a file may have several."""
    given = "" if mistake.given is None else f" (got {mistake.given!r:.80})"
    where = f"{place}: {mistake.key or 'the file'}"
    return str(RequestError(where, f"{mistake.problem}{given}", mistake.remedy))
