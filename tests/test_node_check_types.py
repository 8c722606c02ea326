"""What `kube-node-check` says of a configuration that containerd reads, but CRI does not accept."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from node_machines import CONTAINERD_CONFIG, SITE_DROP_IN, Checked, Files, checker, containerd

BINARY = os.environ.get("KUBE_NODE_CHECK_CONTAINERD") or shutil.which("containerd") or ""
"""The containerd to compare with: the one that is here, or another one."""

RUNTIME, IMAGES = "io.containerd.cri.v1.runtime", "io.containerd.cri.v1.images"
OLD = "io.containerd.grpc.v1.cri"
OPTIONS_OF_RUNC = f"[plugins.'{RUNTIME}'.containerd.runtimes.runc.options]\n"


@pytest.fixture
def check(tmp_path: Path) -> Checked:
    """Checks a healthy machine with changes."""
    return checker(tmp_path)


LOADS_NOT = {
    "no default runtime": (
        f"[plugins.'{RUNTIME}'.containerd]\ndefault_runtime_name = ''\n",
        "default_runtime_name is empty",
    ),
    "a switch in quotes": (
        f"{OPTIONS_OF_RUNC}SystemdCgroup = 'true'\n",
        "SystemdCgroup is a string",
    ),
    "a switch in a long string": (
        f'{OPTIONS_OF_RUNC}SystemdCgroup = """true"""\n',
        "SystemdCgroup is a string",
    ),
    "a switch of the plugin": (
        f"[plugins.'{RUNTIME}']\nenable_selinux = 'true'\n",
        "enable_selinux is a string",
    ),
    "a number in quotes": (
        f"[plugins.'{RUNTIME}']\nmax_container_log_line_size = 'x'\n",
        "max_container_log_line_size is a string",
    ),
    "an image as a number": (
        f"[plugins.'{IMAGES}'.pinned_images]\nsandbox = 1\n",
        "sandbox is no string",
    ),
    "what the client needs": (
        "disabled_plugins = ['io.containerd.service.v1.introspection-service']\n",
        "it needs io.containerd.service.v1.introspection-service",
    ),
}


@pytest.mark.parametrize(("text", "why"), LOADS_NOT.values(), ids=list(LOADS_NOT))
def test_what_cri_does_not_accept_keeps_it_from_loading(
    check: Checked, text: str, why: str
) -> None:
    code, wrong = check({SITE_DROP_IN: f"version = 3\n{text}"})
    assert (code, wrong["containerd-cri"]["result"]) == (1, "fail")
    assert why in wrong["containerd-cri"]["found"]


STARTS_NOT = {
    "a version in quotes": ("version = '3'\n", "version is no whole number"),
    "one import": ("imports = '/etc/x.toml'\n", "imports is no list"),
    "one plugin": ("disabled_plugins = 'cri'\n", "disabled_plugins is no list"),
    "required and off": (
        f"version = 3\nrequired_plugins = ['{OLD}']\ndisabled_plugins = ['{OLD}']\n",
        f"required_plugins has {OLD}, which disabled_plugins has too",
    ),
    "required and unknown": (
        "version = 3\nrequired_plugins = ['no.such.plugin']\n",
        "required_plugins has no.such.plugin, and there is no such plugin",
    ),
}


@pytest.mark.parametrize(("text", "why"), STARTS_NOT.values(), ids=list(STARTS_NOT))
def test_what_containerd_does_not_accept_keeps_it_from_starting(
    check: Checked, text: str, why: str
) -> None:
    code, wrong = check({CONTAINERD_CONFIG: text})
    assert (code, wrong["containerd-config"]["result"]) == (1, "fail")
    assert wrong["containerd-config"]["found"].endswith(why)


NATIVE, TASKS = "io.containerd.snapshotter.v1.native", "io.containerd.service.v1.tasks-service"
REQUIRED = [  # a plugin, and the readers that start with it, by program and version of the file
    (OLD, "1.2 2.1 2.2"),
    (NATIVE, "1.2 2.1 2.2"),
    (TASKS, "1.2 2.1 2.2"),
    ("cri", "1.1 2.1"),
    ("native", "1.1 2.1"),
    ("tasks-service", "1.1 2.1"),
    ("io.containerd.runtime.v1.linux", "1.2"),
    ("io.containerd.cri.v1.images", "2.1 2.2"),
    ("io.containerd.snapshotter.v1.my", "1.2 2.1 2.2"),
    ("io.containerd.grpc.v1.nope", ""),
    ("io.containerd.nope.v1.cri", ""),
    ("io.containerd.grpc.v2.cri", ""),
    ("io.containerd.snapshotter.v1.your", ""),
    (f"{OLD}2", ""),
    (f"x.{OLD}", ""),
    ("nope", ""),
]
PROXY = "[proxy_plugins.my]\ntype = 'snapshot'\naddress = '/run/my.sock'\n"


@pytest.mark.parametrize(("name", "starting"), REQUIRED)
def test_a_plugin_that_is_required_has_to_be_there(
    check: Checked, name: str, starting: str
) -> None:
    for program, minor in (("v1.6.20", "1.34"), ("v2.3.6", "1.36")):
        for version in "12":
            text = f"version = {version}\nrequired_plugins = ['{name}']\n{PROXY}"
            wrong = check({**containerd(program), CONTAINERD_CONFIG: text}, minor=minor)[1]
            starts = f"{program[1]}.{version}" in starting
            assert ("containerd-config" not in wrong) is starts, (program, version)


def test_a_plugin_is_not_known_where_the_containerd_is_not(check: Checked) -> None:
    text = f"version = 3\nrequired_plugins = ['{NATIVE}2']\n"
    for changes in (containerd("v2.9.0"), {CONTAINERD_CONFIG: f"plugin_dir = '/x'\n{text}"}):
        wrong = check({CONTAINERD_CONFIG: text, **changes})[1]["containerd-config"]
        assert (wrong["result"], wrong["found"].startswith("cannot look: ")) == ("warn", True)


RIGHT = [
    f"{OPTIONS_OF_RUNC}SystemdCgroup = true\n",
    f"[plugins.'{RUNTIME}']\nmax_container_log_line_size = 16384\nenable_selinux = false\n",
    "required_plugins = ['io.containerd.grpc.v1.cri']\n",
    "disabled_plugins = []\nimports = []\n",
    f"[plugins.'{RUNTIME}'.containerd.runtimes.runc]\nruntime_type = 'io.containerd.runc.v2'\n",
]


@pytest.mark.parametrize("text", RIGHT)
def test_settings_of_the_right_type_are_fine(check: Checked, text: str) -> None:
    assert check({SITE_DROP_IN: f"version = 3\n{text}"}) == (0, {})


TLS = [
    f"[plugins.'{OLD}'.registry.configs.'x'.tls]\nca_file = 'x'\n",
    f"[plugins.'{OLD}'.registry.configs.'x']\nauth = {{}}\n",
]


@pytest.mark.parametrize("tls", TLS)
def test_containerd_1_has_either_config_path_or_tls_of_a_host(check: Checked, tls: str) -> None:
    text = f"version = 2\n[plugins.'{OLD}'.registry]\nconfig_path = '/etc/c'\n{tls}"
    _, wrong = check({**containerd("v1.7.28"), CONTAINERD_CONFIG: text}, minor="1.34")
    assert ("containerd-cri" in wrong) == ("tls" in tls)


@pytest.mark.parametrize(
    ("program", "starts"), [("v1.6.20", True), ("v1.7.28", False), ("v2.2.0", True)]
)
def test_a_version_too_high_is_refused_by_those_that_mind(
    check: Checked, program: str, *, starts: bool
) -> None:
    files = {**containerd(program), CONTAINERD_CONFIG: "version = 3\n"}
    assert ("containerd-config" not in check(files)[1]) is starts
    files = {**containerd(program), CONTAINERD_CONFIG: "version = 4\n"}
    assert ("containerd-config" not in check(files)[1]) is (program == "v1.6.20")


# ── TOML that one containerd reads and another does not ──────────────────────────────────────

X = b"version = 2\n[plugins.'io.containerd.x.v1.y']\n"
SPELLINGS: dict[str, tuple[bytes, str]] = {  # with the readers that refuse it: 1, 2, both
    "a byte order mark": (b"\xef\xbb\xbfversion = 2\n", "2"),
    "Latin-1 in a comment": (b"version = 2 # \xe9\n", "2"),
    "UTF-8 in a comment": ("version = 2 # \u00e9 \u20ac \U0001f600\n".encode(), ""),
    "Latin-1 in a string": (b'root = "\xe9"\n', "2"),
    "NUL in a comment": (b"version = 2 # a\0b\n", "2"),
    "control character in a string": (b'root = "a\1b"\n', "12"),
    "a tab in a string": (b'root = "a\tb"\n', ""),
    "\\x in a string": (b'root = "\\x41"\n', "12"),
    "an inline table over lines": (X + b"x = { a = 1,\n b = 2 }\n", "2"),
    "a comma too many": (X + b"x = { a = 1, }\n", "12"),
    "an inline table that goes on": (X + b"x = { a = 1 }\nx.b = 1\n", "12"),
    "an inline table as a table": (
        X + b"x = { a = 1 }\n[plugins.'io.containerd.x.v1.y'.x]\nb = 1\n", "12"),
    "an inline table with a table": (
        X + b"x = { a = 1 }\n[plugins.'io.containerd.x.v1.y'.x.y]\nb = 1\n", "12"),
    "a key with dots as a table": (
        X + b"x.a = 1\n[plugins.'io.containerd.x.v1.y'.x]\nb = 1\n", "2"),
    "keys with dots": (X + b"x.a = 1\nx.b.c = 1\nx.b.d = 2\n", ""),
    "an array over lines": (X + b"x = [ 1, # x\n\n 2,\n]\n", ""),
    "a string that is a table": (b"[debug]\nlevel = 'a'\nlevel.b = 1\n", "12"),
    "a table before what is above it": (b"[a.b]\nx = 1\n[a]\nb.y = 1\n", ""),
    "a table twice": (b"[a]\nx = 1\n[a]\ny = 1\n", "12"),
    "a key twice": (b"oom_score = 1\noom_score = 2\n", "12"),
    "a zero in front": (b"oom_score = 07\n", "2"),
    "two underscores": (b"oom_score = 1__0\n", "12"),
    "an underscore": (b"oom_score = 1_0\n", ""),
    "a dot at the end": (X + b"x = 1.\n", "12"),
    "numbers": (X + b"a = 0x1F\nb = 1e3\nc = -1.5\nd = +7\ne = inf\n", ""),
    "a date with a space": (X + b"d = 1979-05-27 07:32:00\n", ""),
    "tables below tables": (b"[[a.b]]\n[a.b.c]\n[[a.b]]\n[a.b.c]\n", ""),
    "imports of another case": (b"Imports = ['/nowhere.toml']\n", "2"),
    "plugins of another case": (b"version = 2\nDisabled_Plugins = ['cri']\n", "2"),
    "a time that is none": (b"[timeouts]\nx = 'x'\n", "12"),
    "times": (b"[timeouts]\nx = '5s'\ny = '1m30.5s'\n", ""),
    "a version in hexadecimal": (b"version = 0x2\n", ""),
    "a version in binary": (b"version = 0b1_0\n", ""),
    "a version in octal": (b"version = 0o2\n", ""),
    "a version with a sign": (b"version = +2\n", ""),
    "a version in hexadecimal that is too high": (b"version = 0xFF\n", "2"),
    "a version with a point": (b"version = 2.0\n", "12"),
    "a version with an exponent": (b"version = 2e0\n", "12"),
    "a version that is true": (b"version = true\n", "12"),
    "a version that is a list": (b"version = [2]\n", "12"),
    "a version that is a table": (b"version = { a = 2 }\n", "12"),
    "a version that is nothing": (b"version = ''\n", "12"),
    "a path that is none": (b"root = 1\n", "12"),
    "a number that is none": (b"oom_score = '1'\n", "12"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "refusing"), SPELLINGS.values(), ids=list(SPELLINGS))
@pytest.mark.parametrize("program", ["v1.6.20", "v2.3.6"])
def test_toml_is_read_as_that_containerd_reads_it(
    check: Checked, text: bytes, refusing: str, program: str
) -> None:
    wrong = check({**containerd(program), CONTAINERD_CONFIG: text})[1]
    assert ("containerd-config" in wrong) == (program[1] in refusing)


@pytest.mark.skipif(not BINARY, reason="no containerd to compare with")
@pytest.mark.parametrize("name", [name for name in SPELLINGS if "time" not in name])
def test_containerd_itself_refuses_the_same(tmp_path: Path, name: str) -> None:
    text, refusing = SPELLINGS[name]
    (tmp_path / "config.toml").write_bytes(text)
    words = [BINARY, "--config", str(tmp_path / "config.toml"), "config", "dump"]
    said = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True).stdout
    major = "1" if " 1." in said or " v1." in said else "2"
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode != 0) == (major in refusing), done.stderr


DUMPS = sorted((Path(__file__).parent / "golden" / "containerd").iterdir())
"""What `containerd config dump` says of a configuration of a version line, by containerd."""


@pytest.mark.parametrize("dump", DUMPS, ids=lambda path: path.stem)
def test_nothing_that_containerd_itself_writes_is_a_mistake(check: Checked, dump: Path) -> None:
    files = {**containerd(f"v{dump.stem}"), CONTAINERD_CONFIG: dump.read_text()}
    assert {"containerd-config", "containerd-cri"}.isdisjoint(check(files)[1])


CASES = [
    f"[Plugins.'{RUNTIME}'.Containerd]\nDefault_Runtime_Name = 'none'\n",
    f"[plugins.'{RUNTIME}'.CNI]\nBin_Dir = '/b'\nBIN_DIRS = ['/c']\n",
    f"Disabled_Plugins = ['{OLD}']\n",
]


@pytest.mark.parametrize("text", CASES)
def test_containerd_2_does_not_mind_the_case_of_a_key(check: Checked, text: str) -> None:
    assert "containerd-cri" in check({SITE_DROP_IN: f"version = 3\n{text}"})[1]


# ── Remedies ─────────────────────────────────────────────────────────────────────────────────

CGROUPFS = f"version = 3\n{OPTIONS_OF_RUNC}SystemdCgroup = false\n"


def test_a_remedy_names_a_file_that_containerd_reads(check: Checked) -> None:
    assert (
        "in a file of /etc/containerd/conf.d"
        in check({SITE_DROP_IN: CGROUPFS})[1]["cgroup-driver"]["remedy"]
    )
    for changes in ({CONTAINERD_CONFIG: CGROUPFS}, {CONTAINERD_CONFIG: None}):
        remedy = check(changes)[1]["cgroup-driver"]["remedy"]
        assert remedy.startswith("in /etc/containerd/config.toml")


def test_a_runtime_without_a_cgroup_driver_is_not_told_one(check: Checked) -> None:
    text = (
        f"version = 3\n[plugins.'{RUNTIME}'.containerd]\ndefault_runtime_name = 'kata'\n"
        f"[plugins.'{RUNTIME}'.containerd.runtimes.kata]\nruntime_type = 'io.containerd.{{}}.v2'\n"
    )
    assert check({SITE_DROP_IN: text.format("kata")}) == (0, {})
    assert list(check({SITE_DROP_IN: text.format("runc")})[1]) == ["cgroup-driver"]


@pytest.mark.parametrize("linked", [False, True])
@pytest.mark.parametrize("text", ["", "version = 3\n"])
def test_what_fix_prints_also_helps_an_empty_file_and_a_link(
    check: Checked, tmp_path: Path, text: str, *, linked: bool
) -> None:
    config = tmp_path / "root" / CONTAINERD_CONFIG
    changes: Files = {CONTAINERD_CONFIG: text}
    if linked:
        changes = {CONTAINERD_CONFIG: Path("../../opt/c.toml"), "opt/c.toml": text}
    commands = check(changes, "--fix")[1]["containerd-imports"]["fix"]
    (line,) = (one for one in commands if "systemctl" not in one)
    line = line.replace("/etc/containerd/config.toml", str(config))
    subprocess.run(["sh", "-c", line], check=True)
    assert config.is_symlink() is linked
    where = "opt/c.toml" if linked else CONTAINERD_CONFIG
    assert "containerd-imports" not in check({**changes, where: config.read_text()})[1]
