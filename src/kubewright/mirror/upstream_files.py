"""Where a mirror keeps each upstream file, and what its checksum files and version markers say."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from kubewright import versions
from kubewright.models.base import Arch
from kubewright.models.catalog import RELEASE_URL
from kubewright.models.components import Components, InputSource
from kubewright.models.mirror import host_path as path

__all__ = ["RELEASES", "UpstreamFile", "checksums", "files_of", "markers", "path"]

RELEASES = path(RELEASE_URL)
"""Kubernetes' own downloads; its markers are `stable-1.36.txt` and the like right in it."""

_SHAPES = {"kubernetes": "{digest}", "cri-tools": "{digest}\n"}
"""Checksum files that name no file (Kubernetes' lacks even the newline); all others say `digest
name`.
"""


@dataclass(frozen=True)
class UpstreamFile:
    """One upstream file: an input of a component at a version, for an architecture."""

    component: str
    source: InputSource
    version: str
    arch: Arch

    def fill(self, template: str, url: str = "") -> str:
        """A text of `recipes/components.toml` with its {version}, {arch} and {url}."""
        return self.source.fill(template, self.version, self.arch, url)

    @property
    def url(self) -> str:
        """Its address upstream."""
        return self.fill(self.source.url)

    @property
    def checksum_url(self) -> str:
        """The address of the file that states its digest; empty if upstream has none."""
        return self.fill(self.source.checksum.url, self.url)


def files_of(
    components: Components, wanted: Mapping[str, Sequence[str]], archs: Sequence[Arch]
) -> Iterator[UpstreamFile]:
    """The files of the components at the versions that `wanted` names."""
    for name, component in components.components.items():
        for source in component.inputs:
            for version in wanted.get(name, ()):
                for arch in filter(source.published_for, archs):
                    yield UpstreamFile(name, source, version, arch)


def checksums(digests: Iterable[tuple[UpstreamFile, str]]) -> dict[str, bytes]:
    """The checksum files as upstream shapes them, and the mirror's own SHA256SUMS of what has none,
    by path.
    """
    texts: dict[str, str] = {}
    for file, digest in sorted(digests, key=lambda pair: pair[0].url):
        name = file.url.rsplit("/", 1)[-1]
        if file.source.checksum.kind == "file":
            shape = _SHAPES.get(file.component, "{digest}  {name}\n")
            texts[path(file.checksum_url)] = shape.format(digest=digest, name=name)
        elif file.source.checksum.kind == "list":
            place = path(file.checksum_url)
            texts[place] = texts.get(place, "") + f"{digest}  {name}\n"
        else:
            texts["SHA256SUMS"] = texts.get("SHA256SUMS", "") + f"{digest}  {path(file.url)}\n"
    return {place: text.encode() for place, text in texts.items()}


def markers(kubernetes: Iterable[str]) -> dict[str, bytes]:
    """The version markers of a mirror that holds these Kubernetes versions, by path: each a bare
    `v1.36.4`.

    As upstream: `stable` is the newest final release and `latest` the newest of all; of everything,
    of a major and of a minor.
    """
    texts: dict[str, bytes] = {}
    for version in sorted(kubernetes, key=versions.parse):
        minor = versions.minor(version)
        for scope in ("", f"-{minor.split('.')[0]}", f"-{minor}"):
            texts[f"{RELEASES}/latest{scope}.txt"] = f"v{version}".encode()
            if versions.is_final(version):
                texts[f"{RELEASES}/stable{scope}.txt"] = f"v{version}".encode()
    return texts
