"""A site on a disk that lacks what others have: it is published all the same, or refused with the
reason before anything is written.

A library that is loaded before the system's own answers as such file systems do.
"""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from copied_sites import tree

from kubewright.errors import DiskError
from kubewright.run import run as run_program
from kubewright.settings import Settings
from kubewright.stages import verify

NOW = 1_790_000_000

LACKS = {
    "no hard links": """
int linkat(int a, const char *b, int c, const char *d, int e) { errno = EPERM; return -1; }
int link(const char *a, const char *b) { errno = EPERM; return -1; }
""",
    "directories that cannot be synced": """
int fsync(int handle) {
    struct stat found;
    if (fstat(handle, &found) == 0 && S_ISDIR(found.st_mode)) { errno = EINVAL; return -1; }
    return fdatasync(handle);
}
""",
    "no modes": """
int fchmod(int a, mode_t b) { errno = EPERM; return -1; }
""",
}
"""What a site can do without, and the functions that say so."""

NO_LOCKS = "int flock(int a, int b) { errno = ERROR; return -1; }\n"

HEAD = """
#define _GNU_SOURCE
#include <errno.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
"""

Tool = Callable[[str], Path]


def library(tool: Tool, folder: Path, text: str) -> Path:
    (folder / "odd.c").write_text(HEAD + text)
    made = folder / "odd.so"
    run_program([tool("gcc"), "-shared", "-fPIC", "-o", made, folder / "odd.c"])
    return made


def published(settings: Settings, site: Path, odd: Path | None) -> CompletedProcess[str]:
    """Publish a signed release by the command, on such a disk."""
    env = {name: os.environ[name] for name in ("KUBEWRIGHT_DATA", "XDG_STATE_HOME")}
    env |= {"LD_PRELOAD": str(odd)} if odd else {}
    words = [
        f"--dist={settings.dist}", f"--site={site}", "--channel=test", f"--now={NOW + 50}",
    ]  # fmt: skip
    program = [sys.executable, "-m", "kubewright", "publish", "v1.36.4-1", *words]
    return run_program(program, env=env, codes=range(256), cwd=site.parent)


@pytest.fixture
def own(signed: Settings, tmp_path: Path) -> Path:
    shutil.copytree(signed.site, tmp_path / "site")
    return tmp_path / "site"


@pytest.mark.elsewhere
@pytest.mark.parametrize("lacks", [*LACKS, "all of it"])
def test_a_site_is_the_same_on_a_disk_that_has_less(
    signed: Settings, own: Path, tool: Tool, tmp_path: Path, lacks: str
) -> None:
    shutil.copytree(own, tmp_path / "usual")
    text = "".join(LACKS.values()) if lacks == "all of it" else LACKS[lacks]
    done = published(signed, own, library(tool, tmp_path, text))
    assert done.returncode == 0, done.stderr
    assert published(signed, tmp_path / "usual", None).returncode == 0
    assert tree(own) == tree(tmp_path / "usual")
    assert verify.verify(str(own), [], now=NOW + 60).findings == ()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"site", "usual", "odd.c", "odd.so"}


@pytest.mark.elsewhere
@pytest.mark.parametrize("error", ["ENOLCK", "ENOSYS", "EOPNOTSUPP", "EINVAL"])
def test_a_disk_without_locks_is_refused_before_anything_is_written(
    signed: Settings, own: Path, tool: Tool, tmp_path: Path, error: str
) -> None:
    before = tree(own)
    done = published(signed, own, library(tool, tmp_path, NO_LOCKS.replace("ERROR", error)))
    assert done.returncode == DiskError.exit_code, done.stderr
    said = " ".join(done.stderr.split())
    assert "this file system keeps no locks" in said
    assert "on another file system, such as a local disk, with --dist, --cache or --site" in said
    assert tree(own) == before
    assert published(signed, own, None).returncode == 0
    assert verify.verify(str(own), [], now=NOW + 60).findings == ()
