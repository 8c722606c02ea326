"""Begins clusters, and starts them again; nothing is left of what does not start."""

import logging
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from docker import DockerClient
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container

from kubewright.clusters.asked import CAPABILITIES, HERE, LABEL, taken_port, volume
from kubewright.clusters.asked import container as arguments
from kubewright.clusters.found import port
from kubewright.clusters.interrupts import Interrupts
from kubewright.clusters.remove import own_volume, remove_container, remove_volume
from kubewright.engine import LOG, words
from kubewright.errors import RequestError, ToolFailed
from kubewright.models.cluster import Wanted

log = logging.getLogger(__name__)

FIRST_PORT = 6443
PORTS = 200
"""How many ports from there on are looked at."""

ATTEMPTS = 100
"""To get a name that somebody else has just reserved or given up, a twentieth of a second apart."""


@contextmanager
def begun(engine: DockerClient, wanted: Wanted, interrupts: Interrupts) -> Iterator[Container]:
    """A cluster's container, made and started: removed again unless the block ends well.

    Raises RequestError when its name, a port or its volume is somebody else's, ToolFailed when the
    engine refuses.
    """
    _refuse_others_volume(engine, wanted.name)
    beginning = _Beginning(engine, wanted)
    try:
        yield beginning.start(interrupts)
    except BaseException:
        with interrupts.held():
            beginning.undo()
        raise


class _Beginning:
    """One run of `up`: it removes what it has made itself, whoever uses the name meanwhile."""

    def __init__(self, engine: DockerClient, wanted: Wanted) -> None:
        self.engine, self.wanted = engine, wanted
        self.token = secrets.token_hex(8)
        self.made: Container | None = None

    def start(self, interrupts: Interrupts) -> Container:
        """Try until a container has started."""
        privileged, tried = True, _ports(self.engine)
        while True:
            chosen = self.wanted.port or _free(tried)
            with interrupts.held():
                self.made = made = self._create(chosen, privileged=privileged)
            try:
                made.start()
                return made
            except (APIError, OSError) as error:
                said, cause = words(error), error
            with interrupts.held():
                remove_container(made)
                self.made = None
            if privileged and CAPABILITIES.search(said):
                log.debug("%s: the engine cannot grant privileged: %s", self.wanted.name, said)
                privileged = False
            elif self.wanted.port is None and taken_port(said) == chosen:
                tried.add(chosen)
            else:
                raise _refused(self.wanted, said) from cause

    def _create(self, chosen: int, *, privileged: bool) -> Container:
        """The container, with its volume: the engine gives a name once, however many ask."""
        asked = arguments(self.wanted, chosen, self.token, privileged=privileged)
        for _ in range(ATTEMPTS):
            try:
                return self.engine.containers.create(**asked)
            except APIError as error:
                if error.status_code != 409:
                    raise _refused(self.wanted, words(error)) from error
            with suppress(NotFound):
                raise _name_taken(self.engine.containers.get(self.wanted.name), self.wanted)
            time.sleep(0.05)  # another's container is not there yet, or not any more
        raise RequestError(
            f"cluster {self.wanted.name}", "somebody is beginning or removing it", "try again"
        )

    def undo(self) -> None:
        """Remove what was made; what cannot be removed is said."""
        name = self.wanted.name
        try:
            if self.made is not None:
                remove_container(self.made)
            remove_volume(self.engine, name, self.token)
        except (DockerException, OSError) as error:
            log.warning(
                "not all of cluster %s could be removed (%s); remove it: "
                "kubewright cluster down %s", name, words(error), name,
            )  # fmt: skip


def _name_taken(there: Container, wanted: Wanted) -> RequestError:
    """What to say of another container of a cluster's name."""
    if there.labels.get(LABEL) == wanted.name:
        return RequestError(
            f"cluster {wanted.name}",
            f"is there already ({there.status})",
            f"use it, give another name, or remove it: kubewright cluster down {wanted.name}",
        )
    return RequestError(
        f"cluster {wanted.name}",
        "a container that is no cluster of kubewright has this name",
        "give another name",
    )


def _refused(wanted: Wanted, said: str) -> RequestError | ToolFailed:
    """Why an engine did not make or start a container."""
    number = taken_port(said)
    if number is not None:
        option = "--port" if number == wanted.port else "--publish"
        return RequestError(f"{option} {number}", "is taken on this machine", "name another port")
    return ToolFailed(
        f"cluster {wanted.name}", f"the engine did not start its container: {said}", LOG
    )


def _refuse_others_volume(engine: DockerClient, name: str) -> None:
    """Raise RequestError when the cluster's volume is there and is somebody else's."""
    with suppress(NotFound):
        engine.volumes.get(volume(name))
        if own_volume(engine, name) is None:
            raise RequestError(
                f"cluster {name}",
                f"the volume {volume(name)} is there, and is no cluster's",
                f"give another name, or remove it: docker volume rm {volume(name)}",
            )


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
