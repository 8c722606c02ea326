"""Machines without network install from a bundle, by the commands that it brings."""

import re
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from clean_roots import Machine, clean_root, place

from kubewright.cli.shipped import shipped
from kubewright.clients import closure
from kubewright.errors import ToolFailed
from kubewright.models.base import Format
from kubewright.run import run
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site.install_commands import distribution, unpacked
from kubewright.stages.bundle import Asked, bundle
from kubewright.stages.bundle_more import more

ROOT = Path(__file__).resolve().parent.parent
NAME = "v1.36.4-1"


def made(settings: Settings, target: Path, keys: Keys, *systems: str) -> Path:
    asked = Asked((NAME,))
    trusted = [keys.repo.certificate, keys.artifact.public_pem]
    with more(asked, systems, shipped()) as extra:
        bundle(target, asked, trusted, settings, extra)
    return target


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """The indented commands of a text, each with the last line of words before it."""
    title, commands = "", list[str]()
    for line in [*text.splitlines(), "the end"]:
        if line.startswith("    ") or (not line and commands):
            commands.append(line.removeprefix("    "))
        elif line:
            if commands:
                yield title, "\n".join(commands).strip("\n") + "\n"
            title, commands = line, []


@pytest.fixture(scope="session")
def there(released: Settings, keys: Keys, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(made(released, folder / "FILE.tar", keys)) as tar:
        tar.extractall(folder / "bundle", filter="data")
    return folder / "bundle"


def test_the_page_has_the_commands_of_the_one_source() -> None:
    page = (ROOT / "docs/bundle.md").read_text()
    found = "".join(commands for _, commands in blocks(page))
    archives = {
        "debian": ("bookworm", "bookworm-updates"),
        "debian-security": ("bookworm-security",),
    }
    keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert distribution("debian-12", archives, keyring) in found
    assert unpacked("stable-1.36", {}, _names())[0].commands in found


def _names() -> dict[Format, dict[str, str]]:
    versions = dict.fromkeys(
        ("kubernetes-node", "kubelet", "kubeadm", "kubernetes-runtime-containerd"), "1.36.4-1"
    )
    versions |= {"kubernetes-cni": "1.9.1-1", "cri-tools": "1.36.0-1"}
    return dict.fromkeys(Format, versions)


def test_the_key_and_every_package_are_checked_with_stock_tools(
    there: Path, tool: Callable[[str], Path], tmp_path: Path
) -> None:
    tool("gpgv")
    [typed] = [text for _, text in blocks((there / "readme.txt").read_text()) if "gpgv" in text]
    script = f"set -eu\nBUNDLE={there}\n{typed}"
    run(["sh", "-c", script])
    copy = tmp_path / "copy"
    shutil.copytree(there, copy)
    deb = next((copy / "site/apt/pool").rglob("kubelet_*.deb"))
    deb.write_bytes(deb.read_bytes() + b"!")
    assert run(["sh", "-c", script.replace(str(there), str(copy))], codes=(1,)).returncode == 1


def test_dnf_reads_an_unpacked_bundle_and_checks_who_signed_it(
    there: Path, tool: Callable[[str], Path], tmp_path: Path
) -> None:
    dnf = tool("dnf")
    titled = dict(blocks((there / "readme.txt").read_text()))
    typed = titled["Fedora, RHEL and their kin, x86_64:"]
    entry = re.search(r"(?s)<<EOF\n(.*?)EOF\n", typed)
    assert entry is not None
    root = tmp_path / "bundle"
    shutil.copytree(there, root)
    (tmp_path / "kubewright.repo").write_text(entry[1].replace("$BUNDLE", str(root)))
    wanted = re.findall(r"kubelet-\S+", typed)[0]
    words: list[str | Path] = [
        dnf, "--assumeyes", f"--setopt=reposdir={tmp_path}", f"--installroot={tmp_path / 'root'}",
        "--releasever=9", "--forcearch=x86_64", "--setopt=*.skip_if_unavailable=false",
    ]  # fmt: skip
    found = run([*words, "repoquery", "--location", wanted]).stdout.split()
    place = Path(found[-1].removeprefix("file://")).resolve()
    assert place == root / f"site/yum/pool/{wanted}.x86_64.rpm"
    assert place.is_file()
    [repomd] = (root / "site/yum/snapshots/stable-1.36/x86_64").glob("*/repodata/repomd.xml")
    repomd.write_bytes(repomd.read_bytes() + b"\n")
    run([*words, "clean", "all"])
    with pytest.raises(ToolFailed, match=r"(?i)signature"):
        run([*words, "makecache"])


SOURCES = """Types: deb
URIs: http://one.example/ubuntu http://two.example/mirror/ubuntu/
Suites: noble noble-updates
Components: main universe
Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg

Types: deb
URIs: http://safe.example/ubuntu
Suites: noble-security
Components: main
Enabled: no
"""

LINES = """# deb http://no.example/debian bookworm main
deb [signed-by=/x] http://one.example/debian bookworm main contrib
deb http://one.example/debian bookworm-updates main
deb http://one.example/debian-security bookworm-security main
deb cdrom:[x]/ bookworm main
deb http://vendor.example/x stable main
deb-src http://one.example/debian bookworm main
"""


def test_mirrors_of_a_release_are_those_of_the_machine_for_any_release(tmp_path: Path) -> None:
    apt = tmp_path / "etc/apt"
    (apt / "sources.list.d").mkdir(parents=True)
    (apt / "sources.list").write_text(LINES)
    (apt / "sources.list.d/ubuntu.sources").write_text(SOURCES)
    debian = closure.archives("debian", "trixie", ("bookworm", "trixie"), tmp_path)
    assert [(one.folder, *one.suites) for one in debian] == [
        ("debian", "trixie", "trixie-updates"), ("debian-security", "trixie-security"),
    ]  # fmt: skip
    ubuntu = closure.archives("ubuntu", "jammy", ("noble", "jammy"), tmp_path)
    assert [(one.folder, *one.suites) for one in ubuntu] == [
        ("ubuntu", "jammy", "jammy-updates"), ("ubuntu-2", "jammy", "jammy-updates"),
    ]  # fmt: skip


@pytest.mark.elsewhere("fetches packages of Debian, and makes a clean root of it once")
@pytest.mark.parametrize(("system", "suite"), [("debian-12", "bookworm"), ("debian-13", "trixie")])
def test_a_clean_machine_without_network_goes_from_the_file_to_a_node(
    released: Settings, keys: Keys, tmp_path: Path, system: str, suite: str
) -> None:
    roots = place()
    file = made(released, tmp_path / "FILE.tar", keys, system)
    machine = Machine(clean_root(roots / suite, "gpgv"), tmp_path / "machine")
    with tarfile.open(file) as tar:
        stream = tar.extractfile("readme.txt")
        assert stream is not None
        titled = list(blocks(stream.read().decode()))
    machine.put("srv/FILE.tar", file.read_bytes())
    script = "set -eu\ncd /srv\n"
    for title, commands in titled:
        if "tar -xf" in commands or "gpgv" in commands or "/etc/apt/" in commands:
            assert title
            script += commands.replace(" FILE.tar", " /srv/FILE.tar")
    script = script.replace("apt-get install", "apt-get install -y")
    script = script.replace("kube-node-check\n", "kube-node-check || echo CODE $?\n")
    machine.put("srv/typed.sh", script)
    done = machine.run("unshare", "--net", "sh", "/srv/typed.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Setting up kubernetes-node (1.36.4-1)" in done.stdout
    assert "Kubernetes 1.36.4, role node:" in done.stdout
