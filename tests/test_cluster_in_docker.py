"""`kubewright cluster` and a real engine: begun, found, removed; and whatever fails leaves nothing.

The image stands in for the real one, which is a compiled Kubernetes: the same title, and programs
of the same names that say and print what the real ones do. tests/acceptance runs the real one.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from io import BytesIO
from pathlib import Path

import docker
import pytest
import yaml
from private_engine import private_engine

pytestmark = pytest.mark.elsewhere("needs root and Docker's engine")

IMAGE = "registry.test/kube/hyperkube-cluster:v1.36.4"
CLUSTER = """#!/bin/busybox sh
echo "   0.00s Kubernetes v1.36.4, node $(busybox hostname)"
case "$*" in
*--refuse*) echo "cluster: memory: only 1 MiB; --memory"; exit 2 ;;
*--late*) trap 'exit 0' TERM; echo waiting; while :; do busybox sleep 0.1; done ;;
esac
test -e /var/kept || busybox date > /var/kept
busybox sleep 0.3
echo "   0.30s node ready"
: > /run/ready
trap 'exit 0' TERM
while :; do busybox sleep 0.1; done
"""
KUBECONFIG = """#!/bin/busybox sh
while ! test -e /run/ready; do busybox sleep 0.05; done
server=$2 name=$4
busybox cat <<END
apiVersion: v1
kind: Config
clusters: [{name: $name, cluster: {server: "https://$server"}}]
users: [{name: $name, user: {token: secret}}]
contexts: [{name: $name, context: {cluster: $name, user: $name}}]
current-context: $name
END
"""


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory, tool: Callable[[str], Path]) -> Iterator[str]:
    """A private engine that has the image."""
    busybox = tool("busybox").read_bytes()
    with private_engine(tmp_path_factory.mktemp("engine")) as address:
        with closing(docker.DockerClient(address)) as client:
            for name in ("hyperkube-cluster", "other"):
                client.images.build(
                    fileobj=context(busybox, name),
                    custom_context=True,
                    rm=True,
                    tag=IMAGE.replace("hyperkube-cluster", name),
                )
        yield address


def context(busybox: bytes, title: str) -> BytesIO:
    """What an image is built of."""
    dockerfile = f"""FROM scratch
