"""Images in a real engine: loaded from their archive, started, stopped."""

import os
import platform
import struct
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path

import docker
import pytest
from private_engine import private_engine

from kubewright import recipes
from kubewright.cache import Cache
from kubewright.cli.shipped import shipped
from kubewright.errors import UpstreamUnreachable
from kubewright.images import ImageInputs, build, fetch_packages, load
from kubewright.models.base import Arch
from kubewright.models.image import ImageDefinition, ImageRecord
from kubewright.models.lock import Component, Release

pytestmark = pytest.mark.elsewhere("needs root and Docker's engine")

IMAGES = shipped().images
EPOCH = 1_755_000_000
VERSIONS = {
    "kubernetes": "1.36.4",
    "etcd": "3.6.8",
    "coredns": "1.14.2",
    "pause": "3.10.2",
    "busybox": "1.35.0",
}
PREFIX = "registry.test/kube"
TOOLS = "registry.test/tools"


def program(text: str) -> bytes:
    """A whole static program for linux/amd64 that prints a text: write(1, text), exit(0)."""
    message = text.encode()
    # mov eax,1; mov edi,1; lea rsi,[rip+16]
    code = b"\xb8\x01\0\0\0\xbf\x01\0\0\0\x48\x8d\x35" + struct.pack("<I", 16)
    code += b"\xba" + struct.pack("<I", len(message)) + b"\x0f\x05"  # mov edx,length; syscall
    code += b"\xb8\x3c\0\0\0\x31\xff\x0f\x05"  # mov eax,60; xor edi,edi; syscall
    start, base = 64 + 56, 0x400000
    size = start + len(code) + len(message)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + start, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    return (
        header + struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, size, size, 0x1000) + code + message
    )


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a private Docker engine without a network, for this session."""
    with private_engine(tmp_path_factory.mktemp("engine")) as address:
        yield address


@pytest.fixture
def client(engine: str, loaded: ImageRecord) -> Iterator[docker.DockerClient]:
    """A client of the engine that has the images."""
    with closing(docker.DockerClient(engine)) as client:
        yield client


@pytest.fixture(scope="session")
def release() -> Release:
    if platform.machine() != "x86_64":
        pytest.skip("the programs of this test are for amd64")
    return Release(
        name="v1.36.4-1",
        kubernetes="1.36.4",
        revision=1,
        source_date_epoch=EPOCH,
        architectures=(Arch.amd64,),
        components=tuple(
            Component(
                name=name, version=version, range="", status="validated", reason="", epoch=EPOCH
            )
            for name, version in VERSIONS.items()
        ),
    )


@pytest.fixture(scope="session")
def loaded(
    engine: str,
    release: Release,
    tool: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> ImageRecord:
    """Images over this machine's static busybox, in the engine."""
    busybox = tool("busybox")
    root = tmp_path_factory.mktemp("images")

    def inputs(component: str, name: str, arch: Arch) -> Path:
        path = root / f"{component}-{name}"
        members = {
            "etcd": [f"etcd-v3.6.8-linux-{arch}/{one}" for one in ("etcd", "etcdctl", "etcdutl")],
            "coredns": ["coredns"],
        }
        if component == "busybox":
            with tarfile.open(path, "w:gz") as tar:
                tar.add(busybox, arcname="bin/[")
            return path
        if component in members:
            with tarfile.open(path, "w:gz") as tar:
                for member in members[component]:
                    data = program(f"{member.rpartition('/')[2]} here\n")
                    info = tarfile.TarInfo(member)
                    info.size = len(data)
                    tar.addfile(info, BytesIO(data))
        else:
            path.write_bytes(program(f"{name} here\n"))
        return path

    record = build(
        recipes.load(IMAGES / "hyperkube" / "image.toml", ImageDefinition), release, inputs,
        registry=PREFIX, dest=root / "layout", archives=root, content=IMAGES,
    )  # fmt: skip
    if record.skipped:
        pytest.skip(f"no static busybox here: {record.skipped[0].reason}")
    assert load_into(engine, root, record) == tuple(
        sorted(image.reference for image in record.images)
    )
    return record


def load_into(engine: str, root: Path, record: ImageRecord) -> tuple[str, ...]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", engine)
        return load(root / record.archives[0].name)


