"""Checks the TUF metadata of a site: its roots, its timestamp, and all that these lead to."""

from collections.abc import Mapping

from kubewright import files
from kubewright.errors import RequestError
from kubewright.metadata import chain, formats
from kubewright.metadata.chain import Followed, Published, Roots
from kubewright.metadata.library import Root, Timestamp
from kubewright.metadata.names import FOLDER, TIMESTAMP, role_path
from kubewright.models.base import DAY
from kubewright.models.document import REMEDY
from kubewright.models.site import State
from kubewright.moments import day
from kubewright.signing import verify as signatures
from kubewright.site import layout
from kubewright.site.references import Reference
from kubewright.verification import backups
from kubewright.verification.source import getting
from kubewright.verification.walk import Walk

SOON = {"timestamp": 3, "snapshot": 60, "targets": 60, "root": 60}
"""Days before its end at which a role's expiry is warned of."""

FIRST = role_path("root", 1)


def roots(walk: Walk) -> Roots | None:
    """The roots of the site, each signed by the keys of the one before, the trusted one among
    them.
    """
    get = getting(walk.source)
    with walk.tally.check(FIRST):
        found = chain.roots([walk.must(FIRST)], get, FIRST, mending=True)
        if found.stray is not None:
            problem = f"does not follow root {found.version}: clients refuse the site"
            walk.tally.fail(found.stray, f"{problem}; `kubewright repair` removes it")
        walk.named.update(found.files)
        for path, data in found.files.items():
            _exact(walk, path, data, Root)
            _backup(walk, path.removeprefix(FOLDER).removesuffix(".json"), {path: data})
        trusted = walk.keys.root
        if trusted is not None:
            own = trusted in found.files.values()
            problem = "none of the site's roots is the one that was given: do not use it"
            walk.tally.require(role_path("root", found.version), own, problem)
        return found
    return None


def check(walk: Walk, published: Published, data: bytes) -> None:
    """The metadata that the pointer leads to: signatures, lifetimes, and whom it lets sign."""
    walk.named.update((TIMESTAMP, *published.files))
    known = roots(walk)
    if known is None:
        return
    with walk.tally.check(TIMESTAMP):
        chain.require_signed(published, known.newest)
    _exact(walk, TIMESTAMP, data, Timestamp)
    _holders(walk, known)
    path = role_path("root", known.version)
    expires = {**published.expires, path: formats.expires(known.newest)}
    for place, until in expires.items():
        _lifetime(walk, place, until)


def described(walk: Walk, state: State, published: Published) -> None:
    """A state is of the site that its metadata says; every document is as the targets name it."""
    path = role_path("snapshot", published.version)
    said = published.origin
    walk.tally.require(path, said.site == state.site, f"is of the site {said.site}: do not use it")
    first = walk.source.read(FIRST)
    same = first is not None and state.root == files.sha256(first)
    walk.tally.require(FIRST, same, f"is not the root that the state names; {REMEDY}")
    names = role_path("targets", published.version)
    for place, sha256 in _vouched(state).items():
        target = published.targets.get(place)
        named = target is not None and target.sha256 == sha256
        walk.tally.require(names, named, f"does not name {place} as the state does; {REMEDY}")
    walk.expect(
        Reference(place, target.sha256, target.size)
        for place, target in published.targets.items()
        if not walk.unfinished or _is_immutable(place)
    )
    _history(walk, published)


def _vouched(state: State) -> dict[str, str]:
    """The copies of documents that the metadata of a state must name."""
    index = state.index
    found = {layout.index_copy(index.sequence, index.sha256): index.sha256}
    for name, copy in state.channels.items():
        found[layout.channel_copy(name, copy.sequence, copy.sha256)] = copy.sha256
    found |= {path: digest for path, digest in state.files.items() if path.startswith("keys/")}
    return found


def _is_immutable(path: str) -> bool:
    """Whether nobody replaces an object while a publication is finished."""
    folder, _, rest = path.partition("/")
    return path != layout.STATE and (
        folder == "publications" or (folder == "releases" and "/" in rest)
    )


def _history(walk: Walk, newest: Published) -> None:
    """Every snapshot names the one before; they lead to the states of the site's history."""
    found: Followed | None = newest
    oldest = walk.state.history.snapshot if walk.state else 0
    while found is not None:
        place = role_path("snapshot", found.version)
        walk.named.update(found.files)
        _backup(walk, str(found.version), found.files)
        known = walk.history.get(found.origin.number) == found.origin.state
        walk.tally.require(place, known, f"leads to no publication of this site; {REMEDY}")
        older = None
        with walk.tally.check(place):
            older = chain.before(found, getting(walk.source), oldest)
        found = older


def _backup(walk: Walk, name: str, held: Mapping[str, bytes]) -> None:
    """The second copies of metadata say what the first ones do."""
    place = layout.metadata_backup(name)
    with walk.tally.check(place):
        same = backups.copies(walk, place) == held
        problem = f"holds other metadata than {', '.join(held)}; {REMEDY}"
        walk.tally.require(place, same, problem)


def _holders(walk: Walk, known: Roots) -> None:
    """A root lets nobody sign documents but those whose keys are trusted."""
    place = role_path("root", known.version)
    try:
        trusted = signatures.public_keys(walk.keys.artifact_keys, place=layout.ARTIFACT_KEY)
    except RequestError:  # damaged, which is found where keys are checked
        return
    mine = {formats.key_of(public).keyid for public in trusted.values()}
    for role in ("targets", "snapshot"):
        for name in known.newest.signed.roles[role].keyids:
            problem = f"lets key {name} sign {role}, which is none of the keys given"
            walk.tally.require(place, name in mine, f"{problem}: do not use it")


def _lifetime(walk: Walk, place: str, until: int) -> None:
    role = place.removeprefix(FOLDER).removesuffix(".json").rpartition(".")[2]
    remedy = {
        "timestamp": "`kubewright refresh` renews it",
        "root": "make and publish the next: `kubewright key root new` (docs/keys.md)",
    }.get(role, "every publication renews it")
    if (
        walk.tally.require(
            place, until > walk.now, f"expired on {day(until)}: clients refuse the site; {remedy}"
        )
        and until <= walk.now + SOON[role] * DAY
    ):
        walk.tally.warnings.append(f"{place} expires on {day(until)}; {remedy}")


def _exact(walk: Walk, path: str, data: bytes, kind: type[formats.S]) -> None:
    """Readers pass over spaces and the like; damage is named all the same."""
    with walk.tally.check(path):
        found = formats.parse(kind, data, path)
        walk.tally.require(path, formats.is_exact(found, data), f"not just metadata; {REMEDY}")
