"""Builds one package for the stage `package`: its files, its description, the packager."""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubewright import checked, files, versions
from kubewright.cache import Cache
from kubewright.course import Tally
from kubewright.errors import RequestError
from kubewright.models.artifact import Package
from kubewright.models.base import Arch, Format, PackageCompression
from kubewright.models.description import Description
from kubewright.models.lock import Input, Release
from kubewright.models.recipe import Recipe
from kubewright.packagers import PACKAGERS, directories, doc_files, payload, relation_syntax
from kubewright.packagers.describe import Stated, describe, template_variables
from kubewright.packagers.plan import Circumstances, PlannedPackage
from kubewright.packing.contents import Contents
from kubewright.signing.rpm import digests
from kubewright.site import layout
from kubewright.stages import image
from kubewright.workspace import Workspace

log = logging.getLogger(__name__)

Sources = Mapping[tuple[str, str, Arch], Input]
"""Inputs by component, name and architecture."""

PACKAGES = "packages"
"""The folder of packages, below dist/NAME/."""

KEYRING = "kubewright-archive-keyring.gpg"
"""File name of the installed keyring, below /usr/share/keyrings/."""


def carried(release: Release, images: Path) -> dict[str, str]:
    """The versions that a package of the one program states: those in it, not those of the separate
    packages. `images` is the folder of that name.
    """
    found = image.carried(release, images)
    return {name: versions.package_version(version) for name, version in found.items()}


def entry_channel(release: Release) -> str:
    """The channel that installed entries follow: the minor's own, for a plain upgrade must not
    cross a minor.

    It does not depend on where the release is published: the same release may go to more channels
    later.
    """
    return f"stable-{release.minor}" if versions.is_final(release.kubernetes) else "latest"


@dataclass(frozen=True)
class PackageBuilder:
    """Builds packages of one release into its workspace."""

    workspace: Workspace
    release: Release
    around: Circumstances
    cache: Cache
    backend: str
    compression: PackageCompression

    def build(
        self, packages: Sequence[PlannedPackage], sources: Sources, tally: Tally
    ) -> Iterator[Package]:
        """Build the formats of one package into `dist/NAME/packages/`; what they share is unpacked
        and compressed once. What comes from the cache is copied first, and hashed meanwhile. Raises
        what `Cache.use` and the packager do.
        """
        folder = self.workspace.root / PACKAGES
        with files.explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as name,
            files.explained(name),
        ):
            work = Path(name)
            (work / KEYRING).write_bytes(self.around.keyring)
            contents = Contents(work / "contents", self.compression)
            unpacked = payload.Unpacked(work / "unpacked")
            for package in packages:
                below = work / package.format
                below.mkdir()
                description = self._describe(package, sources, unpacked, work)
                description = doc_files.add(description, self.around.content, below / "documents")
                description = directories.add(description)
                target = self.workspace.root / PACKAGES / package.format / description.filename
                made = below / description.filename
                PACKAGERS[self.backend].package(description, contents, below, made)
                files.adopt(made, target)
                log.info("built %s (%s)", description.filename, tally.next())
                yield recorded(self.workspace, target, description)

    def _describe(
        self, package: PlannedPackage, sources: Sources, unpacked: payload.Unpacked, work: Path
    ) -> Description:
        release, recipe, form = self.release, package.recipe, package.format
        arch = package.arch if isinstance(package.arch, Arch) else release.architectures[0]
        filled = template_variables(recipe, release, form, self.around.variables)

        def source(component: str, file: str) -> Path:
            if component == "keyring":
                return work / KEYRING
            return self.cache.use(_source(recipe, sources, component, file, arch), work / "inputs")

        content, place = self.around.content, work / form / "payload"
        entries = payload.gather(recipe, form, arch, source, filled, content, place, unpacked)
        scripts = payload.scripts(recipe, filled, content)
        extra = {"key_date": str(self.around.variables["key_date"]), **self.around.inside(recipe)}
        stated = Stated(self.around.maintainer, extra, package.attributions)
        return describe(
            recipe, package.upstream, release, package.arch, form, entries, scripts, stated
        )


def _source(recipe: Recipe, sources: Sources, component: str, file: str, arch: Arch) -> Input:
    try:
        return sources[component, file, arch]
    except KeyError as error:
        raise RequestError(
            f"recipes/packages/{recipe.name}.toml",
            f"recipes/components.toml has no input {component}/{file}",
            "correct the name of the source, or add the input",
        ) from error


def recorded(workspace: Workspace, path: Path, description: Description) -> Package:
    """A built package as the record lists it."""
    form = description.format
    digest, unsigned = digests(path) if form is Format.rpm else (files.sha256_of(path), "")
    checked.remember(path, digest)
    return Package(
        name=path.name,
        kind=form.value,
        arch=description.arch,
        path=str(path.relative_to(workspace.root)),
        url=layout.pool_path(description.name, path.name, form),
        size=path.stat().st_size,
        sha256=digest,
        media_type=layout.MEDIA_TYPES[form],
        package=description.name,
        format=form,
        version=f"{description.version}-{description.revision}",
        epoch=description.epoch,
        upstream=description.version,
        unsigned_sha256=unsigned or digest,
        depends=tuple(relation_syntax.render(description.depends, form)),
    )
