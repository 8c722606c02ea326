"""What `kube-node-check` reads out of containerd's configuration, against what containerd itself
makes of it.
"""

import json
import os
import random
import re
import shutil
import socket
import subprocess
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from exhaustive import by_turns
from node_machines import (
    CGROUPFS,
    CHECK,
    CONTAINERD_CONFIG,
    DEBIANS_CONFIG,
    HEALTHY,
    NODE_FILES,
    SETTINGS,
    SHELLS,
    SITE_DROP_IN,
    SYSTEMD,
    Checked,
    Files,
    build,
    checker,
    containerd,
    run,
    spec,
)

BINARY = os.environ.get("KUBE_NODE_CHECK_CONTAINERD") or shutil.which("containerd") or ""
"""The containerd to compare with: the one that is here (CI has Debian's), or another one."""

needs_containerd = pytest.mark.skipif(not BINARY, reason="no containerd to compare with")

RUNTIME, IMAGES = "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"
OLD = "io.containerd.grpc.v1.cri"
READ = """
. "$1/look.sh"; . "$1/toml.sh"; . "$1/containerd_plugins.sh"; . "$1/containerd_config.sh"
set -uf; export LC_ALL=C
root='' newline='
' tab='	'
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
        [
            *words,
            NODE_FILES / "check",
            config,
            str(version.major),
            str(version.highest),
            version.text,
        ],
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
        self.choose = random.Random(seed)
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
        return [
            *lines,
            self.choose.choice(["", "# disabled_plugins = ['cri']\n", "root = '/x#y'\n"]),
        ]

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


BROKEN = {
    "a string without its end": "root = 'x\n",
    "a basic string without its end": 'root = "x\n',
    "a long string without its end": 'root = """x\n',
    "an array without its end": "imports = [\n 'x',\n",
    "an array without commas": "imports = ['x' 'y']\n",
    "an inline table without its end": "plugins = { a = { b = 1 }\n",
    "a key without a value": "root\n",
    "a value that is none": "oom_score = yes\n",
    "a key twice": "root = '/a'\nroot = '/b'\n",
    "a key twice, once in quotes": "root = '/a'\n\"root\" = '/b'\n",
    "a table twice": "[cgroup]\n[debug]\n[cgroup]\n",
    "a table without its end": "[cgroup\n",
    "two values on a line": "oom_score = 1 root = '/a'\n",
    "an unknown escape": 'root = "\\q"\n',
    "no full name": "version = 2\ndisabled_plugins = ['cri']\n",
    "an import that is not there": "imports = ['nowhere.toml']\n",
}
NO_IMPORT = BROKEN["an import that is not there"]
"""What `config dump` of containerd 2 passes over, and containerd itself does not when it starts."""


@needs_containerd
@pytest.mark.parametrize("text", BROKEN.values(), ids=list(BROKEN))
def test_what_containerd_refuses_is_refused(tmp_path: Path, text: str, version: Version) -> None:
    config = tmp_path / "config.toml"
    config.write_text(text)
    (mistake, *_) = text_says(config, version)["mistake"]
    assert mistake.startswith(str(config.parent))
    if text != NO_IMPORT or version.major < 2:
        assert dumped(config).returncode == 1


@pytest.fixture
def check(tmp_path: Path) -> Checked:
    """Checks a healthy machine with changes."""
    return checker(tmp_path)


MAIN = "version = 3\nimports = ['/etc/containerd/conf.d/*.toml']\n"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("files", "place"),
    [
        ({CONTAINERD_CONFIG: MAIN + "root = 'x\n"}, "/etc/containerd/config.toml:3: a string"),
        ({SITE_DROP_IN: "[a]\n[a]\n"}, "/etc/containerd/conf.d/99-site.toml:2: a second table"),
        ({CONTAINERD_CONFIG: "imports = ['no.toml']\n"}, "/etc/containerd/no.toml: is not there"),
        ({SITE_DROP_IN: "version = 5\n"}, "99-site.toml: version 5 is newer than this containerd"),
    ],
    ids=["broken", "broken import", "no import", "too new"],
)
def test_a_configuration_that_stops_containerd_fails_and_is_not_judged_further(
    check: Checked, shell: str, files: Files, place: str
) -> None:
    code, wrong = check(files, shell=shell)
    assert (code, list(wrong)) == (1, ["containerd-config"])
    assert f"containerd does not start: {place}" in wrong["containerd-config"]["found"].replace(
        "/etc/containerd/conf.d/99-site.toml: v", "99-site.toml: v"
    )


