"""The minors that upstream still serves but mends no more: packaged, marked, and a way up from one
to the next.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from kubewright import versions
from kubewright.cli.shipped import shipped
from kubewright.clients import ClientUnavailable, apt, run_installed
from kubewright.clients.server import serve
from kubewright.models.base import Arch
from kubewright.models.manifest import Manifest
from kubewright.models.site import Index
from kubewright.run import run
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site import layout
from kubewright.stages import release
from kubewright.stages.sample import sample
from kubewright.workspace import Workspace

OLD = {"1.31.14": "2025-11-11", "1.32.13": "2026-02-28", "1.33.13": "2026-06-28"}
"""Releases, and when the support of their minors ended."""

NOW = 1_790_000_000
"""2026-09-21: all of them are past."""

SYSTEM = {
    "conntrack": "1:1.4.7-1",
    "containerd": "1.6.20~ds1-1",
    "ethtool": "1:6.1-1",
    "iproute2": "6.1.0-3",
    "iptables": "1.8.9-2",
    "mount": "2.38.1-5",
}
"""A distribution, of which only the index exists."""


class Site(NamedTuple):
    """A served site with these releases, and where the locks are."""

    root: Path
    url: str
    dist: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Iterator[Site]:
    home = tmp_path_factory.mktemp("minors")
    sample(home / "mirror", shipped(), list(OLD))
    (home / "site").mkdir()
    with serve(home / "site") as url:
        for version in OLD:
            settings = Settings(
                upstream=str(home / "mirror"),
                dist=home / "dist",
                cache=home / "cache",
                site=str(home / "site"),
                url=url,
                now=NOW,
                architectures=(Arch.amd64,),
                jobs=2,
            )
            release.release(f"v{version}", settings, shipped(), keys)
        yield Site(home / "site", url, home / "dist")


NEEDS = {
    "1.31.14": {"conntrack", "iproute2", "iptables"},
    "1.32.13": {"iproute2", "iptables"},
    "1.33.13": set[str](),
}
"""What kubeadm's preflight stops without, beyond what every system has."""


@pytest.mark.parametrize("version", list(OLD))
def test_a_package_depends_on_what_its_own_minor_asks_for(
    site: Site, version: str, tool: Callable[[str], Path]
) -> None:
    [deb] = site.root.glob(f"apt/pool/**/kubeadm_{version}-1_amd64.deb")
    depends = run([tool("dpkg-deb"), "--field", deb, "Depends"]).stdout
    assert set(re.findall(r"[a-z][a-z0-9.-]+", depends)) == NEEDS[version]
    [rpm] = site.root.glob(f"yum/pool/**/kubeadm-{version}-1.x86_64.rpm")
    requires = set(run([tool("rpm"), "--query", "--requires", "--package", rpm]).stdout.split())
    [proxy] = site.root.glob(f"apt/pool/**/kube-proxy_{version}-1_amd64.deb")
    run_by_proxy = "conntrack" in run([tool("dpkg-deb"), "--field", proxy, "Depends"]).stdout
    assert run_by_proxy == ("conntrack" in NEEDS[version])
    names = {"conntrack": "conntrack-tools", "iproute2": "iproute"}
    assert {names.get(name, name) for name in NEEDS[version]} <= requires
    assert ("conntrack-tools" in requires) == ("conntrack" in NEEDS[version])
    spec = Manifest.from_bytes(
        (site.root / f"releases/v{version}-1/manifest.json").read_bytes()
    ).requirements.node
    checked = {name for name, level in spec.executables.items() if level == "error"}
    assert ("conntrack" in checked, "ip" in checked) == (
        "conntrack" in NEEDS[version],
        "iproute2" in NEEDS[version],
    )


def test_what_is_past_its_end_is_marked_in_lock_manifest_index_and_page(site: Site) -> None:
    index = Index.from_bytes((site.root / layout.INDEX).read_bytes())
    page = (site.root / "index.html").read_text()
    listed = {one.kubernetes: one.end_of_life for one in index.releases}
    assert listed == OLD
    for version, end in OLD.items():
        name = f"v{version}-1"
        assert Workspace(site.dist / name).release().end_of_life == end
        manifest = Manifest.from_bytes((site.root / f"releases/{name}/manifest.json").read_bytes())
        assert manifest.release.end_of_life == end
        minor = versions.minor(version)
        row = next(line for line in page.splitlines() if f'.html">{minor}</a></th>' in line)
        assert f"{end}</time>" in row
        assert "past its end" in row
    assert f"ended on {OLD['1.33.13']}" in page


@pytest.mark.parametrize(
    ("version", "said"),
    [
        ("v1.31.14", "Kubernetes 1.31 is past its end: upstream's support ended 2025-11-11"),
        ("v1.36.4", "Kubernetes 1.36 is supported until 2027-06-28"),
    ],
)
def test_the_resolver_says_whether_a_minor_is_still_supported(
    run: Callable[..., tuple[int, str, str]], version: str, said: str
) -> None:
    code, out, err = run("resolve", version, "--offline", "--now", str(NOW))
    assert code == 0
    assert said in " ".join(out.split())
    assert ("no more fixes are made for it" in err) == ("past" in said)


def test_a_node_walks_up_minor_by_minor(site: Site, tmp_path: Path) -> None:
    machine, root = tmp_path / "machine", tmp_path / "root"
    (machine / "etc/apt").mkdir(parents=True)
    stanzas = [
        f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: nobody\n"
        f"Description: {name}\nFilename: ./{name}.deb\nSize: 1\nSHA256: {'0' * 64}\n"
        for name, version in SYSTEM.items()
    ]
    (machine / "Packages").write_text("\n".join(stanzas))
    source = f"deb [allow-insecure=yes trusted=yes] file:{machine} ./\n"
    (machine / "etc/apt/sources.list").write_text(source)
    try:
        apt.check(machine)
    except ClientUnavailable as reason:
        pytest.skip(str(reason))
    for version in OLD:
        suite = f"stable-{version.rpartition('.')[0]}"
        keyring = site.root / layout.KEYRING
        names = ["kubernetes-control-plane"]
        installed = apt.install(site.url, suite, keyring, names, root, machine=machine)
        ours = dict(installed.packages)
        for name in ("kubelet", "kubeadm", "kubectl", "kubernetes-node"):
            assert ours[name] == f"{version}-1"
        said = run_installed(root, ["/usr/bin/kubelet", "--version"])
        assert said.startswith(f"Kubernetes v{version} ")
