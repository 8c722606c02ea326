"""The rules of the house that a machine can hold: who imports whom, one door each, nothing hides
PyPI's `packaging`.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path

import pytest
from packaging.version import Version

import kubewright

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "kubewright"
CONTENT = ("recipes", "packaging", "images", "repo")
MODULES = {str(path.relative_to(SOURCE)): path.read_text() for path in sorted(SOURCE.rglob("*.py"))}
"""The text of every module of the engine, by its path below the package."""

ROOMS = {
    "packagers", "repos", "site", "images", "signing", "mirror", "resolution", "clients", "gobuild",
    "clusters",
}  # fmt: skip
"""Areas that never meet but in stages; `verification` checks the work of several and so stands
above them.
"""

SHOWN = {
    "kubewright.gobuild.parity.Parity",
    "kubewright.mirror.KUBERNETES",
    "kubewright.mirror.Summary",
    "kubewright.resolution.read_options",
    "kubewright.resolution.avoided",
    "kubewright.resolution.explain.Considered",
    "kubewright.resolution.explain.Explanation",
    "kubewright.resolution.updates.Updates",
    "kubewright.signing.roots.Signed",
}
"""What the command line has of rooms, which it reaches through stages else: choices, types, how
words are read.
"""

RECIPES = "kubewright.recipes.Recipes"

PROGRAMS = {"images/pins.py"}
"""Modules that are programs of their own: nobody could hand them anything."""

DOORS = {
    "subprocess": {"run.py"},
    "os.system": set[str](),
    "docker": {"engine.py", "images/login.py", "clusters/", "stages/cluster.py"},
    "yaml": {"clusters/kubeconfig.py"},
    "pysequoia": {"signing/"},
    "requests": {"upstream.py", "web.py", "registry_http.py"},
    "urllib.request": {"registry_http.py"},
    "http.client": set[str](),
    "os.environ": {"run.py", "cli/", "signing/keys.py"},
    "os.getenv": {"run.py", "cli/", "signing/keys.py"},
    "fcntl": {
        "files.py",
        "signing/development.py",
    },
    "zlib.compress": {"archives.py"},
    "zlib.compressobj": set[str](),
    "zlib_ng": {"archives.py"},
    "gzip.compress": set[str](),
    "zstandard.ZstdCompressor": {"packing/", "images/layer.py"},
    "time.time": {"cli/"},
    "datetime.datetime.now": {"cli/"},
    "datetime.datetime.today": {"cli/"},
    "datetime.datetime.utcnow": {"cli/"},
    "datetime.date.today": {"cli/"},
    "kubewright.content": {"cli/", *PROGRAMS},
    "kubewright.recipes": {"cli/", "stages/", *PROGRAMS},
    "kubewright.recipes.load": {"cli/", *PROGRAMS},
    "kubewright.recipes.evidenced": {"cli/"},
    "kubewright.recipes.minor_facts": {"cli/"},
    "kubewright.recipes.Catalog": {"cli/"},
    "kubewright.cli.shipped": {"cli/"},
}
"""What only some modules may use; a name that ends in / is a folder.

