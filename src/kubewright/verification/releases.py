"""Checks a release: its signed manifest, every file in it, and what is signed about those."""

from kubewright import files
from kubewright.errors import VerificationFailed
from kubewright.models.manifest import File, Manifest
from kubewright.models.site import IndexedRelease
from kubewright.signing import rpm
from kubewright.site import layout
from kubewright.site.references import references
from kubewright.verification import archives, identity, statements, upgrades
from kubewright.verification.walk import Walk


def check(walk: Walk, release: IndexedRelease) -> None:
    """A release that the index lists, and all that its manifest names."""
    manifest = _manifest(walk, release)
    if manifest is not None:
        walk.expect(references(manifest))
        walk.packages.add(release.name, manifest.packages)
        walk.development.update(key.id for key in manifest.keys if key.development)
        upgrades.declared(walk, release, manifest)


def _manifest(walk: Walk, release: IndexedRelease) -> Manifest | None:
    """The manifest of a release, if it can be read."""
    place = release.manifest_url
    with walk.tally.check(place):
        data = walk.must(place)
        right = files.sha256(data) == release.manifest_sha256
        walk.tally.require(place, right, f"its SHA-256 is not the one in {layout.INDEX}")
        signers = {
            walk.openpgp(f"{place}.asc", data, past=True),
            walk.artifact(f"{place}.sig", data, past=True),
        }
        if signers == {None}:
            return None  # anybody may have written it, so nothing is read because of it
        manifest = Manifest.from_bytes(data)
        identity.check(walk, place, manifest)
        _facts(walk, place, manifest, release)
        _keys(walk, place, manifest, signers)
        unpacked = {one.url for one in manifest.files if one.kind == "image-archive"}
        if not right or None in signers:  # what nobody vouches for is not unpacked
            unpacked = set()
        checked = [one for one in manifest.files if one.url not in unpacked]
        walk.measure_soon((one.url, one.size) for one in checked if one.kind != "rpm")
        for one in checked:
            _file(walk, one)
        _checksums(walk, place, data, manifest)
        statements.provenance(walk, place, manifest)
        statements.images(walk, place, manifest)
        if unpacked:
            archives.check(walk, place, manifest, _file)
        return manifest
    return None


def _facts(walk: Walk, place: str, manifest: Manifest, release: IndexedRelease) -> None:
    """What the index says of a release is what its manifest says."""
    ours = (manifest.release.name, manifest.release.kubernetes, manifest.development)
    same = ours == (release.name, release.kubernetes, release.development)
    walk.tally.require(
        place,
        same,
        f"says other things of the release than {layout.INDEX}; run `kubewright repair`",
    )


def _keys(walk: Walk, place: str, manifest: Manifest, signers: set[str | None]) -> None:
    """Who signed is named, and every key that is named is on the site."""
    named = {key.id: key for key in manifest.keys}
    for signer in sorted(filter(None, signers)):
        walk.tally.require(
            place, signer in named, f"signed by {signer}, which it does not name among its keys"
        )
    for key in manifest.keys:
        there = key.id in walk.keys.on_site
        walk.tally.require(
            place,
            there,
            f"names the key {key.id}, which keys/ does not have; run `kubewright repair`",
        )
        url = layout.key_history(f"{key.id}.{'asc' if key.kind == 'openpgp' else 'pub'}")
        walk.tally.require(
            place, key.url == url, f"names {key.url} for the key {key.id}, not {url}"
        )


def _file(walk: Walk, one: File) -> bool:
    """Whether a file is as promised, once however many releases share it; an rpm is signed
    besides.
    """
    promised = (one.size, one.sha256)
    known = walk.objects.setdefault(one.url, promised)
    if known is not promised:  # an earlier manifest has it too
        return walk.tally.require(
            one.url, known == promised, "two manifests promise different bytes"
        )
    if one.kind != "rpm":
        return walk.file(one.url, promised)
    data = walk.sound(one.url, promised)
    if data is not None:
        with walk.tally.check(one.url):
            rpm.verify(data, walk.keys.past_certificates, name=one.url)
    return data is not None


def _checksums(walk: Walk, place: str, data: bytes, manifest: Manifest) -> None:
    """SHA256SUMS says of every file what the manifest says, and of the manifest what it is."""
    path = layout.release_path(manifest.release.name, layout.CHECKSUMS)
    with walk.tally.check(path):
        sums = walk.must(path)
        walk.openpgp(f"{path}.asc", sums, past=True)
        promised = {f"{one.sha256}  {one.url}" for one in manifest.files} | {
            f"{files.sha256(data)}  {place}"
        }
        different = promised ^ set(sums.decode().splitlines())
        if different:
            first = min(line.partition("  ")[2] for line in different)
            raise VerificationFailed(
                str(path), f"lacks or contradicts {first}, or lists it though the manifest does not"
            )
