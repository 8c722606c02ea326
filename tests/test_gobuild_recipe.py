"""What is compiled: the locks of hyperkube's modules, and the companions of recipes/go.toml."""

import re
import shutil
from pathlib import Path

import pytest

from kubewright.cli.shipped import shipped
from kubewright.errors import RequestError
from kubewright.gobuild import companions, programs
from kubewright.models.base import Arch
from kubewright.models.golang import GoComponent


def test_a_release_without_a_lock_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        RequestError, match=r"only for v1\.35\.4, .*kubewright hyperkube lock v1\.36\.99"
    ):
        programs.ModuleSource.of("1.36.99", shipped().images / "hyperkube")
    with pytest.raises(RequestError, match="only for no release"):
        programs.ModuleSource.of("1.36.2", tmp_path)


def locks() -> list[str]:
    return sorted(path.name for path in (shipped().images / "hyperkube" / "locks").iterdir())


@pytest.mark.parametrize("release", locks())
def test_a_lock_is_whole(release: str) -> None:
    source = programs.ModuleSource.of(release.removeprefix("v"), shipped().images / "hyperkube")
    assert source.mod.requires["k8s.io/kubernetes"] == release
    assert source.mod.godebug == (f"default=go{source.mod.go.rpartition('.')[0]}",)
    assert {source.mod.requires[f"go.etcd.io/etcd/{name}/v3"] for name in ("server", "client")} == {
        f"v{source.mod.etcd}"
    }
    ours = source.digests(ours=True).keys()
    assert {"main.go", "pause/pause.go", "cluster/cluster.go", "go.mod", "go.sum"} <= ours
    assert not [name for name in ours if name.endswith("_test.go")], "tests are in no program"
    assert source.digests(ours=False).keys() == {"go.mod", "go.sum"}


def test_programs_say_their_version_as_upstreams_do() -> None:
    source = programs.ModuleSource.of("1.36.2", shipped().images / "hyperkube")
    said = programs.variables("1.36.2", source.mod, 1_781_136_000, shipped().go)
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        assert f"{package}.gitVersion=v1.36.2" in said
        assert f"{package}.gitMinor=36" in said
        assert f"{package}.buildDate=2026-06-11T00:00:00Z" in said
    assert "go.etcd.io/etcd/api/v3/version.GitSHA=4e814e204" in said


def test_every_member_of_an_upstream_file_has_its_program() -> None:
    known = shipped().components.components
    for name, recipe in shipped().go.components.items():
        for source in known[name].inputs:
            wanted = {member.rpartition("/")[2] for member in source.members} or {source.name}
            assert wanted == recipe.programs.keys(), name


def test_a_version_without_a_known_commit_says_none() -> None:
    etcd = shipped().go.components["etcd"]
    assert etcd.variables("3.6.8") == ("go.etcd.io/etcd/api/v3/version.GitSHA=4e814e204",)
    assert etcd.variables("3.6.99") == ()


def test_a_program_outside_of_every_module_is_refused() -> None:
    with pytest.raises(ValueError, match=r"programs\.x: 'cmd/x' is in none of the modules"):
        GoComponent(modules={"server": "example.org/server"}, programs={"x": "cmd/x"})


def test_a_package_is_in_the_innermost_module() -> None:
    recipe = GoComponent(modules={".": "a", "cmd/x": "b"}, programs={"x": "cmd/x", "xy": "cmd/xy"})
    assert (recipe.folder("cmd/x"), recipe.folder("cmd/xy")) == ("cmd/x", ".")


@pytest.mark.parametrize(
    ("wanted", "order"),
    [
        ("2.3.5", ["2.3.5", "2.3.6", "2.3.4", "2.3.0", "2.4.1", "2.2.9", "2.2.7"]),
        ("2.3.9", ["2.3.9", "2.3.6", "2.3.5", "2.3.4", "2.3.0", "2.4.1", "2.2.9", "2.2.7"]),
        ("2.5.0", ["2.5.0", "2.4.1", "2.3.6", "2.3.5", "2.3.4", "2.3.0", "2.2.9", "2.2.7"]),
        ("9.9.9", ["9.9.9"]),
    ],
)
def test_the_nearest_version_comes_first(wanted: str, order: list[str]) -> None:
    assert (
        companions.candidates(
            wanted, ["2.2.7", "2.2.9", "2.3.0", "2.3.4", "2.3.5", "2.3.6", "2.4.1", "1.9.0"]
        )
        == order
    )


def test_a_component_with_c_in_it_is_refused_for_another_architecture(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be compiled for arm64"):
        companions.build(
            "runc", shipped().go.components["runc"], "1.4.2", Arch.arm64,
            cache=tmp_path, progress=lambda what, count: None,
        )  # fmt: skip


def origin(folder: Path, arch: Arch = Arch.amd64, epoch: int = 1_781_136_000) -> str:
    recipe = shipped().go
    return programs.lock_address("1.36.2", arch, epoch=epoch, content=folder, recipe=recipe)


def test_the_address_of_a_hyperkube_follows_what_it_is_made_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(shipped().images / "hyperkube", tmp_path / "hyperkube")
    monkeypatch.setenv("PATH", "/nowhere")  # no Go
    before = origin(tmp_path)
    assert re.fullmatch(r"build:hyperkube@v1\.36\.2\?from=[0-9a-f]{12}", before)
    found = {before, origin(tmp_path, arch=Arch.arm64), origin(tmp_path, epoch=1)}
    for name in ("main.go", "locks/v1.36.2/go.mod", "locks/v1.36.2/go.sum"):
        with (tmp_path / "hyperkube" / name).open("a") as stream:
            stream.write("\n")
        found.add(origin(tmp_path))
    assert len(found) == 6
