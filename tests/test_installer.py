"""docs/install.sh against a real site over HTTP with real curl, gpgv and jq; just the package
manager is a stand-in.
"""

import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread

import pysequoia
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from installer_machine import DEBIAN, ROCKY, Shells, debian, every_shell, script, told

from kubewright import files
from kubewright.cli.shipped import shipped
from kubewright.clients.server import serve
from kubewright.models.base import DAY
from kubewright.models.manifest import Manifest
from kubewright.models.site import Index
from kubewright.resolution.distribution_names import distribution
from kubewright.settings import Settings
from kubewright.signing import openpgp
from kubewright.signing.keys import initialise, repo_key
from kubewright.signing.roles import Keys, RepoKey
from kubewright.site import layout

CHANNEL = "stable-1.36"
NOW = 1_790_000_000
MANIFEST = "releases/v1.36.4-1/manifest.json"
KUBELET = "apt/pool/main/k/kubelet/kubelet_1.36.4-1_amd64.deb"
Installer = Callable[..., subprocess.CompletedProcess[str]]
Gpg = Callable[..., str]


@pytest.fixture
def machine(tool: Callable[[str], Path], tmp_path: Path) -> Path:
    """A Debian that checks sites by their fingerprint."""
    return debian(tmp_path, tool, "gpgv")


@pytest.fixture
def shells(tool: Callable[[str], Path]) -> Shells:
    """The words that run a script in each shell that systems have as sh."""
    return every_shell(tool)


@pytest.fixture
def url(request: pytest.FixtureRequest, released: Settings) -> Iterator[str]:
    """Where the site is served: the copy of tests that damage it, else the one of all tests."""
    copied = "site" in request.fixturenames
    with serve(request.getfixturevalue("site") if copied else Path(released.site)) as address:
        yield address


@pytest.fixture
def install(machine: Path, url: str, keys: Keys, tmp_path: Path) -> Installer:
    """Run the installer for the channel; words that are given come later and win."""

    def run(
        *words: str, shell: Sequence[str | Path] = ("sh",), more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        given = ["--site", url, "--fingerprint", keys.repo.fingerprint, "--channel", CHANNEL]
        argv = [
            *shell,
            tmp_path / "install.sh",
            *given,
            "--state",
            tmp_path / "state",
            "--allow-development",
            *words,
        ]
        environment = {"PATH": str(machine), "TMPDIR": str(tmp_path), **(more or {})}
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)

    return run


def publish_index(site: Path, keys: Keys, *, sequence: int, **changes: object) -> None:
    """Replace the index by the next, with that number, whose releases have these changes, and sign
    it.
    """
    old = (site / layout.INDEX).read_bytes()
    index = Index.from_bytes(old)
    releases = tuple(one.model_copy(update=changes) for one in index.releases)
    facts = {"sequence": sequence, "parent": files.sha256(old), "releases": releases}
    put_index(site, keys, index.model_copy(update=facts))


def put_index(site: Path, keys: Keys, index: Index, *more: RepoKey) -> None:
    """Put an index, its copy and the signature, in one block with those of more keys."""
    data = index.to_bytes()
    copy = site / layout.index_copy(index.sequence, files.sha256(data))
    for path in (site / layout.INDEX, copy):
        path.unlink(missing_ok=True)
        path.write_bytes(data)
    moment = keys.moment(index.issued)
    made = [key.detached(data, moment) for key in (*more, keys.repo)]
    text = openpgp.armored("SIGNATURE", b"".join(made))
    copy.with_name(f"{copy.name}.asc").write_bytes(text)


def site_id(site: Path) -> str:
    """The id of a site."""
    return str(json.loads((site / layout.INDEX).read_text())["site"])


def signature_of(site: Path) -> str:
    """Where the signature of the index lies."""
    data = (site / layout.INDEX).read_bytes()
    return f"{layout.index_copy(json.loads(data)['sequence'], files.sha256(data))}.asc"


@pytest.mark.parametrize("shell", ["dash", "busybox", "bash"])
def test_a_control_plane_gets_what_the_manifest_has_for_it(
    install: Installer, tool: Callable[[str], Path], site: Path, tmp_path: Path, shell: str
) -> None:
    done = install(
        "--role", "control-plane", shell=[tool(shell), *(["sh"] if shell == "busybox" else [])]
    )
    assert done.returncode == 0, done.stderr
    update, command = told(tmp_path).splitlines()
    words = command.split()
    assert (update, words[:3]) == ("apt-get update", ["apt-get", "install", "--no-remove"])
    names = [Path(word).name for word in words if word.startswith("/")]
    manifest = Manifest.from_bytes((site / MANIFEST).read_bytes())
    digests = {one.name: one.sha256 for one in manifest.packages}
    assert {name: files.sha256_of(tmp_path / name) for name in names} == {
        name: digests[name] for name in names
    }
    wanted = {"kubelet", "kubeadm", "kubectl", "kubernetes-cni", "cri-tools", "kubernetes-node",
              "kubernetes-control-plane", "kubernetes-runtime-containerd"}  # fmt: skip
    assert {name.partition("_")[0] for name in names} == wanted | {"kubernetes-containerd"}
    assert "imageRepository: registry.k8s.io\n" in done.stdout
    assert not list(tmp_path.glob("tmp.*")), "its downloads are left behind"


def test_a_node_gets_no_kubectl_and_a_dry_run_changes_nothing(
    install: Installer, tmp_path: Path
) -> None:
    done = install("--dry-run")
    assert done.returncode == 0, done.stderr
    assert "kubelet_1.36.4-1_amd64.deb  " in done.stdout
    assert "kubectl" not in done.stdout
    assert not told(tmp_path)
    assert not (tmp_path / "state").exists()


