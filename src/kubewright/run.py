"""The one gateway to other programs: list arguments, a clean environment, no shell, no stdin."""

import logging
import os
import shlex
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from kubewright.errors import ToolFailed, ToolMissing

log = logging.getLogger(__name__)

KEPT = (
    "PATH", "HOME", "TMPDIR", "USER", "SSL_CERT_FILE", "SSL_CERT_DIR",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "GOPROXY", "GOSUMDB", "GOCACHE", "GOMODCACHE", "GOPATH", "GNUPGHOME", "GPG_TTY",
)  # fmt: skip
"""Variables of the caller that programs see; everything else could leak into what they write."""


def find(program: str, *, install: str) -> Path:
    """Where `program` is: beside this Python first (its own environment), then on PATH.

    Raises ToolMissing with `install`, the sentence that says how to get it.
    """
    path = _place(program)
    if path is None:
        raise ToolMissing(program, f"not found beside {sys.executable} nor on PATH", install)
    return Path(path)


def is_there(program: str) -> bool:
    """Whether `find` would find a program."""
    return _place(program) is not None


def _place(program: str) -> str | None:
    """Where `find` looks."""
    beside = Path(sys.executable).parent / program
    return str(beside) if os.access(beside, os.X_OK) else shutil.which(program)


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    codes: Sequence[int] = (0,),
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return what it printed.

    Raises ToolMissing if it does not exist, ToolFailed with its last words if its exit code is not
    among `codes`.
    """
    words, clean = _prepare(argv, env)
    try:
        done = subprocess.run(
            words,
            check=False,
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env=clean,
            cwd=cwd,
        )
    except FileNotFoundError as error:
        raise ToolMissing(words[0], "not found", "install it or put it on PATH") from error
    if done.returncode not in codes:
        raise _failure(words, done.returncode, done.stderr.strip() or done.stdout.strip())
    return done


def stream(
    argv: Sequence[str | Path],
    on_line: Callable[[str], None],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a program that takes long, and hand each line that it prints to `on_line` at once.

    Raises as `run` does. Whatever `on_line` raises, and an interruption, ends the program.
    """
    words, clean = _prepare(argv, env)
    last = deque[str](maxlen=200)
    try:
        process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            env=clean,
            cwd=cwd,
        )
    except FileNotFoundError as error:
        raise ToolMissing(words[0], "not found", "install it or put it on PATH") from error
    with process:
        try:
            for line in process.stdout or ():
                last.append(line)
                on_line(line.rstrip())
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        raise _failure(words, process.returncode, "".join(last).strip())


def _prepare(
    argv: Sequence[str | Path], env: Mapping[str, str] | None
) -> tuple[list[str], dict[str, str]]:
    """The words and the environment of a program."""
    words = [str(word) for word in argv]
    log.debug("+ %s", shlex.join(words))
    clean = {name: os.environ[name] for name in KEPT if name in os.environ}
    return words, clean | {"LC_ALL": "C.UTF-8", "TZ": "UTC", **(env or {})}


def _failure(words: Sequence[str], code: int, output: str) -> ToolFailed:
    last = output[-4000:] or "it said nothing"
    return ToolFailed(shlex.join(words), f"exit code {code}:\n{last}")
