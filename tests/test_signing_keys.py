"""Where keys come from: made on first use, made by `key init`, or brought along from gpg and
openssl.
"""

import stat
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pysequoia
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)
from pysequoia.packet import Packet, PacketPile

import kubewright
from kubewright.errors import DiskError, RequestError
from kubewright.files import sha256
from kubewright.models.base import DAY
from kubewright.run import run
from kubewright.signing import keyfile, openpgp, verify
from kubewright.signing.keys import Paths, artifact_key, initialise, key_file, repo_key
from kubewright.signing.roles import RepoKey

MADE = 1_700_000_000

FIRST_USE = f"""
from kubewright.signing.keys import artifact_key, repo_key
print(repo_key(None, now={MADE}).fingerprint, artifact_key(None).key_id)
"""

Tool = Callable[[str], Path]
Gpg = Callable[..., str]


@pytest.fixture(scope="session")
def paths(tmp_path_factory: pytest.TempPathFactory) -> Paths:
    return initialise(
        tmp_path_factory.mktemp("keys") / "new", "Test <t@example.org>", now=MADE, expires_days=10
    )


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_two_first_users_at_once_end_with_one_private_key(tmp_path: Path) -> None:
    env = {
        "KUBEWRIGHT_DATA": str(tmp_path),
        "PYTHONPATH": str(Path(kubewright.__file__).parent.parent),
    }
    with ThreadPoolExecutor(2) as pool:
        seen = list(
            pool.map(lambda _: run([sys.executable, "-c", FIRST_USE], env=env).stdout, range(2))
        )
    assert seen[0] == seen[1]
    assert mode(tmp_path / "development") == 0o700
    keys = {
        path.name: mode(path)
        for path in (tmp_path / "development").iterdir()
        if not path.name.startswith(".")
    }
    assert keys == {"repo-key.asc": 0o600, "artifact-key.pem": 0o600}


def test_development_keys_say_so_and_are_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBEWRIGHT_DATA", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    key, artifact = repo_key(None, now=MADE), artifact_key(None)
    place = tmp_path / ".local/share/kubewright/development"
    assert (key.development, key.created, key.expires) == (True, MADE, None)
    assert repo_key(f"file:{place}/repo-key.asc", now=MADE).certificate == key.certificate
    assert repo_key(None, now=MADE + DAY).certificate == key.certificate
    assert artifact.development
    assert artifact_key(f"file://{place}/artifact-key.pem").development
    assert b"DEVELOPMENT" in artifact.public_pem
    assert str(pysequoia.Cert.from_bytes(key.certificate).user_ids[0]) == key.user_id
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert artifact_key(None).key_id != artifact.key_id


def test_a_data_directory_that_cannot_be_made_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("KUBEWRIGHT_DATA", str(tmp_path / "file"))
    with pytest.raises(DiskError, match=r"file/development: .*point KUBEWRIGHT_DATA at"):
        artifact_key(None)


def test_init_writes_both_keys_and_keeps_the_secret_ones_private(paths: Paths) -> None:
    key, artifact = (
        repo_key(f"file:{paths.repo_secret}", now=MADE),
        artifact_key(f"file:{paths.artifact_secret}"),
    )
    assert (key.user_id, key.created, key.expires) == (
        "Test <t@example.org>",
        MADE,
        MADE + 10 * DAY,
    )
    assert not key.development
    assert not artifact.development
    assert paths.repo_public.read_text() == key.armored
    assert paths.artifact_public.read_bytes() == artifact.public_pem
    assert [mode(path) for path in (paths.repo_secret, paths.artifact_secret)] == [0o600, 0o600]


def test_init_never_replaces_a_key(paths: Paths) -> None:
    before = paths.repo_secret.read_bytes()
    with pytest.raises(RequestError, match=r"repo-key\.asc: exists already"):
        initialise(paths.repo_secret.parent, "Other", now=MADE, expires_days=None)
    assert paths.repo_secret.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "days"),
    [("", 1), ("two\nlines", 1), ("Test", 0), ("Test", 50_000)],
    ids=["none", "lines", "no day", "more seconds than fit"],
)
def test_init_refuses_what_makes_no_key(name: str, days: int, tmp_path: Path) -> None:
    with pytest.raises(RequestError):
        initialise(tmp_path / "new", name, now=MADE, expires_days=days)
    assert not (tmp_path / "new").exists()


