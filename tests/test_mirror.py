"""`mirror sample`: the layout, the checksum files, the markers and the programs inside."""

import filecmp
import platform
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright import files, resolution, run
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.mirror import KUBERNETES, Summary, placeholder, upstream_files
from kubewright.models.base import Arch
from kubewright.models.lock import Check, Input
from kubewright.stages.sample import sample
from kubewright.upstream import Upstream

EPOCH = 1_755_648_000
GITHUB = "github.com"


def make(dest: Path, *kubernetes: str) -> Summary:
    return sample(dest, shipped(), kubernetes or KUBERNETES, epoch=EPOCH)


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    dest = tmp_path_factory.mktemp("sample")
    make(dest)
    return dest


def program_of(member: str, archive: Path, into: Path) -> Path:
    with tarfile.open(archive) as tar:
        stream = tar.extractfile(member)
        assert stream is not None
        target = into / Path(member).name
        target.write_bytes(stream.read())
    target.chmod(0o755)
    return target


# ── Layout ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "place",
    [
        "dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet",
        "dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubelet.sha256",
        "dl.k8s.io/release/v1.37.0-rc.1/bin/linux/arm64/kube-controller-manager",
        f"{GITHUB}/etcd-io/etcd/releases/download/v3.6.8/etcd-v3.6.8-linux-arm64.tar.gz",
        f"{GITHUB}/etcd-io/etcd/releases/download/v3.6.8/SHA256SUMS",
        f"{GITHUB}/containerd/containerd/releases/download/v2.3.6/containerd-2.3.6-linux-amd64.tar.gz",
        f"{GITHUB}/containerd/containerd/releases/download/v2.3.6/containerd-2.3.6-linux-amd64.tar.gz.sha256sum",
        f"{GITHUB}/opencontainers/runc/releases/download/v1.4.2/runc.arm64",
        f"{GITHUB}/opencontainers/runc/releases/download/v1.4.2/runc.sha256sum",
        f"{GITHUB}/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz",
        f"{GITHUB}/containernetworking/plugins/releases/download/v1.9.1/cni-plugins-linux-amd64-v1.9.1.tgz.sha256",
        f"{GITHUB}/kubernetes-sigs/cri-tools/releases/download/v1.36.0/crictl-v1.36.0-linux-amd64.tar.gz",
        f"{GITHUB}/kubernetes-sigs/cri-tools/releases/download/v1.36.0/crictl-v1.36.0-linux-amd64.tar.gz.sha256",
        f"{GITHUB}/coredns/coredns/releases/download/v1.14.2/coredns_1.14.2_linux_amd64.tgz.sha256",
        f"{GITHUB}/Mirantis/cri-dockerd/releases/download/v0.4.4/cri-dockerd-0.4.4.arm64.tgz",
        "download.docker.com/linux/static/stable/aarch64/docker-29.8.1.tgz",
        "github.com/docker-library/busybox/raw/0436ae6a521e9e1bf3a524b0c3062a68d2af96e0/latest/musl/arm64v8/rootfs.tar.gz",
        "SHA256SUMS",
        "mirror.json",
    ],
)
def test_a_file_is_where_upstream_has_it(mirror: Path, place: str) -> None:
    assert (mirror / place).is_file()


def test_versions_to_avoid_are_left_out(mirror: Path) -> None:
    assert not (mirror / GITHUB / "containerd/containerd/releases/download/v2.3.3").exists()


def test_a_url_becomes_host_and_path() -> None:
    assert (
        upstream_files.path("https://dl.k8s.io/release/stable.txt")
        == "dl.k8s.io/release/stable.txt"
    )


