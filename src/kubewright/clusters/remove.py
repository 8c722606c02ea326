"""Removes clusters, whole or as far as they came; what is another's stays."""

from contextlib import suppress

from docker import DockerClient
from docker.errors import APIError, NotFound
from docker.models.containers import Container
from docker.models.volumes import Volume

from kubewright.clusters.asked import LABEL, RUN, volume
from kubewright.clusters.found import container

IN_USE = 409
"""What an engine answers for a volume that is in use, or a container that is going already."""


def remove(engine: DockerClient, name: str) -> tuple[bool, bool]:
    """Remove the container of a cluster and its volume; whether each was there."""
    there, kept = container(engine, name), own_volume(engine, name)
    if there is not None:
        remove_container(there)
    if kept is not None:
        with suppress(NotFound):
            kept.remove()
    return there is not None, kept is not None


def remove_container(made: Container) -> None:
    """Remove a container; somebody else may do so at the same time."""
    try:
        made.remove(force=True, v=True)
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != IN_USE:
            raise
        with suppress(NotFound):
            made.wait(condition="removed")


def remove_volume(engine: DockerClient, name: str, token: str) -> None:
    """Remove the volume that a run of `up` has made, unless another's container has it by now."""
    made = own_volume(engine, name)
    if made is None or made.attrs["Labels"].get(RUN) != token:
        return
    try:
        made.remove()
    except NotFound:
        pass
    except APIError as error:
        if error.status_code != IN_USE:
            raise


def own_volume(engine: DockerClient, name: str) -> Volume | None:
    """The volume of a cluster, if it is there and its own."""
    with suppress(NotFound):
        there = engine.volumes.get(volume(name))
        if (there.attrs.get("Labels") or {}).get(LABEL) == name:
            return there
    return None