def run(
    client: docker.DockerClient,
    image: str,
    *arguments: str,
    entrypoint: str | None = None,
    user: str | None = None,
    prefix: str = PREFIX,
    capabilities: tuple[str, ...] = (),
) -> tuple[int, str]:
    """The exit code of a container and what it printed on both streams."""
    container = client.containers.run(
        f"{prefix}/{image}",
        list(arguments),
        entrypoint=entrypoint,
        user=user,
        network_mode="none",
        detach=True,
        cap_add=list(capabilities),
    )
    try:
        code = container.wait(timeout=60)["StatusCode"]
        return code, b"".join(container.logs(stream=True)).decode()
    finally:
        container.remove(force=True)


def test_the_engine_has_the_very_images_that_were_recorded(
    client: docker.DockerClient, loaded: ImageRecord
) -> None:
    for image in loaded.images:
        found = client.images.get(image.reference)
        (made,) = image.platforms
        # The former in Docker's own store, the latter in containerd's.
        assert found.id in (made.config, made.manifest)
        assert found.attrs["RootFS"]["Layers"] == list(made.diff_ids)
        assert found.attrs["Config"]["Labels"]["kubewright.flavour"] == "dispatcher"


@pytest.mark.parametrize(
    ("image", "text"),
    [
        ("kube-apiserver:v1.36.4", "kube-apiserver here\n"),
        ("kube-controller-manager:v1.36.4", "kube-controller-manager here\n"),
        ("kube-scheduler:v1.36.4", "kube-scheduler here\n"),
        ("kube-proxy:v1.36.4", "kube-proxy here\n"),
        ("kubectl:v1.36.4", "kubectl here\n"),
        ("etcd:3.6.8-0", "etcd here\n"),
        ("coredns:v1.14.2", "coredns here\n"),
    ],
    ids=lambda value: value.partition(":")[0] if ":" in value else "",
)
def test_each_image_starts_its_program(client: docker.DockerClient, image: str, text: str) -> None:
    assert run(client, image) == (0, text)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["kubelet", "--version"], 0, "kubelet here\n"),
        (["apiserver"], 0, "kube-apiserver here\n"),
        (
            ["--list"],
            0,
            "kube-apiserver\nkube-controller-manager\nkube-scheduler\nkube-proxy\nkubelet\nkubeadm\n",
        ),
        (["--version"], 0, "kubelet                  kubelet here\n"),
        (["--help"], 0, "Usage: hyperkube PROGRAM"),
        (["nonsense"], 2, "hyperkube: there is no program 'nonsense' here, only: kube-apiserver "),
        ([], 2, "Usage: hyperkube PROGRAM"),
    ],
    ids=["program", "old-name", "list", "version", "help", "unknown", "nothing"],
)
def test_hyperkube_starts_the_program_that_is_named(
    client: docker.DockerClient, arguments: list[str], code: int, text: str
) -> None:
    found, output = run(client, "hyperkube:v1.36.4", *arguments)
    assert found == code
    assert text in output


def test_the_historical_links_work(client: docker.DockerClient) -> None:
    script = "/apiserver; /controller-manager; /kubectl; /kubelet; /proxy; /scheduler"
    code, text = run(client, "hyperkube:v1.36.4", "-c", script, entrypoint="sh")
    assert code == 0
    assert [line.removesuffix(" here") for line in text.splitlines()] == [
        "kube-apiserver",
        "kube-controller-manager",
        "kubectl",
        "kubelet",
        "kube-proxy",
        "kube-scheduler",
    ]


def test_pods_find_programs_by_name_alone(client: docker.DockerClient) -> None:
    assert run(client, "etcd:3.6.8-0", entrypoint="etcdctl") == (0, "etcdctl here\n")


def test_there_is_a_place_for_temporary_files_that_anybody_may_write(
    client: docker.DockerClient,
) -> None:
    script = "echo written >/tmp/file && busybox cat /tmp/file"
    assert run(client, "hyperkube:v1.36.4", "-c", script, entrypoint="sh", user="1000:1000") == (
        0,
        "written\n",
    )


def test_pause_is_not_root_reaps_orphans_and_ends_when_told_to(client: docker.DockerClient) -> None:
    container = client.containers.run(
        f"{PREFIX}/pause:3.10.2", network_mode="none", read_only=True, detach=True
    )
    try:
        assert (
            container.exec_run("sh -c 'sleep 0.01 & sleep 0.01 & echo begun'").output == b"begun\n"
        )
        time.sleep(0.5)
        processes = container.exec_run("busybox ps -o user,pid,stat,args").output
        assert isinstance(processes, bytes)
        lines = processes.decode().splitlines()[1:]
        assert len(lines) == 3  # pause, what it sleeps in, and ps: no orphan is left
        assert {line.split()[0] for line in lines} == {"65535"}
        begun = time.monotonic()
        container.stop(timeout=30)
        assert time.monotonic() - begun < 10
        assert container.wait()["StatusCode"] == 0
    finally:
        container.remove(force=True)


