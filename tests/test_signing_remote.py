"""Keys in a PKCS #11 token and in a key service sign what stock tools accept."""

import base64
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.hashes import SHA256, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from made_keys import rooted
from test_rotation import CLIENTS

from kubewright.cli.shipped import shipped
from kubewright.errors import KubewrightError, RequestError
from kubewright.settings import Settings
from kubewright.signing import rpm as rpm_signature
from kubewright.signing import verify
from kubewright.signing.keys import artifact_key, certify, repo_key
from kubewright.stages import release
from kubewright.stages.keys import keys
from kubewright.stages.site import published_keys
from kubewright.stages.verify import verify as verify_site

NOW = 1_790_000_000
TEXT = b"Origin: Kubewright\nSuite: stable\n"
MODULE = "/usr/lib/softhsm/libsofthsm2.so"
RSA_HASHES: dict[str, HashAlgorithm] = {"256": SHA256(), "512": SHA512()}


class Kept:
    """Where a repository key and an artifact key lie, and the certificate of the former."""

    def __init__(self, repo: str, artifact: str, pin: Path | None) -> None:
        self.repo, self.artifact, self.pin = repo, artifact, pin

    def secrets(self, _place: str) -> bytes:
        return self.pin.read_bytes() if self.pin else b""

    def with_certificate(self, folder: Path) -> str:
        made = certify(self.repo, "k <k@example.org>", now=NOW, secrets=self.secrets)
        (folder / "repo.pub.asc").write_text(made.armored)
        mark = "&" if "?" in self.repo else "?"
        return f"{self.repo}{mark}certificate={folder}/repo.pub.asc"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory, tool: Callable[[str], Path]) -> Iterator[Kept]:
    """SoftHSM with an RSA and an ECDSA key."""
    folder = tmp_path_factory.mktemp("hsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder}/tokens\n")
    (folder / "pin").write_text("1234")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "conf"))
        init = ["--init-token", "--free", "--label", "release", "--pin", "1234", "--so-pin", "4321"]
        subprocess.run([tool("softhsm2-util"), *init], check=True, capture_output=True)
        for kind, label in (("rsa:3072", "repo"), ("EC:prime256v1", "artifact")):
            make = ["--login", "--pin", "1234", "--keypairgen", "--key-type", kind]
            name = ["--token-label", "release", "--label", label, "--usage-sign"]
            words: list[str | Path] = [tool("pkcs11-tool"), "--module", MODULE, *make, *name]
            subprocess.run(words, check=True, capture_output=True)
        yield Kept("hsm:release/repo", "hsm:release/artifact", folder / "pin")


class Service(BaseHTTPRequestHandler):
    """Two operations of AWS KMS, as its reference has them: a digest is signed as it is."""

    rsa_key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    ec_key = ec.generate_private_key(ec.SECP256R1())

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        operation = self.headers["X-Amz-Target"].partition(".")[2]
        known: dict[str, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey] = {
            "alias/repo": self.rsa_key, "alias/artifact": self.ec_key,
        }  # fmt: skip
        key = known.get(asked["KeyId"])
        if key is None:
            self.answer(400, {"__type": "NotFoundException", "message": "no such key"})
        elif operation == "GetPublicKey":
            der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            self.answer(200, {"KeyId": "x", "PublicKey": base64.b64encode(der).decode()})
        else:
            made = base64.b64encode(self.signature(key, asked)).decode()
            self.answer(200, {"KeyId": "x", "Signature": made})

    def signature(
        self, key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, asked: dict[str, str]
    ) -> bytes:
        assert asked["MessageType"] == "DIGEST"
        digest = base64.b64decode(asked["Message"])
        hashed = utils.Prehashed(RSA_HASHES[asked["SigningAlgorithm"][-3:]])
        if isinstance(key, rsa.RSAPrivateKey):
            return key.sign(digest, padding.PKCS1v15(), hashed)
        return key.sign(digest, ec.ECDSA(hashed))

    def answer(self, code: int, body: dict[str, str]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[Kept]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, args=(0.01,)).start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL_KMS": f"http://127.0.0.1:{server.server_port}",
            "AWS_DEFAULT_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "x",
            "AWS_SECRET_ACCESS_KEY": "x",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        yield Kept("awskms:alias/repo", "awskms:alias/artifact", None)
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["token", "service"])
def kept(request: pytest.FixtureRequest) -> Kept:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, Kept)
    return found


class Served(NamedTuple):
    """A site whose clients are real ones."""

    root: Path


