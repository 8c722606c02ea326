"""publish: puts a signed release on a site, in its channels."""

import logging
from collections.abc import Mapping
from contextlib import suppress

from kubewright import files
from kubewright.errors import PublicationConflict, RequestError, VerificationFailed
from kubewright.models.artifact import Artifact, Package, Record
from kubewright.models.base import Format
from kubewright.models.manifest import Manifest
from kubewright.models.site import Change, ChannelRelease, revoked_of
from kubewright.recipes import Recipes
from kubewright.repos.entries import DebEntry, RpmEntry
from kubewright.settings import Settings
from kubewright.signing import rpm as rpm_signature
from kubewright.signing.roles import Keys
from kubewright.site import channels, contents, layout
from kubewright.site import identity as identities
from kubewright.site.contents import Entries
from kubewright.site.draft import Draft, Incoming
from kubewright.site.objects import Kind, Object
from kubewright.stages import known_inputs, origins
from kubewright.stages.listing import add, list_packages
from kubewright.stages.promote import bring_back, default_names, refuse_withdrawn
from kubewright.stages.sign import other_keyring
from kubewright.stages.site import address, edit, founding
from kubewright.stages.site_keys import published_keyring, site_keyring
from kubewright.workspace import Workspace

log = logging.getLogger(__name__)


def publish(
    workspace: Workspace, settings: Settings, recipes: Recipes, keys: Keys
) -> tuple[list[str], list[Change]]:
    """Publish a release; return its channels and every object written, or that would be."""
    record = workspace.sealed("sign")
    manifest, entry = _signed(workspace, record)

    def change(draft: Draft) -> list[str]:
        _refuse_other_options(workspace, record, address(draft, settings), keys)
        _refuse_other_site(workspace, record, draft, settings, keys)
        names = settings.channels or default_names(draft, entry)
        refuse_withdrawn(names)
        if _is_new(draft, entry):
            draft.foresee_more(names, lists=[_own(workspace)])
        bring_back(draft, entry.name, settings, keys, again=settings.again)
        changed = [name for name in names if add(draft, name, entry, settings, keys)]
        if changed and _is_new(draft, entry):
            _refuse_other_keyring(draft, workspace, record, settings, keys)
            origins.refuse_sample(entry.name, manifest.inputs, settings, keys)
            _refuse_revoked(workspace, manifest, draft)
            known = known_inputs.published(draft.reader, draft.index, manifest.inputs)
            known_inputs.refuse_changed(manifest.inputs, manifest.allowed_changes, known)
            entries = _entries(workspace, record)
            listed: dict[str, str] = {}
            for name in changed:
                listed |= draft.contents(draft.published(name)).digests(entries)
            uploads = _uploads(workspace, record, draft, listed)
            draft.incoming[entry.name] = Incoming(entry, manifest, entries, uploads)
        for name in changed:
            list_packages(draft, name, entry)
        return list(names)

    done = edit(settings, recipes, keys, change)
    return done.result, list(done.changes)


def _refuse_other_options(workspace: Workspace, record: Record, url: str, keys: Keys) -> None:
    """A release is published as it was signed: by the same keys, for the same address."""
    ours = {
        "url": url,
        "repo_key": keys.repo.fingerprint,
        "artifact_key": keys.artifact.key_id,
    }
    words = {"url": "--url", "repo_key": "--repo-key", "artifact_key": "--artifact-key"}
    for name, value in ours.items():
        signed = record.options.get(name, "")
        if signed.rstrip("/") != value:
            raise RequestError(
                str(workspace.root / "sign.json"),
                f"signed with {words[name]} {signed or 'of no address'}, not {value or 'none'}",
                f"give the same {words[name]}, or run `kubewright release` again with this one",
            )


def _refuse_other_site(
    workspace: Workspace, record: Record, draft: Draft, settings: Settings, keys: Keys
) -> None:
    """A release says in its manifest which site it was made for."""
    signed = record.options.get("site")
    own = identities.of(draft.present.state, founding(settings, keys))
    if signed != own.site:
        raise RequestError(
            str(workspace.root / "sign.json"),
            f"signed for site {signed or 'of an earlier kubewright'}, but {settings.site} is"
            f" {own.site}",
            f"run `kubewright sign {workspace.root.name}` again with this --site",
        )


def _refuse_other_keyring(
    draft: Draft, workspace: Workspace, record: Record, settings: Settings, keys: Keys
) -> None:
    """Who installs the keyring package trusts just the keys that the site has from now on."""
    known = published_keyring(draft.reader, draft.present)
    ring = site_keyring(keys.certificates, known)
    if record.options.get("keyring") != files.sha256(ring):
        raise other_keyring(workspace, settings)