@pytest.mark.parametrize(
    "program", [{"usr/bin/containerd": None}, containerd("v2.4.0")], ids=["none", "a later one"]
)
def test_a_version_that_nobody_knows_here_is_not_judged(check: Checked, program: Files) -> None:
    code, wrong = check({**program, CONTAINERD_CONFIG: f"{MAIN}".replace("3", "5")})
    assert (code, wrong["containerd-config"]["result"]) == (0, "warn")
    assert wrong["containerd-config"]["found"] == (
        "cannot look: /etc/containerd/config.toml: version 5 is newer than is known here (4)"
    )
    off = f"version = 5\ndisabled_plugins = ['{OLD}']\n"
    assert check({**program, CONTAINERD_CONFIG: off})[1]["containerd-cri"]["result"] == "fail"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.elsewhere("root reads everything")
def test_what_cannot_be_read_is_not_called_right(check: Checked, tmp_path: Path) -> None:
    assert check({SITE_DROP_IN: CGROUPFS})[1]
    (tmp_path / "root" / SITE_DROP_IN).chmod(0)
    code, wrong = check({})
    assert (code, list(wrong)) == (0, ["containerd-config"])
    assert wrong["containerd-config"]["found"].startswith("cannot look: /etc/containerd/conf.d/")


REFUSING = {
    "registry twice": (
        f"[plugins.'{IMAGES}'.registry]\nconfig_path = '/etc/c'\n"
        f"[plugins.'{IMAGES}'.registry.mirrors.'docker.io']\nendpoint = ['http://x']\n",
        "both config_path and mirrors",
    ),
    "no such runtime": (
        f"[plugins.'{RUNTIME}'.containerd]\ndefault_runtime_name = 'nvidia'\n",
        "default_runtime_name is nvidia, and there is no such runtime",
    ),
    "places twice": (
        f"[plugins.'{RUNTIME}'.cni]\nbin_dir = '/opt/cni/bin'\nbin_dirs = ['/b']\n",
        "both bin_dir and bin_dirs",
    ),
}


@pytest.mark.parametrize(("text", "why"), REFUSING.values(), ids=list(REFUSING))
def test_enabled_is_not_loaded(check: Checked, text: str, why: str) -> None:
    code, wrong = check({SITE_DROP_IN: f"version = 3\n{text}"})
    assert (code, wrong["containerd-cri"]["result"]) == (1, "fail")
    assert why in wrong["containerd-cri"]["found"]


@pytest.mark.parametrize(
    "name", ["snapshotter.v1.overlayfs", "service.v1.tasks-service", "transfer.v1.local"]
)
def test_what_cri_needs_must_not_be_switched_off_either(check: Checked, name: str) -> None:
    text = f"version = 3\ndisabled_plugins = ['io.containerd.{name}']\n"
    code, wrong = check({SITE_DROP_IN: text})
    assert (code, list(wrong)) == (1, ["containerd-cri"])
    assert wrong["containerd-cri"]["found"] == (
        f"does not load: it needs io.containerd.{name}, which disabled_plugins has"
    )


def test_another_snapshotter_is_needed_where_it_is_configured(check: Checked) -> None:
    text = "version = 3\ndisabled_plugins = ['io.containerd.snapshotter.v1.{}']\n"
    native = f"[plugins.'{IMAGES}']\nsnapshotter = 'native'\n"
    assert check({SITE_DROP_IN: text.format("overlayfs") + native}) == (0, {})
    assert check({SITE_DROP_IN: text.format("native") + native})[0] == 1
    assert check({SITE_DROP_IN: text.format("btrfs") + native}) == (0, {})


