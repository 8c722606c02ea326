"""Begins clusters and removes them: nothing is left of what does not start."""

import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from docker import DockerClient
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.models.volumes import Volume
from requests.exceptions import RequestException

from kubewright.clusters.asked import CAPABILITIES, HERE, LABEL, taken_port
from kubewright.clusters.asked import container as arguments
from kubewright.clusters.asked import volume as volume_name
from kubewright.clusters.found import container, port
from kubewright.clusters.interrupts import Interrupts
from kubewright.engine import LOG, words
from kubewright.errors import RequestError, ToolFailed
from kubewright.models.cluster import Wanted

log = logging.getLogger(__name__)

FIRST_PORT = 6443
PORTS = 200
"""How many ports from there on are looked at."""


@contextmanager
def begun(engine: DockerClient, wanted: Wanted, interrupts: Interrupts) -> Iterator[Container]:
    """A cluster's container, made and started: removed again unless the block ends well.

    Raises RequestError when its name, a port or its volume is somebody else's, ToolFailed when the
    engine refuses.
    """
    kept, made = _own_volume(engine, wanted.name), list[Container]()
    try:
        _begin(engine, wanted, interrupts, made)
        yield made[0]
    except BaseException:
        with interrupts.held():
            discard(engine, wanted.name, made[0] if made else None, keep=kept)
        raise


def _begin(
    engine: DockerClient,
    wanted: Wanted,
    interrupts: Interrupts,
    made: list[Container],
) -> None:
    """Try until a container has started; it is in `made` from the moment in which it is there."""
    privileged, tried = True, _ports(engine)
    while True:
        chosen = wanted.port or _free(tried)
        with interrupts.held():
            made[:] = [_create(engine, wanted, chosen, privileged=privileged)]
        try:
            made[0].start()
            return
        except (APIError, RequestException) as error:
            said, cause = words(error), error
        with interrupts.held():
            discard(engine, wanted.name, made.pop(), keep=True)  # the next try has the volume
        if privileged and CAPABILITIES.search(said):
            log.debug("%s: the engine cannot grant --privileged: %s", wanted.name, said)
            privileged = False
        elif wanted.port is None and taken_port(said) == chosen:
            tried.add(chosen)
        else:
            raise _refused(wanted, said) from cause


def _create(engine: DockerClient, wanted: Wanted, chosen: int, *, privileged: bool) -> Container:
    """The container, with its volume: the engine gives a name once, however many ask for it."""
    try:
        return engine.containers.create(**arguments(wanted, chosen, privileged=privileged))
    except APIError as error:
        if error.status_code != 409:
            raise _refused(wanted, words(error)) from error
    with suppress(NotFound):
        there = engine.containers.get(wanted.name)
        if there.labels.get(LABEL) == wanted.name:
            raise RequestError(
                f"cluster {wanted.name}",
                f"is there already ({there.status})",
                f"use it, give another name, or remove it: kubewright cluster down {wanted.name}",
            )
    raise RequestError(
        f"cluster {wanted.name}",
        "a container that is no cluster of kubewright has this name",
        "give another name",
    )


def _refused(wanted: Wanted, said: str) -> RequestError | ToolFailed:
    """Why an engine did not make or start a container."""
    number = taken_port(said)
    if number is not None and number == wanted.port:
        return RequestError(f"--port {number}", "is taken on this machine", "name another, or none")
    if number is not None:
        return RequestError(f"--publish {number}", "is taken on this machine", "name another port")
    return ToolFailed(
        f"cluster {wanted.name}", f"the engine did not start its container: {said}", LOG
    )


def _own_volume(engine: DockerClient, name: str) -> bool:
    """Whether the cluster's volume is there already. Raises RequestError when it is another's."""
    try:
        there = engine.volumes.get(volume_name(name))
    except NotFound:
        return False
    if (there.attrs.get("Labels") or {}).get(LABEL) != name:
        raise RequestError(
            f"cluster {name}",
            f"the volume {volume_name(name)} is there, and is no cluster's",
            f"give another name, or remove it: docker volume rm {volume_name(name)}",
        )
    return True


def _ports(engine: DockerClient) -> set[int]:
    """The ports of clusters, also of those that do not run."""
    there = engine.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
    return {port(one) for one in there}


def _free(tried: set[int]) -> int:
    """A port that nobody listens on. Raises RequestError where there is none."""
    for number in range(FIRST_PORT, FIRST_PORT + PORTS):
        if number in tried:
            continue
        with socket.socket() as trying:
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with suppress(OSError):
                trying.bind((HERE, number))
                return number
        tried.add(number)
    raise RequestError(
        "--port", f"none of {FIRST_PORT} to {FIRST_PORT + PORTS - 1} is free", "name another"
    )


def discard(engine: DockerClient, name: str, made: Container | None, *, keep: bool) -> None:
    """Remove a cluster that has failed, and its volume unless it was there before; what stays is
    said.
    """
    try:
        _gone(made, volume=None if keep else _volume(engine, name))
    except (DockerException, RequestException) as error:
        log.warning(
            "not all of cluster %s could be removed (%s); remove it: kubewright cluster down %s",
            name, words(error), name,
        )  # fmt: skip


def remove(engine: DockerClient, name: str) -> tuple[bool, bool]:
    """Remove the container of a cluster and its volume; whether each was there."""
    there, kept = container(engine, name), _volume(engine, name)
    _gone(there, kept)
    return there is not None, kept is not None


def _gone(made: Container | None, volume: Volume | None) -> None:
    """Remove both; somebody else may do so at the same time."""
    if made is not None:
        try:
            made.remove(force=True, v=True)
        except NotFound:
            pass
        except APIError as error:
            if error.status_code != 409:
                raise
            made.wait(condition="removed")
    with suppress(NotFound):
        if volume is not None:
            volume.remove()


def _volume(engine: DockerClient, name: str) -> Volume | None:
    """The volume of a cluster, if it is there and its own."""
    with suppress(NotFound):
        there = engine.volumes.get(volume_name(name))
        if (there.attrs.get("Labels") or {}).get(LABEL) == name:
            return there
    return None


@contextmanager
def restarted(there: Container, interrupts: Interrupts) -> Iterator[Container]:
    """A cluster that had stopped, started: stopped again unless the block ends well.

    Raises RequestError when its port is taken by now, ToolFailed when the engine refuses.
    """
    try:
        there.start()
    except APIError as error:
        number = taken_port(words(error))
        if number is None:
            raise
        raise RequestError(
            f"cluster {there.name}", f"its port {number} is taken on this machine", "free it"
        ) from error
    try:
        yield there
    except BaseException:
        with interrupts.held():
            there.stop()
        raise
