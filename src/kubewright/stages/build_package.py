"""Builds one package for the stage `package`: its files, its description, the packager."""

import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kubewright import checked, files, versions
from kubewright.errors import RequestError
from kubewright.models.artifact import Package
from kubewright.models.base import Arch, Format
from kubewright.models.description import Description
from kubewright.models.lock import Release
from kubewright.models.recipe import Recipe
from kubewright.packagers import PACKAGERS, directories, doc_files, payload
from kubewright.packagers.describe import describe, template_variables
from kubewright.packagers.plan import Circumstances, PlannedPackage
from kubewright.signing.rpm import unsigned_sha256
from kubewright.site import layout
from kubewright.stages import image
from kubewright.workspace import Workspace

log = logging.getLogger(__name__)

Sources = Mapping[tuple[str, str, Arch], Path]
"""Fetched files by component, name and architecture."""

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
    backend: str

    def build(self, package: PlannedPackage, sources: Sources) -> Package:
        """Build one package into `dist/NAME/packages/`. Raises what the packager does."""
        release, recipe, form = self.release, package.recipe, package.format
        arch = package.arch if isinstance(package.arch, Arch) else release.architectures[0]
        filled = template_variables(recipe, release, form, self.around.variables)
        with tempfile.TemporaryDirectory(prefix="kubewright-") as name, files.explained(name):
            work = Path(name)
            (work / KEYRING).write_bytes(self.around.keyring)

            def source(component: str, file: str) -> Path:
                if component == "keyring":
                    return work / KEYRING
                return _source(recipe, sources, component, file, arch)

            content = self.around.content
            entries = payload.gather(recipe, form, arch, source, filled, content, work / "payload")
            scripts = payload.scripts(recipe, filled, content)
            extra = {
                "key_date": str(self.around.variables["key_date"]),
                **self.around.inside(recipe),
            }
            description = describe(
                recipe, package.upstream, release, package.arch, form, entries, scripts, extra
            )
            description = directories.add(doc_files.add(description, work / "documents"))
            target = self.workspace.root / PACKAGES / form / description.filename
            made = work / description.filename
            PACKAGERS[self.backend].package(description, work, made)
            with files.replacing(target) as stream:
                stream.write(made.read_bytes())
        log.info("built %s", description.filename)
        return recorded(self.workspace, target, description)


def _source(recipe: Recipe, sources: Sources, component: str, file: str, arch: Arch) -> Path:
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
    data = path.read_bytes()
    digest, form = files.sha256(data), description.format
    checked.remember(path, digest)
    return Package(
        name=path.name,
        kind=form.value,
        arch=description.arch,
        path=str(path.relative_to(workspace.root)),
        url=layout.pool_path(description.name, path.name, form),
        size=len(data),
        sha256=digest,
        media_type=layout.MEDIA_TYPES[form],
        package=description.name,
        format=form,
        version=f"{description.version}-{description.revision}",
        epoch=description.epoch,
        upstream=description.version,
        unsigned_sha256=unsigned_sha256(data, name=path.name) if form is Format.rpm else digest,
    )
