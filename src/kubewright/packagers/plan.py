"""Plans the packages of a release: which there are, what each is built from, and what cannot be."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, Literal, get_args

import jinja2
from jinja2 import meta

from kubewright import checked, files
from kubewright.errors import RequestError
from kubewright.models.base import Arch, Format, Model
from kubewright.models.build import Build
from kubewright.models.components import Components, ComponentSource
from kubewright.models.description import Attribution, Script
from kubewright.models.lock import Release
from kubewright.models.recipe import Recipe, Relations
from kubewright.packagers import doc_files
from kubewright.packagers.attribution import attributions
from kubewright.packagers.describe import identify, placeholders, template_variables
from kubewright.workspace import fingerprint

SCRIPTS = tuple(f"scripts/{name}.sh.j2" for name in get_args(Script))
"""The templates below packaging/ that the scripts of every package are rendered from."""

LONGEST = 64
"""Characters of a variable that a `Build` states as it is; of a longer one it states the digest."""


@dataclass(frozen=True)
class PlannedPackage:
    """One package that the recipes make of a release; `upstream` is its component's, and
    `attributions` say whose its files are.
    """

    recipe: Recipe
    upstream: ComponentSource
    arch: Arch | Literal["all"]
    format: Format
    attributions: tuple[Attribution, ...] = ()

    @property
    def id(self) -> str:
        """`deb/kubelet/amd64`."""
        return f"{self.format}/{self.recipe.name}/{self.arch}"

    def inputs(self, release: Release) -> Iterator[tuple[str, str, Arch]]:
        """The fetched files that go into it, by component, name and architecture."""
        arch = self.arch if isinstance(self.arch, Arch) else release.architectures[0]
        for entry in self.recipe.contents:
            if entry.input is not None and entry.belongs(self.format, release.minor):
                yield entry.input.component, entry.input.name, arch

    def gap(self, release: Release) -> str | None:
        """Why it cannot be built: the first of its inputs that the upstream does not have."""
        for wanted in self.inputs(release):
            reason = release.missing(*wanted)
            if reason is not None:
                return reason
        return None

    def never(self, release: Release) -> bool:
        """Whether no upstream has what it needs for its architecture."""
        gaps = (release.gap(*wanted) for wanted in self.inputs(release))
        return any(gap is not None and gap.never for gap in gaps)


@dataclass(frozen=True)
class Circumstances:
    """What decides packages beside lock and recipes; `variables` are those of templates, `content`
    is the folder that packaging/ and repo/ are in, `carried` the versions of what is inside the one
    program, `maintainer` who packages name.
    """

    content: Path
    keyring: bytes
    variables: Mapping[str, Any]
    tools: Mapping[str, str]
    carried: Mapping[str, str] = field(default_factory=dict)
    maintainer: str = ""

    def inside(self, recipe: Recipe) -> Mapping[str, str]:
        """The versions that a package states of what is in it, by component."""
        return self.carried if recipe.monolith else {}


def plan(
    release: Release, recipes: Iterable[Recipe], components: Components
) -> list[PlannedPackage]:
    """Every package that these recipes make of a release."""
    planned = []
    for recipe in recipes:
        if (recipe.monolith and not release.monolith) or not _possible(recipe, release, components):
            continue
        upstream = components.components[recipe.component]
        for arch in _architectures(recipe, release):
            for form in Format:
                stated = attributions(recipe, components, form, release.minor)
                planned.append(PlannedPackage(recipe, upstream, arch, form, stated))
    return planned


def wanted(planned: Sequence[PlannedPackage], only: str) -> list[PlannedPackage]:
    """Those whose recipe's name `only` matches (a name or a pattern).

    Raises RequestError when none does.
    """
    matching = [package for package in planned if fnmatchcase(package.recipe.name, only)]
    if not matching:
        known = ", ".join(sorted({package.recipe.name for package in planned}))
        raise RequestError(
            f"--only {only}", "no package has this name", f"the packages are {known}"
        )
    return matching


def materials(package: PlannedPackage, release: Release, around: Circumstances) -> Build:
    """Everything that decides a package."""
    recipe, upstream = package.recipe, package.upstream
    sources = _content_files(package, release, around.content)
    return Build(
        id=package.id,
        inputs=_inputs(package, release, around.keyring),
        recipe=fingerprint(
            recipe.model_dump(mode="json"),
            upstream.home,
            [each.model_dump(mode="json") for each in package.attributions],
            release.minor,
        ),
        content={name: checked.sha256_of(source.path) for name, source in sources.items()},
        tools=dict(around.tools),
        variables=_identity(package, release, around)
        | _rendered(package, release, around.variables, sources.values()),
    )


def _possible(recipe: Recipe, release: Release, components: Components) -> bool:
    """Whether a release has the components that a package is of or names: some do without
    Docker.
    """
    relations = "\n".join(_relations(recipe, tuple(Format), release.minor))
    named = {name for name in components.components if f"{{{name}" in relations}
    return all(map(release.has, {recipe.component, *named}))


def _architectures(recipe: Recipe, release: Release) -> Sequence[Arch | Literal["all"]]:
    return ("all",) if recipe.all_architectures else release.architectures


def _relations(recipe: Recipe, formats: Iterable[Format], minor: str) -> Iterator[str]:
    """The text of every relation that packages of some formats and a minor have."""
    for form in formats:
        for relations in recipe.related(form, minor):
            for key in Relations.model_fields:
                yield from getattr(relations, key)


def _inputs(package: PlannedPackage, release: Release, keyring: bytes) -> dict[str, str]:
    """The digest of each input that the lock has, and of the keyring where it is one."""
    known = release.named_inputs
    digests: dict[str, str] = {}
    for component, name, arch in package.inputs(release):
        if component == "keyring":
            digests[f"{component}/{name}"] = files.sha256(keyring)
            continue
        entry = known.get((component, name, arch))
        if entry is not None and entry.sha256 is not None:
            digests[entry.id] = entry.sha256
    return digests


def _content_files(
    package: PlannedPackage, release: Release, content: Path
) -> dict[str, "_Source"]:
    """Files of the content folders that a package carries or renders, by path from their root."""
    carried: list[str] = []
    rendered = [*SCRIPTS, *package.recipe.scripts.values()]
    for entry in package.recipe.contents:
        kind, _, name = entry.source.partition(":")
        if entry.belongs(package.format, release.minor) and kind in ("file", "template"):
            (carried if kind == "file" else rendered).append(name)
    for each in package.attributions:
        carried += (f"{doc_files.LICENSES}/{name}" for name in each.licenses)
    sources = {name: _Source(_content_path(name, content)) for name in carried}
    while rendered:
        name = rendered.pop()
        path = _content_path(name, content)
        if name not in sources and path.is_file():  # `payload` refuses a missing one in words
            sources[name] = _parsed(path, checked.sha256_of(path))
            rendered += sources[name].included
    there = [source for source in sources.values() if source.path.is_file()]
    return {str(source.path.relative_to(content)): source for source in there}


def _content_path(name: str, content: Path) -> Path:
    """`kubelet/kubelet.service` is below packaging/, `@repo/templates/x` below repo/."""
    return content / (name[1:] if name.startswith("@") else f"packaging/{name}")


def _identity(package: PlannedPackage, release: Release, around: Circumstances) -> dict[str, str]:
    """Version and date, and the placeholders that its relations use."""
    recipe = package.recipe
    values = placeholders(recipe, release) | {"key_date": str(around.variables["key_date"])}
    values |= around.inside(recipe)
    identity = identify(recipe, release, package.format, values)
    stated = {
        "maintainer": around.maintainer,
        "version": f"{identity.epoch}:{identity.version}-{identity.revision}",
        "upstream": identity.upstream,
        "date": str(identity.source_date_epoch),
    }
    for text in _relations(recipe, [package.format], release.minor):
        for _, name, _, _ in Formatter().parse(text):
            if name in values:
                stated[f"{{{name}}}"] = values[name]
    return stated


def _rendered(
    package: PlannedPackage,
    release: Release,
    variables: Mapping[str, Any],
    sources: Iterable["_Source"],
) -> dict[str, str]:
    """The variables that its templates use; what of them follows from the recipe is left out."""
    values = template_variables(package.recipe, release, package.format, variables)
    used = frozenset[str]().union(*(source.variables for source in sources))
    implied = {"recipe", "services", "version", "minor", "format"}
    return {name: _text(values[name]) for name in sorted(used & values.keys() - implied)}


def _text(value: Any) -> str:
    if isinstance(value, Release):
        learned = {"inputs", "unavailable", "recipes", "distributions"}
        value = value.model_dump(mode="json", exclude=learned)
    elif isinstance(value, Model):
        value = value.model_dump(mode="json")
    if isinstance(value, str) and len(value) <= LONGEST:
        return value
    return fingerprint(value)


@dataclass(frozen=True)
class _Source:
    """A content file, and what it uses if it is a template."""

    path: Path
    variables: frozenset[str] = frozenset()
    included: tuple[str, ...] = ()


@cache
def _parsed(path: Path, digest: str) -> _Source:
    text = path.read_text(encoding="utf-8")
    try:
        tree = jinja2.Environment().parse(text)  # noqa: S701 - it is looked at, never rendered
    except jinja2.TemplateSyntaxError:
        return _Source(path)  # `payload` refuses it in words
    included = (name for name in meta.find_referenced_templates(tree) if name)
    return _Source(path, frozenset(meta.find_undeclared_variables(tree)), tuple(included))
