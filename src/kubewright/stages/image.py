"""image: builds the hyperkube images into `dist/NAME/images/`, as an OCI layout and as loadable
archives.
"""

import logging
import shutil
from pathlib import Path

from kubewright import __version__, content, files, images, recipes
from kubewright.cache import Cache
from kubewright.errors import RequestError
from kubewright.gobuild.programs import ModuleSource
from kubewright.models.artifact import Artifact, Builder, Record
from kubewright.models.base import Arch
from kubewright.models.image import ImageArchive, ImageDefinition, ImageRecord
from kubewright.models.lock import Release
from kubewright.settings import Settings
from kubewright.signing import cosign
from kubewright.signing.roles import ArtifactKey
from kubewright.site import layout
from kubewright.workspace import Workspace, fingerprint, folder_digests

log = logging.getLogger(__name__)

LAYOUT = "images/layout"
ARCHIVES = "images/archives"
RECORD = "images.json"


def definition(release: Release) -> ImageDefinition:
    """The images of a release: over one program where it has one, else over a dispatcher."""
    name = "monolith.toml" if release.monolith else "image.toml"
    return images.load_definition(content.folder("images") / "hyperkube" / name)


def mark(release: Release, settings: Settings) -> str:
    """The fingerprint of everything that the images are made from."""
    return fingerprint(
        __version__, release.model_dump(exclude={"distributions"}), settings.registry,
        folder_digests(content.folder("images")),
    )  # fmt: skip


def image(workspace: Workspace, settings: Settings) -> tuple[Record, ImageRecord]:
    """Build the images, unless the same ones are there."""
    release = workspace.release()
    recipes.node_spec(release)  # refuses what can be resolved only
    done = workspace.done("image", mark(release, settings))
    if done is not None:
        log.info(
            "image %s: nothing to do, %d archives are there", release.name, len(done.artifacts)
        )
        return done, read_images(workspace)
    folder = content.folder("images")
    cache = Cache(settings.cache)
    sources = {(entry.component, entry.name, entry.arch): entry for entry in release.inputs}

    def source(component: str, name: str, arch: Arch) -> Path | None:
        entry = sources.get((component, name, arch))
        return None if entry is None else cache.use(entry)

    supply = images.ImageInputs(
        source, lambda pins, arch: images.fetch_packages(pins, arch, cache), carried(release)
    )
    built = images.build(
        definition(release),
        release,
        supply,
        registry=settings.registry,
        dest=workspace.root / LAYOUT,
        archives=workspace.root / ARCHIVES,
        content=folder,
    )
    files.write(workspace.root / RECORD, built.to_bytes())
    for gap in built.skipped:
        log.warning("image %s %s: skipped: %s", gap.name, gap.arch, gap.reason)
    record = Record(
        stage="image",
        fingerprint=mark(release, settings),
        artifacts=tuple(_archive(workspace, release, one) for one in built.archives),
        files={RECORD: files.sha256_of(workspace.root / RECORD)}
        | {
            f"{LAYOUT}/{name}": digest
            for name, digest in folder_digests(workspace.root / LAYOUT).items()
        },
        skipped=tuple(
            one.model_copy(update={"name": f"{one.name} (image)"}) for one in built.skipped
        ),
        builders=(Builder(name="kubewright", version=__version__),),
    )
    workspace.save(record)
    return record, built


def carried(release: Release) -> dict[str, str]:
    """The versions of other components inside the one hyperkube program: the etcd that its module
    lock names.
    """
    if not release.monolith:
        return {}
    return {
        "etcd": ModuleSource.of(release.kubernetes, content.folder("images") / "hyperkube").mod.etcd
    }


def push(workspace: Workspace, settings: Settings, key: ArtifactKey) -> images.PushReport:
    """Push the images, each with a cosign signature, to the registry that the settings name."""
    built = read_images(workspace)
    extra = [
        images.Attachment(
            one.name, signed.tag, signed.manifest.data, (signed.config.data, signed.payload.data)
        )
        for one in built.images
        for digest in one.digests
        for signed in [cosign.signature_image(one.repository, digest, key)]
    ]
    return images.push(workspace.root / LAYOUT, built, settings.registry, attachments=extra)


def read_images(workspace: Workspace) -> ImageRecord:
    """What the image stage built."""
    return ImageRecord.from_bytes((workspace.root / RECORD).read_bytes())


def own_archive(workspace: Workspace, record: Record) -> Path:
    """The archive for this machine's architecture. Raises RequestError when the release has
    none.
    """
    arch = Arch.own()
    found = next((one for one in record.artifacts if one.arch == arch), None)
    if found is None:
        raise RequestError(
            f"{workspace.root / ARCHIVES}: no archive for {arch}; resolve with --arch for it"
        )
    return workspace.root / found.path


def load(archive: Path) -> tuple[str, ...]:
    """Load an archive into the Docker engine of this machine; give the references that it then
    knows.
    """
    return images.load(archive)


def copy_archive(workspace: Workspace, record: Record, target: Path) -> Path:
    """Copy this machine's archive to a file of the user's choice."""
    with files.replacing(target) as stream, own_archive(workspace, record).open("rb") as source:
        shutil.copyfileobj(source, stream, files.CHUNK)
    return target


def _archive(workspace: Workspace, release: Release, archive: ImageArchive) -> Artifact:
    return Artifact(
        name=archive.name,
        kind="image-archive",
        arch=archive.arch,
        path=f"{ARCHIVES}/{archive.name}",
        url=layout.release_path(release.name, f"images/{archive.name}"),
        size=archive.size,
        sha256=archive.sha256,
        media_type="application/x-tar",
    )
