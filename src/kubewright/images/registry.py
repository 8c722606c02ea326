"""Pushes a layout to a registry (OCI distribution-spec 1.1): blobs first, then manifests, and names
last of all.
"""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from kubewright import files
from kubewright.addresses import is_loopback
from kubewright.errors import RequestError, VerificationFailed
from kubewright.images.docker_archive import blob_path
from kubewright.images.login import account
from kubewright.images.oci import INDEX, MANIFEST, ImageManifest
from kubewright.images.upload import BlobContent, Outcome, Uploads, refusal
from kubewright.models.image import Image, ImageRecord
from kubewright.registry_http import Registry

log = logging.getLogger(__name__)

NAMES_OF_DOCKER_HUB = ("docker.io", "index.docker.io")


@dataclass(frozen=True)
class Attachment:
    """A manifest to put beside an image under a tag of its own, with its blobs: a signature,
    say.
    """

    name: str
    tag: str
    manifest: bytes
    blobs: tuple[bytes, ...]


@dataclass(frozen=True)
class PushReport:
    """What a push did.

    `references` are `PREFIX/NAME:TAG@sha256:…`, by name, and `uploaded` the bytes that were sent.
    The others count blobs: sent, taken over from another repository of the same registry, and there
    already.
    """

    references: tuple[str, ...]
    uploaded: int
    sent: int
    mounted: int
    skipped: int


@dataclass(frozen=True)
class Prefix:
    """Where images live: `HOST[:PORT][/PATH]`, and the URL of that registry."""

    name: str
    url: str

    @property
    def host(self) -> str:
        """The registry as `docker login` calls it."""
        return self.name.partition("/")[0]

    def repository(self, image: str) -> str:
        """The repository of an image, as the registry calls it."""
        path = self.name.partition("/")[2]
        return f"{path}/{image}" if path else image


def prefix(text: str) -> Prefix:
    """Read `[http://|https://]HOST[:PORT][/PATH]`. Without a scheme only the loopback is asked over
    plain HTTP.

    Raises RequestError for anything else.
    """
    match = re.fullmatch(
        r"(?P<scheme>https?://)?"
        r"(?P<host>([a-z0-9]+([._-][a-z0-9]+)*|\[[0-9a-f:.]+\])(:[0-9]+)?)"
        r"(?P<path>(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*)",
        text,
    )
    if match is None:
        raise RequestError(
            "--registry",
            f"{text!r} is not an image prefix",
            "give HOST[:PORT][/PATH] in lower case",
        )
    host = match["host"]
    server = "registry-1.docker.io" if host in NAMES_OF_DOCKER_HUB else host
    return Prefix(
        f"{host}{match['path']}",
        f"{match['scheme'] or ('http://' if is_loopback(host) else 'https://')}{server}",
    )


def push(
    layout: Path, record: ImageRecord, registry: str,
    *, attachments: Iterable[Attachment] = (), pieces: int | None = None,
) -> PushReport:  # fmt: skip
    """Put every image of `record`, whose blobs are in `layout`, below the prefix `registry`.

    Nothing gets a name before everything it needs is there, and `attachments` (signatures) get
    theirs first. What the registry has is not sent, and blobs go in one request each unless
    `pieces` asks for so many bytes a request. Raises UpstreamUnreachable when it cannot be
    reached, RequestError when it refuses, VerificationFailed when a blob is not what its name says.
    """
    where = prefix(registry)
    pushing = _Push(Registry(where.url, account(where.host)), where, layout, pieces)
    beside = tuple(attachments)
    for image in record.images:
        pushing.content(image)
    for attachment in beside:
        for data in attachment.blobs:
            pushing.blob(attachment.name, BlobContent.of(f"sha256:{files.sha256(data)}", data))
    for attachment in beside:
        media_type = ImageManifest.from_bytes(attachment.manifest).media_type
        pushing.manifest(attachment.name, attachment.tag, media_type, attachment.manifest)
    for image in record.images:
        before = pushing.stored(image.name, image.tag, INDEX, image.index)
        if before not in ("", image.index):
            log.warning(
                "push %s:%s: was %s, which manifests of earlier releases may name; "
                "the registry must keep it untagged",
                image.name,
                image.tag,
                before,
            )
    return PushReport(
        tuple(f"{where.name}/{image.name}:{image.tag}@{image.index}" for image in record.images),
        pushing.uploaded,
        pushing.sent,
        pushing.mounted,
        pushing.skipped,
    )


