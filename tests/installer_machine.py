"""A machine for docs/install.sh: real programs, and a package manager that is a stand-in."""

from collections.abc import Callable
from pathlib import Path

Shells = list[list[str | Path]]

INSTALLER = Path(__file__).parent.parent / "docs" / "install.sh"
NEEDS = (
    "sh",
    "curl",
    "jq",
    "sha256sum",
    "awk",
    "cat",
    "chmod",
    "grep",
    "head",
    "id",
    "mkdir",
    "mktemp",
    "mv",
    "rm",
    "sed",
    "sync",
    "tr",
    "wc",
)
DEBIAN, ROCKY = (
    "ID=debian\nVERSION_ID=12\n",
    'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n',
)
"""What /etc/os-release says of a system."""

FOUND = """for name; do :; done
grep "^$name " "${0%/bin/*}/has" | sed 's/^[^ ]*/installed/' | grep . \\
    || { echo "$name is not installed"; exit 1; }"""
"""What a database of packages says of the last word."""


def script(path: Path, text: str) -> None:
    """Put a stand-in for a program, in place of any link to the real one."""
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def debian(folder: Path, tool: Callable[[str], Path], verifier: str) -> Path:
    """A directory of programs for a Debian: what the installer needs, with the program that checks
    signatures, and an apt-get that notes what it is told.

    `install.sh` beside it is the installer; `has` says which packages are installed, `reader` which
    dpkg, and `removals` what a simulation of apt-get removes.
    """
    programs = folder / "bin"
    programs.mkdir()
    for name in (*NEEDS, verifier):
        (programs / name).symlink_to(tool(name))
    note = 'for word; do case $word in /*) cat "$word" > "${0%/bin/*}/${word##*/}" ;; esac; done'
    simulated = '[ "$1" != --simulate ] || exec cat "${0%/bin/*}/removals"'
    script(
        programs / "apt-get", f'{simulated}\necho "${{0##*/}} $*" >> "${{0%/bin/*}}/told"\n{note}'
    )
    script(
        programs / "dpkg-query",
        f'[ "$*" != "-Wf \\${{Architecture}} dpkg" ] || {{ echo amd64; exit; }}\n'
        '[ "$*" != "-Wf \\${Version} dpkg" ] || exec cat "${0%/bin/*}/reader"\n'
        f"{FOUND}",
    )
    script(programs / "rpm", f'[ "$1" != --eval ] || {{ echo x86_64; exit; }}\n{FOUND}')
    (folder / "has").touch()
    (folder / "reader").write_text("1.21.23\n")
    (folder / "removals").touch()
    script(programs / "id", "echo 0")
    script(programs / "sleep", ":")
    (folder / "os-release").write_text(DEBIAN)
    text = INSTALLER.read_text()
    assert text.count(". /etc/os-release") == 1
    (folder / "install.sh").write_text(text.replace(". /etc/os-release", f". {folder}/os-release"))
    return programs


def told(folder: Path) -> str:
    """What the package manager was told."""
    path = folder / "told"
    return path.read_text() if path.exists() else ""


def every_shell(tool: Callable[[str], Path]) -> Shells:
    """The words that run a script in each shell that systems have as sh."""
    return [[tool("dash")], [tool("busybox"), "sh"], [tool("bash")]]
