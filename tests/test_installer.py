"""docs/install.sh against a real site over HTTP with real curl, gpgv and jq; just the package manager is a stand-in."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from kubewright import files
from kubewright.clients import serve
from kubewright.models.manifest import Manifest
from kubewright.models.site import Index
from kubewright.repos import layout
from kubewright.settings import Settings
from kubewright.stages.sign import Keys

INSTALLER = Path(__file__).parent.parent / "docs" / "install.sh"
NEEDS = (
    "sh", "curl", "gpgv", "jq", "sha256sum", "awk", "cat", "chmod", "id", "mkdir", "mktemp", "mv", "rm",
    "tr", "uname", "wc",
)  # fmt: skip
CHANNEL = "stable-1.36"
MANIFEST = "releases/v1.36.4-1/manifest.json"
KUBELET = "apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb"
Installer = Callable[..., subprocess.CompletedProcess[str]]


def script(path: Path, text: str) -> None:
    """Put a stand-in for a program, in place of any link to the real one."""
    path.unlink(missing_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tool: Callable[[str], Path], tmp_path: Path) -> Path:
    """A directory of programs: what the installer needs, and an apt-get that notes what it is told."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in NEEDS:
        (programs / name).symlink_to(tool(name))
    note = 'for word; do case $word in /*) cat "$word" > "${0%/bin/*}/${word##*/}" ;; esac; done'
    script(programs / "apt-get", f'echo "${{0##*/}} $*" >> "${{0%/bin/*}}/told"\n{note}')
    script(programs / "id", "echo 0")
    script(programs / "uname", "echo x86_64")
    return programs


@pytest.fixture
def url(site: Path) -> Iterator[str]:
    with serve(site) as address:
        yield address


@pytest.fixture
def install(machine: Path, url: str, keys: Keys, tmp_path: Path) -> Installer:
    """Run the installer for the channel; words that are given come later and win."""

    def run(*words: str, shell: Sequence[str | Path] = ("sh",)) -> subprocess.CompletedProcess[str]:
        given = ["--site", url, "--fingerprint", keys.repo.fingerprint, "--channel", CHANNEL]
        argv = [*shell, INSTALLER, *given, "--state", tmp_path / "state", "--allow-development", *words]
        environment = {"PATH": str(machine), "TMPDIR": str(tmp_path)}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    return run


def publish_index(site: Path, keys: Keys, *, sequence: int, **changes: object) -> None:
    """Replace the index by one with that number, whose releases have these changes, and sign it."""
    index = Index.from_bytes((site / layout.INDEX).read_bytes())
    releases = tuple(one.model_copy(update=changes) for one in index.releases)
    data = index.model_copy(update={"sequence": sequence, "releases": releases}).to_bytes()
    copy = site / layout.index_copy(sequence)
    for path in (site / layout.INDEX, copy):
        path.unlink(missing_ok=True)
        path.write_bytes(data)
    copy.with_name(f"{copy.name}.asc").write_bytes(keys.repo.armored_detached(data, keys.moment(index.issued)))


def told(tmp_path: Path) -> str:
    """What the package manager was told."""
    path = tmp_path / "told"
    return path.read_text() if path.exists() else ""


@pytest.mark.parametrize("shell", ["dash", "busybox", "bash"])
def test_a_control_plane_gets_what_the_manifest_has_for_it(
    install: Installer, tool: Callable[[str], Path], site: Path, tmp_path: Path, shell: str
) -> None:
    done = install("--role", "control-plane", shell=[tool(shell), *(["sh"] if shell == "busybox" else [])])
    assert done.returncode == 0, done.stderr
    update, command = told(tmp_path).splitlines()
    assert (update, command.split()[:4]) == ("apt-get update", ["apt-get", "install", "--yes", "--no-remove"])
    names = [Path(word).name for word in command.split()[4:]]
    manifest = Manifest.from_bytes((site / MANIFEST).read_bytes())
    digests = {one.name: one.sha256 for one in manifest.packages}
    assert {name: files.sha256_of(tmp_path / name) for name in names} == {name: digests[name] for name in names}
    wanted = {"kubelet", "kubeadm", "kubectl", "kubernetes-cni", "cri-tools", "kubernetes-node",
              "kubernetes-control-plane", "kubernetes-runtime-containerd"}  # fmt: skip
    assert {name.partition("_")[0] for name in names} - {"kubernetes-containerd"} == wanted
    assert "imageRepository: registry.k8s.io\n" in done.stdout
    assert not list(tmp_path.glob("tmp.*")), "its downloads are left behind"


