"""Commands of our pages: each that is marked is typed in an acceptance run, and the front page says
the same.
"""

import ast
import importlib
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from kubewright.models.artifact import Package
from kubewright.models.base import Format
from kubewright.site.install_commands import Entry, exact, install

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = sorted((ROOT / "tests" / "acceptance").glob("*.py"))
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGE = ROOT / "docs" / "install.md"
TYPE = {"commands", "follow", "owner", "typed"}
"""What chapters call to type a block; its name is the one word among the arguments that is no
machine's.
"""


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module with which the acceptance run reads pages."""
    monkeypatch.syspath_prepend(ROOT / "tests" / "acceptance")
    return importlib.import_module("pages")


def words(node: ast.expr) -> set[str]:
    """The texts that an argument may be: itself, or both sides of a choice."""
    if isinstance(node, ast.IfExp):
        return words(node.body) | words(node.orelse)
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def asked() -> set[str]:
    """Every block that a chapter names where it types it."""
    network = next(path for path in CHAPTERS if path.name == "network.py")
    machines = set(re.findall(r'"(\w+)": \d+', network.read_text()))
    found: set[str] = set()
    for path in CHAPTERS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                name = (
                    node.func.attr
                    if isinstance(node.func, ast.Attribute)
                    else getattr(node.func, "id", "")
                )
                if name in TYPE:
                    found |= set().union(*map(words, node.args))
    return {one for one in found - machines - {page.name for page in DOCS} if " " not in one}


def test_what_pages_mark_is_what_chapters_type(pages: ModuleType) -> None:
    marked = [name for page in DOCS for name in pages.blocks(page.name)]
    assert len(marked) == len(set(marked)), "two blocks have one name"
    assert asked() == set(marked)


def test_every_mark_has_its_block(pages: ModuleType) -> None:
    for page in DOCS:
        marks = re.findall("^<!-- acceptance: ", page.read_text(), re.MULTILINE)
        assert len(marks) == len(pages.blocks(page.name)), page


def test_the_install_page_and_the_readme_are_the_front_page(pages: ModuleType) -> None:
    ways = {
        one.title: one.commands
        for one in install(Entry("", site_url="$SITE", channel="$CHANNEL", provenance=""))
    }
    deb, rpm, zypper = ways.values()
    blocks = pages.blocks(PAGE.name)
    for names, commands in (
        (("tools", "key", "repository", "install-node", "check-node"), deb),
        (("dnf-repository", "dnf-install", "check-node"), rpm),
    ):
        assert "".join(blocks[name] for name in names) == commands
    assert zypper.removesuffix(blocks["check-node"]) in PAGE.read_text()
    typed = "".join(f"    {line}\n" for line in deb.replace("$CHANNEL", "stable-1.36").splitlines())
    assert typed in (ROOT / "README.md").read_text()


SUDO = """case $1 in
    apt-get | dnf | zypper | rpm) echo "$@" ;;
    *) exec "$@" ;;
