"""Checks what Go's module cache holds unpacked, which Go itself trusts, against go.sum.

`go mod verify` of Go 1.26 passes over replaced modules (its cmd/go/internal/modcmd/verify.go), and
all of Kubernetes' staging modules are replaced here.
"""

import base64
import hashlib
import re
from pathlib import Path

from kubewright import files
from kubewright.errors import VerificationFailed


def check(go_sum: str, cache: Path) -> None:
    """Compare every module of a go.sum that is unpacked in `cache` (GOMODCACHE). Raises
    VerificationFailed.
    """
    for line in go_sum.splitlines():
        path, version, expected = line.split()
        folder = cache / _escaped(f"{path}@{version}")
        half = cache / "cache" / "download" / _escaped(path) / "@v" / f"{_escaped(version)}.partial"
        # Go unpacks a half one again; `VERSION/go.mod` is never a folder.
        if folder.is_dir() and not half.exists():
            same(f"{path}@{version}", folder, expected)


def same(name: str, folder: Path, expected: str) -> None:
    """Raises VerificationFailed unless the files of module `name` (PATH@VERSION) have the sum that
    is said.
    """
    with files.explained(folder):
        actual = tree_sum(name, folder)
    if actual != expected:
        raise VerificationFailed(
            str(folder),
            f"was changed since Go unpacked it: its sum is {actual}, not {expected}",
            "do not use it. Clear Go's module cache (`go clean -modcache`) and try again",
        )


def tree_sum(name: str, folder: Path) -> str:
    """The sum of a module as go.sum has it: `h1:` of the list of its files
    (https://go.dev/ref/mod#go-sum-files).
    """
    listed_files = sorted(
        (f"{name}/{path.relative_to(folder)}", path)
        for path in folder.rglob("*")
        if not path.is_dir()
    )
    listed = "".join(f"{files.sha256_of(path)}  {place}\n" for place, path in listed_files)
    return "h1:" + base64.b64encode(hashlib.sha256(listed.encode()).digest()).decode()


def _escaped(text: str) -> str:
    """How Go writes capital letters in the names of its cache."""
    return re.sub("[A-Z]", lambda letter: f"!{letter[0].lower()}", text)
