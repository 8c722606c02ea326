"""A private Docker engine for one measurement."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def docker_engine(root: Path) -> Iterator[str]:
    """Yield the address of an engine without a network (`unix://…`), or the reason why there is
    none.
    """
    missing = [name for name in ("dockerd", "docker") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        yield f"{missing[0]} is not installed" if missing else "dockerd needs root"
        return
    root.mkdir()
    address = f"unix://{root}/docker.sock"
    argv: list[str | Path] = [
        "dockerd",
        "--data-root",
        root / "data",
        "--exec-root",
        root / "exec",
        "--pidfile",
        root / "pid",
        "--host",
        address,
        "--iptables=false",
        "--bridge=none",
        "--storage-driver=vfs",
    ]
    with (root / "log").open("w") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            yield (
                address
                if _answers(address, process)
                else f"dockerd does not run here: {_last_line(root / 'log')}"
            )
        finally:
            process.terminate()
            process.wait(60)


def _answers(address: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        asked = subprocess.run(
            ["docker", "--host", address, "version"], capture_output=True, check=False
        )
        if asked.returncode == 0:
            return True
        time.sleep(0.1)
    return False


def _last_line(log: Path) -> str:
    return (log.read_text().splitlines() or ["it said nothing"])[-1]
