"""A release whose packages cannot be installed is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright.errors import RequestError, UpstreamUnreachable
from kubewright.models.base import Arch, Format
from kubewright.models.recipe import Recipe, Relations
from kubewright.models.resolve_options import ResolveOptions
from kubewright.packagers import closure
from kubewright.settings import Settings


def recipe(name: str, *depends: str) -> Recipe:
    return Recipe(name=name, summary="s", description="d", relations=Relations(depends=depends))


RECIPES = {
    one.name: one
    for one in (
        recipe("node", "cni (>= 1)", "containerd | ours"),
        recipe("cni"),
        recipe("ours"),
        recipe("either", "cni | ours"),
    )
}


@pytest.mark.parametrize(
    ("built", "gaps"),
    [
        ([("node", "all"), ("cni", Arch.amd64)], []),
        ([("node", "all"), ("ours", Arch.amd64)], [("node", "cni", Arch.amd64)]),
        (
            [("node", "all"), ("cni", Arch.amd64), ("ours", Arch.arm64)],
            [("node", "cni", Arch.arm64)],
        ),
        ([("either", Arch.amd64), ("ours", Arch.amd64)], []),
        (
            [("either", Arch.amd64), ("node", Arch.amd64), ("ours", "all")],
            [("node", "cni", Arch.amd64)],
        ),
    ],
    ids=[
        "complete",
        "missing",
        "missing for one architecture",
        "an alternative of ours",
        "somebody else's alternative",
    ],
)
def test_a_needed_package_of_ours_that_was_not_built_is_a_gap(
    built: list[tuple[str, Arch]], gaps: list[object]
) -> None:
    assert list(closure.gaps([(name, arch, Format.deb) for name, arch in built], RECIPES)) == gaps


def test_an_upstream_without_network_plugins_gives_no_release(
    sample_mirror: Path, tmp_path: Path, build: Callable[..., Settings]
) -> None:
    mirror = tmp_path / "mirror"
    shutil.copytree(sample_mirror, mirror)
    shutil.rmtree(mirror / "github.com/containernetworking")
    complaint = (
        "could not be installed on amd64: it needs kubernetes-cni, which was skipped: this "
        "upstream has no"
    )
    with pytest.raises(RequestError, match=complaint):
        build(tmp_path / "home", upstream=str(mirror))
    assert not (tmp_path / "home/site").exists()


def test_an_upstream_without_docker_gives_a_release_without_it_if_that_is_said(
    sample_mirror: Path, tmp_path: Path, build: Callable[..., Settings]
) -> None:
    mirror = tmp_path / "mirror"
    shutil.copytree(sample_mirror, mirror)
    shutil.rmtree(mirror / "download.docker.com")
    with pytest.raises(UpstreamUnreachable, match=r"say so: --without docker$"):
        build(tmp_path / "home", upstream=str(mirror))
    asked = ResolveOptions(lacking=("docker",))
    settings = build(tmp_path / "home", upstream=str(mirror), asked=asked)
    manifest = Path(settings.site, "releases/v1.36.4-1/manifest.json").read_text()
    assert '"component": "docker"' in manifest
    assert not list(Path(settings.site).rglob("kubernetes-docker*"))
