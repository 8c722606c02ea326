"""Digests that are known of upstream files: a version that has been released keeps its bytes."""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from kubewright.errors import RequestError, VerificationFailed
from kubewright.models.lock import Check, Input, Release
from kubewright.models.site import Index, IndexedRelease
from kubewright.settings import Settings
from kubewright.signing.roles import Keys
from kubewright.site.reader import Reader
from kubewright.stages.trust import believed

log = logging.getLogger(__name__)

MOST = 3
"""The releases of a site that are asked for the files of one component: the newest that have its
version. Each was compared with those before it, so older ones would say the same.
"""


class Known(NamedTuple):
    """Who says what the digest of a file is."""

    sha256: str
    where: str


def refuse_unknown(release: Release) -> None:
    """Refuse a component of --allow-changed that the release does not have."""
    for name in release.allowed_changes:
        if not release.has(name):
            names = ", ".join(component.name for component in release.components)
            problem = f"{release.name} has no such component"
            raise RequestError(f"--allow-changed {name}", problem, f"it has {names}")


def refuse_changed(
    inputs: Iterable[Input], allowed: Collection[str], known: Mapping[str, Sequence[Known]]
) -> None:
    """Refuse an input whose URL is known with other bytes alone, unless its component is allowed
    to change. Raises VerificationFailed.
    """
    for entry in inputs:
        before = known.get(entry.url, ())
        if entry.check is Check.built or not before or _is_known(entry, known):
            continue
        first = before[0]
        if entry.component in allowed:
            log.warning(
                "%s: %s now, %s in %s: allowed to change",
                entry.url, entry.sha256, first.sha256, first.where,
            )  # fmt: skip
            continue
        raise VerificationFailed(
            entry.url,
            f"its SHA-256 is {entry.sha256} now, but {first.where} has {first.sha256} for the same"
            " version",
            "find out why upstream changed a version that is out; if the new bytes are right,"
            f" resolve again with --allow-changed {entry.component}, which the lock and the"
            " manifest tell",
        )


def compare_with_dist(release: Release, dist: Path) -> None:
    """Compare a new lock with those of the same Kubernetes version that are there."""
    known: dict[str, list[Known]] = {}
    for path in sorted(dist.glob(f"{release.tag}-*/release.json")):
        try:
            there = Release.from_bytes(path.read_bytes())
        except (OSError, ValidationError):
            continue  # a lock of another version of kubewright, which nobody can use any more
        _note(known, there.inputs, str(path), release.inputs)
    refuse_changed(release.inputs, release.allowed_changes, known)


def compare_with_site(release: Release, settings: Settings, keys: Keys) -> None:
    """Compare a lock with what these keys, or those of --trust, have published on the site.

    Raises VerificationFailed for a changed input, and as `Reader.present` does.
    """
    reader = believed(settings, keys)
    state = reader.present().state
    index = reader.index(state) if state else None
    refuse_changed(
        release.inputs, release.allowed_changes, published(reader, index, release.inputs)
    )


def published(
    reader: Reader, index: Index | None, inputs: Sequence[Input]
) -> dict[str, list[Known]]:
    """What the site's releases say of these files, by URL.

    It reads the manifests of a few releases, however many the site has. One that is damaged says
    nothing, which is said, and stops nobody.
    """
    known: dict[str, list[Known]] = {}
    read: dict[str, tuple[Input, ...]] = {}
    releases = index.releases if index else ()
    wanted = [entry for entry in inputs if entry.check is not Check.built]
    for component, version in {entry.component: entry.version for entry in wanted}.items():
        own = [entry for entry in wanted if entry.component == component]
        sharing = (one for one in releases if _has(one, component, version))
        for one in islice(sharing, MOST):
            if one.name not in read:
                read[one.name] = _inputs(reader, one)
            _note(known, read[one.name], one.name, own)
            if all(_is_known(entry, known) for entry in own):
                break
    return known


def _inputs(reader: Reader, release: IndexedRelease) -> tuple[Input, ...]:
    """What a release was made from; nothing where its manifest is damaged."""
    try:
        return reader.manifest(release.manifest_url, release.manifest_sha256).inputs
    except VerificationFailed as error:
        log.warning("%s; so nothing was compared with %s", error, release.name)
        return ()


def _is_known(entry: Input, known: Mapping[str, Sequence[Known]]) -> bool:
    """Whether somebody says the same of it; nobody can of what has no digest yet."""
    digests = {one.sha256 for one in known.get(entry.url, ())}
    return entry.sha256 is None or entry.sha256 in digests


def _has(release: IndexedRelease, component: str, version: str) -> bool:
    """Whether a release has a component in a version, as far as the index knows."""
    if component == "kubernetes":
        return release.kubernetes == version
    if not release.components:  # of an earlier kubewright, whose index did not say
        return component != "etcd" or release.etcd in (None, version)
    return release.components.get(component) == version


def _note(
    known: dict[str, list[Known]], inputs: Iterable[Input], where: str, wanted: Iterable[Input]
) -> None:
    """Add what is said of the wanted files."""
    urls = {entry.url for entry in wanted}
    for entry in _upstream(inputs):
        if entry.url in urls and entry.sha256:
            known.setdefault(entry.url, []).append(Known(entry.sha256, where))


def _upstream(inputs: Iterable[Input]) -> Iterator[Input]:
    """Those of upstreams: neither compiled here, nor placeholders that only stood for them."""
    for entry in inputs:
        sample = entry.mirror is not None and entry.mirror.sample
        if entry.check is not Check.built and not sample:
            yield entry
