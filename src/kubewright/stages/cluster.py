"""cluster: begins, lists and removes clusters of one container, and gives access to them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from kubewright import images
from kubewright.clusters import asked, found, kubeconfig
from kubewright.clusters.begin import begun, restarted
from kubewright.clusters.interrupts import Interrupts
from kubewright.clusters.remove import remove
from kubewright.clusters.wait import wait
from kubewright.engine import connected, explained
from kubewright.errors import RequestError
from kubewright.models.cluster import Begun, Cluster, Ended, Wanted
from kubewright.settings import Settings

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

DEFAULT = "dev"
"""The cluster that is meant where none is named."""

TIMEOUT = 120
"""Seconds that an engine may take to answer."""

FAILED = "the engine failed"


def wanted(
    words: Sequence[str],
    settings: Settings,
    archive: Path | None,
    *,
    port: int | None = None,
    publish: Sequence[str] = (),
    context: str = "",
    network: str = "",
) -> Wanted:
    """What `[NAME] [VERSION|IMAGE] [-- OPTION…]` and options ask for. Raises RequestError."""
    name, which, options = asked.words(words)
    image = asked.image(which, settings.registry) if which else ""
    if archive is not None:
        image = _archived(archive, which)
    name = asked.name(name or DEFAULT)
    return Wanted(
        name=name,
        context=asked.name(context, "--context") if context else name,
        image=image,
        port=port,
        published=tuple(map(asked.published, publish)),
        network=network,
        options=options,
    )


def _archived(archive: Path, which: str) -> str:
    """The one image in an archive that is a cluster's. Raises RequestError where there is none."""
    there = [one for one in images.offered(archive) if f"/{asked.IMAGE}:" in f"/{one}"]
    version = asked.image(which, "").rpartition(":")[2]
    fit = [one for one in there if not which or which == one or one.endswith(f":{version}")]
    if len(fit) != 1:
        raise RequestError(
            f"--archive {archive}",
            f"has {', '.join(there) or f'no image {asked.IMAGE}'} for this machine",
            "name one of them" if there else "give an archive of a release of --flavour monolith",
        )
    return fit[0]


def up(asked_for: Wanted, archive: Path | None, merge: Path | None, tell: found.Tell) -> Begun:
    """Begin a cluster, or start one that has stopped, and wait until it is ready; its access is
    merged into the file `merge`.

    Raises RequestError, ToolMissing, ToolFailed, UpstreamUnreachable. What has been begun is
    removed then, and when somebody ends the program; what has been started is stopped.
    """
    interrupts, name, context = Interrupts(), asked_for.name, asked_for.context
    with interrupts.watched(), connected(TIMEOUT) as engine, explained("docker", FAILED):
        if merge:
            kubeconfig.check(merge, _mark(engine, name), context)
        there = found.container(engine, name)
        if there is not None and there.status == "exited":
            _refuse_changes(there, asked_for)
            beginning = restarted(there, interrupts)
        else:
            if there is None:
                asked_for = _with_image(engine, asked_for, archive, tell)
            beginning = begun(engine, asked_for, interrupts)
        tell("starting")
        began = time.monotonic()
        with beginning as made:
            text = wait(made, context, tell)
            seconds = time.monotonic() - began
            made.reload()
            done = found.cluster(made)
        if merge:
            kubeconfig.merge(merge, text, _mark(engine, name), context)
    return Begun(
        cluster=done,
        milliseconds=round(1000 * seconds),
        context=context,
        kubeconfig=str(merge or ""),
    )


def _mark(engine: "DockerClient", name: str) -> kubeconfig.Mark:
    return kubeconfig.Mark(name, str(engine.info().get("ID", "")))


def _refuse_changes(there: "Container", asked_for: Wanted) -> None:
    """Raise RequestError where a cluster that is there cannot become what is asked for."""
    has = found.cluster(there)
    other = asked_for.image not in ("", has.image) or asked_for.port not in (
        None,
        found.port(there),
    )
    if other or asked_for.published or asked_for.options:
        raise RequestError(
            f"cluster {has.name}",
            f"is there, of {has.image} at {has.server}, and has stopped",
            f"start it as it is: kubewright cluster up {has.name}; "
            f"or remove it first: kubewright cluster down {has.name}",
        )


def _with_image(
    engine: "DockerClient", asked_for: Wanted, archive: Path | None, tell: found.Tell
) -> Wanted:
    """What is asked for with an image that the engine has."""
    reference = asked_for.image or found.newest(engine)
    if archive is not None and not found.has(engine, reference, images.offered(archive)[reference]):
        tell(f"loading {archive}")
        images.load(archive)
    found.bring(engine, reference, tell)
    return asked_for.model_copy(update={"image": reference})


def listing() -> list[Cluster]:
    """The clusters of the engine. Raises ToolMissing, ToolFailed."""
    with connected(TIMEOUT) as engine, explained("docker", FAILED):
        return found.clusters(engine)


def access(name: str, context: str, merge: Path | None, tell: found.Tell) -> str:
    """The kubeconfig of a cluster that runs, once it is ready; it is merged into the file `merge`.

    Raises RequestError, ToolMissing, ToolFailed.
    """
    context = asked.name(context, "--context") if context else name
    with connected(TIMEOUT) as engine, explained("docker", FAILED):
        running = found.running(engine, name)
        if merge:
            kubeconfig.check(merge, _mark(engine, name), context)
        text = wait(running, context, tell)
        if merge:
            kubeconfig.merge(merge, text, _mark(engine, name), context)
        return text


def down(name: str, kubeconfigs: Sequence[Path]) -> Ended:
    """Remove a cluster: its container, its volume, and what kubeconfigs have of it.

    Raises RequestError where there is none of it, ToolMissing, ToolFailed.
    """
    interrupts = Interrupts()
    with interrupts.watched(), connected(TIMEOUT) as engine, explained("docker", FAILED):
        with interrupts.held():
            container, volume = remove(engine, name)
            changed = kubeconfig.remove(kubeconfigs, _mark(engine, name))
        if not (container or volume or changed):
            raise found.missing(engine, name)
    return Ended(name=name, container=container, volume=volume, kubeconfigs=changed)
