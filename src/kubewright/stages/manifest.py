"""Composes a release's manifest from what the stages recorded; a pure function of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from kubewright import files
from kubewright.models.artifact import Artifact, Package, Record
from kubewright.models.image import Image
from kubewright.models.lock import Release
from kubewright.models.manifest import (
    File,
    Key,
    Manifest,
    PackageFile,
    ReleaseFacts,
    Requirements,
    RuntimePackages,
)  # fmt: skip
from kubewright.models.node import NodeSpec
from kubewright.models.skew import Skew
from kubewright.resolution import upgrades
from kubewright.site.install_commands import ROLES, RUNTIMES, Entry, exact, install


@dataclass(frozen=True)
class Rules:
    """What a cluster has to keep to: what its nodes bring, and how far its versions may be
    apart.
    """

    node: NodeSpec
    skew: Skew


def compose(
    release: Release,
    *,
    artifacts: Sequence[Artifact],
    packages: Sequence[Package],
    images: Sequence[Image],
    records: Sequence[Record],
    keys: Sequence[Key],
    rules: Rules,
    entry: Entry,
) -> Manifest:
    """The manifest of a release."""
    return Manifest(
        site=entry.site,
        url=entry.site_url.rstrip("/"),
        release=ReleaseFacts(
            name=release.name, kubernetes=release.kubernetes, revision=release.revision,
            source_date_epoch=release.source_date_epoch, end_of_life=release.end_of_life,
        ),
        components={component.name: component for component in release.components},
        requirements=Requirements(node=rules.node, distributions=release.distributions),
        artifacts=tuple(_file(artifact, entry) for artifact in sorted(artifacts, key=_url)),
        packages=tuple(_package(package, entry) for package in sorted(packages, key=_url)),
        images=tuple(images),
        skipped=tuple(chain.from_iterable(record.skipped for record in records)),
        inputs=release.inputs,
        unavailable=release.unavailable,
        allowed_changes=release.allowed_changes,
        roles=_roles(packages),
        runtimes=_runtimes(packages),
        upgrades=upgrades.sources(release.kubernetes, rules.skew),
        skew=upgrades.partners(release.kubernetes, rules.skew),
        install=install(entry, exact(release.runtime, packages)),
        keys=tuple(keys),
        builders=tuple(chain.from_iterable(record.builders for record in records)),
        development=any(key.development for key in keys) or release.sample,
    )  # fmt: skip


def _roles(packages: Sequence[Package]) -> dict[str, tuple[str, ...]]:
    """The roles whose packages the release has all."""
    there = {package.package for package in packages}
    return {role: names for role, names in ROLES.items() if there.issuperset(names)}


def _runtimes(packages: Sequence[Package]) -> dict[str, RuntimePackages]:
    """The runtimes of which it has what every machine needs."""
    there = {package.package for package in packages}
    found = {}
    for runtime, (names, own) in RUNTIMES.items():
        if there.issuperset(names):
            ours = own if there.issuperset(own) else ()
            found[runtime] = RuntimePackages(packages=names, own=ours)
    return found


def _url(artifact: Artifact) -> str:
    return artifact.url


def _file(artifact: Artifact, entry: Entry) -> File:
    provenance = None if artifact.url == entry.provenance else entry.provenance
    return File(provenance=provenance, **artifact.model_dump(include=set(File.model_fields)))


def _package(package: Package, entry: Entry) -> PackageFile:
    return PackageFile(
        provenance=entry.provenance, **package.model_dump(include=set(PackageFile.model_fields))
    )


def checksums(digests: Mapping[str, str]) -> bytes:
    """SHA256SUMS of digests by path: checked from the site's root by `sha256sum -c
    releases/NAME/SHA256SUMS`.
    """
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(digests.items())).encode()


def described(name: str, kind: str, path: str, url: str, data: bytes, media_type: str) -> Artifact:
    """A file that a stage has just made of `data`."""
    return Artifact.model_validate(
        {"name": name, "kind": kind, "arch": "all", "path": path, "url": url, "size": len(data),
         "sha256": files.sha256(data), "media_type": media_type}
    )  # fmt: skip
