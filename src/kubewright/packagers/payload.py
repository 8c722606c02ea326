"""Gathers what goes into a package: fetched inputs, members of archives, packaging files, rendered
templates.
"""

import shutil
import tarfile
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import jinja2

from kubewright import content, files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.base import Arch, Format
from kubewright.models.description import Payload, Script
from kubewright.models.image import InputName
from kubewright.models.recipe import Content, Recipe

Inputs = Callable[[str, str], Path]
"""Gives the file of `(component, name)` for the architecture at hand; raises Missing if there is
none.
"""


class Missing(Exception):
    """An input that this upstream does not have."""


def gather(
    recipe: Recipe,
    form: Format,
    arch: Arch,
    inputs: Inputs,
    variables: Mapping[str, Any],
    work: Path,
) -> tuple[Payload, ...]:
    """Put every file of a recipe below `work` and list them by target. Raises Missing,
    RequestError.
    """
    found: dict[str, Payload] = {}
    for number, entry in enumerate(recipe.contents):
        if entry.belongs(form, variables["minor"]):
            place = f"recipes/packages/{recipe.name}.toml: contents[{number}].source"
            for payload in _gather(entry, place, arch, inputs, variables, work / str(number)):
                if payload.target in found:
                    raise RequestError(
                        f"{place}: {payload.target} is already there; name each target once"
                    )
                found[payload.target] = payload
    return tuple(found[target] for target in sorted(found))


def _gather(
    entry: Content, place: str, arch: Arch, inputs: Inputs, variables: Mapping[str, Any], work: Path
) -> list[Payload]:
    mode = int(entry.mode, 8)
    if entry.kind in ("dir", "link"):
        mode = 0o755 if entry.kind == "dir" and entry.mode == "0644" else mode
        return [Payload(target=entry.target, kind=entry.kind, mode=mode, to=entry.to)]
    if entry.input is not None:
        member = entry.input.member.format(
            version=variables["version"], arch=arch.value, uname=arch.rpm
        )
        paths = _from_input(entry.input._replace(member=member), place, inputs, work)
        if not member.endswith("*"):
            return [
                Payload(target=entry.target, kind=entry.kind, mode=mode, path=path)
                for path in paths
            ]
        return [
            Payload(
                target=f"{entry.target.rstrip('/')}/{path.name}",
                kind=entry.kind,
                mode=mode,
                path=path,
            )
            for path in paths
        ]
    kind, _, name = entry.source.partition(":")
    path = _content_file(name, place)
    if kind == "template":
        text = render(path.read_text(encoding="utf-8"), variables, place)
        if not text:
            return []
        work.parent.mkdir(parents=True, exist_ok=True)
        work.write_text(text, encoding="utf-8")
        path = work
    return [Payload(target=entry.target, kind=entry.kind, mode=mode, path=path)]


def _content_file(name: str, place: str) -> Path:
    """`kubelet/kubelet.service` is below packaging/, `@repo/templates/x` below repo/."""
    base = content.root() if name.startswith("@") else content.folder("packaging")
    path = (base / name.removeprefix("@")).resolve()
    if not path.is_relative_to(content.root()) or not path.is_file():
        raise RequestError(
            f"{place}: there is no file {name!r} below {base.name}/; correct the name or add the file"
        )
    return path


def _from_input(wanted: InputName, place: str, inputs: Inputs, work: Path) -> list[Path]:
    """The file itself, or members of an archive taken out below `work`."""
    name, member = f"{wanted.component}/{wanted.name}", wanted.member.removeprefix("./")
    archive = inputs(wanted.component, wanted.name)
    if not member:
        return [archive]
    taken = []
    try:
        with tarfile.open(archive) as tar:
            for info in tar:
                path = info.name.removeprefix("./")
                if (
                    info.isfile()
                    and fnmatchcase(path, member)
                    and path.count("/") == member.count("/")
                ):
                    target = work / path.rsplit("/", 1)[-1]
                    target.parent.mkdir(parents=True, exist_ok=True)
                    source = tar.extractfile(info)
                    if source is not None:
                        with source, target.open("wb") as stream:
                            shutil.copyfileobj(source, stream, files.CHUNK)
                    taken.append(target)
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise VerificationFailed(
            f"{archive} ({name}): not a readable archive: {error}; fetch it again"
        ) from error
    if not taken:
        raise RequestError(
            f"{place}: {name} holds no {member!r}; look into the archive and correct the member"
        )
    return sorted(taken)


def render(text: str, variables: Mapping[str, Any], place: str) -> str:
    """Fill a template. Raises RequestError that names the place for anything wrong with it."""
    environment = jinja2.Environment(  # noqa: S701 - shell and configuration files, not HTML
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(content.folder("packaging")),
    )
    try:
        filled = environment.from_string(text).render(variables)
    except jinja2.TemplateError as error:
        raise RequestError(f"{place}: template: {error}") from error
    return filled if filled.strip() else ""


def scripts(recipe: Recipe, variables: Mapping[str, Any]) -> dict[Script, str]:
    """The maintainer scripts of a recipe, rendered; those with nothing to do are left out."""
    names: tuple[Script, ...] = ("preinst", "postinst", "prerm", "postrm")
    found: dict[Script, str] = {}
    for name in names:
        place = f"packaging/scripts/{name}.sh.j2"
        extra = recipe.scripts.get(name, "")
        if extra:
            extra = render(
                _content_file(extra, f"recipes/packages/{recipe.name}.toml: scripts").read_text(),
                variables,
                extra,
            )
        text = render(
            _content_file(f"scripts/{name}.sh.j2", place).read_text(),
            {**variables, "extra": extra},
            place,
        )
        if text:
            found[name] = text
    return found
