"""A private Docker engine for tests: started for a block, with nothing of this machine's own."""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException


@contextmanager
def private_engine(root: Path, dockerd: Path) -> Iterator[str]:
    """The address of an engine without a network. The test is skipped where none runs."""
    if os.geteuid() != 0:
        pytest.skip("dockerd needs root")
    address = f"unix://{root}/docker.sock"
    argv: list[str | Path] = [
        dockerd,
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
            deadline = time.monotonic() + 60
            while not answers(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.skip(f"dockerd does not run here: {(root / 'log').read_text()[-2000:]}")
                time.sleep(0.1)
            yield address
        finally:
            process.terminate()
            process.wait(60)


def answers(address: str) -> bool:
    """Whether an engine listens there."""
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(address.removeprefix("unix://"))
        except OSError:
            return False  # the SDK would leave a socket open: it forgets it
    with closing(docker.DockerClient(address, version="1.40")) as client:
        try:
            return client.ping()
        except (DockerException, OSError):
            return False
