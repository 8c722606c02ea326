"""Runs Go: brings modules, compiles programs, and explains what goes wrong."""

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from kubewright import run
from kubewright.errors import (
    DiskError,
    KubewrightError,
    RequestError,
    ToolFailed,
    ToolMissing,
    UpstreamUnreachable,
    VerificationFailed,
)
from kubewright.gobuild.toolchain import INSTALL, Toolchain
from kubewright.models.base import Arch

log = logging.getLogger(__name__)

FLAGS = ("-trimpath", "-buildvcs=false")
"""What makes two builds in two directories the same; the `-buildid=` of `link` does the rest."""

_LINK = ("-s", "-w", "-buildid=")

Progress = Callable[[str, int], None]
"""Called with what is being made and how many packages have been compiled for it so far."""


class NotOffered(RequestError):
    """The module proxy does not have this version."""


@dataclass(frozen=True)
class Module:
    """A module in Go's cache, checked against the checksum database."""

    path: str
    version: str
    folder: Path
    sum: str
    commit: str

    @property
    def go_mod(self) -> Path:
        """Its go.mod."""
        return self.folder / "go.mod"


def download(go: Toolchain, path: str, version: str, *, cwd: Path) -> Module:
    """Bring one module; `version` is without the `v`, `cwd` a folder outside of any module.

    Raises NotOffered, VerificationFailed, UpstreamUnreachable, DiskError.
    """
    name = f"{path}@v{version}"
    done = run.run(
        [go.go, "mod", "download", "-json", name],
        env=go.environment(Arch.amd64),
        cwd=cwd,
        codes=(0, 1),
    )
    try:
        answer: dict[str, str | dict[str, str]] = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise explain(done.stderr or done.stdout, name) or ToolFailed(
            name, f"go said: {done.stderr}"
        ) from error
    if problem := str(answer.get("Error", "")):
        raise explain(problem, name) or ToolFailed(name, problem)
    origin = answer.get("Origin")
    commit = origin.get("Hash", "") if isinstance(origin, dict) else ""
    return Module(path, version, Path(str(answer["Dir"])), str(answer["Sum"]), commit)


def link(variables: Iterable[str], *more: str) -> str:
    """The linker's flags, with variables as `PACKAGE.NAME=TEXT` to set."""
    return " ".join([*_LINK, *more, *(f"-X={variable}" for variable in variables)])


def build(
    go: Toolchain,
    package: str,
    output: Path,
    *,
    cwd: Path,
    env: Mapping[str, str],
    flags: Sequence[str],
    on_line: Callable[[str], None],
    what: str,
) -> None:
    """Compile one package into one file. Raises what `explain` makes of a failure of `what`."""
    try:
        run.stream([go.go, "build", "-v", *flags, "-o", output, package], on_line, env=env, cwd=cwd)
    except ToolFailed as error:
        raise explain(str(error), what) or error from error


def announce(what: str, packages: int) -> None:
    """Progress for people: say now and then that a compilation is under way."""
    if packages % 200 == 0:
        log.info("%s: %d packages compiled", what, packages)


def counting(what: str, progress: Progress) -> Callable[[str], None]:
    """A reader of the lines of `go build -v`, one for each package, that tells `progress` how many
    they are.
    """
    packages = 0

    def count(line: str) -> None:
        nonlocal packages
        if line and not line.startswith(("go: ", "#", "\t")):
            packages += 1
            progress(what, packages)

    return count


class _Cause(NamedTuple):
    """What Go says, the family of the error, and its parts; `found` is the first group."""

    pattern: str
    family: type[KubewrightError]
    place: str
    problem: str
    remedy: str


def explain(said: str, what: str) -> KubewrightError | None:
    """The error behind what Go printed about `what`, or None for an unknown one."""
    for cause in _CAUSES:
        if match := re.search(cause.pattern, said, re.MULTILINE):
            found = next(filter(None, match.groups()), what)
            parts = (cause.place, cause.problem, cause.remedy)
            return cause.family(*(part.format(what=what, found=found) for part in parts))
    return None


_CAUSES: tuple[_Cause, ...] = (
    _Cause(
        r"verifying (\S+?@\S+?)(?:/go\.mod)?: checksum mismatch"
        r"|verifying (\S+@\S+): .*SECURITY ERROR"
        r"|(?:(\S+@\S+): )?verifying (?:module|go\.mod): (?:\S+: )?checksum mismatch",
        VerificationFailed,
        "{found}",
        "its checksum is not the one that go.sum or the Go checksum database has",
        "do not use it. Clear Go's module cache (`go clean -modcache`) and try again, or choose "
        "another GOPROXY",
    ),
    _Cause(
        r"verifying (?:module|go\.mod): (?:(\S+?@\S+?)(?:/go\.mod)?: )?.*: (?:403|404|410) ",
        VerificationFailed,
        "{found}",
        "the Go checksum database does not know it, so nothing can check it",
        "do not use it, or check GOSUMDB",
    ),
    _Cause(
        r"missing go\.sum entry for (?:go\.mod file|module providing package (\S+))"
        r"|updates to go\.mod needed",
        VerificationFailed,
        "{found}",
        "the lock has no checksum for it",
        "make the lock again with `kubewright hyperkube lock`",
    ),
    _Cause(
        r"no space left on device",
        DiskError,
        "{what}",
        "the disk became full while Go worked",
        "free some space (`go clean -cache` does) and run the same command again",
    ),
    _Cause(r"requires go >= ([\w.]+)", ToolMissing, "{what}", "needs at least Go {found}", INSTALL),
    _Cause(
        r": (?:403|404|410) |unknown revision|no matching versions|invalid version:",
        NotOffered,
        "{what}",
        "the Go module proxy does not have this version",
        "choose another version",
    ),
    _Cause(
        r"dial tcp|no such host|i/o timeout|TLS handshake|connection (?:refused|reset)"
        r"|: 5\d\d |EOF$",
        UpstreamUnreachable,
        "{what}",
        "the Go module proxy did not answer usefully",
        "check GOPROXY and try again",
    ),
)
"""The causes that are known; the first that fits counts."""