# ── Checksums and markers ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("place", "named", "shape"),
    [
        ("dl.k8s.io/release/v1.36.4/bin/linux/amd64/kubeadm", ".sha256", "{digest}"),
        (
            f"{GITHUB}/kubernetes-sigs/cri-tools/releases/download/v1.36.0/crictl-v1.36.0-linux-arm64.tar.gz",
            ".sha256",
            "{digest}\n",
        ),
        (
            f"{GITHUB}/containernetworking/plugins/releases/download/v1.8.0/cni-plugins-linux-arm64-v1.8.0.tgz",
            ".sha256",
            "{digest}  {name}\n",
        ),
        (
            f"{GITHUB}/containerd/containerd/releases/download/v2.2.9/containerd-2.2.9-linux-arm64.tar.gz",
            ".sha256sum",
            "{digest}  {name}\n",
        ),
        (
            f"{GITHUB}/coredns/coredns/releases/download/v1.13.1/coredns_1.13.1_linux_amd64.tgz",
            ".sha256",
            "{digest}  {name}\n",
        ),
    ],
    ids=["kubernetes", "cri-tools", "cni-plugins", "containerd", "coredns"],
)
def test_a_checksum_file_has_upstreams_shape(
    mirror: Path, place: str, named: str, shape: str
) -> None:
    file = mirror / place
    expected = shape.format(digest=files.sha256_of(file), name=file.name)
    assert Path(f"{file}{named}").read_text() == expected


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("etcd-io/etcd/releases/download/v3.6.6/SHA256SUMS", "etcd-v3.6.6-linux-{}.tar.gz"),
        ("opencontainers/runc/releases/download/v1.4.2/runc.sha256sum", "runc.{}"),
    ],
    ids=["etcd", "runc"],
)
def test_a_checksum_list_names_every_architecture(mirror: Path, place: str, name: str) -> None:
    folder = (mirror / GITHUB / place).parent
    names = [name.format(arch) for arch in ("amd64", "arm64", "ppc64le", "s390x")]
    expected = [f"{files.sha256_of(folder / name)}  {name}" for name in names]
    assert (mirror / GITHUB / place).read_text().splitlines() == expected


def test_what_has_no_upstream_checksum_is_in_the_mirrors_own_list(
    mirror: Path, tool: Callable[[str], Path]
) -> None:
    listed = [line.split("  ")[1] for line in (mirror / "SHA256SUMS").read_text().splitlines()]
    assert {place.split("/")[0] for place in listed} == {"download.docker.com", GITHUB}
    assert listed == sorted(listed)
    run.run([tool("sha256sum"), "--check", "--strict", "--quiet", "SHA256SUMS"], cwd=mirror)


def test_the_markers_of_the_default_sample_are_bare_tags(mirror: Path) -> None:
    found = {
        path.name: path.read_text() for path in (mirror / upstream_files.RELEASES).glob("*.txt")
    }
    assert found == {
        "stable.txt": "v1.36.4",
        "stable-1.txt": "v1.36.4",
        "stable-1.35.txt": "v1.35.9",
        "stable-1.36.txt": "v1.36.4",
        "latest.txt": "v1.37.0-rc.1",
        "latest-1.txt": "v1.37.0-rc.1",
        "latest-1.35.txt": "v1.35.9",
        "latest-1.36.txt": "v1.36.4",
        "latest-1.37.txt": "v1.37.0-rc.1",
    }


@pytest.mark.parametrize(
    ("kubernetes", "stable", "latest"),
    [
        (["1.36.9", "1.36.10"], b"v1.36.10", b"v1.36.10"),
        (["1.36.0-rc.1", "1.36.0"], b"v1.36.0", b"v1.36.0"),
        (["1.36.0", "1.36.1-rc.0"], b"v1.36.0", b"v1.36.1-rc.0"),
        (["1.36.0-beta.0"], None, b"v1.36.0-beta.0"),
    ],
    ids=[
        "numbers-not-text",
        "final-beats-its-candidates",
        "candidate-is-latest-only",
        "no-final-no-stable",
    ],
)
def test_markers_name_the_newest(
    kubernetes: list[str], stable: bytes | None, latest: bytes
) -> None:
    found = upstream_files.markers(kubernetes)
    assert found.get("dl.k8s.io/release/stable-1.36.txt") == stable
    assert found["dl.k8s.io/release/latest.txt"] == latest


