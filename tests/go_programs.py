"""Programs of others that tests compare with, by the Go module proxy."""

import os
from pathlib import Path

import pytest

from kubewright.errors import ToolFailed, ToolMissing, UpstreamUnreachable
from kubewright.gobuild import go as compiling
from kubewright.gobuild import toolchain
from kubewright.run import run


def go_program(module: str, version: str, package: str, *, go: str) -> Path:
    """A program, compiled once on this machine for each version of it and of Go; `go` is the
    oldest Go that compiles it. Skips the test where there is no Go or no proxy.
    """
    try:
        tools = toolchain.find()
        tools.need(go, module)
    except ToolMissing as error:
        pytest.skip(str(error))
    cache = Path(tools.settings["GOCACHE"]).parent / "kubewright-tests"
    name = package.rpartition("/")[2]
    program = cache / f"{name}-{version}-go{tools.identity}"
    if not program.exists():
        own = cache / f"{program.name}.{os.getpid()}"
        env = {"GOENV": "off", "GOTOOLCHAIN": "local", "GOWORK": "off", "CGO_ENABLED": "0"}
        wanted = f"{module}/{package}@{version}"
        try:
            run([tools.go, "install", wanted], env={**tools.settings, **env, "GOBIN": str(own)})
        except ToolFailed as error:
            cause = compiling.explain(str(error), module)
            if isinstance(cause, UpstreamUnreachable):
                pytest.skip(str(cause))
            raise
        (own / name).replace(program)
        own.rmdir()
    return program
