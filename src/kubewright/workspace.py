"""`dist/NAME/`: where the stages of one release meet, and nowhere else."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kubewright import files, versions
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.artifact import Artifact, Record
from kubewright.models.lock import Release


class Workspace:
    """The directory of one release."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def lock_path(self) -> Path:
        """The lock, `release.json`."""
        return self.root / "release.json"

    def release(self) -> Release:
        """The lock. Raises RequestError when it cannot be read."""
        try:
            return Release.from_bytes(self.lock_path.read_bytes())
        except FileNotFoundError as error:
            raise RequestError(f"{self.lock_path}: there is no lock; run `kubewright resolve REQUEST` first") from error
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(str(part) for part in first["loc"])
            raise RequestError(
                f"{self.lock_path}: {key}: {first['msg']}; delete the file and run `kubewright resolve` again"
            ) from error

    def save_lock(self, release: Release) -> bool:
        """Write the lock; return whether it changed."""
        return files.write(self.lock_path, release.to_bytes())

    def record(self, stage: str) -> Record | None:
        """What a stage did last, or None."""
        path = self.root / f"{stage}.json"
        try:
            return Record.from_bytes(path.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None  # an unreadable record means that the stage runs again

    def require(self, stage: str) -> Record:
        """What a stage did, with its files checked.

        Raises RequestError if it has not run, VerificationFailed if a file of its is gone or changed.
        """
        record = self.record(stage)
        if record is None:
            raise RequestError(
                f"{self.root}: nothing there from `{stage}`; run `kubewright {stage} {self.root.name}` first"
            )
        for artifact in (*record.artifacts, *record.packages):
            if not self.sound(artifact):
                raise VerificationFailed(
                    f"{self.root / artifact.path}: missing, or not what `{stage}` made; "
                    f"run `kubewright {stage} {self.root.name}`"
                )
        return record

    def done(self, stage: str, fingerprint: str) -> Record | None:
        """The record of a stage that needs no new run: same inputs, and every file is still what it was."""
        record = self.record(stage)
        if record is None or record.fingerprint != fingerprint:
            return None
        return record if all(self.sound(one) for one in (*record.artifacts, *record.packages)) else None

    def save(self, record: Record) -> bool:
        """Write a stage's record, last of all it writes."""
        return files.write(self.root / f"{record.stage}.json", record.to_bytes())

    def sound(self, artifact: Artifact) -> bool:
        """Whether a recorded file is there, unchanged."""
        path = self.root / artifact.path
        return path.is_file() and path.stat().st_size == artifact.size and files.sha256_of(path) == artifact.sha256


def locks(dist: Path) -> list[str]:
    """The names of the releases in `dist/`, oldest Kubernetes first."""
    found = [path.parent.name for path in dist.glob("*/release.json")]
    return sorted(found, key=lambda name: (versions.parse(_version(name)), name))


def select(dist: Path, wanted: str | None) -> Workspace:
    """The workspace that a NAME (`v1.36.4-1`), a version or a minor means; the only one when none is given.

    Raises RequestError when there is none or more than one, and lists what there is.
    """
    names = locks(dist)
    matching = names if wanted is None else [name for name in names if wanted == name] or _by_version(names, wanted)
    if len(matching) == 1:
        return Workspace(dist / matching[0])
    if not names:
        raise RequestError(f"{dist}: no release there; run `kubewright resolve REQUEST` first, for example `stable`")
    what = "several releases" if wanted is None else f"no single release for {wanted!r}"
    raise RequestError(f"{dist}: {what}; name one of: {', '.join(matching or names)}")


def fingerprint(*parts: Any) -> str:
    """One digest over everything that decides what a stage makes."""
    return files.sha256(files.canonical_json(parts))


def folder_digests(folder: Path, names: Iterable[str] = ("**/*",)) -> dict[str, str]:
    """The digest of every file below a content folder, by its path there."""
    found = sorted({path for name in names for path in folder.glob(name) if path.is_file()})
    return {str(path.relative_to(folder)): files.sha256_of(path) for path in found}


def _by_version(names: Sequence[str], wanted: str) -> list[str]:
    wanted = wanted.removeprefix("stable-").removeprefix("v")
    return [name for name in names if _version(name) == wanted or versions.minor(_version(name)) == wanted]


def _version(name: str) -> str:
    """`1.36.4` from `v1.36.4-1`, `1.37.0-rc.1` from `v1.37.0-rc.1-1`."""
    return name.removeprefix("v").rpartition("-")[0]
