"""Install a site's packages with the package managers that this machine has, into a private root.

The machine itself stays as it is: each client keeps its state, its downloads and what it unpacks
below the root that it is given. `apt` and `dnf` each have `check` (is it usable here?) and
`install`; `server.serve` puts a site's directory behind a URL.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from kubewright.errors import ToolMissing
from kubewright.models.base import Model
from kubewright.run import run


class ClientUnavailable(ToolMissing):
    """A package manager cannot be used on this machine; the message is one line that says why."""


class Installed(Model):
    """What a client did."""

    client: str
    version: str = Field(description="of the client")
    commands: tuple[str, ...]
    transcript: tuple[str, ...] = Field(description="the commands, each with what it printed")
    packages: tuple[tuple[str, str], ...] = Field(
        description="name and version of what came from the site"
    )


class Session:
    """Runs commands in one environment and keeps what a person at a terminal would have seen."""

    def __init__(self, env: Mapping[str, str], prefix: Sequence[str] = ()) -> None:
        """Every command gets `env` on top of the clean environment, and `prefix` in front."""
        self._env = env
        self._prefix = tuple(prefix)
        self.commands: list[str] = []
        self.lines: list[str] = []

    def run(self, *words: str | Path) -> str:
        """Run a command and return its standard output. Raises ToolFailed."""
        argv = [*self._prefix, *map(str, words)]
        self.commands.append(shlex.join(argv))
        self.lines.append(f"$ {self.commands[-1]}")
        output = self.ask(*words)
        self.lines += output.splitlines()
        return output

    def ask(self, *words: str | Path) -> str:
        """The standard output of a command that is not part of the story. Raises ToolFailed."""
        return run([*self._prefix, *words], env=self._env).stdout

    def note(self, text: str) -> None:
        """Put a remark into the transcript."""
        self.lines.append(f"# {text}")

    def installed(
        self, client: str, version: str, packages: tuple[tuple[str, str], ...]
    ) -> Installed:
        """The result: what a client of some version installed by the commands so far."""
        return Installed(
            client=client,
            version=version,
            commands=tuple(self.commands),
            transcript=tuple(self.lines),
            packages=packages,
        )


def run_installed(root: Path, argv: Sequence[str], *, codes: Sequence[int] = (0,)) -> str:
    """Run a program that was installed into `root`, such as `/usr/bin/kubelet --version`; return
    what it printed.

    It runs on this machine and not in a chroot: fit for static programs and shell scripts. Raises
    ToolMissing if `root` has no such program (or only a link that leaves `root`), ToolFailed if its
    exit code is not among `codes`.
    """
    program = root.resolve() / argv[0].lstrip("/")
    if not (program.is_file() and program.resolve().is_relative_to(root.resolve())):
        raise ToolMissing(
            str(root),
            f"has no {argv[0]}",
            "install the package that carries it into this root first",
        )
    return run([program, *argv[1:]], codes=codes).stdout


def node_check(root: Path) -> str:
    """What the kube-node-check that was installed into `root` says about this machine, in one
    line.
    """
    spec = root.resolve() / "usr/share/kubewright/node-spec.sh"
    answer = run_installed(
        root, ["/usr/bin/kube-node-check", "--json", "--spec", str(spec)], codes=(0, 1)
    )
    ids_of: dict[str, list[str]] = {"ok": [], "warn": [], "fail": []}
    for check in json.loads(answer)["checks"]:
        ids_of[check["result"]].append(check["id"])
    named = (
        f"{len(ids)} {result} ({', '.join(ids)})"
        for result, ids in ids_of.items()
        if ids and result != "ok"
    )
    return ", ".join([f"{len(ids_of['ok'])} ok", *named])
