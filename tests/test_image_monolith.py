"""The images over one program that is all of them, and the layer of host tools from Debian
packages.
"""

import io
import json
import re
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from kubewright import files, recipes
from kubewright.archives import write_tar
from kubewright.cache import Cache
from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError, ToolMissing, VerificationFailed
from kubewright.images import (
    ImageInputs,
    build,
    check_layout,
    debs,
    fetch_packages,
    pins,
)
from kubewright.images.unpack import merged, unpack
from kubewright.models.base import Arch
from kubewright.models.image import Image, ImageDefinition, ImageRecord, Pin, PinnedPackages
from kubewright.models.lock import Component, Release

IMAGES = shipped().images
NODE = IMAGES / "hyperkube" / "node-packages.toml"
EPOCH = 1_755_000_000
VERSIONS = {
    "kubernetes": "1.36.4",
    "etcd": "3.6.8",
    "coredns": "1.14.2",
    "pause": "3.10.2",
    "hyperkube": "1.36.4",
    "containerd": "2.3.6",
    "runc": "1.4.2",
    "cni-plugins": "1.9.1",
}
COMPONENTS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy")


@pytest.fixture
def definition() -> ImageDefinition:
    return recipes.load(IMAGES / "hyperkube" / "monolith.toml", ImageDefinition)


@pytest.fixture
def release() -> Release:
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


@pytest.fixture
def supply(tmp_path: Path, tool: Callable[[str], Path], definition: ImageDefinition) -> ImageInputs:
    """One program that does not compress, the other two as archives, and a package with an `nft` in
    it.
    """
    package = deb(tool, tmp_path, "nftables", {"usr/sbin/nft": b"nft", "lib/libnft.so": b"library"})

    def inputs(component: str, name: str, arch: Arch) -> Path:
        path = tmp_path / f"{component}-{arch}"
        if component in ("hyperkube", "runc"):
            path.write_bytes(Random(0).randbytes(300_000 if component == "hyperkube" else 100))
            return path
        members = {
            "coredns": ["coredns"],
            "containerd": ["bin/containerd", "bin/containerd-shim-runc-v2", "bin/ctr"],
            "cni-plugins": [f"./{one}" for one in ("host-local", "loopback", "portmap", "ptp")],
            "etcd": [f"etcd-v3.6.8-linux-{arch}/{one}" for one in ("etcd", "etcdctl", "etcdutl")],
        }[component]
        with tarfile.open(path, "w:gz") as tar:
            for member in members:
                tar.addfile(tarfile.TarInfo(member))
        return path

    def packages(wanted: tuple[Pin, ...], arch: Arch) -> dict[Pin, Path]:
        empty = deb(tool, tmp_path, "empty", {})
        return {pin: package if pin.package == "nftables" else empty for pin in wanted}

    return ImageInputs(inputs, packages, {"etcd": "3.6.8"}, shipped().pins(definition))


def make(
    definition: ImageDefinition, release: Release, supply: ImageInputs, root: Path
) -> dict[str, Image]:
    record = made(definition, release, supply, root)
    assert list(check_layout(root / "layout")) == []
    return {image.name: image for image in record.images}


def made(
    definition: ImageDefinition, release: Release, supply: ImageInputs, root: Path
) -> ImageRecord:
    return build(
        definition,
        release,
        supply,
        registry="registry.test/kube",
        dest=root / "layout",
        archives=root / "archives",
        content=IMAGES,
    )


def deb(
    tool: Callable[[str], Path], folder: Path, name: str, contents: dict[str, bytes], **links: str
) -> Path:
    """A package by Debian's own tool; its links are given as PATH__WITH__SLASHES=TARGET."""
    root = folder / f"{name}.root"
    (root / "DEBIAN").mkdir(parents=True, exist_ok=True)
    control = (
        f"Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\n"
        "Description: a test\n"
    )
    (root / "DEBIAN" / "control").write_text(control)
    (root / "DEBIAN" / "preinst").write_text("#!/bin/sh\nexit 1\n")
    (root / "DEBIAN" / "preinst").chmod(0o755)
    for path, data in contents.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(data)
        (root / path).chmod(0o4755)
    for path, target in links.items():
        link = root / path.replace("__", "/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    argv = [
        str(tool("dpkg-deb")),
        "--build",
        "--root-owner-group",
        "-z1",
        str(root),
        str(folder / f"{name}.deb"),
    ]
    subprocess.run(argv, check=True, capture_output=True)
    return folder / f"{name}.deb"


