"""What each document of a site names: verifying walks it; what nothing names may go."""

from collections.abc import Iterable, Iterator, Mapping
from functools import singledispatch
from typing import NamedTuple, Protocol

from kubewright.models.document import Document
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, Index, Pointer, State
from kubewright.repos import apt, yum
from kubewright.site import contents, layout


class Reference(NamedTuple):
    """An object that a document names. Size in bytes and SHA-256 are None where it says neither."""

    path: str
    sha256: str | None = None
    size: int | None = None


class Packaged(Protocol):
    """What a channel's repositories say of a package: a manifest has it, and who keeps no more."""

    @property
    def name(self) -> str:
        """Of its file."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def sha256(self) -> str:
        """Of the whole file."""

    @property
    def format(self) -> str:
        """`deb` or `rpm`."""

    @property
    def arch(self) -> str:
        """Whom it is for, as Go says it; `all` for every architecture."""

    @property
    def signing_key(self) -> str | None:
        """The OpenPGP fingerprint, for rpms."""


@singledispatch
def references(document: Document) -> Iterator[Reference]:
    """Every object that a document names directly, but for its own copies and those before it."""
    raise TypeError(f"{type(document).__name__} is not a document that names others")


@references.register
def _(document: Pointer) -> Iterator[Reference]:
    path = layout.state_copy(document.number, document.sha256)
    yield from copied(path, document.sha256)
    yield Reference(layout.backup_copy(path))


@references.register
def _(document: State) -> Iterator[Reference]:
    for name, copy in document.channels.items():
        yield from copied(layout.channel_copy(name, copy.sequence, copy.sha256), copy.sha256)
        yield Reference(layout.channel_path(name), copy.sha256)
    index = document.index
    yield from copied(layout.index_copy(index.sequence, index.sha256), index.sha256)
    yield Reference(layout.INDEX, index.sha256)
    for path, digest in document.files.items():
        yield Reference(path, digest)
    kept = document.history
    if kept.pruned is not None:
        yield Reference(layout.pruned_copy(kept.pruned), kept.pruned)
    if document.parent and document.number > kept.state:
        yield from references(Pointer(number=document.number - 1, sha256=document.parent))


@references.register
def _(document: Channel) -> Iterator[Reference]:
    for release in document.releases:
        yield Reference(release.manifest_url, release.manifest_sha256)
    yield from indexes(document)
    yield from served(document)


def indexes(record: Channel) -> Iterator[Reference]:
    """The immutable indexes of a channel's record: they stay when the next record comes."""
    suite = layout.suite_path(record.channel)
    for arch, digest in record.packages.items():
        yield Reference(f"{suite}/{apt.by_hash_name(arch, digest)}", digest)
    for base, repodata in record.repodata.items():
        snapshot = layout.snapshot_path(record.channel, base, repodata.snapshot)
        plain = layout.yum_path(record.channel, base)
        for kind in yum.KINDS:
            digest = getattr(repodata, kind)
            yield Reference(f"{snapshot}/{yum.data_name(kind, digest)}", digest)
        digest = repodata.plain_primary
        yield Reference(f"{plain}/{yum.data_name('primary', digest)}", digest)
        if record.key_hint:
            yield Reference(f"{snapshot}/{layout.hinted(record.key_hint)}")
        yield Reference(f"{snapshot}/{yum.REPOMD}", repodata.repomd)
        yield Reference(f"{snapshot}/{yum.REPOMD}.asc")
        yield Reference(f"{snapshot}/{yum.REPOMD}.key")
    yield from copies(record)


def copies(record: Channel) -> Iterator[Reference]:
    """Those of them whose bytes a snapshot has: in a bucket they are made while the record is
    swapped, and not before.
    """
    for base, repodata in record.repodata.items():
        plain = layout.yum_path(record.channel, base)
        for kind in yum.SHARED:
            digest = getattr(repodata, kind)
            yield Reference(f"{plain}/{yum.data_name(kind, digest)}", digest)
        if record.key_hint:
            yield Reference(f"{plain}/{layout.hinted(record.key_hint)}")


def served(record: Channel) -> Iterator[Reference]:
    """What changes with a channel's record: plain names, signatures, lines that clients follow."""
    suite = layout.suite_path(record.channel)
    yield Reference(f"{suite}/Release")  # the record's, but for the dates of a renewal
    yield Reference(f"{suite}/Release.gpg")
    yield Reference(f"{suite}/InRelease")
    for arch, digest in record.packages.items():
        yield Reference(f"{suite}/main/binary-{arch}/Packages")
        yield Reference(f"{suite}/main/binary-{arch}/Packages.gz", digest)
    for base, repodata in record.repodata.items():
        plain = layout.yum_path(record.channel, base)
        yield Reference(f"{plain}/{yum.REPOMD}", repodata.plain_repomd)
        yield Reference(f"{plain}/{yum.REPOMD}.asc")
        yield Reference(f"{plain}/{yum.REPOMD}.key")
        if record.url:
            yield Reference(f"{plain}/mirrorlist")
    if record.current is not None:
        yield Reference(layout.marker_path(record.channel))


def linked(
    record: Channel, packages: Iterable[Packaged], revoked: Mapping[str, int]
) -> Iterator[Reference]:
    """The rpms among the packages of a release where the plain repositories of a channel have them:
    all but those of keys that were `revoked` by then (epoch seconds by id).
    """
    for package in packages:
        gone = revoked.get(package.signing_key or "", record.issued + 1) <= record.issued
        if package.format != "rpm" or gone:
            continue
        for base in record.repodata:
            if contents.base_arch(package.arch) in (base, "all"):
                path = f"{layout.yum_path(record.channel, base)}/Packages/{package.name}"
                yield Reference(path, package.sha256, package.size)


@references.register
def _(document: Index) -> Iterator[Reference]:
    for release in document.releases:
        yield Reference(release.manifest_url, release.manifest_sha256)
        yield from map(Reference, layout.signatures(release.manifest_url))
    if document.graph_sha256:
        yield from copied(layout.graph_copy(document.graph_sha256), document.graph_sha256)
        yield Reference(layout.GRAPH, document.graph_sha256)


@references.register
def _(document: Manifest) -> Iterator[Reference]:
    for file in document.files:
        yield Reference(file.url, file.sha256, file.size)
    sums = layout.release_path(document.release.name, layout.CHECKSUMS)
    yield Reference(sums)
    yield Reference(f"{sums}.asc")
    for key in document.keys:
        yield Reference(key.url)


def copied(path: str, sha256: str) -> Iterator[Reference]:
    """A signed immutable copy."""
    yield Reference(path, sha256)
    yield from map(Reference, layout.signatures(path))
