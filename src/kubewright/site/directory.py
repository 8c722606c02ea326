"""A site in a directory, as a web server serves it."""

# ruff: noqa: D102 -- Store says what each method does

import hashlib
import itertools
import os
import shutil
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from kubewright import files
from kubewright.errors import DiskError
from kubewright.site.store import Content, Stat, Stored, checked

OWN = ".kubewright"
"""The directory for what is no object: files being written, and the lock."""

ALIVE = "alive"
"""The lock of a writer, beside the files that it is writing."""


_ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
"""What the system says of a path where no file is."""


class DirectoryStore:
    """Objects as files. A tag is the digest of the bytes.

    An object is written beside the site's files, synced, and then linked or moved into place: so
    readers see the old bytes or the new ones. Only a condition on a tag needs the lock, which ends
    with its process. What a killed process left in `.kubewright/` the next writer removes.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._numbers = itertools.count()
        self._scratch: Path | None = None
        self._making = threading.Lock()

    def get(self, path: str) -> Stored | None:
        file = self._file(path)
        with files.explained(file), suppress(*_ABSENT):
            data = file.read_bytes()
            return Stored(data, files.sha256(data))
        return None

    def stat(self, path: str) -> Stat | None:
        file = self._file(path)
        # Both of one file, whatever takes its place meanwhile.
        with files.explained(file), suppress(*_ABSENT), file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return Stat(os.fstat(stream.fileno()).st_size, digest)
        return None

    def put(
        self, path: str, content: Content, *, if_absent: bool = False, if_tag: str | None = None
    ) -> bool:
        file = self._file(path)
        with _explained(file):
            if if_absent and file.exists():
                return False
            new = self._written(content)
            try:
                _make_directory(file.parent)
                if if_absent:
                    return self._link(new, file)
                if if_tag is not None:
                    return self._swap(new, file, if_tag)
                new.replace(file)
            finally:
                new.unlink(missing_ok=True)
            files.sync_directory(file.parent)
        return True

    def copy(self, source: str, path: str) -> bool:
        origin, file = self._file(source), self._file(path)
        with _explained(file):
            if file.exists() or not origin.is_file():
                return False
            _make_directory(file.parent)
            with suppress(OSError):  # no hard links here, or no more of them to this file
                return self._link(origin, file, fall_back=False)
            return self.put(path, origin, if_absent=True)

    def list(self, prefix: str) -> list[str]:
        found: list[str] = []
        if prefix.startswith("/") or any(part.startswith(".") for part in prefix.split("/")):
            return found  # nothing of the site
        top = self.root / prefix.rpartition("/")[0]
        for folder, below, names in os.walk(top):
            below[:] = [name for name in below if not name.startswith(".")]
            parent = Path(folder).relative_to(self.root).as_posix()
            lead = "" if parent == "." else f"{parent}/"
            found += [f"{lead}{name}" for name in names if not name.startswith(".")]
        return sorted(path for path in found if path.startswith(prefix))

    def delete(self, path: str) -> None:
        file = self._file(path)
        with files.explained(file), suppress(*_ABSENT):
            file.unlink()

    def announce(self) -> None:
        """Let others know that somebody writes here, before anything is read that decides it.

        Where nothing has been written yet nothing is.
        """
        with suppress(OSError, DiskError):  # the first write will explain it
            if (self.root / OWN).is_dir():
                self._directory()

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether no other writer is here; as long as the block runs none can begin."""
        with self._turn():
            yield not self.has_other_writers()

    def has_other_writers(self) -> bool:
        """Whether another process or store object is writing here now."""
        others = (self.root / OWN).glob("new-*")
        return any(_is_alive(scratch) for scratch in others if scratch != self._scratch)

    def _file(self, path: str) -> Path:
        return self.root / checked(path)

    def _link(self, new: Path, file: Path, *, fall_back: bool = True) -> bool:
        """Make a file appear under its name if nothing has the name yet."""
        try:
            file.hardlink_to(new)
        except FileExistsError:
            return False
        except OSError:
            if not fall_back:
                raise
            with self._turn():
                if file.exists():
                    return False
                new.replace(file)
        files.sync_directory(file.parent)
        return True

    def _swap(self, new: Path, file: Path, tag: str) -> bool:
        with self._turn():
            if not file.is_file() or files.sha256_of(file) != tag:
                return False
            new.replace(file)
        files.sync_directory(file.parent)
        return True

    def _written(self, content: Content) -> Path:
        """A new file with the content, synced; anybody may read it, whatever the umask."""
        new = self._directory() / str(next(self._numbers))
        try:
            with new.open("xb") as stream:
                if isinstance(content, bytes):
                    stream.write(content)
                else:
                    with content.open("rb") as source:
                        shutil.copyfileobj(source, stream, files.CHUNK)
                stream.flush()
                os.fchmod(stream.fileno(), 0o644)
                os.fsync(stream.fileno())
        except BaseException:
            new.unlink(missing_ok=True)
            raise
        return new

    def _directory(self) -> Path:
        """Where this writer's new files are; made with its first, removed with the writer."""
        with self._making:
            if self._scratch is None:
                own = self.root / OWN
                _make_directory(own)
                alive = ExitStack()
                with self._turn():
                    for old in own.glob("new-*"):
                        _remove_abandoned(old)
                    self._scratch = Path(tempfile.mkdtemp(prefix="new-", dir=own))
                    alive.enter_context(files.locked(self._scratch / ALIVE))
                weakref.finalize(self, _end, self._scratch, alive)
            return self._scratch

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other process or thread changes what is here by a condition."""
        with files.locked(self.root / OWN / "lock"):
            yield


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Turn an OSError into a DiskError that names the object, not the new file that it was in."""
    try:
        yield
    except OSError as error:
        own = error.filename is None or OWN in Path(error.filename).parts
        raise files.disk_error(error, file if own else error.filename) from error


def _end(scratch: Path, alive: ExitStack) -> None:
    shutil.rmtree(scratch, ignore_errors=True)
    alive.close()


def _remove_abandoned(scratch: Path) -> None:
    """Remove the new files of a writer whose process is gone."""
    if not _is_alive(scratch):
        shutil.rmtree(scratch, ignore_errors=True)


def _is_alive(scratch: Path) -> bool:
    """Whether the writer of new files holds its lock still."""
    if not (scratch / ALIVE).exists():
        return False
    with suppress(DiskError):  # it ends just now
        try:
            with files.locked(scratch / ALIVE, wait=False):
                return False
        except BlockingIOError:
            return True
    return False


def _make_directory(directory: Path) -> None:
    """Make a directory that anybody may enter, whatever the umask, and those above it."""
    if not directory.is_dir():
        _make_directory(directory.parent)
        directory.mkdir(exist_ok=True)
        directory.chmod(0o755)
        files.sync_directory(directory.parent)
