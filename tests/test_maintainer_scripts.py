"""Debs of the recipes beside people's files and other people's packages: the real dpkg, systemctl
and Debian's helpers work on a root of their own, without a terminal.
"""

import os
import re
import stat
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from package_release import RELEASE, SETTINGS

from kubewright.cli.shipped import shipped
from kubewright.models.base import Format
from kubewright.models.description import Script
from kubewright.models.recipe import PLACES
from kubewright.packagers import payload, relation_syntax
from kubewright.packagers.describe import Stated, describe, template_variables

RECIPES = shipped().packages
MONOLITH = "kubernetes-hyperkube"
GROUPS = [
    [name for name in RECIPES if RECIPES[name].defaults(Format.deb) and name != MONOLITH],
    [MONOLITH],
]
"""Packages whose scripts put files into /etc, in groups that are installed together."""

MINE = "# a person's\n"


class Machine:
    """A root with dpkg's database, and debs to install there; `kept` has those of recipes for all
    machines.
    """

    def __init__(self, folder: Path, dpkg: Path, kept: Path, umask: int = 0o022) -> None:
        self.folder, self.dpkg, self.kept, self.umask = folder, dpkg, kept, umask
        self.root = folder / "root"
        for name in ("var/lib/dpkg/info", "var/lib/dpkg/updates", "etc"):
            (self.root / name).mkdir(parents=True)
        (self.root / "var/lib/dpkg/status").touch()
        (self.root / "etc/group").touch()

    def run(self, *words: str | Path, code: int = 0, path: str = os.environ["PATH"]) -> str:
        """What dpkg says; it is asked nothing, for there is no terminal."""
        done = subprocess.run(
            [self.dpkg, f"--root={self.root}", "--force-script-chrootless", "--force-not-root",
             "--force-depends", "--no-triggers", *words],
            text=True, capture_output=True, check=False, stdin=subprocess.DEVNULL,
            umask=self.umask, env={"PATH": path},
        )  # fmt: skip
        said = done.stdout + done.stderr
        assert done.returncode == code, said
        return said

    def install(self, *debs: Path, code: int = 0) -> str:
        return self.run("--auto-deconfigure", "--install", *debs, code=code)

    def write(self, path: str, text: str = MINE) -> Path:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def read(self, path: str) -> str:
        return (self.root / path.lstrip("/")).read_text()

    def helper(self, *words: str) -> None:
        """Ask deb-systemd-helper as a maintainer script of another package does."""
        env = {"DPKG_ROOT": str(self.root), "DPKG_MAINTSCRIPT_PACKAGE": "theirs"}
        subprocess.run(
            ["deb-systemd-helper", *words], check=True, env=env | {"PATH": os.environ["PATH"]}
        )

    def enabled(self, unit: str) -> str:
        """What systemctl says of a unit: enabled, disabled, masked."""
        done = subprocess.run(
            ["systemctl", f"--root={self.root}", "is-enabled", unit],
            text=True, capture_output=True, check=False,
        )  # fmt: skip
        return done.stdout.strip()

    def conffiles(self) -> set[str]:
        """The conffiles that packages hold, obsolete or not."""
        return set(re.findall(r"^ (/\S+) [0-9a-f]{32}", self.read("/var/lib/dpkg/status"), re.M))

    def ours(self, name: str, version: str = "1.36.4-1", units: bool = True) -> Path:
        """A deb of a recipe: relations, directories, defaults, units, scripts, and no programs."""
        home = self.kept if units else self.kept / "bare"
        made = home / f"{name}_{version}.deb"
        return made if made.exists() else self._of_recipe(home, name, version, units)

    def _of_recipe(self, home: Path, name: str, version: str, units: bool) -> Path:
        recipe, files = RECIPES[name], dict[str, str]()
        values = template_variables(recipe, RELEASE, Format.deb, SETTINGS)
        folders = [one.target for one in recipe.contents if one.kind == "dir"]
        if recipe.places:
            files[f"{PLACES}/{name}"] = recipe.places_listed
        for entry in recipe.contents:
            kind, _, source = entry.source.partition(":")
            if kind in ("file", "template") and entry.belongs(Format.deb, "1.36"):
                base = shipped().root if source.startswith("@") else shipped().packaging
                text = (base / source.removeprefix("@")).read_text()
                if kind == "template":
                    text = payload.render(text, values, source, shipped().root)
                files[entry.shipped(name).target] = text
        source_of = shipped().components.components[recipe.component]
        made = describe(recipe, source_of, RELEASE, "all", Format.deb, (), {}, Stated("", SETTINGS))
        relations = {
            key.capitalize(): ", ".join(relation_syntax.render(found, Format.deb))
            for key, found in (("conflicts", made.conflicts), ("replaces", made.replaces))
            if found
        }
        scripts = payload.scripts(recipe, values, shipped().root)
        if not units:
            files = {path: text for path, text in files.items() if "/systemd/" not in path}
        return self.deb(
            name, version, files, home=home, relations=relations, scripts=scripts, folders=folders
        )

    def deb(
        self,
        name: str,
        version: str,
        files: dict[str, str],
        *,
        conffiles: tuple[str, ...] = (),
        relations: dict[str, str] | None = None,
        scripts: dict[Script, str] | None = None,
        folders: list[str] | None = None,
        home: Path | None = None,
    ) -> Path:
        """Any deb, made in the machine's folder or another."""
        home = home or self.folder
        tree = home / "trees" / f"{name}_{version}"
        control = {
            "Package": name, "Version": version, "Architecture": "all", "Description": "t",
            "Maintainer": "T <t@example.org>", **(relations or {}),
        }  # fmt: skip
        lines = {
            "/DEBIAN/control": "".join(f"{key}: {value}\n" for key, value in control.items()),
            "/DEBIAN/conffiles": "".join(f"{path}\n" for path in conffiles),
            **{f"/DEBIAN/{which}": text for which, text in (scripts or {}).items()},
        }
        for folder in folders or []:
            (tree / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        for path, text in (files | lines).items():
            (tree / path.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
            (tree / path.lstrip("/")).write_text(text)
        for which in scripts or {}:
            (tree / "DEBIAN" / which).chmod(0o755)
        made = home / f"{name}_{version}.deb"
        command = ["dpkg-deb", "-Znone", "--build", "--root-owner-group", str(tree), str(made)]
        subprocess.run(command, check=True, capture_output=True)
        return made

    def theirs(self, name: str, unit: str, postrm: str = "", prerm: str = "", **more: Any) -> Path:
        """Another's deb with a unit, whose scripts do what debhelper writes into them."""
        target = f"/usr/lib/systemd/system/{unit}"
        text = f"[Service]\nExecStart=/bin/{name}\n[Install]\nWantedBy=multi-user.target\n"
        files = {target: text, **more.pop("files", {})}
        scripts: dict[Script, str] = {
            "prerm": f"#!/bin/sh\nset -e\n{prerm}\n",
            "postinst": f"#!/bin/sh\nset -e\ndeb-systemd-helper unmask {unit}\n"
            f"if deb-systemd-helper --quiet was-enabled {unit}; then\n"
            f"    deb-systemd-helper enable {unit}\nelse\n"
            f"    deb-systemd-helper update-state {unit}\nfi\n",
            "postrm": f"#!/bin/sh\nset -e\nif [ $1 = purge ]; then\n"
            f"    deb-systemd-helper purge {unit}\nfi\n{postrm}\n",
        }
        return self.deb(name, "1-1", files, scripts=scripts, **more)


Machines = Callable[..., Machine]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("debs")


@pytest.fixture
def machine(tmp_path: Path, tool: Callable[[str], Path], kept: Path) -> Machine:
    for name in ("systemctl", "deb-systemd-helper", "dpkg-divert", "dpkg-maintscript-helper"):
        tool(name)
    return Machine(tmp_path, tool("dpkg"), kept)


# ── Nobody's files ───────────────────────────────────────────────────────────────────────────


def test_no_deb_has_a_conffile() -> None:
    held = [
        (name, entry.target)
        for name, recipe in RECIPES.items()
        for entry in recipe.contents
        if entry.kind == "config" or (entry.kind == "file" and entry.target.startswith("/etc/"))
    ]
    # dnf's key is no configuration; nobody else writes it.
    assert held == [("kubewright-archive-keyring", "/etc/pki/rpm-gpg/RPM-GPG-KEY-kubewright")]


def files_of(group: list[str]) -> list[tuple[str, str]]:
    """Every file that the scripts of these put into /etc, with the first package that does."""
    found = [(name, target) for name in group for target in RECIPES[name].defaults(Format.deb)]
    return list({target: (name, target) for name, target in reversed(found)}.values())


def linked(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("/mnt/later/file")


@pytest.mark.parametrize("before", ["none", "a person's", "a link to nothing", "as shipped"])
@pytest.mark.parametrize("group", GROUPS, ids=["separate", "monolith"])
def test_files_that_are_there_before_the_packages_stay_and_nobody_is_asked(
    machine: Machine, group: list[str], before: str
) -> None:
    debs = [machine.ours(name) for name in group]
    shipped_now, files = {}, files_of(group)
    for name, target in files:
        tree = machine.kept / f"trees/{name}_1.36.4-1/usr/share/kubewright/defaults/{name}"
        shipped_now[target] = (tree / target.lstrip("/")).read_text()
        if before == "a link to nothing":
            linked(machine.root / target.lstrip("/"))
        elif before != "none":
            machine.write(target, MINE if before == "a person's" else shipped_now[target])
    machine.install(*debs)
    assert machine.conffiles() == set()
    for _, target in files:
        path = machine.root / target.lstrip("/")
        if before == "a link to nothing":
            assert path.readlink() == Path("/mnt/later/file")
        else:
            assert path.read_text() == (MINE if before == "a person's" else shipped_now[target])
    machine.run("--purge", *group)
    gone = before in ("none", "as shipped")
    for _, target in files:
        assert os.path.lexists(machine.root / target.lstrip("/")) != gone, target
    assert not (machine.root / "var/lib/kubewright").exists()


@pytest.mark.parametrize("change", ["unchanged", "changed", "a link", "taken away"])
@pytest.mark.parametrize("group", GROUPS, ids=["separate", "monolith"])
def test_conffiles_of_earlier_packages_become_the_persons_if_they_were_changed(
    machine: Machine, group: list[str], change: str
) -> None:
    shipped_then, files = "# as shipped before\n", files_of(group)
    old = []
    for name in group:
        conffiles = tuple(target for package, target in files if package == name)
        texts = dict.fromkeys(conffiles, shipped_then)
        old.append(machine.deb(name, "1.36.3-1.1", texts, conffiles=conffiles))
    machine.install(*old)
    assert machine.conffiles() == {target for _, target in files}
    for _, target in files:
        path = machine.root / target.lstrip("/")
        if change == "changed":
            machine.write(target)
        elif change in ("a link", "taken away"):
            path.unlink()
        if change == "a link":
            linked(path)
    machine.install(*(machine.ours(name) for name in group))
    assert machine.conffiles() == set()
    assert not list((machine.root / "etc").rglob("*.dpkg-*"))
    for _, target in files:
        path = machine.root / target.lstrip("/")
        if change == "changed":
            assert path.read_text() == MINE
        elif change == "a link":
            assert path.readlink() == Path("/mnt/later/file")
        elif change == "taken away":
            assert not path.exists()
        else:
            assert path.read_text() != shipped_then
    machine.run("--purge", *group)
    for _, target in files:
        kept = change in ("changed", "a link")
        assert os.path.lexists(machine.root / target.lstrip("/")) == kept, target


def test_a_default_is_renewed_until_somebody_changes_it_or_takes_it_away(machine: Machine) -> None:
    machine.kept = machine.folder  # these are nobody else's

    def with_text(version: str, text: str) -> Path:
        deb = machine.ours("kubelet", version)
        tree = machine.kept / "trees" / f"kubelet_{version}"
        default = tree / "usr/share/kubewright/defaults/kubelet/etc/default/kubelet"
        default.write_text(text)
        subprocess.run(["dpkg-deb", "--build", tree, deb], check=True, capture_output=True)
        return deb

    machine.install(with_text("1.36.4-1", "# first\n"))
    machine.install(with_text("1.36.5-1", "# second\n"))
    assert machine.read("/etc/default/kubelet") == "# second\n"
    machine.write("/etc/default/kubelet")
    machine.install(with_text("1.36.6-1", "# third\n"))
    assert machine.read("/etc/default/kubelet") == MINE
    (machine.root / "etc/default/kubelet").unlink()
    machine.install(with_text("1.36.7-1", "# fourth\n"))
    assert not (machine.root / "etc/default/kubelet").exists()


@pytest.mark.parametrize("version", ["1.36.3-1", "1.36.4-1.1"], ids=["older", "upstream's"])
@pytest.mark.parametrize("group", GROUPS, ids=["separate", "monolith"])
def test_a_default_gives_way_to_a_conffile_of_the_same_package_and_comes_back(
    machine: Machine, group: list[str], version: str
) -> None:
    theirs, files = "# theirs\n", files_of(group)
    ours = [machine.ours(name) for name in group]
    others = []
    for name in group:
        held = tuple(target for package, target in files if package == name)
        texts = dict.fromkeys(held, theirs)
        others.append(machine.deb(name, version, texts, conffiles=held))
    machine.install(*ours)
    machine.install(*others)  # nobody is asked: that would be an error here
    before = {target for _, target in files if machine.read(target) == theirs}
    assert before == {target for _, target in files}
    taken = files[0][1]
    (machine.root / taken.lstrip("/")).unlink()
    machine.install(*ours)
    for _, target in files:
        path = machine.root / target.lstrip("/")
        assert path.exists() == (target != taken), target
        assert target == taken or path.read_text() != theirs


@pytest.mark.parametrize("change", ["unchanged", "changed", "taken away"])
def test_only_a_persons_files_are_left_by_a_removal(machine: Machine, change: str) -> None:
    group = GROUPS[0]
    files = files_of(group)
    debs = [machine.ours(name) for name in group]
    machine.install(*debs)
    for _, target in files:
        if change == "changed":
            machine.write(target)
        elif change == "taken away":
            (machine.root / target.lstrip("/")).unlink()
    machine.run("--remove", *group)
    left = {target for _, target in files if (machine.root / target.lstrip("/")).exists()}
    assert left == ({target for _, target in files} if change == "changed" else set())
    if change == "unchanged":
        held = tuple(target for _, target in files)
        theirs = machine.deb("theirs", "1-1", dict.fromkeys(held, MINE), conffiles=held)
        machine.install(theirs)
        machine.run("--purge", "theirs")
    machine.install(*debs)
    back = {target for _, target in files if (machine.root / target.lstrip("/")).exists()}
    assert back == (set() if change == "taken away" else {target for _, target in files})


def test_a_runtime_swapped_for_a_distributions_asks_nobody(machine: Machine) -> None:
    config = "/etc/containerd/config.toml"
    names = ["kubernetes-containerd", "kubernetes-runtime-containerd"]
    machine.install(*(machine.ours(name) for name in names))
    shipped_now = machine.read(config)
    machine.run("--remove", "kubernetes-containerd")
    assert machine.read(config) == shipped_now  # the other still needs it
    theirs = {config: "# theirs\n"}
    machine.install(machine.theirs("containerd", "x.service", files=theirs, conffiles=(config,)))
    assert machine.read(config) == shipped_now
    machine.run("--remove", "kubernetes-runtime-containerd")
    assert machine.read(config) == "# theirs\n"
    diversions = machine.root / "var/lib/dpkg/diversions"
    assert diversions.read_text() == ""
    machine.run("--purge", *names)
    assert machine.read(config) == "# theirs\n"


@pytest.mark.parametrize("place", ["nothing can be made in it", "it is no directory"])
def test_a_place_that_cannot_be_written_is_a_message(machine: Machine, place: str) -> None:
    folder = machine.root / "etc/default"
    if place == "it is no directory":
        folder.touch()
    else:
        folder.symlink_to("/proc/self")  # not even the superuser can
    for version in ("1.36.4-1", "1.36.5-1"):
        said = machine.install(machine.ours("kubelet", version))
        assert "kubelet: /etc/default/kubelet is as it was, for nothing can be written" in said
        assert (machine.root / "etc/apt/apt.conf.d/50kubelet").exists()
    machine.run("--purge", "kubelet")


def test_an_upgrade_that_fails_gives_the_conffile_back(machine: Machine) -> None:
    conffile = "/etc/default/kubelet"
    old = machine.deb("kubelet", "1.36.3-1", {conffile: "# then\n"}, conffiles=(conffile,))
    machine.install(old)
    machine.write(conffile)
    other = machine.deb("other", "1-1", {"/usr/share/kubewright/guard/kubelet": "theirs\n"})
    machine.install(other)
    machine.install(machine.ours("kubelet"), code=1)  # a file of another package is in its way
    assert machine.read(conffile) == MINE
    assert machine.conffiles() == {conffile}


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
@pytest.mark.parametrize("name", ["kubelet", "kubernetes-runtime-containerd", "kubernetes-docker"])
def test_what_is_made_can_be_read_by_services_whatever_the_umask(
    tmp_path: Path, tool: Callable[[str], Path], kept: Path, umask: int, name: str
) -> None:
    machine = Machine(tmp_path, tool("dpkg"), kept, umask)
    machine.install(machine.ours(name))
    for path in (machine.root / "etc").rglob("*"):
        if path.name not in ("group", "group-", "gshadow", "gshadow-"):
            wanted = 0o755 if path.is_dir() else 0o644
            assert path.is_symlink() or stat.S_IMODE(path.stat().st_mode) == wanted, path


@pytest.mark.parametrize("group", GROUPS, ids=["separate", "monolith"])
def test_links_to_directories_that_come_later_stay_links(
    machine: Machine, group: list[str]
) -> None:
    names = [*group, "kubernetes-cni", "cri-dockerd", "kubernetes-docker"]
    folders = {folder for name in names for folder in RECIPES[name].directories(Format.deb)}
    inner = {folder for folder in folders for other in folders if folder.startswith(f"{other}/")}
    # /opt/cni: the directory above that which is needed
    links = {f"{machine.root}{folder}" for folder in folders - inner - {"/opt/cni/bin"}}
    links.add(f"{machine.root}/opt/cni")
    link = Path("mnt/later")  # relative: dpkg does not change its root here
    for name in links:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(link / path.name)
    machine.install(*(machine.ours(name) for name in names))
    for name in links:
        path = Path(name)
        assert path.readlink() == link / path.name
        assert (path.parent / link / path.name).is_dir()


@pytest.mark.parametrize("group", GROUPS, ids=["separate", "monolith"])
@pytest.mark.parametrize("verb", ["--remove", "--purge"])
def test_links_of_a_person_outlive_the_packages(
    machine: Machine, group: list[str], verb: str
) -> None:
    names = [*group, "kubernetes-cni", "cri-dockerd", "kubernetes-docker"]
    places = {place for name in names for place in RECIPES[name].places}
    outer = {place for place in places if not any(place.startswith(f"{one}/") for one in places)}
    for place in outer:
        link = machine.root / place.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        kept = machine.folder / f"kept{place}"
        kept.mkdir(parents=True)
        (kept / "data").write_text(MINE)
        link.symlink_to(kept)
    for _ in range(2):
        machine.install(*(machine.ours(name) for name in names))
        machine.write("/etc/kubernetes/manifests/pod.yaml")
        machine.run(verb, *names)
        for place in outer:
            link = machine.root / place.lstrip("/")
            assert link.is_symlink(), place
            assert (link / "data").read_text() == MINE


@pytest.mark.parametrize("name", [name for name in RECIPES if RECIPES[name].places])
def test_a_link_in_place_of_a_directory_that_an_earlier_package_had_outlives_the_upgrade(
    machine: Machine, name: str
) -> None:
    place = machine.root / RECIPES[name].places[-1].lstrip("/")
    place.parent.mkdir(parents=True, exist_ok=True)
    kept = machine.folder / "kept"
    kept.mkdir()
    place.symlink_to(kept)
    machine.install(machine.deb(name, "1.36.3-1", {}, folders=[*RECIPES[name].places]))
    machine.install(machine.ours(name))
    assert place.readlink() == kept
    assert not (machine.root / "var/lib/kubewright/links").exists()


@pytest.mark.parametrize("name", [name for name in RECIPES if RECIPES[name].places])
def test_directories_are_made_as_wanted_and_empty_ones_go_with_the_purge(
    machine: Machine, name: str
) -> None:
    modes = {one.target: one.octal for one in RECIPES[name].contents if one.kind == "place"}
    machine.install(machine.ours(name))
    for place, mode in modes.items():
        made = machine.root / place.lstrip("/")
        assert stat.S_IMODE(made.stat().st_mode) == mode
    machine.write("/var/lib/etcd/data")
    machine.run("--purge", name)
    left = {place for place in modes if (machine.root / place.lstrip("/")).exists()}
    assert left == {"/var/lib/etcd"} & set(modes)


def test_a_directory_that_another_package_keeps_its_files_in_stays(machine: Machine) -> None:
    names = ["kubernetes-containerd", "kubernetes-runtime-containerd"]
    machine.install(*(machine.ours(name) for name in names))
    (machine.root / "etc/containerd/config.toml").unlink()
    machine.run("--purge", names[1])
    assert (machine.root / "etc/containerd").is_dir()
    machine.run("--purge", names[0])
    assert not (machine.root / "etc/containerd").exists()


@pytest.mark.parametrize("links", [1, 2, 3])
def test_a_link_of_links_to_nothing_is_followed_to_its_end(machine: Machine, links: int) -> None:
    place = machine.root / "etc/docker"
    chain = [place, *(machine.root / f"srv{number}/link" for number in range(links))]
    for link, target in pairwise(chain):
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(Path("..") / target.relative_to(machine.root))
    machine.install(machine.ours("kubernetes-docker"))
    assert place.is_symlink()
    assert place.is_dir()


def test_no_script_needs_dev_null_or_makes_it() -> None:
    for name, recipe in RECIPES.items():
        for form in Format:
            values = template_variables(recipe, RELEASE, form, SETTINGS)
            for which, text in payload.scripts(recipe, values, shipped().root).items():
                assert not re.search(r">\s*/dev/null", text), (name, form, which)
                assert "umask 022\n" in text, (name, form, which)


# ── Nobody's units ───────────────────────────────────────────────────────────────────────────

UNITS = [
    ("kubernetes-containerd", "containerd", "containerd.service"),
    ("kubernetes-docker", "docker.io", "docker.service"),
]


@pytest.mark.parametrize("state", ["enabled", "disabled", "masked by its package", "masked"])
@pytest.mark.parametrize(("name", "old", "unit"), UNITS)
def test_purging_what_was_replaced_leaves_the_unit_as_its_administrator_had_it(
    machine: Machine, name: str, old: str, unit: str, state: str
) -> None:
    machine.install(machine.theirs(old, unit))
    assert machine.enabled(unit) == "enabled"
    if state != "masked by its package":
        verb = {"enabled": "enable", "disabled": "disable", "masked": "mask"}[state]
        subprocess.run(["systemctl", f"--root={machine.root}", "--quiet", verb, unit], check=True)
    machine.run("--remove", old)
    if state == "masked by its package":
        machine.helper("mask", unit)  # as debhelper wrote it until Debian 11
    said = machine.install(machine.ours(name))
    wanted = "enabled" if state == "masked by its package" else state
    assert machine.enabled(unit) == wanted
    advice = {
        "masked": f"systemctl unmask {unit} && systemctl enable --now {unit}",
        "disabled": f"systemctl enable --now {unit}",
    }
    assert (f"and stays so; to have it run: {advice.get(state)}\n" in said) == (state in advice)
    machine.run("--purge", old)
    assert machine.enabled(unit) == wanted
    machine.install(machine.ours(name, "2-1"))
    assert machine.enabled(unit) == wanted


def test_a_machine_that_an_earlier_version_left_armed_is_disarmed_by_the_upgrade(
    machine: Machine,
) -> None:
    machine.install(machine.theirs("containerd", "containerd.service"))
    unit = {"/usr/lib/systemd/system/containerd.service": "[Install]\nWantedBy=multi-user.target\n"}
    beside = {"Conflicts": "containerd", "Replaces": "containerd"}
    machine.run("--remove", "containerd")
    machine.install(machine.deb("kubernetes-containerd", "0-1", unit, relations=beside))
    machine.install(machine.ours("kubernetes-containerd"))
    machine.run("--purge", "containerd")
    assert machine.enabled("containerd.service") == "enabled"


@pytest.mark.parametrize("verb", ["disable", "enable", "mask"])
@pytest.mark.parametrize("name", ["kubelet", "kubernetes-docker"])
def test_a_unit_that_a_person_has_switched_off_stays_off_when_its_package_comes_back(
    machine: Machine, name: str, verb: str
) -> None:
    unit = {"kubelet": "kubelet.service", "kubernetes-docker": "docker.service"}[name]
    machine.install(machine.ours(name))
    subprocess.run(["systemctl", f"--root={machine.root}", "--quiet", verb, unit], check=True)
    machine.run("--remove", name)
    machine.install(machine.ours(name))
    assert machine.enabled(unit) == {"disable": "disabled", "enable": "enabled"}.get(verb, "masked")
    machine.run("--purge", name)
    subprocess.run(["systemctl", f"--root={machine.root}", "--quiet", "unmask", unit], check=True)
    machine.install(machine.ours(name))
    assert machine.enabled(unit) == "enabled"  # a purge forgets


@pytest.mark.parametrize("policy", ["none", "disable *", "disable kubelet.service"])
def test_a_preset_of_the_administrator_decides(machine: Machine, policy: str) -> None:
    if policy != "none":
        machine.write("/etc/systemd/system-preset/00-local.preset", f"{policy}\n")
    said = machine.install(machine.ours("kubelet"))
    off = policy != "none"
    assert machine.enabled("kubelet.service") == ("disabled" if off else "enabled")
    assert ("as a preset of this system may want it" in said) == off


def test_without_systemctl_units_are_on_for_the_systemd_that_comes_later(
    machine: Machine, tmp_path: Path
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for folder in os.environ["PATH"].split(":"):
        for program in Path(folder).glob("*"):
            if program.name != "systemctl" and not (tools / program.name).exists():
                (tools / program.name).symlink_to(program)
    debs = [machine.ours(name) for name in ("kubelet", "cri-dockerd")]
    machine.run("--install", *debs, path=str(tools))
    for unit, target in (("kubelet.service", "multi-user"), ("cri-docker.socket", "sockets")):
        assert machine.enabled(unit) == "enabled"
        assert f"\nWantedBy={target}.target\n" in machine.read(f"/usr/lib/systemd/system/{unit}")
    machine.run("--purge", "kubelet", path=str(tools))
    assert not list((machine.root / "etc/systemd").rglob("kubelet.service"))


# ── Nobody's data ────────────────────────────────────────────────────────────────────────────

NUKE = "/var/lib/docker/nuke-graph-directory.sh"


def test_the_data_of_docker_io_outlives_its_purge(machine: Machine) -> None:
    old = machine.theirs(
        "docker.io",
        "docker.service",
        prerm=f'printf \'#!/bin/sh\\nrm -rf "$1"\\n\' >"$DPKG_ROOT{NUKE}"\n'
        f'chmod 755 "$DPKG_ROOT{NUKE}"',
        postrm=f'if [ "$1" = purge ] && [ -x "$DPKG_ROOT{NUKE}" ]; then\n'
        f'    "$DPKG_ROOT{NUKE}" "$DPKG_ROOT/var/lib/docker"\nfi',
    )
    machine.install(old)
    data = machine.write("/var/lib/docker/overlay2/layer")
    machine.run("--remove", "docker.io")
    assert (machine.root / NUKE.lstrip("/")).exists()
    machine.install(machine.ours("kubernetes-docker"))
    machine.run("--purge", "docker.io")
    assert data.read_text() == MINE


REMOVALS = [
    'rm -rf "$DPKG_ROOT/var/lib/etcd" || true',
    'rm -f -r "$DPKG_ROOT/var/lib/etcd"',
    'rm --recursive --force "$DPKG_ROOT"/var/lib/etcd/*',
    'data=/var/lib/etcd\nrm -fr "$DPKG_ROOT$data"',
    'data="/var/lib/etcd" # where it was\nrm -fr "$DPKG_ROOT${data}"/',
]
HARMLESS = [
    ": # rm -rf /var/lib/etcd",
    "rmdir /var/lib/etcd || true",
    "rm -f /var/lib/etcd/lock",
    "rm -rf /var/lib/etcd-backup-of-old",
    "rm -rf /var/lib/etcdctl",
    'data=/var/lib/etcd2\nrm -fr "$data"',
]


@pytest.mark.parametrize("left", [False, True], ids=["installed", "its configuration is left"])
@pytest.mark.parametrize("removal", REMOVALS)
@pytest.mark.parametrize("name", ["etcd", "kubernetes-hyperkube"])
def test_a_package_that_would_delete_the_data_comes_first_and_the_remedy_keeps_it(
    machine: Machine, name: str, removal: str, left: bool
) -> None:
    postrm = f'if [ "$1" = purge ]; then\n{removal}\nfi'
    old = machine.theirs(
        "etcd-server", "etcd.service", postrm, files={"/usr/bin/etcd": "x", "/etc/etcd-x": "x"},
        conffiles=("/etc/etcd-x",),
    )  # fmt: skip
    machine.install(old)
    data = machine.write("/var/lib/etcd/member/snap")
    if left:
        machine.run("--remove", "etcd-server")
    machine.write("/etc/kubewright/allow-minor-jump")
    said = machine.install(machine.ours(name), code=1)
    assert "not installed: purging etcd-server deletes /var/lib/etcd, and " in said
    remedy = re.search(r"^To keep it, stop what uses it, then: (mv .*)$", said, re.MULTILINE)
    assert remedy
    dpkg = f"{machine.dpkg} --root={machine.root} --force-script-chrootless --force-not-root"
    words = remedy[1].replace("dpkg ", f"{dpkg} ").replace(" /var", f" {machine.root}/var")
    subprocess.run(["/bin/sh", "-c", words], check=True, capture_output=True)
    assert data.read_text() == MINE
    machine.install(machine.ours(name))
    assert data.read_text() == MINE


@pytest.mark.parametrize(
    ("name", "other"),
    [(name, other) for name, recipe in RECIPES.items() for other in recipe.same_files],
)
def test_a_package_with_files_of_the_same_names_is_to_be_removed_by_its_owner(
    machine: Machine, name: str, other: str
) -> None:
    names = {one.target for one in RECIPES[name].contents if one.target.startswith("/usr/bin/")}
    held = "/etc/other"
    theirs = machine.deb(other, "1.2-1", dict.fromkeys([*names, held], "x"), conffiles=(held,))
    machine.install(theirs)
    ours = machine.ours(name)
    assert other not in machine.run("--field", ours, "Conflicts", "Package")
    said = machine.install(ours, code=1)
    assert f": not installed: {other} has files of the same names\n" in said
    assert f"apt-get remove {other}\n" in said
    assert machine.read("/usr/bin/etcdctl") == "x"
    machine.run("--remove", other)  # its conffile is left
    machine.install(ours)


@pytest.mark.parametrize("line", HARMLESS)
def test_a_package_whose_purge_spares_the_data_is_not_in_the_way(
    machine: Machine, line: str
) -> None:
    postrm = f'if [ "$1" = never ]; then\n{line}\nfi'
    machine.install(machine.theirs("etcd-server", "etcd.service", postrm))
    machine.run("--remove", "etcd-server")
    machine.write("/etc/kubewright/allow-minor-jump")
    machine.install(machine.ours("etcd"))


def test_etcd_does_not_skip_a_minor_of_etcd_or_of_etcd_server(machine: Machine) -> None:
    machine.install(machine.deb("etcd", "3.4.37-1", {"/usr/share/old": "x"}))
    said = machine.install(machine.ours("etcd"), code=1)
    assert "from 3.4.37-1 to 3.6 would skip etcd 3.5, and minors must not be skipped." in said
    machine.run("--purge", "etcd")
    machine.install(machine.deb("etcd-server", "3.4.23-4", {"/usr/bin/etcd": "x"}))
    said = machine.install(machine.ours("etcd"), code=1)
    assert "from 3.4.23-4 to 3.6 would skip etcd 3.5" in said
    assert "apt-get purge etcd-server\n" in said


def test_the_configuration_of_the_replaced_containerd_outlives_its_purge(machine: Machine) -> None:
    config = "/etc/containerd/config.toml"
    old = machine.theirs(
        "containerd", "containerd.service", files={config: "# then\n"}, conffiles=(config,)
    )
    machine.install(old)
    machine.write(config)
    machine.install(machine.ours("kubernetes-containerd"))
    machine.run("--purge", "containerd")
    assert machine.read(config) == MINE
    machine.run("--purge", "kubernetes-containerd")
    assert machine.read(config) == MINE
    diversions = machine.root / "var/lib/dpkg/diversions"
    assert not diversions.exists() or diversions.read_text() == ""


@pytest.mark.parametrize("groupadd", ["is there", "fails", "is missing"])
def test_the_group_of_docker_is_no_reason_to_fail(
    machine: Machine, tmp_path: Path, groupadd: str
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    exits = {"is there": 0, "fails": 9, "is missing": 127}[groupadd]
    (programs / "groupadd").write_text(f"#!/bin/sh\necho said >&2\nexit {exits}\n")
    (programs / "groupadd").chmod(0o755)
    deb = machine.ours("kubernetes-docker")
    said = machine.run("--install", deb, path=f"{programs}:{os.environ['PATH']}")
    assert ("there is no group docker (said), so docker.socket will not start" in said) == (
        groupadd != "is there"
    )


def test_systemd_makes_the_group_of_docker_once_in_a_new_etc(
    tmp_path: Path, tool: Callable[[str], Path]
) -> None:
    file = shipped().packaging / "kubernetes-docker" / "sysusers.conf"
    place = tmp_path / "usr/lib/sysusers.d/kubernetes-docker.conf"
    place.parent.mkdir(parents=True)
    place.write_bytes(file.read_bytes())
    (tmp_path / "etc").mkdir()
    for _ in range(2):
        subprocess.run([tool("systemd-sysusers"), f"--root={tmp_path}"], check=True)
        groups = (tmp_path / "etc/group").read_text().splitlines()
        assert [line.split(":")[0] for line in groups] == ["docker"]


# ── The hook of apt ──────────────────────────────────────────────────────────────────────────


def asked(machine: Machine, *lines: str, command: str = "apt-get install") -> tuple[int, str]:
    """What the hook answers apt about a plan, made for a command."""
    guards = machine.root / "usr/share/kubewright/guard"
    if not guards.exists():
        machine.install(machine.ours("kubelet"))
    guard = sorted(guards.iterdir())[0]
    settings = f"VERSION 2\nDir=/\nDir::State::status={machine.root}/var/lib/dpkg/status\n"
    settings += f"CommandLine::AsString={command.replace(' ', '%20')}\n\n"
    done = subprocess.run(
        ["/bin/sh", guard], input=settings + "".join(f"{line}\n" for line in lines),
        text=True, capture_output=True, check=False, env={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    return done.returncode, done.stdout


@pytest.mark.parametrize(("sign", "new"), [(">", "1.36.3-1"), ("<", "1.36.5-1")])
def test_a_pin_that_takes_kubernetes_node_away_is_told_all_names(
    machine: Machine, sign: str, new: str
) -> None:
    names = ["kubelet", "kubeadm", "kubernetes-node", "kubernetes-runtime-containerd"]
    machine.install(*(machine.ours(name) for name in names))
    other = machine.ours("kubelet", new)
    plan = ["kubernetes-node 1.36.4-1 > - **REMOVE**", f"kubelet 1.36.4-1 {sign} {new} {other}"]
    code, said = asked(machine, *plan)
    assert code == 3
    pins = re.search(r"apt-get install( --allow-downgrades)? (.*)\n", said)
    assert pins
    assert bool(pins[1]) == (sign == ">")
    assert set(pins[2].split()) == {f"{name}={new}" for name in names}
    assert "To do it all the same, first: apt-get remove kubernetes-node\n" in said
    assert asked(machine, plan[0])[0] == asked(machine, plan[1])[0] == 0


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("apt-get install kubelet=1.36.5-1", 3),
        ("apt-get -y upgrade", 3),
        ("apt-get -o A=B remove kubernetes-containerd kubelet", 0),
        ("apt purge kubelet", 0),
        ("apt-get install kubelet=1.36.5-1 kubernetes-node-", 0),
        ("apt-get install kubelet=1.36.5-1 kubernetes-control-plane-", 0),
        ("apt-get install kubelet=1.36.5-1 kubernetes-node-tools-", 3),
    ],
)
def test_a_removal_that_was_asked_for_is_let_pass_and_the_remedy_names_all(
    machine: Machine, command: str, code: int
) -> None:
    gone = ["kubernetes-node", "kubernetes-control-plane"]
    machine.install(*(machine.ours(name) for name in ("kubelet", *gone)))
    new = machine.ours("kubelet", "1.36.5-1")
    plan = [f"{name} 1.36.4-1 > - **REMOVE**" for name in gone]
    found, said = asked(machine, *plan, f"kubelet 1.36.4-1 < 1.36.5-1 {new}", command=command)
    assert found == code
    remedy = f"first: apt-get remove {' '.join(gone)}\n"
    assert (remedy in said) == (code == 3)


@pytest.mark.parametrize("user", ["etcd", "kubeadm", "nobody"])
def test_a_purge_that_would_delete_live_data_is_refused_by_apt(machine: Machine, user: str) -> None:
    postrm = 'if [ "$1" = purge ]; then rm -rf "$DPKG_ROOT/var/lib/etcd"; fi'
    machine.install(machine.theirs("etcd-server", "etcd-server.service", postrm))
    machine.run("--remove", "etcd-server")
    machine.write("/var/lib/etcd/member/snap")
    if user == "etcd":
        machine.install(machine.deb("etcd", "3.6.8-1", {}, folders=["/var/lib/etcd"]))
        said = machine.install(machine.ours("etcd", "3.6.8-2"))
        assert "etcd: DANGER: etcd-server is removed, but purging what is left of it" in said
    elif user == "kubeadm":
        machine.write("/etc/kubernetes/manifests/etcd.yaml")
    code, said = asked(machine, "etcd-server 1-1 > - **REMOVE**")
    assert code == (0 if user == "nobody" else 3)
    told = f"etcd-server: not purged: that would delete /var/lib/etcd, which {user} uses now\n"
    assert (told in said) == (user != "nobody")


@pytest.mark.parametrize("off", ["nothing", "its entry", "its mode", "the program"])
def test_one_package_that_apt_calls_speaks_for_all_that_bring_the_hook(
    machine: Machine, off: str
) -> None:
    names = ["kubeadm", "kubelet", "kubernetes-node"]
    machine.install(*(machine.ours(name, "1.33.9-1") for name in names))
    guards = machine.root / "usr/share/kubewright/guard"
    for name in names:
        (guards / name).chmod(0o755)
    called = [name for name in names if (off, name) != ("its entry", "kubeadm")]
    plan = f"VERSION 2\nDir=/\nDir::State::status={machine.root}/var/lib/dpkg/status\n"
    plan += "".join(
        f"DPkg::Pre-Install-Pkgs::=/usr/share/kubewright/guard/{name}%20>&2%20||%20true\n"
        for name in called
    )
    plan += f"\nkubelet 1.33.9-1 < 1.36.4-1 {machine.ours('kubelet')}\n"
    if off == "its mode":
        (guards / "kubeadm").chmod(0o644)
    elif off == "the program":
        (guards / "kubeadm").unlink()
    able = [name for name in called if os.access(guards / name, os.X_OK)]
    codes = [
        subprocess.run(
            [guards / name], input=plan, text=True, capture_output=True, check=False
        ).returncode
        for name in able
    ]
    assert codes == [3] + [0] * (len(able) - 1)
    assert able[0] == ("kubeadm" if off == "nothing" else "kubelet")


# ── A systemd that runs ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def live(machine: Machine, tmp_path: Path) -> Callable[[str, int | None], list[str]]:
    """Set a package up as on a machine whose systemd runs, policy-rc.d giving an exit code; what
    was started, restarted or applied. A recorder stands in for systemd's programs.
    """
    calls, programs = tmp_path / "calls", tmp_path / "programs"
    programs.mkdir()
    for name in ("systemctl", "systemd-sysctl", "systemd-modules-load"):
        known = "case $* in *is-enabled*) echo enabled ;; *is-active*) exit 3 ;; esac"
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{calls}\n{known}\n')
        (programs / name).chmod(0o755)

    def ran(name: str, policy: int | None) -> list[str]:
        values = template_variables(RECIPES[name], RELEASE, Format.deb, SETTINGS)
        text = payload.scripts(RECIPES[name], values, shipped().root)["postinst"]
        rc_d = machine.root / "usr/sbin/policy-rc.d"
        if policy is not None:
            machine.write("/usr/sbin/policy-rc.d", f"#!/bin/sh\nexit {policy}\n").chmod(0o755)
        text = text.replace('[ -z "$root" ] && [ -d /run/systemd/system ]', "true")
        text = text.replace("/usr/sbin/policy-rc.d", str(rc_d))
        text = text.replace("/usr/lib/systemd /lib/systemd", f"/nowhere {programs}")
        calls.write_text("")
        done = subprocess.run(
            ["/bin/sh", "-s", "-", "configure"], input=text, text=True, capture_output=True,
            check=False, env={
                "PATH": f"{programs}:{os.environ['PATH']}", "DPKG_ROOT": str(machine.root),
                "DPKG_ADMINDIR": f"{machine.root}/var/lib/dpkg",
                "DPKG_MAINTSCRIPT_NAME": "postinst", "DPKG_MAINTSCRIPT_PACKAGE": name,
            },
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        quiet = r"systemctl .*(daemon-reload|is-enabled|is-active|preset|enable)"
        return [line for line in calls.read_text().splitlines() if not re.match(quiet, line)]

    return ran


@pytest.mark.parametrize("policy", [None, 0, 104, 101])
@pytest.mark.parametrize(
    ("name", "done"),
    [
        ("kubelet", ["systemctl --quiet --system start kubelet.service"]),
        ("kubernetes-runtime-containerd", ["systemctl try-restart containerd.service"]),
        (
            "kubernetes-node",
            ["systemd-modules-load kubernetes.conf", "systemd-sysctl 99-kubernetes.conf"],
        ),
    ],
)
def test_policy_rc_d_says_whether_anything_is_started_and_overrides_are_heeded_by_bare_names(
    live: Callable[[str, int | None], list[str]], name: str, done: list[str], policy: int | None
) -> None:
    assert live(name, policy) == ([] if policy == 101 else done)
