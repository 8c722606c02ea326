"""Every architecture, from the sample mirror to the repositories of a site."""

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright.images import elf
from kubewright.mirror.placeholder import program
from kubewright.models.base import Arch
from kubewright.run import run
from kubewright.settings import Settings
from kubewright.stages import verify

NOW = 1_790_000_000

NAMES = {"amd64": "x86_64", "arm64": "aarch64", "ppc64el": "ppc64le", "s390x": "s390x"}
"""What apt and yum call them."""


@pytest.fixture(scope="module")
def everywhere(
    tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings]
) -> Settings:
    return build(tmp_path_factory.mktemp("everywhere"), architectures=tuple(Arch))


def test_a_release_for_all_architectures_is_sound(everywhere: Settings) -> None:
    report = verify.verify(everywhere.site, [], now=NOW)
    assert not report.findings
    record = json.loads(Path(everywhere.site, "channels/stable-1.36.json").read_text())
    assert set(record["architectures"]) == set(NAMES)


@pytest.mark.parametrize(("deb", "rpm"), NAMES.items())
def test_each_repository_lists_the_packages_of_its_architecture(
    everywhere: Settings, deb: str, rpm: str
) -> None:
    site = Path(everywhere.site)
    packages = (site / f"apt/dists/stable-1.36/main/binary-{deb}/Packages").read_text()
    architectures = {line for line in packages.splitlines() if line.startswith("Architecture:")}
    assert architectures == {f"Architecture: {deb}", "Architecture: all"}
    for name in ("kubelet", "kubeadm", "kubernetes-containerd", "etcd", "kubernetes-node"):
        assert f"Package: {name}\n" in packages
    assert (site / f"yum/stable-1.36/{rpm}/Packages/kubelet-1.36.4-1.{rpm}.rpm").is_file()
    own = "binary-" + deb
    release = (site / "apt/dists/stable-1.36/Release").read_text()
    assert f"main/{own}/Packages.gz" in release


@pytest.mark.parametrize("arch", Arch)
def test_only_what_upstream_publishes_is_packaged(everywhere: Settings, arch: Arch) -> None:
    packages = everywhere.dist / "v1.36.4-1/packages/deb"
    docker = list(packages.glob(f"kubernetes-docker_*_{arch.deb}.deb"))
    assert bool(docker) == (arch in Arch.usual())
    lock = json.loads((everywhere.dist / "v1.36.4-1/release.json").read_text())
    said = [gap["reason"] for gap in lock["unavailable"] if gap["arch"] == arch]
    expected = "upstream publishes it for amd64, arm64 only"
    assert set(said) == (set() if arch in Arch.usual() else {expected})


@pytest.mark.parametrize("arch", Arch)
def test_tools_agree_on_the_architecture_of_a_package(everywhere: Settings, arch: Arch) -> None:
    packages = everywhere.dist / "v1.36.4-1/packages"
    deb = packages / f"deb/kubelet_1.36.4-1_{arch.deb}.deb"
    rpm = packages / f"rpm/kubelet-1.36.4-1.{arch.rpm}.rpm"
    assert run(["dpkg-deb", "--field", deb, "Architecture"]).stdout.strip() == arch.deb
    assert run(["rpm", "-qp", "--queryformat", "%{ARCH}", rpm]).stdout == arch.rpm


@pytest.mark.parametrize("arch", Arch)
def test_readelf_reads_a_placeholder(
    tmp_path: Path, tool: Callable[[str], Path], arch: Arch
) -> None:
    path = tmp_path / "program"
    path.write_bytes(program(arch, b"a message"))
    said = run([tool("readelf"), "--file-header", "--segments", path]).stdout
    names = {
        "amd64": "X86-64", "arm64": "AArch64", "ppc64le": "PowerPC64", "s390x": "IBM S/390",
    }  # fmt: skip
    assert names[arch] in said
    assert ("big endian" in said) == arch.big_endian
    assert "LOAD" in said


@pytest.mark.parametrize("arch", Arch)
@pytest.mark.parametrize("other", Arch)
def test_a_program_runs_on_its_own_architecture_only(arch: Arch, other: Arch) -> None:
    objection = elf.objection(program(other, b"a message"), arch, loader=False)
    big = ", big-endian" if other.big_endian else ""
    expected = f"is not for {arch} (ELF machine {other.elf}{big})"
    assert objection == (None if other is arch else expected)


def test_the_byte_order_counts_too() -> None:
    """ppc64, whose programs say the same machine as ppc64le's."""
    head = bytearray(program(Arch.ppc64le, b"a message"))
    head[5] = 2
    head[18:20] = struct.pack(">H", Arch.ppc64le.elf)
    head[32:40] = struct.pack(">Q", 64)
    head[54:58] = struct.pack(">HH", 56, 1)
    said = elf.objection(bytes(head), Arch.ppc64le, loader=False)
    assert said == "is not for ppc64le (ELF machine 21, big-endian)"


def test_a_site_keeps_the_architectures_that_it_was_made_with(
    everywhere: Settings, build: Callable[..., Settings], tmp_path: Path
) -> None:
    """A new channel, and a release for one of them, leave nobody out."""
    settings = build(tmp_path, "v1.36.3", architectures=(Arch.s390x,))
    record = json.loads(Path(settings.site, "channels/stable-1.36.json").read_text())
    assert record["architectures"] == ["s390x"]
    build(tmp_path, "v1.36.4", architectures=(Arch.amd64,), channels=("stable-1.36",), now=NOW + 10)
    record = json.loads(Path(settings.site, "channels/stable-1.36.json").read_text())
    assert record["architectures"] == ["s390x", "amd64"]
    build(tmp_path, "v1.35.9", architectures=(Arch.amd64,), now=NOW + 20)
    record = json.loads(Path(settings.site, "channels/stable-1.35.json").read_text())
    assert record["architectures"] == ["s390x", "amd64"]
    packages = Path(settings.site, "apt/dists/stable-1.35/main/binary-s390x/Packages").read_text()
    assert "Package: kubernetes-control-plane\n" in packages
    assert not verify.verify(settings.site, [], now=NOW + 20).findings
