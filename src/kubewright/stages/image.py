"""image: builds the hyperkube images into `dist/NAME/images/`, as an OCI layout and as loadable archives."""

import logging
import platform
import shutil
from pathlib import Path

from kubewright import __version__, content, files, images
from kubewright.cache import Cache
from kubewright.errors import RequestError
from kubewright.models.artifact import Artifact, Builder, Record
from kubewright.models.base import Arch
from kubewright.models.image import ImageArchive, ImageRecord
from kubewright.models.lock import Release
from kubewright.repos import layout
from kubewright.settings import Settings
from kubewright.workspace import Workspace, fingerprint, folder_digests

log = logging.getLogger(__name__)

LAYOUT = "images/layout"
ARCHIVES = "images/archives"
RECORD = "images.json"


def image(workspace: Workspace, settings: Settings) -> tuple[Record, ImageRecord]:
    """Build the images, unless the same ones are there."""
    release = workspace.release()
    folder = content.folder("images")
    mark = fingerprint(
        [entry.model_dump() for entry in release.inputs], [one.version for one in release.components],
        release.name, release.source_date_epoch, __version__,
        list(release.architectures), settings.registry, folder_digests(folder),
    )  # fmt: skip
    done = workspace.done("image", mark)
    if done is not None and (workspace.root / RECORD).is_file():
        log.info("image %s: nothing to do, %d archives are there", release.name, len(done.artifacts))
        return done, read_images(workspace)
    cache = Cache(settings.cache)
    sources = {(entry.component, entry.name, entry.arch): entry for entry in release.inputs}

    def source(component: str, name: str, arch: Arch) -> Path | None:
        entry = sources.get((component, name, arch))
        return None if entry is None else cache.use(entry)

    built = images.build(
        images.load_definition(folder / "hyperkube" / "image.toml"), release, source,
        registry=settings.registry, epoch=release.source_date_epoch,
        dest=workspace.root / LAYOUT, archives=workspace.root / ARCHIVES, content=folder,
    )  # fmt: skip
    files.write(workspace.root / RECORD, built.to_bytes())
    record = Record(
        stage="image",
        fingerprint=mark,
        artifacts=tuple(_archive(workspace, release, one) for one in built.archives),
        skipped=tuple(one.model_copy(update={"name": f"{one.name} (image)"}) for one in built.skipped),
        builders=(Builder(name="kubewright", version=__version__),),
    )
    workspace.save(record)
    return record, built


def read_images(workspace: Workspace) -> ImageRecord:
    """What the image stage built."""
    return ImageRecord.from_bytes((workspace.root / RECORD).read_bytes())


def own_archive(workspace: Workspace, record: Record) -> Path:
    """The archive for this machine's architecture. Raises RequestError when the release has none."""
    machine = platform.machine()
    found = next(
        (one for one in record.artifacts if isinstance(one.arch, Arch) and machine in (one.arch, one.arch.rpm)), None
    )
    if found is None:
        raise RequestError(f"{workspace.root / ARCHIVES}: no archive for {machine}; resolve with --arch for it")
    return workspace.root / found.path


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
