"""Clean systems of other Debian suites for tests, made once by mmdebstrap and never changed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from kubewright.run import run

PLACE = "KUBEWRIGHT_ROOTS"
"""The variable that names the folder of roots. They stay there for later runs; a root that is to be
made anew is removed by hand.
"""

_AFTER = 'rm -f "$1"/etc/apt/sources.list "$1"/etc/apt/apt.conf.d/99mmdebstrap'

_ENTER = """set -e
root=$1 own=$2
shift 2
rm -rf "$own/work/work/incompat" # else what was written without syncing is not mounted again
layers=lowerdir=$root,upperdir=$own/files,workdir=$own/work
mount -t overlay overlay -o "$layers,volatile" "$own/system"
mount -t proc proc "$own/system/proc"
mount -t devpts devpts "$own/system/dev/pts"
cd /
exec chroot "$own/system" env -i LC_ALL=C.UTF-8 HOME=/root USER=root no_proxy=127.0.0.1 \
    DEBIAN_FRONTEND=noninteractive \
    PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
"""


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """A folder that `make` makes, whichever of the processes that want it comes first."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            # What a run that was killed left here may hold mounts, so only what is empty goes.
            beside = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
            try:
                make(beside / folder.name)
                (beside / folder.name).rename(folder)
            finally:
                with suppress(OSError):
                    beside.rmdir()
    return folder


def place() -> Path:
    """The folder of clean roots; skips the test where there can be none."""
    folder = os.environ.get(PLACE)
    if not folder:
        pytest.skip(f"{PLACE} names no folder for clean roots; one takes 300 MB and a minute, once")
    if os.geteuid():
        pytest.skip("clean roots need root")
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not installed")
    return Path(folder).resolve()


def clean_root(folder: Path, programs: str) -> Path:
    """A suite's root in a folder of its name, with these programs (commas between)."""

    def make(root: Path) -> None:
        # An archive that stands still is good enough for a test.
        apt = ["--aptopt=Acquire::Check-Valid-Until false", '--aptopt=Acquire::Languages "none"']
        command = ["mmdebstrap", "--quiet", "--variant=apt", f"--include={programs}", *apt]
        run(["unshare", "--mount", *command, f"--customize-hook={_AFTER}", folder.name, root])

    return made_once(folder, make)


class Machine:
    """A system whose files are those of a clean root until it changes them."""

    def __init__(self, root: Path, folder: Path) -> None:
        """The folder holds what differs from the root."""
        self._root, self._own = root, folder
        for name in ("files", "work", "system"):
            (folder / name).mkdir(parents=True)

    def put(self, path: str, content: str | bytes) -> None:
        """Write a file by its path from the root, while no program runs there."""
        file = self._own / "files" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def run(self, *words: str) -> CompletedProcess[str]:
        """Run a program there, whatever its exit code; all that it has started ends with it."""
        alone = ("unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER)
        done = run([*alone, "sh", self._root, self._own, *words], codes=range(256))
        if done.stderr.startswith(("mount: ", "unshare: ")):
            pytest.skip(f"no mounts and processes of one's own here: {done.stderr}")
        return done
