"""Checks what is signed about the files of a release: provenance, and the signatures of images."""

from typing import Any

from kubewright.errors import VerificationFailed
from kubewright.models.image import Image
from kubewright.models.manifest import Manifest
from kubewright.signing import cosign
from kubewright.signing import provenance as statements
from kubewright.site import layout
from kubewright.verification.walk import Walk


def provenance(walk: Walk, place: str, manifest: Manifest) -> None:
    """Signed statements whose subjects are exactly the other files of the manifest at `place`."""
    wanted = {one.url: one.sha256 for one in manifest.files if one.kind != "provenance"}
    stated: dict[str, str] = {}
    found = [one.url for one in manifest.files if one.kind == "provenance"]
    if not walk.tally.require(place, bool(found), "names no provenance; run `kubewright repair`"):
        return
    for url in found:
        opened = None
        with walk.tally.check(url):
            opened = _subjects(
                statements.opened(walk.must(url), walk.keys.past_artifact_keys, place=url), url
            )
        if opened is None:
            return
        stated |= opened
    url = found[0]
    absent = sorted(wanted.keys() - stated.keys())
    walk.tally.require(url, not absent, f"says nothing of {', '.join(absent[:3])}")
    more = sorted(stated.keys() - wanted.keys())
    walk.tally.require(
        url, not more, f"is about {', '.join(more[:3])}, which the manifest does not have"
    )
    changed = sorted(name for name in wanted.keys() & stated.keys() if wanted[name] != stated[name])
    walk.tally.require(url, not changed, f"contradicts the manifest about {', '.join(changed[:3])}")


def _subjects(statement: dict[str, Any], place: str) -> dict[str, str]:
    try:
        return {str(one["name"]): str(one["digest"]["sha256"]) for one in statement["subject"]}
    except (TypeError, LookupError) as error:
        raise VerificationFailed(
            place, "a signed statement without subjects", "run `kubewright repair`"
        ) from error


def images(walk: Walk, place: str, manifest: Manifest) -> None:
    """A signature for the index and for each platform's manifest of every image, and none for
    anything else.
    """
    signed = {one.url for one in manifest.files if one.kind == "image-signature"}
    named = set()
    for image in manifest.images:
        for digest in image.digests:
            claim = layout.release_path(
                manifest.release.name, layout.image_claim(image.name, digest)
            )
            both = {claim, layout.claim_signature(claim)}
            absent = f"has no signature of {image.repository}@{digest}; run `kubewright repair`"
            if walk.tally.require(place, both <= signed, absent):
                _claim(walk, claim, image, digest)
            named |= both
    for url in sorted(signed - named):
        walk.tally.fail(url, "signs no image of these; run `kubewright repair`")


def _claim(walk: Walk, place: str, image: Image, digest: str) -> None:
    """What is signed about an image, and its signature."""
    repository = image.repository
    with walk.tally.check(place):
        data = walk.must(place)
        walk.artifact(layout.claim_signature(place), data, past=True)
        tags = (image.tag, None)  # earlier kubewrights did not name it
        right = data in [cosign.payload(repository, digest, tag) for tag in tags]
        walk.tally.require(
            place, right, f"does not claim {repository}@{digest}; run `kubewright repair`"
        )