@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_the_resolver_finds_every_input_of_a_release_with_its_digest(
    mirror: Path, kubernetes: str
) -> None:
    chosen = resolution.choose(kubernetes, shipped().catalog, shipped().components)
    named = {component.name: [component.version] for component in chosen}
    upstream = Upstream(str(mirror))
    wanted = [
        Input(
            component=file.component,
            name=file.source.name,
            version=file.version,
            arch=file.arch,
            url=file.url,
        )
        for file in upstream_files.files_of(shipped().components, named, tuple(Arch))
    ]
    found, missing = resolution.pin_inputs(wanted, shipped().components, upstream, jobs=2)
    assert missing == ()
    assert {one.check for one in found} == {Check.checksum, Check.mirror}
    assert all(
        one.sha256 == files.sha256_of(mirror / upstream_files.path(one.url)) for one in found
    )


# ── Programs and archives ────────────────────────────────────────────────────────────────────


@pytest.mark.elsewhere("the programs for other architectures need qemu-user-static")
@pytest.mark.parametrize("arch", Arch)
def test_a_program_says_what_it_is_and_succeeds(
    mirror: Path, tmp_path: Path, tool: Callable[[str], Path], arch: Arch
) -> None:
    program = tmp_path / "kubelet"
    program.write_bytes(
        (mirror / f"dl.k8s.io/release/v1.36.4/bin/linux/{arch}/kubelet").read_bytes()
    )
    program.chmod(0o755)
    emulator = [] if arch is Arch.own() else [tool(f"qemu-{arch.rpm}-static")]
    said = run.run([*emulator, program, "--version"]).stdout
    assert said == (
        f'Kubernetes v1.36.4 (kubelet, linux/{arch}): a sample made by "kubewright mirror sample"; '
        "it is not the real program\n"
    )


