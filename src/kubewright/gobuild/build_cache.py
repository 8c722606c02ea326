"""Keeps what was compiled: `CACHE/build/FINGERPRINT/`, whole or absent, and never made twice."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import Field, ValidationError

from kubewright import files
from kubewright.errors import DiskError
from kubewright.models.base import Model, Sha256

RECORD = "build.json"

_WORK = ".compiling."
"""How the folder begins in which something is made."""

_LOCK = ".lock"
"""How the name of its lock file ends."""


class BuildInputs(Model):
    """Everything that decides the bytes of a build."""

    what: str = Field(description="for people: kubernetes 1.36.2 hyperkube amd64")
    go: str
    settings: dict[str, str] = Field(description="of Go's environment: architecture, CGO, …")
    flags: tuple[str, ...]
    targets: dict[str, str] = Field(description="file name: what is compiled into it")
    sources: dict[str, Sha256] = Field(default_factory=dict, description="the files that we bring")
    modules: dict[str, str] = Field(
        default_factory=dict, description="PATH@VERSION: its sum in the checksum database"
    )
    compiler: str = Field("", description="of C, where one takes part")

    @property
    def fingerprint(self) -> str:
        """The name of the build in the store."""
        return files.sha256(self.to_bytes())


class BuildRecord(Model):
    """What lies beside the files of a build."""

    inputs: BuildInputs
    outputs: dict[str, Sha256]


class BuildCache:
    """Builds by the fingerprint of their inputs."""

    def __init__(self, cache: Path) -> None:
        self.root = cache.absolute() / "build"  # Go works in a folder of its own

    def find(self, inputs: BuildInputs) -> dict[str, Path] | None:
        """The files of a build by name, checked; None if it is not here or was damaged."""
        folder = self.root / inputs.fingerprint
        try:
            record = BuildRecord.from_bytes((folder / RECORD).read_bytes())
            if record.outputs == {name: files.sha256_of(folder / name) for name in inputs.targets}:
                return {name: folder / name for name in inputs.targets}
        except (OSError, ValidationError):
            pass
        return None

    def make(
        self, inputs: BuildInputs, compile_into: Callable[[Path, Path], None], *, free_bytes: int
    ) -> dict[str, Path]:
        """The files of a build; unless they are here, `compile_into(FOLDER, SCRATCH)` writes them
        into FOLDER.

        `free_bytes` is how many bytes must be free. Raises DiskError; whatever fails, nothing stays
        but what is whole.
        """
        if found := self.find(inputs):
            return found
        with files.explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            self._sweep()
            need_free_bytes(self.root, free_bytes)
            with _turn(self.root / f"{_WORK}{inputs.fingerprint}") as work:
                if found := self.find(inputs):
                    return found  # another process made it while this one waited
                for name in ("out", "scratch"):
                    (work / name).mkdir()
                compile_into(work / "out", work / "scratch")
                outputs = {name: files.sha256_of(work / "out" / name) for name in inputs.targets}
                files.write(
                    work / "out" / RECORD, BuildRecord(inputs=inputs, outputs=outputs).to_bytes()
                )
                target = self.root / inputs.fingerprint
                shutil.rmtree(target, ignore_errors=True)
                (work / "out").replace(target)
                files.sync_directory(self.root)
        return {name: self.root / inputs.fingerprint / name for name in inputs.targets}

    def _sweep(self) -> None:
        """Remove what killed processes left: its lock is free."""
        names = {path.name.removesuffix(_LOCK) for path in self.root.glob(f"{_WORK}*")}
        for work in (self.root / name for name in names):
            with suppress(BlockingIOError), files.locked(_lock_of(work), wait=False):
                shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _turn(work: Path) -> Iterator[Path]:
    """An empty folder that this process alone works in, once it has its turn."""
    with files.locked(_lock_of(work)):
        shutil.rmtree(work, ignore_errors=True)  # of a process that was killed
        try:
            work.mkdir()
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)


def _lock_of(work: Path) -> Path:
    return work.with_name(f"{work.name}{_LOCK}")


def need_free_bytes(place: Path, needed: int) -> None:
    """Raises DiskError if the file system of `place` has fewer than `needed` bytes free."""
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise DiskError(
            str(place),
            f"{free / 1e9:.1f} GB free, but compiling needs {needed / 1e9:.1f} GB",
            "free some space there or choose another directory with --cache or GOCACHE",
        )
