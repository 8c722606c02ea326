"""Checks the second copies of documents: they say what the first ones do."""

import json

from kubewright.errors import VerificationFailed
from kubewright.files import canonical_json
from kubewright.models.document import REMEDY
from kubewright.site import layout
from kubewright.verification.walk import Walk


def check(walk: Walk, state: str) -> None:
    """The backup beside a state holds that state and the documents that came with it."""
    place = layout.backup_copy(state)
    walk.named.add(place)
    with walk.tally.check(place):
        data = walk.must(place)
        documents = _documents(data, place)
        walk.tally.require(place, state in documents, f"lacks {state}; {REMEDY}")
        exact = canonical_json(documents) == data
        walk.tally.require(place, exact, f"damaged; {REMEDY}")
        for path, text in documents.items():
            there = walk.source.read(path)
            if there is not None and there != text.encode():
                walk.tally.fail(path, f"differs from its copy in {place}; {REMEDY}")


def _documents(data: bytes, place: str) -> dict[str, str]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise VerificationFailed(place, "damaged", REMEDY) from error
    if not isinstance(found, dict):
        raise VerificationFailed(place, "damaged", REMEDY)
    return {str(path): str(text) for path, text in found.items()}
