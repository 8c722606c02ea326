"""sign: signs rpms and images, and writes the signed manifest of the release into
`dist/NAME/signed/`.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kubewright import __version__, files
from kubewright.errors import RequestError, VerificationFailed
from kubewright.images import check_layout
from kubewright.models.artifact import Artifact, Package, Record
from kubewright.models.base import Format
from kubewright.models.image import Image
from kubewright.models.lock import Release
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing import rpm as rpm_signature
from kubewright.signing.roles import Keys
from kubewright.site.install_commands import Entry
from kubewright.stages import image, known_inputs, manifest, origins, stated
from kubewright.stages.build_package import entry_channel
from kubewright.stages.carried import Carried, Listed, Read, published
from kubewright.stages.content_digest import content_digest
from kubewright.stages.signed_documents import (
    SIGNED,
    documents,
    image_signatures,
    indexes,
    public_keys,
    signed_manifest,
    statement,
)
from kubewright.stages.site import identity, revoked_keys
from kubewright.stages.site import keyring as published_keyring
from kubewright.stages.site_keys import settled, site_keyring
from kubewright.stages.trust import trusted
from kubewright.workspace import Workspace, fingerprint

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What is to be signed, and by whom."""

    release: Release
    packages: Record
    built: Record
    images: tuple[Image, ...]
    made_from: dict[str, str]
    options: dict[str, str]
    mark: str


def order(workspace: Workspace, settings: Settings, recipes: Recipes, keys: Keys) -> Order:
    """Gather what the earlier stages made of this lock.

    Raises RequestError when one of them has to run (again) first, or has made packages for another
    site address or another key.
    """
    packages, built = workspace.sealed("package"), workspace.sealed("image")
    _refuse_other_options(workspace, packages, settings, keys)
    _refuse_other_registry(workspace, packages, built)
    ring = _keyring(workspace, packages, settings, keys)
    made_from = workspace.made_from("fetch", "package", "image")
    options = {
        "url": settings.url,
        "repo_key": keys.repo.fingerprint,
        "artifact_key": keys.artifact.key_id,
        "keyring": ring,
        "site": identity(settings, keys).site,
    }
    mark = fingerprint(
        __version__, made_from, options, files.sha256(keys.repo.certificate),
        recipes.skew.model_dump(),
    )  # fmt: skip
    return Order(
        release=workspace.completed(),
        packages=packages,
        built=built,
        images=image.read_images(workspace).images,
        made_from=made_from,
        options=options,
        mark=mark,
    )


def sign(
    workspace: Workspace,
    settings: Settings,
    recipes: Recipes,
    keys: Keys,
    read: Read,
    listed: Listed = dict,
) -> Record:
    """Sign what the earlier stages made, unless exactly that is signed already.

    An rpm that the site has already, of the same content under the signature of a key that it
    knows, is taken from there.
    """
    ring = published_keyring(settings, keys)
    keys = settled(keys, ring)
    wanted = order(workspace, settings, recipes, keys)
    there = listed()
    done = workspace.done("sign", wanted.mark)
    if done is not None and _agrees(done, there):
        log.info("sign %s: nothing to do, signed by %s", wanted.release.name, keys.repo.fingerprint)
        return done
    keys.repo.refuse_expired(settings.now)
    _refuse_own_recipes(wanted.release, recipes)
    _refuse_broken_layout(workspace)
    origins.refuse(wanted.release, settings, keys, recipes.components)
    known_inputs.compare_with_site(wanted.release, settings, keys)
    known = site_keyring(keys.certificates, ring)
    revoked = revoked_keys(settings, keys)
    for name, certificate in trusted(settings)[0].items():
        known += certificate if name not in revoked else b""
    carried = Carried(read, there, known)
    record = _make(workspace, settings, recipes, keys, wanted, carried)
    workspace.save(record)
    return record


def _make(
    workspace: Workspace,
    settings: Settings,
    recipes: Recipes,
    keys: Keys,
    wanted: Order,
    site: Carried,
) -> Record:
    """Write everything that is signed, the manifest last; describe it as the stage's record."""
    release, packages, built = wanted.release, wanted.packages, wanted.built
    node_spec = recipes.node_spec(release)
    signed = _sign_packages(workspace, recipes, keys, wanted, site)
    artifacts = [
        *built.artifacts,
        *indexes(workspace, release, signed),
        *documents(workspace, release, node_spec),
        *image_signatures(workspace, release, wanted.images, keys),
    ]
    provenance = _provenance(workspace, wanted, [*artifacts, *signed], keys)
    whole = manifest.compose(
        release,
        artifacts=[*artifacts, provenance],
        packages=signed,
        images=wanted.images,
        records=(packages, built),
        keys=public_keys(keys),
        rules=manifest.Rules(node_spec, recipes.skew),
        entry=Entry(wanted.options["site"], settings.url, entry_channel(release), provenance.url),
    )
    artifacts += [provenance, *signed_manifest(workspace, release, whole, keys)]
    return Record(
        stage="sign",
        fingerprint=wanted.mark,
        made_from=wanted.made_from,
        complete=True,
        options=wanted.options,
        artifacts=tuple(artifacts),
        packages=tuple(signed),
    )


