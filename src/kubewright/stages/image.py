"""image: builds the hyperkube images into `dist/NAME/images/`, as an OCI layout and as loadable
archives.
"""

import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from kubewright import __version__, checked, files, images
from kubewright.cache import Cache
from kubewright.errors import RequestError
from kubewright.gobuild.programs import ModuleSource
from kubewright.models.artifact import Artifact, Builder, Record
from kubewright.models.base import Arch
from kubewright.models.image import ImageArchive, ImageRecord, Pin
from kubewright.models.lock import Release
from kubewright.recipes import Recipes
from kubewright.settings import Settings
from kubewright.signing import cosign
from kubewright.signing.roles import ArtifactKey
from kubewright.site import layout
from kubewright.stages.content_digest import content_digest
from kubewright.workspace import Workspace, fingerprint, folder_digests

log = logging.getLogger(__name__)

LAYOUT = "images/layout"
ARCHIVES = "images/archives"
BUILDS = "images/builds"
RECORD = "images.json"


def image(workspace: Workspace, settings: Settings, recipes: Recipes) -> tuple[Record, ImageRecord]:
    """Build the images, unless the same ones are there; of them what is not there already."""
    recipes.node_spec(workspace.release())  # refuses what can be resolved only
    release, options = workspace.completed(), {"registry": settings.registry}
    if settings.zstd:
        options["zstd"] = "beside"
    made_from = workspace.made_from("fetch") | {"recipes": content_digest(release, recipes)}
    mark = fingerprint(__version__, made_from, options)
    done = workspace.done("image", mark)
    if done is not None:
        log.info(
            "image %s: nothing to do, %d archives are there", release.name, len(done.artifacts)
        )
        return done, read_images(workspace)
    making = workspace.root / Path(LAYOUT).parent
    with files.explained(making):
        making.mkdir(parents=True, exist_ok=True)
        private = tempfile.TemporaryDirectory(prefix=".inputs-", dir=making)
    with private as inputs:
        built = _built(release, settings, recipes, workspace, Path(inputs))
    files.write(workspace.root / RECORD, built.to_bytes())
    for gap in built.skipped:
        log.warning("image %s %s: skipped: %s", gap.name, gap.arch, gap.reason)
    skipped = (gap.model_copy(update={"name": f"{gap.name} (image)"}) for gap in built.skipped)
    record = Record(
        stage="image",
        fingerprint=mark,
        made_from=made_from,
        complete=True,
        options=options,
        artifacts=tuple(_archive(workspace, release, archive) for archive in built.archives),
        files=_files(workspace),
        skipped=tuple(skipped),
        builders=(Builder(name="kubewright", version=__version__),),
    )
    workspace.save(record)
    return record, built


def _built(
    release: Release, settings: Settings, recipes: Recipes, workspace: Workspace, private: Path
) -> ImageRecord:
    """Build the images; what goes into them from the cache is copied into a private folder."""
    definition, cache = recipes.image_definition(release), Cache(settings.cache)
    if settings.zstd:
        definition = definition.model_copy(update={"zstd": True})
    inputs = release.named_inputs

    def source(component: str, name: str, arch: Arch) -> Path | None:
        entry = inputs.get((component, name, arch))
        return None if entry is None else cache.use(entry, private)

    def packages(pins: tuple[Pin, ...], arch: Arch) -> Mapping[Pin, Path]:
        return images.fetch_packages(pins, arch, cache, private)

    inside = carried(release, recipes.images)
    return images.build(
        definition,
        release,
        images.ImageInputs(source, packages, inside, recipes.pins(definition)),
        registry=settings.registry,
        dest=workspace.root / LAYOUT,
        archives=workspace.root / ARCHIVES,
        content=recipes.images,
        notes=workspace.root / BUILDS,
    )


def _files(workspace: Workspace) -> dict[str, str]:
    """What was made beside the archives, by digest."""
    made = {RECORD: checked.sha256_of(workspace.root / RECORD)}
    for folder in (LAYOUT, BUILDS):
        for name, digest in folder_digests(workspace.root / folder).items():
            made[f"{folder}/{name}"] = digest
    return made


def carried(release: Release, content: Path) -> dict[str, str]:
    """The versions of other components inside the one hyperkube program: the etcd that its module
    lock in `content`, the folder images/, names.
    """
    if not release.monolith:
        return {}
    return {"etcd": ModuleSource.of(release.kubernetes, content / "hyperkube").mod.etcd}


def push(
    workspace: Workspace, settings: Settings, key: ArtifactKey, *, pieces: int | None = None
) -> images.PushReport:
    """Push the images, each with a cosign signature, to the registry that the settings name; with
    `pieces` in requests of so many MiB.
    """
    built = read_images(workspace)
    extra = []
    for signed_image in built.images:
        for digest in signed_image.digests:
            signature = cosign.signature_image(
                signed_image.repository, digest, signed_image.tag, key
            )
            blobs = (signature.config.data, signature.payload.data)
            extra.append(
                images.Attachment(signed_image.name, signature.tag, signature.manifest.data, blobs)
            )
    return images.push(
        workspace.root / LAYOUT, built, settings.registry,
        attachments=extra, pieces=None if pieces is None else pieces << 20,
    )  # fmt: skip


def read_images(workspace: Workspace) -> ImageRecord:
    """What the image stage built."""
    return ImageRecord.from_bytes((workspace.root / RECORD).read_bytes())


def own_archive(workspace: Workspace, record: Record) -> Path:
    """The archive for this machine's architecture. Raises RequestError when the release has
    none.
    """
    arch = Arch.own()
    for archive in record.artifacts:
        if archive.arch == arch:
            return workspace.root / archive.path
    raise RequestError(
        str(workspace.root / ARCHIVES), f"no archive for {arch}", "resolve with --arch for it"
    )


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
