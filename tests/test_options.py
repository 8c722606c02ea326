"""Every verb takes the options that it reads, and no other: read from the code itself."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kubewright.settings import Settings

SOURCE = Path(__file__).resolve().parent.parent / "src"
FIELDS = set(Settings.model_fields)


@dataclass
class Function:
    """What one function, or one class with all its methods, does with settings."""

    reads: set[str] = field(default_factory=set)
    passes_to: set[str] = field(default_factory=set)
    """Dotted names of what it hands settings to; a method of something unknown is `*.NAME`."""


def is_settings(node: ast.AST) -> bool:
    """Whether an expression is called settings: `settings`, `self.settings`."""
    name = node.id if isinstance(node, ast.Name) else getattr(node, "attr", "")
    return isinstance(node, ast.Name | ast.Attribute) and name == "settings"


class Module:
    """The functions of a module, and what the names in it stand for."""

    def __init__(self, path: Path) -> None:
        self.name = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        self.name = self.name.removesuffix(".__init__")
        self.tree = ast.parse(path.read_text())
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
        """What is read and handed on in the body of a function or a class."""
        found = Function()
        for node in ast.walk(definition):
            if isinstance(node, ast.Attribute) and is_settings(node.value) and node.attr in FIELDS:
                found.reads.add(node.attr)
            if isinstance(node, ast.Call):
                given = [*node.args, *(keyword.value for keyword in node.keywords)]
                if any(is_settings(argument) for argument in given):
                    found.passes_to.add(self.called(node.func))
        return found

    def called(self, function: ast.expr) -> str:
        """The dotted name of what is called."""
        head, _, rest = ast.unparse(function).partition(".")
        if head in self.names:
            return f"{self.names[head]}.{rest}".rstrip(".")
        return f"*.{rest.rpartition('.')[2]}" if rest else f"{self.name}.{head}"


MODULES = {module.name: module for module in map(Module, sorted(SOURCE.rglob("*.py")))}


def defined(name: str) -> Iterator[Function]:
    """The functions that a dotted name may stand for; what a package hands on is followed."""
    place, _, function = name.rpartition(".")
    if place == "*":
        for module in MODULES.values():
            for node in ast.walk(module.tree):
                if isinstance(node, ast.FunctionDef) and node.name == function:
                    yield module.function(node)
    elif place in MODULES:
        module = MODULES[place]
        if function in module.functions:
            yield module.functions[function]
        elif module.names.get(function, name) != name:
            yield from defined(module.names[function])


def settings_read(function: Function) -> set[str]:
    """What a function and all that it hands settings to reads of them."""
    seen: set[str] = set()
    rest, reads = [function], set[str]()
    while rest:
        current = rest.pop()
        reads |= current.reads
        for name in current.passes_to - seen:
            seen.add(name)
            rest += defined(name)
    return reads
