"""The pages of a site, for people: its front, one for each minor, one for each release."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2

from kubewright import versions
from kubewright.errors import VerificationFailed
from kubewright.models.catalog import MinorFacts
from kubewright.models.manifest import Manifest
from kubewright.models.site import Channel, ChannelRelease, Index, IndexedRelease
from kubewright.site import layout
from kubewright.site.pages import documents, front, minor, release

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shown:
    """What pages are made from."""

    index: Index
    channels: Mapping[str, Channel]
    minors: Mapping[str, MinorFacts]
    """What the recipes know of each."""
    manifest: Callable[[ChannelRelease | IndexedRelease], Manifest]
    templates: Path
    documents: Path
    """The folder of our documentation."""


def render(shown: Shown, standing: Collection[str] = ()) -> dict[str, bytes]:
    """Every page by its path, but for those of minors and releases that are `standing`."""
    environment = _environment(shown.templates)
    index, minors = shown.index, by_minor(shown.index)
    found: dict[str, bytes] = {}

    def page(path: str, template: str, variables: Mapping[str, object]) -> None:
        found[path] = environment.get_template(template).render(variables).encode()

    for name, releases in minors.items():
        path, facts = layout.minor_page(name), layout.minor_facts(name)
        if not {path, facts} <= {*standing}:
            document = minor.document(index, name, releases, shown.minors.get(name))
            found[facts] = document.to_bytes()
            page(path, "minor.html.j2", minor.variables(document))
    for one, before in _with_the_release_before(index):
        path = layout.release_page(one.name)
        if path not in standing:
            try:
                manifest = shown.manifest(one)
            except VerificationFailed as error:  # which is no reason to publish nothing
                log.warning("%s: its page is not made: %s", one.name, error)
                continue
            page(path, "release.html.j2", release.variables(index, one, before, manifest))
    offered = front.presented(shown.channels, index)
    variables = front.variables(index, shown.manifest(offered), shown.channels, shown.minors)
    page(layout.FRONT_PAGE, "index.html.j2", variables)
    for path, text in documents.variables(shown.documents, index.url):
        page(path, "document.html.j2", text)
    found[layout.INSTALLER] = (shown.documents / documents.SCRIPT).read_bytes()
    return found


@cache
def _environment(templates: Path) -> jinja2.Environment:
    """Renders the templates of a folder. Compiling them takes a third of a small publication, so a
    process does it once; a file that has changed is read again.
    """
    return jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        loader=jinja2.FileSystemLoader(templates),
    )  # fmt: skip


def paths(index: Index) -> set[str]:
    """Where the pages of a site with this index lie."""
    found = {layout.FRONT_PAGE} | documents.paths()
    for name in by_minor(index):
        found |= {layout.minor_page(name), layout.minor_facts(name)}
    return found | {layout.release_page(one.name) for one in index.releases}


def left(files: Mapping[str, str], there: Collection[str]) -> dict[str, str]:
    """Files of a state, digests by path, without pages that are not `there` any more."""
    found = {}
    for path, digest in files.items():
        if path in there or not layout.is_page(path):
            found[path] = digest
    return found


def same(before: Index, after: Index) -> set[str]:
    """The pages that show the same after another index: their releases are told of as before."""
    if (before.site, before.url) != (after.site, after.url):
        return set()
    known = {one.name: _shown(one, older) for one, older in _with_the_release_before(before)}
    found = set()
    for one, older in _with_the_release_before(after):
        if known.get(one.name) == _shown(one, older):
            found.add(layout.release_page(one.name))
    old = by_minor(before)
    for name, releases in by_minor(after).items():
        offered = [minor.offered(index, releases) for index in (before, after)]
        if old.get(name) == releases and offered[0] == offered[1]:
            found |= {layout.minor_page(name), layout.minor_facts(name)}
    return found


def _shown(one: IndexedRelease, older: IndexedRelease | None) -> tuple[object, ...]:
    """What a release's page shows of the index."""
    return (one, older.name, older.components) if older else (one,)


def by_minor(index: Index) -> dict[str, list[IndexedRelease]]:
    """The releases of each minor, newest first; the newest minor first."""
    found: dict[str, list[IndexedRelease]] = {}
    for one in index.releases:
        found.setdefault(versions.minor(one.kubernetes), []).append(one)
    return found


def _with_the_release_before(
    index: Index,
) -> Iterator[tuple[IndexedRelease, IndexedRelease | None]]:
    """Each release with the next older one of the site."""
    following = [*index.releases[1:], None]
    yield from zip(index.releases, following, strict=True)
