"""The machine's own apt and dnf install from a signed local site, and leave the machine as it is."""

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

from kubewright.clients import ClientUnavailable, Installed, apt, available, dnf, node_check, run_installed, serve
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
DEPENDS = {
    "deb": {
        "kubelet": ["iptables (>= 1.4.21)", "mount", "kubernetes-cni (>= 1.2)"],
        "kubernetes-containerd": ["libseccomp2"],
        "kubernetes-node": ["kubelet (>= 1.36.4)", "containerd (>= 2.2~) | kubernetes-containerd"],
    },
    "rpm": {
        "kubelet": ["iptables >= 1.4.21", "(iproute-tc or iproute)", "util-linux", "kubernetes-cni >= 1.2"],
        "kubernetes-containerd": ["libseccomp"],
        "kubernetes-node": ["kubelet >= 1.36.4", "(containerd >= 2.2 or kubernetes-containerd)"],
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
"""A distribution's packages, of which only the index exists: a containerd that is too old, somebody else's kubelet."""


class Site(NamedTuple):
    """A served site, the keys to it, and a machine whose sources have what the site's packages depend on."""

    root: Path
    url: str
    key: Path
    other_key: Path
    machine: Path


def build(folder: Path, pool: Path, packager: str, key: Path) -> None:
    """Make packages that look like ours."""
    pool.mkdir(parents=True)
    program, script = folder / "program", folder / "script"
    wanted = f"--json --spec {tmp_path}/usr/share/kubewright/node-spec.sh"
    program.write_text(f"#!/bin/sh\ntest \"$*\" = '{wanted}' || exit 2\necho '{json.dumps({'checks': checks})}'\nexit 1\n")
    program.chmod(0o755)
    assert node_check(tmp_path) == "4 ok, 2 warn (warn-1, warn-2), 2 fail (fail-1, fail-2)"


def test_the_machines_settings_count_for_fetching_only() -> None:
    settings = ['Acquire::http::Proxy "http://proxy:1";', 'Acquire::IndexTargets::deb::DEP-11 "";', 'Acquire "";']
    text = apt.configuration(Path("/r"), Path("/r/.apt"), [*settings, 'DPkg::Post-Invoke:: "rm -rf /";'])
    assert text.startswith('Acquire::http::Proxy "http://proxy:1";\nAcquire::http::Proxy::127.0.0.1 "DIRECT";\n')
    assert "DEP-11" not in text
    assert "Post-Invoke" not in text


def test_what_apt_would_fetch_is_read_with_its_epoch() -> None:
    output = "Reading…\n'http://h/p/a_1%253a2_amd64.deb' a_1%3a2-1_amd64.deb 10 SHA256:00\n"
    assert apt.downloads(output) == [apt.Download(url="http://h/p/a_1%253a2_amd64.deb", name="a", version="1:2-1")]


def test_a_package_counts_as_installed_once_and_with_its_relations() -> None:
    [fields] = apt.stanzas("Package: a\nVersion: 1\nDepends: b\nSize: 3\nDescription: one\n two\n\n" * 2)
    assert apt.status(fields) == (
        "Status: install ok installed\nPackage: a\nVersion: 1\nDescription: one\nDepends: b\n"
        "Counted-As-Installed: yes\n\n"
    )


@pytest.mark.parametrize(
    ("requires", "missing"),
    [
        (["iptables >= 1.4"], ["iptables"]),
        (["rpmlib(FileDigests) <= 4.6.0-1", ""], []),
        (["(theirs or ours)"], ["deep"]),
        (["(this >= 2 or that)"], ["this"]),
        (["ours"], ["deep"]),
        (["(absent if present)"], ["absent"]),
        (["capability(x86-64) = 1"], ["deep"]),
    ],
    ids=["plain", "rpm-itself", "ours-among-others", "first-of-others", "transitive", "conditional", "by-capability"],
)
def test_the_stand_in_provides_what_the_site_does_not(requires: list[str], missing: list[str]) -> None:
    offers = {
        "wanted": dnf.Offer(requires=tuple(requires), provides=("wanted = 1",)),
        "ours": dnf.Offer(requires=("deep",), provides=("ours = 1", "capability(x86-64) = 1")),
        "unwanted": dnf.Offer(requires=("other",), provides=("unwanted = 1",)),
    }
    assert dnf.unmet(offers, ["wanted"]) == missing


def test_the_answer_of_repoquery_is_read() -> None:
    output = ">a\n<(b or c)\nd >= 1\n=a = 1-1\na(x86-64) = 1-1\n\n>e\n<\n=e = 2-1\n\n"
    offers = dnf.parsed(output)
    assert set(offers) == {"a", "e"}
    assert offers["a"].requires[:2] == ("(b or c)", "d >= 1")
    assert offers["a"].provides[:2] == ("a = 1-1", "a(x86-64) = 1-1")
