"""A cluster of one container: how long until it works, and what it takes."""

import base64
import http.client
import json
import os
import secrets
import socket
import ssl
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from docker import DockerClient
from docker.models.containers import Container
from measure import Figures, Result, Row

from kubewright import images
from kubewright.clusters import asked, found
from kubewright.clusters.begin import begun
from kubewright.clusters.interrupts import Interrupts
from kubewright.engine import connected
from kubewright.errors import KubewrightError, ToolMissing
from kubewright.models.cluster import Published, Wanted

ROUNDS = 5
IDLE = 120
"""Seconds from the start after which a cluster with one small application counts as idle."""

WATCHED = 20
"""Seconds of being idle whose processor time is counted."""

LATEST = 120
"""Seconds after which a step counts as failed."""

NODE_PORT = 30080
MB = 1_000_000

BUDGETS = {"node ready": 3.5, "application answers": 5.5, "processor time until then": 4.5}
"""Goals in seconds, from `docker run`."""

PEERS = {
    "node ready": {"k3d": 19.9, "kind": 33.0, "minikube": 50.8},
    "processor time until then": {"k3d": 6.8, "kind": 11.0, "minikube": 8.7},
}
"""What minikube publishes of time-to-k8s for v1.36.0: of another machine."""

IDLE_PEERS = {"k3s": 500 * MB, "k0s": 330 * MB}
"""Bytes of an idle one, as their makers publish: of other machines."""

APPLICATION = {
    "/apis/apps/v1/namespaces/default/deployments": """
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
  "selector": {"matchLabels": {"app": "web"}},
  "template": {"metadata": {"labels": {"app": "web"}}, "spec": {
    "terminationGracePeriodSeconds": 1,
    "containers": [{"name": "web", "image": "kubewright.local/pause:1",
      "command": ["/kubectl", "proxy", "--address=0.0.0.0", "--port=8080", "--accept-hosts=.*",
                  "--www=/data", "--www-prefix=/data/"],
      "volumeMounts": [{"name": "program", "mountPath": "/kubectl"},
                       {"name": "data", "mountPath": "/data"}]}],
    "volumes": [{"name": "program", "hostPath": {"path": "/usr/local/bin/hyperkube"}},
                {"name": "data", "emptyDir": {}}]}}}}
""",
    "/api/v1/namespaces/default/services": """
{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {
  "selector": {"app": "web"}, "type": "NodePort",
  "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]}}
""",
}
"""kubectl in the cluster's own image, as a web server: nothing has to be pulled."""


def cluster(archive: Path | None) -> Iterator[Result]:
    """Seconds, processor time, memory and bytes of a cluster, against goals and what peers say."""
    with connected(LATEST) as engine:
        reference = prepared(engine, archive)
        print(f"load {os.getloadavg()[0]:.1f}; {reference}", file=sys.stderr)
        begun_rounds = [
            begin_once(engine, reference, last=at == ROUNDS) for at in range(1, ROUNDS + 1)
        ]
        rounds = [one for one, _ in begun_rounds]
        idle = begun_rounds[-1][1]
    seconds = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    for name, goal in BUDGETS.items():
        yield Row(name, seconds[name], goal, "a budget", "s", 1)
        for peer, published in PEERS.get(name, {}).items():
            yield Row(name, seconds[name], published, f"{peer}, as published", "s")
    yield from at_rest(idle)
    if archive is not None:
        yield Row("image, compressed", compressed(archive, reference), 150 * MB, "a budget", "B", 1)
    names = tuple(seconds)
    lines = [tuple(f"{one[name]:.2f}" for name in names) for one in rounds]
    lines.append(tuple(f"{seconds[name]:.2f}" for name in names))
    yield Figures(f"seconds of {ROUNDS} rounds, and their medians", names, tuple(lines))


def at_rest(idle: dict[str, Any]) -> Iterator[Result]:
    """What is measured once, on the last cluster."""
    yield Row("memory, idle", idle["memory"], 250 * MB, "a budget", "B", 1)
    for peer, published in IDLE_PEERS.items():
        yield Row("memory, idle", idle["memory"], published, f"{peer}, as published", "B")
    yield Row("processor, idle", idle["processor"], 1, "of one core", "s")
    yield Row("docker stop", idle["stop"], 5, "a budget", "s", 1)
    yield Row("docker restart to ready", idle["restart"], 5, "a budget", "s", 1)
    rows = [(name, f"{size / MB:.0f}") for name, size in idle["shares"].items()]
    rows.append(("image, unpacked", f"{idle['unpacked'] / MB:.0f}"))
    yield Figures("share of memory (PSS) of each program, idle", ("program", "MB"), tuple(rows))


