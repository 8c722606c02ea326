# /// script
# dependencies = ["nox>=2026.10.20,<2027"]
# ///
"""The release manager's console: `./nox -l` lists it, `./nox -s VERB -- ARGUMENTS` runs one
verb.
"""

import fcntl
import hashlib
import shutil
import signal
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2026.10.20"
nox.options.sessions = ["lint", "tests"]

ROOT = Path(__file__).resolve().parent
PYPROJECT = ROOT / "pyproject.toml"

VERBS = {
    "resolve": "Choose the versions that fit together and write the lock: -- stable-1.36",
    "explain": "Say why a release has this version of a component: -- docker 1.36 --offline",
    "fetch": "Bring every input that the lock names into the cache and check it.",
    "package": "Build the debs and rpms.",
    "image": "Build the hyperkube images; no daemon is needed.",
    "sign": "Sign packages, images and the manifest.",
    "publish": "Put the release on a site, in its channels; --dry-run shows what would change.",
    "verify": "Check a site as a stranger would: -- site, or its URL",
    "release": "All of the above in order: -- stable-1.36",
    "rollback": "Put a channel back to what it was before: -- stable-1.36",
    "refresh": "Renew the channels that expire, without a new release.",
    "repair": "Restore what is damaged or lost on a site; files of releases come from --dist.",
    "history": "List the publications of a channel: -- stable-1.36",
    "catalog": "Check what the recipes state, see what is new upstream: -- check, -- diff",
    "mirror": "Make an upstream mirror: -- sample DIR, -- source VERSION DIR",
    "hyperkube": "Lock its Go modules, compare it with the separate programs: -- lock VERSION, -- parity VERSION",
    "key": "Make and show signing keys: -- init DIR, -- show",
}
"""Every verb of the console command, with the line that `./nox -l` shows."""


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
    run(session, environment(session, "kubewright"), "-m", "kubewright", verb, *session.posargs)


def session_for(verb: str, summary: str) -> None:
    """Make the session of a verb."""

    def body(session: nox.Session) -> None:
        kubewright(session, verb)

    body.__doc__ = summary
    nox.session(name=verb, venv_backend="none", default=False)(body)


for _verb, _summary in VERBS.items():
    session_for(_verb, _summary)


@nox.session(venv_backend="none", default=False)
def quickstart(session: nox.Session) -> None:
    """Try everything on this machine: sample upstream, development key, local site, real apt and
    dnf.
    """
    kubewright(session, "quickstart")


@nox.session(venv_backend="none")
def lint(session: nox.Session) -> None:
    """Check style, types and shell scripts."""
    python = environment(session, "checks", "test", "lint")
    run(session, python, "-m", "ruff", "check")
    run(session, python, "-m", "ruff", "format", "--check")
    run(session, python, "-m", "mypy")
    if shutil.which("shellcheck"):
        run(session, "shellcheck", *shell_scripts())
    else:
        session.warn(
            "shellcheck is not installed: shell scripts were not checked (apt-get install shellcheck)"
        )


@nox.session(venv_backend="none")
def tests(session: nox.Session) -> None:
    """Run the tests; pytest's own options go after `--`."""
    run(session, environment(session, "checks", "test", "lint"), "-m", "pytest", *session.posargs)


@nox.session(venv_backend="none", default=False)
def bench(session: nox.Session) -> None:
    """Measure speed and size against other programs, on this machine: -- --json, -- layers --binary
    FILE.
    """
    script = str(ROOT / "tests" / "bench" / "bench.py")
    run(session, environment(session, "checks", "test", "lint"), script, *session.posargs)


@nox.session(venv_backend="none", default=False)
def acceptance(session: nox.Session) -> None:
    """Install real Kubernetes on clean machines from a site of our own, and see Pods run; needs
    root and Docker.
    """
    script, work = ROOT / "tests" / "acceptance" / "run.py", ROOT / "build" / "acceptance"
    # Options after -- come later and win: -- --upstream MIRROR --cache DIR --work DIR
    command = (
        environment(session, "kubewright"),
        str(script),
        "--work",
        str(work),
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
