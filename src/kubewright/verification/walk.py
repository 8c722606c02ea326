"""Walks a site from its keys and index to every object that they lead to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kubewright import files
from kubewright.errors import VerificationFailed
from kubewright.models.artifact import Artifact
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, Index
from kubewright.repos import layout
from kubewright.signing import rpm
from kubewright.signing import verify as signatures
from kubewright.verification import repositories
from kubewright.verification.report import Report, Tally

Read = Callable[[str], bytes | None]
"""Gives an object of the site by its path, or None."""


@dataclass
class Walk:
    """One verification under way."""

    read: Read
    now: int
    certificates: Sequence[bytes]
    artifact_key: bytes
    tally: Tally = field(default_factory=Tally)
    objects: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Size and SHA-256 of every file that a manifest promises, by path."""

    def must(self, path: str) -> bytes:
        """An object that has to be there. Raises VerificationFailed."""
        data = self.read(path)
        if data is None:
            raise VerificationFailed(f"{path}: missing")
        return data


def verify(read: Read, site: str, trusted: Sequence[bytes], *, now: int) -> Report:
    """Check a whole site. Without trusted keys its own are believed: that finds damage, not an impostor.

    Raises VerificationFailed when there is no site to check at all.
    """
    certificate, public = read(layout.KEYRING), read(layout.ARTIFACT_KEY)
    index_data = read(layout.INDEX)
    if certificate is None or public is None or index_data is None:
        missing = next(path for path, data in ((layout.KEYRING, certificate), (layout.ARTIFACT_KEY, public),
                                               (layout.INDEX, index_data)) if data is None)  # fmt: skip
        raise VerificationFailed(f"{site}: {missing} is missing: this is no published site; give its root")
    walk = Walk(read, now, trusted or [certificate], public)
    walk.tally.warnings += signatures.expiry_warnings(walk.certificates, now=now)
    releases = _index(walk, index_data)
    return Report(
        site=site, checked=walk.tally.checked, releases=tuple(releases), keys=tuple(_fingerprints(walk)),
        warnings=tuple(walk.tally.warnings), findings=tuple(walk.tally.findings),
    )  # fmt: skip


def _fingerprints(walk: Walk) -> list[str]:
    return [f"OpenPGP {name}" for name in signatures.fingerprints(walk.certificates)] + [
        f"ECDSA sha256:{files.sha256(walk.artifact_key)} (PEM file)"
    ]


def _index(walk: Walk, data: bytes) -> list[str]:
    """The index, its immutable copy with signatures, and everything below."""
    with walk.tally.check(layout.INDEX):
        index = Index.from_bytes(data)
        copy = layout.index_copy(index.sequence)
        _signed_copy(walk, layout.INDEX, copy, data)
        manifests = {}
        for release in index.releases:
            found = _manifest(walk, release.manifest_url, release.manifest_sha256)
            if found is not None:
                manifests[release.name] = found
        listed = sorted({channel for release in index.releases for channel in release.channels})
        for channel in listed:
            _channel(walk, channel, index, manifests)
        return [release.name for release in index.releases]
    return []


def _signed_copy(walk: Walk, path: str, copy: str, data: bytes) -> None:
    """A mutable document equals its newest immutable copy, which both keys sign."""
    with walk.tally.check(copy):
        if walk.must(copy) != data:
            raise VerificationFailed(f"{path}: differs from {copy}")
    with walk.tally.check(f"{copy}.asc"):
        signatures.detached(data, walk.must(f"{copy}.asc"), walk.certificates, place=f"{copy}.asc")
    with walk.tally.check(f"{copy}.sig"):
        signatures.artifact(data, walk.must(f"{copy}.sig"), walk.artifact_key, place=f"{copy}.sig")


def _manifest(walk: Walk, path: str, sha256: str) -> Manifest | None:
    """A release: its signed manifest, and every file in it."""
    with walk.tally.check(path):
        data = walk.must(path)
        if files.sha256(data) != sha256:
            raise VerificationFailed(f"{path}: its SHA-256 is not the one in {layout.INDEX}")
        signatures.detached(data, walk.must(f"{path}.asc"), walk.certificates, place=f"{path}.asc")
        signatures.artifact(data, walk.must(f"{path}.sig"), walk.artifact_key, place=f"{path}.sig")
        manifest = Manifest.from_bytes(data)
        for one in manifest.files:
            _file(walk, one)
        _checksums(walk, manifest)
        return manifest
    return None


def _file(walk: Walk, artifact: Artifact) -> None:
    walk.objects[artifact.url] = (artifact.size, artifact.sha256)
    with walk.tally.check(artifact.url):
        data = walk.read(artifact.url)
        if walk.tally.digest(artifact.url, data, artifact.size, artifact.sha256) and artifact.kind == "rpm" and data:
            rpm.verify(data, walk.certificates, name=artifact.url)


def _checksums(walk: Walk, manifest: Manifest) -> None:
    path = layout.release_path(manifest.release.name, "SHA256SUMS")
    with walk.tally.check(path):
        data = walk.must(path)
        signatures.detached(data, walk.must(f"{path}.asc"), walk.certificates, place=f"{path}.asc")
        promised = {f"{one.sha256}  {one.url}" for one in manifest.files}
        absent = promised - set(data.decode().splitlines())
        if absent:
            raise VerificationFailed(f"{path}: lacks or contradicts {sorted(absent)[0].split()[1]}")


def _channel(walk: Walk, name: str, index: Index, manifests: dict[str, Manifest]) -> None:
    """A channel: its record and history, marker, apt suite and yum repositories."""
    path = layout.channel_path(name)
    with walk.tally.check(path):
        data = walk.must(path)
        channel = Channel.from_bytes(data)
        _signed_copy(walk, path, layout.channel_copy(name, channel.sequence), data)
        _history(walk, channel)
        indexed = {one.name for one in index.releases if name in one.channels}
        if indexed != {one.name for one in channel.releases}:
            raise VerificationFailed(f"{path}: lists other releases than {layout.INDEX}; publish again")
        _marker(walk, channel)
        packages = [
            package for one in channel.releases if one.name in manifests for package in manifests[one.name].packages
        ]
        repositories.apt(walk, channel, packages)
        repositories.yum(walk, channel, packages)


def _history(walk: Walk, channel: Channel) -> None:
    """Each publication names its parent by digest, back to the first."""
    while channel.parent is not None:
        path = layout.channel_copy(channel.channel, channel.sequence - 1)
        data = walk.must(path)
        walk.tally.require(path, files.sha256(data) == channel.parent, "is not the parent that the next one names")
        channel = Channel.from_bytes(data)


def _marker(walk: Walk, channel: Channel) -> None:
    path = layout.marker_path(channel.channel)
    current = channel.current
    with walk.tally.check(path):
        if current is not None and walk.must(path).decode() != f"v{current.kubernetes}":
            raise VerificationFailed(f"{path}: does not say v{current.kubernetes}; publish again")
