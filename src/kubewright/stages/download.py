"""mirror download: copies what a release is made of from its upstreams into a directory that stands
for them.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Literal

from pydantic import Field

from kubewright import versions
from kubewright.cache import Cache
from kubewright.errors import KubewrightError, RequestError
from kubewright.log import redacted
from kubewright.mirror import Summary, Writer
from kubewright.mirror.upstream_files import RELEASES
from kubewright.models.answer import headed
from kubewright.models.base import Header, Model, Sha256
from kubewright.models.catalog import RELEASE_URL
from kubewright.models.components import Components
from kubewright.models.lock import Input
from kubewright.models.mirror import Mirror, Origin, host_path
from kubewright.recipes import Recipes
from kubewright.resolution.pin_inputs import inputs as all_inputs
from kubewright.resolution.request import marker_url, read_marker
from kubewright.settings import Settings
from kubewright.stages.fetch import bring
from kubewright.stages.resolve import pinned, solution
from kubewright.stages.upstreams import refuse_unused
from kubewright.upstream import Upstream

log = logging.getLogger(__name__)

Kind = Literal["file", "checksum", "signature", "marker"]


class Address(Model):
    """An upstream's file that a release is made of, or that vouches for one."""

    url: str = Field(description="the upstream's own")
    kind: Kind = Field(description="file: an input; the others vouch for one, or name a version")
    read_from: str | None = Field(None, description="where it is read, if not there")
    sha256: Sha256 | None = Field(None, description="of a file, if anything states it")


class Downloaded(Summary):
    """What `mirror download` has copied, or would copy."""

    header: Header = headed("mirror-download")
    directory: str = Field("", description="the mirror")
    dry_run: bool = Field(
        False, description="whether nothing was written, and this is what would be"
    )
    kubernetes: str = Field(description="its version")
    addresses: tuple[Address, ...] = Field(description="of all files, in order")


class Keeping(Upstream):
    """An upstream that keeps the small files that are read from it, by address."""

    def __init__(self, mirror: str | None = None, hosts: Iterable[tuple[str, str]] = ()) -> None:
        super().__init__(mirror, hosts)
        self.kept: dict[str, bytes] = {}

    def read(self, url: str) -> bytes | None:
        """A small file's bytes, or None if upstream has none."""
        data = super().read(url)
        if data is not None:
            self.kept[url] = data
        return data


def download(request: str, directory: Path, settings: Settings, recipes: Recipes) -> Downloaded:
    """Have in a directory all that `resolve` and `fetch` read of a release, each file verified as
    these do; what is there already stays. A dry run lists it, from recipes alone where it is to be
    done offline.

    Raises RequestError for a directory with something else in it, and what `resolve` and `fetch`
    raise.
    """
    if settings.offline and not settings.dry_run:
        raise RequestError(
            "--offline",
            "`mirror download` reads from the upstreams",
            "leave it out, or list the addresses alone with --dry-run",
        )
    refuse_unused(settings.upstream_for, recipes.components)
    done = _download(request, directory, settings, recipes)
    said = {"directory": str(directory), "dry_run": settings.dry_run}
    return done.model_copy(update=said)


def _download(request: str, directory: Path, settings: Settings, recipes: Recipes) -> Downloaded:
    upstream = None if settings.offline else Keeping(settings.upstream, settings.upstream_for)
    solved = solution(request, settings, recipes, upstream)
    kubernetes, chosen = solved.case.kubernetes, solved.components
    _refuse_unpackaged(kubernetes, recipes)
    everything, _ = all_inputs(
        chosen, recipes.components, settings.architectures, settings.asked.lacking
    )
    possible = _possible(everything, kubernetes, recipes.components)
    if upstream is None:
        return _downloaded(kubernetes, possible, everything)
    Writer.refuse_other(directory, _origins(everything, upstream)[0])
    read = tuple(upstream.kept)
    wanted, gaps = pinned(chosen, settings, recipes, upstream)
    for gap in gaps:
        log.warning("%s/%s %s: not available: %s", gap.component, gap.name, gap.arch, gap.reason)
    wanted = (*wanted, *_unvouched(everything, wanted, upstream))
    small = {url: data for url, data in upstream.kept.items() if not _is_marker(url)}
    small |= _markers(request, kubernetes, read, directory, upstream)
    listed: dict[str, Kind] = {entry.url: "file" for entry in wanted}
    listed |= {url: possible.get(url, "marker") for url in small}
    if settings.dry_run:
        return _downloaded(kubernetes, listed, wanted, upstream)
    done = _copy(directory, wanted, small, upstream, settings)
    return _downloaded(kubernetes, listed, wanted, upstream, done)


def _refuse_unpackaged(kubernetes: str, recipes: Recipes) -> None:
    if versions.minor(kubernetes) not in recipes.packaged:
        packaged = sorted(recipes.packaged, key=versions.parse)
        raise RequestError(
            f"v{kubernetes}",
            "no packages are made for it, so nothing reads its files",
            f"ask for a version of {packaged[0]} to {packaged[-1]}",
        )