Stages get the recipes, and hand rooms the values that these work with.
"""


def imports(tree: ast.AST) -> dict[str, str]:
    """What each name that a module imports stands for: `{"sp": "subprocess", "now":
    "time.time"}`.
    """
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.asname or name.name: name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute here"
            found |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    return found


@cache
def uses(source: str) -> frozenset[str]:
    """Every dotted name that a module imports or reaches through an import, whatever it is called
    there.
    """
    tree = ast.parse(source)
    known = imports(tree)
    found = set(known.values())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            head, _, rest = ast.unparse(node).partition(".")
            if head in known:
                found.add(f"{known[head]}.{rest}")
    return frozenset(found)


def reaches(names: frozenset[str], door: str) -> bool:
    """Whether one of the names is the door or lies behind it."""
    return any(name == door or name.startswith(f"{door}.") for name in names)


def areas_used(source: str) -> set[str]:
    """The areas of our own package that a module uses: `stages`, `errors`, …"""
    return {name.split(".")[1] for name in uses(source) if name.startswith("kubewright.")}


def areas_refused(user: str) -> set[str]:
    """The areas that an area must not use: cli → stages → verification → rooms → the rest, models
    at the bottom.
    """
    if user in ("cli", "__main__"):
        return set()
    above = {"stages": {"cli"}, "verification": {"cli", "stages"}}.get(user)
    if above is not None:
        return above
    others = {"cli", "stages", "verification", *(ROOMS - {user})}
    if user == "site":
        others.remove("repos")  # a site renders its indexes by them; they know nothing of sites
    return (
        others | {"run", "upstream", "web", "registry_http", "content", "log"}
        if user == "models"
        else others
    )


def rooms_reached(source: str) -> set[str]:
    """What a module uses of rooms, but for what the command line shows."""
    below = tuple(f"kubewright.{room}." for room in {*ROOMS, "verification"})
    return {name for name in uses(source) if f"{name}.".startswith(below)} - SHOWN


def keeps(place: str, door: str) -> bool:
    """Whether a module may use a door."""
    return any(
        place == keeper or (keeper.endswith("/") and place.startswith(keeper))
        for keeper in DOORS[door]
    )


def test_imports_go_one_way() -> None:
    wrong = [
        f"{place} uses {', '.join(sorted(bad))}: move what both need to a module below them"
        for place, source in MODULES.items()
        if (bad := areas_used(source) & areas_refused(place.removesuffix(".py").split("/")[0]))
    ]
    assert not wrong


def test_the_command_line_reaches_rooms_through_stages_only() -> None:
    wrong = [
        f"{place} uses {', '.join(sorted(bad))}: let a stage do it"
        for place, source in MODULES.items()
        if place.startswith("cli/") and (bad := rooms_reached(source))
    ]
    assert not wrong
    there = frozenset[str]().union(
        *(uses(source) for place, source in MODULES.items() if place.startswith("cli/"))
    )
    assert there >= SHOWN, "what is not shown any more is not allowed any more"


def test_each_door_has_its_keepers() -> None:
    wrong = [
        f"{place} uses {door}: only {', '.join(sorted(keepers)) or 'nobody'} may"
        for place, source in MODULES.items()
        for door, keepers in DOORS.items()
        if reaches(uses(source), door) and not keeps(place, door)
    ]
    assert not wrong


def makes(source: str, name: str) -> bool:
    """Whether a module calls a class or function by its dotted name."""
    tree = ast.parse(source)
    known = imports(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            head, dot, rest = ast.unparse(node.func).partition(".")
            if f"{known.get(head, head)}{dot}{rest}" == name:
                return True
    return False


def test_recipes_are_made_in_one_place() -> None:
    makers = {place for place, source in MODULES.items() if makes(source, RECIPES)}
    assert makers == {"cli/shipped.py"}, "take them as an argument"


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("from kubewright.recipes import Recipes\nRecipes(root)", True),
        ("from kubewright.recipes import Recipes as R\ndef f():\n    return R(root).go", True),
        ("from kubewright import recipes as r\nr.Recipes(root)", True),
        ("from kubewright.recipes import Recipes\ndef f(recipes: Recipes) -> None: ...", False),
        ("from kubewright.models.recipe import Recipes\nRecipes(root)", False),
    ],
)
def test_who_makes_recipes_is_seen_under_any_name(source: str, made: bool) -> None:
    assert makes(source, RECIPES) is made


def test_what_builds_packages_knows_no_secret_key() -> None:
    builders = [
        place
        for place in MODULES
        if place.startswith("packagers/")
        or place in ("stages/package.py", "stages/build_package.py")
    ]
    secret = ("kubewright.signing.keys", "kubewright.signing.roles")
    wrong = [
        f"{place} uses {door}: a certificate is enough"
        for place in builders
        for door in secret
        if reaches(uses(MODULES[place]), door)
    ]
    assert not wrong
    assert len(builders) > 5


def test_the_rules_bite() -> None:
    assert areas_used("from kubewright.repos import apt") & areas_refused("packagers") == {"repos"}
    assert areas_used("import kubewright.stages.sign") & areas_refused("images") == {"stages"}
    assert areas_used("from kubewright import cli") & areas_refused("stages") == {"cli"}
    assert areas_used("from kubewright import signing, files") & areas_refused("signing") == set()
    assert rooms_reached("from kubewright.images import load") == {"kubewright.images.load"}
    assert rooms_reached("from kubewright import signing") == {"kubewright.signing"}
    assert rooms_reached("from kubewright.mirror import Summary") == set()
    assert keeps("cli/options.py", "os.environ")
    assert not keeps("signing/openpgp.py", "os.environ")


@pytest.mark.parametrize(
    ("source", "door"),
    [
        ("import subprocess", "subprocess"),
        ("import subprocess as sp", "subprocess"),
        ("from subprocess import run", "subprocess"),
        ("def f():\n    import requests.adapters", "requests"),
        ("from urllib import request", "urllib.request"),
        ("import os\nos.environ['A']", "os.environ"),
        ("from os import environ as e", "os.environ"),
        ("import datetime as d\nd.datetime.now(d.UTC)", "datetime.datetime.now"),
        ("from datetime import datetime\ndatetime.now()", "datetime.datetime.now"),
        ("import time\nclock = time.time", "time.time"),
        ("from kubewright import content", "kubewright.content"),
        ("from kubewright import recipes as r\nr.load(path, model)", "kubewright.recipes.load"),
    ],
)  # fmt: skip
def test_a_door_is_seen_under_any_name(source: str, door: str) -> None:
    assert reaches(uses(source), door)


@pytest.mark.parametrize(
    ("source", "door"),
    [
        ("from urllib.parse import urlsplit", "urllib.request"),
        ("import time\ntime.monotonic()", "time.time"),
        ("from kubewright import run\nrun.run(['true'])", "subprocess"),
        ("import requests_toolbelt", "requests"),
        ("from kubewright.recipes import Recipes", "kubewright.recipes.load"),
    ],
)
def test_what_only_looks_like_a_door_is_none(source: str, door: str) -> None:
    assert not reaches(uses(source), door)


def test_every_module_says_what_it_is() -> None:
    silent = [
        place for place, source in MODULES.items() if not ast.get_docstring(ast.parse(source))
    ]
    assert not silent, "each starts with a docstring of one sentence"


def test_every_module_stays_short() -> None:
    long = {
        place: lines for place, source in MODULES.items() if (lines := source.count("\n")) > 300
    }
    assert not long, "find the seam and make two modules"


COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def knotted(source: str) -> list[int]:
    """The lines of comprehensions that have two `for` or another comprehension in them."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, COMPREHENSIONS):
            inner = sum(isinstance(below, COMPREHENSIONS) for below in ast.walk(node)) - 1
            if inner or len(node.generators) > 1:
                found.append(node.lineno)
    return found


