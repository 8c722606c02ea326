"""sign: signs rpms and images, and writes the signed manifest of the release into
`dist/NAME/signed/`.
"""

import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kubewright import __version__, files, recipes
from kubewright.errors import VerificationFailed
from kubewright.images import check_layout
from kubewright.models.artifact import Artifact, Builder, Package, Record
from kubewright.models.base import Format
from kubewright.models.image import Image
from kubewright.models.lock import Release
from kubewright.models.manifest import Key, Manifest
from kubewright.repos import deb, rpm
from kubewright.settings import Settings
from kubewright.signing import cosign, provenance
from kubewright.signing import keyring as keyrings
from kubewright.signing import rpm as rpm_signature
from kubewright.signing.roles import Keys
from kubewright.site import contents, layout
from kubewright.site.store import Store
from kubewright.stages import image, manifest, package
from kubewright.workspace import Workspace, fingerprint

log = logging.getLogger(__name__)

SIGNED = "signed"
MANIFEST = f"{SIGNED}/{layout.MANIFEST}"

PROJECT = "https://kubewright.invalid"
"""What provenance calls the project; `.invalid` until it has an address of its own."""


@dataclass(frozen=True)
class Order:
    """What is to be signed, and by whom."""

    release: Release
    packages: Record
    built: Record
    images: tuple[Image, ...]
    adopted: dict[str, str]
    """The SHA-256 of each rpm that the site carries already, by its path there."""
    mark: str

    def fits(self, record: Record) -> bool:
        """Whether what was signed agrees with what the site carries."""
        return all(self.adopted.get(one.url, one.sha256) == one.sha256 for one in record.packages)


def order(workspace: Workspace, settings: Settings, keys: Keys, site: Store) -> Order:
    """Gather what the earlier stages made of just this lock, with these keys and options.

    Raises RequestError when one of them has not run on it.
    """
    release = workspace.release()
    known = keyring(keys, site)
    packages = workspace.require("package", package.job(release, settings, keys.repo, known).mark)
    built = workspace.require("image", image.mark(release, settings))
    images = image.read_images(workspace).images
    adopted = {
        one.url: files.sha256(data)
        for one in packages.packages
        if (data := published(one, known, site))
    }
    mark = fingerprint(
        __version__, release.model_dump(), packages.model_dump(), built.model_dump(),
        [one.model_dump() for one in images], settings.url,
        files.sha256(keys.repo.certificate), keys.artifact.key_id, recipes.skew().model_dump(),
    )  # fmt: skip
    return Order(release, packages, built, images, adopted, mark)


def sign(workspace: Workspace, settings: Settings, keys: Keys, site: Store) -> Record:
    """Sign what the earlier stages made, unless exactly that is signed already."""
    what = order(workspace, settings, keys, site)
    release, packages, built = what.release, what.packages, what.built
    done = workspace.done("sign", what.mark)
    if done is not None and what.fits(done):
        log.info("sign %s: nothing to do, signed by %s", release.name, keys.repo.fingerprint)
        return done
    keys.repo.refuse_expired(settings.now)
    _refuse_broken_layout(workspace)
    moment = keys.moment(release.source_date_epoch)
    signed = tuple(_signed(one, workspace, keys, what, site) for one in packages.packages)
    artifacts = [
        *built.artifacts,
        *_indexes(workspace, release, signed),
        *_documents(workspace, release),
        *_image_signatures(workspace, release, what.images, keys),
    ]
    builders = (*packages.builders, *built.builders)
    stated = _provenance(workspace, release, [*artifacts, *signed], builders, keys)
    whole = manifest.compose(
        release,
        artifacts=[*artifacts, stated],
        packages=signed,
        images=what.images,
        records=(packages, built),
        keys=_keys(keys),
        rules=manifest.Rules(recipes.node_spec(release), recipes.skew()),
        entry=manifest.Entry(settings.url, package.entry_channel(release), stated.url),
    )
    artifacts += [stated, *_manifest(workspace, release, whole, keys, moment)]
    record = Record(
        stage="sign", fingerprint=what.mark, artifacts=tuple(artifacts), packages=signed
    )
    workspace.save(record)
    return record


def keyring(keys: Keys, site: Store) -> bytes:
    """Every repository key that the site knows, the current one first."""
    there = _read(site, layout.KEYRING)
    return keyrings.merged(keys.repo.certificate, [there] if there else [])


