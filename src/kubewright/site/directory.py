"""A site in a directory, as a web server serves it."""

# ruff: noqa: D102 -- Store says what each method does

import errno
import hashlib
import itertools
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import IO

from kubewright import below, files
from kubewright.errors import DiskError, VerificationFailed
from kubewright.site import layout
from kubewright.site.scratch import NEW, OWN, Scratch, beside, others_alive
from kubewright.site.store import Content, Stat, Stored, checked


class DirectoryStore:
    """Objects as files. A tag is the digest of the bytes.

    An object is written beside the site's files, synced, and then linked or moved into place: so
    readers see the old bytes or the new ones. Only a condition on a tag needs the lock, which ends
    with its process. What a killed process left in `.kubewright/` the next writer removes.

    The root may be a link; below it none is followed, whoever puts it there and whenever. An error
    names it.
    """

    distant = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self._numbers = itertools.count()
        self._scratch: Scratch | None = None
        self._making = threading.Lock()

    def get(self, path: str) -> Stored | None:
        with self.reading(path) as stream:
            if stream is None:
                return None
            data = stream.read()
        return Stored(data, files.sha256(data))

    def stat(self, path: str) -> Stat | None:
        # Both of one file, whatever takes its place meanwhile.
        with self.reading(path) as stream:
            if stream is None:
                return None
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return Stat(os.fstat(stream.fileno()).st_size, digest)

    def sha256(self, path: str) -> str | None:
        there = self.stat(path)
        return there.sha256 if there else None

    @contextmanager
    def reading(self, path: str) -> Iterator[BufferedReader | None]:
        """An object to be read; None if there is none.

        Raises VerificationFailed for one that is larger than its kind can be.
        """
        with _explained(self._file(path)):
            stream = below.opened(self.root, path)
            if stream is None:
                yield None
                return
            with stream:
                self._refuse_large(path, os.fstat(stream.fileno()).st_size)
                yield stream

    def put(
        self, path: str, content: Content, *, if_absent: bool = False, if_tag: str | None = None
    ) -> bool:
        return self._put(path, content, if_absent=if_absent, if_tag=if_tag)

    def _put(
        self, path: str, content: Content | IO[bytes], *, if_absent: bool, if_tag: str | None = None
    ) -> bool:
        file = self._file(path)
        with _explained(file):
            if if_absent and self._is_there(path):
                return False
            with self._written(content) as (made, new), self._folder(path, make=True) as folder:
                try:
                    return self._moved(made, new, folder, file, if_absent, if_tag)
                except OSError as error:
                    if error.errno != errno.EXDEV:
                        raise
                with beside(made, new, folder, file) as name:  # another disk is mounted there
                    return self._moved(folder, name, folder, file, if_absent, if_tag)

    def _moved(
        self, made: int, new: str, folder: int, file: Path, if_absent: bool, if_tag: str | None
    ) -> bool:
        """Move a new file into an open directory, if the condition holds."""
        if if_absent:
            return self._link(made, new, folder, file)
        if if_tag is not None:
            return self._swap(made, new, folder, file, if_tag)
        os.replace(new, file.name, src_dir_fd=made, dst_dir_fd=folder)
        files.sync_folder(folder)
        return True

    def copy(self, source: str, path: str, *, seen_absent: bool = False) -> bool:
        origin, file = self._file(source), self._file(path)
        with _explained(file), self.reading(source) as stream:
            if stream is None or self._is_there(path):
                return False
            with (
                suppress(OSError),  # no hard links here, or no more of them to this file
                self._folder(source) as made,
                self._folder(path, make=True) as folder,
            ):
                linked = self._link(made, origin.name, folder, file, fall_back=False)
                if linked and not _is_at(file.name, folder, stream):  # another took its place
                    os.unlink(file.name, dir_fd=folder)
                    raise OSError
                return linked
            return self._put(path, stream, if_absent=True)

    def list(self, prefix: str) -> list[str]:
        found: list[str] = []
        if prefix.startswith("/") or any(part.startswith(".") for part in prefix.split("/")):
            return found  # nothing of the site
        top = prefix.rpartition("/")[0]
        with (
            files.explained(self.root / top),
            suppress(*below.ABSENT),
            below.folder(self.root, top) as handle,
        ):
            for folder, inside, names, at in os.fwalk(".", dir_fd=handle):
                lead = "/".join(part for part in (top, folder[2:]) if part)
                # A link to a directory is no directory, but an object that somebody has made.
                links = {name for name in inside if below.is_link(at, name)}
                inside[:] = [name for name in inside if not _hidden(name) and name not in links]
                plain = (name for name in (*names, *links) if not _hidden(name))
                found += [f"{lead}/{name}" if lead else name for name in plain]
        return sorted(path for path in found if path.startswith(prefix))

    def delete(self, path: str) -> None:
        file = self._file(path)
        with files.explained(file), suppress(*below.ABSENT), self._folder(path) as folder:
            os.unlink(file.name, dir_fd=folder)

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
        with suppress(*below.ABSENT), below.folder(self.root, OWN) as own:
            return others_alive(own, self._scratch)
        return False

    def _file(self, path: str) -> Path:
        return self.root / checked(path)

    def _folder(self, path: str, *, make: bool = False) -> AbstractContextManager[int]:
        """The directory that an object is in, open."""
        return below.folder(self.root, path.rpartition("/")[0], make=make)

    def _refuse_large(self, path: str, size: int) -> None:
        most = layout.most(path)
        if size > most:
            raise VerificationFailed(
                str(self._file(path)),
                f"has {size} bytes, but such an object never has more than {most}",
                "remove it and run `kubewright repair`",
            )

    def _is_there(self, path: str) -> bool:
        file = self._file(path)
        with suppress(*below.ABSENT), self._folder(path) as folder:
            return below.is_there(folder, file.name, file)
        return False

    def _link(
        self, made: int, new: str, folder: int, file: Path, *, fall_back: bool = True
    ) -> bool:
        """Make a file appear under its name if nothing has the name yet."""
        try:
            os.link(new, file.name, src_dir_fd=made, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            return False
        except OSError:
            if not fall_back:
                raise
            with self._turn():
                if below.is_there(folder, file.name, file):
                    return False
                os.replace(new, file.name, src_dir_fd=made, dst_dir_fd=folder)
        files.sync_folder(folder)
        return True

    def _swap(self, made: int, new: str, folder: int, file: Path, tag: str) -> bool:
        with self._turn():
            there = below.opened_in(folder, file.name, file)
            if there is None:
                return False
            with there:
                if hashlib.file_digest(there, "sha256").hexdigest() != tag:
                    return False
            os.replace(new, file.name, src_dir_fd=made, dst_dir_fd=folder)
        files.sync_folder(folder)
        return True

    @contextmanager
    def _written(self, content: Content | IO[bytes]) -> Iterator[tuple[int, str]]:
        """A new file with the content, synced, in an open directory; anybody may read it, whatever
        the umask. It is gone after the block, if it is not moved.
        """
        made, name = self._directory(), str(next(self._numbers))
        try:
            with os.fdopen(os.open(name, NEW, 0o600, dir_fd=made), "wb") as stream:
                if isinstance(content, bytes):
                    stream.write(content)
                elif isinstance(content, Path):
                    with content.open("rb") as source:
                        files.copy(source, stream)
                else:
                    files.copy(content, stream)
                stream.flush()
                files.set_mode(stream.fileno(), 0o644)
                os.fsync(stream.fileno())
            yield made, name
        finally:
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=made)

    def _directory(self) -> int:
        """Where this writer's new files are, open; made with its first, removed with the writer."""
        with self._making:
            if self._scratch is None:
                with below.folder(self.root, OWN, make=True) as own, self._turn():
                    self._scratch = Scratch(own, self.root / OWN)
                weakref.finalize(self, self._scratch.end)
            return self._scratch.handle

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Wait until no other process or thread changes what is here by a condition."""
        lock = self.root / OWN / "lock"
        with ExitStack() as turn:
            with files.explained(lock):
                own = turn.enter_context(below.folder(self.root, OWN, make=True))
            turn.enter_context(files.locked(lock, folder=own))
            yield


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Turn an OSError into a DiskError that names the object, not the new file that it was in."""
    try:
        yield
    except OSError as error:
        named = isinstance(error.filename, str) and "/" in error.filename
        own = not named or OWN in Path(error.filename).parts
        raise files.disk_error(error, file if own else error.filename) from error


def _hidden(name: str) -> bool:
    return name.startswith(".")


def _is_at(name: str, folder: int, stream: IO[bytes]) -> bool:
    there = os.stat(name, dir_fd=folder, follow_symlinks=False)
    return os.path.samestat(there, os.fstat(stream.fileno()))
