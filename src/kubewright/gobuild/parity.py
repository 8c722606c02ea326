"""Compares what hyperkube's programs say about themselves with what the separate ones say."""

import difflib
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from pydantic import Field

from kubewright import run, versions
from kubewright.gobuild import programs
from kubewright.gobuild.go import Progress
from kubewright.models.answer import Answer, headed
from kubewright.models.base import Arch, Header, Model
from kubewright.models.golang import GoRecipe
from kubewright.models.parity import Accepting

ASKED: dict[str, tuple[tuple[str, ...], ...]] = {
    "kubeadm": (("--help",), ("init", "--help"), ("version", "--output=short"), ("vers",)),
    "kubectl": (("--help",), ("options",), ("version", "--client", "--output=json"), ("vers",)),
    "etcdctl": (("--help",), ("version",)),
    "etcdutl": (("--help",), ("version",)),
}
"""How programs are asked that do not know `--version`; `vers` must not be taken for `version`."""

_OTHERWISE = (("--help",), ("--version",))


class Comparison(Model):
    """One question to one program of both kinds."""

    program: str = Field(description="such as kubelet")
    asked: str = Field(description="the arguments")
    lines: int = Field(description="that the separate program says")
    accepted: tuple[str, ...] = Field((), description="differences that were accepted")
    refused: tuple[str, ...] = Field((), description="differences that nobody has accepted")

    @property
    def same(self) -> bool:
        """Whether the answers are the same to the byte."""
        return not self.accepted and not self.refused


class Parity(Answer):
    """hyperkube compared with the programs that it stands for."""

    header: Header = headed("parity")
    kubernetes: str = Field(description="the version that was compared")
    answers: tuple[Comparison, ...] = Field(description="of every program to every question")
    unused: tuple[str, ...] = Field(
        (), description="accepted differences that are not there any more"
    )

    @property
    def holds(self) -> bool:
        """Whether every difference is accepted, and every accepted one occurs."""
        return not self.unused and not any(answer.refused for answer in self.answers)


def check(
    kubernetes: str,
    arch: Arch,
    *,
    epoch: int,
    cache: Path,
    content: Path,
    recipe: GoRecipe,
    accepting: Accepting,
    progress: Progress,
) -> Parity:
    """Compile a release's hyperkube and its programs one by one, and compare them.

    `arch` must be that of this machine; `content` is the folder images/. Raises as
    `programs.hyperkube`.
    """
    compiling = partial(
        programs.compile_targets,
        kubernetes,
        arch,
        epoch=epoch,
        cache=cache,
        content=content,
        recipe=recipe,
        progress=progress,
    )
    [whole] = compiling(programs.HYPERKUBE).values()
    separate: dict[str, Path] = {}
    for names in (programs.KUBERNETES, programs.ETCD):
        separate |= compiling({name: programs.PROGRAMS[name] for name in names})
    return compare(kubernetes, whole, separate, accepting)


def compare(
    kubernetes: str, hyperkube: Path, separate: Mapping[str, Path], accepting: Accepting
) -> Parity:
    """Ask each of the separate programs, and hyperkube under its name, the same questions.

    Both are reached through a link of the same path, so that a program that says its own name says
    the same.
    """
    minor = versions.minor(kubernetes)
    answers = []
    used: set[str] = set()
    for program, alone in separate.items():
        for question in ASKED.get(program, _OTHERWISE):
            asked = " ".join(question)
            allowed = _allowed(accepting, program, asked, minor)
            ours, theirs = answer(hyperkube, program, question), answer(alone, program, question)
            differing = differences(theirs, ours)
            known = tuple(line for line in differing if line in allowed)
            used |= {f"{program} {asked}: {line}" for line in known}
            answers.append(
                Comparison(
                    program=program,
                    asked=asked,
                    lines=theirs.count("\n"),
                    accepted=known,
                    refused=tuple(line for line in differing if line not in allowed),
                )
            )
    stated: set[str] = set()
    for accepted in accepting.accepted:
        if accepted.program in separate and minor in (accepted.minors or (minor,)):
            stated |= {f"{accepted.program} {accepted.asked}: {line}" for line in accepted.lines}
    return Parity(
        kubernetes=kubernetes, answers=tuple(answers), unused=tuple(sorted(stated - used))
    )


def differences(theirs: str, ours: str) -> list[str]:
    """The lines that differ, as in a diff without context: `-` theirs, `+` ours."""
    pairs = list(difflib.unified_diff(theirs.splitlines(), ours.splitlines(), lineterm="", n=0))
    return [line for line in pairs[2:] if not line.startswith("@@")]


def answer(binary: Path, name: str, question: tuple[str, ...]) -> str:
    """What a program answers when it is called `name`, and how it ended."""
    with tempfile.TemporaryDirectory(prefix="kubewright-parity-") as folder:
        link = Path(folder) / name
        link.symlink_to(binary.resolve())
        done = run.run([link, *question], env={"HOME": "/nonexistent"}, codes=range(256))
        text = done.stdout + done.stderr + f"exit code {done.returncode}\n"
        return text.replace(folder, "DIR")


def _allowed(accepting: Accepting, program: str, asked: str, minor: str) -> set[str]:
    lines: set[str] = set()
    for accepted in accepting.accepted:
        asks = (accepted.program, accepted.asked) == (program, asked)
        if asks and minor in (accepted.minors or (minor,)):
            lines.update(accepted.lines)
    return lines
