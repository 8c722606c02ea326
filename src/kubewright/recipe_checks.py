"""Checks package recipes against the others: what they name exists, and no file is in two packages
that may be installed together.
"""

import difflib
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import combinations

from kubewright.errors import RequestError
from kubewright.inputs import InputName
from kubewright.models.base import Format
from kubewright.models.components import Components
from kubewright.models.recipe import Content, Recipe

_MADE: dict[str, tuple[str, ...]] = {
    "hyperkube": ("hyperkube",),
    "keyring": ("kubewright.gpg",),
}
"""Inputs that no upstream has: the program that is compiled here, and the site's keys."""

_NEWEST = "9999.0"
"""A minor that stands for all that no recipe names."""

_FOLDERS = ("dir", "place")
"""What several packages may have."""


def check(recipes: Mapping[str, Recipe], components: Components) -> None:
    """Raise RequestError with every mistake, each by file and key."""
    lines: list[str] = []
    for recipe in recipes.values():
        lines += _named(recipe, components)
    lines += _shared(recipes.values())
    if lines:
        raise RequestError("\n".join(lines))


def _named(recipe: Recipe, components: Components) -> Iterator[str]:
    """The components and inputs that a recipe names and components.toml lacks."""
    known = components.components
    inputs = {name: list(made) for name, made in _MADE.items()}
    for name, component in known.items():
        inputs.setdefault(name, []).extend(source.name for source in component.inputs)
    if recipe.component not in known:
        yield _line(recipe, "component", "component", recipe.component, known)
    for number, name in enumerate(recipe.made_of):
        if name not in known:
            yield _line(recipe, f"made_of[{number}]", "component", name, known)
    for number, entry in enumerate(recipe.contents):
        wanted: InputName | None = entry.input
        key = f"contents[{number}].source"
        if wanted is None:
            continue
        if wanted.component not in inputs:
            yield _line(recipe, key, "component", wanted.component, inputs)
        elif wanted.name not in inputs[wanted.component]:
            known_inputs = inputs[wanted.component]
            yield _line(recipe, key, f"input of {wanted.component}", wanted.name, known_inputs)


def _line(recipe: Recipe, key: str, noun: str, name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
    place = f"recipes/packages/{recipe.name}.toml: {key}"
    return str(RequestError(place, f"no {noun} {name!r} in recipes/components.toml", remedy))


def _shared(recipes: Iterable[Recipe]) -> Iterator[str]:
    """The files that two packages have which no relation keeps apart."""
    every = list(recipes)
    minors = {_NEWEST}
    for recipe in every:
        minors |= {one.before for one in recipe.older}
        minors.update(*(entry.minors for entry in recipe.contents))
    for first, second in combinations(every, 2):
        for form in Format:
            shared: set[str] = set()
            for minor in minors:
                both = _files(first, form, minor) & _files(second, form, minor)
                if both and not _apart(first, second, form, minor):
                    shared |= both
            for target in sorted(shared):
                where = next(
                    number for number, entry in enumerate(second.contents) if entry.target == target
                )
                place = f"recipes/packages/{second.name}.toml: contents[{where}].target"
                problem = f"{target} is in {first.name} too, and {form} installs no file twice"
                remedy = "take it out of one of them, or let them conflict"
                yield str(RequestError(place, problem, remedy))


def _files(recipe: Recipe, form: Format, minor: str) -> set[str]:
    """The files of a package by path. A pattern's are those of an archive, which nobody knows
    yet.
    """
    return {
        entry.target
        for entry in recipe.contents
        if entry.kind not in _FOLDERS and entry.belongs(form, minor) and not _several(entry)
    }


def _several(entry: Content) -> bool:
    return entry.input is not None and entry.input.several


def _apart(first: Recipe, second: Recipe, form: Format, minor: str) -> bool:
    """Whether one of two packages conflicts with the other, or with what that provides."""
    return any(
        _relations(one, form, minor, "conflicts")
        & {other.name, *_relations(other, form, minor, "provides")}
        for one, other in ((first, second), (second, first))
    )


def _relations(recipe: Recipe, form: Format, minor: str, key: str) -> set[str]:
    """The package names in a kind of relation."""
    found: set[str] = set()
    for relations in recipe.related(form, minor):
        for text in getattr(relations, key):
            found |= {part.split()[0] for part in text.split("|") if part.split()}
    return found
