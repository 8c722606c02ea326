"""Images in a real engine: loaded from their archive, started, stopped."""

import json
import os
import platform
import struct
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import docker
import pytest
from docker.errors import ContainerError, DockerException

from kubewright import content
from kubewright.images import build, load, load_definition
from kubewright.models.base import Arch
from kubewright.models.image import ImageRecord
from kubewright.models.lock import Component, Release

pytestmark = pytest.mark.elsewhere("needs root and Docker's engine")

IMAGES = content.folder("images")
EPOCH = 1_755_000_000
VERSIONS = {"kubernetes": "1.36.4", "etcd": "3.6.8", "coredns": "1.14.2", "pause": "3.10.2", "busybox": "1.35.0"}
PREFIX = "registry.test/kube"


def program(text: str) -> bytes:
    """A whole static program for linux/amd64 that prints a text: write(1, text), exit(0)."""
    message = text.encode()
    code = b"\xb8\x01\0\0\0\xbf\x01\0\0\0\x48\x8d\x35" + struct.pack("<I", 16)  # mov eax,1; mov edi,1; lea rsi,[rip+16]
    code += b"\xba" + struct.pack("<I", len(message)) + b"\x0f\x05"  # mov edx,length; syscall
    code += b"\xb8\x3c\0\0\0\x31\xff\x0f\x05"  # mov eax,60; xor edi,edi; syscall
    start, base = 64 + 56, 0x400000
    size = start + len(code) + len(message)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000) + code + message


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory, tool: Callable[[str], Path]) -> Iterator[docker.DockerClient]:
    """A private Docker engine without a network, for this session."""
    dockerd = tool("dockerd")
    if os.geteuid() != 0:
        pytest.skip("dockerd needs root")
    root = tmp_path_factory.mktemp("engine")
    socket = f"unix://{root}/docker.sock"
    argv = [
        str(dockerd), "--data-root", f"{root}/data", "--exec-root", f"{root}/exec", "--pidfile", f"{root}/pid",
        "--host", socket, "--iptables=false", "--bridge=none", "--storage-driver=vfs",
    ]  # fmt: skip
    with (root / "log").open("w") as log, subprocess.Popen(argv, stdout=log, stderr=log) as process:
        try:
            client = connect(socket, process, root / "log")
            yield client
            client.close()
        finally:
            process.terminate()
            process.wait(30)


def connect(socket: str, process: subprocess.Popen[bytes], log: Path) -> docker.DockerClient:
    """Wait for an engine; skip where it cannot run."""
    deadline = time.monotonic() + 60
    client = docker.DockerClient(base_url=socket, version="1.41", timeout=60)
    while True:
        try:
            client.ping()
            return client
        except DockerException as error:
            if process.poll() is not None or time.monotonic() > deadline:
                client.close()
                words = log.read_text()[-2000:]
                pytest.skip(f"dockerd does not run here: {error}\n{words}")
            time.sleep(0.1)


@pytest.fixture(scope="session")
def release() -> Release:
    if platform.machine() != "x86_64":
        pytest.skip("the programs of this test are for amd64")
    return Release(
        name="v1.36.4-1",
        kubernetes="1.36.4",
        revision=1,
        source_date_epoch=EPOCH,
        architectures=(Arch.amd64,),
        components=tuple(
            Component(name=name, version=version, range="", status="validated", reason="", epoch=EPOCH)
            for name, version in VERSIONS.items()
        ),
    )


@pytest.fixture(scope="session")
def loaded(
    engine: docker.DockerClient, release: Release, tool: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> ImageRecord:
    """Images over this machine's static busybox, in the engine."""
    busybox = tool("busybox")
    root = tmp_path_factory.mktemp("images")

    def inputs(component: str, name: str, arch: Arch) -> Path:
        path = root / f"{component}-{name}"
        members = {"etcd": [f"etcd-v3.6.8-linux-{arch}/{one}" for one in ("etcd", "etcdctl", "etcdutl")], "coredns": ["coredns"]}
        if component == "busybox":
            return busybox
        if component in members:
            with tarfile.open(path, "w:gz") as tar:
                for member in members[component]:
                    data = program(f"{member.rpartition('/')[2]} here\n")
                    info = tarfile.TarInfo(member)
                    info.size = len(data)
                    tar.addfile(info, BytesIO(data))
        else:
            path.write_bytes(program(f"{name} here\n"))
        return path

    record = build(
        load_definition(IMAGES / "hyperkube" / "image.toml"), release, inputs,
        registry=PREFIX, epoch=EPOCH, dest=root / "layout", archives=root, content=IMAGES,
    )  # fmt: skip
    if record.skipped:
        pytest.skip(f"no static busybox here: {record.skipped[0].reason}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine.api.base_url.replace("http+docker://localhost", ""))
        patch.setenv("DOCKER_HOST", f"unix://{tmp_path_factory.getbasetemp()}/engine0/docker.sock")
        references = load(root / record.archives[0].name)
    assert references == tuple(sorted(image.reference for image in record.images))
    return record


def run(engine: docker.DockerClient, name: str, *arguments: str, entrypoint: str | None = None) -> tuple[int, str]:
    """The exit code of a container and what it printed on both streams."""
    reference = next(f"{PREFIX}/{tag}" for tag in [name])
    container = engine.containers.run(reference, list(arguments), entrypoint=entrypoint, network_mode="none", detach=True)
    try:
        code = container.wait(timeout=60)["StatusCode"]
        return code, container.logs().decode()
    finally:
        container.remove(force=True)