def test_a_system_of_fedoras_kin_gets_rpms(
    install: Installer, machine: Path, tmp_path: Path
) -> None:
    shutil.copy(machine / "apt-get", machine / "dnf")
    (tmp_path / "os-release").write_text(ROCKY)
    done = install()
    assert done.returncode == 0, done.stderr
    assert "v1.36.4-1 for node on rhel-9 amd64, " in done.stdout
    assert told(tmp_path).startswith("dnf install --assumeyes ")
    assert "kubelet-1.36.4-1.x86_64.rpm" in told(tmp_path)
    assert "kubernetes-containerd-" in told(tmp_path)
    script(machine / "rpm", "echo aarch64")
    done = install("--dry-run", "--role", "control-plane")
    assert "-1.36.4-1.aarch64.rpm" in done.stdout or "for arm64; it is for amd64" in done.stderr


SYSTEMS = {
    "debian-12": DEBIAN,
    "debian-13": "ID=debian\nVERSION_ID=13\n",
    "ubuntu-22.04": "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=22.04\n",
    "ubuntu-24.04": "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=24.04\n",
    "ubuntu-26.04": "ID=ubuntu\nID_LIKE=debian\nVERSION_ID=26.04\n",
    "fedora-43": "ID=fedora\nVERSION_ID=43\n",
    "fedora-44": "ID=fedora\nVERSION_ID=44\n",
    "rhel-8": "ID=almalinux\nID_LIKE='rhel centos fedora'\nVERSION_ID=8.10\n",
    "rhel-9": ROCKY,
    "rhel-10": "ID=rhel\nID_LIKE=fedora\nVERSION_ID=10.1\n",
    "opensuse-leap-16.0": "ID=opensuse-leap\nID_LIKE='suse opensuse'\nVERSION_ID=16.0\n",
    "opensuse-tumbleweed": "ID=opensuse-tumbleweed\nID_LIKE='opensuse suse'\nVERSION_ID=20261101\n",
    "amazon-2023": "ID=amzn\nID_LIKE=fedora\nVERSION_ID=2023\n",
}
"""What /etc/os-release says of each distribution of `recipes/distros.toml`, or of a rebuild of
it.
"""


OTHERS = {
    "centos": ("ID=centos\nID_LIKE='rhel fedora'\nVERSION_ID=10\n", "rhel-10 rpm dnf"),
    "oracle": ("ID=ol\nID_LIKE=fedora\nVERSION_ID=9.6\n", "rhel-9 rpm dnf"),
    "oracle-alone": ("ID=ol\nVERSION_ID=8.10\n", "rhel-8 rpm dnf"),
    "amazon-as-rhel": (
        "ID=amzn\nID_LIKE='centos rhel fedora'\nVERSION_ID=2023\n",
        "amazon-2023 rpm dnf",
    ),
    "sles": ("ID=sles\nID_LIKE=suse\nVERSION_ID=15.7\n", "sles-15.7 rpm zypper"),
    "sles-alone": ("ID=sles\nVERSION_ID=16.0\n", "sles-16.0 rpm zypper"),
    "mint": ("ID=linuxmint\nID_LIKE='ubuntu debian'\nVERSION_ID=22\n", "linuxmint-22 deb apt-get"),
    "amazon-2": ("ID=amzn\nID_LIKE='centos rhel fedora'\nVERSION_ID=2\n", "past the end"),
    "microos": (
        "ID=opensuse-microos\nID_LIKE='suse opensuse opensuse-tumbleweed'\nVERSION_ID=20261101\n",
        "takes packages by transactional-update alone",
    ),
    "sle-micro": ("ID=sle-micro\nID_LIKE=suse\nVERSION_ID=5.5\n", "transactional-update alone"),
    "photon": ("ID=photon\nVERSION_ID=5.0\n", "nobody has tried it"),
    "azurelinux": ("ID=azurelinux\nVERSION_ID=3.0\n", "nobody has tried it"),
    "openeuler": ("ID=openEuler\nVERSION_ID=24.03\n", "nobody has tried it"),
    "deepin": ("ID=Deepin\nVERSION_ID=20.9\n", "nobody has tried it"),
}
"""Systems that have no line of their own in `recipes/distros.toml`, and what becomes of them."""

TODAY = "2026-11-29"
"""When the installer was last compared with the ends of support."""