class Machine:
    """A made-up machine as the system itself: what runs on it sees nothing else."""

    def __init__(self, root: Path, files: Files) -> None:
        self.root = root
        build(root, HEALTHY)
        build(root, files)
        for name in ("busybox", "containerd"):
            self.program(Path(shutil.which("busybox") or "" if name == "busybox" else BINARY), name)
        for name in ("sh", "awk", "grep", "sed", "cat", "sort", "head", "tail", "tr", "readlink"):
            (root / "bin" / name).symlink_to("busybox")
        for name in ("dirname", "basename", "timeout", "cmp", "gzip", "find", "ls"):
            (root / "bin" / name).symlink_to("busybox")
        build(root, {"check": CHECK.read_text(), "spec.sh": spec("1.36"), "dev/null": ""})

    def program(self, path: Path, name: str) -> None:
        """Bring a program with its libraries."""
        (self.root / "bin").mkdir(exist_ok=True)
        shutil.copy(path, self.root / ("bin" if name == "busybox" else "usr/bin") / name)
        said = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        for library in re.findall(r"(/\S+) \(0x", said):
            (self.root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, self.root / library[1:])

    def check(self) -> dict[str, Any]:
        """What the check says of it, by id."""
        enter: list[str | Path] = [
            shutil.which("chroot", path="/usr/sbin:/usr/bin:/bin") or "",
            self.root,
        ]
        if os.geteuid():
            unshare = shutil.which("unshare") or ""
            enter = [unshare, "--user", "--map-root-user", f"--root={self.root}"]
        done = subprocess.run(
            [*enter, "/bin/sh", "/check", "--json", "--spec", "/spec.sh"],
            capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin"},
        )  # fmt: skip
        assert done.stderr == ""
        return {one["id"]: one for one in json.loads(done.stdout)["checks"]}


ASKED: dict[str, tuple[Files, str, str]] = {
    "nothing is wrong": ({}, "containerd-cri", "enabled"),
    "off in an imported file": (
        {SITE_DROP_IN: f"disabled_plugins = ['{OLD}']\n"},
        "containerd-cri",
        "disabled",
    ),
    "off by its short name": (
        {CONTAINERD_CONFIG: "disabled_plugins = ['cri']\n"},
        "containerd-cri",
        "disabled",
    ),
    "an import that is not there": (
        {CONTAINERD_CONFIG: "imports = ['/nowhere.toml']\n"},
        "containerd-config",
        "containerd does not start: ",
    ),
    "no TOML": (
        {CONTAINERD_CONFIG: "root = 'x\n"},
        "containerd-config",
        "containerd does not start: ",
    ),
    "another place for plugins": (
        {CONTAINERD_CONFIG: DEBIANS_CONFIG},
        "containerd-cni",
        "/usr/lib/cni",
    ),
}


@needs_containerd
@pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is not installed")
@pytest.mark.parametrize(("files", "name", "found"), ASKED.values(), ids=list(ASKED))
def test_where_containerd_is_it_is_asked(
    tmp_path: Path, files: Files, name: str, found: str, version: Version
) -> None:
    drop_in = SETTINGS if version.major > 1 else f"[plugins.'{OLD}']\nsandbox_image = 'x'\n"
    own = "etc/containerd/conf.d/10-kubewright.toml"
    main = f"version = {min(version.highest, 3)}\nimports = ['/etc/containerd/conf.d/*.toml']\n"
    machine = Machine(tmp_path, {CONTAINERD_CONFIG: main, own: drop_in, **files})
    seen = machine.check()
    assert seen[name]["found"].startswith(found)
    if name != "containerd-config":
        assert seen["containerd-config"]["found"] == "as containerd config dump has it"


LISTED = "TYPE ID PLATFORMS STATUS\n{} cri linux/amd64 {}\n"
STATES = {
    "it has loaded": (LISTED.format("io.containerd.grpc.v1", "ok"), "enabled"),
    "it has not": (
        LISTED.format("io.containerd.grpc.v1", "error"),
        "does not load: ctr plugins ls says error",
    ),
    "it was off when containerd started": (
        LISTED.format("io.containerd.other.v1", "ok"),
        "not there in the containerd that runs, though its configuration has it",
    ),
    "it cannot be asked": ("", "enabled"),
}


@needs_containerd
@pytest.mark.skipif(not shutil.which("busybox"), reason="busybox is not installed")
@pytest.mark.parametrize(("listed", "found"), STATES.values(), ids=list(STATES))
def test_a_containerd_that_runs_says_whether_cri_has_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: str, found: str
) -> None:
    files = {
        CONTAINERD_CONFIG: "version = 2\n",
        "run/containerd/containerd.sock": None,
        "usr/bin/ctr": f"#!/bin/sh\ncat <<'END'\n{listed}END\n",
    }
    machine = Machine(tmp_path, files)
    monkeypatch.chdir(tmp_path / "run/containerd")  # the path of a socket must be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("containerd.sock")
        assert machine.check()["containerd-cri"]["found"] == found