def test_coredns_may_bind_port_53_without_being_root(
    client: docker.DockerClient, engine: str
) -> None:
    assert client.images.get(f"{PREFIX}/coredns:v1.14.2").attrs["Config"]["User"] == "65532:65532"
    data = Path(engine.removeprefix("unix://")).parent / "data"
    (unpacked, *_) = data.glob("vfs/dir/*/coredns")
    assert os.getxattr(unpacked, "security.capability").hex() == "0100000200040000" + "00" * 12
    (other, *_) = data.glob("vfs/dir/*/usr/local/bin/kube-apiserver")
    assert os.listxattr(other) == []


# ── Host tools ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="session")
def with_tools(
    engine: str,
    release: Release,
    tool: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[docker.DockerClient]:
    """A client of the engine that has hyperkube-node and kube-proxy over the packages that are
    pinned.
    """
    tool("apt-get")
    root = tmp_path_factory.mktemp("monolith")

    def inputs(component: str, name: str, arch: Arch) -> Path | None:
        path = root / name
        path.write_bytes(program(f"{name} here\n"))
        return path if component == "hyperkube" else None

    cache = Cache(root / "cache")
    definition = recipes.load(IMAGES / "hyperkube" / "monolith.toml", ImageDefinition)
    try:
        record = build(
            definition, release,
            ImageInputs(
                inputs,
                lambda pins, arch: fetch_packages(pins, arch, cache, root / "private"),
                {"etcd": VERSIONS["etcd"]},
                shipped().pins(definition),
            ),
            registry=TOOLS, dest=root / "layout", archives=root, content=IMAGES,
        )  # fmt: skip
    except UpstreamUnreachable as error:
        pytest.skip(str(error))
    assert f"{TOOLS}/kube-proxy:v1.36.4" in load_into(engine, root, record)
    with closing(docker.DockerClient(engine)) as client:
        yield client


TOOL_VERSIONS = {
    "iptables --version": "(nf_tables)",
    "ip6tables --version": "(nf_tables)",
    "ebtables --version": "(nf_tables)",
    "nft --version": "nftables v1",
    "conntrack --version": "conntrack v1",
    "ipset --version": "ipset v7",
    "ip -V": "ip utility",
    "tc -V": "tc utility",
    "mount --version": "mount from util-linux",
    "losetup --version": "losetup from util-linux",
    "modprobe --version": "kmod version",
    "ethtool --version": "ethtool version",
    "mkfs.ext4 -V": "mke2fs 1",
    "cp --version": "cp (GNU coreutils)",
    "iptables-save": "",
    "iptables-restore --test </dev/null": "",
    "nft list tables": "",
}


def test_the_host_tools_of_kube_proxy_run(with_tools: docker.DockerClient) -> None:
    script = "; ".join(f"echo '# {command}'; {command} 2>&1; echo $?" for command in TOOL_VERSIONS)
    _, said = run(
        with_tools,
        "kube-proxy:v1.36.4",
        "-c",
        script,
        entrypoint="sh",
        prefix=TOOLS,
        capabilities=("NET_ADMIN",),
    )
    found = {part.partition("\n")[0]: part for part in said.removeprefix("# ").split("\n# ")}
    for command, text in TOOL_VERSIONS.items():
        assert text in found[command]
        assert found[command].splitlines()[-1] == "0", found[command]


@pytest.mark.parametrize(
    "image", ["kube-proxy:v1.36.4", "hyperkube-node:v1.36.4", "pause:3.10.2", "etcd:3.6.8-0"]
)
def test_every_image_starts_the_one_program(with_tools: docker.DockerClient, image: str) -> None:
    assert run(with_tools, image, prefix=TOOLS) == (0, "hyperkube here\n")


def test_every_library_that_a_host_tool_needs_is_there(with_tools: docker.DockerClient) -> None:
    script = (
        "for file in /usr/bin/* /usr/sbin/* /usr/lib/*-linux-gnu/*.so* "
        "/usr/lib/*-linux-gnu/xtables/*; do "
        "LD_TRACE_LOADED_OBJECTS=1 /lib64/ld-linux-x86-64.so.2 $file 2>/dev/null; done"
    )
    code, said = run(with_tools, "kube-proxy:v1.36.4", "-c", script, entrypoint="sh", prefix=TOOLS)
    assert said.count("=> /lib/x86_64-linux-gnu/libc.so.6") > 100
    assert [line for line in said.splitlines() if "not found" in line] == []
    assert code in (0, 1, 127)  # of the last one, which may be no program
