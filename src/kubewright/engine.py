"""The gateway to the Docker engine: that of DOCKER_HOST or of Docker's context, else the local."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from kubewright.errors import ToolFailed, ToolMissing

if TYPE_CHECKING:
    from docker import DockerClient

SOCKET: Final = "/var/run/docker.sock"

LOG = "look into its log: journalctl -u docker"
"""What to do about an engine that fails without saying why."""


@contextmanager
def connected(seconds: int) -> Iterator["DockerClient"]:
    """A client of the engine for as long as the block runs; each request has so many seconds.

    Raises ToolMissing when no engine answers, or this user may not speak to it.
    """
    import docker
    from docker.errors import DockerException

    try:
        engine = docker.from_env(timeout=seconds)
    except DockerException as error:
        raise _missing(error) from error
    try:
        yield engine
    finally:
        engine.close()


def listens() -> bool:
    """Whether somebody listens where the environment says that an engine is, or else by default; an
    engine on another machine is believed to.
    """
    from docker.errors import DockerException
    from docker.utils import kwargs_from_env

    try:
        given = kwargs_from_env()
    except DockerException:  # certificates that the environment names are not there
        return False
    address = urlsplit(given.get("base_url") or f"unix://{SOCKET}")
    if address.scheme not in ("unix", "http+unix"):
        return True
    with socket.socket(socket.AF_UNIX) as one:
        try:
            one.connect(address.path)
        except PermissionError:
            return True
        except OSError:
            return False
    return True


def _missing(error: Exception) -> ToolMissing:
    """Why there is no engine for this user."""
    if "Permission denied" in str(error):
        return ToolMissing(
            "docker",
            f"this user may not speak to the engine ({error})",
            "be root, or join its group: usermod --append --groups docker USER, and log in again",
        )
    return ToolMissing(
        "docker",
        f"no engine answers ({error})",
        "start it (systemctl start docker), or set DOCKER_HOST",
    )


@contextmanager
def explained(place: str, doing: str, remedy: str = LOG) -> Iterator[None]:
    """Turn an error of the engine's inside the block into ToolFailed, with its own words."""
    from docker.errors import DockerException

    try:
        yield
    except (DockerException, OSError) as error:  # requests' errors are OSErrors
        raise ToolFailed(place, f"{doing}: {words(error)}", remedy) from error


def words(error: Exception) -> str:
    """What the engine says, without the address that it was asked at."""
    said = getattr(error, "explanation", None)
    if isinstance(said, bytes):
        said = said.decode(errors="replace")
    return " ".join(str(said or error).split())
