"""What `kube-node-check` says of a configuration that containerd reads, but CRI does not accept."""

from pathlib import Path

import pytest
from node_machines import CONTAINERD_CONFIG, SITE_DROP_IN, Checked, checker, containerd

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
    "a version in quotes": ("version = '3'\n", "version is a string, and no number"),
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
