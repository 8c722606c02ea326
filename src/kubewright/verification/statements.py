"""Checks what is signed about the files of a release: provenance, and the signatures of images."""

import json
from typing import Any

from kubewright.errors import VerificationFailed
from kubewright.models.manifest import Manifest
from kubewright.signing import provenance as statements
from kubewright.verification.walk import Walk

_PAYLOAD, _SIGNATURE = ".payload.json", ".sig"


def provenance(walk: Walk, place: str, manifest: Manifest) -> None:
    """Signed statements whose subjects are exactly the other files of the manifest at `place`."""
    wanted = {one.url: one.sha256 for one in manifest.files if one.kind != "provenance"}
    stated: dict[str, str] = {}
    found = [one.url for one in manifest.files if one.kind == "provenance"]
    if not walk.tally.require(place, bool(found), "names no provenance; sign the release again"):
        return
    for url in found:
        opened = None
        with walk.tally.check(url):
            opened = _subjects(statements.opened(walk.must(url), walk.keys.artifact_keys, place=url), url)
        if opened is None:
            return
        stated |= opened
    url = found[0]
    absent = sorted(wanted.keys() - stated.keys())
    walk.tally.require(url, not absent, f"says nothing of {', '.join(absent[:3])}")
    more = sorted(stated.keys() - wanted.keys())
    walk.tally.require(url, not more, f"is about {', '.join(more[:3])}, which the manifest does not have")
    changed = sorted(name for name in wanted.keys() & stated.keys() if wanted[name] != stated[name])
    walk.tally.require(url, not changed, f"contradicts the manifest about {', '.join(changed[:3])}")


def _subjects(statement: dict[str, Any], place: str) -> dict[str, str]:
    try:
        return {str(one["name"]): str(one["digest"]["sha256"]) for one in statement["subject"]}
    except (TypeError, LookupError) as error:
        raise VerificationFailed(f"{place}: a signed statement without subjects; sign the release again") from error


def images(walk: Walk, place: str, manifest: Manifest) -> None:
    """A signature for the index and for each platform's manifest of every image, and none for anything else."""
    wanted = {
        (one.reference, digest) for one in manifest.images
        for digest in (one.index, *(platform.manifest for platform in one.platforms))
    }  # fmt: skip
    signed = {one.url for one in manifest.files if one.kind == "image-signature"}
    claimed = set()
    for url in sorted(signed):
        if url.endswith(_PAYLOAD):
            claim = _claim(walk, url, signed)
            if claim is not None and walk.tally.require(url, claim in wanted, f"claims {claim[1]}, no image of these"):
                claimed.add(claim)
        else:
            payload = url.removesuffix(_SIGNATURE) + _PAYLOAD
            walk.tally.require(url, payload in signed, f"signs nothing: {payload} is not in the manifest")
    for reference, digest in sorted(wanted - claimed):
        walk.tally.require(place, False, f"has no sound signature of {reference}@{digest}; sign the release again")


def _claim(walk: Walk, url: str, signed: set[str]) -> tuple[str, str] | None:
    """The image that a payload is about, if its signature holds."""
    signature = url.removesuffix(_PAYLOAD) + _SIGNATURE
    with walk.tally.check(url):
        data = walk.must(url)
        if not walk.tally.require(url, signature in signed, f"{signature} is not in the manifest"):
            return None
        if walk.artifact(signature, data) is None:
            return None
        try:
            critical = json.loads(data)["critical"]
            return str(critical["identity"]["docker-reference"]), str(critical["image"]["docker-manifest-digest"])
        except (TypeError, LookupError) as error:
            raise VerificationFailed(f"{url}: not what cosign signs; sign the release again") from error
    return None