def confirm(record: ImageRecord, registry: str) -> None:
    """Read the manifests of all images back. Raises VerificationFailed for another than was
    pushed.
    """
    where = prefix(registry)
    asked = Registry(where.url, account(where.host))
    for image in record.images:
        repository = where.repository(image.name)
        wanted = [(one.manifest, MANIFEST, one.manifest) for one in image.platforms]
        for reference, media_type, digest in (*wanted, (image.tag, INDEX, image.index)):
            url = f"/v2/{repository}/manifests/{quote(reference, safe=':')}"
            answer = asked.ask("GET", url, repository, headers={"Accept": media_type})
            if not answer.good or f"sha256:{files.sha256(answer.body)}" != digest:
                raise VerificationFailed(
                    f"{where.name}/{image.name}:{image.tag}",
                    f"the registry answers {answer.status} for {reference}, and not with {digest}",
                    "look at the registry's log, and load the bundle again",
                )


class _Push:
    """One push: what it has sent, and in which repository each blob is known to be."""

    def __init__(self, registry: Registry, where: Prefix, layout: Path, pieces: int | None) -> None:
        self.registry = registry
        self.uploads = Uploads(registry, pieces)
        self.where = where
        self.layout = layout
        self.uploaded = self.sent = self.mounted = self.skipped = 0
        self._places: dict[str, str] = {}
        self._checked: set[str] = set()

    def file(self, digest: str) -> Path:
        """The layout's blob, once it is sure that it is what its name says."""
        path = self.layout / blob_path(digest)
        if digest not in self._checked:
            if not path.is_file() or f"sha256:{files.sha256_of(path)}" != digest:
                raise VerificationFailed(str(path), "missing or damaged", "build the images again")
            self._checked.add(digest)
        return path

    def content(self, image: Image) -> None:
        """Make the registry hold everything of an image but its name."""
        for platform in image.platforms:
            for digest in (*(layer.digest for layer in platform.layers), platform.config):
                self.blob(image.name, BlobContent.of(digest, self.file(digest)))
            self.stored(image.name, platform.manifest, MANIFEST, platform.manifest)
            if platform.zstd:
                for layer in platform.zstd.layers:
                    self.blob(image.name, BlobContent.of(layer.digest, self.file(layer.digest)))
                beside = platform.zstd.manifest
                self.stored(image.name, beside, MANIFEST, beside)
        self.stored(image.name, image.index, INDEX, image.index)

    def stored(self, image: str, reference: str, media_type: str, digest: str) -> str:
        """As `manifest`, with the layout's blob `digest`."""
        return self.manifest(image, reference, media_type, self.file(digest).read_bytes())

    def blob(self, image: str, blob: BlobContent) -> None:
        """Make the registry hold a blob in the repository of an image."""
        repository = self.where.repository(image)
        place = self._places.get(blob.digest)
        if place == repository:
            return
        outcome = self.uploads.upload(repository, blob, elsewhere=place)
        self._places.setdefault(blob.digest, repository)
        match outcome:
            case Outcome.present:
                self.skipped += 1
            case Outcome.mounted:
                self.mounted += 1
            case Outcome.sent:
                self.sent += 1
                self.uploaded += blob.size
                log.info("push %s: %s, %d bytes", image, blob.digest, blob.size)

    def manifest(self, image: str, reference: str, media_type: str, data: bytes) -> str:
        """Make a tag or digest of an image stand for a manifest; the digest that it stood for
        before, if any.
        """
        repository = self.where.repository(image)
        url = f"/v2/{repository}/manifests/{quote(reference, safe=':')}"
        current = self.registry.ask("HEAD", url, repository, headers={"Accept": media_type})
        before = current.headers.get("Docker-Content-Digest", "") if current.good else ""
        if before == f"sha256:{files.sha256(data)}":
            return before
        answer = self.registry.ask(
            "PUT", url, repository, headers={"Content-Type": media_type}, body=data
        )
        if not answer.good:
            raise refusal(self.registry, repository, f"the manifest {reference}", answer)
        self.uploaded += len(data)
        return before