def _refuse_broken_layout(workspace: Workspace) -> None:
    for finding in check_layout(workspace.root / image.LAYOUT):
        raise VerificationFailed(
            f"{workspace.root / image.LAYOUT}: {finding}; run `kubewright image` again"
        )


def published(one: Package, known: bytes, site: Store) -> bytes | None:
    """An rpm of the same content that the site carries already, signed by a known key; a damaged
    one is none.
    """
    data = _read(site, one.url) if one.format is Format.rpm else None
    with suppress(VerificationFailed):
        if (
            data is not None
            and rpm_signature.unsigned_sha256(data, name=one.url) == one.unsigned_sha256
        ):
            rpm_signature.verify(data, [known], name=one.url)
            return data
    return None


def read_manifest(workspace: Workspace) -> Manifest:
    """The manifest that `sign` wrote."""
    return Manifest.from_bytes((workspace.root / MANIFEST).read_bytes())


def _signed(one: Package, workspace: Workspace, keys: Keys, what: Order, site: Store) -> Package:
    """An rpm with its signature; what the site carries already, with the same content, is taken
    from there.
    """
    if one.format is Format.deb:
        return one
    data = _read(site, one.url) if one.url in what.adopted else None
    if data is None:
        moment = keys.moment(what.release.dated(recipes.packages()[one.package].component))
        data = rpm_signature.sign(
            (workspace.root / one.path).read_bytes(), keys.repo, moment, name=one.name
        )
    path = f"{SIGNED}/rpm/{one.name}"
    files.write(workspace.root / path, data)
    return one.model_copy(
        update={
            "path": path,
            "size": len(data),
            "sha256": files.sha256(data),
            "signing_key": rpm_signature.signing_key(data, name=one.name),
        }
    )


def _indexes(workspace: Workspace, release: Release, packages: Iterable[Package]) -> list[Artifact]:
    """What repository indexes say of each package, so that a publication never reads packages
    again.
    """
    debs, rpms = [], []
    for one in packages:
        path = workspace.root / one.path
        if one.format is Format.deb:
            debs.append(deb.entry(path, one.url.removeprefix("apt/")))
        else:
            rpms.append(rpm.entry(path))
    return [
        _write(
            workspace,
            release,
            layout.ENTRIES[form],
            "index",
            contents.write_entries(found),
            "application/gzip",
        )
        for form, found in ((Format.deb, debs), (Format.rpm, rpms))
    ]


def _documents(workspace: Workspace, release: Release) -> list[Artifact]:
    spec = recipes.node_spec(release).to_bytes()
    return [
        _write(workspace, release, "node-spec.json", "node-spec", spec, "application/json"),
        _write(workspace, release, "release.json", "lock", release.to_bytes(), "application/json"),
    ]


def _image_signatures(
    workspace: Workspace, release: Release, images: Iterable[Image], keys: Keys
) -> list[Artifact]:
    """A cosign payload and signature for each image index and each platform's manifest."""
    made = []
    for one in images:
        for digest in one.digests:
            payload, name = (
                cosign.payload(one.repository, digest),
                layout.image_claim(one.name, digest),
            )
            made += [
                _write(workspace, release, name, "image-signature", payload, "application/json"),
                _write(
                    workspace, release, layout.claim_signature(name), "image-signature",
                    keys.artifact.sign(payload), "text/plain",
                ),
            ]  # fmt: skip
    return made


def _provenance(
    workspace: Workspace,
    release: Release,
    artifacts: list[Artifact],
    builders: Iterable[Builder],
    keys: Keys,
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
    return _write(
        workspace,
        release,
        "provenance/release.intoto.jsonl",
        "provenance",
        envelope,
        "application/jsonl",
    )


def _keys(keys: Keys) -> list[Key]:
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


def _manifest(
    workspace: Workspace, release: Release, whole: Manifest, keys: Keys, moment: int
) -> list[Artifact]:
    """The manifest and SHA256SUMS, each with its signatures."""
    data = whole.to_bytes()
    first = _write(workspace, release, layout.MANIFEST, "manifest", data, "application/json")
    sums = manifest.checksums(
        {one.url: one.sha256 for one in whole.files} | {first.url: first.sha256}
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


def _read(site: Store, path: str) -> bytes | None:
    stored = site.get(path)
    return stored.data if stored else None
