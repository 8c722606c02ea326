# /// script
# dependencies = ["nox>=2026.10.20,<2027"]
# ///
"""The release manager's console: `./nox -l` lists it, `./nox -s VERB -- ARGUMENTS` runs a verb."""

import fcntl
import hashlib
import logging
import os
import shutil
import signal
import sys
import tomllib
from pathlib import Path

import nox

nox.needs_version = ">=2026.10.20"
nox.options.sessions = ["lint", "tests"]

# A machine without uv lacks nothing: sessions make their environments themselves.
logging.getLogger("nox").addFilter(lambda record: record.msg != "uv binary not found.")

ROOT = Path(__file__).resolve().parent
PYPROJECT = ROOT / "pyproject.toml"

CLEANING = 60
"""Seconds that a verb may take to clean up when it is stopped."""

VERBS = tomllib.loads((ROOT / "src" / "kubewright" / "cli" / "verbs.toml").read_text())
"""Every verb of the console command, with what `./nox -l` says of it."""


def environment(session: nox.Session, name: str, *groups: str) -> str:
    """Return the Python of an environment with this checkout and dependency groups in it.

    It lives in `.nox/NAME`, is shared by sessions and made again only when pyproject.toml, Python
    or the checkout's place changes.
    """
    home = ROOT / ".nox" / name
    python, stamp = home / "bin" / "python", home / "made-for"
    key = hashlib.sha256(
        f"{ROOT} {sys.base_prefix} {sys.version}\n".encode() + PYPROJECT.read_bytes()
    ).hexdigest()
    home.parent.mkdir(exist_ok=True)
    with home.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # sessions that start together make it once
        if not (python.exists() and stamp.is_file() and stamp.read_text() == key):
            shutil.rmtree(home, ignore_errors=True)
            session.log(
                f"making {home.relative_to(ROOT)} (once, and after a change of pyproject.toml)"
            )
            new = [sys.executable, "-m", "virtualenv", "--quiet", "--no-periodic-update", str(home)]
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            wanted = [
                "--editable",
                str(ROOT),
                *(f"--group={PYPROJECT}:{group}" for group in groups),
            ]
            session.run(*new, external=True, log=False)
            session.run(*pip, *wanted, external=True, log=False)
            stamp.write_text(key)
    return str(python)


def run(session: nox.Session, *command: str) -> None:
    """Run a program; sessions have no environment of their own, so every program is an external
    one.
    """
    session.run(*command, external=True)


def kubewright(session: nox.Session, verb: str) -> None:
    """Run one verb of the console command with what stands after `--`."""
    command = (environment(session, "kubewright"), "-m", "kubewright", verb, *session.posargs)
    # Whoever presses Ctrl-C has the verb clean up, for which nox would leave it half a second.
    session.run(*command, external=True, interrupt_timeout=CLEANING, terminate_timeout=CLEANING)


def session_for(verb: str, summary: str, example: str = "") -> None:
    """Make the session of a verb."""

    def body(session: nox.Session) -> None:
        kubewright(session, verb)

    body.__doc__ = f"{summary.removesuffix('.')}: -- {example}" if example else summary
    nox.session(name=verb, venv_backend="none", default=False)(body)


for _verb, _line in VERBS.items():
    session_for(_verb, _line["summary"], _line.get("example", ""))


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Check style, types and shell scripts."""
    python = environment(session, "checks", "test", "lint", "docs")
    run(session, python, "-m", "ruff", "check")
    run(session, python, "-m", "ruff", "format", "--check")
    run(session, python, "-m", "mypy")
    if shutil.which("shellcheck"):
        run(session, "shellcheck", *shell_scripts())
    else:
        session.warn(
            "shellcheck is not installed: shell scripts were not checked "
            "(apt-get install shellcheck)"
        )


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run the tests; pytest's own options go after `--`."""
    python = environment(session, "checks", "test", "lint", "docs")
    # What pytest makes of tests is kept, outside the sources: else each run spends seconds on it.
    kept = {"PYTHONPYCACHEPREFIX": str(ROOT / ".nox" / "bytecode"), "PYTHONDONTWRITEBYTECODE": ""}
    session.run(python, "-m", "pytest", *session.posargs, external=True, env=kept)


