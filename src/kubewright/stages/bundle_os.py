"""The packages of a distribution in a bundle: what a bare machine needs beside ours."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from kubewright import files
from kubewright.clients import closure
from kubewright.errors import RequestError, ToolMissing
from kubewright.models.base import Arch, Format, deb_name
from kubewright.models.distros import Distributions
from kubewright.resolution.distribution_names import distribution
from kubewright.site import layout
from kubewright.site.install_commands import exact, usual_runtime
from kubewright.stages.bundle import Site

TOOLS = ("curl", "jq", "openssl")
"""What install.sh needs."""


class System(NamedTuple):
    """A distribution whose packages a bundle has."""

    name: str
    family: str
    archives: tuple[closure.Archive, ...]
    files: dict[str, Path]
    """By path below the folder of the distribution."""

    @property
    def keyring(self) -> str:
        """The distribution's own keys, as its machines have them."""
        return closure.KEYRINGS[self.family]


class Wanted(NamedTuple):
    """A distribution that is asked for, and where its packages are fetched."""

    name: str
    family: str
    archives: Sequence[closure.Archive]


def wanted(name: str, known: Distributions, machine: Path = Path("/")) -> Wanted:
    """What `--with-os NAME` means. Raises RequestError for what cannot be had, before any work."""
    try:
        key = distribution(name, known)
    except RequestError as error:
        raise RequestError(f"--with-os {name}", error.problem, error.remedy) from error
    found, family = known.distributions[key], key.rpartition("-")[0]
    if found.format is not Format.deb or family not in closure.KEYRINGS:
        raise RequestError(
            f"--with-os {name}",
            "its packages are not apt's, and only those can be brought here",
            "fetch them on such a machine: dnf download --resolve --alldeps kubernetes-node",
        )
    keyring = Path(closure.KEYRINGS[family])
    if not keyring.is_file():
        raise ToolMissing(str(keyring), "missing", f"apt-get install {family}-archive-keyring")
    kin = [one.codename for name, one in known.distributions.items() if name.startswith(family)]
    past = [word for word, name in known.past_codenames.items() if name.startswith(family)]
    archives = closure.archives(family, found.codename, [*kin, *past], machine)
    return Wanted(key, family, archives)


def fetched(asked: Wanted, site: Site, folder: Path) -> System:
    """The packages that nodes and control planes of the releases in a bundle need."""
    own = folder / "own"
    entries = []
    for path, (size, _) in site.original.objects.items():
        if path.startswith("apt/dists/") or path == layout.KEYRING:
            with files.explained(own / path):
                (own / path).parent.mkdir(parents=True, exist_ok=True)
                (own / path).write_bytes(site.original.source.read(path, size) or b"")
    for name, record in site.channels.items():
        if any(one.name in site.manifests for one in record.served):
            entries.append(
                f"Types: deb\nURIs: file:{own}/apt\nSuites: {name}\nComponents: main\n"
                f"Signed-By: {own / layout.KEYRING}\nCheck-Valid-Until: no\n"
            )
    found: dict[str, Path] = {}
    every = set[str]().union(*(one.architectures for one in site.part.releases))
    for arch in sorted(every):
        apt = closure.Closure(
            folder / arch, deb_name(Arch(arch)), asked.archives, closure.KEYRINGS[asked.family],
            "\n".join(entries),
        )  # fmt: skip
        for one in site.part.releases:
            if arch in one.architectures:
                found |= apt.fetch([*_packages(site, one.name), *TOOLS]).files
    return System(asked.name, asked.family, tuple(asked.archives), found)


def _packages(site: Site, name: str) -> list[str]:
    """A control plane, which is a node too, of just this release."""
    manifest = site.manifests[name]
    packages = manifest.packages
    names = dict(exact(usual_runtime(packages), packages)[Format.deb])
    version = names["kubernetes-node"]
    names |= {"kubernetes-control-plane": version, "kubectl": version}
    return [f"{package}={version}" for package, version in names.items()]
