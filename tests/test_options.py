"""Every verb takes the options that it reads, and no other; what it reads is read from the code."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import get_args

import click
import pytest

from kubewright.cli import variables
from kubewright.cli.option_table import OPTIONS
from kubewright.cli.options import field_of
from kubewright.cli.resolve_options import OPTIONS as ASKING
from kubewright.cli.verbs import commands
from kubewright.errors import RequestError
from kubewright.packagers import PACKAGERS
from kubewright.settings import Backend, Settings

Run = Callable[..., tuple[int, str, str]]

SOURCE = Path(__file__).resolve().parent.parent / "src"
FIELDS = set(Settings.model_fields)


@dataclass
class Function:
    """What one function, or one class with all its methods, does with settings."""

    reads: set[str] = field(default_factory=set)
    decides: set[str] = field(default_factory=set)
    """What it sets itself before it hands settings on."""
    passes_to: set[str] = field(default_factory=set)
    """Dotted names of what it hands settings to; a method of something unknown is `*.NAME`."""


def is_settings(node: ast.AST) -> bool:
    """Whether an expression is called settings: `settings`, `self.settings`."""
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return isinstance(node, ast.Name | ast.Attribute) and name == "settings"


def is_copy(node: ast.expr) -> bool:
    """Whether an expression is `settings.model_copy`."""
    return isinstance(node, ast.Attribute) and node.attr == "model_copy" and is_settings(node.value)


@cache
def trees() -> dict[Path, ast.Module]:
    """Every module of the engine."""
    return {path: ast.parse(path.read_text()) for path in sorted(SOURCE.rglob("*.py"))}


@cache
def holding() -> set[str]:
    """Classes that hold settings; who gets one gets those."""
    found = set()
    for tree in trees().values():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                fields = [line for line in node.body if isinstance(line, ast.AnnAssign)]
                if any(is_settings(line.target) for line in fields):
                    found.add(node.name)
    return found


def is_given_settings(node: ast.expr) -> bool:
    """Whether an expression is a call that gets settings, or copies them."""
    return isinstance(node, ast.Call) and (any(map(is_settings, node.args)) or is_copy(node.func))


def carriers(definition: ast.AST) -> set[str]:
    """The names of a function that hold settings, or may: what is made from them."""
    names = {"settings"}
    for node in ast.walk(definition):
        if isinstance(node, ast.arg) and node.annotation is not None:
            if ast.unparse(node.annotation).strip("'\"") in holding():
                names.add(node.arg)
        elif isinstance(node, ast.Assign) and is_given_settings(node.value):
            names |= {ast.unparse(target) for target in node.targets}
    return names


class Module:
    """The functions of a module, and what the names in it stand for."""

    def __init__(self, path: Path) -> None:
        self.name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        self.name = self.name.removesuffix(".__init__")
        self.tree = trees()[path]
        self.names: dict[str, str] = {}
        self.functions: dict[str, Function] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                for name in node.names:
                    self.names[name.asname or name.name] = f"{node.module}.{name.name}"
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.names.setdefault(node.name, f"{self.name}.{node.name}")
        for node in self.tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self.functions[node.name] = self.function(node)

    def function(self, definition: ast.AST) -> Function:
        """What is read and handed on in the body of a function or a class, and in its bases."""
        found = Function()
        if isinstance(definition, ast.ClassDef):
            found.passes_to |= {self.called(base) for base in definition.bases}
        holders = carriers(definition)
        for node in ast.walk(definition):
            if isinstance(node, ast.Attribute) and is_settings(node.value) and node.attr in FIELDS:
                found.reads.add(node.attr)
            if isinstance(node, ast.Call) and is_copy(node.func):
                [update] = [each.value for each in node.keywords if each.arg == "update"]
                stated = update if isinstance(update, ast.Dict) else ast.Dict([], [])
                for key, value in zip(stated.keys, stated.values, strict=True):
                    if key is not None and not is_given_settings(value):
                        found.decides.add(str(ast.literal_eval(key)))
            elif isinstance(node, ast.Call):
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                if any(is_settings(each) or ast.unparse(each) in holders for each in given):
                    found.passes_to.add(self.called(node.func))
        return found

    def called(self, function: ast.expr) -> str:
        """The dotted name of what is called."""
        head, _, rest = ast.unparse(function).partition(".")
        if head in self.names:
            return f"{self.names[head]}.{rest}".rstrip(".")
        return f"*.{rest.rpartition('.')[2]}" if rest else f"{self.name}.{head}"


@cache
def modules() -> dict[str, Module]:
    """The same, read, by their names."""
    return {module.name: module for module in map(Module, trees())}


def defined(name: str) -> Iterator[Function]:
    """The functions that a dotted name may stand for; what a package hands on is followed."""
    place, _, function = name.rpartition(".")
    if place == "*":
        for module in modules().values():
            for node in ast.walk(module.tree):
                if isinstance(node, ast.FunctionDef) and node.name == function:
                    yield module.function(node)
    elif place in modules():
        module = modules()[place]
        if function in module.functions:
            yield module.functions[function]
        elif module.names.get(function, name) != name:
            yield from defined(module.names[function])


def settings_read(function: Function, seen: frozenset[str] = frozenset()) -> set[str]:
    """What a function and all that it hands settings to read of them, but for what it sets."""
    reads: set[str] = set()
    for name in function.passes_to - seen:
        for callee in defined(name):
            reads |= settings_read(callee, seen | {name})
    return function.reads | (reads - function.decides)


COMMANDS = dict(commands())
"""Every command by its words."""

ENVIRONMENT = {"source_date_epoch"}
"""Settings that are no options."""

NEVER = {"quickstart": {"dry_run", "asked"}}
"""What is read on the way, but only ever has its default: quickstart has nothing to rehearse, and
asks for nothing.
"""


def body_of(command: click.Command) -> Function:
    """The function behind a command."""
    callback = command.callback
    assert callback is not None
    module = modules()[callback.__module__]
    return module.functions[callback.__name__]


def settings_listed(command: click.Command) -> set[str]:
    """The settings that a command's options set."""
    names = {str(parameter.name) for parameter in command.params}
    asking = {"asked"} if "wanted" in names else set[str]()
    return (names & FIELDS) | asking


