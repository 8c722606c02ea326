"""Gathers what goes into a package: fetched inputs, members of archives, packaging files, rendered
templates.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, get_args

import jinja2

from kubewright import inputs
from kubewright.errors import RequestError
from kubewright.inputs import InputName
from kubewright.models.base import Arch, Format
from kubewright.models.description import Payload, Script
from kubewright.models.recipe import PLACES, Content, Recipe

TakeInput = Callable[[str, str], Path]
"""Gives the file of `(component, name)` for the architecture at hand; raises `inputs.Missing` if
there is none.
"""

_CONFIGURE = ("postinst", "posttrans")
"""Where a format sets up what it has unpacked: after the package, or after the transaction."""


class Unpacked:
    """Members of fetched archives, taken out below a folder; each archive is read once.

    It is for the packages of one recipe and one architecture.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: dict[Path, Mapping[InputName, list[Path]]] = {}

    def members(self, archive: Path, wanted: InputName, every: Iterable[InputName]) -> list[Path]:
        """The files that `wanted` means; `every` is what is wanted of any archive in all."""
        if wanted not in self._taken.get(archive, {}):
            names = {one for one in every if one.id == wanted.id and one.member} | {wanted}
            folder = self._folder / str(len(self._taken))
            self._taken[archive] = inputs.extract(archive, sorted(names), folder)
        return self._taken[archive][wanted]


def gather(
    recipe: Recipe,
    form: Format,
    arch: Arch,
    take: TakeInput,
    variables: Mapping[str, Any],
    content: Path,
    work: Path,
    unpacked: Unpacked | None = None,
) -> tuple[Payload, ...]:
    """Put every file of a recipe below `work` and list them by target.

    `content` is the folder that packaging/ and repo/ are in; `unpacked` is shared by the formats of
    a package. Raises Missing, RequestError.
    """
    unpacked = unpacked or Unpacked(work / "unpacked")
    members = partial(_members, take, unpacked, _wanted(recipe, arch, variables))
    by_target = _places(recipe, work)
    for number, entry in enumerate(recipe.contents):
        if entry.kind != "place" and entry.belongs(form, variables["minor"]):
            place = f"recipes/packages/{recipe.name}.toml: contents[{number}].source"
            for payload in _gather(
                entry.shipped(recipe.name),
                place,
                arch,
                members,
                variables,
                content,
                work / str(number),
            ):
                if payload.target in by_target:
                    raise RequestError(
                        place, f"{payload.target} is already there", "name each target once"
                    )
                by_target[payload.target] = payload
    return tuple(by_target[target] for target in sorted(by_target))


def _places(recipe: Recipe, work: Path) -> dict[str, Payload]:
    """The list of the directories that scripts make, by target, where a recipe has any."""
    if not recipe.places:
        return {}
    work.mkdir(parents=True, exist_ok=True)
    path = work / "places"
    path.write_text(recipe.places_listed, encoding="utf-8")
    target = f"{PLACES}/{recipe.name}"
    return {target: Payload(target=target, kind="file", mode=0o644, path=path)}


def _wanted(recipe: Recipe, arch: Arch, variables: Mapping[str, Any]) -> list[InputName]:
    """Every input of a recipe, in any of its formats, that can be named."""
    found = []
    for number, entry in enumerate(recipe.contents):
        belongs = any(entry.belongs(form, variables["minor"]) for form in Format)
        if entry.input is not None and belongs:
            place = f"recipes/packages/{recipe.name}.toml: contents[{number}].source"
            found.append(entry.input.filled(variables["version"], arch, place))
    return found


def _gather(
    entry: Content,
    place: str,
    arch: Arch,
    members: Callable[[InputName, str], list[Path]],
    variables: Mapping[str, Any],
    content: Path,
    work: Path,
) -> list[Payload]:
    mode = entry.octal
    if entry.kind in ("dir", "link"):
        return [Payload(target=entry.target, kind=entry.kind, mode=mode, to=entry.to)]
    form: Literal["file", "config"] = "config" if entry.kind == "config" else "file"
    if entry.input is not None:
        wanted = entry.input.filled(variables["version"], arch, place)
        return [
            Payload(
                target=wanted.target_of(entry.target, path.name),
                kind=form,
                mode=mode,
                path=path,
            )
            for path in members(wanted, place)
        ]
    kind, _, name = entry.source.partition(":")
    path = _content_file(name, place, content)
    if kind == "template":
        text = render(path.read_text(encoding="utf-8"), variables, place, content)
        if not text:
            return []
        work.parent.mkdir(parents=True, exist_ok=True)
        work.write_text(text, encoding="utf-8")
        path = work
    return [Payload(target=entry.target, kind=form, mode=mode, path=path)]


def _content_file(name: str, place: str, content: Path) -> Path:
    """`kubelet/kubelet.service` is below packaging/, `@repo/templates/x` below repo/."""
    base = content if name.startswith("@") else content / "packaging"
    path = (base / name.removeprefix("@")).resolve()
    if not path.is_relative_to(content) or not path.is_file():
        raise RequestError(
            place,
            f"there is no file {name!r} below {base.name}/",
            "correct the name or add the file",
        )
    return path


def _members(
    take: TakeInput, unpacked: Unpacked, every: Sequence[InputName], wanted: InputName, place: str
) -> list[Path]:
    """The fetched file itself, or members of it."""
    fetched = take(wanted.component, wanted.name)
    if not wanted.member:
        return [fetched]
    taken = unpacked.members(fetched, wanted, every)
    if not taken:
        raise RequestError(
            place,
            f"{wanted.id} holds no {wanted.member!r}",
            "look into the archive and correct the member",
        )
    return taken


def render(text: str, variables: Mapping[str, Any], place: str, content: Path) -> str:
    """Fill a template, which may include others of packaging/.

    Raises RequestError that names the place for anything wrong with it.
    """
    try:
        filled = _template(text, content).render(variables)
    except jinja2.TemplateError as error:
        raise RequestError(place, f"template: {error}", "correct the template") from error
    return filled if filled.strip() else ""


@lru_cache(maxsize=256)
def _template(text: str, content: Path) -> jinja2.Template:
    """A compiled template: most packages have the same scripts."""
    environment = jinja2.Environment(  # noqa: S701 - shell and configuration files, not HTML
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(content / "packaging"),
    )
    return environment.from_string(text)


def scripts(recipe: Recipe, variables: Mapping[str, Any], content: Path) -> dict[Script, str]:
    """The maintainer scripts of a recipe, rendered; those with nothing to do are left out."""
    rendered: dict[Script, str] = {}
    for name in get_args(Script):
        extra = recipe.scripts.get("configure" if name in _CONFIGURE else name, "")
        if extra:
            file = _content_file(extra, f"recipes/packages/{recipe.name}.toml: scripts", content)
            extra = render(file.read_text(), variables, extra, content)
        place = f"packaging/scripts/{name}.sh.j2"
        template = _content_file(f"scripts/{name}.sh.j2", place, content).read_text()
        text = render(template, {**variables, "extra": extra}, place, content)
        if text:
            rendered[name] = text
    return rendered