def test_a_node_gets_no_kubectl_and_a_dry_run_changes_nothing(install: Installer, tmp_path: Path) -> None:
    done = install("--dry-run")
    assert done.returncode == 0, done.stderr
    assert "kubelet_1.36.4-1_amd64.deb  " in done.stdout
    assert "kubectl" not in done.stdout
    assert not told(tmp_path)
    assert not (tmp_path / "state").exists()


def test_a_system_with_dnf_gets_rpms(install: Installer, machine: Path, tmp_path: Path) -> None:
    (machine / "apt-get").rename(machine / "dnf")
    script(machine / "uname", "echo aarch64")
    done = install("--dry-run", "--role", "control-plane")
    assert "has no rpm of kubelet for aarch64; it is for amd64" not in done.stderr
    assert "has no rpm of kubelet for arm64; it is for amd64" in done.stderr
    script(machine / "uname", "echo x86_64")
    assert install().returncode == 0
    assert "kubelet-1.36.4-1.x86_64.rpm" in told(tmp_path)


def other_bytes(site: Path, path: str, change: Callable[[bytes], bytes]) -> None:
    """Change a file of the site; its bytes may be shared with another name, so it is made anew."""
    data = change((site / path).read_bytes())
    (site / path).unlink()
    (site / path).write_bytes(data)


def another_document(site: Path, _keys: Keys) -> None:
    """A channel's record, well signed by the same key, in the place of the index."""
    copy = layout.channel_copy(CHANNEL, 1)
    for source, target in ((copy, layout.INDEX), (f"{copy}.asc", f"{layout.index_copy(1)}.asc")):
        other_bytes(site, target, lambda _, source=source: (site / source).read_bytes())  # type: ignore[misc]