COPY bin /bin
VOLUME /var
RUN ["/bin/busybox", "mkdir", "/run"]
LABEL org.opencontainers.image.title={title} org.opencontainers.image.version=v1.36.4
"""
    content = {
        "Dockerfile": dockerfile.encode(),
        "bin/busybox": busybox,
        "bin/cluster": CLUSTER.encode(),
        "bin/kubeconfig": KUBECONFIG.encode(),
    }
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, BytesIO(data))
    packed.seek(0)
    return packed


@pytest.fixture
def client(engine: str) -> Iterator[docker.DockerClient]:
    """A client of the engine; nothing is left in it when the test ends well."""
    with closing(docker.DockerClient(engine)) as client:
        yield client
        left = [one.name for one in client.containers.list(all=True)]
        left += [one.name for one in client.volumes.list()]
        for container in client.containers.list(all=True):
            container.remove(force=True, v=True)
        for volume in client.volumes.list():
            volume.remove()
    assert not left


Kubewright = Callable[..., tuple[int, str, str]]


@pytest.fixture
def environment(engine: str, tmp_path: Path) -> dict[str, str]:
    names = {"DOCKER_HOST": engine, "HOME": str(tmp_path), "KUBECONFIG": ""}
    return os.environ | names


@pytest.fixture
def kubewright(
    environment: dict[str, str], client: docker.DockerClient, tmp_path: Path
) -> Kubewright:
    """Run the command as people do: its exit code, its output, and what it said."""

    def call(*words: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "kubewright", "cluster", *words],
            env=environment, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout, " ".join(done.stderr.split())

    return call


def test_the_whole_life_of_a_cluster(
    kubewright: Kubewright, client: docker.DockerClient, tmp_path: Path
) -> None:
    config = tmp_path / ".kube" / "config"
    code, out, said = kubewright("up", "one", "--merge", "--port", "7443", "--", "--memory-low")
    assert (code, said) == (0, "")
    assert re.match(r"one: Kubernetes v1\.36\.4 at 127\.0\.0\.1:7443, ready in \d+\.\d s\n", out)
    made = client.containers.get("one")
    assert made.attrs["Config"]["Cmd"] == ["cluster", "--memory-low"]
    assert made.attrs["Config"]["Hostname"] == "one"
    merged = yaml.safe_load(config.read_text())
    assert merged["current-context"] == "one"
    assert merged["clusters"][0]["cluster"]["server"] == "https://127.0.0.1:7443"

    code, out, _ = kubewright("list", "--json")
    (listed,) = json.loads(out)["clusters"]
    assert (listed["name"], listed["state"], listed["image"]) == ("one", "running", IMAGE)
    code, out, _ = kubewright("kubeconfig", "one", "--context", "mine")
    assert yaml.safe_load(out)["current-context"] == "mine"

    kept = made.exec_run("/bin/busybox cat /var/kept").output
    made.stop(timeout=5)
    assert "one   v1.36.4  exited" in kubewright("list")[1]
    code, _, said = kubewright("kubeconfig", "one")
    assert (code, said) == (
        2, "error: cluster one: does not run (exited); kubewright cluster up one",
    )  # fmt: skip
    code, _, said = kubewright("up", "one", "--port", "7444")
    assert code == 2
    assert "has stopped; start it as it is: kubewright cluster up one" in said
    assert kubewright("up", "one")[0] == 0
    assert made.exec_run("/bin/busybox cat /var/kept").output == kept

    code, out, _ = kubewright("down", "one", "--json")
    removed = json.loads(out)
    assert removed.pop("header") == {"type": "kubewright.cluster-removed", "version": "1"}
    assert removed == {
        "name": "one", "container": True, "volume": True, "kubeconfigs": [str(config)],
    }  # fmt: skip
    assert yaml.safe_load(config.read_text())["clusters"] == []
    code, _, said = kubewright("down", "one")
    assert (code, "there is no such cluster" in said) == (2, True)


def test_what_ends_before_it_is_ready_leaves_its_last_words_and_nothing_else(
    kubewright: Kubewright, client: docker.DockerClient
) -> None:
    code, out, said = kubewright("up", "one", "v1.36.4", "--registry", "registry.test/kube",
                                 "--", "--refuse")  # fmt: skip
    assert (code, out) == (4, "")
    assert "has ended with exit code 2, and said last: " in said
    assert "cluster: memory: only 1 MiB; --memory" in said
    assert not client.volumes.list()


def test_a_volume_that_was_there_outlives_a_failure_and_goes_with_its_cluster(
    kubewright: Kubewright, client: docker.DockerClient
) -> None:
    assert kubewright("up", "one")[0] == 0
    client.containers.get("one").remove(force=True)
    assert "one   -        volume only" in kubewright("list")[1]
    assert kubewright("up", "one", "--", "--refuse")[0] == 4
    assert [one.name for one in client.volumes.list()] == ["kubewright-one"]
    assert kubewright("down", "one")[0] == 0


@contextmanager
def going(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A program that runs during a block, which does not outlive it."""
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def runs(client: docker.DockerClient) -> bool:
    """Whether the one container of an engine runs; while one is replaced there is none."""
    there = client.containers.list(all=True, ignore_removed=True)
    return [one.status for one in there] == ["running"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_is_stopped_in_the_middle_leaves_nothing(
    environment: dict[str, str], client: docker.DockerClient, number: int
) -> None:
    command = [sys.executable, "-m", "kubewright", "cluster", "up", "one", "--", "--late"]
    with going(command, environment) as process:
        wait_for(lambda: runs(client))
        process.send_signal(number)
        assert process.stderr is not None
        assert process.stderr.read().strip() == "stopped"
    assert process.returncode == 130


def test_at_whatever_moment_it_is_stopped(
    environment: dict[str, str], client: docker.DockerClient
) -> None:
    """The steps of the engine are seen by its events; each of them is a moment."""
    command = [sys.executable, "-m", "kubewright", "cluster", "up", "one"]
    for moment in ("volume create", "container create", "container start", "container exec_start"):
        events = client.events(decode=True)
        with going(command, environment) as process:
            for event in events:
                if f"{event['Type']} {event['Action']}".startswith(moment):
                    process.send_signal(signal.SIGINT)
                    break
            process.communicate(timeout=30)
            assert process.returncode != 0, moment
        events.close()
        assert not client.containers.list(all=True), moment
        assert not client.volumes.list(), moment


def test_who_waits_for_a_cluster_that_is_removed_is_told_so(
    environment: dict[str, str], kubewright: Kubewright, client: docker.DockerClient
) -> None:
    command = [sys.executable, "-m", "kubewright", "cluster", "up", "one", "--", "--late"]
    with going(command, environment) as process:
        wait_for(lambda: runs(client))
        assert kubewright("down", "one")[0] == 0
        assert process.stderr is not None
        said = process.stderr.read()
    assert process.returncode == 4
    assert re.search("was removed by somebody else|has ended with exit code 137", said)


def wait_for(ask: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not ask():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_of_many_with_one_name_one_gets_it_and_others_do_not_harm_it(
    kubewright: Kubewright, client: docker.DockerClient
) -> None:
    ended: list[tuple[int, str, str]] = []
    threads = [
        threading.Thread(target=lambda: ended.append(kubewright("up", "one"))) for _ in range(3)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(code for code, _, _ in ended) == [0, 2, 2]
    assert ["is there already" in said for code, _, said in ended if code] == [True, True], ended
    assert client.containers.get("one").status == "running"
    assert kubewright("down", "one")[0] == 0


def test_two_clusters_get_two_ports(kubewright: Kubewright) -> None:
    for name in ("one", "two"):
        assert kubewright("up", name)[0] == 0
    ports = [one["server"] for one in json.loads(kubewright("list", "--json")[1])["clusters"]]
    assert len(set(ports)) == 2
    for name in ("one", "two"):
        assert kubewright("down", name)[0] == 0


def test_what_is_somebody_elses_is_left_alone(
    kubewright: Kubewright, client: docker.DockerClient
) -> None:
    other = client.containers.create(IMAGE, "cluster", name="theirs")
    volume = client.volumes.create("kubewright-mine")
    code, _, said = kubewright("up", "theirs")
    assert (code, "a container that is no cluster of kubewright has this name" in said) == (2, True)
    code, _, said = kubewright("up", "mine")
    assert (code, "docker volume rm kubewright-mine" in said) == (2, True)
    assert kubewright("down", "theirs")[0] == kubewright("down", "mine")[0] == 2
    assert kubewright("list")[1].splitlines()[1:] == []
    other.remove(v=True)
    volume.remove()


@pytest.mark.parametrize(
    ("image", "code", "why"),
    [
        ("registry.test/kube/other:v1.36.4", 2, "is other, not hyperkube-cluster"),
        ("127.0.0.1:1/hyperkube-cluster:v1", 7, "cannot pull it"),
        ("Foo/bar:1", 2, "is no reference of an image"),
    ],
    ids=["another", "nowhere", "no-reference"],
)
def test_an_image_that_is_none_is_named(
    kubewright: Kubewright, image: str, code: int, why: str
) -> None:
    found, _, said = kubewright("up", "one", image)
    assert (found, why in said) == (code, True), said


def test_a_kubeconfig_that_cannot_take_it_is_found_before_anything_is_begun(
    kubewright: Kubewright, tmp_path: Path, client: docker.DockerClient
) -> None:
    config = tmp_path / ".kube" / "config"
    config.parent.mkdir()
    config.write_text("users: [{name: one, user: {token: theirs}}]\n")
    code, _, said = kubewright("up", "one", "--merge")
    assert (code, "--context NAME" in said) == (2, True)
    assert not client.containers.list(all=True)
    assert kubewright("up", "one", "--merge", "--context", "mine")[0] == 0
    assert kubewright("down", "one")[0] == 0
    assert yaml.safe_load(config.read_text())["users"] == [
        {"name": "one", "user": {"token": "theirs"}}
    ]
