"""Composes a release's manifest from what the stages recorded; a pure function of it."""

from collections.abc import Sequence

from kubewright import files, versions
from kubewright.models.artifact import Artifact, Package, Record
from kubewright.models.image import Image
from kubewright.models.lock import Release
from kubewright.models.manifest import Install, Key, Manifest, ReleaseFacts, Requirements, Upgrade
from kubewright.models.node import NodeSpec
from kubewright.repos import layout

SKEW_POLICY = "https://kubernetes.io/releases/version-skew-policy/"


def compose(
    release: Release, *, artifacts: Sequence[Artifact], packages: Sequence[Package], images: Sequence[Image],
    records: Sequence[Record], keys: Sequence[Key], node: NodeSpec, site_url: str,
) -> Manifest:  # fmt: skip
    """The manifest of a release."""
    return Manifest(
        release=ReleaseFacts(
            name=release.name, kubernetes=release.kubernetes, revision=release.revision,
            source_date_epoch=release.source_date_epoch,
        ),
        components={component.name: component for component in release.components},
        requirements=Requirements(node=node, distributions=release.distributions),
        artifacts=tuple(sorted(artifacts, key=lambda one: one.url)),
        packages=tuple(sorted(packages, key=lambda one: one.url)),
        images=tuple(images),
        skipped=tuple(gap for record in records for gap in record.skipped),
        inputs=release.inputs,
        unavailable=release.unavailable,
        upgrades=upgrades(release.kubernetes),
        install=install(release, site_url),
        keys=tuple(keys),
        builders=tuple(builder for record in records for builder in record.builders),
        development=any(key.development for key in keys),
    )  # fmt: skip


def upgrades(kubernetes: str) -> tuple[Upgrade, ...]:
    """The ranges from which a release may be reached in one step, by the version skew policy."""
    version = versions.parse(kubernetes)
    minor, previous = f"{version.major}.{version.minor}", f"{version.major}.{version.minor - 1}"
    edges = [
        Upgrade(**{"from": f">={previous}.0,<{minor}.0"}, to=kubernetes, skew=f"one minor at a time: {SKEW_POLICY}")
    ]
    if version.patch or version.prerelease is None:
        edges.insert(0, Upgrade(**{"from": f">={minor}.0-0,<{kubernetes}"}, to=kubernetes, skew="within a minor"))
    return tuple(edges)


def install(release: Release, site_url: str) -> tuple[Install, ...]:
    """Ready commands. They name the minor's own channel: a plain upgrade must not cross a minor."""
    channel = f"stable-{release.minor}" if versions.is_final(release.kubernetes) else "latest"
    site = site_url.rstrip("/") or "$SITE"
    first = "" if site_url else "SITE=https://…   # where this site is served\n"
    keyring = "/usr/share/keyrings/kubewright-archive-keyring.gpg"
    apt = (
        f"{first}sudo curl -fsSL {site}/{layout.KEYRING} -o {keyring}\n"
        f"sudo tee /etc/apt/sources.list.d/kubewright.sources <<EOF\n"
        f"Types: deb\nURIs: {site}/apt\nSuites: {channel}\nComponents: main\nSigned-By: {keyring}\nEOF\n"
        "sudo apt-get update && sudo apt-get install kubernetes-node\n"
    )
    source = (
        f"mirrorlist={site}/yum/{channel}/\\$basearch/mirrorlist"
        if site_url
        else f"baseurl={site}/yum/{channel}/\\$basearch/"
    )
    yum = (
        f"{first}sudo tee /etc/yum.repos.d/kubewright.repo <<EOF\n"
        f"[kubewright]\nname=Kubewright {channel}\n{source}\n"
        f"gpgkey={site}/{layout.KEYRING_ARMORED}\ngpgcheck=1\nrepo_gpgcheck=1\nEOF\n"
        "sudo dnf install kubernetes-node\n"
    )
    return (
        Install(title="Debian and Ubuntu", format="deb", commands=apt),
        Install(title="Fedora, RHEL, Rocky, AlmaLinux", format="rpm", commands=yum),
    )


def checksums(artifacts: Sequence[Artifact]) -> bytes:
    """SHA256SUMS: checked from the site's root by `sha256sum -c releases/NAME/SHA256SUMS`."""
    return "".join(f"{one.sha256}  {one.url}\n" for one in sorted(artifacts, key=lambda one: one.url)).encode()


def described(name: str, kind: str, path: str, url: str, data: bytes, media_type: str) -> Artifact:
    """A file that a stage has just made of `data`."""
    return Artifact.model_validate(
        {"name": name, "kind": kind, "arch": "all", "path": path, "url": url, "size": len(data),
         "sha256": files.sha256(data), "media_type": media_type}
    )  # fmt: skip