def test_both_definitions_make_the_same_images_and_components(definition: ImageDefinition) -> None:
    other = recipes.load(IMAGES / "hyperkube" / "image.toml", ImageDefinition)
    assert set(definition.images) - {"hyperkube-node", "hyperkube-cluster"} == set(other.images)
    for name, image in other.images.items():
        same = definition.images[name]
        assert (same.tag, same.user, same.entrypoint, same.components, same.source) == (
            image.tag, image.user, image.entrypoint, image.components, image.source,
        )  # fmt: skip
    for layer in other.images["hyperkube"].layers:
        assert set(other.layers[layer].links) <= set(definition.layers["hyperkube"].links)


def test_every_program_of_hyperkube_can_be_called_by_its_name(definition: ImageDefinition) -> None:
    links = definition.layers["hyperkube"].links
    for name in definition.images["hyperkube"].components:
        assert links.get(f"/usr/local/bin/{name}", links.get(f"/{name}")) in (
            "hyperkube",
            "usr/local/bin/hyperkube",
        )


def test_every_image_stands_on_the_one_layer(
    definition: ImageDefinition, release: Release, supply: ImageInputs, tmp_path: Path
) -> None:
    images = make(definition, release, supply, tmp_path)
    layers = {name: image.platforms[0].layers for name, image in images.items()}
    (shared,) = layers["pause"]
    for name in (*COMPONENTS, "hyperkube", "hyperkube-node", "kubectl", "etcd"):
        assert layers[name][-1] == shared
    assert layers["kube-proxy"] == layers["hyperkube-node"]
    cluster = layers["hyperkube-cluster"]
    assert cluster[:3] == layers["hyperkube-node"]
    assert layers["coredns"][-1] in cluster
    different = set().union(*layers.values())
    assert len(different) == 8, "/tmp, host tools, the program, CoreDNS; a cluster's own four"
    assert set(cluster) == different, "a cluster has everything"
    blobs = sum(
        path.stat().st_size for path in (tmp_path / "layout" / "blobs").rglob("*") if path.is_file()
    )
    assert shared.size < blobs < 1.2 * shared.size
    assert {image.flavour for image in images.values()} == {"monolith"}


@pytest.mark.parametrize(
    ("carried", "own"),
    [({"etcd": "3.6.8"}, False), ({"etcd": "3.6.5"}, True), ({}, True)],
    ids=["the-same", "another", "unknown"],
)
def test_the_etcd_image_always_has_the_etcd_of_the_release(
    definition: ImageDefinition,
    release: Release,
    supply: ImageInputs,
    tmp_path: Path,
    carried: dict[str, str],
    own: bool,
) -> None:
    images = make(definition, release, replace(supply, carried=carried), tmp_path)
    shared = images["hyperkube"].platforms[0].layers[-1]
    assert (images["etcd"].platforms[0].layers[-1] != shared) is own
    assert images["etcd"].tag == "3.6.8-0"
    assert images["etcd"].links.get("/usr/local/bin/etcd") == (None if own else "hyperkube")


def test_without_packages_the_images_over_them_are_skipped(
    definition: ImageDefinition, release: Release, supply: ImageInputs, tmp_path: Path
) -> None:
    record = made(definition, release, ImageInputs(supply.find), tmp_path)
    assert {one.name for one in record.skipped} == {
        "kube-proxy",
        "hyperkube-node",
        "hyperkube-cluster",
    }
    assert {one.reason for one in record.skipped} == {
        "hyperkube/node-packages.toml: this build takes no packages"
    }


def test_packages_are_not_fetched_for_images_that_lack_their_program(
    definition: ImageDefinition, release: Release, supply: ImageInputs, tmp_path: Path
) -> None:
    def fetch(wanted: tuple[Pin, ...], arch: Arch) -> dict[Pin, Path]:
        raise AssertionError

    def inputs(component: str, name: str, arch: Arch) -> Path | None:
        return None if component == "hyperkube" else supply.find(component, name, arch)

    record = made(definition, release, ImageInputs(inputs, fetch, pins=supply.pins), tmp_path)
    assert [image.name for image in record.images] == ["coredns", "etcd"]


