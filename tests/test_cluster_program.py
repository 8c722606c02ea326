"""`hyperkube cluster`, the Go program that makes a cluster of a container: by Go's own tools.

It imports Go's standard library only, so it is compiled and tested here without any module.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kubewright import run
from kubewright.cli.shipped import shipped
from kubewright.gobuild import toolchain
from kubewright.models.base import Arch

SOURCES = shipped().images / "hyperkube" / "cluster"


@pytest.fixture
def go(tool: Callable[[str], Path], tmp_path: Path) -> Callable[..., str]:
    """Run `go` on the package alone, in a module of its own."""
    tool("go")
    shutil.copytree(SOURCES, tmp_path / "hyperkube" / "cluster")
    (tmp_path / "hyperkube" / "go.mod").write_text("module hyperkube\n\ngo 1.24\n")
    tools = toolchain.find()

    def call(*words: str) -> str:
        env = {**tools.environment(Arch.own()), "GOPROXY": "off"}
        return run.run([tools.go, *words], env=env, cwd=tmp_path / "hyperkube").stdout

    return call


def test_the_supervisor_passes_its_own_tests_and_go_vet(go: Callable[..., str]) -> None:
    said = go("test", "-v", "-vet=all", "./cluster")
    assert "\nPASS\n" in said
    assert len(re.findall(r"^--- PASS: ", said, re.MULTILINE)) > 40
    assert "--- SKIP" not in said or not runs_as_root()


def runs_as_root() -> bool:
    return Path("/proc/self").stat().st_uid == 0


def test_its_sources_need_nothing_but_the_standard_library() -> None:
    for source in SOURCES.glob("*.go"):
        imports = re.findall(
            r'^(?:import)?\s+(?:\w+ )?"([^"]+)"$', source.read_text(), re.MULTILINE
        )
        assert imports or source.name in ("components_test.go",), source.name
        assert not [name for name in imports if "." in name.partition("/")[0]], source.name