def test_a_key_signs_only_while_it_is_valid(paths: Paths) -> None:
    key = repo_key(f"file:{paths.repo_secret}", now=MADE)
    with pytest.raises(RequestError, match="made on 2023-11-14, so it cannot sign for 2023-11-13"):
        key.detached(b"", MADE - DAY)
    with pytest.raises(
        RequestError, match=f"^key {key.fingerprint}: expired on 2023-11-24; rotate it"
    ):
        key.clearsign(b"", MADE + 10 * DAY)
    key.detached(b"", MADE + 10 * DAY - 1)


def test_an_expired_key_is_refused_when_it_is_asked_for(paths: Paths) -> None:
    with pytest.raises(RequestError, match="expired on 2023-11-24"):
        repo_key(f"file:{paths.repo_secret}", now=MADE + 11 * DAY)


def test_a_key_that_gpg_exported_signs_what_gpgv_accepts(
    gpg: Gpg, tool: Tool, tmp_path: Path
) -> None:
    gpg(
        "--pinentry-mode",
        "loopback",
        "--passphrase",
        "",
        "--quick-generate-key",
        "Exported <e@example.org>",
        "rsa3072",
        "sign",
        "2y",
    )
    secret, shared = tmp_path / "secret.asc", tmp_path / "key.gpg"
    gpg("--output", secret, "--armor", "--export-secret-keys")
    gpg("--output", shared, "--export")
    created = int(gpg("--with-colons", "--list-keys").split("pub:")[1].split(":")[4])
    key = repo_key(f"file:{secret}", now=created)
    assert (key.user_id, key.expires) == ("Exported <e@example.org>", created + 2 * 365 * DAY)
    (tmp_path / "InRelease").write_bytes(key.clearsign(b"Origin: x\n", created))
    run([tool("gpgv"), "--keyring", shared, tmp_path / "InRelease"])
    assert (
        verify.detached(b"x", key.detached(b"x", created), [key.certificate], place="x")
        == key.fingerprint
    )


LOCKED = (
    b"\xfe\x09\x03\x08"
    + bytes(8)
    + b"\xff"
    + bytes(16)
    + b"as gpg writes it: AES-256, salt, vector, secret"
)
"""The secret half of a key packet that has a passphrase."""


def test_a_key_with_a_passphrase_is_refused_but_its_public_half_is_read(paths: Paths) -> None:
    key = repo_key(f"file:{paths.repo_secret}", now=MADE)
    locked = file_with(key, key.key.body + LOCKED)
    with pytest.raises(RequestError, match=r"^test: protected by a passphrase"):
        keyfile.read(locked, place="test")
    assert keyfile.public(locked, place="test").certificate == key.certificate


def secret_body(paths: Paths) -> bytes:
    """The body of the packet with the secret key."""
    primary: Packet = next(iter(PacketPile.from_bytes(paths.repo_secret.read_bytes())))
    return primary.body


def file_with(key: RepoKey, body: bytes, revocation: bytes = b"") -> bytes:
    """A key file with another secret part, and something between it and the name."""
    name = key.certificate.removeprefix(openpgp.packet(openpgp.PUBLIC_KEY, key.key.body))
    return openpgp.packet(openpgp.SECRET_KEY, body) + revocation + name


def small() -> bytes:
    return key_file(rsa.generate_private_key(65537, 2048), "Small", MADE, None)


