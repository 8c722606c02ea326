"""Where everything lies on a site: the one place that knows paths."""

import re
from types import MappingProxyType
from typing import Final

from kubewright.metadata import names
from kubewright.models.base import Format

MEDIA_TYPES: Final = MappingProxyType(
    {Format.deb: "application/vnd.debian.binary-package", Format.rpm: "application/x-rpm"}
)

FRONT_PAGE: Final = "index.html"
INDEX: Final = "releases/index.json"
GRAPH: Final = "releases/graph.json"

PART: Final = "releases/part.json"
"""Where a part of a site says which releases it has."""

MINORS: Final = "minors/"
"""What the path of every minor's page begins with, and of the same facts for programs."""

CHANNELS: Final = "channels/"
"""What the path of every channel record begins with, and of every marker."""

MANIFEST: Final = "manifest.json"
CHECKSUMS: Final = "SHA256SUMS"
ENTRIES: Final = MappingProxyType(
    {Format.deb: "index/apt.json.gz", Format.rpm: "index/yum.json.gz"}
)
"""Files in a release's directory: its facts, the digests of its files, and what repositories say of
its packages.
"""


def pool_path(package: str, filename: str, form: Format) -> str:
    """A package's one place; it is never replaced."""
    if form is Format.deb:
        initial = package[:4] if package.startswith("lib") else package[0]
        return f"apt/pool/main/{initial}/{package}/{filename}"
    return rpm_path(filename)


def rpm_path(filename: str) -> str:
    """The same for an rpm, whose package need not be known."""
    return f"yum/pool/{filename}"


def release_path(name: str, file: str = "") -> str:
    """A release's own directory, or a file in it."""
    return f"releases/{name}/{file}" if file else f"releases/{name}"


def release_page(name: str) -> str:
    """A release's page, for people."""
    return f"releases/{name}.html"


def minor_page(minor: str) -> str:
    """A minor's page, for people."""
    return f"{MINORS}{minor}.html"


def minor_facts(minor: str) -> str:
    """The same facts for programs."""
    return f"{MINORS}{minor}.json"


INSTALLER: Final = "install.sh"
"""The example installer."""

DOCUMENTS: Final = "docs/"
"""What the path of every page of our documentation begins with."""


def document_page(name: str) -> str:
    """A page of our documentation."""
    return f"{DOCUMENTS}{name}.html"


def is_page(path: str) -> bool:
    """Whether an object is a page, or a page's facts: it can be made again from documents."""
    return (
        path in (FRONT_PAGE, INSTALLER)
        or path.startswith((MINORS, DOCUMENTS))
        or (path.startswith("releases/") and path.endswith(".html") and path.count("/") == 1)
    )


def channel_path(channel: str) -> str:
    """The record that decides a channel."""
    return f"{CHANNELS}{channel}.json"


def marker_path(channel: str) -> str:
    """A dl.k8s.io-compatible marker."""
    return f"{CHANNELS}{channel}.txt"


TIMESTAMP: Final = names.TIMESTAMP
"""Which publication is the site's: the one pointer, whose swap is the commit."""

CURRENT: Final = "publications/current.json"
"""The pointer of a site from before it had metadata."""

POINTERS: Final = (TIMESTAMP, CURRENT)
"""What decides for a site: the first of them that is there."""

FINISHED: Final = "publications/finished.json"
"""The pointer for which everything that follows from a state was last written, all of it."""

STATE: Final = "publications/site.json"
"""The present state, the same bytes as its newest copy."""

STATES: Final = "publications/site/"
"""Where the copies of states are."""


def state_copy(number: int, sha256: str) -> str:
    """A state; like every copy it is named by its number and by what is in it."""
    return f"{STATES}{number}-{sha256[:16]}.json"


BACKUP: Final = ".backup.json"


def backup_copy(state: str) -> str:
    """A second place for the documents that came with the state at a path."""
    return f"{state.removesuffix('.json')}{BACKUP}"


METADATA_BACKUPS: Final = "publications/metadata/"
"""Where second copies of TUF metadata are."""


