"""docs/installers.md for those who write an installer: its tables are true, and its example brings
from a real site what the metadata vouches for, and nothing else.
"""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from kubewright.cli.shipped import shipped
from kubewright.clients.server import serve
from kubewright.models.base import Format
from kubewright.models.manifest import Manifest
from kubewright.settings import Settings
from kubewright.site.derived import DOCUMENTS
from kubewright.site.install_commands import ROLES, RUNTIMES
from kubewright.versions import Range

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "installers.md").read_text()
EXAMPLE = ROOT / "docs" / "example_installer.py"

Answer = tuple[int, str, str]
Install = Callable[..., Answer]


def example() -> ModuleType:
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("installer", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cells(heading: str) -> list[list[set[str]]]:
    """The words in code of each cell of the tables below a heading of the page."""
    below = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `.*$", below, re.MULTILINE)
    split = [re.split(r"(?<!\\)\|", row)[1:-1] for row in rows]
    return [list(map(words, row)) for row in split]


def words(cell: str) -> set[str]:
    """The words in code of a cell."""
    return {word.replace("\\|", "|") for word in re.findall("`([^`]+)`", cell)}


def test_the_roles_are_those_of_the_example_and_of_install_sh() -> None:
    module, shell = example(), (ROOT / "docs" / "install.sh").read_text()
    (node, of_node), (control, of_control), containerd, docker = cells("Roles")
    assert (node, of_node) == ({"node"}, set(module.ROLES["node"]))
    assert control == {"control-plane"}
    more = of_control - {"node"}
    assert of_node | more == set(module.ROLES["control-plane"])
    assert set(module.RUNTIMES["containerd"]) == containerd[1] | containerd[2]
    assert set(module.RUNTIMES["docker"]) == docker[1] | docker[2]
    assert {role: set(names) for role, names in ROLES.items()} == {
        role: set(names) for role, names in module.ROLES.items()
    }
    for runtime, (names, own) in RUNTIMES.items():
        assert {*names, *own} == set(module.RUNTIMES[runtime])
    [base] = re.findall("^packages='(.*?)'", shell, re.MULTILINE)
    [added] = re.findall(r'packages="\$packages (.*?)"', shell)
    assert (set(base.split()), set(added.split())) == (of_node, more)
    owns = re.findall(r"adapter='?(\S*?)'? own='?([^';]*)", shell)
    assert {word for pair in owns for word in " ".join(pair).split()} == (
        containerd[2] | docker[2] | docker[1] - {"kubernetes-runtime-docker"}
    )


@pytest.mark.parametrize("form", list(Format))
def test_a_role_has_every_package_of_ours_that_its_packages_need(form: Format) -> None:
    recipes, module = shipped().packages, example()
    for role in module.ROLES.values():
        for runtime in module.RUNTIMES.values():
            asked: list[str] = []
            brought = {*role, *runtime}
            for name in (*role, *runtime):
                for relations in recipes[name].related(form, "1.36"):
                    asked += relations.depends
                    brought.update(line.split()[0] for line in relations.provides)
            choices = [{word.split()[0] for word in line.split(" | ")} for line in asked]
            ours = [names for names in choices if names <= {*recipes, "kubernetes-runtime"}]
            assert len(ours) > 5
            assert [names for names in ours if not names & brought] == []


def test_the_ranges_of_the_page_hold_what_it_says() -> None:
    table = cells("Ranges")
    assert len(table) >= 6
    for [allowed], has, has_not in table:
        assert {one: one in Range.parse(allowed) for one in has | has_not} == dict.fromkeys(
            has, True
        ) | dict.fromkeys(has_not, False)


def test_the_page_names_every_schema_that_an_installer_reads() -> None:
    named = set(re.findall(r"`(\S+)\.json`", PAGE.partition("`schemas/`")[2].partition("\n## ")[0]))
    assert named == DOCUMENTS.keys() - {"site"}


@pytest.fixture
def install(released: Settings, tmp_path: Path) -> Install:
    """Run the example against a site."""

    def run(site: Path, *more: str, role: str = "node", channel: str = "stable-1.36") -> Answer:
        root = Path(released.site) / "tuf" / "1.root.json"
        with serve(site) as url:
            line = [url, str(root), channel, role, "amd64", "--allow-development", *more]
            done = subprocess.run(
                [sys.executable, EXAMPLE, *line],
                cwd=tmp_path, capture_output=True, text=True, check=False,
            )  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.parametrize("form", ["deb", "rpm"])
@pytest.mark.parametrize("runtime", ["containerd", "docker"])
def test_the_example_brings_the_packages_of_a_role(
    released: Settings, install: Install, tmp_path: Path, form: str, runtime: str
) -> None:
    site, module = Path(released.site), example()
    code, said, wrong = install(site, "--format", form, "--runtime", runtime, role="control-plane")
    assert (code, wrong) == (0, "")
    pool = {path.name: path for path in site.rglob(f"pool/**/*.{form}")}
    files = [tmp_path / word for word in said.split()[2:]]
    assert all(file.read_bytes() == pool[file.name].read_bytes() for file in files)
    manifest = json.loads((site / "releases" / "v1.36.4-1" / "manifest.json").read_bytes())
    named = {
        package["name"].rpartition("/")[2]: package["package"] for package in manifest["packages"]
    }
    wanted = [*module.RUNTIMES[runtime], *module.ROLES["control-plane"]]
    assert [named[file.name] for file in files] == wanted


def damaged(site: Path, pattern: str) -> str:
    """Change one byte of the first file of a pattern; its name."""
    path = sorted(site.glob(pattern))[0]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    return path.name


@pytest.mark.parametrize(
    "pattern",
    [
        "tuf/timestamp.json", "tuf/*.snapshot.json", "tuf/*.targets.json",
        "publications/channels/stable-1.36/*.json", "releases/v1.36.4-1/manifest.json",
        "apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb",
    ],
)  # fmt: skip
def test_the_example_refuses_what_is_not_as_it_was_signed(
    site: Path, install: Install, tmp_path: Path, pattern: str
) -> None:
    damaged(site, pattern)
    code, said, wrong = install(site)
    assert (code, said) == (1, "")
    assert wrong.startswith("example_installer.py: ")
    assert "Traceback" not in wrong


def test_the_example_says_what_a_site_does_not_have(site: Path, install: Install) -> None:
    assert (
        install(site, channel="stable-1.35")[2]
        == "example_installer.py: stable-1.35: the site has no such channel\n"
    )
    assert "no rpm of kubernetes-node" not in install(site, "--format", "rpm")[2]
    shutil.rmtree(site / "tuf")
    assert install(site)[0] == 1


def test_the_manifest_says_roles_runtimes_and_what_each_package_depends_on(
    released: Settings,
) -> None:
    path = Path(released.site, "releases/v1.36.4-1/manifest.json")
    manifest = Manifest.from_bytes(path.read_bytes())
    assert manifest.roles == dict(ROLES)
    assert {name: (one.packages, one.own) for name, one in manifest.runtimes.items()} == RUNTIMES
    there = {one.package for one in manifest.packages}
    for one in manifest.packages:
        if one.package == "kubernetes-control-plane":
            assert any(line.startswith("kubernetes-node ") for line in one.depends)
    assert there.issuperset(manifest.roles["control-plane"])
    [node] = [
        one for one in manifest.packages
        if (one.package, one.format) == ("kubernetes-node", Format.deb)
    ]  # fmt: skip
    assert "kubelet (>= 1.36.4)" in node.depends
