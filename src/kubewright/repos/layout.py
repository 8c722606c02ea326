"""Where everything lies on a site: the one place that knows paths."""

from types import MappingProxyType
from typing import Final

from kubewright.models.base import Format

MEDIA_TYPES: Final = MappingProxyType(
    {Format.deb: "application/vnd.debian.binary-package", Format.rpm: "application/x-rpm"}
)

INDEX: Final = "releases/index.json"
GRAPH: Final = "releases/graph.json"


def pool_path(package: str, filename: str, form: Format) -> str:
    """A package's one place; it is never replaced."""
    if form is Format.deb:
        initial = package[:4] if package.startswith("lib") else package[0]
        return f"apt/pool/main/{initial}/{package}/{filename}"
    return f"yum/pool/{filename}"


def release_path(name: str, file: str = "") -> str:
    """A release's own directory, or a file in it."""
    return f"releases/{name}/{file}" if file else f"releases/{name}"


def channel_path(channel: str) -> str:
    """The record that decides a channel."""
    return f"channels/{channel}.json"


def marker_path(channel: str) -> str:
    """A dl.k8s.io-compatible marker."""
    return f"channels/{channel}.txt"


def channel_copy(channel: str, sequence: int) -> str:
    """The immutable copy of a channel record."""
    return f"publications/channels/{channel}/{sequence}.json"


def index_copy(sequence: int) -> str:
    """The immutable copy of the release index."""
    return f"publications/index/{sequence}.json"


def graph_copy(digest: str) -> str:
    """The immutable copy of the upgrade graph, by its SHA-256."""
    return f"publications/graph/{digest}.json"


def suite_path(channel: str) -> str:
    """An apt suite."""
    return f"apt/dists/{channel}"


def yum_path(channel: str, basearch: str) -> str:
    """A yum channel for one architecture: mirrorlist, and a plain repository."""
    return f"yum/{channel}/{basearch}"


def snapshot_path(channel: str, basearch: str, snapshot: str) -> str:
    """An immutable yum snapshot."""
    return f"yum/snapshots/{channel}/{basearch}/{snapshot}"


KEYRING: Final = "keys/kubewright.gpg"
KEYRING_ARMORED: Final = "keys/kubewright.asc"
ARTIFACT_KEY: Final = "keys/kubewright.pub"


def key_history(name: str) -> str:
    """One key alone, as long as the site lives."""
    return f"keys/history/{name}"