IMPORTS = 'imports = ["/etc/containerd/conf.d/*.toml"]'
NOT_IMPORTED: dict[str, Files] = {
    "no imports": {CONTAINERD_CONFIG: "version = 3\n[plugins.'x']\na = 1\n"},
    "imports below a table": {CONTAINERD_CONFIG: f"version = 3\n[plugins.'x']\n{IMPORTS}\n"},
    "a misspelt key": {CONTAINERD_CONFIG: f"version = 3\n{IMPORTS.replace('imp', 'incl')}\n"},
    "a comment": {CONTAINERD_CONFIG: f"version = 3\n# {IMPORTS}\n"},
    "no config.toml": {CONTAINERD_CONFIG: None},
}


@by_turns("shell", SHELLS, "files", NOT_IMPORTED)
def test_what_fix_prints_makes_containerd_read_its_drop_ins(
    tmp_path: Path, files: Files, shell: str
) -> None:
    root, spec_file = tmp_path / "root", tmp_path / "spec.sh"
    build(root, HEALTHY)
    build(root, files)
    spec_file.write_text(spec("1.36"))
    words = ("--root", root, "--spec", spec_file)
    assert "warn  containerd-imports: not read: /etc/containerd/conf.d/10-kubewright.toml" in (
        run(shell, *words).stdout
    )
    commands = run(shell, *words, "--fix").stdout.replace("/etc/containerd/config", f"{root}&")
    commands = commands.replace("&", "/etc/containerd/config").replace("systemctl", "#")
    subprocess.run(["sh", "-euc", commands], check=True)
    after = run(shell, *words).stdout
    assert "ok    containerd-imports: not read: none" in after
    assert "ok    cgroup-driver: systemd" in after


def test_an_imports_that_is_there_is_added_to_and_not_doubled(check: Checked) -> None:
    text = 'version = 3\nimports = ["/etc/containerd/conf.d/50.toml"]\n'
    files = {CONTAINERD_CONFIG: text, "etc/containerd/conf.d/50.toml": "version = 3\n"}
    _, wrong = check(files, "--fix")
    wrong_imports = wrong["containerd-imports"]
    assert wrong_imports["remedy"].startswith('add "/etc/containerd/conf.d/*.toml" to the imports')
    assert wrong_imports["fix"] == []
    added = text.replace("]", ', "/etc/containerd/conf.d/*.toml"]')
    assert check({CONTAINERD_CONFIG: added})[1] == {}


PATHS = {
    "an absolute file": "/etc/containerd/other/a.toml",
    "a relative file": "other/a.toml",
    "a file with dots": "../containerd/./other//a.toml",
    "a pattern": "/etc/containerd/oth*/a.toml",
    "a relative pattern": "other/*.toml",
    "a hidden file": "other/.*.toml",
}


@by_turns("shell", SHELLS, "path", PATHS)
def test_whatever_is_imported_is_read(check: Checked, path: str, shell: str) -> None:
    off = f"version = 3\ndisabled_plugins = ['{OLD}']\n"
    name = "etc/containerd/other/.a.toml" if "/." in path[-8:] else "etc/containerd/other/a.toml"
    files = {CONTAINERD_CONFIG: f'version = 3\nimports = ["{path}"]\n', name: off}
    code, wrong = check(files, shell=shell)
    assert (code, wrong["containerd-cri"]["found"]) == (1, "disabled")
    assert f"/{name}" in wrong["containerd-cri"]["remedy"]


def test_a_unit_says_where_the_configuration_is(check: Checked) -> None:
    drop_in = "etc/systemd/system/containerd.service.d/10.conf"
    start = "[Service]\nExecStart=\nExecStart=/usr/bin/containerd {} /etc/other.toml\n"
    for argument in ("--config", "-c"):
        files = {
            drop_in: start.format(argument),
            "etc/other.toml": f"version = 3\ndisabled_plugins = ['{OLD}']\n",
        }
        assert check(files)[1]["containerd-cri"]["found"] == "disabled"
    equals = start.replace("{} ", "--config=")
    assert check({drop_in: equals})[1]["containerd-cri"]["found"] == "disabled"


