"""Finds the images and clusters that an engine has; those of others are never looked at."""

from collections.abc import Callable

from docker import DockerClient
from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import Container

from kubewright import kubernetes_versions
from kubewright.clusters.asked import API, HERE, IMAGE, LABEL, TITLE, VERSION, volume
from kubewright.engine import words
from kubewright.errors import RequestError, UpstreamUnreachable
from kubewright.models.cluster import Cluster
from kubewright.versions import Order, order

EXAMPLE = f"PREFIX/{IMAGE}:v1.36.4"

Tell = Callable[[str], None]
"""Takes what is under way, in a few words."""


def clusters(engine: DockerClient) -> list[Cluster]:
    """All clusters of an engine by name, and volumes of those whose container is gone."""
    there = engine.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True)
    found = {one.labels[LABEL]: cluster(one) for one in there}
    for one in engine.volumes.list(filters={"label": LABEL}):
        name = (one.attrs.get("Labels") or {})[LABEL]
        found.setdefault(name, _volume_only(name, one.attrs.get("CreatedAt", "")))
    return [found[name] for name in sorted(found)]


def container(engine: DockerClient, name: str) -> Container | None:
    """The container of a cluster, if the engine has one."""
    there = engine.containers.list(
        all=True, filters={"label": f"{LABEL}={name}"}, ignore_removed=True
    )
    return there[0] if there else None


def running(engine: DockerClient, name: str) -> Container:
    """The container of a cluster that runs. Raises RequestError for one that does not."""
    found = container(engine, name)
    if found is None:
        raise missing(engine, name)
    if found.status != "running":
        does = {"exited": "kubewright cluster up", "paused": "docker unpause"}
        remedy = f"{does.get(found.status, 'kubewright cluster down')} {name}"
        raise RequestError(f"cluster {name}", f"does not run ({found.status})", remedy)
    return found


def missing(engine: DockerClient, name: str) -> RequestError:
    """What to say of a cluster that is not there."""
    names = ", ".join(one.name for one in clusters(engine))
    remedy = f"there are: {names}" if names else "there is none; kubewright cluster up makes one"
    return RequestError(f"cluster {name}", "there is no such cluster", remedy)


def cluster(found: Container) -> Cluster:
    """A container's cluster."""
    name = found.labels[LABEL]
    return Cluster(
        name=name,
        version=found.labels.get(VERSION, ""),
        state=found.status,
        server=server(found),
        image=found.attrs["Config"]["Image"],
        container=str(found.id),
        volume=volume(name),
        created=found.attrs["Created"],
    )


def _volume_only(name: str, created: str) -> Cluster:
    return Cluster(
        name=name,
        version="",
        state="volume only",
        server="",
        image="",
        container="",
        volume=volume(name),
        created=created,
    )


def server(found: Container) -> str:
    """HOST:PORT of a cluster's API on this machine, also while it does not run."""
    return f"{HERE}:{port(found)}"


def port(found: Container) -> int:
    """The port of a cluster's API on this machine."""
    (bound, *_) = found.attrs["HostConfig"]["PortBindings"][API]
    return int(bound["HostPort"])


# ── Images ───────────────────────────────────────────────────────────────────────────────────


def newest(engine: DockerClient) -> str:
    """The image of the newest Kubernetes that the engine has. Raises RequestError without one."""
    found: dict[str, Order] = {}
    for one in engine.images.list(filters={"label": f"{TITLE}={IMAGE}"}):
        version = kubernetes_versions.read(one.labels.get(VERSION, ""))
        if version is not None:
            found |= dict.fromkeys(one.tags, order(version))
    if not found:
        raise RequestError(
            "VERSION",
            f"is not given, and the engine has no image {IMAGE}",
            "say which release: kubewright cluster up NAME v1.36.4 --registry PREFIX, "
            "or --archive FILE",
        )
    return max(found, key=lambda tag: (found[tag], tag))


def has(engine: DockerClient, reference: str, identity: str) -> bool:
    """Whether a reference stands for this very image in the engine."""
    try:
        return engine.images.get(reference).id == identity
    except ImageNotFound:
        return False


def bring(engine: DockerClient, reference: str, tell: Tell) -> None:
    """Let the engine have an image: it has it, or pulls it.

    Raises UpstreamUnreachable when it cannot be pulled, RequestError for an image of another kind.
    """
    try:
        image = engine.images.get(reference)
    except ImageNotFound:
        _pull(engine, reference, tell)
        image = engine.images.get(reference)
    except APIError as error:
        if error.status_code != 400:
            raise
        raise RequestError(
            reference, f"is no reference of an image ({words(error)})", f"write it like {EXAMPLE}"
        ) from error
    title = (image.labels or {}).get(TITLE, "")
    if title != IMAGE:
        raise RequestError(
            reference,
            f"is {title or 'another image'}, not {IMAGE}",
            f"name an image like {EXAMPLE}",
        )


def _pull(engine: DockerClient, reference: str, tell: Tell) -> None:
    tell(f"pulling {reference}")
    loaded, sizes = dict[str, int](), dict[str, int]()
    try:
        for step in engine.api.pull(reference, stream=True, decode=True):
            if "error" in step:
                raise APIError(str(step["error"]))
            part, about = str(step.get("id", "")), step.get("progressDetail") or {}
            if step.get("status") == "Downloading" and about.get("total"):
                loaded[part], sizes[part] = about["current"], about["total"]
            elif step.get("status") == "Download complete" and part in sizes:
                loaded[part] = sizes[part]
            if sizes:
                done, whole = (sum(each.values()) / 1e6 for each in (loaded, sizes))
                tell(f"pulling {reference}: {done:.0f} of {whole:.0f} MB")
    except (APIError, NotFound) as error:
        raise UpstreamUnreachable(
            reference,
            f"the engine has no such image and cannot pull it ({words(error)})",
            "name the registry of the release with --registry PREFIX (log in with docker login), "
            "or its archive with --archive FILE",
        ) from error