def prepared(engine: DockerClient, archive: Path | None) -> str:
    """The image, which the engine has by then. Raises ToolMissing for all that is missing."""
    if engine.info().get("OSType") != "linux" or not local(engine):
        raise ToolMissing("docker", "is not this machine's engine", "unset DOCKER_HOST")
    if os.geteuid() != 0:
        raise ToolMissing("root", "shares of memory are read in /proc", "be root")
    try:
        if archive is None:
            return found.newest(engine)
        (reference,) = [one for one in images.offered(archive) if f"/{asked.IMAGE}:" in one]
        if not found.has(engine, reference, images.offered(archive)[reference]):
            images.load(archive)
    except (KubewrightError, ValueError) as error:
        remedy = "--archive FILE, of a release of --flavour monolith"
        raise ToolMissing(asked.IMAGE, str(error), remedy) from error
    return reference


def local(engine: DockerClient) -> bool:
    """Whether the engine's processes are in this machine's /proc."""
    return str(engine.api.base_url).startswith("http+docker://localhost")


def begin_once(
    engine: DockerClient, reference: str, *, last: bool
) -> tuple[dict[str, float], dict[str, Any]]:
    """The seconds of one cluster's steps; of the last also what it takes when it is idle."""
    name, port = f"bench-{secrets.token_hex(3)}", free()
    wanted = Wanted(
        name=name, context=name, image=reference,
        published=(Published(here=port, node=NODE_PORT),),
    )  # fmt: skip
    start = time.monotonic()
    with removed(engine, name), begun(engine, wanted, Interrupts()) as made:
        start = started(made, start)
        seconds = steps(made, port, start)
        return seconds, rest(engine, made, start) if last else {}


@contextmanager
def removed(engine: DockerClient, name: str) -> Iterator[None]:
    """Remove a cluster after a block, however it ends."""
    from kubewright.clusters.remove import remove

    try:
        yield
    finally:
        remove(engine, name)


def started(made: Container, before: float) -> float:
    """When a container was made, in this process's clock: tries that an engine refused come before
    it, and are not counted.
    """
    made.reload()
    created = datetime.fromisoformat(made.attrs["Created"][:26].rstrip("Z") + "+00:00")
    return max(before, time.monotonic() - (time.time() - created.timestamp()))


def steps(made: Container, port: int, start: float) -> dict[str, float]:
    """Seconds from the start to each step, and the processor time until the last."""
    seconds: dict[str, float] = {}

    def reached(name: str) -> None:
        seconds[name] = time.monotonic() - start

    server = found.server(made)
    name = made.labels[asked.LABEL]
    access = printed(made, asked.access(server, name, wait=False))
    reached("kubeconfig")

    def wait_for_names() -> None:
        printed(made, asked.access(server, name, wait=True))
        reached("names answered")

    names = threading.Thread(target=wait_for_names)
    names.start()
    api = Api(server, yaml.safe_load(access))
    until(lambda: api.ask("GET", "/readyz")[0] == 200)
    reached("API ready")
    for path, body in APPLICATION.items():
        until(partial(created, api, path, body))
    until(lambda: node_ready(api, name))
    reached("node ready")
    until(lambda: answers(port))
    reached("application answers")
    seconds["processor time until then"] = processor(made)
    names.join(LATEST)
    return seconds


def printed(made: Container, command: list[str]) -> str:
    """What a command in a container prints."""
    output = made.exec_run(command).output
    return output.decode() if isinstance(output, bytes) else ""


def rest(engine: DockerClient, made: Container, start: float) -> dict[str, Any]:
    """What an idle cluster takes, how long it takes to stop, and to be ready again."""
    time.sleep(max(0, IDLE - (time.monotonic() - start)))
    size, shares = memory(made), pss(made)
    used = processor(made)
    time.sleep(WATCHED)
    image = engine.images.get(made.attrs["Image"])
    found_idle: dict[str, Any] = {
        "memory": size,
        "shares": shares,
        "unpacked": image.attrs["Size"],
        "processor": (processor(made) - used) / WATCHED,
    }  # fmt: skip
    begin = time.monotonic()
    made.stop(timeout=30)
    found_idle["stop"] = time.monotonic() - begin
    begin = time.monotonic()
    made.start()
    printed(made, asked.access(found.server(made), made.labels[asked.LABEL], wait=True))
    found_idle["restart"] = time.monotonic() - begin
    return found_idle


