"""`dist/NAME/`: where the stages of one release meet, and nowhere else."""

import logging
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from kubewright import checked, files, kubernetes_versions, versions
from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.artifact import Artifact, Fetched, Record
from kubewright.models.lock import Release

log = logging.getLogger(__name__)

R = TypeVar("R", bound=Record)

_NAME = re.compile(rf"^v{kubernetes_versions.VERSION}-\d+\Z")
"""The name of a release: Kubernetes' tag and the revision."""

_BEFORE_PUBLISH = ("fetch", "package", "image", "sign")
"""The stages that write a record, in their order."""


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
                str(self.lock_path), "there is no lock", "run `kubewright resolve REQUEST` first"
            ) from error
        except IsADirectoryError as error:
            raise _directory(self.lock_path, "kubewright resolve") from error
        except ValidationError as error:
            key = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise RequestError(
                f"{self.lock_path}: {key}" if key else str(self.lock_path),
                "not as this version of kubewright writes it",
                "delete the file and run `kubewright resolve` again",
            ) from error

    def save_lock(self, release: Release) -> bool:
        """Write the lock; return whether it changed."""
        return files.write(self.lock_path, release.to_bytes())

    def record(self, stage: str) -> Record | None:
        """What a stage did last, or None."""
        return self.fetched() if stage == "fetch" else self._record(stage, Record)

    def fetched(self) -> Fetched | None:
        """What `fetch` brought last, or None."""
        return self._record("fetch", Fetched)

    def completed(self) -> Release:
        """The lock with what fetching it has learned: every input has its digest.

        Raises RequestError when just this lock has not been fetched.
        """
        fetched = self._seal("fetch", self.fetched())
        return self.release().model_copy(
            update={"inputs": fetched.inputs, "unavailable": fetched.unavailable}
        )

    def sealed(self, stage: str) -> Record:
        """What a stage made, if it is complete, of this lock and of records that are still there.

        No tool, option or recipe is needed for it. Raises RequestError if the stage has to run
        (again) first, VerificationFailed if a file that it made is gone or changed.
        """
        return self._seal(stage, self.record(stage))

    def done(self, stage: str, fingerprint: str) -> Record | None:
        """The record of a stage that has nothing to do: it is complete, made of the same, and every
        file is still what it was.
        """
        record = self.record(stage)
        if record is None or not record.complete or record.fingerprint != fingerprint:
            return None
        return None if any(True for _ in self._unsound(record)) else record

    def made_from(self, *stages: str) -> dict[str, str]:
        """What a record that uses the lock and these stages' records has to say of them."""
        return {name: self._digest(name) for name in ("lock", *stages)}

    def save(self, record: Record) -> bool:
        """Write a stage's record, last of all it writes."""
        return files.write(self._path(record.stage), record.to_bytes())

    def sound(self, artifact: Artifact) -> bool:
        """Whether a recorded file is there, unchanged."""
        return checked.is_sound(self.root / artifact.path, artifact.sha256)

    def _seal(self, stage: str, record: R | None) -> R:
        """The record, if `sealed` may give it."""
        place = str(self._path(stage))
        again = f"run `kubewright {stage} {self.root.name}`"
        if record is None:
            raise RequestError(place, f"there is nothing from `{stage}`", f"{again} first")
        if not record.complete:
            problem = "incomplete: only a part was made, with --only"
            raise RequestError(place, problem, f"{again} without --only")
        release = self.release()
        self._refuse_other_name(release)
        for name in sorted(record.made_from.keys() - {"recipes"}, key=_lock_first):
            if self._digest(name) != record.made_from[name]:
                if name == "lock":
                    again = f"run `kubewright {self._first_stale(stage)} {self.root.name}`"
                raise RequestError(
                    place,
                    f"made from another {self._path(name).name} than the one beside it",
                    f"{again} again, with the same options",
                )
        self._refuse_other_recipes(record, release)
        for path in self._unsound(record):
            raise VerificationFailed(
                str(path), f"missing, or not what `{stage}` made", f"{again} again"
            )
        return record

    def _refuse_other_name(self, release: Release) -> None:
        """Packages, paths and the manifest have the name of the release."""
        name = release.name
        if name != self.root.name:
            raise RequestError(
                str(self.lock_path), f"the lock of {name}", f"name this directory {name} again"
            )

    def _first_stale(self, stage: str) -> str:
        """The first stage up to this one that has not seen the lock as it is now."""
        now = self._digest("lock")
        for name in _BEFORE_PUBLISH[: _BEFORE_PUBLISH.index(stage)]:
            record = self.record(name)
            if record is None or record.made_from.get("lock") != now:
                return name
        return stage

    def _refuse_other_recipes(self, record: Record, release: Release) -> None:
        """The lock says which recipes the release is of, whatever this machine has by now."""
        if record.made_from.get("recipes", release.recipes) == release.recipes:
            return
        remedy = (
            f"run `kubewright release {release.tag}` with the same options, or every stage from "
            "`kubewright resolve` on"
        )
        problem = f"made from other recipes or content than {self.lock_path.name} was resolved from"
        raise RequestError(str(self._path(record.stage)), problem, remedy)

    def _path(self, name: str) -> Path:
        """Where a stage's record is, or the lock."""
        return self.lock_path if name == "lock" else self.root / f"{name}.json"

    def _digest(self, name: str) -> str:
        """The digest of a record or the lock; of none when there is no such file."""
        path = self._path(name)
        return files.sha256(path.read_bytes() if path.is_file() else b"")

    def _record(self, stage: str, kind: type[R]) -> R | None:
        try:
            return kind.from_bytes(self._path(stage).read_bytes())
        except IsADirectoryError as error:
            raise _directory(self._path(stage), f"kubewright {stage}") from error
        except (FileNotFoundError, ValidationError):
            return None  # an unreadable record means that the stage runs again

    def _unsound(self, record: Record) -> Iterator[Path]:
        for artifact in (*record.artifacts, *record.packages):
            if not self.sound(artifact):
                yield self.root / artifact.path
        for name, digest in record.files.items():
            if not checked.is_sound(self.root / name, digest):
                yield self.root / name


