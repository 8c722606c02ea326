"""Loads an archive into the Docker engine of this machine."""

from pathlib import Path

from kubewright.errors import ToolFailed, ToolMissing, VerificationFailed
from kubewright.images.check import check_layout

TIMEOUT = 900
"""Seconds that an engine may take to unpack everything."""


def load(archive: Path) -> tuple[str, ...]:
    """Load the images of an archive and return their references.

    The engine is the one that DOCKER_HOST names, else the local one. Raises VerificationFailed when
    the archive is not sound, ToolMissing when no engine answers, ToolFailed when it refuses.
    """
    import docker
    from docker.errors import DockerException

    if findings := list(check_layout(archive)):
        raise VerificationFailed("\n".join(findings))
    try:
        engine = docker.from_env(timeout=TIMEOUT)
    except DockerException as error:
        raise ToolMissing(
            "docker",
            f"no engine answers ({error})",
            "start it (systemctl start docker), or set DOCKER_HOST",
        ) from error
    try:
        with archive.open("rb") as stream:
            loaded = engine.images.load(stream)
    except (DockerException, OSError) as error:
        raise ToolFailed(
            str(archive),
            f"the engine did not load it: {error}",
            "look into its log: journalctl -u docker",
        ) from error
    finally:
        engine.close()
    references: set[str] = set()
    for image in loaded:
        references.update(image.tags)
    return tuple(sorted(references))
