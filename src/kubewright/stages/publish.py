"""publish: puts a signed release on a site, in its channels; history, rollback and refresh of
channels.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubewright import files, recipes
from kubewright.errors import PublicationConflict, RequestError, VerificationFailed
from kubewright.models.artifact import Artifact, Package
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, ChannelRelease
from kubewright.settings import Settings
from kubewright.signing.keyring import armored, has_production_key, merged_pem
from kubewright.signing.roles import Keys
from kubewright.site import channels as records
from kubewright.site import layout, page
from kubewright.site.journal import Journal
from kubewright.site.publication import Publication, channel_names
from kubewright.site.store import Change, DirectoryStore, Recorder, Store
from kubewright.stages.carried import keyring, published
from kubewright.stages.sign import read_manifest
from kubewright.stages.signed_documents import MANIFEST
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
        raise RequestError(
            f"--site {settings.site}: only directories can be published to; give a path"
        )
    return DirectoryStore(Path(settings.site))


@dataclass(frozen=True)
class Work:
    """A site about to be published on: where what changes is noted, and its channels as they
    are.
    """

    target: Journal | Recorder
    site: Publication
    present: dict[str, Channel]


def publish(workspace: Workspace, settings: Settings, keys: Keys) -> tuple[list[str], list[Change]]:
    """Publish a release; return its channels and every object written, or that would be
    (`--dry-run`).

    Every channel of the site is settled on the way: what a crash left behind is repaired, and what
    another key signed is signed again.
    """
    work = _begin(settings, keys)
    record = workspace.sealed("sign")
    manifest = read_manifest(workspace)
    names = settings.channels or records.default_channels(manifest.release.kubernetes, work.present)
    if not names:
        raise RequestError(
            f"{manifest.release.name}: lower than what every channel has; name one with --channel"
        )
    _upload(
        workspace,
        (*record.artifacts, *record.packages),
        work.target,
        keyring(keys, work.target.read),
    )
    _keys(work.target, keys)
    entry = _entry(workspace, manifest)
    url = settings.url.rstrip("/")
    for name in names:
        previous = work.present.get(name)
        new = records.add(
            previous, name, entry,
            now=settings.now, url=url, repo_key=keys.repo.fingerprint, valid_for=settings.valid_for,
        )  # fmt: skip
        work.site.commit(previous, new)
    _finish(work, settings, keys, set(names))
    return list(names), work.target.changes


def rollback(
    channel: str, settings: Settings, keys: Keys, to: int | None
) -> tuple[Channel, list[Change]]:
    """Publish the content of an earlier publication of a channel; by default the one before the
    present content.
    """
    work = _begin(settings, keys)
    current = work.present.get(channel)
    if current is None:
        known = ", ".join(work.present) or "none"
        raise RequestError(
            f"{layout.channel_path(channel)}: no such channel on {settings.site}; there are: {known}"
        )
    past = history(channel, settings)
    found = (
        records.before(past)
        if to is None
        else next((one for one in past if one.sequence == to), None)
    )
    if found is None:
        what = "nothing to go back to" if to is None else f"no publication {to}"
        there = ", ".join(str(record.sequence) for record in past)
        raise RequestError(f"{layout.channel_path(channel)}: {what}; there are: {there}")
    _keys(work.target, keys)
    new = records.rollback(
        current,
        found,
        now=settings.now,
        repo_key=keys.repo.fingerprint,
        valid_for=settings.valid_for,
    )
    work.site.commit(current, new)
    _finish(work, settings, keys, {channel})
    return new, work.target.changes


def refresh(settings: Settings, keys: Keys) -> tuple[list[Channel], list[Change]]:
    """Sign again what expires soon or has another key's signature; return the channels that have a
    new record.

    Each channel is renewed for as long as it was published for. What a crash left behind is
    repaired on the way.
    """
    work = _begin(settings, keys)
    if not work.present:
        raise RequestError(
            f"{settings.site}: no channel there; publish a release first, or give another --site"
        )
    _keys(work.target, keys)
    _finish(work, settings, keys, set())
    now = work.site.channels()
    return [
        now[name] for name, record in work.present.items() if now[name] != record
    ], work.target.changes


def history(channel: str, settings: Settings) -> list[Channel]:
    """Every publication of a channel, oldest first. Raises VerificationFailed when the chain is
    broken.
    """
    site = store(settings)
    path = layout.channel_path(channel)
    data = site.read(path)
    if data is None:
        raise RequestError(f"{path}: no such channel on {settings.site}; try `kubewright history`")
    found = [Channel.read(data, path)]
    while found[-1].parent is not None:
        path = layout.channel_copy(channel, found[-1].sequence - 1)
        data = site.read(path)
        if data is None or files.sha256(data) != found[-1].parent:
            sequence = found[-1].sequence
            raise VerificationFailed(
                f"{path}: missing, or not what publication {sequence} names as its parent"
            )
        found.append(Channel.read(data, path))
    return found[::-1]


def channels(settings: Settings) -> list[Channel]:
    """The present record of every channel of the site."""
    site = store(settings)
    paths = map(layout.channel_path, channel_names(site))
    return [Channel.read(site.read(path) or b"", path) for path in paths]


def _begin(settings: Settings, keys: Keys) -> Work:
    """Open the site. Raises RequestError where these keys or this address must not publish."""
    keys.repo.refuse_expired(settings.now)
    target = Recorder(store(settings)) if settings.dry_run else Journal(store(settings))
    site = Publication(
        store=target,
        signer=Signer(keys),
        armored_keys=armored(keyring(keys, target.read)),
        render_page=page.render,
    )
    present = site.channels()
    _allow(target, settings, keys)
    _same_address(present, settings)
    return Work(target, site, present)


def _allow(target: Store, settings: Settings, keys: Keys) -> None:
    """Development and production keys never meet on a site, and development keys sign no public
    one, unless told.
    """
    if settings.allow_development:
        return
    there = target.read(layout.KEYRING)
    production = there is not None and has_production_key(there)
    if keys.development and (production or settings.url.startswith("https://")):
        why = "it has been signed by production keys" if production else f"{settings.url} is public"
        raise RequestError(
            f"{settings.site}: a development key may not publish here: {why}; "
            "give --repo-key and --artifact-key, or pass --allow-development"
        )
    if there is not None and not production and not keys.development:
        raise RequestError(
            f"{settings.site}: this site has been signed by a development key, which its users trust; "
            "publish with production keys on a new site, or pass --allow-development"
        )


def _same_address(present: Mapping[str, Channel], settings: Settings) -> None:
    """A site that has an address keeps one: without it mirrorlist would stay behind."""
    known = sorted({channel.url for channel in present.values() if channel.url})
    if known and not settings.url:
        raise RequestError(
            f"{settings.site}: this site is published as {known[0]}; pass --url {known[0]}"
        )


def _finish(work: Work, settings: Settings, keys: Keys, changed: set[str]) -> None:
    """Settle every channel, then what follows from all of them."""
    for name, record in work.present.items():
        if name not in changed:
            work.site.commit(
                record, records.resign(record, now=settings.now, repo_key=keys.repo.fingerprint)
            )
    for name in sorted({*work.present, *changed}):
        settled = work.site.settle(name)
        current = settled.current.name if settled.current else "none"
        log.info("channel %s: publication %d, current is %s", name, settled.sequence, current)
    work.site.derive_index(recipes.catalog(), settings.now)


def _upload(
    workspace: Workspace, artifacts: Sequence[Artifact], target: Store, known: bytes
) -> None:
    """Every file of the release to its one place. Nothing is written when any published name has
    other bytes.

    Where the site's own manifest says that the bytes should be these, its copy is damaged: it is
    restored.
    """
    manifest = next(one for one in artifacts if one.kind == "manifest")
    complete = target.digest(manifest.url) == manifest.sha256
    for artifact in artifacts:
        if not complete and target.digest(artifact.url) not in (None, artifact.sha256):
            raise PublicationConflict(_conflict(artifact, target, known))
    for artifact in sorted(
        artifacts, key=lambda one: (one.name.startswith(layout.MANIFEST), one.url)
    ):
        path = workspace.root / artifact.path
        if not complete:
            target.create(artifact.url, path)
        elif target.replace(artifact.url, path):
            log.warning("%s: was damaged or missing on the site; restored", artifact.url)


def _conflict(artifact: Artifact, target: Store, known: bytes) -> str:
    if isinstance(artifact, Package) and published(artifact, known, target.read) is not None:
        return (
            f"{artifact.url}: published with the same content under another key's signature; "
            "run `kubewright sign` with the same --site, which takes the published file over"
        )
    return (
        f"{artifact.url}: published already with other bytes; a published name keeps its bytes: "
        "raise --revision for Kubernetes' own packages, or `revision` in a companion's recipe; "
        "if `kubewright verify` calls it damaged, publish again a release that has it"
    )


def _keys(target: Store, keys: Keys) -> None:
    """The site's keys: each alone, then all together, so that what was signed earlier stays
    verifiable.
    """
    target.replace(layout.key_history(f"{keys.repo.fingerprint}.asc"), keys.repo.armored.encode())
    target.replace(layout.key_history(f"{keys.artifact.key_id}.pub"), keys.artifact.public_pem)
    together = keyring(keys, target.read)
    artifact_keys = merged_pem(keys.artifact.public_pem, target.read(layout.ARTIFACT_KEY) or b"")
    target.replace(layout.KEYRING, together)
    target.replace(layout.KEYRING_ARMORED, armored(together).encode())
    target.replace(layout.ARTIFACT_KEY, artifact_keys)


def _entry(workspace: Workspace, manifest: Manifest) -> ChannelRelease:
    return ChannelRelease(
        name=manifest.release.name, kubernetes=manifest.release.kubernetes, status="current",
        manifest_url=layout.release_path(manifest.release.name, layout.MANIFEST),
        manifest_sha256=files.sha256_of(workspace.root / MANIFEST),
        development=manifest.development,
    )  # fmt: skip
