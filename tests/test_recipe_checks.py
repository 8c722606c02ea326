"""Package recipes against each other: a name that nothing has, and a file that two of them have."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright import recipe_checks
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.models.recipe import Content, OlderRelations, Recipe, Relations
from kubewright.recipes import Recipes

PACKAGES = shipped().packages
COMPONENTS = shipped().components

WITH_INPUTS = sorted(
    name for name, recipe in PACKAGES.items() if any(e.input for e in recipe.contents)
)


def checked(*recipes: Recipe) -> None:
    recipe_checks.check({recipe.name: recipe for recipe in recipes}, COMPONENTS)


def swapped(word: str) -> str:
    """A word with two letters in the other order, as fingers do it."""
    at = next(at for at in range(len(word) // 2, len(word)) if word[at] != word[at + 1])
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


@pytest.mark.parametrize("name", sorted(PACKAGES))
def test_a_misspelt_component_of_any_package_is_refused_with_the_near_miss(name: str) -> None:
    recipe = PACKAGES[name]
    wrong = recipe.model_copy(update={"component": swapped(recipe.component)})
    with pytest.raises(
        RequestError,
        match=rf"^recipes/packages/{name}.toml: component: no component '{wrong.component}' in "
        rf"recipes/components.toml; did you mean '{recipe.component}'\?$",
    ):
        checked(wrong)


@pytest.mark.parametrize("part", ["component", "name"])
@pytest.mark.parametrize("name", WITH_INPUTS)
def test_a_misspelt_input_of_any_package_is_refused_with_the_near_miss(
    name: str, part: str
) -> None:
    recipe = PACKAGES[name]
    number, entry = next((n, e) for n, e in enumerate(recipe.contents) if e.input)
    assert entry.input is not None
    right = getattr(entry.input, part)
    wrong = entry.input._replace(**{part: swapped(right)})
    source = f"input:{wrong.id}" + (f"!{wrong.member}" if wrong.member else "")
    contents = list(recipe.contents)
    contents[number] = entry.model_copy(update={"source": source})
    with pytest.raises(RequestError) as caught:
        checked(recipe.model_copy(update={"contents": tuple(contents)}))
    first = str(caught.value).splitlines()[0]
    noun = "component" if part == "component" else f"input of {entry.input.component}"
    assert first == (
        f"recipes/packages/{name}.toml: contents[{number}].source: no {noun} '{swapped(right)}' in"
        f" recipes/components.toml; did you mean '{right}'?"
    )


def test_what_is_like_nothing_is_refused_with_what_there_is() -> None:
    with pytest.raises(RequestError, match=r"no component 'qqq' .*; known: busybox, .*, runc$"):
        checked(PACKAGES["etcd"].model_copy(update={"component": "qqq"}))
    with pytest.raises(RequestError, match=r"toml: made_of\[1\]: no component 'ectd'.*'etcd'"):
        checked(PACKAGES["etcd"].model_copy(update={"made_of": ("runc", "ectd")}))


def package(name: str, *targets: str, **more: object) -> Recipe:
    contents = tuple(Content(target=target, source="file:x") for target in targets)
    table = {"name": name, "summary": name, "description": name, "contents": contents, **more}
    return Recipe.model_validate(table)


A = package("a", "/usr/bin/x", "/usr/bin/a")


@pytest.mark.parametrize(
    "other",
    [
        package("b", "/usr/bin/b"),
        package("b", "/usr/bin/x", relations=Relations(conflicts=("a",))),
        package("b", "/usr/bin/x", relations=Relations(conflicts=("a (<< 2)", "c"))),
        package("b", contents=(Content(target="/usr/bin/x", kind="dir"),)),
        package("b", contents=(Content(target="/usr/bin/x", kind="place"),)),
        package(
            "b", "/usr/bin/x", deb=Relations(conflicts=("a",)), rpm=Relations(conflicts=("a",))
        ),
    ],
    ids=["other-file", "conflict", "versioned", "directory", "place", "each-format"],
)
def test_packages_that_are_apart_or_share_a_directory_are_right(other: Recipe) -> None:
    checked(A, other)
    checked(other, A)


def with_x(**entry: object) -> Recipe:
    """A package with the file that `A` has, stated otherwise."""
    table = {"target": "/usr/bin/x", **entry}
    return package("b").model_copy(update={"contents": (Content.model_validate(table),)})


OLD = OlderRelations(before="1.30", deb=Relations(conflicts=("a",)))

MEETING = {
    "plain": (package("b", "/usr/bin/x"), "deb rpm"),
    "deb conflict": (package("b", "/usr/bin/x", deb=Relations(conflicts=("a",))), "rpm"),
    "rpm conflict": (package("b", "/usr/bin/x", rpm=Relations(conflicts=("a",))), "deb"),
    "replaces": (package("b", "/usr/bin/x", relations=Relations(replaces=("a",))), "deb rpm"),
    "provides": (package("b", "/usr/bin/x", relations=Relations(provides=("a",))), "deb rpm"),
    "link": (with_x(kind="link", to="y"), "deb rpm"),
    "default": (with_x(kind="default", source="file:y"), "deb rpm"),
    "one format": (with_x(source="file:y", only="rpm"), "rpm"),
    "one minor": (with_x(source="file:y", minors={"1.36": True}), "deb rpm"),
    "older only": (package("b", "/usr/bin/x", older=(OLD,)), "deb rpm"),
}


@pytest.mark.parametrize("case", MEETING)
def test_a_file_of_two_packages_that_may_meet_is_refused(case: str) -> None:
    other, forms = MEETING[case]
    with pytest.raises(RequestError) as caught:
        checked(A, other)
    assert str(caught.value).splitlines() == [
        f"recipes/packages/b.toml: contents[0].target: /usr/bin/x is in a too, and {form} installs"
        " no file twice; take it out of one of them, or let them conflict"
        for form in forms.split()
    ]


def test_a_conflict_with_what_the_other_provides_keeps_them_apart() -> None:
    virtual = package("b", "/usr/bin/x", relations=Relations(provides=("runtime (= 1)",)))
    checked(package("a", "/usr/bin/x", relations=Relations(conflicts=("runtime",))), virtual)


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of what is shipped, which is in its place meanwhile."""
    for name in ("recipes", "packaging", "images", "repo", "docs"):
        shutil.copytree(shipped().root / name, tmp_path / "content" / name)
    monkeypatch.setattr("kubewright.cli.shipped.shipped", lambda: Recipes(tmp_path / "content"))
    return tmp_path / "content"


def change(content: Path, old: str, new: str) -> None:
    path = content / "recipes/packages/etcd.toml"
    text, count = re.subn(re.escape(old), new, path.read_text(), count=1)
    assert count == 1
    path.write_text(text)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('component = "etcd"', 'component = "etdc"', "did you mean 'etcd'"),
        ('"/usr/bin/etcd"', '"/usr/bin/kubelet"', "/usr/bin/kubelet is in etcd too"),
    ],
)
@pytest.mark.parametrize("verb", ["release", "catalog"])
def test_a_mistake_is_found_before_anything_is_fetched(
    content: Path, old: str, new: str, said: str, verb: str, sample_mirror: Path,
    run: Callable[..., tuple[int, str, str]], tmp_path: Path,
) -> None:  # fmt: skip
    change(content, old, new)
    words = ["catalog", "check"]
    if verb == "release":
        words = ["release", "v1.36.4", "--upstream", str(sample_mirror), "--cache", "cache"]
    code, _, err = run(*words)
    assert (code, said in err) == (2, True), err
    assert not (tmp_path / "cache").exists()