def _possible(wanted: Iterable[Input], kubernetes: str, components: Components) -> dict[str, Kind]:
    """What may be read of these inputs and of the markers of their release, by address; upstreams
    need not have all of it.
    """
    found: dict[str, Kind] = {entry.url: "file" for entry in wanted}
    for entry in wanted:
        component = components.components[entry.component]
        source = next(source for source in component.inputs if source.name == entry.name)
        if source.checksum.kind != "none":
            place = source.fill(source.checksum.url, entry.version, entry.arch, entry.url)
            found[place] = "checksum"
        if component.signature:
            for text in (component.signature.url, component.signature.certificate):
                found[text.format(url=entry.url)] = "signature"
    return found | dict.fromkeys(map(marker_url, _scopes(kubernetes)), "marker")


def _scopes(kubernetes: str) -> Iterator[versions.Request]:
    """The words that may mean a version of Kubernetes."""
    minor = versions.minor(kubernetes)
    for word, scope in product(("stable", "latest"), ("", f"-{minor.split('.')[0]}", f"-{minor}")):
        yield versions.Request.parse(word + scope)


def _unvouched(
    everything: Sequence[Input], wanted: Sequence[Input], upstream: Upstream
) -> Iterator[Input]:
    """Inputs that a release does without because nothing vouches for them: it can only be seen
    that they exist, so that a copy shall have them too.
    """
    found = {entry.id for entry in wanted}
    for entry in everything:
        if entry.id not in found and upstream.exists(entry.url):
            yield entry


def _markers(
    request: str, kubernetes: str, read: Collection[str], directory: Path, upstream: Keeping
) -> dict[str, bytes]:
    """The markers that a copy shall have: those that the request was answered by, and all that name
    a version that is in it.
    """
    for scope in _scopes(kubernetes):
        try:
            read_marker(scope, upstream)
        except KubewrightError as error:
            if marker_url(scope) in read:
                raise
            log.warning("%s; not copied", error)
            upstream.kept.pop(marker_url(scope), None)
    by_range = versions.Request.parse(request).word == "range"
    found = {}
    for url, data in upstream.kept.items():
        if not _is_marker(url):
            continue
        version = data.decode("utf-8-sig", "replace").strip().removeprefix("v")
        if version == kubernetes or (url in read and not by_range) or _has(directory, version):
            found[url] = data
    return found


def _is_marker(url: str) -> bool:
    return url.startswith(f"{RELEASE_URL}/") and url.endswith(".txt")


def _has(directory: Path, version: str) -> bool:
    return any(directory.glob(f"{RELEASES}/v{version}/bin/linux/*/kubelet"))


def _origins(wanted: Iterable[Input], upstream: Upstream) -> tuple[Mirror, str]:
    """What the copy is to say of itself, and the address of a file that it goes by.

    Raises RequestError where mirrors with bytes of their own are only some of what is read.
    """
    through: dict[str, Origin] = {}
    own: dict[str, str] = {}
    for entry in wanted:
        origin, base = upstream.origin(entry.url), upstream.base(entry.url)
        own[origin.kind if origin and origin.own_bytes else "download"] = entry.url
        if origin and base:
            through[base.prefix or host_path(entry.url).partition("/")[0]] = origin
    kinds = sorted(own)
    if len(kinds) > 1:
        raise RequestError(
            f"--upstream-for: {' and '.join(kinds)}",
            "some of this is a mirror with programs of its own, and some is not",
            "copy from the one or the other",
        )
    kind = kinds[0]
    if kind == "download":
        return Mirror(kind="download", through=through or None), ""
    return Mirror(kind="sample" if kind == "sample" else "source"), own[kind]


def _copy(
    directory: Path, wanted: Sequence[Input], small: Mapping[str, bytes], upstream: Keeping,
    settings: Settings,
) -> Summary:  # fmt: skip
    """Write what is not there yet: the files first, what vouches for them after, markers last."""
    cache = Cache(settings.cache)
    said, like = _origins(wanted, upstream)
    with Writer.alone(directory):
        writer = Writer.claim(directory, said, upstream.description(like) if like else None)
        missing = [entry for entry in wanted if not writer.holds(entry.url, entry.sha256)]
        log.info("%s: %d files, %d to bring", directory, len(wanted), len(missing))
        digests = bring(missing, cache, upstream, settings.jobs) if missing else {}
        with writer.arriving() as folder:
            for entry in missing:
                known = entry.model_copy(update={"sha256": digests[entry.id]})
                writer.take(entry.url, cache.use(known, folder))
        sums = {entry.url: upstream.mirror_digest(entry.url) for entry in wanted}
        writer.list_sums({url: digest for url, digest in sums.items() if digest})
        for url, data in sorted(small.items(), key=lambda pair: _is_marker(pair[0])):
            writer.put_small(url, data)
    return Summary(files=len(writer.written), written=sum(writer.written))


def _downloaded(
    kubernetes: str, listed: Mapping[str, Kind], wanted: Iterable[Input],
    upstream: Upstream | None = None, done: Summary | None = None,
) -> Downloaded:  # fmt: skip
    """The result; of a dry run nothing is written."""
    digests = {entry.url: entry.sha256 for entry in wanted}
    addresses = []
    for url, kind in sorted(listed.items()):
        base = upstream.base(url) if upstream else None
        place = redacted(base.at(host_path(url))) if base else None
        addresses.append(Address(url=url, kind=kind, read_from=place, sha256=digests.get(url)))
    made = done or Summary(files=len(addresses), written=0)
    return Downloaded.of(made, kubernetes=kubernetes, addresses=tuple(addresses))
