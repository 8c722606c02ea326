"""Writes what `sign` adds to packages and images: indexes, signatures, provenance, the manifest."""

from collections.abc import Iterable
from pathlib import Path

from kubewright import files
from kubewright.models.artifact import Artifact, Package
from kubewright.models.base import Format
from kubewright.models.image import Image
from kubewright.models.lock import Release
from kubewright.models.manifest import Key, Manifest
from kubewright.models.node import NodeSpec
from kubewright.repos import deb, rpm
from kubewright.signing import cosign, provenance
from kubewright.signing.roles import Keys
from kubewright.site import contents, layout
from kubewright.stages import manifest
from kubewright.workspace import Workspace

SIGNED = "signed"
MANIFEST = f"{SIGNED}/{layout.MANIFEST}"


def indexes(workspace: Workspace, release: Release, packages: Iterable[Package]) -> list[Artifact]:
    """What repository indexes say of each package, so that a publication never reads packages
    again.
    """
    debs, rpms = [], []
    for package in packages:
        path = workspace.root / package.path
        if package.format is Format.deb:
            debs.append(deb.entry(path, package.url.removeprefix("apt/")))
        else:
            rpms.append(rpm.entry(path))
    written = []
    for form, entries in ((Format.deb, debs), (Format.rpm, rpms)):
        data = contents.write_entries(entries)
        written.append(
            _write(workspace, release, layout.ENTRIES[form], "index", data, "application/gzip")
        )
    return written


def documents(workspace: Workspace, release: Release, node_spec: NodeSpec) -> list[Artifact]:
    """The node specification, and the lock: completed, without what only `sign` asks for."""
    spec = node_spec.to_bytes()
    lock = release.model_copy(update={"recipes": None}).to_bytes()
    return [
        _write(workspace, release, "node-spec.json", "node-spec", spec, "application/json"),
        _write(workspace, release, "release.json", "lock", lock, "application/json"),
    ]


def image_signatures(
    workspace: Workspace, release: Release, images: Iterable[Image], keys: Keys
) -> list[Artifact]:
    """A cosign payload and signature for each image index and each platform's manifest."""
    made = []
    for image in images:
        for digest in image.digests:
            claim = cosign.payload(image.repository, digest, image.tag)
            name, signature = layout.image_claim(image.name, digest), keys.artifact.sign(claim)
            for path, data, media_type in (
                (name, claim, "application/json"),
                (layout.claim_signature(name), signature, "text/plain"),
            ):
                made.append(_write(workspace, release, path, "image-signature", data, media_type))
    return made


def statement(workspace: Workspace, release: Release, stated: bytes, keys: Keys) -> Artifact:
    """The signed statement of what the release was made from."""
    envelope = provenance.envelope(stated, keys.artifact)
    name = "provenance/release.intoto.jsonl"
    return _write(workspace, release, name, "provenance", envelope, "application/jsonl")


def public_keys(keys: Keys) -> list[Key]:
    """The public keys, as the manifest names them."""
    return [
        Key(
            kind="openpgp",
            id=keys.repo.fingerprint,
            url=layout.key_history(f"{keys.repo.fingerprint}.asc"),
            development=keys.repo.development,
        ),
        Key(
            kind="ecdsa-p256",
            id=keys.artifact.key_id,
            url=layout.key_history(f"{keys.artifact.key_id}.pub"),
            development=keys.artifact.development,
        ),
    ]


def signed_manifest(
    workspace: Workspace, release: Release, whole: Manifest, keys: Keys
) -> list[Artifact]:
    """The manifest and SHA256SUMS, each with its signatures."""
    data, moment = whole.to_bytes(), keys.moment(release.source_date_epoch)
    first = _write(workspace, release, layout.MANIFEST, "manifest", data, "application/json")
    sums = manifest.checksums(
        {file.url: file.sha256 for file in whole.files} | {first.url: first.sha256}
    )
    return [
        first,
        *(
            _write(workspace, release, name, kind, content, "text/plain")
            for name, kind, content in (
                (f"{layout.MANIFEST}.asc", "signature", keys.repo.armored_detached(data, moment)),
                (f"{layout.MANIFEST}.sig", "signature", keys.artifact.sign(data)),
                (layout.CHECKSUMS, "checksums", sums),
                (f"{layout.CHECKSUMS}.asc", "signature", keys.repo.armored_detached(sums, moment)),
            )
        ),
    ]


def _write(
    workspace: Workspace, release: Release, name: str, kind: str, data: bytes, media_type: str
) -> Artifact:
    path = Path(SIGNED) / name
    files.write(workspace.root / path, data)
    return manifest.described(
        name, kind, str(path), layout.release_path(release.name, name), data, media_type
    )
