"""Says whose the files of a package are: upstream's notices, by the inputs that the files come
from.
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import PurePosixPath
from typing import NamedTuple

from kubewright.errors import RequestError
from kubewright.models.base import Format
from kubewright.models.components import Components, ComponentSource, Notice
from kubewright.models.description import Attribution
from kubewright.models.recipe import Content, Recipe

_OWN = ("keyring",)
"""Inputs that are nobody's work: keys."""


def attributions(
    recipe: Recipe, components: Components, form: Format, minor: str
) -> tuple[Attribution, ...]:
    """Ours first, for everything; then what each upstream states of its files. Raises RequestError
    for an upstream that `recipes/components.toml` has no notice of.
    """
    ours = (_Stated(components.packaging, components.packaging.license),)
    found: dict[tuple[_Stated, ...], list[str]] = {ours: ["*"]}
    for entry in recipe.contents:
        stated = tuple(_stated(recipe, components, entry))
        if stated and entry.belongs(form, minor):
            found.setdefault(stated, []).append(_pattern(entry))
    return tuple(_attribution(stated, files) for stated, files in found.items())


class _Stated(NamedTuple):
    """A notice, and the licence that it means."""

    notice: Notice
    license: str


def _attribution(stated: tuple[_Stated, ...], files: list[str]) -> Attribution:
    """What one paragraph says of files, which may be of several upstreams."""
    holders = chain.from_iterable(each.notice.copyright for each in stated)
    comments = [each.notice.attribution for each in stated if each.notice.attribution]
    return Attribution(
        files=tuple(files),
        copyright=tuple(dict.fromkeys(holders)),
        licenses=tuple(dict.fromkeys(each.license for each in stated)),
        comment="\n\n".join(comments),
    )


def _stated(recipe: Recipe, components: Components, entry: Content) -> Iterator[_Stated]:
    """What the upstreams of a file state of it; nothing of a file of ours."""
    for name in _components(recipe, entry):
        source = components.components[name]
        notice = _notice(name, source, _program(entry))
        yield _Stated(notice, notice.license or source.license)


def _components(recipe: Recipe, entry: Content) -> Iterator[str]:
    """The components whose work a file is."""
    if entry.input is None or entry.input.component in _OWN:
        return
    if entry.input.component == "hyperkube":
        yield from recipe.made_of
    else:
        yield entry.input.component


def _program(entry: Content) -> str:
    """Upstream's name of a file; of a pattern the pattern."""
    _, _, member = entry.source.partition("!")
    return PurePosixPath(member or entry.source).name


def _pattern(entry: Content) -> str:
    """Where a file is installed; members that a pattern chooses are below the target."""
    target = entry.target.lstrip("/")
    return f"{target}/*" if entry.source.endswith("*") else target


def _notice(name: str, source: ComponentSource, program: str) -> Notice:
    for notice in source.notices:
        if program in notice.programs:
            return notice
    for notice in source.notices:
        if not notice.programs:
            return notice
    raise RequestError(
        f"recipes/components.toml: components.{name}.notices",
        f"there is none for {program}, and a package must say whose it is",
        "add one: copyright as upstream states it, and source, where that was read",
    )
