"""Keeps keys that are made on first use, in a directory that only its owner can read."""

import fcntl
import logging
from collections.abc import Callable
from pathlib import Path

from kubewright import files
from kubewright.errors import DiskError

log = logging.getLogger(__name__)


def path(directory: Path, name: str, make: Callable[[], bytes]) -> Path:
    """The file `name` in `directory`, written from `make()` when it is not there yet.

    Two processes that come at once end with one file: the second waits for the first. Raises
    DiskError when the directory cannot be written.
    """
    file = directory / name
    if file.exists():
        return file
    try:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        with (directory / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                files.write(file, make(), mode=0o600)
                log.info(
                    "%s: made a development key, for trying things out and not to be trusted", file
                )
    except OSError as error:
        raise DiskError(
            str(directory),
            str(error.strerror),
            "the development keys are kept there: point KUBEWRIGHT_DATA at a directory that you "
            "can write, or name keys with --repo-key and --artifact-key",
        ) from error
    return file
