"""A private Docker engine for tests and benches: with nothing of this machine's own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException


class NoEngine(Exception):
    """Why none runs here."""


@contextmanager
def private_engine(root: Path) -> Iterator[str]:
    """The address of an engine without a network. The test is skipped where none runs."""
    with ExitStack() as running:
        try:
            address = running.enter_context(engine(root))
        except NoEngine as error:
            pytest.skip(str(error))
        yield address


@contextmanager
def engine(root: Path) -> Iterator[str]:
    """The address of an engine without a network (`unix://…`), which has all that it writes below
    `root`. Raises NoEngine.
    """
    dockerd = shutil.which("dockerd")
    if dockerd is None or os.geteuid() != 0:
        raise NoEngine("dockerd needs root" if dockerd else "dockerd is not installed")
    root.mkdir(exist_ok=True)
    address = f"unix://{root}/docker.sock"
    argv = [
        dockerd, f"--data-root={root}/data", f"--exec-root={root}/exec", f"--pidfile={root}/pid",
        f"--host={address}", "--iptables=false", "--bridge=none", "--storage-driver=vfs",
    ]  # fmt: skip
    with (root / "log").open("w") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            deadline = time.monotonic() + 60
            while not answers(address):
                if process.poll() is not None or time.monotonic() > deadline:
                    said = (root / "log").read_text()[-2000:] or "it said nothing"
                    raise NoEngine(f"dockerd does not run here: {said}")
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
