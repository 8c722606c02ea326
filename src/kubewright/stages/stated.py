"""What provenance says of a release: who asked for what, where each input is from, what decided its
bytes.
"""

import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubewright import __version__
from kubewright.models.artifact import Artifact, Builder, Package
from kubewright.models.build import Built
from kubewright.models.image import Image
from kubewright.models.lock import Input, Release
from kubewright.models.mirror import host_path
from kubewright.signing import provenance
from kubewright.site import layout
from kubewright.workspace import Workspace

PROJECT = "https://kubewright.invalid"
"""What provenance calls the project; `.invalid` until it has an address of its own."""


def of_release(
    release: Release,
    subjects: Iterable[Artifact],
    builders: Iterable[Builder],
    images: Iterable[Image],
    *,
    parts: Mapping[str, Sequence[str]],
    development: bool,
) -> bytes:
    """The statement about everything that the release has when its manifest is written; `parts`
    are the names of the inputs in each package.
    """
    asked: dict[str, Any] = {
        "release": release.name,
        "architectures": list(release.architectures),
    }
    if release.allowed_changes:
        asked["allowedChanges"] = list(release.allowed_changes)
    return provenance.statement(
        [provenance.Subject(name=made.url, sha256=made.sha256) for made in subjects],
        build_type=f"{PROJECT}/release/v1",
        builder_id=f"{PROJECT}/kubewright@{__version__}",
        external_parameters=asked,
        internal_parameters={
            "development": development,
            "recipes": {"sha256": release.recipes},
            "packages": {name: list(inputs) for name, inputs in parts.items() if inputs},
        },
        dependencies=[dependency(entry) for entry in release.inputs if entry.sha256],
        builder_version=_tools(builders, images),
        byproducts=_beside(release),
    )


def parts(workspace: Workspace, packages: Iterable[Package]) -> dict[str, list[str]]:
    """What each package was built from, by its path on the site, as its build says."""
    found = {}
    for package in packages:
        note = (workspace.root / f"{package.path}.build.json").read_bytes()
        found[package.url] = sorted(Built[Package].from_bytes(note).build.inputs)
    return found


def dependency(entry: Input) -> provenance.Dependency:
    """An input, and who says what it is. A mirror with bytes of its own stands for an upstream, but
    is none.
    """
    notes: dict[str, Any] = {
        "check": entry.check,
        "checkedBy": entry.checked_by,
        "signedBy": entry.signed_by,
    }
    uri = entry.url
    if entry.mirror is not None:
        notes["mirror"] = entry.mirror.model_dump(exclude_none=True)
        if entry.mirror.own_bytes:
            uri = f"kubewright-mirror:{entry.mirror.kind}/{host_path(entry.url)}"
            notes["standsFor"] = entry.url
    return provenance.Dependency(
        uri=uri,
        sha256=entry.sha256 or "",
        name=entry.id,
        annotations={key: value for key, value in notes.items() if value},
    )


def _tools(builders: Iterable[Builder], images: Iterable[Image]) -> dict[str, str]:
    """Everything whose version decides bytes. Python's does not."""
    found = {builder.name: builder.version for builder in builders}
    found["zlib"] = zlib.ZLIB_RUNTIME_VERSION
    for image in images:
        for platform in image.platforms:
            used = [platform.compressor, *([platform.zstd.compressor] if platform.zstd else [])]
            for name, _, version in (one.partition(" ") for one in used):
                found[f"{name} of images"] = version
    return found


def _beside(release: Release) -> Sequence[dict[str, Any]]:
    """The files that name this statement by its digest, so that it cannot name theirs."""
    about = {
        layout.MANIFEST: "names every subject and this statement, and is signed by the same key",
        layout.CHECKSUMS: "has the digests of every subject, this statement and the manifest",
    }
    return [
        {"uri": layout.release_path(release.name, name), "annotations": {"relation": text}}
        for name, text in about.items()
    ]
