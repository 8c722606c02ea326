"""Checks the second copies of documents: they say what the first ones do."""

from kubewright import files
from kubewright.errors import VerificationFailed
from kubewright.models.document import REMEDY
from kubewright.models.site import State
from kubewright.site import backups, layout
from kubewright.verification.walk import Walk


def copies(walk: Walk, backup: str) -> dict[str, bytes]:
    """The documents in a backup, by path. Raises VerificationFailed."""
    walk.named.add(backup)
    try:
        return backups.read(walk.must(backup))
    except ValueError as error:
        raise VerificationFailed(backup, "damaged", REMEDY) from error


def check(walk: Walk, place: str, state: State) -> None:
    """The backup beside a state, whose copy is at `place`, holds that and what came with it."""
    backup = layout.backup_copy(place)
    with walk.tally.check(backup):
        documents = copies(walk, backup)
        walk.tally.require(backup, place in documents, f"lacks {place}; {REMEDY}")
        for path, data in documents.items():
            if path.startswith("publications/"):
                original = walk.source.read(path)
                promised = None if original is None else files.sha256(original)
            else:
                promised = state.files.get(path)
            same = promised in (None, files.sha256(data))
            walk.tally.require(backup, same, f"holds another {path} than the site; {REMEDY}")
