"""What `kube-node-check` reads out of containerd's configuration, against what containerd itself
makes of it.
"""

import os
import random
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from node_machines import NODE_FILES, SHELLS

BINARY = os.environ.get("KUBE_NODE_CHECK_CONTAINERD") or shutil.which("containerd") or ""
"""The containerd to compare with: the one that is here (CI has Debian's), or another one."""

needs_containerd = pytest.mark.skipif(not BINARY, reason="no containerd to compare with")

RUNTIME, IMAGES = "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"
OLD = "io.containerd.grpc.v1.cri"
READ = """
. "$1/look.sh"; . "$1/toml.sh"; . "$1/containerd_config.sh"
set -uf; export LC_ALL=C
root='' newline='
'
containerd_files "$2" "$5" | containerd_settings "$3" "$4"
"""


class Version(NamedTuple):
    """A containerd's version."""

    text: str
    major: int
    highest: int
    """The highest version of a configuration that it reads."""


def version_of(binary: str) -> Version:
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v?(\d+)\.(\d+)\.(\d+)", said.split("containerd/", 1)[1])
    assert found, said
    major, minor, patch = (int(part) for part in found.groups())
    return Version(f"{major}.{minor}.{patch}", major, 2 if major < 2 else 3 if minor < 3 else 4)


def text_says(config: Path, version: Version, shell: str = SHELLS[0]) -> dict[str, list[str]]:
    """What the parts of the check read out of a file and its imports: values by word."""
    words = [shell, *(["sh"] if shell == "busybox" else []), "-c", READ, "sh"]
    done = subprocess.run(
        [*words, NODE_FILES / "check", config, str(version.major), str(version.highest), version.text],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        word, _, value = line.partition(" ")
        found.setdefault(word, []).append(value)
    return found


class Verdict(NamedTuple):
    """What the check judges, as one value."""

    cri: bool
    sandbox: str
    runtime: str
    systemd: bool
    cni: tuple[str, ...]


BUILT_IN = "as built in"


def of_text(found: dict[str, list[str]], major: int) -> Verdict:
    off = {OLD} | ({RUNTIME, IMAGES} if major > 1 else set())
    runtime = found["default_runtime"][0] or "runc"
    drivers = dict(value.split(" ") for value in found.get("systemd_cgroup_of", []))
    cni = found["bin_dir"][0]
    return Verdict(
        not any(value.split(" ")[0] in off for value in found.get("disabled", [])),
        found["sandbox"][0] or BUILT_IN,
        runtime,
        drivers.get(runtime) == "true",
        (cni,) if cni else tuple(found.get("bin_dirs", ["/opt/cni/bin"])),
    )


def of_dump(dump: dict[str, Any], major: int, built_in: str) -> Verdict:
    """The same of `containerd config dump`, which up to 1.7 has no section of what is off."""
    plugins = dump["plugins"]
    off = {OLD, RUNTIME, IMAGES} & set(dump["disabled_plugins"])
    cri = not off if major > 1 else OLD in plugins
    runtime = plugins.get(RUNTIME if major > 1 else OLD, {})
    images = plugins.get(IMAGES, {}).get("pinned_images", {}).get("sandbox", "")
    sandbox = images if major > 1 else runtime.get("sandbox_image", "")
    default = runtime.get("containerd", {}).get("default_runtime_name", "runc")
    options = runtime.get("containerd", {}).get("runtimes", {}).get(default, {}).get("options", {})
    cni = runtime.get("cni", {})
    return Verdict(
        cri,
        BUILT_IN if sandbox == built_in else sandbox,
        default,
        bool((options or {}).get("SystemdCgroup")),
        (cni["bin_dir"],) if cni.get("bin_dir") else tuple(cni.get("bin_dirs", [])),
    )


def dumped(config: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BINARY, "--config", config, "config", "dump"],
        capture_output=True, text=True, check=False, cwd="/",
    )  # fmt: skip


