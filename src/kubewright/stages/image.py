"""image: builds the hyperkube images into `dist/NAME/images/`, as an OCI layout and as loadable archives."""

import logging
import platform
import shutil
from pathlib import Path

from kubewright import content, files, images
from kubewright.cache import Cache
from kubewright.errors import RequestError
from kubewright.models.artifact import Artifact, Builder, Record, Skipped
from kubewright.models.base import Arch
from kubewright.models.image import ImageRecord
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
        [entry.model_dump() for entry in release.inputs], release.name, release.source_date_epoch,
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
    skipped = tuple(Skipped(name=f"{one.name} (image)", arch=one.arch, reason=one.reason) for one in built.skipped)
    record = Record(
        stage="image", fingerprint=mark, artifacts=_archives(workspace, release), skipped=skipped,
        builders=(Builder(name="kubewright.images", version="1"),),
    )  # fmt: skip
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


def _archives(workspace: Workspace, release: Release) -> tuple[Artifact, ...]:
    found = []
    for path in sorted((workspace.root / ARCHIVES).glob("*.tar")):
        arch = next(arch for arch in release.architectures if path.stem.endswith(arch.value))
        found.append(
            Artifact(
                name=path.name,
                kind="image-archive",
                arch=arch,
                path=str(path.relative_to(workspace.root)),
                url=layout.release_path(release.name, f"images/{path.name}"),
                size=path.stat().st_size,
                sha256=files.sha256_of(path),
                media_type="application/x-tar",
            )
        )
    return tuple(found)