def test_a_cluster_has_a_volume_and_no_other_image_has_one(
    definition: ImageDefinition, release: Release, supply: ImageInputs, tmp_path: Path
) -> None:
    for name, image in make(definition, release, supply, tmp_path).items():
        blob = image.platforms[0].config.removeprefix("sha256:")
        path = tmp_path / "layout" / "blobs" / "sha256" / blob
        config = json.loads(path.read_bytes())["config"]
        assert config.get("Volumes") == ({"/var": {}} if name == "hyperkube-cluster" else None)


def test_a_cluster_is_left_out_where_a_program_of_it_is_missing(
    definition: ImageDefinition, release: Release, supply: ImageInputs, tmp_path: Path
) -> None:
    def inputs(component: str, name: str, arch: Arch) -> Path | None:
        return None if component == "runc" else supply.find(component, name, arch)

    record = made(definition, release, replace(supply, find=inputs), tmp_path)
    assert [(one.name, one.reason) for one in record.skipped] == [
        ("hyperkube-cluster", "runc/runc: this upstream does not have it")
    ]


def test_whatever_the_supervisor_starts_is_in_its_image(definition: ImageDefinition) -> None:
    """The Go program names programs and plugins by path; the definition must have them."""
    folder = IMAGES / "hyperkube" / "cluster"
    code = "".join(
        path.read_text() for path in folder.glob("*.go") if not path.name.endswith("_test.go")
    )
    targets: set[str] = set()
    for layer in definition.images["hyperkube-cluster"].layers:
        targets.update(definition.layers[layer].targets)
    started = {f"/usr/local/bin/{name}" for name in re.findall(r'programs \+ "([\w-]+)"', code)}
    assert {"/usr/local/bin/containerd", "/usr/local/bin/ctr", "/usr/local/bin/kubeadm"} <= started
    assert started <= targets
    network = (folder / "configurations.go").read_text()
    plugins = {f"/opt/cni/bin/{name}" for name in re.findall(r'"type": "([\w-]+)"', network)}
    assert {"/opt/cni/bin/ptp", "/opt/cni/bin/host-local"} <= plugins <= targets
    assert "/coredns" in targets


# ── Packages ─────────────────────────────────────────────────────────────────────────────────


def unpacked(packages: dict[str, Path], scratch: Path, *without: str) -> dict[str, tarfile.TarInfo]:
    """The members of the tar that packages become."""
    out = io.BytesIO()
    write_tar(unpack(packages, scratch, without=without), out.write, epoch=EPOCH)
    out.seek(0)
    with tarfile.open(fileobj=out) as tar:
        return {member.name: member for member in tar}


def test_what_was_below_the_root_lies_below_usr(
    tool: Callable[[str], Path], tmp_path: Path
) -> None:
    package = deb(
        tool,
        tmp_path,
        "kmod",
        {"bin/kmod": b"kmod", "lib/libkmod.so.2": b"library", "etc/kmod.conf": b""},
        sbin__modprobe="/bin/kmod",
        bin__lsmod="kmod",
        usr__bin__kmod="/bin/kmod",
        lib64__ld="../lib/ld.so",
        lib__near="../etc/kmod.conf",
        usr__lib__far="../../etc/kmod.conf",
    )
    found = unpacked({"kmod": package}, tmp_path / "scratch")
    assert {name: member.linkname for name, member in found.items() if member.issym()} == {
        "usr/sbin/modprobe": "/bin/kmod", "usr/bin/lsmod": "kmod", "usr/lib64/ld": "/lib/ld.so",
        "usr/lib/near": "/etc/kmod.conf", "usr/lib/far": "../../etc/kmod.conf",
    }  # fmt: skip
    assert {name: oct(member.mode) for name, member in found.items() if member.isfile()} == {
        "usr/bin/kmod": "0o755", "usr/lib/libkmod.so.2": "0o755", "etc/kmod.conf": "0o755",
    }  # fmt: skip
    assert merged("lib") == "usr/lib"
    assert merged("library") == "library"


def test_what_a_pattern_matches_is_left_out(tool: Callable[[str], Path], tmp_path: Path) -> None:
    package = deb(
        tool,
        tmp_path,
        "a",
        {"usr/share/man/man8/a.8.gz": b"", "usr/share/doc/a/copyright": b"mine"},
    )
    names = unpacked({"a": package}, tmp_path / "scratch", "usr/share/man/*")
    assert "usr/share/doc/a/copyright" in names
    assert not [name for name in names if "man8" in name]


