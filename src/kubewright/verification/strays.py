"""Finds what lies on a site although nothing names it."""

from kubewright.models.site import Index
from kubewright.verification.walk import Walk

UPLOADS = ("apt/pool/", "yum/pool/", "publications/", "yum/snapshots/")
"""Where a publication that is being prepared, or was given up, leaves objects nobody sees."""


SHOWN = 20
"""So many of them are listed."""


def check(walk: Walk, index: Index | None) -> None:
    """Name every object that no document names.

    Where publications write before they are committed it is a warning; elsewhere nobody writes
    anything that the site does not name.
    """
    listed = walk.source.list()
    if listed is None or index is None:
        return
    known = {release.name for release in index.releases}
    waiting = []
    for path in listed:
        if path in walk.named:
            continue
        if _uploaded(path, known) or walk.unfinished:
            waiting.append(path)
        else:
            problem = "nothing on the site names it; `kubewright repair` removes it"
            walk.tally.require(path, False, problem)
    if waiting:
        more = f" and {len(waiting) - SHOWN} more" if len(waiting) > SHOWN else ""
        walk.tally.warnings.append(
            f"nothing names {', '.join(waiting[:SHOWN])}{more}: of a publication that is being"
            " prepared or was given up; if nobody is publishing, `kubewright repair` removes it"
        )


def _uploaded(path: str, known: set[str]) -> bool:
    """Whether a publication may have put an object there that is not committed."""
    folder, _, rest = path.partition("/")
    if folder == "releases" and "/" in rest:
        return rest.partition("/")[0] not in known
    in_repository = "/by-hash/" in path or "/repodata/" in path or "/Packages/" in path
    return path.startswith(UPLOADS) or in_repository
