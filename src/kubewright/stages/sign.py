"""sign: signs rpms and images, and writes the signed manifest of the release into `dist/NAME/signed/`."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kubewright import __version__, files, recipes
from kubewright.models.artifact import Artifact, Builder, Package, Record
from kubewright.models.base import Format
from kubewright.models.image import Image
from kubewright.models.lock import Release
from kubewright.models.manifest import Key, Manifest
from kubewright.repos import deb, layout, publication, rpm
from kubewright.repos.store import Store
from kubewright.settings import Settings
from kubewright.signing import cosign, provenance
from kubewright.signing import rpm as rpm_signature
from kubewright.signing.keys import ArtifactKey, RepoKey
from kubewright.stages import image, manifest
from kubewright.workspace import Workspace, fingerprint

log = logging.getLogger(__name__)

SIGNED = "signed"

PROJECT = "https://kubewright.invalid"
"""What provenance calls the project; `.invalid` until it has an address of its own."""


@dataclass(frozen=True)
class Keys:
    """The two keys of a release."""

    repo: RepoKey
    artifact: ArtifactKey

    @property
    def development(self) -> bool:
        """Whether either is a development key."""
        return self.repo.development or self.artifact.development

    def moment(self, epoch: int) -> int:
        """When artifacts are signed: their own date, but never before the key existed."""
        return max(epoch, self.repo.created)


def sign(workspace: Workspace, settings: Settings, keys: Keys, site: Store) -> Record:
    """Sign what the earlier stages made, unless exactly that is signed already."""
    release = workspace.release()
    packages, built = workspace.require("package"), workspace.require("image")
    images = image.read_images(workspace).images
    mark = fingerprint(
        release.model_dump(), packages.model_dump(), built.model_dump(), [one.model_dump() for one in images],
        keys.repo.fingerprint, keys.artifact.key_id, settings.url, recipes.node_spec(release).model_dump(),
    )  # fmt: skip
    done = workspace.done("sign", mark)
    if done is not None:
        log.info("sign %s: nothing to do, signed by %s", release.name, keys.repo.fingerprint)
        return done
    keys.repo.refuse_expired(settings.now)
    moment = keys.moment(release.source_date_epoch)
    signed = tuple(_signed(one, workspace, keys, release, site) for one in packages.packages)
    artifacts = [
        *built.artifacts,
        *_indexes(workspace, release, signed),
        *_documents(workspace, release),
        *_image_signatures(workspace, release, images, keys),
    ]
    artifacts.append(
        _provenance(workspace, release, [*artifacts, *signed], (*packages.builders, *built.builders), keys)
    )
    whole = manifest.compose(
        release,
        artifacts=artifacts,
        packages=signed,
        images=images,
        records=(packages, built),
        keys=_keys(keys),
        node=recipes.node_spec(release),
        site_url=settings.url,
    )
    artifacts += _manifest(workspace, release, whole, keys, moment)
    record = Record(stage="sign", fingerprint=mark, artifacts=tuple(artifacts), packages=signed)
    workspace.save(record)
    return record


def read_manifest(workspace: Workspace) -> Manifest:
    """The manifest that `sign` wrote."""
    return Manifest.from_bytes((workspace.root / SIGNED / "manifest.json").read_bytes())


def _signed(package: Package, workspace: Workspace, keys: Keys, release: Release, site: Store) -> Package:
    """An rpm with its signature. A companion that the site carries already, same content, is taken from there."""
    if package.format is Format.deb:
        return package
    component = recipes.packages()[package.package].component
    published = site.read(package.url)
    if published is not None and rpm_signature.unsigned_sha256(published, name=package.url) == package.unsigned_sha256:
        data = published
    else:
        unsigned = (workspace.root / package.path).read_bytes()
        moment = keys.moment(release.component(component).epoch)
        data = rpm_signature.sign(unsigned, keys.repo, moment, name=package.name)
    path = f"{SIGNED}/rpm/{package.name}"
    files.write(workspace.root / path, data)
    return package.model_copy(
        update={
            "path": path, "size": len(data), "sha256": files.sha256(data),
            "signing_key": rpm_signature.signing_key(data, name=package.name),
        }
    )  # fmt: skip


def _indexes(workspace: Workspace, release: Release, packages: Iterable[Package]) -> list[Artifact]:
    """What repository indexes say of each package, so that a publication never reads packages again."""
    debs, rpms = [], []
    for package in packages:
        path = workspace.root / package.path
        if package.format is Format.deb:
            debs.append(deb.entry(path, package.url.removeprefix("apt/")))
        else:
            rpms.append(rpm.entry(path))
    return [
        _write(workspace, release, "index/apt.json.gz", "index", publication.write_entries(debs), "application/gzip"),
        _write(workspace, release, "index/yum.json.gz", "index", publication.write_entries(rpms), "application/gzip"),
    ]


def _documents(workspace: Workspace, release: Release) -> list[Artifact]:
    spec = recipes.node_spec(release).to_bytes()
    return [
        _write(workspace, release, "node-spec.json", "node-spec", spec, "application/json"),
        _write(workspace, release, "release.json", "lock", release.to_bytes(), "application/json"),
    ]


def _image_signatures(workspace: Workspace, release: Release, images: Iterable[Image], keys: Keys) -> list[Artifact]:
    """A cosign payload and signature for each image index and each platform's manifest."""
    made = []
    for one in images:
        for digest in (one.index, *(platform.manifest for platform in one.platforms)):
            payload = cosign.payload(one.reference, digest)
            base = f"images/{one.name}@{digest.removeprefix('sha256:')}"
            made += [
                _write(workspace, release, f"{base}.payload.json", "image-signature", payload, "application/json"),
                _write(workspace, release, f"{base}.sig", "image-signature", keys.artifact.sign(payload), "text/plain"),
            ]
    return made