def _directory(path: Path, command: str) -> RequestError:
    return RequestError(str(path), "a directory", f"remove it and run `{command}` again")


def _lock_first(name: str) -> tuple[bool, str]:
    """What everything else depends on is named first."""
    return name != "lock", name


def locks(dist: Path) -> list[str]:
    """The names of the releases in `dist/`, oldest Kubernetes first; what is called otherwise is
    not ours.
    """
    names = {path.parent.name for path in dist.glob("*/release.json")}
    foreign = sorted(name for name in names if not _NAME.match(name))
    if foreign:
        log.debug("%s: ignored, not the name of a release: %s", dist, ", ".join(foreign))
    return sorted(
        names.difference(foreign),
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
    if _NAME.match(wanted) and kubernetes_versions.read(wanted) is None:
        return []  # a release that is not there
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
            str(dist),
            "no release there",
            "run `kubewright resolve REQUEST` first, for example `stable`",
        )
    fitting = matching(dist, wanted)
    if len(fitting) == 1:
        return Workspace(dist / fitting[0])
    problem = "several releases" if fitting else "no release"
    if wanted is not None:
        problem += f" for {wanted!r}"
    raise RequestError(str(dist), problem, f"name one of: {', '.join(fitting or names)}")


def fingerprint(*parts: Any) -> str:
    """One digest over everything that decides what a stage makes."""
    return files.sha256(files.canonical_json(parts))


def folder_digests(folder: Path, names: Iterable[str] = ("**/*",)) -> dict[str, str]:
    """The digest of every file below a content folder, by its path there."""
    paths = set[Path]()
    for name in names:
        paths.update(path for path in folder.glob(name) if path.is_file())
    return {str(path.relative_to(folder)): checked.sha256_of(path) for path in sorted(paths)}


def _version(name: str) -> str:
    """`1.36.4` from `v1.36.4-1`, `1.37.0-rc.1` from `v1.37.0-rc.1-1`."""
    return name.removeprefix("v").rpartition("-")[0]


def _revision(name: str) -> int:
    return int(name.rpartition("-")[2])


def is_name(text: str) -> bool:
    """Whether a text is the name of a release, such as v1.36.4-1."""
    return _NAME.match(text) is not None