def _provenance(
    workspace: Workspace, wanted: Order, subjects: Sequence[Artifact], keys: Keys
) -> Artifact:
    """The signed statement of what all of these were made from."""
    text = stated.of_release(
        wanted.release,
        subjects,
        (*wanted.packages.builders, *wanted.built.builders),
        wanted.images,
        parts=stated.parts(workspace, wanted.packages.packages),
        development=keys.development or wanted.release.sample,
    )
    return statement(workspace, wanted.release, text, keys)


def _sign_packages(
    workspace: Workspace, recipes: Recipes, keys: Keys, wanted: Order, site: Carried
) -> list[Package]:
    """Every package, the rpms signed at the date of what is in them."""
    signed = []
    for package in wanted.packages.packages:
        moment = keys.moment(wanted.release.dated(recipes.packages[package.package].component))
        signed.append(_signed(package, workspace, keys, moment, site))
    return signed


def _agrees(record: Record, listed: Mapping[str, str]) -> bool:
    """Whether the site lists no rpm of the release with other bytes than were signed."""
    return all(
        listed.get(package.url, package.sha256) == package.sha256 for package in record.packages
    )


def _refuse_other_options(
    workspace: Workspace, packages: Record, settings: Settings, keys: Keys
) -> None:
    """The keyring package holds the site's address and key: both must be those of the site."""
    place, again = str(workspace.root / "package.json"), f"kubewright package {workspace.root.name}"
    url, key = packages.options.get("url", ""), packages.options.get("repo_key")
    if key != keys.repo.fingerprint:
        raise RequestError(
            place,
            f"the packages hold the certificate of key {key}, not of {keys.repo.fingerprint}",
            f"run `{again}` again with the --repo-key that signs",
        )
    if url != settings.url:
        raise RequestError(
            place,
            f"the packages are for a site at {url or 'any address'}, not at "
            f"{settings.url or 'any address'}",
            f"give the same --url, or run `{again}` again with this one",
        )


def _keyring(workspace: Workspace, packages: Record, settings: Settings, keys: Keys) -> str:
    """The digest of the keyring in the packages, which must be that of the site.

    Raises VerificationFailed where the site's own is damaged.
    """
    packaged, known = packages.options.get("keyring", ""), published_keyring(settings, keys)
    if known is not None and packaged != files.sha256(site_keyring(keys.certificates, known)):
        raise other_keyring(workspace, settings)
    return packaged


def other_keyring(workspace: Workspace, settings: Settings) -> RequestError:
    """The keyring package would not have the keys that users of the site need, or others too."""
    return RequestError(
        str(workspace.root / "package.json"),
        f"the keyring package does not hold just the keys of {settings.site} and the signing key",
        f"run `kubewright package {workspace.root.name}` again with this --site and the"
        " certificates that sign now, then `sign`",
    )


def _refuse_other_registry(workspace: Workspace, packages: Record, built: Record) -> None:
    """Packages name images, so both are of one registry."""
    named, made = packages.options.get("registry"), built.options.get("registry")
    if named != made:
        raise RequestError(
            str(workspace.root),
            f"the packages name images of {named}, but the images are for {made}",
            f"run `kubewright package {workspace.root.name}` or `kubewright image "
            f"{workspace.root.name}` again, with one --registry",
        )


def _refuse_own_recipes(release: Release, recipes: Recipes) -> None:
    """The node specification is written from the recipes here."""
    if content_digest(release, recipes) != release.recipes:
        raise RequestError(
            str(recipes.root),
            f"other recipes or content than {release.name} was resolved from",
            f"sign with those, or run `kubewright release {release.tag}`, with the same options",
        )


def _refuse_broken_layout(workspace: Workspace) -> None:
    folder = workspace.root / image.LAYOUT
    for finding in check_layout(folder):
        raise VerificationFailed(
            str(folder),
            str(finding),
            f"delete this folder and run `kubewright image {workspace.root.name}` again",
        )


def _signed(
    package: Package, workspace: Workspace, keys: Keys, moment: int, site: Carried
) -> Package:
    """An rpm with its signature, ours or the one under which the site has it.

    Signing again gives the same bytes, so the site's file is read only where its digest differs,
    or where it is not listed and so its digest is not known.
    """
    if package.format is Format.deb:
        return package
    unsigned = (workspace.root / package.path).read_bytes()
    data = rpm_signature.sign(unsigned, keys.repo, moment, name=package.name)
    if site.listed.get(package.url) != files.sha256(data):
        data = published(package, site.known, site.read) or data
    path = f"{SIGNED}/rpm/{package.name}"
    files.write(workspace.root / path, data)
    return package.model_copy(
        update={
            "path": path,
            "size": len(data),
            "sha256": files.sha256(data),
            "signing_key": rpm_signature.signing_key(data, name=package.name),
        }
    )