def test_two_packages_cannot_have_the_same_file(
    tool: Callable[[str], Path], tmp_path: Path
) -> None:
    packages = {name: deb(tool, tmp_path, name, {"bin/tool": b""}) for name in ("one", "two")}
    with pytest.raises(RequestError, match=r"^two: usr/bin/tool is in another package too"):
        unpacked(packages, tmp_path / "scratch")


@pytest.mark.parametrize("path", ["/abs/y", "../../evil", "./usr/../../evil"])
def test_a_path_outside_of_its_package_is_refused(
    tool: Callable[[str], Path], tmp_path: Path, path: str
) -> None:
    package = deb(tool, tmp_path, "a", {})
    data = tmp_path / "data.tar"
    with tarfile.open(data, "w") as tar:
        tar.addfile(tarfile.TarInfo(path))
    subprocess.run(
        [tool("ar"), "d", package, "data.tar.gz", "data.tar.xz", "data.tar.zst"], check=True
    )
    subprocess.run([tool("ar"), "q", package, data], check=True)
    with pytest.raises(
        VerificationFailed, match=rf"^{package}: {path} lies outside of it; leave the package out"
    ):
        unpacked({"a": package}, tmp_path / "scratch")
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize("keep", [0, 30, 200], ids=["empty", "head", "truncated"])
def test_a_damaged_package_is_named(tool: Callable[[str], Path], tmp_path: Path, keep: int) -> None:
    package = deb(tool, tmp_path, "a", {"usr/bin/a": Random(0).randbytes(5000)})
    package.write_bytes(package.read_bytes()[:keep])
    with pytest.raises(VerificationFailed, match=rf"^{package}: not a readable package: "):
        unpacked({"a": package}, tmp_path / "scratch")


def test_the_pins_are_closed_and_for_both_architectures() -> None:
    pinned = recipes.load(NODE, PinnedPackages)
    names: dict[Arch, set[str]] = {}
    for arch in Arch:
        names[arch] = {pin.package for pin in pinned.of(arch)}
    assert names[Arch.amd64] == names[Arch.arm64]
    assert set(pinned.wanted) <= names[Arch.amd64]
    assert not set(pinned.left_out) & names[Arch.amd64]
    assert len({pin.sha256 for pin in pinned.packages}) == len(pinned.packages)
    assert pins.render(NODE.read_text(), pinned.packages) == NODE.read_text()


def test_without_apt_the_remedy_is_said_and_what_the_cache_has_needs_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    cache = Cache(tmp_path / "cache")
    (pin, *_) = recipes.load(NODE, PinnedPackages).packages
    with pytest.raises(ToolMissing, match=r"apt-get: not found .+ use a machine with Debian's apt"):
        fetch_packages([pin], Arch.amd64, cache, tmp_path / "private")
    data = b"a package"
    here = pin.model_copy(update={"sha256": files.sha256(data)})
    cache.path(here.sha256).parent.mkdir(parents=True)
    cache.path(here.sha256).write_bytes(data)
    [(pinned, path)] = fetch_packages([here], Arch.amd64, cache, tmp_path / "private").items()
    assert (pinned, path.read_bytes()) == (here, data)
    assert path.parent == tmp_path / "private"


def test_a_package_that_is_not_what_is_pinned_is_refused(
    tmp_path: Path, tool: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (pin, *_) = recipes.load(NODE, PinnedPackages).packages

    class Liar(debs.Apt):
        """apt, but with sources that give something else."""

        def run(self, *words: str, cwd: Path | None = None) -> str:
            if words[0] == "download" and cwd:
                (cwd / f"{pin.package}_1_{pin.arch}.deb").write_bytes(b"something else")
            return ""

    tool("apt-get")
    monkeypatch.setattr(debs, "Apt", Liar)
    with pytest.raises(
        VerificationFailed,
        match=rf"^{pin.path}: its sha256 is .+; pin what there is now: python -m",
    ):
        fetch_packages([pin], Arch.amd64, Cache(tmp_path), tmp_path / "private")
    assert not list(tmp_path.rglob("*deb*"))