@nox.session(venv_backend="none", default=False)
def docs(session: nox.Session) -> None:
    """Build the pages into build/docs; links to other sites are tried by: -- linkcheck

    What pages say of verbs, options and recipes is written anew by: -- reference.
    """
    python = environment(session, "checks", "test", "lint", "docs")
    builder, *more = session.posargs or ["html"]
    if builder == "reference":
        run(session, python, str(ROOT / "docs" / "reference.py"))
        return
    folder = ROOT / "build" / ("docs" if builder == "html" else f"docs-{builder}")
    strict = ("-W", "--keep-going", "-n", "-q", "-j", "auto")
    places = ("-b", builder, "-c", str(ROOT / "docs"), *more, str(ROOT), str(folder))
    run(session, python, "-m", "sphinx", *strict, *places)
    session.log(f"{folder / 'index.html' if builder == 'html' else folder}")


@nox.session(venv_backend="none", default=False)
def faults(session: nox.Session) -> None:
    """Go through whole tables of faults, of which the tests take a sample: it takes hours.

    KUBEWRIGHT_FAULTS=N takes so many of each verb, 20% a fifth, `kinds` a request of each kind,
    KUBEWRIGHT_FAULT_SEED others:
    -- -k publish
    """
    python = environment(session, "checks", "test", "lint", "docs")
    count = os.environ.get("KUBEWRIGHT_FAULTS", "all")
    found = [path for path in sorted((ROOT / "tests").glob("test_*.py")) if _is_sampled(path)]
    files = [str(path.relative_to(ROOT)) for path in found]
    command = (python, "-m", "pytest", *files, *session.posargs)
    session.run(*command, external=True, env={"KUBEWRIGHT_FAULTS": count})


def _is_sampled(path: Path) -> bool:
    """Whether a file of tests goes through more when it is told to."""
    return "from exhaustive import" in path.read_text(encoding="utf-8")


@nox.session(venv_backend="none", default=False)
def bench(session: nox.Session) -> None:
    """Measure speed and size against other programs, on this machine: -- --json

    A single one: -- layers --binary FILE.
    """
    script = str(ROOT / "tests" / "bench" / "bench.py")
    run(session, environment(session, "checks", "test", "lint", "docs"), script, *session.posargs)


@nox.session(venv_backend="none", default=False)
def soak(session: nox.Session) -> None:
    """Let clients follow a site that is published without rest: -- --refreshes 5000 --peer

    Of directories or buckets alone: -- --site bucket.
    """
    script = str(ROOT / "tests" / "soak" / "soak.py")
    run(session, environment(session, "checks", "test", "lint", "docs"), script, *session.posargs)


@nox.session(venv_backend="none", default=False)
def acceptance(session: nox.Session) -> None:
    """Install real Kubernetes on clean machines from a site of our own, and see Pods run.

    Needs root and Docker.
    """
    _machines(session, "acceptance", "run.py")


@nox.session(venv_backend="none", default=False)
def conformance(session: nox.Session) -> None:
    """Run Kubernetes' own conformance tests on a cluster of one container.

    Needs root and Docker. A part of them: -- --focus sig-network
    """
    _machines(session, "conformance", "conformance.py")


def _machines(session: nox.Session, name: str, script: str) -> None:
    """Run a script that starts machines and stops them itself, also after Ctrl-C."""
    # Options after -- come later and win: -- --upstream MIRROR --cache DIR --work DIR
    command = (
        environment(session, "kubewright"),
        str(ROOT / "tests" / name / script),
        "--work",
        str(ROOT / "build" / name),
        *session.posargs,
    )
    # The run sees Ctrl-C too, and then stops its machines; nox would kill it half a second later.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run(session, *command)
    finally:
        signal.signal(signal.SIGINT, before)  # of sessions that follow


def shell_scripts() -> list[str]:
    """Every file of ours that starts as a shell script, by path relative to the checkout."""
    found = [ROOT / "nox", ROOT / ".ci" / "run"]
    for folder in ("packaging", "images", "repo", "docs"):
        found += sorted(
            path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".j2"
        )
    return [str(path.relative_to(ROOT)) for path in found if is_shell(path)]


def is_shell(path: Path) -> bool:
    """Whether the first line of a file names sh or bash."""
    with path.open("rb") as stream:
        first = stream.readline(64).split()
    return (
        bool(first)
        and first[0].startswith(b"#!")
        and first[-1].rpartition(b"/")[2] in (b"sh", b"bash")
    )


if __name__ == "__main__":
    nox.main()
