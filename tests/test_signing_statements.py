"""What the artifact key signs: files, images as cosign stores them, and statements about how things
were made.
"""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kubewright.errors import RequestError, VerificationFailed
from kubewright.files import sha256
from kubewright.models.manifest import Manifest
from kubewright.run import run
from kubewright.settings import Settings
from kubewright.signing import cosign, provenance, verify
from kubewright.signing.file_signer import FileSigner
from kubewright.signing.public import ArtifactPublicKey
from kubewright.signing.roles import ArtifactKey

IMAGE = "registry.example.org/kubewright/hyperkube"
DIGEST = "sha256:" + "ab" * 32
PAYLOAD = (
    '{"critical":{"identity":{"docker-reference":"'
    + IMAGE
    + '"},"image":{"docker-manifest-digest":"'
    + DIGEST
    + '"},'
    '"type":"cosign container image signature"},"optional":null}'
)
STATEMENT = provenance.statement(
    [
        provenance.Subject(name="b.rpm", sha256="b" * 64),
        provenance.Subject(name="a.deb", sha256="a" * 64),
    ],
    build_type="https://example.org/package/v1",
    builder_id="https://example.org/builder",
    external_parameters={"request": "stable-1.36"},
    dependencies=[
        provenance.Dependency(uri="https://dl.k8s.io/kubelet", sha256="c" * 64, name="kubelet")
    ],
    builder_version={"nfpm": "2.48.0"},
)


@pytest.fixture(scope="session")
def key() -> ArtifactKey:
    return from_number(1234567, development=False)


@pytest.fixture(scope="session")
def foreign() -> ArtifactKey:
    return from_number(7654321, development=True)


def from_number(number: int, *, development: bool) -> ArtifactKey:
    private = ec.derive_private_key(number, ec.SECP256R1())
    public = ArtifactPublicKey(private.public_key(), development)
    return ArtifactKey.of(public, FileSigner(private, public.public_pem))


def test_a_file_signature_is_the_same_each_time_and_openssl_accepts_it(
    key: ArtifactKey, tmp_path: Path, tool: Callable[[str], Path]
) -> None:
    signature = key.sign(b"data")
    assert signature == key.sign(b"data")
    verify.artifact(b"data", signature + b"\n", key.public_pem, place="manifest.json")
    for name, data in (
        ("data", b"data"),
        ("sig", base64.b64decode(signature)),
        ("pub", key.public_pem),
    ):
        (tmp_path / name).write_bytes(data)
    check = ["dgst", "-sha256", "-verify", "pub", "-signature", "sig", "data"]
    assert "Verified OK" in run([tool("openssl"), *check], cwd=tmp_path).stdout


@pytest.mark.parametrize(
    ("data", "signature"),
    [
        pytest.param(b"Data", None, id="other bytes"),
        pytest.param(b"data", b"", id="no signature"),
        pytest.param(b"data", b"not base64!", id="no base64"),
        pytest.param(b"data", b"AAAA", id="no DER"),
    ],
)
def test_a_wrong_file_signature_is_refused(
    data: bytes, signature: bytes | None, key: ArtifactKey
) -> None:
    made = key.sign(b"data") if signature is None else signature
    with pytest.raises(VerificationFailed, match=r"^manifest\.json: the signature does not hold"):
        verify.artifact(data, made, key.public_pem, place="manifest.json")


def test_a_file_signature_by_another_key_is_refused(key: ArtifactKey, foreign: ArtifactKey) -> None:
    with pytest.raises(VerificationFailed):
        verify.artifact(b"data", foreign.sign(b"data"), key.public_pem, place="manifest.json")
    with pytest.raises(RequestError, match="not a public key in PEM form"):
        verify.artifact(b"data", key.sign(b"data"), b"text", place="manifest.json")


def test_the_image_payload_is_what_cosign_writes() -> None:
    assert cosign.payload(IMAGE, DIGEST, None).decode() == PAYLOAD
    named = cosign.payload(IMAGE, DIGEST, "v1.36.4").decode()
    assert named == PAYLOAD.replace('"optional":null', '"optional":{"tag":"v1.36.4"}')