def metadata_backup(name: str) -> str:
    """A second place for the targets and snapshot of a version, or for a root."""
    return f"{METADATA_BACKUPS}{name}{BACKUP}"


def channel_copy(channel: str, sequence: int, sha256: str) -> str:
    """The immutable copy of a channel record."""
    return f"publications/channels/{channel}/{sequence}-{sha256[:16]}.json"


def index_copy(sequence: int, sha256: str) -> str:
    """The immutable copy of the release index."""
    return f"publications/index/{sequence}-{sha256[:16]}.json"


def pruned_copy(sha256: str) -> str:
    """The list of what a site has given up."""
    return f"publications/pruned/{sha256}.json"


def graph_copy(digest: str) -> str:
    """The immutable copy of the upgrade graph, by its SHA-256."""
    return f"publications/graph/{digest}.json"


def image_claim(image: str, digest: str) -> str:
    """What is signed about an index or manifest (`sha256:…`) of an image, in a release's
    directory.
    """
    return f"images/{image}@{digest.removeprefix('sha256:')}.payload.json"


def claim_signature(claim: str) -> str:
    """The signature beside that."""
    return f"{claim.removesuffix('.payload.json')}.sig"


def signatures(path: str) -> tuple[str, str]:
    """Where the OpenPGP and the ECDSA signature of a document lie: beside it."""
    return f"{path}.asc", f"{path}.sig"


def schema_path(document: str) -> str:
    """The JSON Schema of a kind of document."""
    return f"schemas/{document}.json"


def suite_path(channel: str) -> str:
    """An apt suite."""
    return f"apt/dists/{channel}"


def plain_repositories(channel: str) -> str:
    """What the paths of a channel's plain yum repositories begin with."""
    return f"yum/{channel}/"


def yum_path(channel: str, basearch: str) -> str:
    """A yum channel for one architecture: mirrorlist, and a plain repository."""
    return f"{plain_repositories(channel)}{basearch}"


def snapshot_path(channel: str, basearch: str, snapshot: str) -> str:
    """An immutable yum snapshot."""
    return f"yum/snapshots/{channel}/{basearch}/{snapshot}"


_LASTING: Final = (
    re.compile(r"(apt|yum)/pool/"),
    re.compile(r"yum/snapshots/"),
    re.compile(r".*/by-hash/"),
    re.compile(r"yum/[^/]+/[^/]+/(repodata/[0-9a-f]{64}-|Packages/)"),
    re.compile(r"releases/[^/]+/"),
    re.compile(r"publications/.+/"),
    re.compile(r"tuf/[0-9]+\.[a-z]+\.json$"),
    re.compile(r"keys/history/"),
)


def pooled(path: str) -> str:
    """The one place of a package that plain yum repositories have under names of their own."""
    return rpm_path(path.rpartition("/")[2]) if "/Packages/" in path else path


def is_immutable(path: str) -> bool:
    """Whether an object is never replaced, so that caches may keep it for good."""
    return any(pattern.match(path) for pattern in _LASTING)


_MOST: Final = MappingProxyType(
    {".deb": 2 << 30, ".rpm": 2 << 30, ".tar": 16 << 30, ".gz": 256 << 20, "Packages": 256 << 20}
)
_DOCUMENT: Final = 64 << 20


def most(path: str) -> int:
    """The most bytes that an object may have, by what it is: nothing larger is ever published."""
    name = path.rpartition("/")[2]
    return max((size for end, size in _MOST.items() if name.endswith(end)), default=_DOCUMENT)


KEYRING: Final = "keys/kubewright.gpg"
KEYRING_ARMORED: Final = "keys/kubewright.asc"
ARTIFACT_KEY: Final = "keys/kubewright.pub"


def hinted(hint: str) -> str:
    """The file that a hint in repomd.xml names, below a repository's root."""
    return hint.partition("?")[0]


def hinted_key(hint: str) -> str:
    """The same key alone, among all keys of the site."""
    return key_history(f"{hint.rpartition('fpr=')[2]}.asc")


KEY_HISTORY: Final = "keys/history/"


def key_history(name: str) -> str:
    """One key alone, as long as the site lives."""
    return f"{KEY_HISTORY}{name}"
