"""What is asked of an engine for a cluster, in the words of Docker's SDK; nothing here asks."""

import re
from collections.abc import Sequence
from typing import Any, Final

from docker.types import Mount

from kubewright import kubernetes_versions
from kubewright.errors import RequestError
from kubewright.models.cluster import NAME, Published, Wanted

LABEL: Final = "kubewright.cluster"
"""Of containers and volumes: the name of their cluster."""

RUN: Final = "kubewright.begun-by"
"""Of volumes: which run of `up` made it, for it alone may remove it when it fails."""

TITLE: Final = "org.opencontainers.image.title"
VERSION: Final = "org.opencontainers.image.version"
IMAGE: Final = "hyperkube-cluster"
"""The image's last name, and its title."""

API: Final = "6443/tcp"
HERE: Final = "127.0.0.1"

PARTS_OF_PRIVILEGED: Final = {
    "cap_add": ["ALL"],
    "cap_drop": ["SYS_RESOURCE"],
    "device_cgroup_rules": ["a *:* rwm"],
    "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
}
"""What stands for `privileged` where the engine lacks a capability itself (docs/cluster.md)."""

CAPABILITIES = re.compile(r"unable to apply caps|capset|cannot.*capabilit", re.IGNORECASE)
"""How an engine refuses `privileged` that cannot grant it."""

TAKEN = re.compile(r"port is already allocated|address already in use", re.IGNORECASE)


def volume(name: str) -> str:
    """The volume of a cluster."""
    return f"kubewright-{name}"


def container(wanted: Wanted, port: int, token: str, *, privileged: bool) -> dict[str, Any]:
    """The arguments of `containers.create` for a cluster whose API gets a port here."""
    labels = {LABEL: wanted.name}
    rights: dict[str, Any] = {"privileged": True} if privileged else dict(PARTS_OF_PRIVILEGED)
    ports: dict[str, list[tuple[str, int]]] = {API: [(HERE, port)]}
    for one in wanted.published:
        ports.setdefault(f"{one.node}/{one.protocol}", []).append((HERE, one.here))
    about = {**labels, RUN: token}
    var = Mount(target="/var", source=volume(wanted.name), type="volume", labels=about)
    more = {"network": wanted.network} if wanted.network else {}
    return {
        "image": wanted.image,
        "command": ["cluster", *wanted.options],
        "name": wanted.name,
        "hostname": wanted.name,
        "labels": labels,
        "ports": ports,
        "mounts": [var],
        **rights,
        **more,
    }


def access(server: str, context: str, *, wait: bool) -> list[str]:
    """The command in the container that prints a kubeconfig."""
    command = ["kubeconfig", "--server", server, "--name", context]
    return [*command, "--wait"] if wait else command


def taken_port(said: str) -> int | None:
    """The port that an engine says is taken, or None for another complaint."""
    if not TAKEN.search(said):
        return None
    ports = re.findall(r":(\d{1,5})\b", said)
    return int(ports[-1]) if ports else None


def image(word: str, prefix: str) -> str:
    """The image that a word names: a version below a prefix, or a reference."""
    version = kubernetes_versions.read(word)
    if version is None:
        return word
    return f"{re.sub('^https?://', '', prefix).rstrip('/')}/{IMAGE}:v{version}"


def is_image(word: str) -> bool:
    """Whether a word is a version or an image, and not the name of a cluster."""
    return kubernetes_versions.read(word) is not None or re.search("[/:@]", word) is not None


def words(given: Sequence[str]) -> tuple[str, str, tuple[str, ...]]:
    """Name, version or image, and the cluster's own options of `[NAME] [VERSION|IMAGE] [-- …]`.

    What is not given is empty. Raises RequestError for a word that is none of them.
    """
    first = next((at for at, word in enumerate(given) if word.startswith("-")), len(given))
    plain, options = list(given[:first]), tuple(given[first:])
    name = plain.pop(0) if plain and not is_image(plain[0]) else ""
    which = plain.pop(0) if plain else ""
    if plain or (which and not is_image(which)):
        raise RequestError(
            " ".join(given[:first]),
            f"{plain[0] if plain else which!r} is neither a version nor an image",
            "give a name, then a version such as v1.36.4 or an image",
        )
    return name, which, options


def name(text: str, place: str = "NAME") -> str:
    """A cluster's name, or a context's. Raises RequestError for what cannot be one."""
    if re.search(r"(^|[^0-9])[0-9]+\.[0-9]", text):
        raise RequestError(
            f"{place} {text}",
            "looks like a version, and is none",
            "write a version like v1.36.4; a name has no number with a dot in it",
        )
    if re.fullmatch(NAME, text) is None:
        raise RequestError(
            f"{place} {text}",
            "is no name of a cluster",
            "it has 2 to 63 lowercase letters, digits, hyphens and dots, the last two inside",
        )
    return text


def published(given: str) -> Published:
    """A port of `--publish`: HERE:NODE, or HERE:NODE/udp. Raises RequestError for all else."""
    found = re.fullmatch(r"(\d{1,5}):(\d{1,5})(?:/(tcp|udp|sctp))?", given)
    if found is None or not all(0 < int(port) < 65536 for port in found.group(1, 2)):
        raise RequestError(
            f"--publish {given}",
            "is not HERE:NODEPORT",
            "write it like 8080:30080, or 5353:30053/udp",
        )
    return Published(here=int(found[1]), node=int(found[2]), protocol=found[3] or "tcp")