def elliptic() -> bytes:
    return bytes(pysequoia.Tsk.generate("Curve <c@example.org>"))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        pytest.param(small, "RSA with 2048 bits; at least 3072", id="short"),
        pytest.param(elliptic, "not an RSA key", id="another algorithm"),
        pytest.param(lambda: b"text", "not an OpenPGP key", id="text"),
        pytest.param(lambda: b"", "holds no OpenPGP secret key", id="empty"),
        pytest.param(
            lambda: bytes(pysequoia.Cert.from_bytes(small())),
            "holds no OpenPGP secret key",
            id="public",
        ),
    ],
)
def test_a_file_that_holds_no_usable_repository_key_is_named(
    make: Callable[[], bytes], words: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(make())
    with pytest.raises(RequestError, match=f"^{tmp_path}/key: {words}"):
        repo_key(f"file:{tmp_path}/key", now=MADE)


def test_a_revoked_key_is_refused(paths: Paths) -> None:
    key = repo_key(f"file:{paths.repo_secret}", now=MADE)
    revocation = openpgp.signature(key.key, sign(key), 0x20, [openpgp.framed(key.key.body)], MADE)
    revoked = file_with(key, secret_body(paths), revocation)
    for reader in (keyfile.read, keyfile.public):
        with pytest.raises(RequestError, match="the key is revoked"):
            reader(revoked, place="test")


def sign(key: RepoKey) -> openpgp.SignDigest:
    return lambda digest: key.signer.sign_digest(digest, "sha512")


@pytest.mark.parametrize("cut", [5, 100, 700, 1370], ids=lambda cut: f"{cut} bytes")
def test_a_cut_key_file_is_refused(cut: int, paths: Paths) -> None:
    key = repo_key(f"file:{paths.repo_secret}", now=MADE)
    with pytest.raises(RequestError, match=r"^test: "):
        keyfile.read(file_with(key, secret_body(paths))[:cut], place="test")


def test_every_bit_of_the_secret_half_counts(paths: Paths) -> None:
    key = repo_key(f"file:{paths.repo_secret}", now=MADE)
    body, start = secret_body(paths), len(key.key.body) + 1
    d, p = (int.from_bytes(body[start:][:2]) + 7) // 8, keyfile.MINIMUM_BITS // 16
    last = start + 2 + d + 2 * (2 + p)  # what follows, GnuPG's u and a sum, is worked out anew
    for at in range(start, last, 7):
        other = body[:at] + bytes([body[at] ^ 1 << at % 8]) + body[at + 1 :]
        with pytest.raises(RequestError, match=r"^test: a damaged OpenPGP key"):
            keyfile.read(file_with(key, other), place="test")
    other = body[: start + 2 + d] + mpi(1) + mpi(key.key.n)
    with pytest.raises(RequestError, match=r"^test: a damaged OpenPGP key"):
        keyfile.read(file_with(key, other), place="test")


def mpi(number: int) -> bytes:
    """A number as OpenPGP has it."""
    bits = number.bit_length()
    return bits.to_bytes(2) + number.to_bytes((bits + 7) // 8)


def pem(
    key: ec.EllipticCurvePrivateKey, protection: KeySerializationEncryption | None = None
) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection or NoEncryption())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(
            pem(ec.generate_private_key(ec.SECP384R1())), "not an ECDSA P-256 key", id="P-384"
        ),
        pytest.param(
            pem(ec.generate_private_key(ec.SECP256R1()), BestAvailableEncryption(b"x")),
            "protected by a passphrase",
            id="locked",
        ),
        pytest.param(b"text", "not a private key in PEM form", id="text"),
    ],
)
def test_a_file_that_holds_no_usable_artifact_key_is_named(
    data: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / "key").write_bytes(data)
    with pytest.raises(RequestError, match=f"^{tmp_path}/key: {words}"):
        artifact_key(f"file:{tmp_path}/key")


def test_a_missing_key_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=f"^{tmp_path}/none: .*kubewright key init DIR"):
        artifact_key(f"file:{tmp_path}/none")


def test_the_artifact_key_is_named_by_its_der_form_and_openssl_reads_it(
    paths: Paths, tool: Tool
) -> None:
    key = artifact_key(f"file:{paths.artifact_secret}")
    assert load_pem_public_key(key.public_pem) == key.key
    der = paths.artifact_public.with_suffix(".der")
    run(
        [
            tool("openssl"),
            "pkey",
            "-pubin",
            "-in",
            paths.artifact_public,
            "-outform",
            "DER",
            "-out",
            der,
        ]
    )
    assert key.key_id == sha256(der.read_bytes())
