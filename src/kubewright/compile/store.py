"""Keeps what was compiled: `CACHE/build/FINGERPRINT/`, whole or not there, and never made twice."""

import fcntl
import os
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


class Inputs(Model):
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


class Record(Model):
    """What lies beside the files of a build."""

    inputs: Inputs
    outputs: dict[str, Sha256]


class Store:
    """Builds by the fingerprint of their inputs."""

    def __init__(self, cache: Path) -> None:
        self.root = cache / "build"

    def find(self, inputs: Inputs) -> dict[str, Path] | None:
        """The files of a build by name, checked; None if it is not here or was damaged."""
        folder = self.root / inputs.fingerprint
        try:
            record = Record.from_bytes((folder / RECORD).read_bytes())
            if record.outputs == {name: files.sha256_of(folder / name) for name in inputs.targets}:
                return {name: folder / name for name in inputs.targets}
        except (OSError, ValidationError):
            pass
        return None

    def make(
        self, inputs: Inputs, compile_into: Callable[[Path, Path], None], *, room: int
    ) -> dict[str, Path]:
        """The files of a build; unless they are here, `compile_into(FOLDER, SCRATCH)` writes them
        into FOLDER.

        `room` is how many bytes must be free. Raises DiskError; whatever fails, nothing stays but
        what is whole.
        """
        if found := self.find(inputs):
            return found
        with files.explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            self._sweep()
            need_room(self.root, room)
            with _turn(self.root / f"{_WORK}{inputs.fingerprint}") as work:
                if found := self.find(inputs):
                    return found  # another process made it while this one waited
                for name in ("out", "scratch"):
                    shutil.rmtree(work / name, ignore_errors=True)  # of a process that was killed
                    (work / name).mkdir()
                compile_into(work / "out", work / "scratch")
                outputs = {name: files.sha256_of(work / "out" / name) for name in inputs.targets}
                files.write(
                    work / "out" / RECORD, Record(inputs=inputs, outputs=outputs).to_bytes()
                )
                target = self.root / inputs.fingerprint
                shutil.rmtree(target, ignore_errors=True)
                (work / "out").replace(target)
                files.sync_directory(self.root)
        return {name: self.root / inputs.fingerprint / name for name in inputs.targets}

    def _sweep(self) -> None:
        """Remove what processes left that were killed; nobody holds it any more."""
        for work in self.root.glob(f"{_WORK}*"):
            with suppress(BlockingIOError), _held(work, fcntl.LOCK_EX | fcntl.LOCK_NB) as handle:
                if handle is not None:
                    shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _turn(work: Path) -> Iterator[Path]:
    """A folder that this process alone works in, once it has its turn; the lock ends with the
    process.
    """
    while True:
        with suppress(
            FileExistsError
        ):  # and not exist_ok, which looks again: it may be gone by then
            work.mkdir()
        with _held(work, fcntl.LOCK_EX) as handle:
            if handle is None:
                continue  # whoever had it before removed it
            try:
                yield work
            finally:
                shutil.rmtree(work, ignore_errors=True)
            return


@contextmanager
def _held(folder: Path, how: int) -> Iterator[int | None]:
    """A folder, open and locked; None if it was removed before this process had it."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield None
        return
    try:
        fcntl.flock(handle, how)
        yield handle if _is(folder, handle) else None
    finally:
        os.close(handle)


def _is(folder: Path, handle: int) -> bool:
    """Whether a folder is still the one that was opened."""
    try:
        return os.path.samestat(os.fstat(handle), folder.stat())
    except FileNotFoundError:
        return False


def need_room(place: Path, room: int) -> None:
    """Raises DiskError if the file system of `place` has fewer than `room` bytes free."""
    there = next(folder for folder in (place, *place.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < room:
        raise DiskError(
            f"{place}: {free / 1e9:.1f} GB free, but compiling needs {room / 1e9:.1f} GB; free some space there "
            "or choose another directory with --cache or GOCACHE"
        )