def test_every_digest_of_a_released_image_is_claimed_for_its_repository_without_the_tag(
    released: Settings,
) -> None:
    site = Path(released.site)
    manifest = Manifest.from_bytes((site / "releases/v1.36.4-1/manifest.json").read_bytes())
    claims = [json.loads((site / one.url).read_bytes())["critical"] for one in manifest.files
              if one.url.endswith(".payload.json")]  # fmt: skip
    assert sorted(
        (one["identity"]["docker-reference"], one["image"]["docker-manifest-digest"])
        for one in claims
    ) == [
        *sorted(
            (f"registry.k8s.io/{one.name}", digest)
            for one in manifest.images
            for digest in (one.index, *(platform.manifest for platform in one.platforms))
        )
    ]
    other = manifest.images[0].model_copy(
        update={"reference": "localhost:5000/kubewright/pause:3.10"}
    )
    assert other.repository == "localhost:5000/kubewright/pause"


def test_an_image_signature_is_an_image_that_cosign_finds(key: ArtifactKey) -> None:
    made = cosign.signature_image(IMAGE, DIGEST, None, key)
    manifest = json.loads(made.manifest.data)
    layer = manifest["layers"][0]
    assert made.tag == f"sha256-{'ab' * 32}.sig"
    assert manifest["config"] == made.config.descriptor()
    assert layer["digest"] == f"sha256:{sha256(PAYLOAD.encode())}"
    assert (layer["mediaType"], layer["size"]) == (cosign.PAYLOAD_TYPE, len(PAYLOAD))
    signature = layer["annotations"][cosign.SIGNATURE_ANNOTATION].encode()
    verify.artifact(made.payload.data, signature, key.public_pem, place="image")
    assert json.loads(made.config.data)["rootfs"]["diff_ids"] == [layer["digest"]]
    assert made == cosign.signature_image(IMAGE, DIGEST, None, key)


def test_a_statement_says_what_was_made_from_what_and_by_whom() -> None:
    assert json.loads(STATEMENT) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [
            {"name": "a.deb", "digest": {"sha256": "a" * 64}},
            {"name": "b.rpm", "digest": {"sha256": "b" * 64}},
        ],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://example.org/package/v1",
                "externalParameters": {"request": "stable-1.36"},
                "resolvedDependencies": [
                    {
                        "name": "kubelet",
                        "uri": "https://dl.k8s.io/kubelet",
                        "digest": {"sha256": "c" * 64},
                    }
                ],
            },
            "runDetails": {
                "builder": {"id": "https://example.org/builder", "version": {"nfpm": "2.48.0"}}
            },
        },
    }


def test_an_envelope_opens_with_its_key_only(key: ArtifactKey, foreign: ArtifactKey) -> None:
    sealed = provenance.envelope(STATEMENT, key)
    assert sealed == provenance.envelope(STATEMENT, key)
    assert provenance.opened(sealed, key.public_pem, place="p.json") == json.loads(STATEMENT)
    assert json.loads(sealed)["signatures"][0]["keyid"] == key.key_id
    with pytest.raises(VerificationFailed, match=r"^p\.json: "):
        provenance.opened(sealed, foreign.public_pem, place="p.json")


@pytest.mark.parametrize("field", ["payload", "payloadType"])
def test_a_touched_envelope_stays_shut(field: str, key: ArtifactKey) -> None:
    sealed = json.loads(provenance.envelope(STATEMENT, key))
    sealed[field] = base64.b64encode(b"{}").decode() if field == "payload" else "text/plain"
    with pytest.raises(VerificationFailed, match=r"^p\.json: the signature does not hold"):
        provenance.opened(json.dumps(sealed).encode(), key.public_pem, place="p.json")


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"payload": 1, "payloadType": "x"}'])
def test_what_is_no_envelope_is_named(data: bytes, key: ArtifactKey) -> None:
    with pytest.raises(VerificationFailed, match=r"^p\.json: not a signed statement"):
        provenance.opened(data, key.public_pem, place="p.json")
