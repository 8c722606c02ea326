"""What cosign looks for beside an image: its digest in a signed payload, stored as an image of its
own.

Source: sigstore/cosign, specs/SIGNATURE_SPEC.md and specs/PAYLOAD_SPEC (the format that every
cosign since 1.0 reads).
"""

import json
from dataclasses import dataclass
from typing import Any

from kubewright.files import sha256
from kubewright.signing.roles import ArtifactKey

MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
PAYLOAD_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
SIGNATURE_ANNOTATION = "dev.cosignproject.cosign/signature"


@dataclass(frozen=True)
class Blob:
    """Bytes that go into a layout or registry under their digest."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """`sha256:` and the digest in lowercase hexadecimal."""
        return f"sha256:{sha256(self.data)}"

    def descriptor(self) -> dict[str, Any]:
        """The OCI descriptor that refers to it."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}


@dataclass(frozen=True)
class SignatureImage:
    """A signature as an OCI image; write all three blobs and give the manifest the tag."""

    tag: str
    manifest: Blob
    config: Blob
    payload: Blob


def payload(repository: str, digest: str, tag: str | None) -> bytes:
    """What is signed for the image in `repository` (`PREFIX/NAME`, as cosign has it) with `digest`
    (`sha256:…`) and its tag, so that who asks for that finds a tag that was moved
    (`cosign verify -a tag=v1.36.4`); None: as kubewright signed before it named the tag.
    """
    claim = {
        "critical": {
            "identity": {"docker-reference": repository},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": tag and {"tag": tag},
    }
    return _json(claim)


def signature_image(
    repository: str, digest: str, tag: str | None, key: ArtifactKey
) -> SignatureImage:
    """The signature of `key` on an image: do it for the index and for each of its manifests.

    Policies that pull one platform ask for the signature of that platform's manifest. Where it
    lies follows from the digest alone; `tag` is the version that the image was made for.
    """
    signed = Blob(PAYLOAD_TYPE, payload(repository, digest, tag))
    config = Blob(
        CONFIG_TYPE,
        _json(
            {
                "architecture": "",
                "os": "",
                "rootfs": {"type": "layers", "diff_ids": [signed.digest]},
            }
        ),
    )
    layer = signed.descriptor() | {
        "annotations": {SIGNATURE_ANNOTATION: key.sign(signed.data).decode()}
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor(),
        "layers": [layer],
    }
    return SignatureImage(place(digest), Blob(MANIFEST_TYPE, _json(manifest)), config, signed)


def place(digest: str) -> str:
    """Where cosign looks for the signature of `digest`: `sha256:ab…` becomes `sha256-ab….sig`."""
    return digest.replace(":", "-", 1) + ".sig"


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