class Api:
    """The cluster's API, asked as the kubeconfig says."""

    def __init__(self, server: str, access: dict[str, Any]) -> None:
        self.server = server
        cluster, user = access["clusters"][0]["cluster"], access["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.context = ssl.create_default_context(cadata=authority)
        descriptor = os.memfd_create("key")
        try:
            for part in ("client-certificate-data", "client-key-data"):
                os.write(descriptor, base64.b64decode(user[part]))
            self.context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        finally:
            os.close(descriptor)

    def ask(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        """The status and the body of an answer; 0 where there is none."""
        asking = http.client.HTTPSConnection(self.server, context=self.context, timeout=5)
        with closing(asking):
            try:
                asking.request(method, path, body, {"Content-Type": "application/json"})
                answer = asking.getresponse()
                return answer.status, answer.read()
            except (OSError, http.client.HTTPException):
                return 0, b""


def created(api: Api, path: str, body: str) -> bool:
    """Whether the API has taken an object."""
    return api.ask("POST", path, body)[0] == http.HTTPStatus.CREATED


def node_ready(api: Api, name: str) -> bool:
    """Whether the node says so."""
    status, body = api.ask("GET", f"/api/v1/nodes/{name}")
    conditions = json.loads(body)["status"].get("conditions", ()) if status == 200 else ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def answers(port: int) -> bool:
    """Whether the application answers through its Service."""
    asking = http.client.HTTPConnection("127.0.0.1", port, timeout=0.5)
    with closing(asking):
        try:
            asking.request("GET", "/data/")
            return asking.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


def until(ask: Callable[[], bool]) -> None:
    """Ask until the answer is yes."""
    deadline = time.monotonic() + LATEST
    while not ask():
        if time.monotonic() > deadline:
            raise ToolMissing("cluster", f"a step has not been reached after {LATEST} s", "")
        time.sleep(0.02)


def processor(made: Container) -> float:
    """Seconds of processor time of a container until now."""
    one, two = group(made, "cpuacct", "cpuacct.usage"), group(made, "", "cpu.stat")
    if one is not None:
        return int(one) / 1e9
    return int(dict(line.split() for line in (two or "").splitlines())["usage_usec"]) / 1e6


def memory(made: Container) -> int:
    """Bytes that count as a container's: what its programs have, and files that it has read."""
    one, two = group(made, "memory", "memory.usage_in_bytes"), group(made, "", "memory.current")
    return int(one or two or 0)


def group(made: Container, controller: str, name: str) -> str | None:
    """A file of a container's control group, of version 1 or, without a controller, of version 2.

    Docker's own figures are zeros where groups of both versions are mounted.
    """
    process = Path(f"/proc/{made.attrs['State']['Pid']}/cgroup").read_text()
    for line in process.splitlines():
        _, named, path = line.split(":", 2)
        if controller in named.split(","):
            whole = path[: path.index(str(made.id)) + len(str(made.id))]
            file = Path("/sys/fs/cgroup") / controller / whole.lstrip("/") / name
            return file.read_text() if file.exists() else None
    return None


def pss(made: Container) -> dict[str, int]:
    """Bytes of each program's share of memory, and of all."""
    shares: dict[str, int] = {}
    for pid, name in made.top(ps_args="-eo pid,comm")["Processes"]:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:  # it has just ended
            continue
        size = next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
        shares[name] = shares.get(name, 0) + size * 1024
    shares["all"] = sum(shares.values())
    return dict(sorted(shares.items(), key=lambda one: -one[1]))


def compressed(archive: Path, reference: str) -> int:
    """Bytes that a registry sends of the image."""
    from kubewright.images.docker_archive import blob_path
    from kubewright.images.layout_reader import open_layout
    from kubewright.images.oci import REFERENCE, ImageIndex, ImageManifest

    with open_layout(archive) as reader:
        with reader.open("index.json") as stream:
            index = ImageIndex.from_bytes(stream.read())
        (entry,) = [
            one for one in index.manifests if (one.annotations or {})[REFERENCE] == reference
        ]
        with reader.open(blob_path(entry.digest)) as stream:
            manifest = ImageManifest.from_bytes(stream.read())
    return manifest.config.size + sum(layer.size for layer in manifest.layers)


def free() -> int:
    """A port that nobody listens on."""
    with socket.socket() as trying:
        trying.bind(("127.0.0.1", 0))
        return int(trying.getsockname()[1])
