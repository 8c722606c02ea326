"""Images to push, and real registries to push them to: Debian's docker-registry."""

import json
import socket
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import requests

from kubewright.images import build
from kubewright.models.base import Arch
from kubewright.models.image import ImageDefinition, ImageRecord
from kubewright.models.lock import Component, Release

EPOCH = 1_755_000_000
PROGRAMS = ("kube-apiserver", "kube-scheduler", "pause")

DEFINITION = ImageDefinition.model_validate(
    {
        "name": "hyperkube",
        "flavour": "monolith",
        "layers": {
            "root": {"directories": {"/tmp": "1777"}},
            "hyperkube": {
                "files": [{"target": "/hyperkube", "source": "input:hyperkube/hyperkube"}],
                "links": {f"/{name}": "hyperkube" for name in PROGRAMS},
            },
        },
        "images": {
            name: {
                "description": name,
                "tag": "v{kubernetes}",
                "layers": ["root", "hyperkube"],
                "entrypoint": [f"/{name}"],
                "components": [name],
                "source": "https://example.org",
            }
            for name in PROGRAMS
        },
    }
)


@dataclass(frozen=True)
class Built:
    layout: Path
    record: ImageRecord

    def layer(self) -> Path:
        """The blob of the shared layer."""
        digest = self.record.images[0].platforms[0].layers[1].digest
        return self.layout / "blobs" / digest.replace(":", "/")


def build_images(root: Path, *, zstd: bool = False) -> Built:
    """Three images for two architectures over one program that does not compress."""

    def inputs(component: str, name: str, arch: Arch) -> Path:
        path = root / f"{name}-{arch}"
        path.write_bytes(Random(arch).randbytes(1_000_000))
        return path

    release = Release(
        name="v1.36.4-1",
        kubernetes="1.36.4",
        revision=1,
        source_date_epoch=EPOCH,
        architectures=(Arch.amd64, Arch.arm64),
        components=(
            Component(
                name="kubernetes",
                version="1.36.4",
                range="",
                status="validated",
                reason="",
                epoch=EPOCH,
            ),
        ),
    )
    record = build(
        DEFINITION.model_copy(update={"zstd": zstd}), release, inputs,
        registry="registry.test", dest=root / "layout", archives=root / "archives", content=root,
    )  # fmt: skip
    return Built(root / "layout", record)


@contextmanager
def serving(program: Path, root: Path, **more: Any) -> Iterator[str]:
    """A registry's `HOST:PORT`; it keeps everything below `root`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = {
        "version": "0.1",
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(root / "data")}},
        "http": {"addr": address, "secret": "of this test"},
        **more,
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "config.yml").write_text(json.dumps(settings))  # JSON is YAML
    with (
        (root / "log").open("w") as log,
        subprocess.Popen(
            [program, "serve", root / "config.yml"],
            stdout=log,
            stderr=log,
            env={"OTEL_TRACES_EXPORTER": "none"},
        ) as process,
    ):
        try:
            deadline = time.monotonic() + 20
            while not answers(address):
                assert process.poll() is None, (root / "log").read_text()
                assert time.monotonic() < deadline, (root / "log").read_text()
                time.sleep(0.05)
            yield address
        finally:
            process.terminate()
            process.wait(20)


def answers(address: str) -> bool:
    with suppress(requests.RequestException):
        return requests.get(f"http://{address}/v2/", timeout=5).status_code in (200, 401)
    return False


def tags(address: str, repository: str) -> list[str]:
    answer = requests.get(f"http://{address}/v2/{repository}/tags/list", timeout=5)
    return list(answer.json()["tags"]) if answer.ok else []


def log_in(tmp_path: Path, host: str, name: str, password: str) -> None:
    """What `docker login` leaves behind."""
    (tmp_path / "docker").mkdir(exist_ok=True)
    login = {"auths": {host: {"auth": b64encode(f"{name}:{password}".encode()).decode()}}}
    (tmp_path / "docker" / "config.json").write_text(json.dumps(login))