def _refuse_revoked(workspace: Workspace, manifest: Manifest, draft: Draft) -> None:
    """Nobody can install an rpm whose key is handed out no more."""
    revoked = revoked_of(draft.keys)
    for package in manifest.packages:
        if package.signing_key in revoked:
            raise RequestError(
                f"{workspace.root}/{package.name}",
                f"signed by {package.signing_key}, which the site has revoked",
                f"run `kubewright sign {workspace.root.name}` again with this --site",
            )


def _is_new(draft: Draft, entry: ChannelRelease) -> bool:
    """Whether the site does not have the release. Raises PublicationConflict for another one."""
    index = draft.index
    known = next((one for one in index.releases if one.name == entry.name), None) if index else None
    if known is not None and known.manifest_sha256 != entry.manifest_sha256:
        raise channels.published_otherwise(layout.INDEX, known, entry)
    return known is None


def _entries(workspace: Workspace, record: Record) -> Entries:
    """What repository indexes say of the release's packages: `sign` wrote it."""
    paths = {artifact.url.partition("/")[2].partition("/")[2]: artifact.path
             for artifact in record.artifacts if artifact.kind == "index"}  # fmt: skip
    debs, rpms = (workspace.root / paths[layout.ENTRIES[form]] for form in Format)
    return Entries(
        tuple(contents.read_entries(debs.read_bytes(), DebEntry, str(debs))),
        tuple(contents.read_entries(rpms.read_bytes(), RpmEntry, str(rpms))),
    )


def _own(workspace: Workspace) -> str:
    """What the paths of a release's own files begin with."""
    return f"{layout.release_path(workspace.root.name)}/"


def _uploads(
    workspace: Workspace, record: Record, draft: Draft, listed: Mapping[str, str]
) -> tuple[Object, ...]:
    """Every file of a release that the site lacks.

    `listed` are the digests of packages that the repositories have. Raises PublicationConflict when
    a published name has other bytes; nothing is written then.
    """
    site = draft.reader.store
    own = _own(workspace)
    there = {*site.list(own)}
    begun = bool(there) or not site.distant
    packages = _maybe_there(workspace, record, begun=begun) - listed.keys()
    site.expect(stats=packages)
    there |= packages
    uploads = []
    for artifact in (*record.artifacts, *record.packages):
        digest = listed.get(artifact.url)
        if digest is None and artifact.url in there:
            stat = site.stat(artifact.url)
            digest = stat and (stat.sha256 or site.sha256(artifact.url))
        if digest not in (None, artifact.sha256):
            raise _conflict(artifact, draft)
        if digest is None:
            uploads.append(
                Object(
                    artifact.url,
                    Kind.immutable,
                    workspace.root / artifact.path,
                    artifact.size,
                    artifact.sha256,
                )
            )
    # Its own files first: by them the next run sees that this one had begun.
    return tuple(sorted(uploads, key=lambda item: (not item.path.startswith(own), item.path)))


def _maybe_there(workspace: Workspace, record: Record, *, begun: bool) -> set[str]:
    """The packages of a release that a site may have: companions, and once somebody had begun to
    upload the release all of them.
    """
    version = workspace.root.name.removeprefix("v")
    return {one.url for one in record.packages if begun or not one.version.endswith(version)}


def _conflict(artifact: Artifact, draft: Draft) -> PublicationConflict:
    stored = draft.reader.store.get(artifact.url)
    if isinstance(artifact, Package) and artifact.format is Format.rpm and stored is not None:
        same = None
        with suppress(VerificationFailed):  # what is no rpm at all
            same = rpm_signature.unsigned_sha256(stored.data, name=artifact.url)
        if same == artifact.unsigned_sha256:
            if rpm_signature.signing_key(stored.data, name=artifact.url) in revoked_of(draft.keys):
                return PublicationConflict(
                    artifact.url,
                    "published under the signature of a key that has been revoked since",
                    "give all such packages another revision: --raise-companions 1, from now on"
                    " (a line of kubewright.toml)",
                )
            return PublicationConflict(
                artifact.url,
                "published with the same content under another key's signature",
                "run `kubewright sign` with the same --site, which takes the published file over",
            )
    return PublicationConflict(
        artifact.url,
        "published already with other bytes; a published name keeps its bytes",
        "raise --revision for Kubernetes' own packages, or `revision` in a companion's recipe;"
        " if `kubewright verify` calls it damaged, run `kubewright repair`",
    )


def _signed(workspace: Workspace, record: Record) -> tuple[Manifest, ChannelRelease]:
    """The manifest that `sign` wrote, and the release as channels list it."""
    (made,) = [artifact for artifact in record.artifacts if artifact.kind == "manifest"]
    manifest = Manifest.from_bytes((workspace.root / made.path).read_bytes())
    return manifest, ChannelRelease(
        name=manifest.release.name,
        kubernetes=manifest.release.kubernetes,
        status="current",
        manifest_url=made.url,
        manifest_sha256=made.sha256,
        development=manifest.development,
    )
