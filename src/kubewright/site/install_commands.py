"""The commands by which people install a release, one text for each package manager.

Manifests, the pages of a site, README.md and docs/install.md all have these.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from kubewright.models.artifact import Package
from kubewright.models.base import Format
from kubewright.models.lock import Runtime
from kubewright.models.manifest import Install, PackageFile
from kubewright.site import layout

KEYRING = "/usr/share/keyrings/kubewright-archive-keyring.gpg"
NODE = "kubernetes-node"
CONTROL_PLANE = "kubernetes-control-plane"
CHECK = "kube-node-check"
TOOLS = "sudo apt-get update && sudo apt-get install ca-certificates curl gpg"
"""What the commands for apt need, and a bare machine has not."""
SOURCES = "/etc/apt/sources.list.d/kubewright.sources"

Names = Mapping[str, str]
"""The packages that are asked for, with the version of each; empty: the newest of the channel."""


class Manager(NamedTuple):
    """A package manager, and whose it is."""

    name: str
    title: str
    format: Format


MANAGERS: Final = (
    Manager("apt", "Debian and Ubuntu", Format.deb),
    Manager("dnf", "Fedora, RHEL and their kin", Format.rpm),
    Manager("zypper", "openSUSE", Format.rpm),
)


_NODE: Final = ("kubelet", "kubeadm", "kubernetes-cni", "cri-tools", NODE)

ROLES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"node": _NODE, "control-plane": (*_NODE, "kubectl", CONTROL_PLANE)}
)
"""All packages of a machine by its role, for who brings single files."""

RUNTIMES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = MappingProxyType({
    "containerd": (("kubernetes-runtime-containerd",), ("kubernetes-containerd",)),
    "docker": (
        ("kubernetes-runtime-docker", "cri-dockerd"),
        ("kubernetes-docker", "kubernetes-containerd"),
    ),
})  # fmt: skip
"""The same by what runs its containers, and what it has of ours where the distribution's does not
fit.
"""


class Role(NamedTuple):
    """What a machine is to be: its packages by format, and how it is checked afterwards."""

    title: str
    names: Mapping[Format, Names]
    check: str = CHECK


NEWEST: Final = (
    Role("A node", {form: {NODE: ""} for form in Format}),
    Role(
        "A control plane",
        {form: {CONTROL_PLANE: ""} for form in Format},
        f"{CHECK} --role control-plane",
    ),
    Role(
        "A node with Docker",
        {form: {NODE: "", "kubernetes-runtime-docker": ""} for form in Format},
    ),
)
"""The newest of the channel."""


@dataclass(frozen=True)
class Entry:
    """Where installers begin: the site's id, its address ("" where none is fixed), the channel, and
    the provenance.
    """

    site: str
    site_url: str
    channel: str
    provenance: str


def usual_runtime(packages: Sequence[Package | PackageFile]) -> Runtime:
    """What runs the containers of a node where nobody says: containerd, if it is among these."""
    there = any(one.package == "kubernetes-runtime-containerd" for one in packages)
    return "containerd" if there else "docker"


def exact(
    runtime: Runtime, packages: Sequence[Package | PackageFile], *more: str
) -> dict[Format, Names]:
    """The packages of a node of just the release that these are of, and `more`, each by its
    version.

    No package manager can take a whole release from the version of one name: apt looks at nothing
    but the newest of the others, and kubeadm may be newer than the rest.
    """
    adapter = ("cri-dockerd",) if runtime == "docker" else ()
    wanted = (
        *more, NODE, "kubelet", "kubeadm", f"kubernetes-runtime-{runtime}", "kubernetes-cni",
        "cri-tools", *adapter,
    )  # fmt: skip
    there = {(package.format, package.package): _version(package) for package in packages}
    names: dict[Format, Names] = {}
    for form in Format:
        made = [name for name in wanted if (form, name) in there]
        names[form] = {name: there[form, name] for name in made} or {NODE: ""}
    return names


def exact_roles(packages: Sequence[PackageFile]) -> tuple[Role, ...]:
    """What of just the release that these are of can be installed."""
    node, control_plane, docker = NEWEST
    there = {package.package for package in packages}
    found = []
    if "kubernetes-runtime-containerd" in there:
        found.append(node._replace(names=exact("containerd", packages)))
    if CONTROL_PLANE in there:
        names = exact("containerd", packages, CONTROL_PLANE, "kubectl")
        found.append(control_plane._replace(names=names))
    if "kubernetes-runtime-docker" in there:
        found.append(docker._replace(names=exact("docker", packages)))
    return tuple(found)


def _version(package: Package | PackageFile) -> str:
    return f"{package.epoch}:{package.version}" if package.epoch else package.version


def install(entry: Entry, names: Mapping[Format, Names] | None = None) -> tuple[Install, ...]:
    """Ready commands for each package manager, whatever the umask of those who type them: for a
    node, of the channel's newest or of what is named.
    """
    found = []
    for manager in MANAGERS:
        chosen = (names or NEWEST[0].names)[manager.format]
        commands = f"{setup(manager, entry)}{command(manager, chosen)}{CHECK}\n"
        found.append(Install(title=manager.title, format=manager.format.value, commands=commands))
    return tuple(found)


def setup(manager: Manager, entry: Entry) -> str:
    """What lets a package manager know the channel of an entry, and its key."""
    first = "" if entry.site_url else "SITE=https://…   # where this site is served\n"
    site = entry.site_url.rstrip("/") or "$SITE"
    base = f"{site}/yum/{entry.channel}/\\$basearch"
    source = f"mirrorlist={base}/mirrorlist" if entry.site_url else f"baseurl={base}/"
    if manager.name == "apt":
        return first + _apt(site, entry.channel)
    if manager.name == "dnf":
        place = "/etc/yum.repos.d/kubewright.repo"
        return first + _repository(place, site, entry.channel, source, "metadata_expire=1h")
    # zypper asks for the key at the first refresh, and without a terminal refuses it; rpm's own
    # keys it trusts.
    trust = f"sudo rpm --import {site}/{layout.KEYRING_ARMORED}\n"
    place = "/etc/zypp/repos.d/kubewright.repo"
    return first + trust + _repository(place, site, entry.channel, source, "autorefresh=1")


def command(manager: Manager, names: Names) -> str:
    """What installs packages, once the package manager knows the channel."""
    if manager.name == "apt":
        return f"sudo apt-get update && sudo apt-get install{_listed(names, '=')}"
    return f"sudo {manager.name} install{_listed(names, '-' if manager.name == 'dnf' else '=')}"


def _apt(site: str, channel: str) -> str:
    return (
        f"{TOOLS}\n"
        f"sudo curl -fsSL {site}/{layout.KEYRING} -o {KEYRING}\n"
        f"sudo chmod a+r {KEYRING}\n"
        f"sudo tee {SOURCES} <<EOF\n"
        f"{_sources(site, channel)}EOF\n"
        f"sudo chmod a+r {SOURCES}\n"
    )


def _sources(site: str, channel: str) -> str:
    return (
        f"Types: deb\nURIs: {site}/apt\nSuites: {channel}\nComponents: main\n"
        f"Architectures: $(dpkg --print-architecture)\nSigned-By: {KEYRING}\n"
    )


def unpacked(
    channel: str, snapshots: Mapping[str, str], names: Mapping[Format, Names]
) -> tuple[Install, ...]:
    """Ready commands for root on a machine without network, where a bundle was unpacked to
    `$BUNDLE`. `snapshots` are the yum repositories of the channel by base architecture.
    """
    site, first = "file:$BUNDLE/site", "BUNDLE=/srv/bundle   # where it was unpacked\n"
    apt = (
        f"install -m 644 $BUNDLE/site/{layout.KEYRING} {KEYRING}\n"
        f"cat >{SOURCES} <<EOF\n{_sources(site, channel)}EOF\n"
        f"apt-get update && apt-get install{_listed(names[Format.deb], '=')}"
    )
    ways = [Install(title="Debian and Ubuntu", format="deb", commands=f"{first}{apt}{CHECK}\n")]
    for base, snapshot in sorted(snapshots.items()):
        entry = (
            f"cat >/etc/yum.repos.d/kubewright.repo <<EOF\n"
            f"[kubewright]\nname=Kubewright {channel}\nbaseurl=file://$BUNDLE/site/{snapshot}\n"
            f"gpgkey=file://$BUNDLE/site/{layout.KEYRING_ARMORED}\n"
            "gpgcheck=1\nrepo_gpgcheck=1\nEOF\n"
            f"dnf install{_listed(names[Format.rpm], '-')}"
        )
        title = f"Fedora, RHEL and their kin, {base}"
        ways.append(Install(title=title, format="rpm", commands=f"{first}{entry}{CHECK}\n"))
    return tuple(ways)


def distribution(name: str, archives: Mapping[str, Sequence[str]], keyring: str) -> str:
    """Ready commands by which apt of such a machine reads the archives of its distribution that a
    bundle has, by folder with their suites, and nothing else.
    """
    entries = [
        f"Types: deb\nURIs: file:$BUNDLE/os/{name}/{folder}\nSuites: {' '.join(suites)}\n"
        f"Components: main\nSigned-By: {keyring}\nCheck-Valid-Until: no\nLanguages: none\n"
        "By-Hash: no\n"
        for folder, suites in archives.items()
    ]
    return (
        "mkdir -p /etc/apt/away   # sources that need a network\n"
        "for file in /etc/apt/sources.list /etc/apt/sources.list.d/*; do\n"
        '    [ ! -e "$file" ] || mv "$file" /etc/apt/away/\n'
        "done\n"
        f"cat >/etc/apt/sources.list.d/{name}.sources <<EOF\n" + "\n".join(entries) + "EOF\n"
    )


def _repository(path: str, site: str, channel: str, source: str, freshness: str) -> str:
    return (
        f"sudo tee {path} <<EOF\n"
        f"[kubewright]\nname=Kubewright {channel}\n{source}\n"
        f"gpgkey={site}/{layout.KEYRING_ARMORED}\ngpgcheck=1\nrepo_gpgcheck=1\n"
        f"{freshness}\nEOF\nsudo chmod a+r {path}\n"
    )


def _listed(names: Names, sign: str) -> str:
    """One package on the line of the command, several on lines of their own where they are by
    version.
    """
    words = [f"{name}{sign}{version}" if version else name for name, version in names.items()]
    if len(words) == 1 or not any(names.values()):
        return f" {' '.join(words)}\n"
    lines = [" ".join(words[start : start + 3]) for start in range(0, len(words), 3)]
    return "".join(f" \\\n    {line}" for line in lines) + "\n"