class Writer:
    """Writes configurations in every spelling that TOML has for the same thing."""

    def __init__(self, seed: int, highest: int) -> None:
        self.choose = random.Random(seed)  # noqa: S311 - repeatable, not secret
        self.highest = highest

    def maybe(self, share: float) -> bool:
        return self.choose.random() < share

    def string(self, text: str) -> str:
        return self.choose.choice([f'"{text}"', f"'{text}'", text.join(['"""', '"""'])])

    def key(self, name: str) -> str:
        if set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"):
            return self.choose.choice([name, name, f'"{name}"', f"'{name}'"])
        return self.choose.choice([f'"{name}"', f"'{name}'"])

    def array(self, values: list[str]) -> str:
        inner = [self.string(value) for value in values]
        if self.maybe(0.5):
            return f"[{', '.join(inner)}]"
        between = ",  # ] not the end\n  "
        return f"[\n  {between.join(inner)}{',' if inner and self.maybe(0.5) else ''}\n]"

    def value(self, value: str | bool | list[str]) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        return self.array(value) if isinstance(value, list) else self.string(value)

    def setting(self, path: list[str], value: str | bool | list[str]) -> str:
        """One setting as a table, as dotted keys, or as inline tables, cut at random places."""
        cut = self.choose.randint(1, len(path) - 1)
        dots = self.choose.randint(cut + 1, len(path))
        line = ".".join(self.key(part) for part in path[cut:dots]) + " = "
        rest = path[dots:]
        text = self.value(value) if not rest or not isinstance(value, list) else ""
        if rest and isinstance(value, list):
            text = f"[{', '.join(self.string(one) for one in value)}]"
        for part in reversed(rest):
            text = f"{{ {self.key(part)} = {text} }}"
        table = ".".join(self.key(part) for part in path[:cut])
        comment = self.choose.choice(["", " # x = 'y", '  # "', ""])
        return f"[{table}]{comment}\n{'  ' if self.maybe(0.5) else ''}{line}{text}{comment}\n"

    def top(self, imports: list[str]) -> list[str]:
        lines = []
        version = self.choose.choice([0, 2, 2, self.highest, self.highest])
        if version:
            lines.append(f"{self.key('version')} = {version}\n")
        if imports:
            lines.append(f"{self.key('imports')} = {self.array(imports)}\n")
        if self.maybe(0.4):
            names = [OLD, "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.aufs"]
            picked = self.choose.sample(names, self.choose.randint(0, 2))
            lines.append(f"disabled_plugins = {self.array(picked)}\n")
        self.choose.shuffle(lines)
        return [*lines, self.choose.choice(["", "# disabled_plugins = ['cri']\n", "root = '/x#y'\n"])]

    def settings(self) -> list[str]:
        """At most one setting for each table, so that no spelling meets another of its table."""
        section = ["plugins", OLD]
        wanted: list[tuple[list[str], str | bool | list[str]]] = []
        name = self.choose.choice(["runc", "nvidia"])
        whole = self.choose.choice(["sandbox", "cni", "driver", "default"])
        if whole == "sandbox":
            wanted.append(([*section, "sandbox_image"], "example.org/pause:9"))
        elif whole == "cni":
            wanted.append(([*section, "cni", "bin_dir"], self.choose.choice(["/a", "/b c"])))
        elif whole == "default":
            wanted.append(([*section, "containerd", "default_runtime_name"], name))
        else:
            path = [*section, "containerd", "runtimes", name, "options", "SystemdCgroup"]
            wanted.append((path, self.maybe(0.6)))
        if self.highest > 2 and self.maybe(0.5):
            wanted = [self.new(path, value) for path, value in wanted]
        return [self.setting(path, value) for path, value in wanted]

    def new(
        self, path: list[str], value: str | bool | list[str]
    ) -> tuple[list[str], str | bool | list[str]]:
        """The same setting by the names of version 3."""
        if path[2] == "sandbox_image":
            return ["plugins", IMAGES, "pinned_images", "sandbox"], value
        if path[-1] == "bin_dir":
            return ["plugins", RUNTIME, "cni", "bin_dirs"], [str(value), "/c"]
        return ["plugins", RUNTIME, *path[2:]], value

    def file(self, path: Path, imports: list[str]) -> None:
        text = "".join([*self.top(imports), *self.settings()])
        if self.maybe(0.2):
            text += "[plugins.x]\nimports = ['/nowhere']\ndisabled_plugins = ['cri']\n"
        if self.maybe(0.3):
            text = text.replace("\n", "\r\n")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())

    def tree(self, folder: Path) -> Path:
        """A config.toml with files that it imports, each in another way."""
        base = str(folder / "d")
        ways = [[f"{base}/*.toml"], ["d/*.toml"], [f"{base}/2.toml", "d/1.toml"], ["./d//1.toml"]]
        self.file(folder / "config.toml", [*self.choose.choice(ways), "e/none*.toml"])
        self.file(folder / "d" / "1.toml", ["../f/3.toml"] if self.maybe(0.5) else [])
        self.file(folder / "d" / "2.toml", ["1.toml"] if self.maybe(0.3) else [])
        self.file(folder / "f" / "3.toml", ["../config.toml"] if self.maybe(0.3) else [])
        return folder / "config.toml"


@pytest.fixture(scope="module")
def version() -> Version:
    return version_of(BINARY)


@pytest.fixture(scope="module")
def built_in(version: Version, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sandbox image that this containerd has by itself."""
    empty = tmp_path_factory.mktemp("empty") / "config.toml"
    empty.write_text(f"version = {version.highest}\n")
    plugins = tomllib.loads(dumped(empty).stdout)["plugins"]
    return str(
        plugins[IMAGES]["pinned_images"]["sandbox"]
        if version.major > 1
        else plugins[OLD]["sandbox_image"]
    )


@needs_containerd
@pytest.mark.parametrize("seed", range(40))
def test_the_text_says_what_containerd_says(
    tmp_path: Path, seed: int, version: Version, built_in: str
) -> None:
    config = Writer(seed, version.highest).tree(tmp_path)
    done = dumped(config)
    found = text_says(config, version)
    assert bool(found.get("mistake")) == bool(done.returncode), done.stderr
    if not done.returncode:
        real = of_dump(tomllib.loads(done.stdout), version.major, built_in)
        read = of_text(found, version.major)
        assert (read if real.cri else read.cri) == (real if real.cri else False)