def test_what_is_signed_holds(kept: Kept, tmp_path: Path) -> None:
    repo = repo_key(kept.with_certificate(tmp_path), now=NOW, secrets=kept.secrets)
    artifact = artifact_key(kept.artifact, secrets=kept.secrets)
    made = repo.detached(TEXT, NOW)
    assert made == repo.detached(TEXT, NOW)
    assert verify.detached(TEXT, made, [repo.certificate], place="x") == repo.fingerprint
    assert verify.clearsigned(repo.clearsign(TEXT, NOW), [repo.certificate], place="x") == TEXT
    sig = artifact.sign(TEXT)
    assert verify.artifact(TEXT, sig, artifact.public_pem, place="x") == artifact.key_id


def test_a_release_is_signed_and_stock_tools_accept_it(
    kept: Kept, home: Settings, tmp_path: Path, tool: Callable[[str], Path],
    compiled: dict[str, object],
) -> None:  # fmt: skip
    named: dict[str, object] = {
        **compiled,
        "repo_key": kept.with_certificate(tmp_path), "artifact_key": kept.artifact,
        "passphrase_file": kept.pin, "site": str(tmp_path / "site"), "dist": tmp_path / "dist",
        "valid_for": 0,
    }  # fmt: skip
    settings = home.model_copy(update=named)
    own = rooted(keys(settings), tmp_path, now=settings.now)
    workspace, _, _ = release.release("v1.36.4", settings, shipped(), own)
    assert not verify_site(settings.site, published_keys(settings, own), now=settings.now).findings
    ring, root = tmp_path / "ring.gpg", tmp_path / "site"
    ring.write_bytes(own.repo.certificate)
    signed = root / "apt/dists/stable-1.36/InRelease"
    subprocess.run([tool("gpgv"), "--keyring", ring, signed], check=True, capture_output=True)
    found = next((workspace.root / "signed/rpm").glob("*.rpm"))
    assert rpm_signature.verify(found.read_bytes(), [own.repo.certificate])
    manifest = root / "releases/v1.36.4-1/manifest.json"
    (tmp_path / "sig").write_bytes(base64.b64decode(manifest.with_suffix(".json.sig").read_bytes()))
    (tmp_path / "key.pem").write_bytes(own.artifact.pem)
    check: list[str | Path] = [
        "dgst",
        "-sha256",
        "-verify",
        tmp_path / "key.pem",
        "-signature",
        tmp_path / "sig",
    ]
    subprocess.run([tool("openssl"), *check, manifest], check=True, capture_output=True)
    for name, client in CLIENTS.items():
        (tmp_path / name).mkdir()
        assert client(Served(root), tmp_path / name, [own.repo], tool) == "", name
    assert release.release("v1.36.4", settings, shipped(), own)[2] == []


WRONG = {
    "token": {
        "hsm:release/none": "the token says: NoSuchKey",
        "hsm:none/repo": "the token says: NoSuchToken",
        "hsm:release": "names no token or no key",
        "hsm:release/repo?modul=x": "no such option: modul; there are: certificate, module",
        "hsm:release/repo?module=/none.so": "no PKCS #11 module: /none.so",
        "hsm:release/artifact": "not an RSA key",
    },
    "service": {
        "awskms:alias/none": "the key service says: .*no such key",
        "awskms:alias/artifact": "not an RSA key",
        "awskms:alias/repo?region=x": "no such option: region",
    },
}


@pytest.mark.parametrize("which", WRONG)
def test_what_is_wrong_is_said_in_one_line(which: str, request: pytest.FixtureRequest) -> None:
    kept = request.getfixturevalue(which)
    for uri, problem in WRONG[which].items():
        with pytest.raises(KubewrightError, match=problem) as caught:
            repo_key(uri, now=NOW, secrets=kept.secrets)
        assert "\n" not in str(caught.value)


def test_a_repository_key_needs_the_certificate_of_just_that_key(
    kept: Kept, tmp_path: Path, home: Settings
) -> None:
    with pytest.raises(RequestError, match=r"needs its certificate; make it once: .*key certify"):
        repo_key(kept.repo, now=NOW, secrets=kept.secrets)
    other = tmp_path / "other.asc"
    other.write_text(keys(home).repo.armored)
    with pytest.raises(RequestError, match="the certificate of another key"):
        repo_key(f"{kept.repo}?certificate={other}", now=NOW, secrets=kept.secrets)


def test_a_wrong_pin_is_named_and_never_shown(token: Kept, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("4321")
    words = ["key", "show", "--artifact-key", token.artifact, "--passphrase-file", "wrong"]
    done = subprocess.run(
        [sys.executable, "-m", "kubewright", *words],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert "the token says: PinIncorrect" in done.stderr
    assert "4321" not in done.stderr
