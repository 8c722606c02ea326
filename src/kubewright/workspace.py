"""`dist/NAME/`: where the stages of one release meet, and nowhere else."""

import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kubewright import files, versions
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.artifact import Artifact, Record
from kubewright.models.lock import Release

log = logging.getLogger(__name__)

_NAME = re.compile(r"^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?-\d+$")
"""The name of a release: Kubernetes' tag and the revision."""


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
            raise RequestError(
                f"{self.lock_path}: there is no lock; run `kubewright resolve REQUEST` first"
            ) from error
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

    def require(self, stage: str, fingerprint: str) -> Record:
        """What a stage made of just these inputs.

        Raises RequestError if it has not run on them, VerificationFailed if a file of its is gone
        or changed.
        """
        record = self.record(stage)
        remedy = f"run `kubewright {stage} {self.root.name}` first, with the same options"
        if record is None:
            raise RequestError(f"{self.root}: nothing there from `{stage}`; {remedy}")
        if record.fingerprint != fingerprint:
            raise RequestError(
                f"{self.root / stage}.json: not of this lock, these keys and these options, or only a part; {remedy}"
            )
        for path in self._unsound(record):
            raise VerificationFailed(f"{path}: missing, or not what `{stage}` made; {remedy}")
        return record

    def done(self, stage: str, fingerprint: str) -> Record | None:
        """The record of a stage that needs no new run: same inputs, and every file is still what it
        was.
        """
        record = self.record(stage)
        if record is None or record.fingerprint != fingerprint:
            return None
        return None if any(True for _ in self._unsound(record)) else record

    def _unsound(self, record: Record) -> Iterator[Path]:
        for artifact in (*record.artifacts, *record.packages):
            if not self.sound(artifact):
                yield self.root / artifact.path
        for name, digest in record.files.items():
            path = self.root / name
            if not path.is_file() or files.sha256_of(path) != digest:
                yield path

    def save(self, record: Record) -> bool:
        """Write a stage's record, last of all it writes."""
        return files.write(self.root / f"{record.stage}.json", record.to_bytes())

    def sound(self, artifact: Artifact) -> bool:
        """Whether a recorded file is there, unchanged."""
        path = self.root / artifact.path
        return (
            path.is_file()
            and path.stat().st_size == artifact.size
            and files.sha256_of(path) == artifact.sha256
        )


def locks(dist: Path) -> list[str]:
    """The names of the releases in `dist/`, oldest Kubernetes first; what is called otherwise is
    not ours.
    """
    found = {path.parent.name for path in dist.glob("*/release.json")}
    foreign = sorted(name for name in found if not _NAME.match(name))
    if foreign:
        log.debug("%s: ignored, not the name of a release: %s", dist, ", ".join(foreign))
    return sorted(
        found.difference(foreign),
        key=lambda name: (versions.parse(_version(name)), _revision(name)),
    )


def matching(dist: Path, wanted: str | None) -> list[str]:
    """The names of the releases in `dist/` that a NAME or REQUEST may mean; all of them when none
    is given.

    A request means what it means to `resolve`, but among the releases here: the newest that fits.
    """
    names = locks(dist)
    if wanted is None or wanted in names:
        return names if wanted is None else [wanted]
    request = versions.Request.parse(wanted)
    newest = versions.newest(version for version in map(_version, names) if version in request)
    return [name for name in names if _version(name) == newest]


def select(dist: Path, wanted: str | None) -> Workspace:
    """The workspace that a NAME (`v1.36.4-1`) or REQUEST (`stable-1.36`) means; the only one when
    none is given.

    Raises RequestError when there is none or more than one, and lists what there is.
    """
    names = locks(dist)
    if not names:
        raise RequestError(
            f"{dist}: no release there; run `kubewright resolve REQUEST` first, for example `stable`"
        )
    found = matching(dist, wanted)
    if len(found) == 1:
        return Workspace(dist / found[0])
    what = "several releases" if found else "no release"
    for_what = f" for {wanted!r}" if wanted is not None else ""
    raise RequestError(f"{dist}: {what}{for_what}; name one of: {', '.join(found or names)}")


def fingerprint(*parts: Any) -> str:
    """One digest over everything that decides what a stage makes."""
    return files.sha256(files.canonical_json(parts))


def folder_digests(folder: Path, names: Iterable[str] = ("**/*",)) -> dict[str, str]:
    """The digest of every file below a content folder, by its path there."""
    found = sorted({path for name in names for path in folder.glob(name) if path.is_file()})
    return {str(path.relative_to(folder)): files.sha256_of(path) for path in found}


def _version(name: str) -> str:
    """`1.36.4` from `v1.36.4-1`, `1.37.0-rc.1` from `v1.37.0-rc.1-1`."""
    return name.removeprefix("v").rpartition("-")[0]


def _revision(name: str) -> int:
    return int(name.rpartition("-")[2])
