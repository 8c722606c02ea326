"""catalog: what the recipes state, checked against itself and against an upstream; a new minor."""

import re
from pathlib import Path

from kubewright import files, versions
from kubewright.errors import RequestError
from kubewright.recipes import Recipes
from kubewright.resolution.lint import Contradiction, contradictions
from kubewright.resolution.updates import Updates, updates
from kubewright.settings import Settings


def check(recipes: Recipes) -> tuple[Contradiction, ...]:
    """Every contradiction in the catalog. Raises RequestError for a file that is wrong in
    itself, and for package recipes that do not fit the others.
    """
    recipes.check_packages()
    return tuple(
        contradictions(recipes.catalog, recipes.components, recipes.relations, recipes.skew)
    )


def size(recipes: Recipes) -> dict[str, int]:
    """How much is stated: minors, patches, statements about components, known versions,
    relations.
    """
    catalog, components = recipes.catalog.values(), recipes.components.components.values()
    statements = 0
    for facts in catalog:
        for key, group in facts.groups():
            statements += len(group) if key.startswith("components.") else 0
    return {
        "minors": len(catalog),
        "patches": sum(len(facts.patches) for facts in catalog),
        "statements": statements,
        "known versions": sum(len(component.known) for component in components),
        "relations": len(recipes.relations.relations),
    }


def diff(settings: Settings, recipes: Recipes) -> Updates:
    """What the settings' upstream has and the recipes lack."""
    from kubewright.stages.upstreams import opened

    upstream = opened(settings, recipes)
    found = updates(recipes.catalog, recipes.components, upstream, jobs=settings.jobs)
    return Updates(updates=found)


def new(minor: str, recipes: Recipes) -> Path:
    """Write the catalog's file of the minor that comes next, for a person to fill in; where it is.

    Raises RequestError for any other minor, and where there is no checkout to write in.
    """
    newest = list(recipes.catalog)[-1]
    path, place = recipes.folder / "catalog" / f"{minor}.toml", f"recipes/catalog/{minor}.toml"
    if minor in recipes.catalog:
        raise RequestError(place, "is there already", "edit it, then `kubewright catalog check`")
    if minor != (following := versions.next_minor(newest)):
        raise RequestError(
            minor,
            f"not the minor that comes after {newest}, the newest here",
            f"ask for {following}",
        )
    if not (recipes.root / "noxfile.py").is_file():
        raise RequestError(
            str(recipes.folder), "recipes of an installed kubewright, which nobody edits",
            f"in a checkout: ./nox -s catalog -- new {minor}",
        )  # fmt: skip
    text = (recipes.folder / "catalog" / f"{newest}.toml").read_text(encoding="utf-8")
    files.write(path, outline(text, newest, minor).encode())
    return path


OWN = re.compile(
    r"^(#.*|(minor|released|source|dockershim|dockershim_source) = .*|patches = \[\n(  .*\n)*\])\n",
    re.MULTILINE,
)
"""What of a minor's file is never another's."""

OUTLINE = """\
# What is known about Kubernetes {minor}. README.md beside this folder explains the keys; an absent value is unknown.
# Comments are what {older} states. Read each value again for {minor}, where its source says or in a newer one: take the
# line over where it holds, and delete it where you cannot find out.

minor = "{minor}"
released = "" # the day of {minor}.0, YYYY-MM-DD
source = "" # where that is from: a key of [sources]
dockershim = false
dockershim_source = "{shim}"
{head}
patches = [ # oldest first, every number
  # {{ version = "{minor}.0", date = "", source = "" }},
]

[components]
{components}
[sources]
{kept}{others}"""  # noqa: E501 - lines of a recipe


def outline(text: str, older: str, minor: str) -> str:
    """The file of a minor: what has to be filled in, and as comments what the older file states,
    of which each value has to be read again.
    """
    found = re.search('^dockershim_source = "(.+)"$', text, re.MULTILINE)
    shim = found[1] if found else ""
    facts, _, sources = OWN.sub("", text).partition("[sources]\n")
    head, table, components = f"\n{facts.strip()}".partition("\n[")
    lines = sources.splitlines(keepends=True)
    kept = "".join(line for line in lines if line.startswith(f"{shim} = "))
    others = "".join(line for line in lines if not line.startswith(f"{shim} = "))
    return OUTLINE.format(
        minor=minor, older=older, shim=shim, kept=kept, head=_commented(head),
        components=_commented(f"{table.strip()}{components}"), others=_commented(others),
    )  # fmt: skip


def _commented(text: str) -> str:
    """Lines as comments, a blank line as it is."""
    return "".join(f"# {line}\n" if line else "\n" for line in text.strip("\n").splitlines())