@pytest.fixture
def taken_for(machine: Path, tmp_path: Path) -> Callable[[str], str]:
    """What the installer takes a system for, or why it refuses it."""
    for name in ("dnf", "zypper"):
        (machine / name).symlink_to("apt-get")
    start, _, _ = (tmp_path / "install.sh").read_text().partition("umask 022")
    (tmp_path / "start.sh").write_text(f'{start}echo "$system $format $manager"')

    def ask(release: str) -> str:
        (tmp_path / "os-release").write_text(release)
        argv = ["sh", str(tmp_path / "start.sh"), "--site", "x", "--channel", "x"]
        done = subprocess.run(
            [*argv, "--fingerprint", "0" * 40],
            env={"PATH": str(machine)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() or done.stderr.strip()

    return ask


def own_name(release: str) -> str:
    """What a system calls itself: its ID and version."""
    plain = release.replace("'", "").replace('"', "")
    fields = dict(line.split("=") for line in plain.splitlines())
    return f"{fields['ID']}-{fields['VERSION_ID']}"


def test_systems_are_called_what_the_manifest_calls_them(taken_for: Callable[[str], str]) -> None:
    known = shipped().distributions
    assert set(SYSTEMS) == set(known.distributions)
    managers = {"deb": "apt-get", "rpm": "dnf"}
    for name, text in SYSTEMS.items():
        facts = known.distributions[name]
        manager = "zypper" if "suse" in name else managers[facts.format]
        ended = facts.end_of_life is not None and facts.end_of_life < TODAY
        assert ("past the end of its support" in taken_for(text)) == ended
        assert ended or taken_for(text) == f"{name} {facts.format} {manager}"
        assert distribution(own_name(text), known) == name


def test_systems_that_are_past_their_end_are_refused(taken_for: Callable[[str], str]) -> None:
    ids = {"amazon": "amzn", "rhel": "rocky"}
    for key in shipped().distributions.past:
        base, _, version = key.rpartition("-")
        like = {"rhel": "rhel fedora", "ubuntu": "debian", "opensuse-leap": "suse"}.get(base, "")
        text = f"ID={ids.get(base, base)}\nID_LIKE='{like}'\nVERSION_ID={version}\n"
        assert "past the end of its support" in taken_for(text), key


LIKE_UBUNTU = "ID=linuxmint\nID_LIKE='ubuntu debian'\nVERSION_ID=0\nUBUNTU_CODENAME="
LIKE_DEBIAN = "ID=linuxmint\nID_LIKE=debian\nVERSION_ID=0\nDEBIAN_CODENAME="


def test_what_is_made_from_a_system_past_its_end_is_refused_like_it(
    taken_for: Callable[[str], str],
) -> None:
    known = shipped().distributions
    for codename, key in known.past_codenames.items():
        start = LIKE_UBUNTU if key.startswith("ubuntu") else LIKE_DEBIAN
        said = taken_for(f"{start}{codename}\n")
        assert f"linuxmint-0: it is made from {codename}, which is past the end" in said
    for key, facts in known.distributions.items():
        if facts.codename:
            start = LIKE_UBUNTU if key.startswith("ubuntu") else LIKE_DEBIAN
            assert taken_for(f"{start}{facts.codename}\n") == "linuxmint-0 deb apt-get"


@pytest.mark.parametrize(
    ("reader", "reads"),
    [
        ("1.20.13", False),
        ("1.21.9", False),
        ("1.21.9+b1", False),
        ("1.21.17", False),
        ("1.21.18", True),
        ("1.22.22", True),
        ("1.19.7ubuntu3.2", True),
        ("1.21.1ubuntu2.3", True),
    ],
)
def test_a_dpkg_that_cannot_read_the_packages_is_refused_whatever_the_system_is_called(
    taken_for: Callable[[str], str], tmp_path: Path, reader: str, reads: bool
) -> None:
    (tmp_path / "reader").write_text(f"{reader}\n")
    said = taken_for("ID=devuan\nID_LIKE=debian\nVERSION_ID=4\n")
    refused = f"install.sh: devuan-4: its dpkg {reader} cannot read these packages; upgrade the"
    assert said.startswith("devuan-4 deb apt-get" if reads else refused)


@pytest.mark.parametrize(("release", "said"), OTHERS.values(), ids=list(OTHERS))
def test_what_is_of_kin_is_taken_for_it_and_the_rest_refused_in_true_words(
    taken_for: Callable[[str], str], release: str, said: str
) -> None:
    assert said in taken_for(release)
    known, system = shipped().distributions, said.partition(" ")[0]
    if system in known.distributions:
        assert distribution(own_name(release), known) == system


def test_a_system_of_suses_kin_gets_rpms_by_zypper(
    install: Installer, machine: Path, tmp_path: Path
) -> None:
    shutil.copy(machine / "apt-get", machine / "zypper")
    (tmp_path / "os-release").write_text(SYSTEMS["opensuse-leap-16.0"])
    done = install()
    assert done.returncode == 0, done.stderr
    assert told(tmp_path).startswith("zypper --non-interactive --no-gpg-checks install ")
    assert "kubelet-1.36.4-1.x86_64.rpm" in told(tmp_path)


@pytest.mark.parametrize(
    ("system", "message"),
    [
        ("ID=gentoo\n", "gentoo : does not say that it is like Debian, Fedora, RHEL or SUSE"),
        ("ID=fedora\n", "dnf is missing, which installs the packages of fedora-"),
        (None, "/etc/os-release: cannot be read"),
    ],
    ids=["stranger", "without-dnf", "unknown"],
)
def test_a_system_whose_packages_there_are_not_is_named(
    install: Installer, machine: Path, tmp_path: Path, system: str | None, message: str
) -> None:
    (tmp_path / "os-release").unlink()
    if system is not None:
        (tmp_path / "os-release").write_text(system)
    done = install()
    assert (done.returncode, message in done.stderr) == (1, True), done.stderr
    assert not told(tmp_path)


def other_bytes(site: Path, path: str, change: Callable[[bytes], bytes]) -> None:
    """Change a file of the site; its bytes may be shared with another name, so it is made anew."""
    data = change((site / path).read_bytes())
    (site / path).unlink()
    (site / path).write_bytes(data)


def another_document(site: Path, _keys: Keys) -> None:
    """A channel's record, well signed by the same key, in the place of the index."""
    record = (site / layout.channel_path(CHANNEL)).read_bytes()
    digest = files.sha256(record)
    signature = (site / f"{layout.channel_copy(CHANNEL, 1, digest)}.asc").read_bytes()
    other_bytes(site, layout.INDEX, lambda _: record)
    (site / f"{layout.index_copy(1, digest)}.asc").write_bytes(signature)


DAMAGE: dict[str, tuple[Callable[[Path, Keys], object], str]] = {
    "index": (
        lambda site, _: other_bytes(
            site, layout.INDEX, lambda data: data.replace(b"current", b"curreNt")
        ),
        "releases/index.json: has no signature, so it was changed",
    ),
    "index-unsigned": (
        lambda site, _: other_bytes(site, signature_of(site), lambda _: b""),
        "releases/index.json: its signature is not good",
    ),
    "index-signed-twice": (
        lambda site, _: other_bytes(site, signature_of(site), lambda data: data + data),
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
        f"{KUBELET}: is not what the signed index and its manifest promise",
    ),
    "deb-too-long": (
        lambda site, _: other_bytes(site, KUBELET, lambda data: data + b"x"),
        f"{KUBELET}: has more than the ",
    ),
    "deb-gone": (lambda site, _: (site / KUBELET).unlink(), f"{KUBELET}: cannot be had"),
    "yanked": (
        lambda site, keys: publish_index(site, keys, sequence=2, status="yanked"),
        f"channel {CHANNEL}: no advisable release that is not withdrawn",
    ),
    "never-signed": (
        lambda site, _: (site / signature_of(site)).unlink(),
        "releases/index.json: has no signature, so it was changed",
    ),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_what_cannot_be_vouched_for_is_refused_before_anything_changes(
    install: Installer,
    site: Path,
    keys: Keys,
    tmp_path: Path,
    damage: Callable[[Path, Keys], object],
    message: str,
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


def test_a_development_key_must_be_allowed(
    machine: Path, url: str, keys: Keys, tmp_path: Path
) -> None:
    argv = [
        "sh",
        str(tmp_path / "install.sh"),
        "--site",
        url,
        "--fingerprint",
        keys.repo.fingerprint,
        "--channel",
        CHANNEL,
    ]
    done = subprocess.run(
        [*argv, "--dry-run"],
        env={"PATH": str(machine), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "signed by a development key" in done.stderr


class Endless(BaseHTTPRequestHandler):
    """Answers with chunks for as long as somebody reads, and so with no Content-Length."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with suppress(OSError):
            while True:
                self.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_an_answer_without_an_end_is_cut_off(
    install: Installer, shells: Shells, tmp_path: Path
) -> None:
    with HTTPServer(("127.0.0.1", 0), Endless) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        runs = [
            install("--site", f"http://127.0.0.1:{server.server_address[1]}", shell=shell)
            for shell in shells
        ]
        server.shutdown()
        thread.join()
    assert [done.returncode for done in runs] == [1, 1, 1]
    assert all(
        "keys/kubewright.gpg: has more than the 1000000 bytes" in done.stderr for done in runs
    )
    assert not list(tmp_path.glob("tmp.*"))


def test_a_file_that_curl_did_not_get_to_its_end_is_refused(
    install: Installer, machine: Path, shells: Shells
) -> None:
    script(machine / "curl", "echo part; exit 18")
    for shell in shells:
        done = install(shell=shell)
        assert (done.returncode, "keys/kubewright.gpg: cannot be had" in done.stderr) == (
            1,
            True,
        ), done.stderr


def test_nobody_else_can_write_where_it_works(
    install: Installer, machine: Path, tmp_path: Path
) -> None:
    look = f'/bin/ls -ld "${{word%/*}}" "$word" >{tmp_path}/modes'
    script(machine / "apt-get", f"for word; do case $word in /*) {look} ;; esac; done")
    before = os.umask(0)
    try:
        assert install().returncode == 0
    finally:
        os.umask(before)
    modes = [line.split()[0][:10] for line in (tmp_path / "modes").read_text().splitlines()]
    assert sorted(modes) == ["-rw-r--r--", "drwx--x--x"]


def test_an_index_whose_signature_comes_a_moment_later_is_read_again(
    install: Installer, machine: Path, site: Path, keys: Keys, tmp_path: Path
) -> None:
    publish_index(site, keys, sequence=2)
    signature = site / signature_of(site)
    signature.rename(tmp_path / "later")
    script(
        machine / "sleep",
        f'/bin/mv {tmp_path}/later {signature}; echo "slept $1" >>{tmp_path}/told',
    )
    done = install()
    assert done.returncode == 0, done.stderr
    assert told(tmp_path).count("slept 1\n") == 1
    assert "from index number 2 of " in done.stdout


def test_an_older_index_than_was_seen_is_refused(
    install: Installer, site: Path, keys: Keys, tmp_path: Path
) -> None:
    shutil.copytree(site, tmp_path / "old")
    publish_index(site, keys, sequence=2)
    first, second = install(), install()
    assert (first.returncode, second.returncode) == (0, 0), first.stderr
    assert "is the first index seen here" in first.stderr
    assert "is the first index seen here" not in second.stderr
    shutil.copy(tmp_path / "old" / layout.INDEX, site / layout.INDEX)
    (tmp_path / "told").unlink()
    done = install()
    assert done.returncode == 1
    assert "is number 1 of 2026-09-21, but number 2 was seen" in done.stderr
    assert str(tmp_path / "state" / site_id(site)) in done.stderr
    assert not told(tmp_path)


def test_a_first_run_can_be_told_what_is_too_old(install: Installer, tmp_path: Path) -> None:
    done = install("--not-before", "2")
    assert done.returncode == 1
    assert "releases/index.json: is number 1 of 2026-09-21, before 2" in done.stderr
    assert not (tmp_path / "state").exists()
    done = install("--not-before", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert "from index number 1 of 2026-09-21, signed by " in done.stdout


@pytest.mark.parametrize(
    "text", ["", "3 4", "x\n", f"1 {'0' * 64}\n2\n", f"-1 {'0' * 64}\n", f"{'9' * 30} {'0' * 64}\n"]
)
def test_a_damaged_memory_is_named(
    install: Installer, site: Path, shells: Shells, tmp_path: Path, text: str
) -> None:
    memory = tmp_path / "state" / site_id(site)
    memory.parent.mkdir()
    memory.write_text(text)
    for shell in shells:
        done = install(shell=shell)
        assert done.returncode == 1
        assert f"{memory}: damaged; remove it and give --not-before once" in done.stderr
    assert (memory.read_text(), told(tmp_path)) == (text, "")


def test_a_release_to_be_avoided_must_be_named(install: Installer, site: Path, keys: Keys) -> None:
    publish_index(site, keys, sequence=2, avoid="its kubelet forgets Pods")
    done = install()
    assert (done.returncode, "no advisable release" in done.stderr) == (1, True), done.stderr
    done = install("--release", "v1.36.4-1")
    assert (
        done.returncode,
        "v1.36.4-1: to be avoided: its kubelet forgets Pods\n" in done.stderr,
    ) == (0, True)
    publish_index(site, keys, sequence=3, status="yanked")
    done = install("--release", "v1.36.4-1")
    assert (done.returncode, f"channel {CHANNEL}: no v1.36.4-1 that is not" in done.stderr) == (
        1,
        True,
    ), done.stderr


def test_a_machine_that_no_package_is_for_is_named(install: Installer, machine: Path) -> None:
    script(machine / "dpkg-query", "echo armhf")
    done = install()
    assert done.returncode == 1
    assert "for armhf; it is for amd64" in done.stderr


def test_apt_is_given_our_containerd_only_to_choose_from(
    install: Installer, tmp_path: Path
) -> None:
    assert install().returncode == 0
    *_, option, path = told(tmp_path).split()
    assert (option, Path(path).name.partition("_")[0]) == ("--with-source", "kubernetes-containerd")
    (tmp_path / "os-release").write_text(SYSTEMS["ubuntu-24.04"])  # its own fits
    done = install("--dry-run")
    assert (done.returncode, "kubernetes-containerd" in done.stdout) == (0, False), done.stderr


def test_only_what_another_containerd_replaces_is_removed_and_said(
    install: Installer, tmp_path: Path
) -> None:
    (tmp_path / "removals").write_text(
        "Remv containerd [1.6.20~ds1-1+b1]\nInst kubelet (1.36.4-1 local)\nRemv runc [1.1.5]\n"
    )
    done = install()
    assert done.returncode == 0, done.stderr
    assert "containerd is removed: another" in done.stdout
    assert "runc is removed: another" in done.stdout
    assert "--no-remove" not in told(tmp_path)
    (tmp_path / "told").unlink()
    (tmp_path / "removals").write_text(
        "Remv docker-ce [5:29.8.1-1] \nRemv containerd.io [1.7.29-1]\n"
    )
    done = install()
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "docker-ce")
    assert (
        "apt-get would remove these packages: remove them yourself, or see --runtime" in done.stderr
    )
    assert told(tmp_path) == "apt-get update\n"


def test_apt_asks_nobody_and_waits_for_its_lock(install: Installer, tmp_path: Path) -> None:
    assert install().returncode == 0
    keep = "-o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold"
    assert f"{keep} -o DPkg::Lock::Timeout=300 -y" in told(tmp_path)


def test_dnf_is_not_given_ours_where_there_is_one(
    install: Installer, machine: Path, tmp_path: Path
) -> None:
    shutil.copy(machine / "apt-get", machine / "dnf")
    (tmp_path / "os-release").write_text(ROCKY)
    (tmp_path / "has").write_text("containerd.io 2.3.5\n")
    done = install()
    assert done.returncode == 0, done.stderr
    assert "kubernetes-runtime-containerd" in told(tmp_path)
    assert "kubernetes-containerd" not in told(tmp_path)


def test_docker_comes_with_its_adapter_and_pulls_images_itself(
    install: Installer, machine: Path, site: Path, tmp_path: Path
) -> None:
    note(machine, "docker")
    done = install("--runtime", "docker", "--pull")
    assert done.returncode == 0, done.stderr
    _, command, *pulled = told(tmp_path).splitlines()
    names = {Path(word).name.partition("_")[0] for word in command.split() if word.startswith("/")}
    assert {"cri-dockerd", "kubernetes-runtime-docker"} < names
    assert not {
        name for name in names if name.endswith("containerd") or name == "kubernetes-docker"
    }
    pause = next(
        one for one in json.loads((site / MANIFEST).read_text())["images"] if one["name"] == "pause"
    )
    exact = f"{pause['reference'].rpartition(':')[0]}@{pause['index']}"
    assert pulled[:2] == [f"docker pull {exact}", f"docker tag {exact} {pause['reference']}"]


@pytest.mark.parametrize(
    ("kubelet", "code"), [("1.35.9-1", 1), ("1.37.0~rc.1-1", 1), ("1.36.2-1", 0)]
)
def test_a_kubelet_of_another_minor_is_not_the_first_to_be_upgraded(
    install: Installer, tmp_path: Path, kubelet: str, code: int
) -> None:
    (tmp_path / "has").write_text(f"kubelet {kubelet}\n")
    done = install("--dry-run")
    assert (done.returncode, f"kubelet {kubelet} is of another minor" in done.stderr) == (
        code,
        bool(code),
    ), done.stderr


def note(machine: Path, name: str, code: str = "") -> None:
    """Put a stand-in that notes what it is told and runs a little code."""
    script(machine / name, f'echo "{name} $*" >> "${{0%/bin/*}}/told"\n{code}')


def test_images_are_pulled_by_digest_and_get_the_tags_that_kubeadm_asks_for(
    install: Installer, machine: Path, site: Path, tmp_path: Path
) -> None:
    note(machine, "crictl")
    note(machine, "ctr")
    done = install("--pull")
    assert done.returncode == 0, done.stderr
    images = {one["name"]: one for one in json.loads((site / MANIFEST).read_text())["images"]}
    wanted, crictl = [], "crictl --runtime-endpoint unix:///run/containerd/containerd.sock"
    for one in (images["pause"], images["kube-proxy"], images["coredns"]):
        exact = f"{one['reference'].rpartition(':')[0]}@{one['index']}"
        wanted += [
            f"{crictl} pull {exact}",
            f"ctr --namespace k8s.io images tag --force {exact} {one['reference']}",
        ]
        assert f"  {one['reference']}  {one['index']}\n" in done.stdout
    assert told(tmp_path).splitlines()[2:] == wanted


@pytest.mark.parametrize(
    ("words", "pulled"),
    [([], False), (["--dry-run", "--pull"], False), (["--pull"], True)],
    ids=["without", "dry-run", "pulled"],
)
def test_images_that_were_not_pulled_are_said_to_come_by_tag(
    install: Installer, machine: Path, words: list[str], pulled: bool
) -> None:
    note(machine, "crictl")
    note(machine, "ctr")
    done = install(*words)
    assert (done.returncode, "Images come by tag" in done.stdout) == (0, not pulled), done.stderr


@pytest.mark.parametrize("command", ["update", "install"])
def test_a_package_manager_that_fails_ends_it(
    install: Installer, machine: Path, command: str
) -> None:
    script(machine / "apt-get", f'test "$1" != {command} || exit 100')
    done = install("--pull")
    assert (done.returncode, "apt-get failed" in done.stderr, "crictl" in done.stderr) == (
        1,
        True,
        False,
    )


@pytest.mark.parametrize(
    ("program", "found"), [("crictl", "cannot be pulled"), ("ctr", "cannot be tagged; ctr says")]
)
def test_an_image_that_cannot_be_had_is_named(
    install: Installer, machine: Path, program: str, found: str
) -> None:
    note(machine, "crictl")
    note(machine, "ctr")
    script(machine / program, "exit 7")
    done = install("--pull")
    assert (done.returncode, "/pause" in done.stderr, found in done.stderr) == (1, True, True), (
        done.stderr
    )


def test_a_channel_without_releases_is_named_with_those_that_have_some(install: Installer) -> None:
    done = install("--channel", "stable-1.12")
    assert done.returncode == 1
    assert "channel stable-1.12: no advisable release" in done.stderr
    assert "latest, stable, stable-1.36" in done.stderr


def test_a_missing_program_is_named_with_its_package(install: Installer, machine: Path) -> None:
    (machine / "jq").unlink()
    done = install()
    assert (done.returncode, "jq is missing: apt-get install curl gpgv jq" in done.stderr) == (
        1,
        True,
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--role", "boss"], "--role boss: the roles are node and control-plane"),
        (["--runtime", "podman"], "--runtime podman: the runtimes are containerd and docker"),
        (["--fingerprint", "B0E8071BCEABDE0"], "has 15 digits of 40"),
        (["--fingerprint", "the one of last year"], "not hexadecimal"),
        (["--channel", ""], "channel is missing"),
        (["--state"], "value of --state is missing"),
        (
            ["--not-before", "soon"],
            "--not-before soon: is no day like 2026-11-29, nor the number of an index",
        ),
        (["--what"], "unknown argument --what"),
    ],
    ids=["role", "runtime", "short", "words", "empty", "nothing", "number", "unknown"],
)
def test_bad_usage_is_explained(
    install: Installer, shells: Shells, words: list[str], message: str
) -> None:
    for shell in shells:
        done = install(*words, shell=shell)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr


def test_it_reads_the_index_the_manifest_and_what_they_name(
    machine: Path, site: Path, keys: Keys, released: Settings, tmp_path: Path
) -> None:
    script(
        machine / "curl",
        f'for last; do :; done; echo "$last" >> {tmp_path}/asked; echo "$*" > {tmp_path}/words\n'
        f'exec {shutil.which("curl")} "$@"',
    )
    words = [
        "--site",
        f"file://{site}/",
        "--fingerprint",
        keys.repo.fingerprint,
        "--channel",
        CHANNEL,
        "--allow-development",
    ]
    argv = ["sh", str(tmp_path / "install.sh"), *words, "--state", str(tmp_path / "state")]
    subprocess.run(argv, env=os.environ | {"PATH": str(machine)}, capture_output=True, check=True)
    asked = [
        line.removeprefix(f"file://{site}/")
        for line in (tmp_path / "asked").read_text().splitlines()
    ]
    assert asked[:4] == [
        "keys/kubewright.gpg",
        layout.INDEX,
        signature_of(site),
        MANIFEST,
    ]
    assert set(asked[4:]) < {
        one["url"] for one in json.loads((site / MANIFEST).read_text())["packages"]
    }
    patience = "--connect-timeout 20 --speed-limit 1000 --speed-time 30"
    assert patience in (tmp_path / "words").read_text(), (
        "a server that says nothing holds it for ever"
    )


# ── Whose signature it is, and of which index ────────────────────────────────────────────────

MADE = NOW - 100 * DAY
"""When the keys below are made; the index is signed at NOW."""


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RepoKey]:
    """Further keys: a new one, one that has expired since, and one that its owner has revoked."""
    found = {}
    for name, days in (("new", None), ("expired", 110), ("revoked", None)):
        paths = initialise(tmp_path_factory.mktemp(name), name, now=MADE, expires_days=days)
        found[name] = repo_key(f"file:{paths.repo_secret}", now=NOW)
        if name == "revoked":
            tsk = pysequoia.Tsk.from_file(str(paths.repo_secret))
            word = bytes(tsk.extract_certificate().revoke(tsk.certifier()))
            revoked = pysequoia.Cert.from_bytes(found[name].certificate + word)
            found["withdrawn"] = replace(found[name], certificate=bytes(revoked))
    return found


BLOCKS: dict[str, tuple[str, str, str, str]] = {
    "one": ("old", "old", "old", ""),
    "both, the client knows the old one": ("old new", "old", "old", ""),
    "both, the client knows the new one": ("old new", "new", "new", ""),
    "both, the other way round": ("new old", "old", "old", ""),
    "both are known, the old one is meant": ("old new", "old new", "old", ""),
    "both are known, the new one is meant": ("old new", "old new", "new", ""),
    "the same twice in a block": ("old old", "old", "old", ""),
    "the new one alone": ("new", "old new", "old", "not by the key that you trust"),
    "unknown": ("new", "old", "old", "its signature is not good"),
    "expired": ("expired", "expired", "expired", "its signature is not good"),
    "expired beside a good one": ("expired old", "expired old", "old", ""),
    "expired is meant": ("expired old", "expired old", "expired", "not by the key that you"),
    "revoked": ("revoked", "withdrawn", "revoked", "its signature is not good"),
    "revoked beside a good one": ("revoked old", "withdrawn old", "old", ""),
    "revoked is meant": ("old revoked", "withdrawn old", "revoked", "not by the key that you"),
    "forged": ("forged", "old", "old", "its signature is not good"),
    "forged beside a good one": ("old forged", "old", "old", "its signature is not good"),
    "nothing in it": ("", "old", "old", "its signature is not good"),
}
"""Who signs in one block, whose certificates the site shows, who is trusted, and what is said."""


@pytest.mark.parametrize("case", BLOCKS)
def test_one_good_signature_by_the_trusted_key_decides(
    install: Installer,
    site: Path,
    keys: Keys,
    others: dict[str, RepoKey],
    case: str,
    shells: Shells,
) -> None:
    signing, shown, meant, problem = BLOCKS[case]
    known = {**others, "old": keys.repo}
    index = (site / layout.INDEX).read_bytes()
    made = [
        keys.repo.detached(b"other bytes", NOW)
        if name == "forged"
        else known[name].detached(index, NOW)
        for name in signing.split()
    ]
    other_bytes(site, signature_of(site), lambda _: openpgp.armored("SIGNATURE", b"".join(made)))
    ring = b"".join(known[name].certificate for name in shown.split())
    other_bytes(site, layout.KEYRING, lambda _: ring)
    for shell in shells:
        done = install("--dry-run", "--fingerprint", known[meant].fingerprint, shell=shell)
        assert (done.returncode, problem in done.stderr) == (bool(problem), True), done.stderr
        signer = f"signed by {known[meant].fingerprint}:"
        assert (signer in done.stdout) == (not problem)


@pytest.mark.parametrize(
    ("words", "good"),
    [
        (["--digest-algo", "SHA512"], True),
        (["--digest-algo", "SHA256"], True),
        (["--digest-algo", "SHA1"], False),
        (["--digest-algo", "RIPEMD160"], False),
        (["--textmode"], False),
    ],
    ids=["sha512", "sha256", "sha1", "ripemd160", "text"],
)
def test_a_signature_over_a_weak_digest_is_refused(
    install: Installer, gpg: Gpg, site: Path, keys: Keys, tmp_path: Path, words: list[str],
    good: bool,
) -> None:  # fmt: skip
    secret = Path(os.environ["KUBEWRIGHT_DATA"], "development", "repo-key.asc")
    gpg("--import", str(secret))
    gpg("--armor", *words, "--output", str(tmp_path / "asc"), "--detach-sign",
        str(site / layout.INDEX))  # fmt: skip
    other_bytes(site, signature_of(site), lambda _: (tmp_path / "asc").read_bytes())
    done = install("--dry-run")
    assert done.returncode == (0 if good else 1), done.stderr
    assert good or "its signature is not good" in done.stderr


# ── Which site it is, and whether it follows what was seen ───────────────────────────────────


def present(site: Path) -> Index:
    """The index of a site."""
    return Index.from_bytes((site / layout.INDEX).read_bytes())


def another(where: Path, keys: Keys, **changes: object) -> None:
    """Put an index with changes, signed by the same key."""
    put_index(where, keys, present(where).model_copy(update=changes))


def copy_of(site: Path, number: int) -> Path:
    """The copy of the index with a number."""
    (path,) = site.glob(f"publications/index/{number}-*.json")
    return path


def three_more(site: Path, keys: Keys) -> None:
    for number in (2, 3, 4):
        publish_index(site, keys, sequence=number)


def fork_ahead(site: Path, keys: Keys) -> None:
    another(site, keys, issued=NOW - 5)
    three_more(site, keys)


def without(number: int) -> Callable[[Path, Keys], None]:
    def tamper(site: Path, keys: Keys) -> None:
        three_more(site, keys)
        copy_of(site, number).unlink()

    return tamper


def changed(number: int) -> Callable[[Path, Keys], None]:
    def tamper(site: Path, keys: Keys) -> None:
        three_more(site, keys)
        path = copy_of(site, number)
        path.write_bytes(path.read_bytes().replace(b'"sequence":', b'"sequence" :'))

    return tamper


FOLLOWS: dict[str, tuple[Callable[[Path, Keys], None], str]] = {
    "the same": (lambda site, keys: None, ""),
    "the next": (lambda site, keys: publish_index(site, keys, sequence=2), ""),
    "three more": (three_more, ""),
    "another of the same number": (
        lambda site, keys: another(site, keys, issued=NOW - 5),
        "its number 1 is not the one that was seen: the site is forked",
    ),
    "the next of another": (
        lambda site, keys: another(site, keys, sequence=2, parent="0" * 64),
        "its number 1 is not the one that was seen: the site is forked",
    ),
    "a fork that is ahead": (fork_ahead, "its number 1 is not the one that was seen"),
    "without a parent": (
        lambda site, keys: another(site, keys, sequence=2, parent=None),
        "has no history back to number 1, which was seen: it is forked",
    ),
    "a gap": (
        lambda site, keys: publish_index(site, keys, sequence=3),
        ".json: cannot be had, so nobody can tell whether number 3 follows number 1",
    ),
    "a copy is withheld": (without(2), "cannot be had, so nobody can tell whether number 4"),
    "a copy is changed": (changed(3), "is not what the signed index"),
    "another site": (
        lambda site, keys: another(site, keys, site="f" * 32, sequence=9),
        f"is of the site {'f' * 32}, but site ",
    ),
    "a site without an id": (
        lambda site, keys: another(site, keys, site="", sequence=9),
        "is of the site ",
    ),
    "an id that leads out": (
        lambda site, keys: another(site, keys, site="../../../../etc/x"),
        "is no id of a site",
    ),
}


@pytest.mark.parametrize("case", FOLLOWS)
def test_only_what_follows_the_index_that_was_seen_is_taken(
    install: Installer, site: Path, keys: Keys, tmp_path: Path, case: str
) -> None:
    assert install().returncode == 0
    memory = tmp_path / "state" / site_id(site)
    before = memory.read_text()
    assert before == f"1 {files.sha256((site / layout.INDEX).read_bytes())}\n"
    (tmp_path / "told").unlink()
    tamper, problem = FOLLOWS[case]
    tamper(site, keys)
    done = install()
    assert (done.returncode, problem in done.stderr) == (bool(problem), True), done.stderr
    if problem:
        assert (told(tmp_path), memory.read_text()) == ("", before)
    else:
        number = present(site).sequence
        digest = files.sha256((site / layout.INDEX).read_bytes())
        assert memory.read_text() == f"{number} {digest}\n"


def test_each_shell_walks_the_history(
    install: Installer, site: Path, keys: Keys, shells: Shells, tmp_path: Path
) -> None:
    assert install().returncode == 0
    three_more(site, keys)
    for shell in shells:
        done = install("--dry-run", shell=shell)
        assert done.returncode == 0, done.stderr
    fork_ahead(site, keys)
    for shell in shells:
        done = install("--dry-run", shell=shell)
        assert (done.returncode, "forked" in done.stderr) == (1, True), done.stderr


def test_sites_of_the_same_keys_are_remembered_apart(
    install: Installer, site: Path, keys: Keys, tmp_path: Path
) -> None:
    publish_index(site, keys, sequence=2)
    shutil.copytree(site, tmp_path / "staging")
    another(tmp_path / "staging", keys, site="f" * 32, sequence=1)
    assert install().returncode == 0
    with serve(tmp_path / "staging") as url:
        assert install("--site", url).returncode == 0
    assert install().returncode == 0
    names = {path.name for path in (tmp_path / "state").iterdir()}
    assert {site_id(site), "f" * 32} < names


@pytest.mark.parametrize(
    ("own", "asked", "good"),
    [
        ("", "", True),
        ("SITE", "", True),
        ("SITE/", "", True),
        ("https://staging.example.org", "", False),
        ("https://packages.example.org", "https://packages.example.org", True),
        ("https://packages.example.org", "https://packages.example.org/", True),
        ("https://staging.example.org", "https://packages.example.org", False),
        ("SITE/below", "", False),
    ],
)
def test_an_index_is_of_the_site_at_the_address_that_is_meant(
    install: Installer, site: Path, keys: Keys, url: str, own: str, asked: str, good: bool
) -> None:
    another(site, keys, url=own.replace("SITE", url))
    done = install("--dry-run", *(["--url", asked] if asked else []))
    assert done.returncode == (0 if good else 1), done.stderr
    assert good or f"is of the site at {own.replace('SITE', url)}, not at " in done.stderr


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--not-before", "2026-09-21"], ""),
        (["--not-before", "2026-09-22"], "is number 1 of 2026-09-21, before 2026-09-22"),
        (["--not-before", "2027-01-01"], "before 2027-01-01"),
        (["--not-before", "1999-12-31"], ""),
        (["--max-age", "99999"], ""),
        (["--max-age", "10"], "days old: the site is held back, or nobody publishes"),
    ],
)
def test_an_index_may_be_too_old(
    install: Installer, shells: Shells, words: list[str], problem: str
) -> None:
    for shell in shells:
        done = install("--dry-run", *words, shell=shell)
        assert (done.returncode, problem in done.stderr) == (bool(problem), True), done.stderr


@pytest.mark.parametrize(
    "words", [["--not-before", "2026-1-1"], ["--not-before", "1" * 10], ["--max-age", "1d"]]
)
def test_a_bound_that_is_none_is_bad_usage(install: Installer, words: list[str]) -> None:
    done = install(*words)
    assert (done.returncode, f"{words[0]} {words[1]}: is no" in done.stderr) == (2, True)


# ── Who may answer ───────────────────────────────────────────────────────────────────────────


def test_the_callers_curlrc_is_not_read(
    machine: Path, url: str, keys: Keys, tmp_path: Path
) -> None:
    (tmp_path / ".curlrc").write_text(
        f'proxy = "http://127.0.0.1:9"\noutput = "{tmp_path}/stolen"\ninsecure\n'
    )
    argv = ["sh", str(tmp_path / "install.sh"), "--site", url, "--channel", CHANNEL]
    done = subprocess.run(
        [*argv, "--fingerprint", keys.repo.fingerprint, "--dry-run", "--allow-development"],
        env={"PATH": str(machine), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "stolen").exists()


class Elsewhere(BaseHTTPRequestHandler):
    """Leads to another address."""

    target = ""

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", f"{self.target}{self.path}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def for_this_machine(tmp_path: Path) -> ssl.SSLContext:
    """A server's certificate for 127.0.0.1, which `tmp_path/ca.pem` vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
        )
        .sign(key, SHA256())
    )
    (tmp_path / "ca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "both.pem").write_bytes(certificate.public_bytes(Encoding.PEM) + secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "both.pem")
    return context


@contextmanager
def leading(target: str, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """The address of a server that leads to another."""
    handler = type("Leading", (Elsewhere,), {"target": target})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("secure", "target", "good"),
    [(False, "URL", True), (True, "URL", False), (False, "file://SITE", False),
     (True, "file://SITE", False), (False, "ftp://127.0.0.1", False)],
    ids=["http", "https-to-http", "http-to-file", "https-to-file", "http-to-ftp"],
)  # fmt: skip
def test_nobody_leads_from_https_to_http_or_to_a_file(
    install: Installer, site: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    secure: bool, target: str, good: bool,
) -> None:  # fmt: skip
    context = for_this_machine(tmp_path) if secure else None
    where = target.replace("URL", url).replace("SITE", str(site))
    with leading(where, context) as address:
        done = install(
            "--dry-run", "--site", address, more={"CURL_CA_BUNDLE": f"{tmp_path}/ca.pem"}
        )
    assert done.returncode == (0 if good else 1), done.stderr
    assert good or "keys/kubewright.gpg: cannot be had" in done.stderr
    assert good or "Protocol" in done.stderr, done.stderr  # and not for another reason
