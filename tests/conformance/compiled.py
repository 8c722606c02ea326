"""Compiles Kubernetes' own test program and what its images hold, from the release's Go modules."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from kubewright import run
from kubewright.cli.shipped import shipped
from kubewright.errors import ToolFailed
from kubewright.gobuild import go, gomod, toolchain
from kubewright.gobuild.build_cache import BuildCache, BuildInputs, need_free_bytes
from kubewright.gobuild.programs import ModuleSource
from kubewright.gobuild.toolchain import Toolchain
from kubewright.models.base import Arch

PROGRAMS: Mapping[str, str] = {
    "e2e.test": f"{gomod.KUBERNETES}/test/e2e",
    "ginkgo": "github.com/onsi/ginkgo/v2/ginkgo",
    "agnhost": f"{gomod.KUBERNETES}/test/images/agnhost",
    "nnp": f"{gomod.KUBERNETES}/test/images/nonewprivs",
    "sample-apiserver": "k8s.io/sample-apiserver",
}
"""Each program and its package; the first is compiled of tests, the rest are programs already."""

GO_FREE_BYTES = 4_000_000_000
"""Bytes that must be free for Go's cache."""
FREE_BYTES = 1_500_000_000
"""Bytes that must be free where the programs go."""

MAIN = "package main\n\nfunc main() {}\n"
"""A module has to have something in it."""


def programs(version: str, cache: Path) -> dict[str, Path]:
    """Every program by name, compiled unless the cache has it.

    Raises NotOffered, RequestError (no lock of the release), ToolMissing, VerificationFailed,
    UpstreamUnreachable, DiskError.
    """
    source = ModuleSource.of(version, shipped().images / "hyperkube")
    tools = toolchain.find()
    tools.need(source.mod.go, f"Kubernetes v{version}")
    major, minor, _ = version.split(".", 2)
    stated = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor}
    linking = go.link(
        f"k8s.io/component-base/version.{name}={value}" for name, value in stated.items()
    )
    settings = {
        **toolchain.fixed(Arch.own()),
        "GOFLAGS": "-mod=mod",
    }  # it asks for more than hyperkube
    inputs = BuildInputs(
        what=f"conformance tests of {version}",
        go=tools.identity,
        flags=(*go.FLAGS, "-ldflags", linking),
        settings=settings,
        targets=dict(PROGRAMS),
        sources=source.digests(ours=False),
    )

    def compile_into(out: Path, scratch: Path) -> None:
        need_free_bytes(Path(tools.settings["GOCACHE"]), GO_FREE_BYTES)
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(source.paths[name], scratch / name)
        (scratch / "main.go").write_text(MAIN)
        _compile(tools, inputs, out, scratch)

    return BuildCache(cache).make(inputs, compile_into, free_bytes=FREE_BYTES)


def _compile(tools: Toolchain, inputs: BuildInputs, out: Path, scratch: Path) -> None:
    env = {**tools.settings, **inputs.settings, "GOTMPDIR": str(scratch)}
    for name, package in inputs.targets.items():
        verb = ("test", "-c") if name.endswith(".test") else ("build",)
        try:
            run.run(
                [tools.go, *verb, *inputs.flags, "-o", out / name, package], env=env, cwd=scratch
            )
        except ToolFailed as error:
            raise go.explain(str(error), f"{inputs.what}: {package}") or error from error


def sources(version: str) -> Path:
    """The unpacked sources of Kubernetes, which have the list of tests and files of images."""
    tools = toolchain.find()
    with tempfile.TemporaryDirectory(prefix="kubewright-conformance-") as outside:
        return go.download(tools, gomod.KUBERNETES, version, cwd=Path(outside)).folder
