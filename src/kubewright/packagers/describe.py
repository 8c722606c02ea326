"""Describes packages: a recipe, a release, an architecture and a format become one neutral
description.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from kubewright import versions
from kubewright.models.base import Arch, Format
from kubewright.models.components import ComponentSource
from kubewright.models.description import Attribution, Description, Payload, Relation, Script
from kubewright.models.lock import Component, Release
from kubewright.models.recipe import Recipe, Relations
from kubewright.packagers import relation_syntax

BUILD_HOST = "kubewright"
"""What rpms name as their build host, and as the program that built them; the real host must not
show.
"""


@dataclass(frozen=True)
class Identity:
    """A recipe's version in one format."""

    upstream: str
    version: str
    revision: str
    epoch: int
    source_date_epoch: int


@dataclass(frozen=True)
class Stated:
    """What the circumstances say of a package: who maintains it, further placeholders, and whose
    its files are.
    """

    maintainer: str
    extra: Mapping[str, str]
    attributions: tuple[Attribution, ...] = ()

    def license(self, source: ComponentSource) -> str:
        """The SPDX expression for everything in the package."""
        named = chain.from_iterable(each.licenses for each in self.attributions)
        return " AND ".join(sorted(set(named))) or source.license


def identify(recipe: Recipe, release: Release, form: Format, values: Mapping[str, str]) -> Identity:
    """Which version, revision, epoch and date the packages of a recipe carry."""
    component = release.component(recipe.component)
    upstream = recipe.version.format_map(values) if recipe.version else component.version
    own = recipe.revision
    revision = release.revision if own is None else own + release.raised
    return Identity(
        upstream=upstream,
        version=versions.package_version(upstream),
        revision=str(revision),
        epoch=recipe.epoch.get(form, 0),
        source_date_epoch=release.dated(recipe.component),
    )


def wrapped(text: str) -> str:
    """Paragraphs at the width that package managers show."""
    paragraphs = (" ".join(part.split()) for part in text.strip().split("\n\n"))
    return "\n\n".join(textwrap.fill(part, width=75) for part in paragraphs)


def placeholders(recipe: Recipe, release: Release) -> dict[str, str]:
    """What `{names}` in relations stand for: component versions, and the bounds made from the
    minor.
    """
    component = release.component(recipe.component)
    return {
        **{chosen.name: versions.package_version(chosen.version) for chosen in release.components},
        "version": versions.package_version(component.version),
        **(_containerd(release.component("containerd")) if release.has("containerd") else {}),
        "minor": release.minor,
        "after_next_minor": versions.next_minor(release.kubernetes, 2),
        "revision": str(release.revision),
    }


def _containerd(component: Component) -> dict[str, str]:
    """The bounds of the lines that the release allows, within the major version that its
    configuration is for.
    """
    major = versions.parse(component.version).major
    lines = () if component.range == "*" else versions.Range.parse(component.range).terms
    bounds = []
    for line in lines:
        bounds += [bound for operator, bound in line if operator == ">=" and bound.major == major]
    floor = min(bounds, default=versions.parse(component.version))
    return {"containerd_floor": str(floor), "containerd_ceiling": str(major + 1)}


def describe(
    recipe: Recipe,
    source: ComponentSource,
    release: Release,
    arch: Arch | Literal["all"],
    form: Format,
    payload: tuple[Payload, ...],
    scripts: Mapping[Script, str],
    stated: Stated,
) -> Description:
    """The package that a recipe makes of a release; `source` is the component that it is of.

    Raises RequestError for relations that cannot be read.
    """
    values = {**placeholders(recipe, release), **stated.extra}
    identity = identify(recipe, release, form, values)
    scripts = {name: text for name, text in scripts.items() if text.strip()}
    return Description(
        name=recipe.name,
        version=identity.version,
        revision=identity.revision,
        epoch=identity.epoch,
        arch=arch,
        format=form,
        summary=recipe.summary,
        description=wrapped(recipe.description),
        section=recipe.section,
        license=stated.license(source),
        home=source.home,
        maintainer=stated.maintainer,
        source_date_epoch=identity.source_date_epoch,
        **_related(
            recipe, recipe.related(form, release.minor), form, values, has_scripts=bool(scripts)
        ),
        payload=payload,
        scripts=scripts,
        component=recipe.component if len(stated.attributions) > 1 else "",
        attributions=stated.attributions,
        changes=changes(recipe, identity),
    )


def changes(recipe: Recipe, identity: Identity) -> tuple[str, ...]:
    """What the changelog says of this version: what of upstream's it is, and what its revision has
    changed where the recipe tells.
    """
    told = recipe.changes.get(int(identity.revision), "") if recipe.revision is not None else ""
    first = (
        f"Packaged from {recipe.component} {identity.upstream}."
        if any(entry.input for entry in recipe.contents)
        else f"For {recipe.component} {identity.upstream}."
    )
    return (first, f"Revision {identity.revision}: {told}") if told else (first,)


def _related(
    recipe: Recipe, stated: tuple[Relations, ...], form: Format, values: Mapping[str, str],
    *, has_scripts: bool,
) -> dict[str, tuple[Relation, ...]]:  # fmt: skip
    """The relations of a package by their key."""
    related: dict[str, tuple[Relation, ...]] = {}
    for key in Relations.model_fields:
        place = f"recipes/packages/{recipe.name}.toml: {key}"
        texts: list[str] = []
        for relations in stated:
            texts += getattr(relations, key)
        if key == "depends" and form is Format.rpm and has_scripts:
            texts.append("/bin/sh")  # rpm orders scriptlets after their shell only if told so
        related[key] = tuple(relation_syntax.parse(text, values, place) for text in texts)
    return related


def template_variables(
    recipe: Recipe, release: Release, form: Format, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What the templates of files and scripts may use."""
    identity = identify(recipe, release, form, {**placeholders(recipe, release), **settings})
    return {
        "release": release,
        "recipe": recipe,
        "format": form.value,
        "version": identity.upstream,
        "minor": release.minor,
        "services": recipe.services,
        **settings,
    }
