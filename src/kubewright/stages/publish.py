"""publish: puts a signed release on a site, in its channels; history and rollback of channels."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubewright import files, recipes
from kubewright.errors import PublicationConflict, RequestError, VerificationFailed
from kubewright.models.artifact import Artifact, Package
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, ChannelRelease, Index
from kubewright.repos import layout, page, records
from kubewright.repos.journal import Journal
from kubewright.repos.publication import Publication
from kubewright.repos.store import Change, DirectoryStore, Recorder, Store
from kubewright.settings import Settings
from kubewright.signing.rpm import unsigned_sha256
from kubewright.stages.sign import SIGNED, Keys, read_manifest
from kubewright.workspace import Workspace

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Signer:
    """Both keys, in the shape that a publication asks for."""

    keys: Keys

    @property
    def fingerprint(self) -> str:
        """Of the OpenPGP key."""
        return self.keys.repo.fingerprint

    def clearsign(self, text: bytes, when: int) -> bytes:
        """InRelease."""
        return self.keys.repo.clearsign(text, self.keys.moment(when))

    def armored_detached(self, data: bytes, when: int) -> bytes:
        """`.asc` files."""
        return self.keys.repo.armored_detached(data, self.keys.moment(when))

    def artifact(self, data: bytes) -> bytes:
        """`.sig` files."""
        return self.keys.artifact.sign(data)


def store(settings: Settings) -> Store:
    """The site that the settings name."""
    if "://" in settings.site:
        raise RequestError(f"--site {settings.site}: only directories can be published to; give a path")
    return DirectoryStore(Path(settings.site))


def _target(settings: Settings) -> Journal | Recorder:
    """The site, noting what changes; on a dry run nothing is written."""
    return Recorder(store(settings)) if settings.dry_run else Journal(store(settings))


def publish(workspace: Workspace, settings: Settings, keys: Keys) -> tuple[list[str], list[Change]]:
    """Publish a release; return its channels and every object written, or that would be (`--dry-run`)."""
    record = workspace.require("sign")
    manifest = read_manifest(workspace)
    keys.repo.refuse_expired(settings.now)
    target = _target(settings)
    site = _publication(target, keys)
    present = site.channels()
    _allow(manifest, present, settings)
    names = settings.channels or records.default_channels(manifest.release.kubernetes, present)
    if not names:
        raise RequestError(f"{manifest.release.name}: lower than what every channel has; name one with --channel")
    _upload(workspace, (*record.artifacts, *record.packages), target)
    _keys(target, keys)
    entry = _entry(workspace, manifest)
    for name in names:
        previous = present.get(name)
        new = records.add(
            previous, name, entry, now=settings.now, url=settings.url.rstrip("/"), repo_key=keys.repo.fingerprint
        )
        site.commit(previous, new)
        site.derive(new)
        log.info(
            "channel %s: publication %d, current is %s", name, new.sequence, new.current.name if new.current else "none"
        )
    site.derive_index(_end_of_life())
    return list(names), target.changes


def rollback(channel: str, settings: Settings, keys: Keys, to: int | None) -> tuple[Channel, list[Change]]:
    """Publish the content of an earlier publication of a channel; by default the one before the present."""
    target = _target(settings)
    site = _publication(target, keys)
    current = site.channel(channel)
    if current is None:
        known = ", ".join(site.channels()) or "none"
        raise RequestError(f"{layout.channel_path(channel)}: no such channel on {settings.site}; there are: {known}")
    wanted = current.sequence - 1 if to is None else to
    earlier = history(channel, settings)
    found = next((record for record in earlier if record.sequence == wanted), None)
    if found is None:
        raise RequestError(
            f"{layout.channel_path(channel)}: no publication {wanted}; "
            f"there are: {', '.join(str(record.sequence) for record in earlier)}"
        )
    keys.repo.refuse_expired(settings.now)
    new = records.rollback(current, found, now=settings.now, repo_key=keys.repo.fingerprint)
    site.commit(current, new)
    site.derive(new)
    site.derive_index(_end_of_life())
    return new, target.changes


def history(channel: str, settings: Settings) -> list[Channel]:
    """Every publication of a channel, oldest first. Raises VerificationFailed when the chain is broken."""
    site = store(settings)
    data = site.read(layout.channel_path(channel))
    if data is None:
        raise RequestError(
            f"{layout.channel_path(channel)}: no such channel on {settings.site}; try `kubewright history`"
        )
    found = [Channel.from_bytes(data)]
    while found[-1].parent is not None:
        path = layout.channel_copy(channel, found[-1].sequence - 1)
        data = site.read(path)
        if data is None or files.sha256(data) != found[-1].parent:
            raise VerificationFailed(
                f"{path}: missing, or not what publication {found[-1].sequence} names as its parent"
            )
        found.append(Channel.from_bytes(data))
    return found[::-1]


def channels(settings: Settings) -> list[Channel]:
    """The present record of every channel of the site."""
    site = store(settings)
    found = (site.read(path) for path in site.list("channels/") if path.endswith(".json"))
    return [Channel.from_bytes(data) for data in found if data is not None]


def _publication(target: Store, keys: Keys) -> Publication:
    return Publication(
        store=target,
        signer=Signer(keys),
        armored_key=keys.repo.armored,
        render_page=page.render,
        schemas={
            name: files.canonical_json(model.model_json_schema(by_alias=True))
            for name, model in (("manifest", Manifest), ("channel", Channel), ("index", Index))
        },
    )


def _allow(manifest: Manifest, channels: Mapping[str, Channel], settings: Settings) -> None:
    """A development key never gets where production keys sign, nor on a public site, unless told."""
    if not manifest.development or settings.allow_development:
        return
    production = [name for name, channel in channels.items() if not channel.development]
    if production or settings.url.startswith("https://"):
        why = f"channel {production[0]} is signed by production keys" if production else f"{settings.url} is public"
        raise RequestError(
            f"{settings.site}: {manifest.release.name} is signed by a development key and {why}; "
            "sign with --repo-key and --artifact-key, or pass --allow-development"
        )


def _upload(workspace: Workspace, artifacts: Sequence[Artifact], target: Store) -> None:
    """Every file of the release to its one place; a published name keeps its bytes."""
    for artifact in sorted(artifacts, key=lambda one: (one.name.startswith("manifest.json"), one.url)):
        path = workspace.root / artifact.path
        there = target.digest(artifact.url)
        if there not in (None, artifact.sha256):
            raise PublicationConflict(_conflict(artifact, target))
        target.create(artifact.url, path)


def _conflict(artifact: Artifact, target: Store) -> str:
    if isinstance(artifact, Package) and artifact.kind == "rpm":
        published = target.read(artifact.url) or b""
        if unsigned_sha256(published, name=artifact.url) == artifact.unsigned_sha256:
            return (
                f"{artifact.url}: published with the same content under another key's signature; "
                "run `kubewright sign` with the same --site, which takes the published file over"
            )
    return (
        f"{artifact.url}: published already with other bytes; a published name keeps its bytes: "
        "raise --revision for Kubernetes' own packages, or `revision` in a companion's recipe"
    )


def _keys(target: Store, keys: Keys) -> None:
    target.replace(layout.KEYRING, keys.repo.certificate)
    target.replace(layout.KEYRING_ARMORED, keys.repo.armored.encode())
    target.replace(layout.ARTIFACT_KEY, keys.artifact.public_pem)
    target.create(f"keys/history/{keys.repo.fingerprint}.asc", keys.repo.armored.encode())
    target.create(f"keys/history/{keys.artifact.key_id}.pub", keys.artifact.public_pem)


def _entry(workspace: Workspace, manifest: Manifest) -> ChannelRelease:
    return ChannelRelease(
        name=manifest.release.name, kubernetes=manifest.release.kubernetes, status="current",
        manifest_url=layout.release_path(manifest.release.name, "manifest.json"),
        manifest_sha256=files.sha256_of(workspace.root / SIGNED / "manifest.json"),
        development=manifest.development,
    )  # fmt: skip


def _end_of_life() -> dict[str, str | None]:
    return {minor: facts.end_of_life for minor, facts in recipes.catalog().items()}