esac"""
"""What stands for sudo here: package managers only say what they are told."""


@pytest.mark.parametrize("umask", ["077", "027", "022"])
@pytest.mark.parametrize("way", range(3), ids=["apt", "dnf", "zypper"])
def test_the_install_lines_write_files_that_everybody_can_read_whatever_the_umask(
    tool: Callable[[str], Path], tmp_path: Path, way: int, umask: str
) -> None:
    (tmp_path / "site/keys").mkdir(parents=True)
    (tmp_path / "site/keys/kubewright.gpg").write_bytes(b"a key")
    folders = (
        "usr/share/keyrings",
        "etc/apt/sources.list.d",
        "etc/yum.repos.d",
        "etc/zypp/repos.d",
    )
    for folder in (*folders, "bin"):
        (tmp_path / folder).mkdir(parents=True)
    for name, text in (("sudo", SUDO), ("kube-node-check", ":"), ("dpkg", "echo amd64")):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    names = {form: {"kubernetes-node": "1.36.3-1", "kubelet": "1.36.3-1"} for form in Format}
    entry = Entry("", site_url=f"file://{tmp_path}/site", channel="stable-1.36", provenance="")
    commands = re.sub(
        r"(?<![\w/])/(?=usr/|etc/)", f"{tmp_path}/", install(entry, names)[way].commands
    )
    done = subprocess.run(
        [tool("sh"), "-euc", f"umask {umask}\n{commands}"],
        env={"PATH": f"{tmp_path}/bin:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    written = [path for folder in folders for path in (tmp_path / folder).iterdir()]
    assert len(written) == (2, 1, 1)[way]
    assert {oct(path.stat().st_mode & 0o444) for path in written} == {oct(0o444)}
    told = ("kubelet=1.36.3-1", "kubelet-1.36.3-1", "kubelet=1.36.3-1")[way]
    assert done.stdout.splitlines()[-1].endswith(f"install kubernetes-node{told[7]}1.36.3-1 {told}")


def test_a_manifest_names_each_package_of_its_node_by_version() -> None:
    def package(name: str, form: Format, version: str, epoch: int = 0) -> Package:
        return Package(
            name=name, kind=form.value, arch="amd64", path="x", url="x", size=1, sha256="0" * 64,
            package=name, format=form, version=version, epoch=epoch, upstream="1",
            unsigned_sha256="0" * 64,
        )  # fmt: skip

    made = [
        package("kubernetes-runtime-containerd", Format.deb, "1.36.4-1"),
        package("kubernetes-runtime-docker", Format.deb, "1.36.4-1"),
        package("kubernetes-runtime-docker", Format.rpm, "1.36.4-1"),
        package("cri-dockerd", Format.rpm, "0.4.4-1", epoch=3),
        package("kubernetes-node", Format.deb, "1.36.4-1"),
        package("kubernetes-node", Format.rpm, "1.36.4-1"),
    ]
    deb, rpm, zypper = install(Entry("", "https://s", "stable-1.36", ""), exact("docker", made))
    assert "    kubernetes-node=1.36.4-1 kubernetes-runtime-docker=1.36.4-1\n" in deb.commands
    assert (
        "    kubernetes-node-1.36.4-1 kubernetes-runtime-docker-1.36.4-1 cri-dockerd-3:0.4.4-1\n"
        in (rpm.commands)
    )
    assert "cri-dockerd=3:0.4.4-1\n" in zypper.commands
    plain, *_ = install(Entry("", "", "stable-1.36", ""), exact("containerd", []))
    assert plain.commands.startswith("SITE=")
    assert "apt-get install kubernetes-node\n" in plain.commands


def test_the_page_has_people_set_what_its_commands_use(pages: ModuleType) -> None:
    text = PAGE.read_text()
    used = set(re.findall(r"(?<!\\)\$([A-Z_]+)", "".join(pages.blocks(PAGE.name).values())))
    settings = text.partition("## Settings")[2].partition("## ")[0]
    assert set(re.findall(r"^([A-Z]+)=", settings, re.MULTILINE)) == {"SITE", "CHANNEL", "REGISTRY"}
    further = {"PODS", "PEER", "PEER_PODS", "ENDPOINT", "TOKEN", "CA_HASH", "ROOT"}
    assert used - {"SITE", "CHANNEL", "REGISTRY"} == further
    outside = re.sub(r"```sh.*?```", "", text, flags=re.DOTALL)
    assert all(name in outside for name in used)


SYSTEMCTL = """[ "$1" = restart ] || exit 0
unit=ROOT/etc/systemd/system/$2
systemd-analyze verify --man=no "$unit" || exit
more=$(find "$unit.d" -name '*.conf' 2>/dev/null)
cat "$unit" $more | sed -n 's/^Exec[^=]*=//p' | while read -r line; do
    case $line in -*) ${line#-} 2>/dev/null ;; *) $line || exit ;; esac
done"""
"""What systemd does with a oneshot service, if it can read it."""


@pytest.fixture
def typed(pages: ModuleType, tool: Callable[[str], Path], tmp_path: Path) -> Callable[..., str]:
    """Type blocks of the page as root of a network of its own, 192.0.2.0/24; what a last command
    then says.
    """
    tool("systemd-analyze")
    inside = [str(tool("unshare")), "--user", "--map-root-user", "--net"]
    if subprocess.run(
        [*inside, tool("iptables"), "-t", "nat", "-S"], capture_output=True, check=False
    ).returncode:
        pytest.skip("no network of its own with a firewall can be made")
    programs = tmp_path / "bin"
    for folder in (programs, tmp_path / "etc/systemd/system", tmp_path / "etc/kubernetes"):
        folder.mkdir(parents=True)
    for name, text in (
        ("sudo", 'exec "$@"'),
        ("systemctl", SYSTEMCTL.replace("ROOT", str(tmp_path))),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)

    def run(*names: str, then: str, **variables: str) -> str:
        lines = "".join(pages.blocks(PAGE.name)[name] for name in names).replace(
            " /etc/", f" {tmp_path}/etc/"
        )
        network = (
            "ip link add one type bridge && ip address add 192.0.2.1/24 dev one"
            " && ip link set one up"
        )
        script = f"set -eu; umask 022\n{network}\n{{\n{lines}}} >&2\n{then}"
        environment = variables | {"PATH": f"{programs}:{os.environ['PATH']}"}
        done = subprocess.run(
            [*inside, "sh", "-c", script],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_network_of_the_pods_is_the_same_however_often_it_is_typed(
    typed: Callable[..., str], tmp_path: Path
) -> None:
    here = {"PODS": "10.244.1.0/24", "PEER": "192.0.2.2", "PEER_PODS": "10.244.2.0/24"}
    look = "iptables -t nat -S POSTROUTING; ip route show root 10.244.0.0/16; iptables -S FORWARD"
    said = typed("pod-network", "route", "pod-network", "route", then=look, **here)
    policy, rule, route, *forward = said.splitlines()
    assert policy == "-P POSTROUTING ACCEPT"
    assert rule == "-A POSTROUTING -s 10.244.1.0/24 ! -d 10.244.0.0/16 -j MASQUERADE"
    assert route.startswith("10.244.2.0/24 via 192.0.2.2 ")
    assert forward == [
        "-P FORWARD ACCEPT",
        "-A FORWARD -o cni0 -j ACCEPT",
        "-A FORWARD -i cni0 -j ACCEPT",
    ]
    (bridge, _) = json.loads((tmp_path / "etc/cni/net.d/10-pods.conflist").read_text())["plugins"]
    assert (bridge["ipam"]["ranges"], "ipMasq" in bridge) == (
        [[{"subnet": "10.244.1.0/24"}]],
        False,
    )


def test_nobody_but_root_can_read_the_token(typed: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "etc/kubernetes/kubeadm.yaml"
    file.write_text("of an earlier time\n")
    said = typed(
        "join-configuration", then="", ENDPOINT="192.0.2.1:6443", TOKEN="a.b", CA_HASH="sha256:0"
    )
    assert (said, file.stat().st_mode & 0o777) == ("", 0o600)
    assert file.read_text().splitlines()[-1].endswith('token: a.b, caCertHashes: ["sha256:0"]}')
