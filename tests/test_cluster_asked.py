"""What `kubewright cluster` asks of the SDK, and how it reads words and complaints."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright import engine
from kubewright.cli.cluster import kubeconfigs, table
from kubewright.clusters import asked, begin
from kubewright.clusters.interrupts import ENDING, Interrupts
from kubewright.errors import RequestError
from kubewright.images import offered
from kubewright.models.cluster import Cluster, Published, Wanted
from kubewright.settings import Settings
from kubewright.stages import cluster

Run = Callable[..., tuple[int, str, str]]
IMAGE = "registry.test/kube/hyperkube-cluster:v1.36.4"


def settings(tmp_path: Path) -> Settings:
    return Settings(cache=tmp_path, registry="https://registry.test/kube/", now=0)


@pytest.mark.parametrize(
    ("words", "name", "image", "options"),
    [
        ([], "dev", "", ()),
        (["one"], "one", "", ()),
        (["v1.36.4"], "dev", IMAGE, ()),
        (["1.36.4"], "dev", IMAGE, ()),
        (["one", "v1.37.0-rc.1"], "one", "registry.test/kube/hyperkube-cluster:v1.37.0-rc.1", ()),
        (["one", "localhost:5000/a:b"], "one", "localhost:5000/a:b", ()),
        (["one", "a@sha256:00"], "one", "a@sha256:00", ()),
        (["mine:1"], "dev", "mine:1", ()),
        (["--memory-low"], "dev", "", ("--memory-low",)),
        (["one", "v1.36.4", "--pod-subnet", "10.0.0.0/16"], "one", IMAGE,
         ("--pod-subnet", "10.0.0.0/16")),
        (["a.b-c"], "a.b-c", "", ()),
    ],
    ids=lambda value: "_".join(value) or "nothing" if isinstance(value, list) else "",
)  # fmt: skip
def test_words_are_a_name_a_version_or_image_and_options(
    tmp_path: Path, words: list[str], name: str, image: str, options: tuple[str, ...]
) -> None:
    wanted = cluster.wanted(words, settings(tmp_path), None)
    assert (wanted.name, wanted.context, wanted.image, wanted.options) == (
        name, name, image, options,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["one", "two"], "'two' is neither a version nor an image"),
        (["one", "v1.36"], "'v1.36' is neither a version nor an image"),
        (["one", "v1.36.4", "three"], "'three' is neither a version nor an image"),
        (["v1.36.4", "one"], "'one' is neither a version nor an image"),
        (["v1.36.4-1"], "looks like a version, and is none; write a version like v1.36.4"),
        (["v1.36"], "looks like a version"),
        (["stable-1.36"], "looks like a version"),
        (["1.36.x"], "looks like a version"),
        (["One"], "is no name of a cluster"),
        (["a"], "2 to 63 lowercase letters"),
        (["a_b"], "is no name of a cluster"),
        (["a-"], "is no name of a cluster"),
        (["a..b"], "is no name of a cluster"),
        (["x" * 64], "is no name of a cluster"),
        (["one\n"], "is no name of a cluster"),
        (["é" * 3], "is no name of a cluster"),
    ],
    ids=lambda value: "_".join(value).strip() if isinstance(value, list) else "",
)
def test_other_words_are_refused(tmp_path: Path, words: list[str], why: str) -> None:
    with pytest.raises(RequestError, match=why):
        cluster.wanted(words, settings(tmp_path), None)


@pytest.mark.parametrize("context", ["A", "a b", "a\nb", "v1.36.4"])
def test_a_context_is_called_as_a_cluster_is(tmp_path: Path, context: str) -> None:
    with pytest.raises(RequestError, match="--context "):
        cluster.wanted([], settings(tmp_path), None, context=context)


@pytest.mark.parametrize(
    ("given", "port"),
    [
        ("8080:30080", Published(here=8080, node=30080)),
        ("5353:30053/udp", Published(here=5353, node=30053, protocol="udp")),
        ("1:65535/sctp", Published(here=1, node=65535, protocol="sctp")),
    ],
)
def test_ports_are_published_by_here_and_node(given: str, port: Published) -> None:
    assert asked.published(given) == port


@pytest.mark.parametrize("given", ["80", "0:1", "1:65536", "a:b", "1:2/icmp", "1:2:3", "", "-1:2"])
def test_other_ports_are_refused(given: str) -> None:
    with pytest.raises(RequestError, match=r"--publish .*write it like 8080:30080"):
        asked.published(given)


def test_the_engine_is_asked_for_one_container_with_a_volume_of_its_own() -> None:
    wanted = Wanted(
        name="one",
        context="one",
        image=IMAGE,
        published=(Published(here=8080, node=30080), Published(here=8081, node=30080)),
        options=("--memory-low",),
    )
    made = asked.container(wanted, 6444, "TOKEN", privileged=True)
    assert made == {
        "image": IMAGE,
        "command": ["cluster", "--memory-low"],
        "name": "one",
        "hostname": "one",
        "labels": {"kubewright.cluster": "one"},
        "ports": {
            "6443/tcp": [("127.0.0.1", 6444)],
            "30080/tcp": [("127.0.0.1", 8080), ("127.0.0.1", 8081)],
        },
        "mounts": [
            {
                "Target": "/var",
                "Source": "kubewright-one",
                "Type": "volume",
                "ReadOnly": False,
                "VolumeOptions": {
                    "Labels": {"kubewright.cluster": "one", "kubewright.begun-by": "TOKEN"}
                },
            }
        ],
        "privileged": True,
    }
    without = asked.container(wanted, 6444, "TOKEN", privileged=False)
    assert "privileged" not in without
    assert without.items() >= asked.PARTS_OF_PRIVILEGED.items()
    joined = wanted.model_copy(update={"network": "mine"})
    assert asked.container(joined, 6444, "TOKEN", privileged=True)["network"] == "mine"


def test_the_flags_in_place_of_privileged_are_those_of_the_documentation() -> None:
    page = (Path(__file__).parent.parent / "docs" / "cluster.md").read_text()
    flag = {
        "cap_add": "--cap-add={}",
        "cap_drop": "--cap-drop={}",
        "device_cgroup_rules": "--device-cgroup-rule='{}'",
        "security_opt": "--security-opt={}",
    }
    for key, values in asked.PARTS_OF_PRIVILEGED.items():
        for value in values:
            assert flag[key].format(value) in page


TAKEN = (
    "driver failed programming external connectivity on endpoint dev (8d5c6443aa): "
    "Bind for 127.0.0.1:6443 failed: port is already allocated"
)


@pytest.mark.parametrize(
    ("said", "port"),
    [
        (TAKEN, 6443),
        ("Error starting userland proxy: listen tcp4 127.0.0.1:8080: bind: address already in use",
         8080),
        ("failed to set up container networking: driver failed programming external connectivity "
         "on endpoint a (b): failed to bind host port 127.0.0.1:30080/tcp: address already in use",
         30080),
        ("rootlessport listen tcp 127.0.0.1:7443: bind: address already in use", 7443),
        ("dial tcp 127.0.0.1:6443: connection refused", None),
        ("no space left on device", None),
    ],
    ids=["docker", "proxy", "docker-28", "podman", "other-address", "disk"],
)  # fmt: skip
def test_the_taken_port_is_found_in_what_the_engine_says(said: str, port: int | None) -> None:
    assert asked.taken_port(said) == port


@pytest.mark.parametrize(
    ("said", "refused"),
    [
        ("failed to create shim task: OCI runtime create failed: runc create failed: unable to "
         "start container process: unable to apply caps: operation not permitted: unknown", True),
        ("crun: set capabilities: cannot set capabilities: Operation not permitted", True),
        (TAKEN, False),
        ('exec: "cluster": executable file not found in $PATH', False),
    ],
    ids=["runc", "crun", "port", "program"],
)  # fmt: skip
def test_an_engine_that_cannot_grant_privileged_is_recognized(said: str, refused: bool) -> None:
    assert bool(asked.CAPABILITIES.search(said)) is refused


def test_the_first_free_port_is_taken_and_none_that_somebody_listens_on() -> None:
    with socket.socket() as first:
        try:
            first.bind(("0.0.0.0", begin.FIRST_PORT))
            first.listen()
        except OSError:
            pass  # somebody else listens there: as good
        chosen = begin._free({begin.FIRST_PORT + 1})
        assert chosen > begin.FIRST_PORT + 1
    with pytest.raises(RequestError, match="--port: none of 6443 to 6642 is free"):
        begin._free(set(range(begin.FIRST_PORT, begin.FIRST_PORT + begin.PORTS)))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("('Connection aborted.', PermissionError(13, 'Permission denied'))",
         "may not speak to the engine .*usermod --append --groups docker"),
        ("('Connection aborted.', FileNotFoundError(2, 'No such file'))", "systemctl start docker"),
    ],
    ids=["permission", "none"],
)  # fmt: skip
def test_a_missing_engine_is_explained(said: str, words: str) -> None:
    with pytest.raises(Exception, match=words):
        raise engine._missing(Exception(said))


@pytest.mark.parametrize("words", ["list", "up v1.36.4", "down", "kubeconfig"])
def test_without_an_engine_every_verb_says_so(tmp_path: Path, words: str) -> None:
    done = subprocess.run(  # the SDK forgets a socket, which only a process of its own closes
        [sys.executable, "-m", "kubewright", "cluster", *words.split()],
        env=os.environ | {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "")
    assert "docker: no engine answers" in done.stderr


def test_a_file_that_is_no_archive_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no archive" * 100)
    code, _, said = run("cluster", "up", "--archive", "text")
    assert code == 5
    assert said.startswith("error: text: is no archive or layout of images")
    code, _, said = run("cluster", "up", "--archive", "nowhere")
    assert code == 5


def test_an_archive_without_a_cluster_says_what_it_has(released: Settings, tmp_path: Path) -> None:
    (archive,) = Path(released.dist).glob("*/images/archives/*.tar")
    assert any("kube-proxy" in reference for reference in offered(archive))
    with pytest.raises(RequestError, match=r"no image hyperkube-cluster.*--flavour monolith"):
        cluster.wanted([], settings(tmp_path), archive)
    layout = archive.parent.parent / "layout"
    assert offered(layout) == offered(archive)


@pytest.mark.parametrize(
    ("named", "found"),
    [("", ["HOME/.kube/config"]), ("/a:/b", ["/a", "/b"]), (":~/c::", ["HOME/c"])],
)
def test_kubeconfigs_are_those_of_kubectl(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: str, found: list[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KUBECONFIG", named)
    assert [str(path) for path in kubeconfigs()] == [
        path.replace("HOME", str(tmp_path)) for path in found
    ]


def test_clusters_are_listed_in_columns() -> None:
    one = Cluster(
        name="a", version="v1.36.4", state="running", server="127.0.0.1:6443", image="i",
        container="c", volume="v", created="",
    )  # fmt: skip
    gone = one.model_copy(
        update={"name": "longer", "state": "volume only", "server": "", "version": "", "image": ""}
    )
    assert table([one, gone]) == [
        "NAME    VERSION  STATE        SERVER          IMAGE",
        "a       v1.36.4  running      127.0.0.1:6443  i",
        "longer  -        volume only  -               -",
    ]


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_waits_for_what_must_not_be_left_half_done(number: signal.Signals) -> None:
    interrupts, done = Interrupts(), []
    before = signal.getsignal(number)

    def interrupted() -> None:
        with interrupts.watched():
            with interrupts.held():
                with interrupts.held():
                    os.kill(os.getpid(), number)
                    done.append("inner")
                done.append("outer")
            done.append("too late")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == ["inner", "outer"]
    assert signal.getsignal(number) == before


def test_only_the_first_signal_counts() -> None:
    interrupts, done = Interrupts(), []
    with interrupts.watched():
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        with interrupts.held():
            os.kill(os.getpid(), signal.SIGINT)
        done.append("cleaned up")
    assert done == ["cleaned up"]


def test_a_signal_that_is_ignored_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupts().watched():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
