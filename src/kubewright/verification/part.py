"""Which files a part of a site may lack: those of releases that it says are not here."""

from kubewright import files
from kubewright.models.bundle import PAYLOAD, Part, PartRelease
from kubewright.models.manifest import File, Manifest
from kubewright.models.site import Index
from kubewright.site import layout
from kubewright.verification.demands import Demands
from kubewright.verification.walk import Walk


def look(walk: Walk, index: Index, demands: Demands) -> None:
    """Find out whether all of the site is here, or is asked for, and what may be missing if not."""
    said = _said(walk)
    part = demands.part or said
    if part is None:
        return
    walk.narrow, walk.unlinked = demands.part is not None, not part.linked
    _away(walk, part, index)
    if demands.whole:
        known = {*(walk.here or ())}
        lacking = [release.name for release in index.releases if release.name not in known]
        problem = f"says that {', '.join(lacking)} is not here; load a bundle that has it"
        walk.tally.require(layout.PART, not lacking, problem)


def _said(walk: Walk) -> Part | None:
    """What the site says of itself; None: it is whole."""
    with walk.tally.check(layout.PART):
        data = walk.source.read(layout.PART)
        if data is not None:
            walk.named.add(layout.PART)
            return walk.read(Part, data, layout.PART)
    return None


def _away(walk: Walk, part: Part, index: Index) -> None:
    """Note what may be missing, and check what the part says against what is signed."""
    here = {(one.name, one.manifest_sha256): one for one in part.releases}
    required, every = set[str](), set[str]()
    found = []
    for release in index.releases:
        manifest = _manifest(walk, release.manifest_url, release.manifest_sha256)
        if manifest is None:  # which is found where releases are checked
            continue
        own = here.get((release.name, release.manifest_sha256))
        if own is not None:
            found.append(release.name)
            required |= {one.url for one in manifest.files if has(own, one)}
        every |= {one.url for one in manifest.files if one.kind in PAYLOAD}
    walk.away = frozenset(every - required)
    walk.here = tuple(found)
    known = {release.name for release in index.releases}
    for one in part.releases:
        problem = f"says another manifest of {one.name} than {layout.INDEX}: it is of another site"
        walk.tally.require(layout.PART, one.name in found or one.name not in known, problem)
    state = walk.state
    same = state is None or part.site == state.site
    walk.tally.require(layout.PART, same, f"is of site {part.site}, which is another one")
    none = "says that no release of this site is here; load a bundle, or remove it"
    walk.tally.require(layout.PART, bool(found) or walk.unfinished, none)


def has(own: PartRelease, one: File) -> bool:
    """Whether a file belongs to what is here of a release."""
    if one.kind not in PAYLOAD:
        return True
    return one.kind not in own.without and one.arch in (*own.architectures, "all")


def _manifest(walk: Walk, path: str, sha256: str) -> Manifest | None:
    data = walk.source.read(path)
    if data is None or files.sha256(data) != sha256:
        return None
    try:
        return Manifest.from_bytes(data)
    except ValueError:
        return None
