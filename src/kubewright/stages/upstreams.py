"""Opens the upstream that is asked for, once every base in it is known to be of use."""

import difflib
import re
from collections.abc import Iterator

from kubewright import bases
from kubewright.errors import RequestError
from kubewright.models.base import Arch
from kubewright.models.catalog import RELEASE_URL
from kubewright.models.components import Components, InputSource
from kubewright.models.mirror import host_path
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.upstream import Upstream

_MARKERS = f"{RELEASE_URL}/{{version}}.txt"


def opened(settings: Settings, recipes: Recipes) -> Upstream:
    """The upstreams of the settings. Raises RequestError for a base that cannot be used, or that
    stands for nothing which a recipe names.
    """
    refuse_unused(settings.upstream_for, recipes.components)
    return Upstream(settings.upstream, settings.upstream_for)


def refuse_unused(hosts: tuple[tuple[str, str], ...], components: Components) -> None:
    """Refuse a host, or a path on one, that no recipe reads anything from."""
    if not hosts:
        return
    addresses = list(_addresses(components))
    known = sorted({address.partition("/")[0] for address in addresses})
    for given, _ in hosts:
        prefix = bases.prefix(given)
        if any(_within(prefix, address) for address in addresses):
            continue
        host, _, path = prefix.partition("/")
        if host in known:
            there = {address for address in addresses if address.startswith(f"{host}/")}
            near = difflib.get_close_matches(prefix, _beginnings(there, path.count("/") + 2), n=1)
        else:
            near = difflib.get_close_matches(host, known, n=1)
        remedy = f"did you mean {near[0]!r}? " if near else ""
        raise RequestError(
            f"--upstream-for {given} (`[upstream]` of kubewright.toml)",
            "no recipe reads anything from there",
            f"{remedy}recipes/components.toml names {', '.join(known)}",
        )


def _addresses(components: Components) -> Iterator[str]:
    """`HOST/PATH` of everything that is ever asked for, with placeholders."""
    yield host_path(_MARKERS)
    for component in components.components.values():
        for source in component.inputs:
            for template in (source.url, source.checksum.url):
                yield from _named(source, template)
            signature = component.signature
            if signature:
                yield from _named(source, signature.url)
                yield from _named(source, signature.certificate)


def _named(source: InputSource, template: str) -> Iterator[str]:
    """An address by each name that upstream has for an architecture."""
    if template:
        for arch in Arch:
            url = source.fill(source.url, "{version}", arch)
            yield host_path(source.fill(template, "{version}", arch, url))


def _within(prefix: str, address: str) -> bool:
    """Whether a prefix is the beginning of an address, by whole parts."""
    parts, wanted = address.split("/"), prefix.split("/")
    return len(wanted) <= len(parts) and all(
        re.fullmatch(re.escape(part).replace(r"\{version\}", ".+"), one)
        for part, one in zip(parts, wanted, strict=False)
    )


def _beginnings(addresses: set[str], length: int) -> list[str]:
    """The first parts of addresses, for near misses."""
    return sorted({"/".join(address.split("/")[:length]) for address in addresses})