def test_comprehensions_are_simple() -> None:
    wrong = {place: lines for place, source in MODULES.items() if (lines := knotted(source))}
    assert not wrong, "write a loop, or give the inner one a name"


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("[a for a in b]", []),
        ("[a for a in b]\n[c for c in d]", []),
        ("{a for b in c for a in b}", [1]),
        ("\nx = {a: [b for b in a] for a in c}", [2]),
        ("[a for a in b if any(c in a for c in d)]", [1]),
        ("f(a for a in [b for b in c])", [1]),
    ],
)
def test_a_knotted_comprehension_is_seen(source: str, lines: list[int]) -> None:
    assert knotted(source) == lines


def functions(source: str) -> dict[str, int]:
    """How many lines each function of a module has, without its decorators."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found[f"{node.name}:{node.lineno}"] = (node.end_lineno or 0) - node.lineno + 1
    return found


def test_every_function_stays_short() -> None:
    long = {}
    for place, source in MODULES.items():
        for name, lines in functions(source).items():
            if lines > 40:
                long[f"{place}:{name}"] = lines
    assert not long, "find the seam and make two functions"
    assert functions("@f\ndef a():\n    b()\n    c()") == {"a:2": 3}


def described(page: str) -> list[str]:
    """The modules that docs/architecture.md has a line for, by path below the package."""
    found, folder = [], ""
    for line in page.partition("\n## Modules\n")[2].splitlines():
        if heading := re.fullmatch("### `src/kubewright/(.*)`", line):
            folder = heading[1]
        elif row := re.fullmatch(r"\| `(.+?\.py)` \| (.+) \|", line):
            found.append(f"{folder}{row[1]}")
    return found


def test_every_module_has_its_line_in_the_architecture() -> None:
    lines = described((ROOT / "docs" / "architecture.md").read_text())
    assert sorted(MODULES) == sorted(lines), "docs/architecture.md, Modules: a line for each"


def test_content_folders_hold_no_python() -> None:
    found = [
        str(path.relative_to(ROOT)) for folder in CONTENT for path in (ROOT / folder).rglob("*.py")
    ]
    assert not found, f"the engine lives in src/kubewright: {found}"


def test_nothing_hides_the_library_called_packaging() -> None:
    assert not (ROOT / "packaging" / "__init__.py").exists()
    assert not list((ROOT / "tests").rglob("__init__.py"))
    assert "site-packages" in str(sys.modules[Version.__module__].__file__)
    assert Version("1.36.4") > Version("1.36.4rc1")


def test_the_noxfile_imports_nothing_of_ours() -> None:
    names = {
        name.partition(".")[0]
        for name in imports(ast.parse((ROOT / "noxfile.py").read_text())).values()
    }
    assert names <= {"nox"} | sys.stdlib_module_names


def test_every_verb_is_a_session_that_says_what_it_does() -> None:
    # here, so that a mistake in the engine does not hide the other rules
    from kubewright.cli.verbs import load, verbs

    listed = subprocess.run(
        [sys.executable, "-I", "-m", "nox", "--noxfile", str(ROOT / "noxfile.py"), "--list"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    sessions = dict(
        line[2:].split(" -> ", 1) for line in listed.splitlines() if line.startswith(("- ", "* "))
    )
    others = {"tests", "lint", "docs", "bench", "acceptance", "conformance", "faults", "soak"}
    assert sessions.keys() == {*verbs(), *others}, "every verb is a session"
    for name, verb in verbs().items():
        first, *_ = str(load(name).help).split("\n\n")
        assert " ".join(first.split()) == verb.summary, f"{name}: help and verbs.toml differ"
        assert sessions[name].startswith(verb.summary.removesuffix(".")), name


def test_the_wheel_carries_the_content_folders(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("src", *CONTENT):
        shutil.copytree(ROOT / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "docs", source / "docs")
    build = [
        sys.executable,
        "-m",
        "hatchling",
        "build",
        "--target",
        "wheel",
        "--directory",
        str(tmp_path),
    ]
    subprocess.run(build, check=True, cwd=source, capture_output=True)
    [wheel] = tmp_path.glob("kubewright-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        carried = set(archive.namelist())
    ours = {
        path.relative_to(ROOT)
        for folder in CONTENT
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    ours |= {Path("docs", name) for name in ("install.md", "upgrade.md", "install.sh")}
    assert {f"kubewright/content/{path}" for path in ours} <= carried
    assert {"kubewright/cli/verbs.toml", "kubewright/content/docs/install.sh"} <= carried
    assert wheel.name == f"kubewright-{kubewright.__version__}-py3-none-any.whl"


@pytest.mark.parametrize(
    ("strict", "mark", "code"),
    [("1", "", 1), ("1", "@pytest.mark.elsewhere('why')", 0), ("0", "", 0)],
    ids=["refused", "elsewhere", "allowed"],
)
def test_a_skip_fails_a_run_that_takes_none(
    tmp_path: Path, strict: str, mark: str, code: int
) -> None:
    for name in ("conftest.py", "copied_sites.py", "exhaustive.py", "made_keys.py"):
        shutil.copy(ROOT / "tests" / name, tmp_path)
    (tmp_path / "test_skip.py").write_text(
        f"import pytest\n{mark}\ndef test_it(): pytest.skip('no kernel here')\n"
    )
    alone = ["-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", str(tmp_path)]
    alone += ["-o", f"pythonpath={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *alone, str(tmp_path)],
        env=os.environ | {"KUBEWRIGHT_NO_SKIPS": strict},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout
    assert ("test_it: Skipped: no kernel here" in done.stdout) is bool(code)