@pytest.mark.parametrize(
    ("machine", "arch"),
    [
        ("x86_64", Arch.amd64),
        ("amd64", Arch.amd64),
        ("aarch64", Arch.arm64),
        ("arm64", Arch.arm64),
        ("ppc64le", Arch.ppc64le),
        ("s390x", Arch.s390x),
    ],
)
def test_a_machine_is_known_by_either_of_its_names(
    machine: str, arch: Arch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert Arch.own() is arch


def test_a_machine_that_nothing_is_built_for_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(
        RequestError, match=r"riscv64: nothing is built for this machine; use one of amd64, .*s390x"
    ):
        Arch.own()


def test_the_arm64_program_is_the_code_that_a_disassembler_was_shown() -> None:
    code = placeholder.program(Arch.arm64, b"0123456789abcde\n")[placeholder.HEADERS :]
    words = [int.from_bytes(code[at : at + 4], "little") for at in range(0, 32, 4)]
    assert words == [
        0xD2800020,  # mov x0, #1
        0x100000E1,  # adr x1, 0x98
        0xD2800202,  # mov x2, #16
        0xD2800808,  # mov x8, #64
        0xD4000001,  # svc #0
        0xD2800000,  # mov x0, #0
        0xD2800BA8,  # mov x8, #93
        0xD4000001,  # svc #0
    ]
    assert code[32:] == b"0123456789abcde\n"


def test_the_cni_archive_holds_upstreams_18_plugins(mirror: Path) -> None:
    place = (
        f"{GITHUB}/containernetworking/plugins/releases/download/v1.9.1/"
        "cni-plugins-linux-arm64-v1.9.1.tgz"
    )
    with tarfile.open(mirror / place) as tar:
        plugins = [info.name for info in tar if info.isfile() and info.mode == 0o755]
    assert len(plugins) == 18
    assert all(re.fullmatch(r"\./[a-z-]+", name) for name in plugins)


def test_dockers_archive_brings_its_own_containerd_and_runc(mirror: Path, tmp_path: Path) -> None:
    archive = mirror / "download.docker.com/linux/static/stable/x86_64/docker-29.8.1.tgz"
    with tarfile.open(archive) as tar:
        assert tar.getnames() == [
            "docker",
            "docker/containerd",
            "docker/containerd-shim-runc-v2",
            "docker/ctr",
            "docker/docker",
            "docker/docker-init",
            "docker/docker-proxy",
            "docker/dockerd",
            "docker/runc",
        ]
    assert (
        b"dockerd v29.8.1 (docker, linux/amd64)"
        in program_of("docker/dockerd", archive, tmp_path).read_bytes()
    )


def test_archives_tell_nothing_of_who_made_them(mirror: Path) -> None:
    for archive in (*mirror.rglob("*.tgz"), *mirror.rglob("*.tar.gz")):
        assert archive.read_bytes()[4:8] == bytes(4), "gzip states a time"
        with tarfile.open(archive) as tar:
            owners = {(info.uid, info.gid, info.uname, info.gname, info.mtime) for info in tar}
        assert owners == {(0, 0, "", "", EPOCH)}


@pytest.mark.parametrize(
    "name", ["etcd", "containerd", "cri-tools", "coredns", "cri-dockerd", "cni-plugins", "docker"]
)
def test_an_archive_has_every_member_that_the_recipe_requires(mirror: Path, name: str) -> None:
    chosen = {
        one.name: one.version
        for one in resolution.choose("1.36.4", shipped().catalog, shipped().components)
    }
    for file in upstream_files.files_of(shipped().components, {name: [chosen[name]]}, tuple(Arch)):
        with tarfile.open(mirror / upstream_files.path(file.url)) as tar:
            assert {file.fill(member) for member in file.source.members} <= set(tar.getnames())


def test_a_real_busybox_takes_the_samples_place(tmp_path: Path) -> None:
    real = tmp_path / "busybox"
    real.write_bytes(b"\x7fELF real")
    dest = tmp_path / "mirror"
    sample(dest, shipped(), ["1.36.4"], epoch=EPOCH, busybox={Arch.amd64: real})
    amd64, arm64 = sorted(
        (dest / "github.com/docker-library").rglob("rootfs.tar.gz"), key=lambda path: path.parts[-2]
    )
    assert busybox(amd64) == real.read_bytes()
    assert b"a sample made by" in busybox(arm64)


def busybox(archive: Path) -> bytes:
    with tarfile.open(archive) as tar:
        stream = tar.extractfile("bin/[")
        assert stream is not None
        return stream.read()


# ── Again ────────────────────────────────────────────────────────────────────────────────────


def test_the_same_arguments_make_the_same_bytes(mirror: Path, tmp_path: Path) -> None:
    make(tmp_path)
    names = {str(path.relative_to(mirror)) for path in mirror.rglob("*") if path.is_file()}
    assert names == {
        str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()
    }
    assert filecmp.cmpfiles(mirror, tmp_path, names, shallow=False)[1:] == ([], [])


def test_a_second_run_writes_nothing(tmp_path: Path) -> None:
    first = make(tmp_path)
    assert first.written == first.files == sum(path.is_file() for path in tmp_path.rglob("*"))
    assert make(tmp_path) == Summary(files=first.files, written=0)


def test_a_sample_grows_and_its_markers_never_go_back(tmp_path: Path) -> None:
    make(tmp_path, "1.36.4")
    make(tmp_path, "1.36.3")
    assert (tmp_path / "dl.k8s.io/release/stable-1.36.txt").read_text() == "v1.36.4"
    make(tmp_path, "v1.36.5")
    assert (tmp_path / "dl.k8s.io/release/stable.txt").read_text() == "v1.36.5"


def test_a_sample_that_grows_still_lists_what_it_had(tmp_path: Path) -> None:
    make(tmp_path, "1.36.4")
    listed = (tmp_path / "SHA256SUMS").read_text().splitlines()
    make(tmp_path, "1.23.17")
    grown = (tmp_path / "SHA256SUMS").read_text().splitlines()
    assert set(listed) < set(grown)


def test_a_sample_is_known_by_what_it_states_and_not_by_its_readme(tmp_path: Path) -> None:
    make(tmp_path, "1.36.4")
    readme = (tmp_path / "README.txt").read_bytes()
    (tmp_path / "README.txt").write_text("In other words.")
    assert make(tmp_path, "1.36.4").written == 1
    assert (tmp_path / "README.txt").read_bytes() == readme


def test_a_directory_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "dl.k8s.io").mkdir()
    with pytest.raises(RequestError, match="holds something other than a sample mirror"):
        make(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["dl.k8s.io"]