def test_the_containerd_that_the_unit_starts_is_the_one_that_is_judged(check: Checked) -> None:
    old = {"usr/local/bin/containerd": containerd("v1.7.28")["usr/bin/containerd"]}
    code, wrong = check(old)
    assert (code, set(wrong)) == (0, {"containerd-twice"})
    assert wrong["containerd-twice"]["found"] == (
        "/usr/bin/containerd is 2.3.6, /usr/local/bin/containerd is 1.7.28"
    )
    unit = f"{SYSTEMD}/containerd.service"
    start = str(HEALTHY[unit]).replace("/usr/bin/containerd", "/usr/local/bin/containerd")
    code, wrong = check({unit: start})
    assert (code, wrong["containerd-version"]["result"]) == (1, "fail")
    assert wrong["containerd-version"]["found"] == "1.7.28 (/usr/local/bin/containerd)"
    assert "/usr/bin/containerd is 2.3.6" in wrong["containerd-version"]["remedy"]


@pytest.mark.parametrize(("program", "fails"), [("v1.7.28", True), ("v2.3.6", False)])
def test_the_plugin_s_own_systemd_cgroup_stops_cri_of_containerd_1(
    check: Checked, program: str, fails: bool
) -> None:
    text = f'version = 2\n[plugins."{OLD}"]\n  systemd_cgroup = true\n'
    own = "etc/containerd/conf.d/10-kubewright.toml"
    files = {**containerd(program), CONTAINERD_CONFIG: text, own: None}
    code, wrong = check(files, minor="1.35")
    assert ("containerd-cri" in wrong, code) == (fails, int(fails))
    taken = text.replace("  systemd_cgroup = true\n", "")
    assert "containerd-cri" not in check({**files, CONTAINERD_CONFIG: taken}, minor="1.35")[1]


@pytest.mark.parametrize("default", ["runc", "nvidia"])
def test_the_cgroup_driver_is_right_when_its_remedy_is_followed(
    check: Checked, default: str
) -> None:
    own = "etc/containerd/conf.d/10-kubewright.toml"
    chosen = (
        f"version = 3\n[plugins.'{RUNTIME}'.containerd]\ndefault_runtime_name = '{default}'\n"
        f"[plugins.'{RUNTIME}'.containerd.runtimes.{default}]\n"
        "runtime_type = 'io.containerd.runc.v2'\n"
    )
    files = {SITE_DROP_IN: chosen, own: SETTINGS.replace("true", "false")}
    _, wrong = check(files)
    found = re.search(
        r"under (\[.*\]): (SystemdCgroup = true), then", wrong["cgroup-driver"]["remedy"]
    )
    assert found
    last = f"version = 3\n{found[1]}\n{found[2]}\n"
    assert check({**files, "etc/containerd/conf.d/zz.toml": last}) == (0, {})


@pytest.mark.parametrize("spelling", ["'cri'", f'"{OLD}"', f"'x.y.z.other', '{OLD}'"])
def test_cri_is_on_when_its_remedy_is_followed(check: Checked, spelling: str) -> None:
    version = "" if spelling == "'cri'" else "version = 2\n"
    text = f"{version}disabled_plugins = [{spelling}]\n{IMPORTS}\n"
    _, wrong = check({CONTAINERD_CONFIG: text})
    remedy = wrong["containerd-cri"]["remedy"]
    assert remedy.startswith("take what has cri in its name out of disabled_plugins in /etc/")
    kept = ", ".join(one for one in spelling.split(", ") if "cri" not in one)
    assert check({CONTAINERD_CONFIG: text.replace(spelling, kept)}) == (0, {})


def test_the_sandbox_image_is_right_when_its_remedy_is_followed(check: Checked) -> None:
    other = f"version = 3\n[plugins.'{IMAGES}'.pinned_images]\nsandbox = 'x'\n"
    remedy = check({SITE_DROP_IN: other})[1]["sandbox-image"]["remedy"]
    found = re.search(r"under (\[.*\]): (sandbox = '.*'), then", remedy)
    assert found
    last = f"version = 3\n{found[1]}\n{found[2]}\n"
    assert check({"etc/containerd/conf.d/zz.toml": last}) == (0, {})


def test_one_program_under_two_names_is_one(check: Checked, tmp_path: Path) -> None:
    """/bin is a link to /usr/bin where these are merged; some link a program themselves."""
    links: Files = {"bin": Path("usr/bin"), "usr/local/bin/containerd": Path("/usr/bin/containerd")}
    assert check(links) == (0, {})