def _provenance(
    workspace: Workspace, release: Release, artifacts: list[Artifact], builders: Iterable[Builder], keys: Keys
) -> Artifact:
    statement = provenance.statement(
        [provenance.Subject(name=one.url, sha256=one.sha256) for one in artifacts],
        build_type=f"{PROJECT}/release/v1",
        builder_id=f"{PROJECT}/kubewright@{__version__}",
        external_parameters={"release": release.name, "architectures": list(release.architectures)},
        dependencies=[
            provenance.Dependency(uri=entry.url, sha256=entry.sha256, name=entry.id)
            for entry in release.inputs
            if entry.sha256
        ],
        builder_version={one.name: one.version for one in builders},
    )
    envelope = provenance.envelope(statement, keys.artifact)
    return _write(workspace, release, "provenance/release.intoto.jsonl", "provenance", envelope, "application/jsonl")


def _keys(keys: Keys) -> list[Key]:
    return [
        Key(kind="openpgp", id=keys.repo.fingerprint, url=layout.KEYRING,
            sha256=files.sha256(keys.repo.certificate), development=keys.repo.development),
        Key(kind="ecdsa-p256", id=keys.artifact.key_id, url=layout.ARTIFACT_KEY,
            sha256=files.sha256(keys.artifact.public_pem), development=keys.artifact.development),
    ]  # fmt: skip


def _manifest(workspace: Workspace, release: Release, whole: Manifest, keys: Keys, moment: int) -> list[Artifact]:
    """The manifest and SHA256SUMS, each with its signatures."""
    data = whole.to_bytes()
    first = _write(workspace, release, "manifest.json", "manifest", data, "application/json")
    sums = manifest.checksums([*whole.files, first])
    return [
        first,
        _write(
            workspace, release, "manifest.json.asc", "signature", keys.repo.armored_detached(data, moment), "text/plain"
        ),
        _write(workspace, release, "manifest.json.sig", "signature", keys.artifact.sign(data), "text/plain"),
        _write(workspace, release, "SHA256SUMS", "checksums", sums, "text/plain"),
        _write(
            workspace, release, "SHA256SUMS.asc", "signature", keys.repo.armored_detached(sums, moment), "text/plain"
        ),
    ]


def _write(workspace: Workspace, release: Release, name: str, kind: str, data: bytes, media_type: str) -> Artifact:
    path = Path(SIGNED) / name
    files.write(workspace.root / path, data)
    return manifest.described(name, kind, str(path), layout.release_path(release.name, name), data, media_type)
