"""Where a key lies is one row of a table: what signs, and what checks, never learns it."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from kubewright.errors import RequestError
from kubewright.run import run
from kubewright.settings import Settings
from kubewright.signing import cosign, keyfile, keyring, provenance, rpm, verify
from kubewright.signing.keys import artifact_key, repo_key
from kubewright.signing.roles import Keys
from kubewright.signing.schemes import SCHEMES, Scheme, locked, open_key
from kubewright.signing.signer import Algorithm, Kind, Secrets
from kubewright.stages.keys import keys as keys_of

GOLDEN = Path(__file__).parent / "golden" / "keys"
NOW = 1_790_000_000
TEXT = b"Origin: Kubewright\n- a dash\nSuite: stable\n"
MANIFEST = b'{"release": "v1.36.4-1"}\n'
FILES: dict[Kind, str] = {"openpgp": "repo-key.asc", "ecdsa-p256": "artifact-key.pem"}

SERVICE = """
import sys
from kubewright.signing.file_signer import open_file
from kubewright.signing.schemes import locked
name, kind, algorithm, digest = sys.argv[1:]
signature = open_file(name, kind, locked).sign_digest(bytes.fromhex(digest), algorithm)
print(signature.hex())
"""
"""A process that has the secret key, as an agent, a token or a KMS has it."""


@dataclass
class RemoteSigner:
    """Asks another process to sign; all that is here is the public half."""

    kind: Kind
    public: bytes
    asked: list[Algorithm] = field(default_factory=list)

    def sign_digest(self, digest: bytes, algorithm: Algorithm) -> bytes:
        self.asked.append(algorithm)
        name = GOLDEN / FILES[self.kind]
        argv = [sys.executable, "-c", SERVICE, name, self.kind, algorithm, digest.hex()]
        return bytes.fromhex(run([str(word) for word in argv]).stdout)


@pytest.fixture
def remote(monkeypatch: pytest.MonkeyPatch, local: Keys) -> list[RemoteSigner]:
    """Every signer that was opened in a scheme that only this test has."""
    opened: list[RemoteSigner] = []
    public: dict[Kind, bytes] = {
        "openpgp": local.repo.certificate,
        "ecdsa-p256": local.artifact.public_pem,
    }

    def open_remote(name: str, kind: Kind, secrets: Secrets) -> RemoteSigner:
        assert name == "//vault/release"
        opened.append(RemoteSigner(kind, public[kind]))
        return opened[-1]

    monkeypatch.setitem(SCHEMES, "remote", Scheme("remote://VAULT/KEY", open_remote))
    return opened


@pytest.fixture(scope="module")
def local() -> Keys:
    return Keys(
        repo=repo_key(f"file:{GOLDEN}/repo-key.asc", now=NOW),
        artifact=artifact_key(f"file:{GOLDEN}/artifact-key.pem"),
    )


@pytest.fixture
def unsigned_rpm(released: Settings) -> bytes:
    return next(Path(released.dist).glob("*/packages/rpm/cri-tools-*.x86_64.rpm")).read_bytes()


def test_a_key_in_another_process_signs_all_that_a_file_signs(
    remote: list[RemoteSigner], local: Keys, released: Settings, unsigned_rpm: bytes
) -> None:
    named = {"repo_key": "remote://vault/release", "artifact_key": "remote://vault/release"}
    keys = keys_of(released.model_copy(update=named))
    image = ("example.org/pause", "sha256:" + "ab" * 32)

    def signed(by: Keys) -> list[object]:
        return [
            by.fingerprint,
            by.clearsign(TEXT, NOW),
            by.armored_detached(MANIFEST, NOW),
            by.artifact(MANIFEST),
            rpm.sign(unsigned_rpm, by.repo, by.moment(NOW)),
            cosign.signature_image(*image, None, by.artifact),
            provenance.envelope(MANIFEST, by.artifact),
        ]

    assert signed(keys) == signed(local)
    repo, artifact = remote
    assert (repo.asked, artifact.asked) == (["sha512"] * 4, ["sha256"] * 3)
    assert rpm.verify(rpm.sign(unsigned_rpm, keys.repo, NOW), [local.repo.certificate])


def test_the_public_half_serves_where_the_secret_half_is_absent(
    local: Keys, tmp_path: Path
) -> None:
    (tmp_path / "key.asc").write_text(local.repo.armored)
    public = keyfile.public((tmp_path / "key.asc").read_bytes(), place="key.asc")
    signed = local.clearsign(TEXT, NOW)
    assert public == keyfile.public((GOLDEN / "repo-key.asc").read_bytes(), place="repo-key.asc")
    assert verify.clearsigned(signed, [public.certificate], place="InRelease") == TEXT
    assert (public.armored, public.fingerprint) == (local.repo.armored, local.fingerprint)
    (artifact,) = keyring.artifact_keys(local.artifact.public_pem, place="key.pub").values()
    assert (artifact.key_id, artifact.public_pem, artifact.development) == (
        local.artifact.key_id,
        local.artifact.public_pem,
        False,
    )
    with pytest.raises(RequestError, match="holds no OpenPGP secret key"):
        repo_key(f"file:{tmp_path}/key.asc", now=NOW)


def test_what_is_signed_is_never_dated_before_the_key(local: Keys) -> None:
    created = local.repo.created
    assert local.clearsign(TEXT, 0) == local.repo.clearsign(TEXT, created)
    assert local.armored_detached(TEXT, 0) == local.repo.armored_detached(TEXT, created)
    assert local.armored_detached(TEXT, NOW) == local.repo.armored_detached(TEXT, NOW)


def test_one_development_key_makes_a_set_of_keys_one_for_development(
    local: Keys, keys: Keys
) -> None:
    assert not local.development
    assert Keys(local.repo, keys.artifact).development
    assert Keys(keys.repo, local.artifact).development


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("fiel:a.asc", "no key can be read from fiel:; did you mean file:a.asc? supported: file:"),
        (
            "gcpkms://alias/x",
            "no key can be read from gcpkms:; supported: file:PATH, gnupg:",
        ),
        (
            "repo-key.asc",
            "does not say where a key lies; supported: file:PATH, gnupg:",
        ),
        ("file:", "does not say where a key lies; supported: file:PATH"),
        ("", "does not say where a key lies; supported: file:PATH"),
    ],
)
def test_an_unknown_place_is_refused_with_the_known_ones(uri: str, words: str) -> None:
    readers: dict[str, Callable[[], object]] = {
        "--repo-key": lambda: repo_key(uri, now=NOW),
        "--artifact-key": lambda: artifact_key(uri),
    }
    for option, read in readers.items():
        with pytest.raises(RequestError) as caught:
            read()
        assert str(caught.value).startswith(f"{option} {uri or repr(uri)}: {words}")


@pytest.fixture
def locked_key(tmp_path: Path) -> Path:
    key = ec.derive_private_key(1234567, ec.SECP256R1())
    lock = BestAvailableEncryption(b"open sesame")
    (tmp_path / "locked.pem").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)
    )
    return tmp_path / "locked.pem"


def test_a_locked_key_is_opened_by_who_knows_the_passphrase(locked_key: Path) -> None:
    asked = []

    def passphrase(place: str) -> bytes:
        asked.append(place)
        return b"open sesame"

    key = artifact_key(f"file:{locked_key}", secrets=passphrase)
    assert asked == [str(locked_key)]
    verify.artifact(MANIFEST, key.sign(MANIFEST), key.public_pem, place="manifest.json")


def test_a_locked_key_stays_shut_for_everybody_else(locked_key: Path) -> None:
    uri = f"file:{locked_key}"
    with pytest.raises(RequestError, match=rf"^{locked_key}: not opened by this passphrase"):
        artifact_key(uri, secrets=lambda place: b"guess")
    with pytest.raises(RequestError, match=rf"^{locked_key}: protected by a passphrase; name"):
        open_key(uri, "ecdsa-p256", option="--artifact-key", secrets=locked)