DAMAGE: dict[str, tuple[Callable[[Path, Keys], object], str]] = {
    "index": (
        lambda site, _: other_bytes(site, layout.INDEX, lambda data: data.replace(b"current", b"curreNt")),
        "releases/index.json: its signature is not good",
    ),
    "index-unsigned": (
        lambda site, _: other_bytes(site, f"{layout.index_copy(1)}.asc", lambda _: b""),
        "releases/index.json: its signature is not good",
    ),
    "index-signed-twice": (
        lambda site, _: other_bytes(site, f"{layout.index_copy(1)}.asc", lambda data: data + data),
        "releases/index.json: its signature is not good",
    ),
    "another-document": (another_document, "signed, but no index"),
    "index-is-a-page": (
        lambda site, _: other_bytes(site, layout.INDEX, lambda _: b"<html>"),
        "releases/index.json: not JSON",
    ),
    "number-leads-out": (
        lambda site, _: other_bytes(site, layout.INDEX, lambda _: b'{"sequence": "../1"}'),
        "releases/index.json: has no number",
    ),
    "manifest": (
        lambda site, _: other_bytes(site, MANIFEST, lambda data: data + b" "),
        f"{MANIFEST}: is not what the signed index",
    ),
    "deb-of-the-same-size": (
        lambda site, _: other_bytes(site, KUBELET, lambda data: data[:-1] + bytes([data[-1] ^ 1])),
        f"{KUBELET}: is not what the signed index and its manifest promise",
    ),
    "deb-cut-short": (
        lambda site, _: other_bytes(site, KUBELET, lambda data: data[:-1]),
        f"{KUBELET}: has not the ",
    ),
    "deb-too-long": (
        lambda site, _: other_bytes(site, KUBELET, lambda data: data + b"x"),
        "Maximum file size exceeded",
    ),
    "deb-gone": (lambda site, _: (site / KUBELET).unlink(), f"{KUBELET}: cannot be had"),
    "yanked": (
        lambda site, keys: publish_index(site, keys, sequence=2, status="yanked"),
        f"channel {CHANNEL}: no release that is not withdrawn",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_what_cannot_be_vouched_for_is_refused_before_anything_changes(
    install: Installer, site: Path, keys: Keys, tmp_path: Path, damage: Callable[[Path, Keys], object], message: str
) -> None:
    damage(site, keys)
    done = install()
    assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    assert not told(tmp_path)
    assert not list(tmp_path.glob("tmp.*"))


def test_another_fingerprint_is_refused_with_the_one_that_signed(
    install: Installer, keys: Keys, tmp_path: Path
) -> None:
    done = install("--fingerprint", "0" * 40)
    assert done.returncode == 1
    assert f"signed by {keys.repo.fingerprint}, not by the key that you trust" in done.stderr
    assert not told(tmp_path)


def test_a_development_key_must_be_allowed(machine: Path, url: str, keys: Keys, tmp_path: Path) -> None:
    argv = ["sh", str(INSTALLER), "--site", url, "--fingerprint", keys.repo.fingerprint, "--channel", CHANNEL]
    done = subprocess.run(
        [*argv, "--dry-run"],
        env={"PATH": str(machine), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "signed by a development key" in done.stderr


def test_an_older_index_than_was_seen_is_refused(install: Installer, site: Path, keys: Keys, tmp_path: Path) -> None:
    shutil.copytree(site, tmp_path / "old")
    publish_index(site, keys, sequence=2)
    assert install().returncode == 0
    shutil.copy(tmp_path / "old" / layout.INDEX, site / layout.INDEX)
    (tmp_path / "told").unlink()
    done = install()
    assert done.returncode == 1
    assert "is number 1, but number 2 was seen before" in done.stderr
    assert str(tmp_path / "state" / keys.repo.fingerprint) in done.stderr
    assert not told(tmp_path)


def test_a_machine_that_no_package_is_for_is_named(install: Installer, machine: Path) -> None:
    script(machine / "uname", "echo riscv64")
    done = install()
    assert done.returncode == 1
    assert "v1.36.4-1: has no deb of kubelet for riscv64; it is for amd64" in done.stderr


@pytest.mark.parametrize("right", [True, False], ids=["right", "moved"])
def test_an_image_that_is_not_the_manifests_is_removed(
    install: Installer, machine: Path, site: Path, tmp_path: Path, right: bool
) -> None:
    images = json.loads((site / MANIFEST).read_text())["images"]
    pause = next(one for one in images if one["name"] == "pause")
    digests = [f"x@{one['index']}" for one in images] if right else ["x@sha256:0"]
    text = json.dumps({"status": {"repoDigests": digests}})
    script(machine / "crictl", f"echo \"crictl $*\" >> {tmp_path}/told; case $1 in inspecti) echo '{text}' ;; esac")
    done = install("--pull")
    assert (done.returncode, f"  {pause['reference']}  {pause['index']}\n" in done.stdout) == (int(not right), right)
    assert (f"crictl rmi {pause['reference']}\n" in told(tmp_path)) is not right
    assert (f"{pause['reference']}: is not {pause['index']}" in done.stderr) is not right


def test_a_package_manager_that_fails_ends_it(install: Installer, machine: Path) -> None:
    script(machine / "apt-get", 'test "$1" != update')
    done = install("--pull")
    assert (done.returncode, "crictl" in done.stderr) == (1, False)


def test_a_channel_without_releases_is_named_with_those_that_have_some(install: Installer) -> None:
    done = install("--channel", "stable-1.12")
    assert done.returncode == 1
    assert "channel stable-1.12: no release" in done.stderr
    assert "latest, stable, stable-1.36" in done.stderr


def test_a_missing_program_is_named_with_its_package(install: Installer, machine: Path) -> None:
    (machine / "jq").unlink()
    done = install()
    assert (done.returncode, "jq is missing: apt-get install curl gpgv jq" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--role", "boss"], "--role boss: the roles are node and control-plane"),
        (["--fingerprint", "B0E8071BCEABDE0"], "has 15 digits of 40"),
        (["--fingerprint", "the one of last year"], "not hexadecimal"),
        (["--channel", ""], "channel is missing"),
        (["--what"], "unknown argument --what"),
    ],
    ids=["role", "short", "words", "empty", "unknown"],
)  # fmt: skip
def test_bad_usage_is_explained(install: Installer, words: list[str], message: str) -> None:
    done = install(*words)
    assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_it_reads_the_index_the_manifest_and_what_they_name(
    machine: Path, site: Path, keys: Keys, released: Settings, tmp_path: Path
) -> None:
    script(
        machine / "curl", f'for last; do :; done; echo "$last" >> {tmp_path}/asked; exec {shutil.which("curl")} "$@"'
    )
    words = [
        "--site",
        f"file://{site}",
        "--fingerprint",
        keys.repo.fingerprint,
        "--channel",
        CHANNEL,
        "--allow-development",
    ]
    argv = ["sh", str(INSTALLER), *words, "--state", str(tmp_path / "state")]
    subprocess.run(argv, env=os.environ | {"PATH": str(machine)}, capture_output=True, check=True)
    asked = [line.removeprefix(f"file://{site}/") for line in (tmp_path / "asked").read_text().splitlines()]
    assert asked[:4] == ["keys/kubewright.gpg", layout.INDEX, f"{layout.index_copy(1)}.asc", MANIFEST]
    assert set(asked[4:]) < {one["url"] for one in json.loads((site / MANIFEST).read_text())["packages"]}
