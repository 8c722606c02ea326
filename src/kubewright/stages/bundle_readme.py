"""What a bundle says to people: how to trust it, and how to install from it."""

from collections.abc import Iterator, Sequence

from kubewright.models.base import Format
from kubewright.models.bundle import PartRelease
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel
from kubewright.moments import day
from kubewright.site import layout
from kubewright.site.install_commands import distribution, exact, unpacked, usual_runtime
from kubewright.stages.bundle import Site
from kubewright.stages.bundle_os import System


def text(site: Site, systems: Sequence[System], *, partial: bool) -> bytes:
    """`readme.txt` of a bundle. A `partial` one has only what is new."""
    return "\n".join(_lines(site, systems, partial=partial)).encode()


def _lines(site: Site, systems: Sequence[System], *, partial: bool) -> Iterator[str]:
    names = ", ".join(one.name for one in site.part.releases)
    yield f"Kubernetes for machines without network: {names}"
    yield f"Of publication {site.publication} of {day(site.issued)}, site {site.part.site}"
    yield f"at {site.url}" if site.url else "which has no fixed address"
    yield ""
    if partial:
        yield "This bundle has only what is new since an earlier one. With `kubewright bundle load`"
        yield "it is merged into the site that the earlier one was loaded into; nothing else works."
        return
    yield from _trust(site)
    for system in systems:
        yield from _system(system)
    for one in site.part.releases:
        yield from _release(site, one, site.manifests[one.name])
    yield from _images(site)
    yield from _with_kubewright()


def _trust(site: Site) -> Iterator[str]:
    yield "== Unpack, and compare the key =="
    yield "Nobody need believe this file. Ask people you trust for the fingerprint of the site's"
    yield "key and the SHA-256 of its files of keys; these are those of this bundle:"
    yield ""
    first = site.manifests[site.part.releases[0].name]
    for key in first.keys:
        yield f"  {key.kind} {key.id}" + (" (a development key)" if key.development else "")
    for path in (layout.KEYRING, layout.ARTIFACT_KEY, "tuf/1.root.json"):
        measure = site.original.objects.get(path)
        if measure is not None:
            yield f"  {measure[1]}  site/{path}"
    yield ""
    yield "    BUNDLE=/srv/bundle   # where it is unpacked to; apt reads it as another user"
    yield "    mkdir -p $BUNDLE && tar -xf FILE.tar -C $BUNDLE --no-same-owner && cd $BUNDLE"
    yield "    sha256sum site/keys/kubewright.gpg site/keys/kubewright.pub site/tuf/1.root.json"
    yield ""
    yield "Then the key vouches for every package:"
    yield ""
    for one in site.part.releases:
        sums = layout.release_path(one.name, layout.CHECKSUMS)
        yield f"    cd $BUNDLE/site && SUMS={sums}"
        yield f"    gpgv --keyring ./{layout.KEYRING} $SUMS.asc $SUMS &&"
        yield "        sha256sum --check --quiet --ignore-missing $SUMS"
    yield ""
    yield "(Debian 13 has sqv in place of gpgv, which takes the same words.)"
    yield ""


def _system(system: System) -> Iterator[str]:
    yield f"== Packages of {system.name} =="
    yield f"os/{system.name} has what a bare machine needs beside Kubernetes. apt checks it by the"
    yield "distribution's own key, which every machine of it has. As root:"
    yield ""
    archives = {one.folder: one.suites for one in system.archives}
    yield from _indented(distribution(system.name, archives, system.keyring))


def _release(site: Site, one: PartRelease, manifest: Manifest) -> Iterator[str]:
    channel = _channel(site, one.name)
    if channel is None:
        return
    yield f"== Install a node of {one.name} =="
    yield "As root:"
    yield ""
    snapshots = {
        base: layout.snapshot_path(channel.channel, base, repodata.snapshot)
        for base, repodata in channel.repodata.items()
    }
    names = exact(usual_runtime(manifest.packages), manifest.packages)
    for way in unpacked(channel.channel, snapshots, names):
        yield f"{way.title}:"
        yield ""
        yield from _indented(way.commands)
    control = [p for p in manifest.packages if p.package == "kubernetes-control-plane"]
    version = next((p.version for p in control if p.format is Format.deb), None)
    if version is not None:
        yield "A control plane needs two more of the same release, here with apt:"
        yield ""
        yield f"    apt-get install kubernetes-control-plane={version} kubectl={version}"
        yield ""
    yield "Or by install.sh, which verifies before it installs, and needs curl, jq and openssl:"
    yield ""
    more = " --allow-development" if manifest.development else ""
    more += f" --url {site.url}" if site.url else ""
    yield f"    $BUNDLE/install.sh --site file://$BUNDLE/site --channel {channel.channel} \\"
    yield f"        --release {one.name} --root SHA256-OF-site/tuf/1.root.json{more}"
    yield ""


def _channel(site: Site, name: str) -> Channel | None:
    """The channel that a release is best installed from: that of its minor, if it is in one."""
    found = []
    for record in site.channels.values():
        found += [record for one in record.served if one.name == name]
    return max(found, key=lambda one: ("-" in one.channel, one.channel), default=None)


def _images(site: Site) -> Iterator[str]:
    yield "== Images =="
    yield "images/ is an OCI layout of all images, each blob once. Into containerd:"
    yield ""
    yield "    tar -C $BUNDLE/images -cf - oci-layout index.json blobs |"
    yield "        ctr --namespace k8s.io images import -"
    yield ""
    yield "Into a Docker engine, for one architecture:"
    yield ""
    for one in site.part.releases:
        for arch in one.architectures:
            name = f"{one.name}-{arch}.json"
            yield f"    tar -C $BUNDLE/images -cf - --transform=s/{name}/manifest.json/ \\"
            yield f"        {name} blobs | docker load"
    yield ""
    yield "Whoever has skopeo copies them to a registry:"
    yield ""
    example = site.manifests[site.part.releases[0].name].images
    for image in example[:1]:
        short = f"{image.name}:{image.tag}"
        yield f"    skopeo copy --all oci:$BUNDLE/images:{short} docker://REGISTRY/{short}"
    yield ""
    yield "What digests images have is said by the signed site/releases/NAME/manifest.json."
    yield ""


def _with_kubewright() -> Iterator[str]:
    yield "== With kubewright =="
    yield ""
    yield "    kubewright verify FILE.tar --key KEY.gpg --key KEY.pub"
    yield "    kubewright bundle load FILE.tar --site DIR --key KEY.gpg --key KEY.pub \\"
    yield "        [--registry HOST/PREFIX]"
    yield ""


def _indented(commands: str) -> Iterator[str]:
    for line in commands.splitlines():
        yield f"    {line}" if line else ""
    yield ""
