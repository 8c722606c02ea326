"""Finds what lies on a site although nothing names it."""

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from kubewright.models.site import Index, State
from kubewright.site.derived import is_newer
from kubewright.verification.walk import Walk

FOLDERS = (
    "apt/", "channels/", "docs/", "keys/", "minors/", "publications/", "releases/", "schemas/",
    "tuf/", "yum/",
)  # fmt: skip
"""The folders that belong to a site alone."""

ENTRIES = ("InRelease", "Release", "Release.gpg", "repomd.xml", "repomd.xml.asc", "repomd.xml.key")
"""What clients of a repository read first, and so believe; it is not written before the commit."""

UPLOADS = ("apt/pool/", "yum/pool/", "publications/", "yum/snapshots/")
"""Where a publication that is being prepared, or was given up, has objects that nobody sees."""

SHOWN = 20
"""So many of them are listed."""


def check(walk: Walk, index: Index, state: State) -> tuple[str, ...]:
    """Name every object in the site's folders that no document names, and return their paths.

    Where publications write before they are committed it is a warning; elsewhere nobody writes
    anything that the site does not name. On a site that a newer kubewright has published on no
    object is a stray: words that are not known here may name it.
    """
    if is_newer(state):
        walk.tally.warnings.append(
            f"published by kubewright {state.engine}: whether somebody has added files only that"
            " version can say"
        )
        return ()
    unnamed = sorted(path for path in walk.source.list() or () if path not in walk.named)
    _beside(walk, [path for path in unnamed if not path.startswith(FOLDERS)])
    strays = tuple(path for path in unnamed if path.startswith(FOLDERS))
    known = {release.name for release in index.releases}
    waiting = [path for path in strays if walk.unfinished or _uploaded(path, known)]
    for path in strays:
        if path not in waiting:
            problem = "nothing on the site names it; `kubewright repair` removes it"
            walk.tally.require(path, False, problem)
    if waiting:
        more = f" and {len(waiting) - SHOWN} more" if len(waiting) > SHOWN else ""
        walk.tally.warnings.append(
            f"nothing names {', '.join(waiting[:SHOWN])}{more}: of a publication that is being"
            " prepared or was given up; if nobody is publishing, `kubewright repair` removes it"
        )
    return strays


def _beside(walk: Walk, paths: Sequence[str]) -> None:
    """What lies at the site's address is taken for the site's, a program most of all."""
    if walk.own is None:
        if paths:
            walk.tally.warnings.append(
                f"beside the site lies {', '.join(paths[:SHOWN])}, which nothing on it names and"
                " nobody has signed"
            )
        return
    for path in paths:
        if not any(fnmatchcase(path, pattern) for pattern in walk.own):
            problem = "nothing on the site names it, and nobody has signed it; remove it"
            walk.tally.require(path, False, f"{problem}, or if it is yours pass --own {path}")


def _uploaded(path: str, releases: Collection[str]) -> bool:
    """Whether a publication may have put an object there that is not committed."""
    folder, _, rest = path.partition("/")
    if folder == "releases" and "/" in rest:
        return rest.partition("/")[0] not in releases
    if path.rpartition("/")[2] in ENTRIES and not path.startswith("yum/snapshots/"):
        return False
    if folder == "tuf":
        return path.endswith((".snapshot.json", ".targets.json"))
    in_repository = "/by-hash/" in path or "/repodata/" in path or "/Packages/" in path
    return path.startswith(UPLOADS) or in_repository