@pytest.mark.parametrize("words", COMMANDS)
def test_a_verb_lists_exactly_the_options_that_it_reads(words: str) -> None:
    command = COMMANDS[words]
    reads = settings_read(body_of(command)) - ENVIRONMENT - NEVER.get(words, set())
    listed = settings_listed(command)
    assert reads - listed == set(), f"`{words}` reads these, but its @shared does not name them"
    assert listed - reads == set(), f"`{words}` takes these, but nothing in it reads them"


def test_the_reading_of_the_code_sees_what_is_there() -> None:
    module = Module(SOURCE / "kubewright" / "stages" / "quickstart.py")
    function = module.functions["quickstart"]
    assert function.decides == {"upstream", "upstream_for", "dist", "site", "url"}
    assert "kubewright.stages.release.release" in function.passes_to
    assert {"offline", "only", "valid_for"} <= settings_read(function)
    assert not {"dist", "site"} & settings_read(function)
    assert list(defined("kubewright.nowhere.nothing")) == []


def test_release_takes_all_options() -> None:
    taken = {str(parameter.name) for parameter in COMMANDS["release"].params}
    assert {field_of(name) for name in OPTIONS} <= taken
    assert len(ASKING) == 4


def test_every_packager_can_be_asked_for() -> None:
    assert set(PACKAGERS) == set(get_args(Backend))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["history", "--flavour", "monolith"], "--flavour: `history` does not take it; leave it"),
        (["history", "--flavour=x"], "it is an option of resolve, release, doctor, quickstart"),
        (["key", "show", "--jobs=2"], "--jobs: `key show` does not take it; leave it out, it is"),
        (["catalog", "check", "--dry-run"], "--dry-run: `catalog check` does not take it; "),
        (["history", "--siet", "x"], "--siet: no verb has such an option; did you mean --site"),
        (["image", "-x"], "-x: no verb has such an option; `kubewright image --help` lists its"),
        (["--flavour", "x"], "--flavour: `kubewright` does not take it; "),
        (["refersh"], "No such command 'refersh'. Did you mean 'refresh'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_option_of_other_verbs_is_refused_by_name(
    run: Run, words: list[str], complaint: str
) -> None:
    code, out, err = run(*words)
    assert (code, out, complaint in err) == (2, "", True), err


@pytest.mark.parametrize("name", sorted(OPTIONS.keys() - {"site", "s3-endpoint", "now"}))
def test_a_default_for_other_verbs_is_passed_over(
    run: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    Path("site").mkdir()
    Path("kubewright.toml").write_text(f'{name} = "3"\n')
    monkeypatch.setenv(f"KUBEWRIGHT_{name.replace('-', '_').upper()}", "3")
    assert run("history")[2].startswith("error: site: nothing is published; "), "it looks there"


HEAVY = {
    "boto3", "createrepo_c", "cryptography", "debian", "docker", "jinja2", "pysequoia", "requests",
    "rich", "zstandard", "kubewright.resolution", "kubewright.stages.publish",
}  # fmt: skip
"""What takes long to import, and is imported where it is used."""


def imported(*words: str) -> set[str]:
    """The modules that a run of the command imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "kubewright", *words],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize(
    "words",
    [["--version"], ["--help"], *([*name.split(), "--help"] for name in COMMANDS)],
    ids=" ".join,
)
def test_what_only_speaks_of_a_verb_imports_nothing_heavy(words: list[str]) -> None:
    modules = imported(*words)
    assert modules & HEAVY == set()
    assert "click" in modules
    if words[0].startswith("--"):
        assert "pydantic" not in modules


def test_the_help_of_all_verbs_imports_none_of_them() -> None:
    ours = {name for name in imported("--help") if name.startswith("kubewright.cli.")}
    light = ("verbs", "configuration", "defaults", "rebase", "shown")
    assert ours == {f"kubewright.cli.{name}" for name in light}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_misspelt_variable_is_refused_with_the_near_miss(name: str) -> None:
    right = variables.variable(name)
    variables.refuse_misspelt({right: "x", "KUBEWRIGHT_DATA": "x", "KUBECONFIG": "x"})
    for wrong in (f"{right}S", right.replace("KUBEWRIGHT_", "KUBEWRIGHT__")):
        if wrong not in {*map(variables.variable, OPTIONS), "KUBEWRIGHT_ROOTS"}:
            with pytest.raises(RequestError, match=f"{wrong}: no such variable; did"):
                variables.refuse_misspelt({wrong: "x"})


def test_a_variable_of_somebody_elses_is_passed_over_with_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    variables.refuse_misspelt({"KUBEWRIGHT_BUILDKITE_PIPELINE_TOKEN": "x"})
    assert "no option is called so" in caplog.text
